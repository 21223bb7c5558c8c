/* Finds the helpers, starts them, replaces those that hang, and ends those that no container needs.
 *
 * The DNS sockets outlive every process: children inherit them, and a process that finds the pair dead or
 * hanging takes them out of any process that still has them (pidfd_getfd, Linux 5.6). So the port, its
 * conntrack entries and queued queries are kept.
 */
#include "helpers.h"

#include "internal.h"

#include <errno.h>
#include <netctr/names.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <time.h>

#define DIRECTORY "helpers"
#define STATE_FILE DIRECTORY "/state"
#define LOG_FILE DIRECTORY "/log"

enum { MAGIC = 0x6e637468, VERSION = 1, LOST_MS = 500, AWAIT_MS = 100 };

void helpers_seed_clear(struct helpers_seed *s)
{
    name_sockets_close(&s->sockets);
    s->shared = close_fd(s->shared);
}

/* ---- reading the state file -----------------------------------------------------------------*/

/* The pair holds a lock on its state file while it lives. F_OFD_GETLK only asks. */
static bool is_locked(int fd)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    return fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

static void set_empty(struct helpers_state *s, const struct store *store)
{
    *s = (struct helpers_state){.magic = MAGIC, .version = VERSION};
    memcpy(s->instance, store->instance, strnlen(store->instance, sizeof(s->instance) - 1));
}

static bool read_state(int fd, struct helpers_state *out)
{
    ssize_t got = pread(fd, out, sizeof(*out), 0);
    out->instance[sizeof(out->instance) - 1] = '\0';
    return got == (ssize_t)sizeof(*out) && out->magic == MAGIC && out->version == VERSION;
}

/* The state file, which may be another instance's; an empty state and -1 if there is none. */
static int open_state(const struct store *store, struct helpers_state *out)
{
    _cleanup_close_ int fd =
        openat(store->run_fd, STATE_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd >= 0 && read_state(fd, out))
        return take_fd(fd);
    set_empty(out, store);
    return -1;
}

static bool is_fresh(const struct helpers_state *s)
{
    int64_t now = monotonic_ms();
    for (int i = HELPER_ACTIVE; i <= HELPER_STANDBY; i++)
        if ((int64_t)s->beat[i] <= now + STALE_MS && now - (int64_t)s->beat[i] < STALE_MS)
            return true;
    return false;
}

bool helpers_work(const struct engine *engine, struct helpers_state *out)
{
    struct helpers_state state = {0};
    struct helpers_state *s = out ? out : &state;
    _cleanup_close_ int fd = open_state(&engine->store, s);
    if (!streq(s->instance, engine->store.instance)) {
        set_empty(s, &engine->store);
        return false;
    }
    if (fd < 0 || s->ending || !is_fresh(s) || !is_locked(fd))
        return false;
    /* After a flush an older pair would rebuild its own tables. It is replaced when its containers have ended. */
    return s->process[HELPER_ACTIVE].schema >= NETCTR_SCHEMA || engine_has_older(engine);
}

uint16_t helpers_port(const struct engine *engine)
{
    struct helpers_state s;
    (void)helpers_work(engine, &s);
    return s.port;
}

bool helpers_is_current(const struct store *s, int state_fd)
{
    struct stat ours, written;
    return fstat(state_fd, &ours) == 0 && fstatat(s->run_fd, STATE_FILE, &written, 0) == 0 &&
           ours.st_ino == written.st_ino && ours.st_dev == written.st_dev;
}

/* A dying process has an empty command line but still has its sockets. */
int helper_process_open(const struct helper_process *p)
{
    _cleanup_close_ int fd = pidfd_of(p->pid, p->start);
    _cleanup_free_ char *path = xasprintf("/proc/%d/cmdline", p->pid), *title = NULL;
    if (fd < 0)
        return fd;
    if (read_file_at(AT_FDCWD, path, PATH_MAX * 4, &title, NULL) < 0 ||
        (*title && !skip_prefix(title, HELPER_TITLE) && !skip_prefix(title, SERVER_TITLE)))
        return -ESRCH;
    return take_fd(fd);
}

static bool any_lives(const struct helpers_state *s, int first, int last)
{
    for (int i = first; i <= last; i++) {
        _cleanup_close_ int fd = helper_process_open(&s->process[i]);
        if (fd >= 0)
            return true;
    }
    return false;
}

/* ---- writing the state file -----------------------------------------------------------------*/

