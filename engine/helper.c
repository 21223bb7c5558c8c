/* The helper does what concerns all containers of an instance:
 *
 *     the firewall is emptied        ─► restores it         a monitor is killed ─► cleans up its container
 *     a port loses its bridge        ─► brings it down      a link is to be deleted ─► deletes it in a child
 *     the host's resolvers change    ─► updates upstream    a name server dies or hangs ─► starts another
 *
 * It holds no state of any container, so it may be killed at any time; its standby (helper_main.c) takes over. It
 * starts with the first container and exits after the last.
 */
#include "helper.h"

#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>

enum { HOPELESS_MS = 1000 };

static int flushed(void *helper)
{
    chore_want(helper, CHORE_FIREWALL);
    return 0;
}

static void somebody_died(bool fresh, void *helper)
{
    struct helper *h = helper;
    if (fresh)
        h->chores[CHORE_REPAIR].pause = 0;
    chore_want(h, CHORE_REPAIR);
}

/* If the file cannot be read, the resolvers stay as they are. */
static void look_at_resolvers(struct helper *h)
{
    struct stat st;
    if (stat("/etc/resolv.conf", &st) < 0 ||
        memcmp(&st.st_ctim, &h->resolvers, sizeof(st.st_ctim)) == 0)
        return;
    h->resolvers = st.st_ctim;
    helpers_tell_upstream(h->names);
}

/* Most links vanish with their namespace within a moment, so only those seen twice are deleted. One that
 * cannot be deleted is retried, but does not keep the helper running. */
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
    h->chores[CHORE_LINKS].due = false; /* retried at the next look */
    return false;
}

/* A start creates the container's directory first and reads `ending` second; we set `ending` first and read
 * the directories second. So at least one of the two sees the other. */
static bool ends(struct helper *h)
{
    const struct engine engine = {.store = h->store};
    if (!chores_rest(h) || monitors_any(h->monitors) || engine_has_living(&engine))
        return false;
    __atomic_store_n(&h->state->ending, 1, __ATOMIC_SEQ_CST);
    if (!engine_has_living(&engine))
        return true;
    __atomic_store_n(&h->state->ending, 0, __ATOMIC_SEQ_CST);
    return false;
}

static void beat(void *helper);

static void open_all(struct helper *h)
{
    h->timer = loop_add_timer(h->loop, BEAT_MS, beat, h);
    for (int i = 0; i < CHORES; i++)
        h->chores[i].pidfd = -1;
    servers_begin(h);
    h->monitors = monitors_new(&h->store, h->loop, somebody_died, h);
    /* If this fails, the name servers and the cleanup still work. */
    _cleanup_err_ struct err why = ERR_INIT;
    if (firewall_watch_new(h->store.instance, h->loop, flushed, h, &h->firewall_watch, &why) < 0)
        warn("%s", why.text);
    monitors_look(h->monitors);
}

static void close_all(struct helper *h)
{
    monitors_free(take_ptr(h->monitors));
    firewall_watch_free(take_ptr(h->firewall_watch));
    loop_free(take_ptr(h->loop));
}

/* ---- the loop --------------------------------------------------------------------------------*/

static void beat(void *helper)
{
    struct helper *h = helper;
    h->timer = loop_add_timer(h->loop, BEAT_MS, beat, h);
    if (pair_beat(h, HELPER_ACTIVE, HELPER_STANDBY))
        pair_drop_other(h);
    monitors_look(h->monitors);
    servers_look(h);
    look_at_resolvers(h);
    chores_run(h);
    if (chores_rest(h)) /* chores are reaped by their pid */
        while (waitpid(-1, NULL, WNOHANG) > 0)
            continue;
}

static void other_died(int fd, uint32_t events, void *helper)
{
    (void)fd;
    (void)events;
    pair_drop_other(helper);
}

/* Returns 1 in the child, which is the standby. */
static int start_standby(struct helper *h)
{
    pid_t pid = helper_fork(&h->other.pidfd);
    if (pid == 0)
        return 1;
    if (pid > 0) {
        pair_note(h, HELPER_STANDBY, pid);
        (void)loop_add_fd(h->loop, h->other.pidfd, EPOLLIN, other_died, h, NULL);
    }
    h->other.missed = 0;
    return 0;
}

/* A pair that starts meanwhile takes our sockets, and so keeps the port. */
static void end(struct helper *h)
{
    pair_drop_other(h);
    servers_end(h);
    helpers_tidy(&h->store);
    helpers_leave(h->store.instance, 200);
    /* All recorded processes have been killed. */
    for (int i = HELPER_HOLDER - 1; i >= HELPER_ACTIVE; i--)
        pair_note(h, i, 0);
}

enum helper_next helper_watch(struct helper *h, struct err *e)
{
    proc_set_title(HELPER_TITLE);
    int r = loop_new(&h->loop, e);
    /* The standby first: if we are killed while we start the rest, it takes over. */
    if (r == 0 && start_standby(h))
        return HELPER_IS_STANDBY;
    if (r == 0)
        open_all(h);
    enum helper_next next = r < 0 ? HELPER_FAILS : HELPER_GOES_ON;
    while (next == HELPER_GOES_ON) {
        bool wait = look_at_links(h);
        if (!pair_is_current(h, HELPER_ACTIVE))
            next = HELPER_IS_REPLACED;
        else if (!wait && ends(h))
            next = HELPER_ENDS;
        else if (h->other.pidfd < 0 && start_standby(h))
            next = HELPER_IS_STANDBY;
        else
            (void)loop_run_once(h->loop, -1);
    }
    if (next == HELPER_ENDS)
        end(h);
    if (next != HELPER_IS_STANDBY) /* the standby closed its copies already */
        close_all(h);
    return next;
}
