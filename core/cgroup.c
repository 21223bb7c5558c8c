/* Cgroups, v1 and v2, as loops over hierarchies (see cgroup.h).
 *
 * Speed decides two things. A process never moves by `cgroup.procs` if it can be helped: the write
 * takes a lock over all threads of the machine, after which a grace period of milliseconds passes.
 * On v2 the child is born inside (CLONE_INTO_CGROUP); on v1 the single-threaded child writes "0" to
 * `tasks`, which moves the writing thread alone and skips the lock. And the usual start, where
 * `netctr/INSTANCE` is there and ready, makes one directory in each hierarchy, nothing else.
 */
#include "core/cgroup.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/vfs.h>
#include <time.h>

enum {
    DEPTH_MAX = 64,     /* levels that a container may have made below its own cgroup */
    KILL_PASSES = 2000, /* of 5 ms */
    PASSES_BEFORE_NO_FORK = 10,
    REMOVE_TRIES = 200, /* of 5 ms */
    PAUSE_US = 5000,
};

static const char *const names[CGROUP_CONTROLLERS] = {"memory", "cpu", "pids"};

const char *cgroup_controller_name(enum cgroup_controller controller)
{
    return names[controller];
}

int64_t cgroup_weight_of_shares(int64_t shares)
{
    shares = shares < 2 ? 2 : shares > 102400 ? 102400 : shares;
    return shares < 11 ? 1 : shares * 100 / 1024;
}

static void pause_us(long us)
{
    struct timespec t = {.tv_nsec = us * 1000};
    (void)nanosleep(&t, NULL);
}

/* Paths go into openat() as they are: a bug above must not reach other cgroups. */
static int check_path(const char *path, struct err *e)
{
    bool good = path && *path && *path != '/';
    _cleanup_strv_ strv parts = strv_split(good ? path : "", '/');
    strv_each (part, parts) {
        if (!*part || streq(part, ".") || streq(part, ".."))
            good = false;
    }
    return good ? 0 : err_say(e, -EINVAL, "`%s` is not the path of a cgroup", path ? path : "");
}

static char *join_path(const struct cgroup_hierarchy *h, const char *path)
{
    return xasprintf("%s/%s", h->mount, path);
}

/* ---- what the host has ---------------------------------------------------------------------*/

void cgroup_host_clear(struct cgroup_host *host)
{
    for (size_t i = 0; i < ARRAY_LEN(host->hierarchies); i++)
        free(host->hierarchies[i].mount);
    *host = (struct cgroup_host){0};
}

static bool is_file_system(const char *path, unsigned long magic)
{
    struct statfs st;
    return statfs(path, &st) == 0 && (unsigned long)st.f_type == magic;
}

/* The controllers named in @words (cgroup.controllers, cgroup.subtree_control, mount options). */
static unsigned controllers_in(const char *words, const char *separators)
{
    unsigned found = 0;
    while (*words) {
        size_t length = strcspn(words, separators);
        for (int c = 0; c < CGROUP_CONTROLLERS; c++)
            if (strlen(names[c]) == length && strncmp(words, names[c], length) == 0)
                found |= 1u << c;
        words += length;
        words += strspn(words, separators);
    }
    return found;
}

static int read_controllers(int dirfd, const char *path, unsigned *out)
{
    _cleanup_free_ char *text = NULL;
    int r = read_file_at(dirfd, path, 4096, &text, NULL);
    *out = r < 0 ? 0 : controllers_in(text, " \n");
    return r;
}

static int use_v2(const char *mount, struct cgroup_host *host, struct err *e)
{
    _cleanup_free_ char *file = xasprintf("%s/cgroup.controllers", mount);
    unsigned controllers;
    int r = read_controllers(AT_FDCWD, file, &controllers);
    if (r < 0)
        return err_set(e, r, "read `%s`", file);
    host->kind = CGROUP_V2;
    host->count = 1;
    host->hierarchies[0].mount = xstrdup(mount);
    host->hierarchies[0].controllers = controllers;
    return 0;
}

