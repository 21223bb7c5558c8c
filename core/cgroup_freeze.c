/* Freezing a container: v2 has a file for it in each cgroup, v1 a hierarchy of its own.
 *
 * In that hierarchy only a container with CAP_SYS_ADMIN has a cgroup from its start (cgroup_others.c). The others get one
 * when they are first frozen, which their processes enter then, and which stays until the container ends. It is frozen
 * before they enter, so that none can fork its way out: what is moved stops. A command killed on the way leaves a cgroup
 * that says "frozen", and the next one goes on from there.
 */
#include "core/cgroup_internal.h"

#include <errno.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/vfs.h>
#include <time.h>

#define PLACE "/sys/fs/cgroup/freezer"

enum { PATIENCE_MS = 5000 };

void cgroup_add_freezer(struct cgroup_host *host)
{
    struct statfs fs;
    for (size_t i = 0; i < host->count; i++)
        if (host->kind == CGROUP_V2 || host->hierarchies[i].freezer)
            return;
    if (host->kind == CGROUP_V1 && host->count < CGROUP_HIERARCHIES && statfs(PLACE, &fs) == 0 &&
        fs.f_type == CGROUP_SUPER_MAGIC)
        host->hierarchies[host->count++] =
            (struct cgroup_hierarchy){.mount = xstrdup(PLACE), .freezer = true};
}

static const struct cgroup_hierarchy *freezer_of(const struct cgroup_host *host)
{
    for (size_t i = 0; i < host->count; i++)
        if (host->kind == CGROUP_V2 ? host->hierarchies[i].v2 : host->hierarchies[i].freezer)
            return &host->hierarchies[i];
    return NULL;
}

static const char *state_file(const struct cgroup_hierarchy *h)
{
    return h->v2 ? "cgroup.freeze" : "freezer.state";
}

/* The content of @file in the cgroup; "" if that cannot be read. */
static void read_in(const struct cgroup_hierarchy *h, const char *path, const char *file,
                    char *text, size_t size)
{
    _cleanup_free_ char *full = xasprintf("%s/%s/%s", h->mount, path, file);
    if (cgroup_read_file(full, text, size) < 0)
        *text = '\0';
}

static int write_in(const struct cgroup_hierarchy *h, const char *path, const char *file,
                    const char *text)
{
    _cleanup_free_ char *full = xasprintf("%s/%s/%s", h->mount, path, file);
    return write_existing_at(AT_FDCWD, full, text);
}

/* Without a look at what is mounted: `ps` asks for each container. */
bool cgroup_is_frozen(const char *path)
{
    _cleanup_free_ char *v1 = xasprintf(PLACE "/%s/freezer.state", path),
                        *v2 = xasprintf("/sys/fs/cgroup/%s/cgroup.freeze", path);
    char text[64] = "";
    if (cgroup_read_file(v1, text, sizeof(text)) >= 0)
        return *text == 'F'; /* FREEZING or FROZEN */
    return cgroup_read_file(v2, text, sizeof(text)) >= 0 && *text == '1';
}

int cgroup_thaw(const struct cgroup_host *host, const char *path, struct err *e)
{
    const struct cgroup_hierarchy *h = freezer_of(host);
    int r = h ? write_in(h, path, state_file(h), h->v2 ? "0" : "THAWED") : -ENOENT;
    /* -ENODEV: another process has removed it since it was opened. */
    return r < 0 && r != -ENOENT && r != -ENODEV ? err_set(e, r, "thaw cgroup `%s`", path) : 0;
}

/* ---- freezing with v1 ------------------------------------------------------------------------*/

struct moving {
    const struct cgroup_hierarchy *freezer;
    const char *path;
    int target;   /* the cgroup in @freezer */
    size_t moved; /* in this pass */
};

/* A number can be given to another process at any moment. If ours is dead after it was moved, the one that has its
 * number now goes back. */
