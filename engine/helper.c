/* The helper: what is done for all containers of an instance is done here, once.
 *
 *     the firewall is emptied ─► made anew            a monitor is killed ─► what it held is taken down
 *     a port loses its bridge ─► brought down         a link is to go     ─► deleted, beside the way
 *     the host's resolvers change ─► told             a name server dies or stands still ─► another
 *
 * It holds nothing of any container, so it may be killed at any time; its standby (pair.c) takes its
 * place. It comes with the first container and goes with the last.
 */
#include "helper.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>

enum { HOPELESS_MS = 1000 };

void helper_let_go(struct helper *h, int *keep, size_t count)
{
    hub_free(take_ptr(h->hub));
    (void)close_other_fds(keep, count);
}

static int flushed(void *helper)
{
    chore_want(helper, CHORE_FIREWALL);
    return 0;
}

static void hear(void *helper)
{
    struct helper *h = helper;
    firewall_watch_run(h->firewall_watch);
}

static void somebody_died(bool fresh, void *helper)
{
    struct helper *h = helper;
    if (fresh)
        h->chores[CHORE_REPAIR].pause = 0;
    chore_want(h, CHORE_REPAIR);
}

/* Where its file cannot be looked at, it says nothing new. */
static void look_at_resolvers(struct helper *h)
{
    struct stat st;
    if (stat("/etc/resolv.conf", &st) < 0 ||
        memcmp(&st.st_ctim, &h->resolvers, sizeof(st.st_ctim)) == 0)
        return;
    h->resolvers = st.st_ctim;
    helpers_tell_upstream(h->names);
}

/* They are given a moment: most are gone by then with their namespace. One that cannot be taken off the list is tried
 * again, and keeps nobody. */
static bool look_at_links(struct helper *h)
{
    bool wait = links_pending(h->store.run_fd);
    if (wait && h->links_seen)
        chore_want(h, CHORE_LINKS);
    h->links_seen = wait;
    if (!wait)
        h->chores[CHORE_LINKS].pause = 0;
    if (h->chores[CHORE_LINKS].pause <= HOPELESS_MS)
        return wait;
    h->chores[CHORE_LINKS].due = false; /* until the next look */
    return false;
}

/* Whoever starts a container makes its directory first and looks at us second; we say that we end first and look for
 * directories second. So one of the two sees the other. */
static bool ends(struct helper *h)
{
    const struct engine engine = {.store = h->store};
    if (!chores_rest(h) || engine_has_living(&engine))
        return false;
    __atomic_store_n(&h->state->ending, 1, __ATOMIC_SEQ_CST);
    if (!engine_has_living(&engine))
        return true;
    __atomic_store_n(&h->state->ending, 0, __ATOMIC_SEQ_CST);
    return false;
}

static void beat(void *helper);

static int open_timer(struct helper *h, struct err *e)
{
    const struct timespec often = {.tv_nsec = BEAT_MS * 1000000L};
    const struct itimerspec beats = {often, often};
    h->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (h->timer < 0 || timerfd_settime(h->timer, 0, &beats, NULL) < 0)
        return err_set(e, errno, "open a timer");
    return hub_add(h->hub, h->timer, beat, h, e);
}

static int open_all(struct helper *h, struct err *e)
{
    int r = open_timer(h, e);
    if (r < 0)
        return r;
    for (int i = 0; i < CHORES; i++)
        h->chores[i].pidfd = -1;
    servers_begin(h);
    h->monitors = monitors_new(&h->store, h->hub, somebody_died, h);
    /* Without it, names are told and the dead are cleaned up all the same. */
    _cleanup_err_ struct err why = ERR_INIT;
    if (firewall_watch_new(h->store.instance, flushed, h, &h->firewall_watch, &why) < 0)
        warn("%s", why.text);
    else
        (void)hub_add(h->hub, firewall_watch_fd(h->firewall_watch), hear, h, NULL);
    monitors_look(h->monitors);
    return 0;
}

static void close_all(struct helper *h)
{
    monitors_free(take_ptr(h->monitors));
    firewall_watch_free(take_ptr(h->firewall_watch));
    hub_free(take_ptr(h->hub));
    h->timer = close_fd(h->timer);
}

/* ---- the loop --------------------------------------------------------------------------------*/

static void beat(void *helper)
{
    struct helper *h = helper;
    uint64_t times;
    (void)!read(h->timer, &times, sizeof(times));
    if (pair_beat(h, HELPER_ACTIVE, HELPER_STANDBY))
        pair_drop_other(h);
    monitors_look(h->monitors);
    servers_look(h);
    look_at_resolvers(h);
    chores_run(h);
    if (chores_rest(h)) /* whose end is waited for by name */
        while (waitpid(-1, NULL, WNOHANG) > 0)
            continue;
}

static void other_died(void *helper)
{
    pair_drop_other(helper);
}

/* 1 in the child, which is the standby. */
static int start_standby(struct helper *h)
{
    pid_t pid = helper_fork(&h->other.pidfd);
    if (pid == 0)
        return 1;
    if (pid > 0) {
        pair_note(h, HELPER_STANDBY, pid);
        (void)hub_add(h->hub, h->other.pidfd, other_died, h, NULL);
    }
    h->other.missed = 0;
    return 0;
}

/* Who begins meanwhile takes our sockets out of us, and so has the same port. */
static void end(struct helper *h)
{
    pair_drop_other(h);
    servers_end(h);
    helpers_tidy(&h->store);
    helpers_leave(h->store.instance, 200);
    /* All who are written down have been killed. */
    for (int i = HELPER_HOLDER - 1; i >= HELPER_ACTIVE; i--)
        pair_note(h, i, 0);
}

enum helper_next helper_watch(struct helper *h, struct err *e)
{
    struct pollfd p = {.events = POLLIN};
    proc_set_title(HELPER_TITLE);
    int r = hub_new(&h->hub, e);
    /* Before anything is there that somebody would have to end: should we be killed, somebody does. */
    if (r == 0 && start_standby(h))
        return HELPER_IS_STANDBY;
    if (r == 0)
        r = open_all(h, e);
    enum helper_next next = r < 0 ? HELPER_FAILS : HELPER_GOES_ON;
    for (p.fd = r < 0 ? -1 : hub_fd(h->hub); next == HELPER_GOES_ON;) {
        bool wait = look_at_links(h);
        if (!pair_is_current(h, HELPER_ACTIVE))
            next = HELPER_IS_REPLACED;
        else if (!wait && ends(h))
            next = HELPER_ENDS;
        else if (h->other.pidfd < 0 && start_standby(h))
            next = HELPER_IS_STANDBY;
        else if (poll(&p, 1, -1) > 0)
            hub_run(h->hub);
    }
    if (next == HELPER_ENDS)
        end(h);
    if (next != HELPER_IS_STANDBY) /* the standby has only copies */
        close_all(h);
    return next;
}