/* Writes a new, complete file each time: a mapped page that is not backed by the file would be SIGBUS. */
static int write_state(struct engine *engine, const struct helpers_state *s, struct err *e)
{
    int r = 0;
    for (int tries = 0; tries < 2; tries++) {
        if (mkdirat(engine->store.run_fd, DIRECTORY, 0700) < 0 && errno != EEXIST)
            return err_set(e, errno, "create the helpers' directory");
        r = write_file_atomic(engine->store.run_fd, STATE_FILE, s, sizeof(*s), 0600);
        /* A file has replaced the directory, or the reverse. */
        if (r != -EISDIR && r != -ENOTDIR && r != -EEXIST && r != -ENOTEMPTY)
            break;
        (void)remove_tree_at(engine->store.run_fd, DIRECTORY);
    }
    return r < 0 ? err_set(e, r, "write the helpers' state file") : 0;
}

static void note_self(struct helper_process *p)
{
    *p = (struct helper_process){
        .pid = getpid(), .schema = NETCTR_SCHEMA, .start = proc_start_time(getpid())};
}

/* ---- the DNS sockets ------------------------------------------------------------------------*/

static void fd_numbers(const struct helpers_state *s, int process, int out[5])
{
    for (int i = 0; i < 5; i++)
        out[i] = process == HELPER_HOLDER ? s->held[i] : 3 + HELPER_FD_UDP4 + i;
}

static bool take_from(const struct helpers_state *s, int process, struct helpers_seed *seed)
{
    int numbers[5], taken[5];
    const struct helper_process *p = &s->process[process];
    _cleanup_close_ int pidfd = pidfd_of(p->pid, p->start);
    if (pidfd < 0 || p->pid == getpid())
        return false;
    fd_numbers(s, process, numbers);
    for (int i = 0; i < 5; i++)
        taken[i] = numbers[i] < 0 ? -1 : pidfd_getfd(pidfd, numbers[i], 0);
    struct helpers_seed found = {
        .sockets = {.udp4 = taken[0], .udp6 = taken[1], .tcp4 = taken[2], .tcp6 = taken[3]},
        .shared = taken[4],
        .port = s->port};
    struct names_shared *shared = NULL;
    bool good = name_sockets_valid(&found.sockets, s->port);
    if (found.shared >= 0 && !(shared = names_shared_map(found.shared, NULL)))
        found.shared = close_fd(found.shared);
    names_shared_unmap(shared);
    if (!good) {
        helpers_seed_clear(&found);
        return false;
    }
    found.late = seed->late;
    *seed = found;
    return true;
}

/* The servers' sockets first, because they are in use. */
static bool take_sockets(const struct helpers_state *s, struct helpers_seed *seed)
{
    static const int order[] = {HELPER_SERVER, HELPER_SERVER + 1, HELPER_ACTIVE, HELPER_STANDBY,
                                HELPER_HOLDER};
    for (size_t i = 0; s->port && i < ARRAY_LEN(order); i++)
        if (take_from(s, order[i], seed))
            return true;
    return false;
}

/* Redirects port 53 of all networks from @old (0: unknown) to @now. Missing tables are not an error: they are
 * created with the new port. */
static int tell_firewall(struct engine *engine, uint16_t old, uint16_t now, struct err *e)
{
    struct net *net;
    int r = engine_net(engine, &net, e);
    if (r == 0)
        r = net_check(net, e); /* the tables may belong to another instance */
    if (r != 0)
        return r < 0 ? r : 0;
    r = net_set_names_port(net, NULL, now, e);
    if (r == 0 && old)
        r = net_close_names_port(net, old, e);
    if (r == -ENOENT) {
        err_clear(e);
        r = 0;
    }
    return r;
}

void helpers_tell_upstream(int names)
{
    _cleanup_strv_ strv servers = host_resolvers(false, NULL);
    (void)names_set_upstream(names, servers, NULL);
}

static bool is_free(uint16_t port)
{
    const struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    _cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    return fd < 0 || bind(fd, (const struct sockaddr *)&a, sizeof(a)) == 0;
}

/* Sockets of processes that have just been killed can no longer be taken, but the port is not free yet. */
static void await_port(const struct helpers_state *s)
{
    const struct timespec moment = {.tv_nsec = 1000000};
    for (int tries = 0; tries < AWAIT_MS && !is_free(s->port); tries++)
        nanosleep(&moment, NULL);
}

