/* What a process inherits from the caller of netctr, and how much of that a container gets.
 *
 * Four limits are passed on: open files, processes, core dumps and locked memory. They are those of the caller of
 * `run`; the definition keeps them, so that start, restart, boot and exec give the same, and those of --ulimit. Everything
 * else belongs to the caller's shell and is reset: a file size that would end the log, a few seconds of processor time that
 * would end the monitor, an affinity to one processor.
 */
#include "caller.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define MONITOR_OOM_SCORE "-900"

static const struct {
    int resource;
    const char *name, *what;
} kept[ULIMITS] = {
    [ULIMIT_NOFILE] = {RLIMIT_NOFILE, "nofile", "open files"},
    [ULIMIT_NPROC] = {RLIMIT_NPROC, "nproc", "processes"},
    [ULIMIT_CORE] = {RLIMIT_CORE, "core", "core dumps"},
    [ULIMIT_MEMLOCK] = {RLIMIT_MEMLOCK, "memlock", "locked memory"},
    [ULIMIT_CPU] = {RLIMIT_CPU, "cpu", "processor time"},
    [ULIMIT_DATA] = {RLIMIT_DATA, "data", "data"},
    [ULIMIT_FSIZE] = {RLIMIT_FSIZE, "fsize", "file size"},
    [ULIMIT_LOCKS] = {RLIMIT_LOCKS, "locks", "file locks"},
    [ULIMIT_MSGQUEUE] = {RLIMIT_MSGQUEUE, "msgqueue", "message queues"},
    [ULIMIT_NICE] = {RLIMIT_NICE, "nice", "niceness"},
    [ULIMIT_RSS] = {RLIMIT_RSS, "rss", "resident memory"},
    [ULIMIT_RTPRIO] = {RLIMIT_RTPRIO, "rtprio", "real-time priority"},
    [ULIMIT_RTTIME] = {RLIMIT_RTTIME, "rttime", "real-time processor time"},
    [ULIMIT_SIGPENDING] = {RLIMIT_SIGPENDING, "sigpending", "pending signals"},
    [ULIMIT_STACK] = {RLIMIT_STACK, "stack", "stack"},
};

const char *ulimit_name(size_t i)
{
    return kept[i].name;
}

static bool is_set(const struct ulimits *u, size_t i)
{
    return u->set & 1U << i;
}

int ulimits_read(struct ulimits *out, struct err *e)
{
    for (size_t i = 0; i < ULIMITS_INHERITED; i++) {
        if (is_set(out, i))
            continue;
        if (getrlimit(kept[i].resource, &out->items[i]) < 0)
            return err_set(e, errno, "read the limit of %s", kept[i].what);
        out->set |= 1U << i;
    }
    return 0;
}

/* ---- for the program -------------------------------------------------------------------------*/

/* No process may have more open files than fs.nr_open, which may be lower here than on the host that wrote the
 * definition. */
static struct rlimit possible(size_t i, const struct rlimit *wanted)
{
    uint64_t most;
    struct rlimit limit = *wanted;
    if (i != ULIMIT_NOFILE || wanted->rlim_max <= 1024 * 1024)
        return limit;
    _cleanup_free_ char *text = NULL;
    if (read_file_at(AT_FDCWD, "/proc/sys/fs/nr_open", 64, &text, NULL) < 0)
        return limit;
    text[strcspn(text, "\n")] = '\0';
    if (parse_u64(text, 1, INT64_MAX, &most) == 0 && most < limit.rlim_max)
        limit.rlim_max = most;
    if (limit.rlim_cur > limit.rlim_max)
        limit.rlim_cur = limit.rlim_max;
    return limit;
}

/* Until execve this process may need more descriptors than the program is allowed. So limits that have to rise are
 * raised while that is permitted; ulimits_set() does the rest. */
int ulimits_raise(const struct ulimits *u, struct err *e)
{
    for (size_t i = 0; i < ULIMITS; i++) {
        struct rlimit now;
        if (!is_set(u, i))
            continue;
        const struct rlimit wanted = possible(i, &u->items[i]);
        if (getrlimit(kept[i].resource, &now) < 0)
            return err_set(e, errno, "read the limit of %s", kept[i].what);
        if (wanted.rlim_max <= now.rlim_max)
            continue;
        now.rlim_max = wanted.rlim_max;
        if (setrlimit(kept[i].resource, &now) == 0)
            continue;
        int code = err_set(e, errno, "raise the limit of %s to the container's", kept[i].what);
        if (code == -EPERM)
            err_hint(e,
                     "the caller's hard limit is lower (`ulimit -H -a`), and CAP_SYS_RESOURCE is "
                     "missing");
        return code;
    }
    return 0;
}

