/* Files of ids that a container's user namespace lacks show up there as those of user 65534, and only fail when they are
 * written to. They are looked for, so that it does not happen silently: by a process that runs when the host has nothing
 * else to do, once for each source and boot. RUN/mappable/files-SOURCE holds what it found, and its lock while it searches.
 */
#include "unmapped.h"
#include "monitor.h"
#include "walk.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/ioprio.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum {
    DELAY_MS = 200, /* a container that is over by then pays nothing */
    RESULT_MAX = 65536
};

/* ---- what was found --------------------------------------------------------------------------*/

/* What the name of a result begins with. A file system gives the number of a removed directory to the next one, so the time
 * of birth belongs to it. NULL: there is no such source. The caller frees. */
static char *source_key(const char *source)
{
    struct statx st;
    if (statx(AT_FDCWD, source, AT_NO_AUTOMOUNT, STATX_INO | STATX_BTIME, &st) < 0)
        return NULL;
    const bool born = st.stx_mask & STATX_BTIME;
    return xasprintf("files-%" PRIx32 ".%" PRIx32 "-%" PRIx64 "-%" PRIx64 ".%" PRIx32 "-",
                     st.stx_dev_major, st.stx_dev_minor, (uint64_t)st.stx_ino,
                     born ? (uint64_t)st.stx_btime.tv_sec : 0, born ? st.stx_btime.tv_nsec : 0);
}

/* Of a source and the ids inside, whatever they are outside. NULL: there is no such source. The caller frees. */
static char *result_path(const char *source, const struct id_map *m)
{
    uint64_t hash = hash64("");
    const struct id_range *lists[] = {m->uids, m->gids};
    const unsigned counts[] = {m->uid_count, m->gid_count};
    for (size_t k = 0; k < ARRAY_LEN(lists); k++)
        for (unsigned i = 0; i < counts[k]; i++) {
            const uint32_t inside[] = {(uint32_t)k, lists[k][i].inside, lists[k][i].count};
            hash = hash64_add(hash, (const char *)inside, sizeof(inside));
        }
    _cleanup_free_ char *key = source_key(source);
    return key ? xasprintf("mappable/%s%016" PRIx64, key, hash) : NULL;
}

/* Calls @each for the root directory and each volume. */
static void each_source(const struct spec *s, void (*each)(const char *source, void *arg),
                        void *arg)
{
    each(s->rootfs, arg);
    for (size_t i = 0; i < s->volume_count; i++)
        if (s->volumes[i].source && !s->volumes[i].host_ids)
            each(s->volumes[i].source, arg);
}

struct finding {
    struct store *store;
    const struct spec *spec;
    json_t *list;
};

static void add_found(const char *source, void *arg)
{
    struct finding *f = arg;
    _cleanup_free_ char *path = result_path(source, &f->spec->ids);
    _cleanup_json_ json_t *j = NULL;
    if (!path || json_read_at(f->store->run_fd, path, &j, NULL) < 0 || json_int(j, "count", 0) == 0)
        return;
    json_put_str(j, "source", source);
    if (!f->list)
        f->list = json_array();
    json_array_append(f->list, j);
}

json_t *unmapped_found(struct store *store, const struct spec *s)
{
    struct finding f = {store, s, NULL};
    if (!id_map_is_host(&s->ids))
        each_source(s, add_found, &f);
    return f.list;
}

/* ---- the process that searches ---------------------------------------------------------------*/

struct search {
    struct store *store;
    const struct spec *spec;
    int report;
};

static char *sentence(const char *source, const struct walk *w)
{
    _cleanup_free_ char *names = strv_join(w->names, "`, `");
    const bool one = w->count == 1;
    return xasprintf(
        "%" PRIu64
        " file%s in `%s` belong%s to ids that the container does not have, and appear%s there as "
        "those of user 65534: `%s`%s",
        w->count, one ? "" : "s", source, one ? "s" : "", one ? "s" : "", names,
        w->count > WALK_NAMES_MAX ? ", …" : "");
}

static json_t *result_json(const char *source, const struct walk *w)
{
    json_t *j = json_object();
    json_put_str(j, "source", source);
    json_object_set_new(j, "count", json_integer((json_int_t)w->count));
    json_object_set_new(j, "not_looked_into", json_integer((json_int_t)w->deeper));
    json_put_strv(j, "names", w->names);
    return j;
}

/* The result is written to the file that is locked, so that a process which is killed leaves it empty. */
static void search_source(const char *source, void *arg)
{
    const struct search *s = arg;
    struct stat st;
    struct walk found;
    _cleanup_free_ char *path = result_path(source, &s->spec->ids);
    _cleanup_close_ int file =
        path ? openat(s->store->run_fd, path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600) : -1;
    if (file < 0 || flock(file, LOCK_EX | LOCK_NB) < 0 || fstat(file, &st) < 0 || st.st_size > 0 ||
        walk_unmapped(source, &s->spec->ids, &found) < 0)
        return;
    _cleanup_json_ json_t *j = result_json(source, &found);
    _cleanup_free_ char *text = json_dumps(j, JSON_COMPACT), *line = sentence(source, &found);
    (void)write_all(file, text, strlen(text));
    if (found.count)
        (void)write_all(s->report, line, strlen(line) + 1);
    strv_free(found.names);
}

