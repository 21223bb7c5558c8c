#include "relay_process.h"

#include "cgroup_relay.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

enum { RETRY_MS = 250 };

/* The relay's messages, one byte each. For a broken stream the number of the stream is added to
 * SAYS_NO_READER if its reader has closed, otherwise to SAYS_BROKEN. */
enum {
    SAYS_STDIN_ENDED = 'i',
    SAYS_WAITS = 'w',
    SAYS_NO_READER = '0',
    SAYS_BROKEN = '4',
};
/* The monitor's messages. Closing the socket means that the program has ended. */
#define HEARS_HANG_UP 'h'
#define HEARS_LEFT 'l'     /* the client has left */
#define HEARS_AUDIENCE 'a' /* a client of `attach`; carries its channel */

/* ---- the relay itself ------------------------------------------------------------------------*/

/* The relay must not keep the monitor's locks, ports and run directory open. Descriptors 0 to 2
 * stay occupied, because warnings are written to them. */
static int close_others(const struct stream *s, const struct relay_work *w, int talk)
{
    int keep[9 + AUDIENCE_MAX] = {talk,      w->log,  w->rotation.dir, s[0].from, s[0].to,
                                  s[1].from, s[1].to, s[2].from,       s[2].to};
    memcpy(keep + 9, w->audience->channels, w->audience->count * sizeof(int));
    return close_other_fds(keep, 9 + w->audience->count);
}

static bool all_drained(const struct stream *s, bool ended)
{
    return stream_drained(&s[STREAM_OUT]) && stream_drained(&s[STREAM_ERR]) &&
           (ended || stream_drained(&s[STREAM_IN]));
}

