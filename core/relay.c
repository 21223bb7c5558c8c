/* Copies a program's streams.
 *
 * A chunk is read only after the previous one has been written. So a reader that stops reading (a
 * pager) stops the program, but not the copying process.
 */
#include "relay.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

void stream_unblock_terminal(int fd)
{
    _cleanup_free_ char *path = fd_path(fd);
    _cleanup_close_ int own =
        isatty(fd) ? open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC) : -1;
    if (own >= 0)
        (void)dup3(own, fd, 0);
}

struct pollfd stream_interest(const struct stream *s)
{
    if (s->sent < s->used)
        return (struct pollfd){.fd = s->to, .events = POLLOUT};
    if (s->broken) /* stream_log_rest() reads what is left */
        return (struct pollfd){.fd = -1};
    return (struct pollfd){.fd = s->from, .events = POLLIN};
}

void stream_unwatch(struct stream *s)
{
    if (s->loop)
        loop_remove_fd(s->loop, s->watched.fd);
    s->loop = NULL;
}

int watch_patiently(struct loop *loop, int fd, uint32_t events, loop_fd_callback callback,
                    void *arg)
{
    const struct timespec moment = {.tv_nsec = 20 * 1000000};
    int r = loop_add_fd(loop, fd, events, callback, arg, NULL);
    for (int tries = 0; r < 0 && r != -EBADF && r != -EEXIST && tries < 100; tries++) {
        nanosleep(&moment, NULL);
        r = loop_add_fd(loop, fd, events, callback, arg, NULL);
    }
    return r;
}

/* An fd that was already closed when netctr was started cannot be watched. Reading or writing it
 * ends the stream. */
int stream_watch(struct stream *s, struct loop *loop, loop_fd_callback callback, void *arg)
{
    for (;;) {
        const struct pollfd p = stream_interest(s);
        if (s->loop && p.fd == s->watched.fd && p.events == s->watched.events)
            return 0;
        stream_unwatch(s);
        if (p.fd < 0)
            return 0;
        int r = watch_patiently(loop, p.fd, (uint32_t)p.events, callback, arg);
        if (r == 0) {
            s->loop = loop;
            s->watched = p;
        }
        if (r != -EBADF)
            return r;
        stream_run(s, POLLNVAL);
    }
}

static void stream_end(struct stream *s)
{
    stream_unwatch(s);
    s->from = -1;
    if (s->close_to)
        s->to = close_fd(s->to);
}

static void stream_read(struct stream *s)
{
    const size_t room = sizeof(s->data) - (s->keys ? DETACH_KEYS_MAX : 0);
    ssize_t n = read(s->from, s->data, room);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        if (n < 0 && errno != EIO) /* a terminal ends with EIO */
            warn("cannot read the %s any more: %s", s->tag, strerror(errno));
        stream_end(s);
        return;
    }
    s->used = s->keys ? keys_filter(s->keys, s->data, (size_t)n) : (size_t)n;
    s->sent = 0;
    if (s->log >= 0)
        s->mid_line = log_write(s->log, s->rotation, s->tag, s->data, s->used, s->mid_line);
    if (s->audience)
        audience_show(s->audience, streq(s->tag, "stderr"), s->data, s->used);
    if (s->to < 0)
        s->sent = s->used;
}

static void stream_write(struct stream *s)
{
    ssize_t n = write(s->to, s->data + s->sent, s->used - s->sent);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n >= 0) {
        s->sent += (size_t)n;
        return;
    }
    const int error = errno;
    if (error != EPIPE)
        warn("cannot write the program's %s any more: %s", s->tag, strerror(error));
    if (s->close_to)
        stream_end(s);
    s->broken =
        error == EBADF
            ? 0
            : error; /* EBADF: closed when netctr was started, so the output is not wanted */
    s->to = -1;
    s->sent = s->used;
}

void stream_log_rest(struct stream *s)
{
    int left = 0;
    if (!s->broken || s->from < 0 || s->log < 0 || ioctl(s->from, FIONREAD, &left) < 0)
        return;
    for (bool more = true; more && left > 0; left -= (int)s->used) {
        s->used = 0;
        stream_read(s);
        more = s->used > 0;
    }
}

bool stream_hang_up(struct stream *s, int *end)
{
    if (!s->broken || s->from < 0)
        return false;
    stream_unwatch(s);
    *end = close_fd(*end);
    s->from = -1;
    return true;
}

void stream_forget_reader(struct stream *s)
{
    stream_unwatch(s);
    s->to = -1;
    s->broken = 0;
    s->sent = s->used;
}

/* Most chunks can be written at once, so that the loop need not watch for POLLOUT. */
void stream_run(struct stream *s, short events)
{
    if (s->sent < s->used) {
        if (events & (POLLOUT | POLLERR | POLLHUP | POLLNVAL))
            stream_write(s);
    } else if (!stream_ended(s) && (events & (POLLIN | POLLHUP | POLLERR | POLLNVAL))) {
        stream_read(s);
        struct pollfd p = {.fd = s->to, .events = POLLOUT};
        if (stream_pending(s) && poll(&p, 1, 0) > 0)
            stream_write(s);
    }
}

bool streams_rest(const struct stream streams[STREAMS])
{
    struct pollfd p[] = {stream_interest(&streams[STREAM_OUT]),
                         stream_interest(&streams[STREAM_ERR])};
    return poll(p, ARRAY_LEN(p), 0) == 0;
}