/* The caller holds the store's lock. */
static int get_sockets(struct engine *engine, struct helpers_state *s,
                       bool (*avoid)(uint16_t port, void *arg), void *arg,
                       struct helpers_seed *seed, struct err *e)
{
    int names, r = engine_names(engine, &names, e);
    if (r < 0)
        return r;
    helpers_tell_upstream(names);
    /* Helpers that a lost or damaged state file listed still hold the port, and nothing else would end them. */
    if (!s->port)
        (void)helpers_end(engine->store.instance, LOST_MS);
    bool moves = avoid && avoid(s->port, arg);
    if (moves || !take_sockets(s, seed)) {
        bool held = !moves && s->port && !is_free(s->port);
        bool found = held && holders_find(&engine->store, s->port, &seed->sockets);
        if (held && !found)
            await_port(s);
        r = found ? s->port : name_sockets_open(moves ? 0 : s->port, avoid, arg, &seed->sockets, e);
        if (r < 0)
            return r;
        seed->port = (uint16_t)r;
    }
    if (seed->shared < 0 && (seed->shared = names_shared_new(e)) < 0)
        return seed->shared;
    uint16_t old = s->port;
    s->port = seed->port;
    return old != s->port ? tell_firewall(engine, old, s->port, e) : 0;
}

static void note_holder(struct helpers_state *s, const struct helpers_seed *seed)
{
    const int held[] = {seed->sockets.udp4, seed->sockets.udp6, seed->sockets.tcp4,
                        seed->sockets.tcp6, seed->shared};
    note_self(&s->process[HELPER_HOLDER]);
    for (size_t i = 0; i < ARRAY_LEN(held); i++)
        s->held[i] = held[i];
}

static bool has_sockets(const struct helpers_seed *s)
{
    return s->sockets.udp4 >= 0 || s->sockets.udp6 >= 0;
}

int helpers_prepare(struct engine *engine, struct helpers_seed *seed, struct err *e)
{
    struct helpers_state s;
    if (helpers_work(engine, &s)) {
        seed->port = s.port;
        return 0;
    }
    _cleanup_close_ int lock = store_lock(&engine->store, e);
    if (lock < 0)
        return lock;
    if (helpers_work(engine, &s)) {
        seed->port = s.port;
        return 0;
    }
    seed->late = true;
    if (has_sockets(seed) && s.port == seed->port) /* this process will start the helpers later */
        return 0;
    helpers_seed_clear(seed);
    int r = get_sockets(engine, &s, NULL, NULL, seed, e);
    if (r < 0)
        return r;
    note_holder(&s, seed);
    return write_state(engine, &s, e);
}

/* ---- start -----------------------------------------------------------------------------------*/

/* Their cgroup may be frozen: under version 1 they would not die before it is thawed, under version 2 the
 * next helper would be frozen as well. */
static void kill_pair(struct engine *engine, struct helpers_state *s)
{
    const struct timespec moment = {.tv_nsec = 1000000};
    for (int i = HELPER_ACTIVE; i <= HELPER_STANDBY; i++) {
        _cleanup_close_ int fd = helper_process_open(&s->process[i]);
        if (fd >= 0)
            (void)pidfd_signal(fd, SIGKILL);
    }
    if (s->process[HELPER_ACTIVE].pid || s->process[HELPER_STANDBY].pid)
        helpers_thaw(engine->store.instance);
    for (int tries = 0; tries < 50 && any_lives(s, HELPER_ACTIVE, HELPER_STANDBY); tries++)
        nanosleep(&moment, NULL);
    s->process[HELPER_ACTIVE] = s->process[HELPER_STANDBY] = (struct helper_process){0};
}

/* O_NONBLOCK: a FIFO in its place would block us while we hold the store's lock. */
static int open_log(const struct store *s)
{
    const int flags = O_WRONLY | O_CREAT | O_APPEND | O_TRUNC | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
    struct stat st;
    _cleanup_close_ int fd = openat(s->run_fd, LOG_FILE, flags, 0600);
    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        return take_fd(fd);
    (void)remove_tree_at(s->run_fd, LOG_FILE);
    return openat(s->run_fd, LOG_FILE, flags | O_EXCL, 0600);
}

/* Sets both heartbeats to now, so that the pair counts as working at once. If it fails to start, they expire
 * soon. */
