/* Limits: validation, and the files that they are written to.
 *
 * Files are named by their whole path: an fd of the directory would cost an open and a close, and most containers
 * have at most one limit in a hierarchy.
 */
#include "core/cgroup_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

int64_t cgroup_weight_of_shares(int64_t shares)
{
    shares = shares < 2 ? 2 : shares > 102400 ? 102400 : shares;
    return shares < 11 ? 1 : shares * 100 / 1024;
}

unsigned cgroup_controllers_for(const struct cgroup_limits *l)
{
    unsigned needed = 0;
    if (l->memory || l->memory_swap || l->memory_reservation)
        needed |= 1u << CGROUP_MEMORY;
    if (l->cpu_quota_us || l->cpu_period_us || l->cpu_weight)
        needed |= 1u << CGROUP_CPU;
    if (l->pids > 0)
        needed |= 1u << CGROUP_PIDS;
    return needed;
}

static int check_values(const struct cgroup_limits *l, struct err *e)
{
    const struct {
        const char *what;
        int64_t value, min, max;
    } ranges[] = {
        {"memory limit (bytes)", l->memory == -1 ? 0 : l->memory, 6 << 20, INT64_MAX / 2},
        {"limit of memory and swap (bytes)", l->memory_swap, -1, INT64_MAX},
        {"memory reservation (bytes)", l->memory_reservation, 0, INT64_MAX},
        {"CPU quota (µs)", l->cpu_quota_us == -1 ? 0 : l->cpu_quota_us, 1000, INT64_MAX / 1000},
        {"CPU period (µs)", l->cpu_period_us, 1000, 1000000},
        {"CPU weight", l->cpu_weight, 1, 10000},
        {"limit of processes", l->pids, -1, INT32_MAX},
    };
    for (size_t i = 0; i < ARRAY_LEN(ranges); i++)
        if (ranges[i].value && (ranges[i].value < ranges[i].min || ranges[i].value > ranges[i].max))
            return err_say(e, -EINVAL,
                           "the %s must be from %" PRId64 " to %" PRId64 ", not %" PRId64,
                           ranges[i].what, ranges[i].min, ranges[i].max, ranges[i].value);
    if (l->memory_swap > 0 && !l->memory)
        return err_say(e, -EINVAL, "a limit of memory and swap needs a memory limit too");
    if (l->memory_swap > 0 && l->memory_swap < l->memory)
        return err_say(e, -EINVAL, "the limit of memory and swap is below that of memory");
    if (l->memory > 0 && l->memory_reservation > l->memory)
        return err_say(e, -EINVAL, "the memory reservation is above the memory limit");
    return 0;
}

int cgroup_check_limits(const struct cgroup_host *host, const struct cgroup_limits *limits,
                        struct err *e)
{
    int r = check_values(limits, e);
    if (r < 0)
        return r;
    unsigned missing = cgroup_controllers_for(limits);
    for (size_t i = 0; i < host->count; i++)
        missing &= ~host->hierarchies[i].controllers;
    if (!missing)
        return 0;
    const char *name = cgroup_controller_name(__builtin_ctz(missing));
    r = err_say(e, -EOPNOTSUPP, "the limit needs the cgroup controller `%s`, which is not there",
                name);
    if (host->kind == CGROUP_V2)
        err_hint(e,
                 "it is not in `%s/cgroup.controllers`: see the kernel's command line "
                 "(cgroup_enable=%s, cgroup_no_v1) and what the container or slice around "
                 "netctr was given",
                 host->hierarchies[0].mount, name);
    else
        err_hint(e, "mount it: mount -t cgroup -o %s cgroup /sys/fs/cgroup/%s", name, name);
    return r;
}

static int write_file(const char *dir, const char *file, const char *value)
{
    _cleanup_free_ char *full = xasprintf("%s/%s", dir, file);
    return write_existing_at(AT_FDCWD, full, value);
}

static int write_value(const char *dir, const char *file, const char *value, struct err *e)
{
    int r = write_file(dir, file, value);
    return r < 0 ? err_set(e, r, "set `%s` to %s in cgroup `%s`", file, value, dir) : 0;
}

static int write_number(const char *dir, const char *file, int64_t value, struct err *e)
{
    char text[24];
    snprintf(text, sizeof(text), "%" PRId64, value);
    return write_value(dir, file, text, e);
}

/* A swap limit that the user did not give is left out where the kernel does not account swap. */
static int write_swap(const char *dir, const char *file, const char *value, bool optional,
                      struct err *e)
{
    int r = write_file(dir, file, value);
    if (r == 0 || (r == -ENOENT && optional))
        return 0;
    err_set(e, r, "set `%s` to %s in cgroup `%s`", file, value, dir);
    if (r == -ENOENT)
        err_hint(e, "the kernel does not account swap: boot it with swapaccount=1");
    return r;
}

static int write_memory_v1(const char *dir, const struct cgroup_limits *l, struct err *e)
{
    const char *const memsw = "memory.memsw.limit_in_bytes";
    int64_t both = l->memory_swap ? l->memory_swap : 2 * l->memory;
    char text[24];
    if (l->memory < 0) {
        (void)write_file(dir, memsw, "-1");
        return write_number(dir, "memory.limit_in_bytes", -1, e);
    }
    snprintf(text, sizeof(text), "%" PRId64, both);
    /* The kernel requires memory <= memsw at all times. A new cgroup has neither, so memory comes first; an update
     * that raises both fails until memsw is raised. */
    int r = 0;
    if (l->memory && write_number(dir, "memory.limit_in_bytes", l->memory, NULL) < 0) {
        (void)write_file(dir, memsw, text);
        r = write_number(dir, "memory.limit_in_bytes", l->memory, e);
    }
    if (r == 0 && both)
        r = write_swap(dir, memsw, text, !l->memory_swap, e);
    if (r == 0 && l->memory_reservation)
        r = write_number(dir, "memory.soft_limit_in_bytes", l->memory_reservation, e);
    return r;
}