int ulimits_set(const struct ulimits *u, struct err *e)
{
    for (size_t i = ULIMITS; i-- > 0;) { /* open files last */
        if (!is_set(u, i))
            continue;
        const struct rlimit limit = possible(i, &u->items[i]);
        if (setrlimit(kept[i].resource, &limit) < 0)
            return err_set(e, errno, "set the limit of %s", kept[i].what);
    }
    return 0;
}

/* ---- what is reset ---------------------------------------------------------------------------*/

static int lift(int resource, const char *what, struct err *e)
{
    const struct rlimit none = {RLIM_INFINITY, RLIM_INFINITY};
    struct rlimit now;
    if (setrlimit(resource, &none) == 0)
        return 0;
    if (getrlimit(resource, &now) < 0)
        return err_set(e, errno, "read the limit of %s", what);
    if (now.rlim_max == RLIM_INFINITY)
        return 0;
    err_say(e, -EPERM, "the caller has a hard limit of %s, which would be the container's", what);
    err_hint(e,
             "it is lifted with CAP_SYS_RESOURCE, which is missing; start netctr without "
             "`ulimit -%c`",
             resource == RLIMIT_CPU ? 't' : 'f');
    return -EPERM;
}

static void lift_as_far_as_permitted(int resource, rlim_t soft)
{
    struct rlimit now, wanted = {soft, RLIM_INFINITY};
    if (setrlimit((__rlimit_resource_t)resource, &wanted) == 0 ||
        getrlimit((__rlimit_resource_t)resource, &now) < 0)
        return;
    now.rlim_cur = soft < now.rlim_max ? soft : now.rlim_max;
    (void)setrlimit((__rlimit_resource_t)resource, &now);
}

/* Lowering some of these, such as niceness, needs a capability. Without it they stay. */
static void lift_if_permitted(void)
{
    /* The kernel has its own limits for the last two; they are the hard limits. */
    static const int without_limit[] = {RLIMIT_AS,      RLIMIT_DATA,   RLIMIT_RSS,
                                        RLIMIT_LOCKS,   RLIMIT_RTTIME, RLIMIT_SIGPENDING,
                                        RLIMIT_MSGQUEUE};
    const struct sched_param ordinary = {0};
    const struct rlimit none = {0, 0};
    for (size_t i = 0; i < ARRAY_LEN(without_limit); i++)
        lift_as_far_as_permitted(without_limit[i], RLIM_INFINITY);
    lift_as_far_as_permitted(RLIMIT_STACK, 8 << 20);
    (void)setrlimit(RLIMIT_NICE, &none);
    (void)setrlimit(RLIMIT_RTPRIO, &none);
    if (sched_getscheduler(0) != SCHED_OTHER)
        (void)sched_setscheduler(0, SCHED_OTHER, &ordinary);
    (void)setpriority(PRIO_PROCESS, 0, 0);
    (void)syscall(SYS_ioprio_set, 1 /* IOPRIO_WHO_PROCESS */, 0, 0);
    (void)prctl(PR_SET_TIMERSLACK, 0); /* the default again */
    (void)prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0);
    (void)syscall(SYS_set_mempolicy, 0 /* MPOL_DEFAULT */, NULL, 0);
}

int caller_reset(struct err *e)
{
    /* The kernel masks processors that do not exist, or that the cpuset forbids. */
    unsigned long all[128];
    memset(all, 0xff, sizeof(all));
    (void)syscall(SYS_sched_setaffinity, 0, sizeof(all), all);
    (void)personality(PER_LINUX);
    lift_if_permitted();
    int r = lift(RLIMIT_FSIZE, "file size", e);
    return r < 0 ? r : lift(RLIMIT_CPU, "processor time", e);
}

static int set_oom_score(const char *value)
{
    _cleanup_close_ int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    return fd < 0 ? -errno : write_all(fd, value, strlen(value));
}

void oom_score_of_monitor(void)
{
    (void)set_oom_score(MONITOR_OOM_SCORE);
}

/* Written with CAP_SYS_RESOURCE, this is also the lowest value that the program may set. */
int oom_score_of_program(int score, struct err *e)
{
    _cleanup_free_ char *text = xasprintf("%d", score);
    int r = set_oom_score(text);
    if (r == 0 || !score)
        return 0;
    r = err_set(e, r, "set oom_score_adj to %d", score);
    if (r == -EACCES)
        err_hint(e, "lowering it needs CAP_SYS_RESOURCE, which is missing");
    return r;
}