static void say(int talk, char what)
{
    (void)send(talk, &what, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void say_broken(const struct stream *streams, bool *said, int talk)
{
    for (int i = STREAM_OUT; i <= STREAM_ERR; i++) {
        if (streams[i].broken && !said[i])
            say(talk, (char)((stream_failed(&streams[i]) ? SAYS_BROKEN : SAYS_NO_READER) + i));
        said[i] = streams[i].broken != 0;
    }
}

static void close_broken(struct stream *streams)
{
    for (int i = STREAM_OUT; i <= STREAM_ERR; i++) {
        int end = streams[i].from;
        stream_log_rest(&streams[i]);
        (void)stream_hang_up(&streams[i], &end);
    }
}

static void forget_readers(struct stream *streams)
{
    for (int i = STREAM_OUT; i <= STREAM_ERR; i++) {
        int to = streams[i].to;
        stream_forget_reader(&streams[i]);
        close_fd(to);
    }
    stream_unwatch(&streams[STREAM_IN]);
    streams[STREAM_IN].from = close_fd(streams[STREAM_IN].from);
    streams[STREAM_IN].sent = streams[STREAM_IN].used;
    streams[STREAM_IN].to = close_fd(streams[STREAM_IN].to);
}

struct copying {
    struct stream *streams;
    struct audience audience;
    struct loop *loop;
    int talk;
    bool ended;     /* the program has ended */
    int64_t active; /* monotonic_ms() of the last event */
};

static void on_stream(int fd, uint32_t events, void *arg)
{
    struct copying *c = arg;
    for (int i = 0; i < STREAMS; i++)
        if (stream_waits_for(&c->streams[i], fd)) {
            stream_run(&c->streams[i], (short)events);
            break;
        }
    c->active = monotonic_ms();
}

/* A client of `attach` has left. */
static void on_gone(int fd, uint32_t events, void *arg)
{
    struct copying *c = arg;
    (void)events;
    audience_remove(&c->audience, fd);
    loop_remove_fd(c->loop, fd);
    close_fd(fd);
}

static void show_to(struct copying *c, int channel)
{
    if (audience_add(&c->audience, channel) < 0)
        close_fd(channel);
    else if (loop_add_fd(c->loop, channel, EPOLLRDHUP, on_gone, c, NULL) < 0)
        on_gone(channel, 0, c);
}

/* Reads the monitor's message: closes broken streams, or those of the client. True if the monitor has closed the socket,
 * because the program has ended. */
static bool hear_end(struct copying *c, int talk)
{
    char word, control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec part = {&word, sizeof(word)};
    struct msghdr m = {.msg_iov = &part,
                       .msg_iovlen = 1,
                       .msg_control = control,
                       .msg_controllen = sizeof(control)};
    ssize_t n = recvmsg(talk, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    const struct cmsghdr *carried = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;
    if (carried && carried->cmsg_len == CMSG_LEN(sizeof(int))) {
        int channel;
        memcpy(&channel, CMSG_DATA(carried), sizeof(channel));
        show_to(c, channel);
    } else if (n > 0 && word == HEARS_LEFT)
        forget_readers(c->streams);
    else if (n > 0 && word == HEARS_HANG_UP)
        close_broken(c->streams);
    return n == 0;
}

static void on_talk(int fd, uint32_t events, void *arg)
{
    struct copying *c = arg;
    (void)events;
    c->ended = hear_end(c, fd);
    if (c->ended)
        loop_remove_fd(c->loop, fd);
    c->active = monotonic_ms();
}

/* False if the program has ended and there was nothing to copy for DRAIN_MS. */
static bool turn(struct copying *c)
{
    const struct timespec pause = {.tv_nsec = 10000000};
    int r = 0;
    for (int i = 0; r == 0 && i < STREAMS; i++)
        r = stream_watch(&c->streams[i], c->loop, on_stream, c);
    if (r == 0)
        r = loop_run_once(c->loop, c->ended ? DRAIN_MS : -1);
    if (r < 0) /* memory may be short for a moment */
        nanosleep(&pause, NULL);
    return r < 0 || !c->ended || monotonic_ms() - c->active < DRAIN_MS || !streams_rest(c->streams);
}

/* Follows the same rules as the monitor: it copies what is in the pipes, and waits for a slow
 * reader. The monitor ends it if a command asks for the end of the container. */
static void copy(struct copying *c)
{
    struct stream *streams = c->streams;
    bool reported = stream_ended(&streams[STREAM_IN]), said_broken[STREAMS] = {false};
    while (!all_drained(streams, c->ended)) {
        if (!turn(c)) {
            if (!stream_pending(&streams[STREAM_OUT]) && !stream_pending(&streams[STREAM_ERR]))
                return;
            say(c->talk, SAYS_WAITS);
        }
        say_broken(streams, said_broken, c->talk);
        if (c->ended) /* the monitor sends no more messages */
            close_broken(streams);
        if (!reported && stream_drained(&streams[STREAM_IN])) {
            say(c->talk, SAYS_STDIN_ENDED);
            reported = true;
        }
    }
}

static _Noreturn void relay_main(const struct relay_work *w, int talk, pid_t monitor)
{
    struct stream streams[STREAMS];
    struct rotation rotation = w->rotation;
    memcpy(streams, w->streams, sizeof(streams));
    /* The monitor replaces a relay that fails here. The name is for ps and top. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != monitor ||
        close_others(streams, w, talk) < 0 || prctl(PR_SET_NAME, "netctr-relay") < 0)
        _exit(1);
    /* If this fails, the relay works without a limit, so that the program does not block on a full
     * pipe. */
    if (w->cgroup)
        (void)cgroup_join_cpu(w->cgroup, NULL);
    if (w->log >= 0) {
        log_reopen(
            w->log,
            rotation.dir); /* the previous relay may have rotated the log before it was killed */
        log_mend(w->log);
        struct stat st;
        rotation.size = fstat(w->log, &st) == 0 ? st.st_size : 0;
    }
    struct copying copying = {.streams = streams, .talk = talk};
    for (int i = 0; i < STREAMS; i++) {
        streams[i].rotation = &rotation;
        streams[i].loop = NULL;
        streams[i].audience = i == STREAM_IN ? NULL : &copying.audience;
    }
    if (loop_new(&copying.loop, NULL) < 0 ||
        loop_add_fd(copying.loop, talk, EPOLLIN, on_talk, &copying, NULL) < 0)
        _exit(1);
    for (size_t i = 0; i < w->audience->count; i++)
        show_to(&copying, w->audience->channels[i]);
    copy(&copying);
    log_finish(w->log, &rotation);
    _exit(0);
}

/* ---- the monitor's side ----------------------------------------------------------------------*/

static void forget(struct relay *r)
{
    loop_remove_fd(r->loop, r->pidfd);
    loop_remove_fd(r->loop, r->talk);
    r->pid = 0;
    r->pidfd = close_fd(r->pidfd);
    r->talk = close_fd(r->talk);
    r->end_sent = r->waits = false;
}

/* Handles the relay's messages and its end. */
static void hear(int fd, uint32_t events, void *relay)
{
    struct relay *r = relay;
    (void)fd;
    (void)events;
    int status = 0;
    char said[64];
    bool ended = r->pid && waitpid(r->pid, &status, WNOHANG) == r->pid;
    ssize_t n = recv(r->talk, said, sizeof(said), MSG_DONTWAIT);
    r->stdin_ended = r->stdin_ended || (n > 0 && memchr(said, SAYS_STDIN_ENDED, (size_t)n));
    r->waits = n > 0 && memchr(said, SAYS_WAITS, (size_t)n);
    for (int i = STREAM_OUT; n > 0 && i <= STREAM_ERR; i++)
        if (memchr(said, SAYS_NO_READER + i, (size_t)n))
            r->broken[i] = EPIPE;
        else if (memchr(said, SAYS_BROKEN + i, (size_t)n))
            r->broken[i] = EIO;
    if (!ended)
        return;
    r->through = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    forget(r);
}

int relay_start(struct relay *r, const struct relay_work *work)
{
    int ends[2];
    const int64_t now = monotonic_ms();
    if (r->pid || r->through || now < r->retry)
        return 0;
    r->retry = now + RETRY_MS;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return -errno;
    const pid_t monitor = getpid();
    r->talk = ends[0];
    r->pid = fork();
    if (r->pid == 0)
        relay_main(work, ends[1], monitor);
    int code = r->pid < 0 ? -errno : 0;
    close(ends[1]);
    if (code == 0 && (r->pidfd = (int)syscall(SYS_pidfd_open, r->pid, 0)) < 0)
        code = -errno;
    if (code == 0)
        code = loop_add_fd(r->loop, r->pidfd, EPOLLIN, hear, r, NULL);
    if (code == 0)
        code = loop_add_fd(r->loop, r->talk, EPOLLIN, hear, r, NULL);
    if (code < 0)
        relay_stop(r);
    return code;
}

void relay_tell_end(struct relay *r)
{
    if (r->pid && !r->end_sent)
        r->end_sent = shutdown(r->talk, SHUT_WR) == 0;
}

void relay_hang_up(struct relay *r)
{
    if (r->pid)
        say(r->talk, HEARS_HANG_UP);
}

void relay_show(struct relay *r, int channel)
{
    char word = HEARS_AUDIENCE, control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec part = {&word, sizeof(word)};
    struct msghdr m = {.msg_iov = &part,
                       .msg_iovlen = 1,
                       .msg_control = control,
                       .msg_controllen = sizeof(control)};
    struct cmsghdr *carried = CMSG_FIRSTHDR(&m);
    *carried = (struct cmsghdr){CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
    memcpy(CMSG_DATA(carried), &channel, sizeof(channel));
    if (r->pid) /* one that is started later has all of them */
        (void)sendmsg(r->talk, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void relay_forget_readers(struct relay *r)
{
    static const char left = HEARS_LEFT;
    memset(r->broken, 0, sizeof(r->broken));
    if (r->pid && (r->end_sent || send(r->talk, &left, 1, MSG_DONTWAIT | MSG_NOSIGNAL) != 1))
        relay_stop(r);
}

void relay_stop(struct relay *r)
{
    if (r->pid > 0) {
        (void)kill(r->pid, SIGKILL); /* not reaped yet, so the pid is still its own */
        while (waitpid(r->pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    forget(r);
}