/* Of a source that is gone, or of a search that was killed. With its lock held, no search is about to write it. */
static bool is_stale(int dir, const char *name)
{
    _cleanup_close_ int file = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    _cleanup_json_ json_t *j = NULL;
    if (file < 0 || flock(file, LOCK_EX | LOCK_NB) < 0)
        return false;
    const char *source = json_read_at(dir, name, &j, NULL) < 0
                             ? NULL
                             : json_string_value(json_object_get(j, "source"));
    _cleanup_free_ char *key = source ? source_key(source) : NULL;
    return !key || !skip_prefix(name, key);
}

/* Else a host whose containers have a new directory each would fill RUN. */
static void remove_stale(const struct store *s)
{
    int listed = 0;
    _cleanup_dir_ DIR *d = open_listing(s->run_fd, "mappable");
    for (struct dirent *entry; d && (entry = next_entry(d, &listed));)
        if (skip_prefix(entry->d_name, "files-") && is_stale(dirfd(d), entry->d_name))
            (void)unlinkat(dirfd(d), entry->d_name, 0);
}

/* It lives no longer than its monitor, and holds nothing of it: no lock, no socket. */
static _Noreturn void search_process(struct search *s, pid_t monitor)
{
    const struct sched_param none = {0};
    sigset_t signals;
    int keep[] = {s->report, s->store->run_fd};
    sigemptyset(&signals);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != monitor ||
        close_other_fds(keep, ARRAY_LEN(keep)) < 0 || prctl(PR_SET_NAME, "netctr-files") < 0 ||
        sched_setscheduler(0, SCHED_IDLE, &none) < 0 ||
        sigprocmask(SIG_SETMASK, &signals, NULL) < 0)
        _exit(1);
    (void)syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0));
    (void)mkdirat(s->store->run_fd, "mappable", 0700);
    remove_stale(s->store);
    each_source(s->spec, search_source, s);
    _exit(0);
}

/* ---- the monitor -----------------------------------------------------------------------------*/

/* A process that the scheduler never runs would not die either. */
static void end_search(struct unmapped *u)
{
    const struct sched_param none = {0};
    if (u->pid > 0) {
        (void)sched_setscheduler(u->pid, SCHED_OTHER, &none);
        (void)kill(u->pid, SIGKILL);
        while (waitpid(u->pid, NULL, 0) < 0 && errno == EINTR)
            continue;
    }
    u->pid = 0;
    u->fd = close_fd(u->fd);
}

void unmapped_unwatch(struct monitor *m)
{
    m->unmapped.timer = loop_cancel_timer(m->loop, m->unmapped.timer);
    if (m->unmapped.fd >= 0)
        loop_remove_fd(m->loop, m->unmapped.fd);
    end_search(&m->unmapped);
}

static void tell(struct monitor *m, const char *text)
{
    container_note(&m->container, text);
    if (client_is_here(m->request->client))
        warn("%s", text);
}

/* Sentences that end with a zero byte. */
static void report(int fd, uint32_t events, void *monitor)
{
    struct monitor *m = monitor;
    _cleanup_free_ char *text = xcalloc(RESULT_MAX + 1, 1);
    ssize_t n = read(fd, text, RESULT_MAX);
    (void)events;
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    for (ssize_t at = 0; at < n; at += (ssize_t)strlen(text + at) + 1)
        tell(m, text + at);
    if (n <= 0)
        unmapped_unwatch(m);
}

struct pending {
    struct store *store;
    const struct spec *spec;
    bool any;
};

static void add_pending(const char *source, void *arg)
{
    struct pending *p = arg;
    struct stat st;
    _cleanup_free_ char *path = result_path(source, &p->spec->ids);
    p->any = p->any || (path && (fstatat(p->store->run_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
                                 st.st_size == 0));
}

static void start(void *monitor)
{
    struct monitor *m = monitor;
    struct pending pending = {&m->engine->store, &m->container.spec, false};
    int ends[2];
    pid_t self = getpid();
    m->unmapped.timer = 0;
    each_source(pending.spec, add_pending, &pending);
    if (!pending.any || pipe2(ends, O_CLOEXEC) < 0)
        return;
    struct search search = {pending.store, pending.spec, ends[1]};
    pid_t pid = fork();
    if (pid == 0)
        search_process(&search, self);
    close(ends[1]);
    m->unmapped.pid = pid < 0 ? 0 : pid;
    m->unmapped.fd = ends[0];
    if (pid < 0 || loop_add_fd(m->loop, ends[0], EPOLLIN, report, m, NULL) < 0)
        end_search(&m->unmapped);
}

void unmapped_watch(struct monitor *m)
{
    if (!id_map_is_host(&m->container.spec.ids) && m->unmapped.pid == 0)
        m->unmapped.timer = loop_add_timer(m->loop, DELAY_MS, start, m);
}
