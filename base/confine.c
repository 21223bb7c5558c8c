/* Confines a process that from now on needs few capabilities and system calls. */
#include <netctr/base.h>

#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#if defined(__x86_64__)
#define OUR_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OUR_ARCH AUDIT_ARCH_AARCH64
#else
#error "this architecture's name is missing"
#endif

int confine_caps(uint64_t keep, struct err *e)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    const struct __user_cap_data_struct data[2] = {
        {.effective = (uint32_t)keep, .permitted = (uint32_t)keep},
        {.effective = (uint32_t)(keep >> 32), .permitted = (uint32_t)(keep >> 32)}};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
        return err_set(e, errno, "set no_new_privs");
    /* The kernel answers EINVAL beyond its last capability. */
    for (int cap = 0; cap < 64 && prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
        if (!(keep >> cap & 1) && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0 && errno != EPERM)
            return err_set(e, errno, "drop capability %d", cap);
    return syscall(SYS_capset, &header, data) < 0 ? err_set(e, errno, "drop capabilities") : 0;
}

/* Appends code at @n that allows @c if the low 32 bits of its argument match. */
static size_t put_call(struct sock_filter *code, size_t n, const struct confine_call *c)
{
    const struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    unsigned argument = c->argument ? c->argument - 1 : 0;
    bool any = c->argument == 0;
    code[n++] =
        (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)c->call, 0, any ? 1 : 4);
    if (any) {
        code[n++] = allow;
        return n;
    }
    code[n++] = (struct sock_filter)BPF_STMT(
        BPF_LD | BPF_W | BPF_ABS,
        (uint32_t)(offsetof(struct seccomp_data, args) + argument * sizeof(uint64_t)));
    code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, c->value, 0, 1);
    code[n++] = allow;
    code[n++] =
        (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    return n;
}

/* Calls that a sanitizer's runtime makes before the process ends, and to print a stack. */
static const int runtime[] = {
#ifdef __SANITIZE_ADDRESS__
    SYS_sigaltstack, SYS_readlink, SYS_mprotect,
#endif
    -1};

/* Comparisons one after the other, most frequent first: a binary search would pay off beyond a
 * hundred. */
int confine_allow_calls(const struct confine_call *calls, size_t count, struct err *e)
{
    _cleanup_free_ struct sock_filter *code =
        xcalloc((count + ARRAY_LEN(runtime)) * 5 + 5, sizeof(*code));
    size_t n = 0;
    if (count > 200)
        return err_say(e, -E2BIG, "too many system calls for a filter");
    code[n++] =
        (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
    code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OUR_ARCH, 1, 0);
    code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    code[n++] =
        (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < count; i++)
        n = put_call(code, n, &calls[i]);
    for (const int *call = runtime; *call >= 0; call++)
        n = put_call(code, n, &(struct confine_call){.call = *call});
    code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
    const struct sock_fprog program = {.len = (unsigned short)n, .filter = code};
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0
               ? err_set(e, errno, "install the system call filter")
               : 0;
}

int confine_allow(const int *calls, size_t count, struct err *e)
{
    _cleanup_free_ struct confine_call *all = xcalloc(count + 1, sizeof(*all));
    for (size_t i = 0; i < count; i++)
        all[i].call = calls[i];
    return confine_allow_calls(all, count, e);
}
