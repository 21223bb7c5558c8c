/* Streams and the log.
 *
 * The log has the format of Kubernetes' CRI, which every log shipper reads:
 *
 *     2026-11-23T14:05:00.123456789Z stdout F a whole line
 *     2026-11-23T14:05:00.123456790Z stderr P the beginning of a line
 *
 * A chunk is read only when the one before it has been written, so a reader who stops (a pager)
 * stops the program and nothing else: the monitor goes on answering.
 */
#include "relay.h"

#include <errno.h>
#include <string.h>
#include <time.h>

static void log_entry(int log, const char *tag, bool complete, const char *line, size_t size)
{
    struct timespec now;
    struct tm tm;
    char date[32] = "";
    clock_gettime(CLOCK_REALTIME, &now);
    if (gmtime_r(&now.tv_sec, &tm))
        strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
    _cleanup_free_ char *head =
        xasprintf("%s.%09ldZ %s %c ", date, now.tv_nsec, tag, complete ? 'F' : 'P');
    /* One write() an entry. The line may hold any bytes, NUL among them. */
    size_t before = strlen(head);
    _cleanup_free_ char *entry = xcalloc(before + size + 1, 1);
    memcpy(entry, head, before);
    memcpy(entry + before, line, size);
    entry[before + size] = '\n';
    /* A full disk must not end the container. */
    (void)write_all(log, entry, before + size + 1);
}

void log_note(int log, const char *text)
{
    if (log >= 0)
        log_entry(log, "stderr", true, text, strlen(text));
}

static void log_chunk(struct stream *s)
{
    const char *p = s->data, *end = s->data + s->used;
    while (s->log >= 0 && p < end) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        const char *stop = newline ? newline : end;
        log_entry(s->log, s->tag, newline != NULL, p, (size_t)(stop - p));
        s->mid_line = !newline;
        p = stop + 1;
    }
}

struct pollfd stream_interest(const struct stream *s)
{
    if (s->sent < s->used)
        return (struct pollfd){.fd = s->to, .events = POLLOUT};
    return (struct pollfd){.fd = s->from, .events = POLLIN};
}

static void stream_end(struct stream *s)
{
    s->from = -1;
    if (s->close_to)
        s->to = close_fd(s->to);
}

static void stream_read(struct stream *s)
{
    ssize_t n = read(s->from, s->data, sizeof(s->data));
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        if (n < 0 && errno != EIO) /* EIO: how a terminal ends */
            warn("cannot read the %s any more: %s", s->tag ? s->tag : "stream", strerror(errno));
        stream_end(s);
        return;
    }
    s->used = (size_t)n;
    s->sent = 0;
    log_chunk(s);
    if (s->to < 0)
        s->sent = s->used;
}

static void stream_write(struct stream *s)
{
    ssize_t n = write(s->to, s->data + s->sent, s->used - s->sent);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n < 0) { /* the reader is gone; the program goes on, as under docker */
        if (errno != EPIPE)
            warn("cannot hand on the %s any more: %s", s->tag ? s->tag : "stream", strerror(errno));
        if (s->close_to)
            stream_end(s);
        s->to = -1;
        s->sent = s->used;
        return;
    }
    s->sent += (size_t)n;
}

void stream_run(struct stream *s, short events)
{
    if (s->sent < s->used) {
        if (events & (POLLOUT | POLLERR | POLLHUP | POLLNVAL))
            stream_write(s);
    } else if (!stream_ended(s) && (events & (POLLIN | POLLHUP | POLLERR | POLLNVAL))) {
        stream_read(s);
    }
}