static int write_memory_v2(const char *dir, const struct cgroup_limits *l, struct err *e)
{
    if (l->memory < 0) {
        (void)write_file(dir, "memory.swap.max", "max");
        return write_value(dir, "memory.max", "max", e);
    }
    int r = l->memory ? write_number(dir, "memory.max", l->memory, e) : 0;
    if (r == 0 && (l->memory || l->memory_swap)) {
        char text[24] = "max";
        if (l->memory_swap >= 0)
            snprintf(text, sizeof(text), "%" PRId64,
                     (l->memory_swap ? l->memory_swap - l->memory : l->memory));
        r = write_swap(dir, "memory.swap.max", text, !l->memory_swap, e);
    }
    if (r == 0 && l->memory_reservation)
        r = write_number(dir, "memory.low", l->memory_reservation, e);
    return r;
}

static int write_cpu_v1(const char *dir, const struct cgroup_limits *l, struct err *e)
{
    int64_t shares = l->cpu_weight * 1024 / 100;
    int r = 0;
    if (l->cpu_weight)
        r = write_number(dir, "cpu.shares", shares < 2 ? 2 : shares, e);
    if (r == 0 && l->cpu_period_us)
        r = write_number(dir, "cpu.cfs_period_us", l->cpu_period_us, e);
    if (r == 0 && l->cpu_quota_us)
        r = write_number(dir, "cpu.cfs_quota_us", l->cpu_quota_us, e);
    return r;
}

/* The first word of cpu.max. */
static int read_quota(const char *dir, char **quota, struct err *e)
{
    _cleanup_free_ char *file = xasprintf("%s/cpu.max", dir);
    char text[64];
    int r = cgroup_read_file(file, text, sizeof(text));
    if (r < 0)
        return err_set(e, r, "read `%s`", file);
    *quota = xstrndup(text, strcspn(text, " \n"));
    return 0;
}

static int write_cpu_v2(const char *dir, const struct cgroup_limits *l, struct err *e)
{
    int r = l->cpu_weight ? write_number(dir, "cpu.weight", l->cpu_weight, e) : 0;
    if (r < 0 || !(l->cpu_quota_us || l->cpu_period_us))
        return r;
    /* "QUOTA PERIOD" or "QUOTA": a period alone needs the present quota */
    _cleanup_free_ char *quota = NULL;
    if (l->cpu_quota_us < 0)
        quota = xstrdup("max");
    else if (l->cpu_quota_us)
        quota = xasprintf("%" PRId64, l->cpu_quota_us);
    else
        r = read_quota(dir, &quota, e);
    if (r < 0)
        return r;
    _cleanup_free_ char *both = xasprintf("%s %" PRId64, quota, l->cpu_period_us);
    return write_value(dir, "cpu.max", l->cpu_period_us ? both : quota, e);
}

int cgroup_write_limits(enum cgroup_kind kind, const struct cgroup_hierarchy *h, const char *path,
                        const struct cgroup_limits *l, struct err *e)
{
    bool v2 = kind == CGROUP_V2;
    unsigned wanted = h->controllers & cgroup_controllers_for(l);
    _cleanup_free_ char *dir = cgroup_join_path(h, path);
    int r = 0;
    if (wanted & (1u << CGROUP_MEMORY))
        r = v2 ? write_memory_v2(dir, l, e) : write_memory_v1(dir, l, e);
    if (r == 0 && (wanted & (1u << CGROUP_CPU)))
        r = v2 ? write_cpu_v2(dir, l, e) : write_cpu_v1(dir, l, e);
    if (r == 0 && (wanted & (1u << CGROUP_PIDS)))
        r = write_number(dir, "pids.max", l->pids, e);
    if (r == 0 && l->pids < 0 && (h->controllers & (1u << CGROUP_PIDS)))
        r = write_value(dir, "pids.max", "max", e);
    return r;
}

/* ---- controllers of v2 -----------------------------------------------------------------------*/

int cgroup_enable_here(const char *dir, unsigned wanted, unsigned required, struct err *e)
{
    _cleanup_free_ char *file = xasprintf("%s/cgroup.subtree_control", dir);
    unsigned enabled;
    int r = cgroup_read_controllers(file, &enabled);
    if (r < 0)
        return err_set(e, r, "read `%s`", file);
    for (int c = 0; c < CGROUP_CONTROLLERS; c++) {
        if (!(wanted & ~enabled & (1u << c)))
            continue;
        /* one by one: a write with several is refused as a whole */
        _cleanup_free_ char *word = xasprintf("+%s", cgroup_controller_name(c));
        r = write_existing_at(AT_FDCWD, file, word);
        if (r == 0 || !(required & (1u << c)))
            continue;
        err_set(e, r, "enable the controller `%s` for the children of cgroup `%s`",
                cgroup_controller_name(c), dir);
        if (r == -EBUSY)
            err_hint(e, "a cgroup with processes of its own cannot give controllers to children "
                        "(\"no internal processes\"): move them into a child of it first");
        if (r == -ENOENT)
            err_hint(e, "the cgroup above does not give it on; see its cgroup.subtree_control");
        return r == -ENOENT ? -EOPNOTSUPP : r; /* ENOENT is for "removed": the caller tries again */
    }
    return 0;
}