static int move_one(struct moving *m, int parent, const char *name, const char *number)
{
    uint64_t pid;
    if (parse_u64(number, 1, INT32_MAX, &pid) < 0 || cgroup_lists(m->target, ".", (pid_t)pid) > 0)
        return 0;
    _cleanup_close_ int fd = pidfd_open((pid_t)pid, 0);
    if (fd < 0 || cgroup_lists(parent, name, (pid_t)pid) <= 0)
        return 0;
    int r = write_existing_at(m->target, "cgroup.procs", number);
    if (pidfd_signal(fd, 0) < 0) {
        if (r == 0 && cgroup_lists(parent, name, (pid_t)pid) == 0)
            (void)write_in(m->freezer, ".", "cgroup.procs", number);
        return 0;
    }
    m->moved += r == 0;
    return r == -ESRCH ? 0 : r;
}

static int move_in(int parent, const char *name, void *arg)
{
    struct moving *m = arg;
    _cleanup_free_ char *file = xasprintf("%s/cgroup.procs", name), *text = NULL;
    int r = read_file_at(parent, file, 16 << 20, &text, NULL);
    if (r < 0)
        return r == -ENOENT || r == -ENODEV || r == -EOPNOTSUPP ? 0 : r;
    char *rest = text;
    for (char *number; r == 0 && (number = strsep(&rest, "\n"));)
        r = *number ? move_one(m, parent, name, number) : 0;
    return r;
}

/* Until a pass finds none outside. */
static int move_all(const struct cgroup_host *host, struct moving *m)
{
    const struct cgroup_hierarchy *members = cgroup_members_of(host);
    _cleanup_close_ int dir = members ? cgroup_open_dir(members, m->path, O_RDONLY) : -ENOENT;
    const int64_t deadline = monotonic_ms() + PATIENCE_MS;
    int r = dir < 0 ? dir : 0;
    do {
        m->moved = 0;
        if (r == 0)
            r = move_in(dir, ".", m);
        if (r == 0)
            r = cgroup_walk(dir, move_in, m);
    } while (r == 0 && m->moved && monotonic_ms() < deadline);
    return r < 0 ? r : m->moved ? -ETIMEDOUT : 0;
}

static int make_in_freezer(const struct cgroup_hierarchy *h, const char *path)
{
    _cleanup_free_ char *full = cgroup_join_path(h, path);
    int r = mkdir_parents(full, 0755, NULL);
    if (r < 0)
        return r;
    return cgroup_open_dir(h, path, O_RDONLY);
}

static int gather(const struct cgroup_host *host, const struct cgroup_hierarchy *h,
                  const char *path)
{
    _cleanup_close_ int target = make_in_freezer(h, path);
    struct moving m = {.freezer = h, .path = path, .target = target};
    int r = target < 0 ? target : write_existing_at(target, "freezer.state", "FROZEN");
    return r == 0 ? move_all(host, &m) : r;
}

/* ---- both ------------------------------------------------------------------------------------*/

static bool all_stand_still(const struct cgroup_hierarchy *h, const char *path)
{
    char text[256];
    read_in(h, path, h->v2 ? "cgroup.events" : "freezer.state", text, sizeof(text));
    return h->v2 ? strstr(text, "frozen 1") != NULL : skip_prefix(text, "FROZEN") != NULL;
}

int cgroup_freeze(const struct cgroup_host *host, const char *path, struct err *e)
{
    const struct cgroup_hierarchy *h = freezer_of(host);
    const struct timespec pause = {.tv_nsec = 1000000};
    int r = cgroup_check_path(path, e);
    if (r < 0)
        return r;
    r = !h ? -ENOENT : h->v2 ? write_in(h, path, "cgroup.freeze", "1") : gather(host, h, path);
    if (!h || (r == -ENOENT && h->v2)) {
        err_say(e, -EOPNOTSUPP, "this host has no freezer");
        err_hint(e, host->kind == CGROUP_V2 ? "cgroup.freeze needs Linux 5.2"
                                            : "`mount -t cgroup -o freezer none " PLACE "`");
        return -EOPNOTSUPP;
    }
    const int64_t deadline = monotonic_ms() + PATIENCE_MS;
    while (r == 0 && !all_stand_still(h, path)) {
        if (monotonic_ms() > deadline)
            r = -ETIMEDOUT; /* a process in an uninterruptible wait */
        (void)nanosleep(&pause, NULL);
    }
    if (r == 0)
        return 0;
    (void)cgroup_thaw(host, path, NULL);
    return err_set(e, r, "freeze cgroup `%s`", path);
}
