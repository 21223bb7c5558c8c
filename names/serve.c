/* The main loop of one server, its confinement, and how it watches the other server.
 *
 * A server with questions goes round its loop at least every 100 ms, and its progress counter
 * moves. If the other server has questions and its counter has not moved for a while, it was killed
 * or stopped, and its questions are taken over. A server with nothing to do and nothing to watch
 * sleeps until a question comes.
 */
#include "names/server.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define ROUND_MS 100   /* longest round while there are questions */
#define LOOK_MS 50     /* how often to look at the other server while it has questions */
#define STALLED_MS 200 /* ms without progress */
#define EVENTS 64

/* ---- the other server -------------------------------------------------------------------------*/

static bool has_questions(const struct shared_server *s)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        uint64_t word = atomic_load_explicit(&s->states[i], memory_order_acquire);
        if (STATE_OF(word) != SLOT_FREE && slot_holds(s, i, word))
            return true;
    }
    return false;
}

static void watch_other(struct server *s)
{
    if (s->now < s->look_at)
        return;
    uint64_t progress = atomic_load(&s->other->progress);
    bool watched = s->watches;
    s->watches = has_questions(s->other);
    s->look_at = s->watches ? s->now + LOOK_MS : INT64_MAX;
    if (!s->watches)
        return;
    if (!watched || progress != s->progress) {
        s->progress = progress;
        s->since = s->now;
    } else if (s->now - s->since >= STALLED_MS) {
        udp_take_over(s);
    }
}

/* ---- the loop --------------------------------------------------------------------------------*/

static int time_left(const struct server *s, int64_t due)
{
    int64_t left = due - s->now;
    return left < 0 ? 0 : left > 60000 ? 60000 : (int)left;
}

static int next_timeout(struct server *s)
{
    int64_t forward = forward_clock(s), tcp = tcp_clock(s), due = forward < tcp ? forward : tcp;
    if (udp_pending(s))
        return 0;
    if (s->look_at < due)
        due = s->look_at;
    if ((s->queue.taken || s->connections) && s->now + ROUND_MS < due)
        due = s->now + ROUND_MS;
    return due == INT64_MAX ? -1 : time_left(s, due);
}

static int go_round(struct server *s)
{
    struct epoll_event events[EVENTS];
    int64_t before = s->now;
    int count = epoll_wait(s->epoll, events, EVENTS, next_timeout(s));
    if (count < 0 && errno != EINTR)
        return -errno;
    atomic_fetch_add(&s->own->progress, 1);
    s->now = monotonic_ms();
    if (s->now - before > STALLED_MS)
        udp_forget_taken(s);
    for (int i = 0; i < count; i++) {
        struct watch *w = events[i].data.ptr;
        if (w->fd >= 0)
            w->ready(s, w, events[i].events);
    }
    /* the other server may have taken the question that woke this one */
    if (count != 0 && s->look_at == INT64_MAX)
        s->look_at = s->now + ROUND_MS;
    udp_receive(s);
    udp_answer(s);
    watch_other(s);
    forward_reap(s);
    tcp_reap(s);
    return 0;
}

/* ---- confinement -----------------------------------------------------------------------------*/

/* At worst, each forwarded question needs a socket for each server; usually it needs one. */
static void raise_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max < 4096 ? limit.rlim_max : 4096;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

static int confine(const struct name_server *n, struct err *e)
{
    static const struct confine_call calls[] = {
#ifdef SYS_epoll_wait
        {.call = SYS_epoll_wait},
#endif
        {.call = SYS_epoll_pwait},
        {.call = SYS_recvmmsg},
        {.call = SYS_sendmsg},
        {.call = SYS_readlinkat},
        {.call = SYS_openat, .argument = 3, .value = LOOKUP_OPEN_FILE},
        {.call = SYS_openat, .argument = 3, .value = LOOKUP_OPEN_DIRECTORY},
        {.call = SYS_getdents64},
        {.call = SYS_read},
        {.call = SYS_close},
        {.call = SYS_getrandom},
        {.call = SYS_socket, .argument = 1, .value = AF_INET},
        {.call = SYS_socket, .argument = 1, .value = AF_INET6},
        {.call = SYS_connect},
        {.call = SYS_sendto},
        {.call = SYS_recvfrom},
        {.call = SYS_epoll_ctl},
        {.call = SYS_getsockopt, .argument = 3, .value = SO_MEMINFO},
        {.call = SYS_accept4},
        {.call = SYS_setsockopt, .argument = 3, .value = TCP_NODELAY},
        {.call = SYS_clock_gettime},
        {.call = SYS_brk},
        {.call = SYS_mmap},
        {.call = SYS_munmap},
        {.call = SYS_mremap},
        {.call = SYS_madvise},
        {.call = SYS_rt_sigreturn},
        {.call = SYS_restart_syscall},
        {.call = SYS_write, .argument = 1, .value = STDERR_FILENO},
        {.call = SYS_exit},
        {.call = SYS_exit_group},
    };
    raise_limit();
    if (fchdir(n->names) < 0 || chroot(".") < 0)
        return err_set(e, errno, "make the directory of names the root of a name server");
    if (prctl(PR_SET_DUMPABLE, 0) < 0)
        return err_set(e, errno, "protect the memory of a name server");
    int r = confine_caps(0, e);
    return r == 0 ? confine_allow_calls(calls, ARRAY_LEN(calls), e) : r;
}

static int start(struct server *s, const struct name_server *n)
{
    s->names = n->names;
    s->own = &n->shared->servers[n->self];
    s->other = &n->shared->servers[!n->self];
    s->now = monotonic_ms();
    s->look_at = s->now + ROUND_MS;
    s->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (s->epoll < 0)
        return -errno;
    int r = udp_start(s, &n->sockets);
    return r == 0 ? tcp_start(s, &n->sockets) : r;
}

int names_serve(const struct name_server *n, struct err *e)
{
    _cleanup_free_ struct server *s = xcalloc(1, sizeof(*s));
    if (n->self >= NAME_SERVERS)
        return err_say(e, -EINVAL, "there are only %d name servers", NAME_SERVERS);
    int r = start(s, n);
    if (r < 0)
        return err_set(e, r, "start a name server");
    r = confine(n, e);
    if (r < 0)
        return r;
    while (r == 0)
        r = go_round(s);
    return err_set(e, r, "wait for questions");
}