/* Two controllers may be one hierarchy (mounted as "cpu,memory" with a link for each). */
static void use_v1(const char *mount, enum cgroup_controller controller, struct cgroup_host *host)
{
    struct stat st, other;
    if (stat(mount, &st) < 0)
        return;
    host->kind = CGROUP_V1;
    for (size_t i = 0; i < host->count; i++) {
        if (stat(host->hierarchies[i].mount, &other) == 0 && other.st_dev == st.st_dev) {
            host->hierarchies[i].controllers |= 1u << controller;
            return;
        }
    }
    host->hierarchies[host->count].mount = xstrdup(mount);
    host->hierarchies[host->count++].controllers = 1u << controller;
}

/* "\040" and the like, as mountinfo writes spaces. */
static void unescape(char *s)
{
    char *to = s;
    for (; *s; s++, to++) {
        if (s[0] == '\\' && strspn(s + 1, "01234567") >= 3) {
            *to = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
            s += 3;
        } else {
            *to = *s;
        }
    }
    *to = '\0';
}

/* One line: ID PARENT DEV ROOT MOUNT OPTIONS [TAGS…] - TYPE SOURCE SUPEROPTIONS */
static void scan_mount(char *line, struct cgroup_host *host, char **v2)
{
    char *dash = strstr(line, " - "), *mount = line, *end = dash;
    if (!dash)
        return;
    for (int field = 0; mount && field < 4; field++)
        mount = (mount = strchr(mount, ' ')) ? mount + 1 : NULL;
    if (!mount || mount > end)
        return;
    char *options = strrchr(dash, ' ') + 1;
    mount[strcspn(mount, " ")] = '\0';
    unescape(mount);
    if (skip_prefix(dash, " - cgroup2 ") && !*v2)
        *v2 = xstrdup(mount);
    if (!skip_prefix(dash, " - cgroup "))
        return;
    unsigned found = controllers_in(options, ",");
    for (size_t i = 0; i < host->count; i++)
        found &= ~host->hierarchies[i].controllers; /* mounted twice: the first will do */
    for (int c = 0; c < CGROUP_CONTROLLERS; c++)
        if (found & (1u << c))
            use_v1(mount, c, host);
}

static int scan_mountinfo(struct cgroup_host *host, struct err *e)
{
    _cleanup_free_ char *text = NULL, *v2 = NULL;
    int r = read_file_at(AT_FDCWD, "/proc/self/mountinfo", 16 << 20, &text, NULL);
    if (r < 0)
        return err_set(e, r, "read `/proc/self/mountinfo`");
    char *rest = text;
    for (char *line; (line = strsep(&rest, "\n"));)
        scan_mount(line, host, &v2);
    return host->count == 0 && v2 ? use_v2(v2, host, e) : 0;
}

int cgroup_probe(const char *root, struct cgroup_host *out, struct err *e)
{
    _cleanup_cgroup_host_ struct cgroup_host host = {0};
    int r = 0;
    root = root ? root : "/sys/fs/cgroup";
    if (is_file_system(root, CGROUP2_SUPER_MAGIC)) {
        r = use_v2(root, &host, e);
    } else {
        for (int c = 0; c < CGROUP_CONTROLLERS; c++) {
            _cleanup_free_ char *mount = xasprintf("%s/%s", root, names[c]);
            if (is_file_system(mount, CGROUP_SUPER_MAGIC))
                use_v1(mount, c, &host);
        }
        if (host.count == 0)
            r = scan_mountinfo(&host, e);
    }
    if (r < 0)
        return r;
    *out = host;
    host = (struct cgroup_host){0};
    return 0;
}

/* ---- limits --------------------------------------------------------------------------------*/

static unsigned controllers_for(const struct cgroup_limits *l)
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
        {"memory limit (bytes)", l->memory, 6 << 20, INT64_MAX / 2},
        {"limit of memory and swap (bytes)", l->memory_swap, -1, INT64_MAX},
        {"memory reservation (bytes)", l->memory_reservation, 0, INT64_MAX},
        {"CPU quota (µs)", l->cpu_quota_us, 1000, INT64_MAX / 1000},
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
    if (l->memory && l->memory_reservation > l->memory)
        return err_say(e, -EINVAL, "the memory reservation is above the memory limit");
    return 0;
}