static int spawn(struct engine *engine, struct helpers_state *s, const struct helpers_seed *seed,
                 struct err *e)
{
    struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
    char *const argv[] = {"netctr", "--root", engine->store.root, "--run-root", engine->store.run,
                          "helper", NULL};
    s->ending = 0;
    s->beat[0] = s->beat[1] = (uint64_t)monotonic_ms();
    s->process[HELPER_ACTIVE].schema = NETCTR_SCHEMA;
    int r = write_state(engine, s, e);
    if (r < 0)
        return r;
    _cleanup_close_ int state =
        openat(engine->store.run_fd, STATE_FILE, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    _cleanup_close_ int log = open_log(&engine->store);
    if (state < 0 || log < 0 || fcntl(state, F_OFD_SETLK, &lock) < 0)
        return err_set(e, errno, "open the helpers' files");
    const struct helper_request request = {.argv = argv,
                                           .fds = {state, seed->sockets.udp4, seed->sockets.udp6,
                                                   seed->sockets.tcp4, seed->sockets.tcp6,
                                                   seed->shared},
                                           .log = log};
    return helper_start(engine->store.instance, &request, e);
}

static int start_locked(struct engine *engine, struct helpers_state *s, struct helpers_seed *seed,
                        struct err *e)
{
    if (has_sockets(seed) && s->port != seed->port) /* another process could not take our sockets */
        helpers_seed_clear(seed);
    int r = has_sockets(seed) ? 0 : get_sockets(engine, s, NULL, NULL, seed, e);
    if (r < 0)
        return r;
    kill_pair(engine, s);
    note_holder(s, seed);
    return spawn(engine, s, seed, e);
}

int helpers_start(struct engine *engine, struct helpers_seed *seed, struct err *e)
{
    struct helpers_state s;
    _cleanup_close_ int lock = store_lock_if_free(&engine->store, e);
    if (lock < 0)
        return lock;
    int r = helpers_work(engine, &s) ? 0 : start_locked(engine, &s, seed, e);
    if (r == 0)
        helpers_seed_clear(seed);
    return r;
}

/* ---- the store's lock ------------------------------------------------------------------------*/

/* A pidfd of the lock's holder if that is a helper, else -1. */
static int helper_with_lock(int file)
{
    pid_t pid = lock_holder(file);
    const struct helper_process holder = {.pid = pid, .start = pid > 0 ? proc_start_time(pid) : 0};
    _cleanup_close_ int fd = pid > 0 ? helper_process_open(&holder) : -1;
    return fd >= 0 && lock_holder(file) == pid ? take_fd(fd) : -1;
}

/* Commands hold it for less than a millisecond. To ask who holds it is to read all locks of the host, which are thousands
 * beside a thousand containers: so that comes after several milliseconds. */
static int lock_soon(struct engine *engine)
{
    enum { PAUSE_US = 100, PAUSE_MAX_US = 1600 };
    int lock = store_lock_if_free(&engine->store, NULL);
    for (long us = PAUSE_US; lock == -EWOULDBLOCK && us <= PAUSE_MAX_US; us += us / 4) {
        const struct timespec pause = {.tv_nsec = us * 1000};
        nanosleep(&pause, NULL);
        lock = store_lock_if_free(&engine->store, NULL);
    }
    return lock;
}

/* A chore holds the lock for milliseconds. If the heartbeats stop, all helpers are stopped or frozen. */
int helpers_store_lock(struct engine *engine, struct err *e)
{
    const struct timespec moment = {.tv_nsec = 20000000};
    for (int tries = 0; tries < 150; tries++) {
        int lock = lock_soon(engine);
        if (lock != -EWOULDBLOCK)
            return lock < 0 ? store_lock(&engine->store, e) : lock;
        _cleanup_close_ int file =
            openat(engine->store.run_fd, "lock", O_RDWR | O_CLOEXEC | O_NOFOLLOW);
        _cleanup_close_ int holder = file < 0 ? -1 : helper_with_lock(file);
        if (holder < 0)
            break;
        if (!helpers_work(engine, NULL)) {
            (void)pidfd_signal(holder, SIGKILL);
            helpers_thaw(engine->store.instance);
        }
        nanosleep(&moment, NULL);
    }
    return store_lock(&engine->store, e);
}

/* ---- moving to another port -----------------------------------------------------------------*/

static bool wants(uint16_t port, void *arg)
{
    const struct port_mappings *list = arg;
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].host_port == port)
            return true;
    return false;
}

/* Kills all helpers, which closes their sockets. The pair first, because it replaces dead servers; it may not
 * yet have recorded the last one that it started. */
static void end_all(struct engine *engine, struct helpers_state *s)
{
    struct helpers_state now;
    kill_pair(engine, s);
    if (helpers_work(engine, &now) || streq(now.instance, engine->store.instance))
        memcpy(s->process + HELPER_SERVER, now.process + HELPER_SERVER,
               NAME_SERVERS * sizeof(*s->process));
    for (int i = HELPER_SERVER; i < HELPER_HOLDER; i++) {
        _cleanup_close_ int fd = helper_process_open(&s->process[i]);
        if (fd >= 0)
            (void)pidfd_signal(fd, SIGKILL);
        s->process[i] = (struct helper_process){0};
    }
    (void)helpers_end(engine->store.instance, 100);
}

