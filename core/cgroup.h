/* Control groups of containers: `netctr/INSTANCE/ID` below the root of each hierarchy. Private to core/.
 *
 * One model for both versions: a host has hierarchies, each with a mount point and the controllers that it
 * carries. v2 is one hierarchy with all of them; v1 (also "hybrid") has up to one for each. Every path here is
 * relative to the mount point ("netctr/INSTANCE/ID"), without ".." or a leading slash, and the same in all
 * hierarchies. Only what is below `netctr/` is changed, except that v2 controllers are enabled for the children of
 * the cgroups above.
 */
#pragma once

#include <netctr/core.h>

enum { CGROUP_HIERARCHIES = 32 };

struct cgroup_hierarchy {
    char *mount;          /**< "/sys/fs/cgroup/memory"; owned */
    unsigned controllers; /**< those that we use: bits 1 << CGROUP_MEMORY … */
    bool v2;
    bool cpuset, freezer; /**< v1: it also has these controllers, in which netctr sets nothing */
    bool detached;        /**< @mount is a detached mount, named by @fd, which is owned */
    int fd;
};

struct cgroup_host {
    enum cgroup_kind kind;
    size_t count;
    size_t usual; /**< how many of the first ones every container has a cgroup in */
    struct cgroup_hierarchy hierarchies[CGROUP_HIERARCHIES];
};

/** Zero is "no limit" everywhere. */
struct cgroup_limits {
    int64_t
        memory; /**< bytes, at least 6 MiB (docker's minimum); -1: no limit any more, of swap neither */
    /** Bytes of memory and swap together; -1: unlimited swap; 0 with a memory limit: twice that, as
     *  docker does (memory.memsw.limit_in_bytes = 2 * memory; memory.swap.max = memory), if the
     *  kernel accounts swap. */
    int64_t memory_swap;
    int64_t memory_reservation; /**< bytes kept under pressure; soft_limit_in_bytes, memory.low */
    int64_t cpu_quota_us;  /**< µs of CPU time a period, at least 1000; -1: no limit any more */
    int64_t cpu_period_us; /**< µs, 1000 to 1000000; 0: the kernel's, 100000 */
    int64_t cpu_weight;    /**< 1 to 10000, 100 is normal; cpu.weight, v1: cpu.shares of 1024/100 */
    int64_t pids;          /**< tasks; -1 is unlimited too */
};

/** The fds by which a process enters a cgroup. The parent opens them, so that the child needs no path and no
 *  mount. Initialize with CGROUP_ENTRY_INIT. */
struct cgroup_entry {
    int fds[CGROUP_HIERARCHIES];
    size_t count;
    char *everywhere; /**< path that cgroup_join_self() must find in all hierarchies, or NULL */
};
#define CGROUP_ENTRY_INIT \
    {                     \
        .count = 0        \
    }

/** Finds the hierarchies of this host. Looks at @root (NULL: "/sys/fs/cgroup") by statfs, and only if nothing is
 *  there reads /proc/self/mountinfo. The caller calls cgroup_host_clear(). Finding none is no error (CGROUP_NONE). */
int cgroup_probe(const char *root, struct cgroup_host *out, struct err *e);
/** Adds the hierarchies of /proc/self/cgroup in which netctr uses no controller, and mounts those that are not
 *  mounted, detached. @all: one that cannot be mounted is an error (else it is skipped), and the one of v2 is
 *  added too. */
int cgroup_add_others(struct cgroup_host *host, bool all, struct err *e);
void cgroup_host_clear(struct cgroup_host *host);
#define _cleanup_cgroup_host_ __attribute__((cleanup(cgroup_host_clear)))

/** "CPU shares" of docker (2 to 262144, 1024 is normal) as a weight. */
int64_t cgroup_weight_of_shares(int64_t shares);

/** Whether @limits make sense (-EINVAL) and @host has the controllers for them (-EOPNOTSUPP, with
 *  the name of the missing one). Touches nothing. */
int cgroup_check_limits(const struct cgroup_host *host, const struct cgroup_limits *limits,
                        struct err *e);

/** Makes @path and its parents in every hierarchy and writes @limits (NULL: none) while no process is
 *  inside. -EEXIST if it is there already. After a failure nothing new is left of @path. */
int cgroup_create(const struct cgroup_host *host, const char *path,
                  const struct cgroup_limits *limits, struct err *e);
