/* Capabilities. All parsing and policy happens in the parent, on 64-bit sets; the child only makes the system
 * calls. They are raw system calls: libcap would add allocations to the child for three sets of 64 bits. */
#include "core/caps.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

/* By number, without "CAP_". NULL-terminated for nearest_word(). */
static const char *const names[] = {
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
    NULL,
};

enum { KNOWN = ARRAY_LEN(names) - 1, SET_BITS = 64 };
_Static_assert(KNOWN == CAP_CHECKPOINT_RESTORE + 1, "a name for each capability, in their order");

char *caps_name(int cap)
{
    return cap >= 0 && cap < KNOWN ? xasprintf("CAP_%s", names[cap]) : xasprintf("CAP_%d", cap);
}

strv caps_names(uint64_t mask)
{
    strv v = NULL;
    for (int cap = 0; cap < SET_BITS; cap++)
        if (mask & CAPS_BIT(cap))
            strv_add_take(&v, caps_name(cap));
    return v;
}

int caps_parse(const char *name, uint64_t *mask, struct err *e)
{
    _cleanup_free_ char *upper = xstrdup(name);
    for (char *p = upper; *p; p++)
        *p = (char)toupper((unsigned char)*p);
    if (streq(upper, "ALL")) {
        *mask = UINT64_MAX;
        return 0;
    }
    const char *bare = skip_prefix(upper, "CAP_");
    bare = bare ? bare : upper;
    for (int cap = 0; cap < KNOWN; cap++) {
        if (streq(bare, names[cap])) {
            *mask = CAPS_BIT(cap);
            return 0;
        }
    }
    int r = err_say(e, -EINVAL, "unknown capability `%s`", name);
    const char *nearest = nearest_word(bare, names);
    if (nearest)
        err_hint(e, "did you mean %s?", nearest);
    return r;
}

uint64_t caps_added(char *const *add)
{
    uint64_t added = 0;
    strv_each (name, add) {
        uint64_t one = 0;
        if (caps_parse(name, &one, NULL) == 0)
            added |= one;
    }
    return added;
}

uint64_t caps_asked(char *const *add, bool privileged)
{
    return caps_added(add) | (privileged ? UINT64_MAX : CAPS_DEFAULT);
}

uint64_t caps_held_of(uint64_t asked)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};
    /* Unknown counts as held: then the kernel refuses the container. The other way round it would silently get
     * less than it asked for. */
    if (syscall(SYS_capget, &header, data) == 0)
        asked &= data[0].permitted | (uint64_t)data[1].permitted << 32;
    uint64_t held = 0;
    /* one call each; even all of them cost less than one read of /proc/self/status */
    for (int cap = 0; cap < SET_BITS && asked >> cap; cap++) {
        if (!(asked & CAPS_BIT(cap)))
            continue;
        int there = prctl(PR_CAPBSET_READ, cap, 0, 0, 0);
        if (there > 0 || (there < 0 && errno != EINVAL)) /* EINVAL: the kernel does not know it */
            held |= CAPS_BIT(cap);
    }
    return held;
}

uint64_t caps_held(void)
{
    return caps_held_of(UINT64_MAX);
}

/* The union of @list in *@mask; *@all: whether "ALL" was among them. */
static int parse_list(char *const *list, uint64_t *mask, bool *all, struct err *e)
{
    *mask = 0;
    *all = false;
    strv_each (name, list) {
        uint64_t one = 0;
        int r = caps_parse(name, &one, e);
        if (r < 0)
            return r;
        if (one == UINT64_MAX)
            *all = true;
        else
            *mask |= one;
    }
    return 0;
}

int caps_resolve(char *const *add, char *const *drop, bool privileged, uint64_t held,
                 uint64_t *mask, struct err *e)
{
    uint64_t added, dropped;
    bool add_all, drop_all;
    int r = parse_list(add, &added, &add_all, e);
    if (r == 0)
        r = parse_list(drop, &dropped, &drop_all, e);
    if (r < 0)
        return r;
    uint64_t missing = added & ~held;
    if (missing) {
        _cleanup_free_ char *name = caps_name(__builtin_ctzll(missing));
        r = err_say(e, -EPERM, "capability `%s` cannot be added: netctr does not hold it itself",
                    name);
        err_hint(e, "it is missing from the bounding set of this shell, or unknown to this kernel; "
                    "see CapBnd in /proc/self/status");
        return r;
    }
    if (privileged)
        *mask = held;
    else if (add_all)
        *mask = held & ~dropped;
    else if (drop_all)
        *mask = added;
    else
        *mask = (held & CAPS_DEFAULT & ~dropped) | added;
    return 0;
}

int caps_drop_bounding(uint64_t mask, struct err *e)
{
    for (int cap = 0; cap < SET_BITS; cap++) {
        if ((mask & CAPS_BIT(cap)) || prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0)
            continue;
        int r = -errno;
        /* Dropping needs CAP_SETPCAP even when it would change nothing, so the bounding set is read only after a
         * refusal. A negative result: beyond the last capability that this kernel knows. */
        int there = prctl(PR_CAPBSET_READ, cap, 0, 0, 0);
        if (there < 0)
            break;
        if (there == 0)
            continue;
        _cleanup_free_ char *name = caps_name(cap);
        return err_set(e, r, "drop `%s` from the bounding set", name);
    }
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
        return err_set(e, errno, "clear the ambient capabilities");
    return 0;
}

int caps_keep_over_uid(uint64_t ambient, uid_t uid, struct err *e)
{
    if (uid != 0 && ambient && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
        return err_set(e, errno, "keep the capabilities over the change of user");
    return 0;
}

static int set_sets(uint64_t mask, uint64_t inheritable, struct err *e)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {
        {(uint32_t)mask, (uint32_t)mask, (uint32_t)inheritable},
        {(uint32_t)(mask >> 32), (uint32_t)(mask >> 32), (uint32_t)(inheritable >> 32)},
    };
    if (syscall(SYS_capset, &header, data) < 0)
        return err_set(e, errno, "set the capabilities to %#llx", (unsigned long long)mask);
    return 0;
}

int caps_set_after_uid(uint64_t mask, uint64_t ambient, uid_t uid, struct err *e)
{
    if (uid == 0)
        return set_sets(mask, 0, e);
    int r = set_sets(ambient, ambient, e);
    for (int cap = 0; r == 0 && cap < SET_BITS && ambient >> cap; cap++) {
        if (!(ambient & CAPS_BIT(cap)) ||
            prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) == 0)
            continue;
        _cleanup_free_ char *name = caps_name(cap);
        r = err_set(e, errno, "hand `%s` on to user %u", name, uid);
    }
    return r;
}
