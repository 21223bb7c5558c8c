/* Chores: work that may take long or wait for a lock. Each runs in a child of the helper, so that the
 * helper's heartbeat goes on. A child dies with the helper, logs once why it fails, and is retried after a
 * pause that doubles each time.
 */
#include "helper.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum {
    CHORE_MS = 60000, /* a lock is given up after 30 seconds */
    PAUSE_MS = 250,   /* doubled up to … */
    PAUSE_MAX_MS = 16000,
    STOPPED_LOOKS = 3,
};

/* ---- the chores -----------------------------------------------------------------------------*/

/* Stale flows that cannot be deleted do not justify rebuilding the tables again. */
static int restore_firewall(struct helper *h, struct engine *engine, struct err *e)
{
    (void)h;
    bool restored;
    int r = engine_restore_firewall(engine, &restored, e);
    if (r == 0 || !restored)
        return r;
    warn("the firewall is restored, but stale connections may remain: %s", e->text);
    err_clear(e);
    return 0;
}

static void add_name(const char *name, void *names)
{
    strings_add(names, name);
}

/* Cleans up after killed monitors, one after the other, so that commands need not wait for all of them. */
static int repair(struct helper *h, struct engine *engine, struct err *e)
{
    int result = 0;
    struct strings found = {0};
    monitors_each_dead(h->monitors, add_name, &found);
    _cleanup_strv_ strv names = strings_take(&found);
    strv_each (name, names) {
        _cleanup_err_ struct err why = ERR_INIT;
        _cleanup_close_ int lock = store_lock(&engine->store, e);
        int r = lock < 0 ? lock : engine_clear_if_dead(engine, name, &why);
        if (lock < 0)
            return lock;
        if (r < 0)
            warn("%s", why.text);
        result = r < 0 ? r : result;
    }
    store_empty_trash(&engine->store);
    return result;
}

static int reap_links(struct helper *h, struct engine *engine, struct err *e)
{
    (void)h;
    struct net *net;
    int r = engine_net(engine, &net, e);
    return r == 0 ? links_reap(net, e) : r;
}

static int (*const deeds[CHORES])(struct helper *h, struct engine *engine, struct err *e) = {
    [CHORE_FIREWALL] = restore_firewall,
    [CHORE_REPAIR] = repair,
    [CHORE_LINKS] = reap_links,
};
static const char *const names[CHORES] = {
    [CHORE_FIREWALL] = "restore the firewall",
    [CHORE_REPAIR] = "clean up containers whose monitors are dead",
    [CHORE_LINKS] = "delete the links of ended containers",
};

/* ---- their processes ------------------------------------------------------------------------*/

/* The helper's RLIMIT_FSIZE bounds its log; a chore must write larger files. So the limit is lifted, and
 * stderr is closed if the log is full, or if this failure has been logged already. */
static void settle(const struct helper *h, enum chore what)
{
    struct rlimit size;
    struct stat log;
    if (getrlimit(RLIMIT_FSIZE, &size) < 0)
        return;
    bool full = fstat(STDERR_FILENO, &log) == 0 && (rlim_t)log.st_size >= size.rlim_cur;
    if (full || h->chores[what].failed)
        (void)dup2(STDIN_FILENO, STDERR_FILENO); /* /dev/null */
    size.rlim_cur = size.rlim_max;
    (void)setrlimit(RLIMIT_FSIZE, &size);
}

static _Noreturn void do_it(struct helper *h, enum chore what)
{
    _cleanup_err_ struct err e = ERR_INIT;
    struct engine engine = {.store = h->store};
    int keep[] = {h->store.root_fd, h->store.run_fd, h->store.defined_fd, h->store.live_fd};
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    helper_let_go(h, keep, ARRAY_LEN(keep));
    settle(h, what);
    int r = deeds[what](h, &engine, &e);
    if (r < 0 && e.text)
        warn("cannot %s yet: %s", names[what], e.text);
    _exit(r < 0);
}

static void finish(struct helper *h, enum chore what)
{
    int status = 1;
    loop_remove_fd(h->loop, h->chores[what].pidfd);
    h->chores[what].pidfd = close_fd(h->chores[what].pidfd);
    while (waitpid(h->chores[what].pid, &status, 0) < 0 && errno == EINTR)
        continue;
    h->chores[what].failed = status != 0;
    if (what == CHORE_FIREWALL && status)
        firewall_watch_again(h->firewall_watch);
    else if (what == CHORE_FIREWALL)
        firewall_watch_restored(h->firewall_watch);
    if (what != CHORE_FIREWALL) { /* what is still there is retried, less and less often */
        h->chores[what].pause = h->chores[what].pause ? h->chores[what].pause * 2 : PAUSE_MS;
        if (h->chores[what].pause > PAUSE_MAX_MS)
            h->chores[what].pause = PAUSE_MAX_MS;
    }
    if (what == CHORE_REPAIR)
        monitors_look(h->monitors);
}

static void ended(int fd, uint32_t events, void *helper)
{
    struct helper *h = helper;
    (void)fd;
    (void)events;
    for (int i = 0; i < CHORES; i++)
        if (h->chores[i].pidfd >= 0 && pidfd_wait(h->chores[i].pidfd, 0) == 0)
            finish(h, i);
    chores_run(h);
}

static void begin(struct helper *h, enum chore what)
{
    h->chores[what].pid = helper_fork(&h->chores[what].pidfd);
    if (h->chores[what].pid == 0)
        do_it(h, what);
    h->chores[what].began = monotonic_ms();
    /* If it cannot be started now, it is due again at the next heartbeat. */
    h->chores[what].due = h->chores[what].pid < 0 ||
                          loop_add_fd(h->loop, h->chores[what].pidfd, EPOLLIN, ended, h, NULL) < 0;
}

void chore_want(struct helper *h, enum chore what)
{
    h->chores[what].due = true;
    chores_run(h);
}

/* A stopped chore may hold the store's lock, for which every command waits. */
static bool is_stopped(struct helper *h, enum chore what)
{
    char state = proc_state(h->chores[what].pid);
    h->chores[what].stopped = state == 'T' || state == 't' ? h->chores[what].stopped + 1 : 0;
    return h->chores[what].stopped >= STOPPED_LOOKS;
}

void chores_run(struct helper *h)
{
    for (int i = 0; i < CHORES; i++) {
        int64_t age = monotonic_ms() - h->chores[i].began;
        if (h->chores[i].pidfd < 0 && h->chores[i].due && age >= h->chores[i].pause)
            begin(h, i);
        else if (h->chores[i].pidfd >= 0 && (age > CHORE_MS || is_stopped(h, i)))
            (void)pidfd_signal(h->chores[i].pidfd, SIGKILL);
    }
}

bool chores_rest(const struct helper *h)
{
    for (int i = 0; i < CHORES; i++)
        if (h->chores[i].pidfd >= 0 || h->chores[i].due)
            return false;
    return true;
}