/** Writes those of @limits that are not 0 into an existing cgroup. */
int cgroup_update(const struct cgroup_host *host, const char *path,
                  const struct cgroup_limits *limits, struct err *e);

/** Before a memory limit of a cgroup with processes is lowered: -EBUSY with a text if they would not fit. v1 refuses
 *  such a limit by itself; v2 kills processes, so there the kernel reclaims first (memory.high). */
int cgroup_make_room(const struct cgroup_host *host, const char *path, int64_t memory,
                     struct err *e);

/** v2: *@fd is an O_PATH fd of the directory for clone3(CLONE_INTO_CGROUP), Linux 5.7; the child is
 *  born in it and need not join. v1: *@fd is -1. */
int cgroup_open_for_clone(const struct cgroup_host *host, const char *path, int *fd, struct err *e);

/** Opens the ways into @path: v1 its `tasks` files, v2 its `cgroup.procs`. Of the hierarchies that
 *  cgroup_add_others() has added those in which @path is: a container that was started without
 *  CAP_SYS_ADMIN has none there. */
int cgroup_open_entry(const struct cgroup_host *host, const char *path, struct cgroup_entry *entry,
                      struct err *e);
/** Moves the calling thread, which must be the only one of its process, into the cgroup. Async-signal-safe except
 *  for @e. */
int cgroup_join_self(const struct cgroup_entry *entry, struct err *e);
void cgroup_entry_close(struct cgroup_entry *entry);
#define _cleanup_cgroup_entry_ __attribute__((cleanup(cgroup_entry_close)))

/** Kills everything in @path and below, and waits until it is empty: v2 cgroup.kill (Linux 5.14),
 *  else one by one by pidfd. Against a fork bomb pids.max becomes 0 on the way. "Already gone" is
 *  success. -ETIMEDOUT after about 10 s (a process that the kernel cannot end). On v1 a child that has
 *  not joined yet is not inside and so not killed: end it by its pidfd. */
int cgroup_kill(const struct cgroup_host *host, const char *path, struct err *e);

/** Before a kill: thaws what a container has frozen of itself with v1, and lifts its limit of processor time.
 *  Otherwise it would not die, or take minutes. */
void cgroup_let_die(const struct cgroup_host *host, const char *path);

/** Adds the v1 hierarchy that freezes, if it is mounted in its usual place and not there yet. (cgroup_freeze.c) */
void cgroup_add_freezer(struct cgroup_host *host);
/** Freezes all processes in @path and those that are born there later; returns when all are frozen. After a failure they
 *  run. -EOPNOTSUPP: @host has no freezer. */
int cgroup_freeze(const struct cgroup_host *host, const char *path, struct err *e);
/** "Not frozen" and "gone" are success. */
int cgroup_thaw(const struct cgroup_host *host, const char *path, struct err *e);
/** False also where there is no freezer. */
bool cgroup_is_frozen(const char *path);

/** Removes @path, with what a container may have made below it, in all hierarchies. Retries EBUSY for
 *  about 1 s: the last process may be gone a moment before its cgroup knows. "Already gone" is
 *  success. */
int cgroup_remove(const struct cgroup_host *host, const char *path, struct err *e);
/** cgroup_kill() and cgroup_remove(); at once if nothing is inside, which is usual. */
int cgroup_end(const struct cgroup_host *host, const char *path, struct err *e);
/** The same for a cgroup without children whose processes may be frozen elsewhere: waits at most @ms. They are
 *  killed only if @kills. -EBUSY: they are not gone. */
int cgroup_end_soon(const struct cgroup_host *host, const char *path, bool kills, int ms);
/** Removes `netctr/INSTANCE` and `netctr` if they are empty; otherwise succeeds. */
int cgroup_remove_instance(const struct cgroup_host *host, const char *instance, struct err *e);
/** The same in the hierarchies of cgroup_add_others(), where few containers are. */
int cgroup_leave_others(const struct cgroup_host *host, const char *instance, struct err *e);

/** The names below `netctr/INSTANCE` in any hierarchy, each once; NULL for none; caller frees. */
int cgroup_list(const struct cgroup_host *host, const char *instance, strv *out, struct err *e);

/** How many processes in @path the kernel has killed for want of memory: memory.events, v1 memory.oom_control
 *  (Linux 4.17). 0 when there is no memory controller. */
int cgroup_oom_kills(const struct cgroup_host *host, const char *path, uint64_t *kills,
                     struct err *e);
