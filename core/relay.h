/* Copies a program's streams without blocking on one side while the other waits. Private to core/. */
#pragma once

#include "log.h"

#include <errno.h>
#include <poll.h>

#define RELAY_CHUNK 4096 /* PIPE_BUF: that much fits where poll() says POLLOUT */

/** Bytes from one fd to another, and into a log on the way. */
struct stream {
    int from;                  /**< -1: ended */
    int to;                    /**< -1: no reader; the data is only logged */
    bool close_to;             /**< at the end of file @to is closed (a program's stdin) */
    int log;                   /**< -1: no log */
    struct rotation *rotation; /**< the bounds of the log, or NULL */
    const char *tag;           /**< "stdin", "stdout" or "stderr"; in the log, too */
    bool mid_line;             /**< the log's last line is not complete */
    int broken;                /**< errno of a write to @to; nothing more is written then */
    char data[RELAY_CHUNK];
    size_t used, sent;
};

/** What to poll for: one fd, or none (fd -1). */
struct pollfd stream_interest(const struct stream *s);
/** Copies as much as is possible without waiting. */
void stream_run(struct stream *s, short events);
/** A terminal reports POLLOUT when it has room for some bytes, and then blocks for the rest, forever if it is
 *  stopped (^S). Replaces @fd, if it is a terminal, by a description of its own that does not block. */
void stream_unblock_terminal(int fd);
/** Logs the rest of a broken stream. To be called before stream_hang_up(), by the process that copies the stream. */
void stream_log_rest(struct stream *s);
/** Closes *@end, our end of the pipe, so that the program notices by SIGPIPE or EPIPE that its output has no
 *  reader, as in a pipeline. False: it has one, or this was done before. */
bool stream_hang_up(struct stream *s, int *end);
/** Was output lost for another reason than a reader that left? A full disk, for example. */
static inline bool stream_failed(const struct stream *s)
{
    return s->broken && s->broken != EPIPE;
}
/** Is there data that was read and not yet written? */
static inline bool stream_pending(const struct stream *s)
{
    return s->sent < s->used;
}
static inline bool stream_ended(const struct stream *s)
{
    return s->from < 0;
}
static inline bool stream_drained(const struct stream *s)
{
    return stream_ended(s) && !stream_pending(s);
}

/** The streams of a program. */
enum { STREAM_OUT, STREAM_ERR, STREAM_IN, STREAMS };
#define DRAIN_MS 200 /* for output that only the pipe holds when init has ended */
