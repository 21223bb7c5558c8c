/* Cgroups v1 and v2, as loops over hierarchies (see cgroup.h).
 *
 * Speed decides two things. A process does not move by `cgroup.procs` if that can be avoided: the write takes a
 * lock over all threads of the machine and waits for a grace period of milliseconds. On v2 the child is born
 * inside (CLONE_INTO_CGROUP); on v1 the single-threaded child writes "0" to `tasks`, which moves the writing
 * thread alone and skips the lock. And the usual start, where `netctr/INSTANCE` exists and is ready, makes one
 * directory in each hierarchy and nothing else.
 */
#include "core/cgroup_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

int cgroup_check_path(const char *path, struct err *e)
{
    bool good = path && *path;
    for (const char *part = path; good; part++) {
        size_t length = strcspn(part, "/");
        good =
            length && !(length == 1 && *part == '.') && !(length == 2 && !strncmp(part, "..", 2));
        part += length;
        if (!*part)
            break;
    }
    return good ? 0 : err_say(e, -EINVAL, "`%s` is not the path of a cgroup", path ? path : "");
}

int cgroup_open_dir(const struct cgroup_hierarchy *h, const char *path, int flags)
{
    _cleanup_free_ char *full = cgroup_join_path(h, path);
    int fd = open(full, flags | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    return fd < 0 ? -errno : fd;
}

/* ---- making --------------------------------------------------------------------------------*/

/* From the root down to the parent of @path: makes the directories, and on v2 enables controllers, top down,
 * because a cgroup can pass on only what it was given. */
static int prepare_parents(const struct cgroup_hierarchy *h, const char *path, unsigned required,
                           struct err *e)
{
    _cleanup_free_ char *at = cgroup_join_path(h, path);
    char *slash = at + strlen(h->mount);
    while (slash) {
        char *next = strchr(slash + 1, '/');
        *slash = '\0';
        if (mkdir(at, 0755) < 0 && errno != EEXIST)
            return err_set(e, errno, "make cgroup `%s`", at);
        /* -ENOENT: removed again, by cgroup_remove_instance() in another process; the caller tries once more */
        int r = h->v2 && h->controllers ? cgroup_enable_here(at, h->controllers, required, e) : 0;
        if (r < 0)
            return r;
        *slash = '/';
        slash = next;
    }
    return 0;
}

/* Whether a child of @path's parent would get all of @required; v1 always does. */
static bool parent_is_ready(const struct cgroup_hierarchy *h, const char *path)
{
    if (!h->v2)
        return true;
    const char *slash = strrchr(path, '/');
    _cleanup_free_ char *file = xasprintf("%s/%.*s/cgroup.subtree_control", h->mount,
                                          slash ? (int)(slash - path) : 0, path);
    unsigned enabled;
    return cgroup_read_controllers(file, &enabled) == 0 && !(h->controllers & ~enabled);
}

static int make_enterable(const struct cgroup_hierarchy *h, const char *path, const char *full,
                          struct err *e)
{
    int r = h->cpuset ? cgroup_fill_cpuset(h, path) : 0;
    if (r == 0)
        return 0;
    (void)rmdir(full);
    return err_set(e, r, "give processors and memory to cgroup `%s`", full);
}

static int create_in(const struct cgroup_hierarchy *h, const char *path, unsigned required,
                     struct err *e)
{
    _cleanup_free_ char *full = cgroup_join_path(h, path);
    bool ready = parent_is_ready(h, path);
    for (int tries = 0; tries < 20; tries++) {
        if (ready && mkdir(full, 0755) == 0)
            return make_enterable(h, path, full, e);
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
        r = prepare_parents(h, path, required, e);
        if (r < 0 && r != -ENOENT && r != -ENODEV)
            return r;
        ready = r == 0;
        err_clear(e);
    }
    return err_set(e, ENOENT, "make cgroup `%s`", full);
}

/* The limit of processor time includes the relay, where that has a leaf of its own; the other limits are the
 * program's. */
static int write_limits(const struct cgroup_host *host, const struct cgroup_hierarchy *h,
                        const char *path, const struct cgroup_limits *limits, struct err *e)
{
    const struct cgroup_limits cpu = {.cpu_quota_us = limits->cpu_quota_us,
                                      .cpu_period_us = limits->cpu_period_us,
                                      .cpu_weight = limits->cpu_weight};
    _cleanup_free_ char *program = cgroup_program_path(h, path);
    int r = streq(program, path) ? 0 : cgroup_write_limits(host->kind, h, path, &cpu, e);
    return r == 0 ? cgroup_write_limits(host->kind, h, program, limits, e) : r;
}

int cgroup_update(const struct cgroup_host *host, const char *path,
                  const struct cgroup_limits *limits, struct err *e)
{
    int r = cgroup_check_path(path, e);
    if (r == 0)
        r = cgroup_check_limits(host, limits, e);
    for (size_t i = 0; r == 0 && i < host->count; i++)
        r = write_limits(host, &host->hierarchies[i], path, limits, e);
    return r;
}

static int64_t memory_in_use(const char *dir)
{
    _cleanup_free_ char *file = xasprintf("%s/memory.current", dir);
    char text[32] = "";
    int r = cgroup_read_file(file, text, sizeof(text));
    return r < 0 ? 0 : strtoll(text, NULL, 10);
}

int cgroup_make_room(const struct cgroup_host *host, const char *path, int64_t memory,
                     struct err *e)
{
    const struct cgroup_hierarchy *h = &host->hierarchies[0];
    if (host->kind != CGROUP_V2)
        return 0;
    _cleanup_free_ char *program = cgroup_program_path(h, path),
                        *dir = cgroup_join_path(h, program),
                        *file = xasprintf("%s/memory.high", dir),
                        *text = xasprintf("%" PRId64, memory);
    if (memory_in_use(dir) <= memory)
        return 0;
    (void)write_existing_at(AT_FDCWD, file, text);
    int64_t used = memory_in_use(dir);
    (void)write_existing_at(AT_FDCWD, file, "max");
    if (used <= memory)
        return 0;
    return err_say(e, -EBUSY, "it uses %" PRId64 " bytes of memory, more than %" PRId64, used,
                   memory);
}

int cgroup_create(const struct cgroup_host *host, const char *path,
                  const struct cgroup_limits *limits, struct err *e)
{
    static const struct cgroup_limits none;
    limits = limits ? limits : &none;
    int r = cgroup_check_path(path, e);
    if (r == 0)
        r = cgroup_check_limits(host, limits, e);
    size_t made = 0;
    for (; r == 0 && made < host->count; made += r == 0)
        r = create_in(&host->hierarchies[made], path,
                      host->hierarchies[made].controllers & cgroup_controllers_for(limits), e);
    if (r == 0 && host->kind == CGROUP_V2 && limits->cpu_quota_us)
        r = cgroup_split(&host->hierarchies[0], path, cgroup_controllers_for(limits), e);
    if (r == 0)
        r = cgroup_update(host, path, limits, e);
    if (r < 0)
        for (size_t i = 0; i < made; i++) {
            cgroup_unsplit(&host->hierarchies[i], path);
            _cleanup_free_ char *full = cgroup_join_path(&host->hierarchies[i], path);
            (void)rmdir(full);
        }
    return r;
}

/* ---- entering ------------------------------------------------------------------------------*/

int cgroup_open_for_clone(const struct cgroup_host *host, const char *path, int *fd, struct err *e)
{
    *fd = -1;
    int r = cgroup_check_path(path, e);
    if (r < 0 || host->kind != CGROUP_V2)
        return r;
    _cleanup_free_ char *program = cgroup_program_path(&host->hierarchies[0], path);
    r = cgroup_open_dir(&host->hierarchies[0], program, O_PATH);
    if (r < 0)
        return err_set(e, r, "open cgroup `%s/%s`", host->hierarchies[0].mount, program);
    *fd = r;
    return 0;
}

void cgroup_entry_close(struct cgroup_entry *entry)
{
    for (size_t i = 0; i < entry->count; i++)
        close_fd(entry->fds[i]);
    free(entry->everywhere);
    *entry = (struct cgroup_entry)CGROUP_ENTRY_INIT;
}

int cgroup_open_entry(const struct cgroup_host *host, const char *path, struct cgroup_entry *entry,
                      struct err *e)
{
    _cleanup_cgroup_entry_ struct cgroup_entry made = CGROUP_ENTRY_INIT;
    int r = cgroup_check_path(path, e);
    if (r < 0)
        return r;
    for (size_t i = 0; i < host->count; i++) {
        const struct cgroup_hierarchy *h = &host->hierarchies[i];
        _cleanup_free_ char *program = cgroup_program_path(h, path);
        _cleanup_free_ char *full =
            xasprintf("%s/%s/%s", h->mount, program, h->v2 ? "cgroup.procs" : "tasks");
        int fd = open(full, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0 && errno == ENOENT && i >= host->usual)
            continue;
        if (fd < 0)
            return err_set(e, errno, "open `%s`", full);
        made.fds[made.count++] = fd;
    }
    *entry = made;
    made = (struct cgroup_entry)CGROUP_ENTRY_INIT;
    return 0;
}

int cgroup_join_self(const struct cgroup_entry *entry, struct err *e)
{
    for (size_t i = 0; i < entry->count; i++)
        while (write(entry->fds[i], "0", 1) != 1)
            if (errno != EINTR)
                return err_set(e, errno, "enter the container's cgroup");
    return entry->everywhere ? cgroup_check_joined(entry->everywhere, e) : 0;
}

/* ---- looking -------------------------------------------------------------------------------*/

static int list_in(const struct cgroup_hierarchy *h, const char *path, strv *found)
{
    _cleanup_close_ int fd = cgroup_open_dir(h, path, O_RDONLY);
    if (fd < 0)
        return fd == -ENOENT ? 0 : fd;
    _cleanup_dir_ DIR *d = fdopendir(fd);
    if (!d)
        return -errno;
    fd = -1; /* the DIR owns it now */
    int r = 0;
    for (struct dirent *entry; (entry = next_entry(d, &r));) {
        if (entry->d_type == DT_DIR && *entry->d_name != '.' && !strv_has(*found, entry->d_name))
            strv_add(found, entry->d_name);
    }
    return r;
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

int cgroup_oom_kills(const struct cgroup_host *host, const char *path, uint64_t *kills,
                     struct err *e)
{
    *kills = 0;
    int r = cgroup_check_path(path, e);
    const char *file = host->kind == CGROUP_V2 ? "memory.events" : "memory.oom_control";
    for (size_t i = 0; r == 0 && i < host->count; i++) {
        if (!(host->hierarchies[i].controllers & (1u << CGROUP_MEMORY)))
            continue;
        _cleanup_free_ char *full = xasprintf("%s/%s/%s", host->hierarchies[i].mount, path, file);
        char text[1024];
        r = cgroup_read_file(full, text, sizeof(text));
        if (r < 0) /* the controller may be disabled for it, or the cgroup gone */
            return r == -ENOENT || r == -ENODEV ? 0 : err_set(e, r, "read `%s`", full);
        char *rest = text;
        for (char *line; (line = strsep(&rest, "\n"));) {
            const char *count = skip_prefix(line, "oom_kill ");
            *kills += count ? strtoull(count, NULL, 10) : 0;
        }
    }
    return r;
}