int helpers_make_room(struct engine *engine, const struct port_mappings *list, struct err *e)
{
    struct helpers_state s;
    struct helpers_seed seed = HELPERS_SEED_INIT;
    struct port_mappings wanted = *list;
    if (!wants(helpers_port(engine), &wanted))
        return 0;
    _cleanup_close_ int lock = store_lock(&engine->store, e);
    if (lock < 0)
        return lock;
    (void)helpers_work(engine, &s);
    if (!wants(s.port, &wanted))
        return 1;
    int r = get_sockets(engine, &s, wants, &wanted, &seed, e);
    if (r == 0) {
        end_all(engine, &s);
        r = start_locked(engine, &s, &seed, e);
    }
    helpers_seed_clear(&seed);
    return r < 0 ? r : 1;
}

/* ---- shutdown -------------------------------------------------------------------------------*/

static int nobody_lives(const struct engine *engine, struct err *e)
{
    _cleanup_dir_ DIR *d = open_listing(engine->store.live_fd, ".");
    int r = 0;
    if (!d)
        return err_set(e, errno, "list the living containers");
    for (struct dirent *entry; (entry = next_entry(d, &r));)
        if (valid_name(entry->d_name))
            return 0;
    return r < 0 ? err_set(e, r, "list the living containers") : 1;
}

void helpers_tidy(const struct store *s)
{
    struct stat st;
    if (fstatat(s->run_fd, LOG_FILE, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_size == 0)
        (void)unlinkat(s->run_fd, LOG_FILE, 0);
}

bool engine_has_living(const struct engine *engine)
{
    return nobody_lives(engine, NULL) != 1;
}

static bool any_noted(const struct helpers_state *s)
{
    for (int i = HELPER_ACTIVE; i < HELPER_HOLDER; i++)
        if (s->process[i].pid > 0)
            return true;
    return false;
}

bool helpers_needed(struct engine *engine)
{
    struct helpers_state s;
    return helpers_work(engine, &s) || any_noted(&s) || engine_has_living(engine);
}

int helpers_revive(struct engine *engine, struct err *e)
{
    struct helpers_seed seed = HELPERS_SEED_INIT;
    if (helpers_work(engine, NULL) || !engine_has_living(engine))
        return 0;
    int r = helpers_prepare(engine, &seed, e);
    if (r == 0)
        r = helpers_start(engine, &seed, e);
    helpers_seed_clear(&seed);
    return r;
}

int helpers_release(struct engine *engine, struct err *e)
{
    struct helpers_state s;
    if (helpers_work(engine, NULL))
        return 0;
    _cleanup_close_ int known = open_state(&engine->store, &s);
    /* Killed processes have left the cgroup as well. If the state file is unreadable, the pids are unknown. */
    if (known >= 0 ? !any_noted(&s) : file_exists_at(engine->store.run_fd, STATE_FILE) != 1)
        return 0;
    int r = nobody_lives(engine, e);
    if (r <= 0)
        return r;
    for (int i = HELPER_ACTIVE; i < HELPER_HOLDER; i++) {
        _cleanup_close_ int fd = helper_process_open(&s.process[i]);
        if (fd >= 0)
            (void)pidfd_signal(fd, SIGKILL);
    }
    (void)helpers_end(s.instance, 200);
    memset(s.process, 0, sizeof(s.process));
    s.beat[0] = s.beat[1] = 0;
    return write_state(engine, &s, e);
}

/* ---- `info` ---------------------------------------------------------------------------------*/

json_t *engine_helpers(const struct engine *engine)
{
    static const char *const names[] = {"helper", "standby", "server", "server"};
    struct helpers_state s;
    json_t *j = json_object(), *servers = json_array();
    json_object_set_new(j, "work", json_boolean(helpers_work(engine, &s)));
    for (int i = HELPER_ACTIVE; i < HELPER_HOLDER; i++) {
        _cleanup_close_ int fd = helper_process_open(&s.process[i]);
        json_t *pid = fd >= 0 ? json_integer(s.process[i].pid) : json_null();
        if (i < HELPER_SERVER)
            json_object_set_new(j, names[i], pid);
        else
            json_array_append_new(servers, pid);
    }
    json_object_set_new(j, "name_servers", servers);
    json_object_set_new(j, "names_port", json_integer(s.port));
    return j;
}