int cgroup_check_limits(const struct cgroup_host *host, const struct cgroup_limits *limits,
                        struct err *e)
{
    int r = check_values(limits, e);
    if (r < 0)
        return r;
    unsigned missing = controllers_for(limits);
    for (size_t i = 0; i < host->count; i++)
        missing &= ~host->hierarchies[i].controllers;
    if (!missing)
        return 0;
    const char *name = names[__builtin_ctz(missing)];
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

static int write_value(int dir, const char *path, const char *file, const char *value,
                       struct err *e)
{
    int r = write_existing_at(dir, file, value);
    return r < 0 ? err_set(e, r, "set `%s` to %s in cgroup `%s`", file, value, path) : 0;
}

static int write_number(int dir, const char *path, const char *file, int64_t value, struct err *e)
{
    char text[24];
    snprintf(text, sizeof(text), "%" PRId64, value);
    return write_value(dir, path, file, text, e);
}

/* A swap limit that nobody asked for is left out where the kernel does not account swap. */
static int write_swap(int dir, const char *path, const char *file, const char *value, bool optional,
                      struct err *e)
{
    int r = write_existing_at(dir, file, value);
    if (r == 0 || (r == -ENOENT && optional))
        return 0;
    err_set(e, r, "set `%s` to %s in cgroup `%s`", file, value, path);
    if (r == -ENOENT)
        err_hint(e, "the kernel does not account swap: boot it with swapaccount=1");
    return r;
}

static int write_memory_v1(int dir, const char *path, const struct cgroup_limits *l, struct err *e)
{
    const char *const memsw = "memory.memsw.limit_in_bytes";
    int64_t both = l->memory_swap ? l->memory_swap : 2 * l->memory;
    char text[24];
    snprintf(text, sizeof(text), "%" PRId64, both);
    /* The kernel keeps memory <= memsw at all times. A new cgroup has neither, so memory is first; in
     * an update that raises both, that fails until memsw is raised. */
    int r = 0;
    if (l->memory && write_number(dir, path, "memory.limit_in_bytes", l->memory, NULL) < 0) {
        (void)write_existing_at(dir, memsw, text);
        r = write_number(dir, path, "memory.limit_in_bytes", l->memory, e);
    }
    if (r == 0 && both)
        r = write_swap(dir, path, memsw, text, !l->memory_swap, e);
    if (r == 0 && l->memory_reservation)
        r = write_number(dir, path, "memory.soft_limit_in_bytes", l->memory_reservation, e);
    return r;
}

static int write_memory_v2(int dir, const char *path, const struct cgroup_limits *l, struct err *e)
{
    int r = l->memory ? write_number(dir, path, "memory.max", l->memory, e) : 0;
    if (r == 0 && (l->memory || l->memory_swap)) {
        char text[24] = "max";
        if (l->memory_swap >= 0)
            snprintf(text, sizeof(text), "%" PRId64,
                     (l->memory_swap ? l->memory_swap - l->memory : l->memory));
        r = write_swap(dir, path, "memory.swap.max", text, !l->memory_swap, e);
    }
    if (r == 0 && l->memory_reservation)
        r = write_number(dir, path, "memory.low", l->memory_reservation, e);
    return r;
}

static int write_cpu_v1(int dir, const char *path, const struct cgroup_limits *l, struct err *e)
{
    int64_t shares = l->cpu_weight * 1024 / 100;
    int r = 0;
    if (l->cpu_weight)
        r = write_number(dir, path, "cpu.shares", shares < 2 ? 2 : shares, e);
    if (r == 0 && l->cpu_period_us)
        r = write_number(dir, path, "cpu.cfs_period_us", l->cpu_period_us, e);
    if (r == 0 && l->cpu_quota_us)
        r = write_number(dir, path, "cpu.cfs_quota_us", l->cpu_quota_us, e);
    return r;
}

static int write_cpu_v2(int dir, const char *path, const struct cgroup_limits *l, struct err *e)
{
    int r = l->cpu_weight ? write_number(dir, path, "cpu.weight", l->cpu_weight, e) : 0;
    if (r < 0 || !(l->cpu_quota_us || l->cpu_period_us))
        return r;
    /* "QUOTA PERIOD" or "QUOTA": a period alone needs the quota that is there */
    _cleanup_free_ char *quota = NULL;
    if (l->cpu_quota_us)
        quota = xasprintf("%" PRId64, l->cpu_quota_us);
    else if ((r = read_file_at(dir, "cpu.max", 64, &quota, NULL)) < 0)
        return err_set(e, r, "read `cpu.max` of cgroup `%s`", path);
    quota[strcspn(quota, " \n")] = '\0';
    _cleanup_free_ char *both = xasprintf("%s %" PRId64, quota, l->cpu_period_us);
    return write_value(dir, path, "cpu.max", l->cpu_period_us ? both : quota, e);
}

static int write_limits(enum cgroup_kind kind, unsigned controllers, int dir, const char *path,
                        const struct cgroup_limits *l, struct err *e)
{
    bool v2 = kind == CGROUP_V2;
    unsigned wanted = controllers & controllers_for(l);
    int r = 0;
    if (wanted & (1u << CGROUP_MEMORY))
        r = v2 ? write_memory_v2(dir, path, l, e) : write_memory_v1(dir, path, l, e);
    if (r == 0 && (wanted & (1u << CGROUP_CPU)))
        r = v2 ? write_cpu_v2(dir, path, l, e) : write_cpu_v1(dir, path, l, e);
    if (r == 0 && (wanted & (1u << CGROUP_PIDS)))
        r = write_number(dir, path, "pids.max", l->pids, e);
    if (r == 0 && l->pids < 0 && (controllers & (1u << CGROUP_PIDS)))
        r = write_value(dir, path, "pids.max", "max", e);
    return r;
}

/* ---- making --------------------------------------------------------------------------------*/

/* Enables the controllers of @wanted for the children of @dir; those in @required must succeed. */
static int enable_here(int dir, const char *where, unsigned wanted, unsigned required,
                       struct err *e)
{
    unsigned enabled;
    int r = read_controllers(dir, "cgroup.subtree_control", &enabled);
    if (r < 0)
        return err_set(e, r, "read `cgroup.subtree_control` of cgroup `%s`", where);
    for (int c = 0; c < CGROUP_CONTROLLERS; c++) {
        if (!(wanted & ~enabled & (1u << c)))
            continue;
        /* one by one: a write with several is refused as a whole */
        _cleanup_free_ char *word = xasprintf("+%s", names[c]);
        r = write_existing_at(dir, "cgroup.subtree_control", word);
        if (r == 0 || !(required & (1u << c)))
            continue;
        err_set(e, r, "enable the controller `%s` for the children of cgroup `%s`", names[c],
                where);
        if (r == -EBUSY)
            err_hint(e, "a cgroup with processes of its own cannot give controllers to children "
                        "(\"no internal processes\"): move them into a child of it first");
        if (r == -ENOENT)
            err_hint(e, "the cgroup above does not give it on; see its cgroup.subtree_control");
        return r == -ENOENT ? -EOPNOTSUPP : r; /* ENOENT is for "removed": the caller tries again */
    }
    return 0;
}

/* From the root down to the parent of @path: makes the directories, and on v2 enables controllers
 * (top down: a cgroup can give on only what it was given). */
static int prepare_parents(const struct cgroup_host *host, const struct cgroup_hierarchy *h,
                           const char *path, unsigned required, struct err *e)
{
    _cleanup_free_ char *at = join_path(h, path);
    char *slash = at + strlen(h->mount);
    while (slash) {
        char *next = strchr(slash + 1, '/');
        *slash = '\0';
        if (mkdir(at, 0755) < 0 && errno != EEXIST)
            return err_set(e, errno, "make cgroup `%s`", at);
        if (host->kind == CGROUP_V2) {
            _cleanup_close_ int dir = open(at, O_PATH | O_DIRECTORY | O_CLOEXEC);
            /* gone again (another's cgroup_remove_instance): the caller tries once more */
            int r = dir < 0 ? err_set(e, errno, "open cgroup `%s`", at)
                            : enable_here(dir, at, h->controllers, required, e);
            if (r < 0)
                return r;
        }
        *slash = '/';
        slash = next;
    }
    return 0;
}

/* Whether a child of @path's parent would get all of @required; v1 always does. */
static bool parent_is_ready(const struct cgroup_host *host, const struct cgroup_hierarchy *h,
                            const char *path)
{
    if (host->kind != CGROUP_V2)
        return true;
    const char *slash = strrchr(path, '/');
    _cleanup_free_ char *file = xasprintf("%s/%.*s/cgroup.subtree_control", h->mount,
                                          slash ? (int)(slash - path) : 0, path);
    unsigned enabled;
    return read_controllers(AT_FDCWD, file, &enabled) == 0 && !(h->controllers & ~enabled);
}

static int create_in(const struct cgroup_host *host, const struct cgroup_hierarchy *h,
                     const char *path, unsigned required, struct err *e)
{
    _cleanup_free_ char *full = join_path(h, path);
    bool ready = parent_is_ready(host, h, path);
    for (int tries = 0; tries < 20; tries++) {
        if (ready && mkdir(full, 0755) == 0)
            return 0;
        int r = ready ? -errno : -ENOENT;
        if (r == -EEXIST) {
            err_set(e, r, "make cgroup `%s`", full);
            err_hint(e,
                     "it is left over from a container that was not removed: netctr gc clears it");
            return r;
        }
        /* ENODEV and EBUSY: the parent is being removed at this moment */
        if (r != -ENOENT && r != -ENODEV && r != -EBUSY)
            return err_set(e, r, "make cgroup `%s`", full);
        r = prepare_parents(host, h, path, required, e);
        if (r < 0 && r != -ENOENT && r != -ENODEV)
            return r;
        ready = r == 0;
        err_clear(e);
    }
    return err_set(e, ENOENT, "make cgroup `%s`", full);
}

static int open_cgroup(const struct cgroup_hierarchy *h, const char *path, int flags)
{
    _cleanup_free_ char *full = join_path(h, path);
    int fd = open(full, flags | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    return fd < 0 ? -errno : fd;
}

int cgroup_update(const struct cgroup_host *host, const char *path,
                  const struct cgroup_limits *limits, struct err *e)
{
    int r = check_path(path, e);
    if (r == 0)
        r = cgroup_check_limits(host, limits, e);
    bool none = !controllers_for(limits) && !limits->pids;
    for (size_t i = 0; r == 0 && i < host->count && !none; i++) {
        const struct cgroup_hierarchy *h = &host->hierarchies[i];
        _cleanup_close_ int dir = open_cgroup(h, path, O_PATH);
        if (dir < 0)
            return err_set(e, dir, "open cgroup `%s/%s`", h->mount, path);
        r = write_limits(host->kind, h->controllers, dir, path, limits, e);
    }
    return r;
}

int cgroup_create(const struct cgroup_host *host, const char *path,
                  const struct cgroup_limits *limits, struct err *e)
{
    static const struct cgroup_limits none;
    limits = limits ? limits : &none;
    int r = check_path(path, e);
    if (r == 0)
        r = cgroup_check_limits(host, limits, e);
    size_t made = 0;
    for (; r == 0 && made < host->count; made += r == 0)
        r = create_in(host, &host->hierarchies[made], path, controllers_for(limits), e);
    if (r == 0)
        r = cgroup_update(host, path, limits, e);
    if (r < 0)
        for (size_t i = 0; i < made; i++) {
            _cleanup_free_ char *full = join_path(&host->hierarchies[i], path);
            (void)rmdir(full);
        }
    return r;
}

/* ---- entering ------------------------------------------------------------------------------*/

int cgroup_open_for_clone(const struct cgroup_host *host, const char *path, int *fd, struct err *e)
{
    *fd = -1;
    int r = check_path(path, e);
    if (r < 0 || host->kind != CGROUP_V2)
        return r;
    r = open_cgroup(&host->hierarchies[0], path, O_PATH);
    if (r < 0)
        return err_set(e, r, "open cgroup `%s/%s`", host->hierarchies[0].mount, path);
    *fd = r;
    return 0;
}

void cgroup_entry_close(struct cgroup_entry *entry)
{
    for (size_t i = 0; i < entry->count; i++)
        close_fd(entry->fds[i]);
    *entry = (struct cgroup_entry)CGROUP_ENTRY_INIT;
}

int cgroup_open_entry(const struct cgroup_host *host, const char *path, struct cgroup_entry *entry,
                      struct err *e)
{
    _cleanup_cgroup_entry_ struct cgroup_entry made = CGROUP_ENTRY_INIT;
    int r = check_path(path, e);
    if (r < 0)
        return r;
    const char *file = host->kind == CGROUP_V2 ? "cgroup.procs" : "tasks";
    for (size_t i = 0; i < host->count; i++) {
        _cleanup_free_ char *full = xasprintf("%s/%s/%s", host->hierarchies[i].mount, path, file);
        int fd = open(full, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
            return err_set(e, errno, "open `%s`", full);
        made.fds[made.count++] = fd;
    }
    *entry = made;
    made.count = 0;
    return 0;
}

int cgroup_join_self(const struct cgroup_entry *entry, struct err *e)
{
    for (size_t i = 0; i < entry->count; i++)
        if (write(entry->fds[i], "0", 1) != 1)
            return err_set(e, errno, "enter the container's cgroup");
    return 0;
}

/* ---- walking -------------------------------------------------------------------------------*/

/* Calls @visit for each cgroup below @dir, the deepest first, by name in its parent. @dir is closed.
 * The tree may be a container's work: the depth is bounded, and nothing is followed. */
typedef int visit_fn(int parent, const char *name, void *arg);

static int walk_below(int dir, int depth, visit_fn *visit, void *arg)
{
    _cleanup_dir_ DIR *d = fdopendir(dir);
    if (!d) {
        int r = -errno;
        close(dir);
        return r;
    }
    int r = 0;
    for (struct dirent *entry; r == 0 && (entry = readdir(d));) {
        if (entry->d_type != DT_DIR || streq(entry->d_name, ".") || streq(entry->d_name, ".."))
            continue;
        if (depth == DEPTH_MAX)
            return -ELOOP;
        int child =
            openat(dirfd(d), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (child < 0 && errno == ENOENT)
            continue;
        r = child < 0 ? -errno : walk_below(child, depth + 1, visit, arg);
        if (r == 0)
            r = visit(dirfd(d), entry->d_name, arg);
    }
    return r;
}

static int walk(const struct cgroup_hierarchy *h, const char *path, visit_fn *visit, void *arg)
{
    int dir = open_cgroup(h, path, O_RDONLY);
    return dir < 0 ? dir : walk_below(dir, 0, visit, arg);
}

/* ---- killing -------------------------------------------------------------------------------*/

/* Whether the process is in @path (or below) by its own /proc/PID/cgroup. Looked up after the pidfd
 * is open: so the pidfd is of a process that was inside, or of one that is dead. */
static bool process_is_in(const char *pid, const char *path)
{
    _cleanup_free_ char *file = xasprintf("/proc/%s/cgroup", pid);
    _cleanup_free_ char *text = NULL;
    if (read_file_at(AT_FDCWD, file, 1 << 20, &text, NULL) < 0)
        return false;
    _cleanup_free_ char *needle = xasprintf("/%s", path);
    size_t length = strlen(needle);
    for (const char *at = text; (at = strstr(at, needle)); at += length)
        if (at[length] == '\n' || at[length] == '/' || at[length] == '\0')
            return true;
    return false;
}

struct kill_pass {
    const char *path;
    bool found; /* there was somebody */
};

/* One cgroup: everybody in its cgroup.procs. @name is "." for the container's own. */
static int kill_in(int parent, const char *name, void *arg)
{
    struct kill_pass *pass = arg;
    _cleanup_free_ char *file = xasprintf("%s/cgroup.procs", name), *text = NULL;
    int r = read_file_at(parent, file, 16 << 20, &text, NULL);
    if (r < 0) /* ENODEV: removed since it was opened; EOPNOTSUPP: threaded, its domain has them */
        return r == -ENOENT || r == -ENODEV || r == -EOPNOTSUPP ? 0 : r;
    char *rest = text;
    for (char *pid; (pid = strsep(&rest, "\n"));) {
        uint64_t number;
        if (parse_u64(pid, 1, INT32_MAX, &number) < 0)
            continue;
        pass->found = true;
        _cleanup_close_ int fd = pidfd_open((pid_t)number, 0);
        if (fd >= 0 && process_is_in(pid, pass->path))
            (void)pidfd_signal(fd, SIGKILL);
    }
    return 0;
}

static int kill_once(const struct cgroup_hierarchy *h, struct kill_pass *pass)
{
    _cleanup_close_ int dir = open_cgroup(h, pass->path, O_RDONLY);
    if (dir < 0)
        return dir == -ENOENT ? 0 : dir;
    int r = kill_in(dir, ".", pass);
    return r < 0 ? r : walk(h, pass->path, kill_in, pass);
}

/* cgroup.kill takes the cgroups below with it, and nothing can be forked meanwhile. */
static int kill_v2(const struct cgroup_hierarchy *h, const char *path)
{
    _cleanup_close_ int dir = open_cgroup(h, path, O_PATH);
    return dir < 0 ? dir : write_existing_at(dir, "cgroup.kill", "1");
}

static void forbid_forks(const struct cgroup_host *host, const char *path)
{
    for (size_t i = 0; i < host->count; i++) {
        _cleanup_close_ int dir = open_cgroup(&host->hierarchies[i], path, O_PATH);
        if (dir >= 0 && (host->hierarchies[i].controllers & (1u << CGROUP_PIDS)))
            (void)write_existing_at(dir, "pids.max", "0");
    }
}

int cgroup_kill(const struct cgroup_host *host, const char *path, struct err *e)
{
    int r = check_path(path, e);
    if (r < 0)
        return r;
    if (host->kind == CGROUP_V2)
        (void)kill_v2(&host->hierarchies[0], path); /* the loop sees whether it was enough */
    for (int i = 0; i < KILL_PASSES; i++) {
        struct kill_pass pass = {.path = path};
        for (size_t h = 0; h < host->count; h++) {
            r = kill_once(&host->hierarchies[h], &pass);
            if (r < 0 && r != -ENOENT)
                return err_set(e, r, "kill the processes of cgroup `%s`", path);
        }
        if (!pass.found)
            return 0;
        if (i == PASSES_BEFORE_NO_FORK)
            forbid_forks(host, path);
        pause_us(i < PASSES_BEFORE_NO_FORK ? PAUSE_US / 10 : PAUSE_US);
    }
    return err_set(e, ETIMEDOUT, "kill the processes of cgroup `%s`", path);
}

/* ---- removing ------------------------------------------------------------------------------*/

static int remove_one(int parent, const char *name, void *arg)
{
    (void)arg;
    return unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

/* *@tries counts over all hierarchies, so that the caller waits once and not once for each. */
static int remove_in(const struct cgroup_hierarchy *h, const char *path, int *tries)
{
    _cleanup_free_ char *full = join_path(h, path);
    int r = -EBUSY;
    for (bool again = false; r == -EBUSY && (!again || *tries < REMOVE_TRIES); again = true) {
        if (again)
            pause_us((*tries)++ < 10 ? PAUSE_US / 10 : PAUSE_US);
        if (rmdir(full) == 0 || errno == ENOENT)
            return 0;
        r = -errno;
        if (r != -EBUSY && r != -ENOTEMPTY)
            return r;
        /* what is below, if anything; -EBUSY then means processes */
        r = walk(h, path, remove_one, NULL);
        r = r == 0 || r == -ENOENT ? -EBUSY : r;
    }
    return r;
}

int cgroup_remove(const struct cgroup_host *host, const char *path, struct err *e)
{
    int first = check_path(path, e);
    if (first < 0)
        return first;
    int tries = 0;
    for (size_t i = 0; i < host->count; i++) { /* the others too when one fails */
        int r = remove_in(&host->hierarchies[i], path, &tries);
        if (r < 0 && first == 0)
            first = err_set(e, r, "remove cgroup `%s/%s`", host->hierarchies[i].mount, path);
    }
    return first;
}

int cgroup_remove_instance(const struct cgroup_host *host, const char *instance, struct err *e)
{
    if (!valid_name(instance))
        return err_say(e, -EINVAL, "`%s` is not an instance", instance);
    for (size_t i = 0; i < host->count; i++) {
        _cleanup_free_ char *own = xasprintf("%s/netctr/%s", host->hierarchies[i].mount, instance);
        _cleanup_free_ char *all = xasprintf("%s/netctr", host->hierarchies[i].mount);
        if (rmdir(own) < 0 && errno != ENOENT && errno != EBUSY && errno != ENOTEMPTY)
            return err_set(e, errno, "remove cgroup `%s`", own);
        (void)rmdir(all); /* other instances may be in it */
    }
    return 0;
}

/* ---- looking -------------------------------------------------------------------------------*/

static int list_in(const struct cgroup_hierarchy *h, const char *path, strv *found)
{
    _cleanup_close_ int fd = open_cgroup(h, path, O_RDONLY);
    if (fd < 0)
        return fd == -ENOENT ? 0 : fd;
    _cleanup_dir_ DIR *d = fdopendir(fd);
    if (!d)
        return -errno;
    fd = -1; /* the DIR owns it now */
    for (struct dirent *entry; (entry = readdir(d));) {
        bool known = entry->d_type != DT_DIR || *entry->d_name == '.';
        strv_each (name, *found) {
            known = known || streq(name, entry->d_name);
        }
        if (!known)
            strv_add(found, entry->d_name);
    }
    return 0;
}

int cgroup_list(const struct cgroup_host *host, const char *instance, strv *out, struct err *e)
{
    if (!valid_name(instance))
        return err_say(e, -EINVAL, "`%s` is not an instance", instance);
    _cleanup_free_ char *path = xasprintf("netctr/%s", instance);
    _cleanup_strv_ strv found = NULL;
    for (size_t i = 0; i < host->count; i++) {
        int r = list_in(&host->hierarchies[i], path, &found);
        if (r < 0)
            return err_set(e, r, "list cgroup `%s/%s`", host->hierarchies[i].mount, path);
    }
    *out = take_ptr(found);
    return 0;
}

int cgroup_oom_killed(const struct cgroup_host *host, const char *path, bool *killed, struct err *e)
{
    *killed = false;
    int r = check_path(path, e);
    const char *file = host->kind == CGROUP_V2 ? "memory.events" : "memory.oom_control";
    for (size_t i = 0; r == 0 && i < host->count; i++) {
        if (!(host->hierarchies[i].controllers & (1u << CGROUP_MEMORY)))
            continue;
        _cleanup_free_ char *full = xasprintf("%s/%s/%s", host->hierarchies[i].mount, path, file);
        _cleanup_free_ char *text = NULL;
        r = read_file_at(AT_FDCWD, full, 4096, &text, NULL);
        if (r < 0) /* the controller may not be enabled for it, or the cgroup be gone */
            return r == -ENOENT || r == -ENODEV ? 0 : err_set(e, r, "read `%s`", full);
        char *rest = text;
        for (char *line; (line = strsep(&rest, "\n"));) {
            const char *count = skip_prefix(line, "oom_kill ");
            *killed = *killed || (count && strtoull(count, NULL, 10) > 0);
        }
    }
    return r;
}
