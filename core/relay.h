/* Copying a program's streams: never blocking on one side while the other waits. Private to core/. */
#pragma once

#include "log.h"

#include <errno.h>
#include <poll.h>

#define RELAY_CHUNK 4096 /* PIPE_BUF: that much fits where poll() says POLLOUT */

/** Bytes from one fd to another, and into a log on the way. */
struct stream {
    int from;                  /**< -1: ended */
    int to;                    /**< -1: nobody listens; what comes is only logged */
    bool close_to;             /**< at the end of file @to is closed (a program's stdin) */
    int log;                   /**< -1: no log */
    struct rotation *rotation; /**< what bounds it, or NULL */
    const char *tag;           /**< "stdin", "stdout" or "stderr"; in the log, too */
    bool mid_line;             /**< the log's last line is not complete */
    int broken;                /**< nothing can be written to @to any more, why: errno */
    struct loop *loop;         /**< where @watched is registered; NULL: nowhere */
    struct pollfd watched;     /**< what stream_watch() has registered */
    char data[RELAY_CHUNK];
    size_t used, sent;
};

/** What the stream waits for: one fd, or none (fd -1). */
struct pollfd stream_interest(const struct stream *s);
/** Does what is possible without waiting. */
void stream_run(struct stream *s, short events);
/** Registers what the stream waits for now. To be called before each turn of @loop: the fd changes with each
 *  stream_run(), which @callback is to call. 0 or a negative errno. */
int stream_watch(struct stream *s, struct loop *loop, loop_fd_callback callback, void *arg);
/** Before the caller closes one of the fds. Those that the stream closes itself are removed first. */
void stream_unwatch(struct stream *s);
/** A terminal says POLLOUT when it has room for some bytes, and then waits for the rest, for ever if it is stopped (^S).
 *  @fd, one of the caller's, becomes a description of its own that does not wait. Other files stay as they are. */
void stream_unblock_terminal(int fd);
/** Logs what the program has already written to a stream that is broken. To be called before stream_hang_up(), and only
 *  by the process that copies the stream. */
void stream_log_rest(struct stream *s);
/** Lets the program know that its output has no reader any more, as in a pipeline: by SIGPIPE or EPIPE, once the end that
 *  it was read from, *@end, is closed. False: it has one, or this was done before. */
bool stream_hang_up(struct stream *s, int *end);
/** Output was lost, and not because its reader did not want it: a full disk. */
static inline bool stream_failed(const struct stream *s)
{
    return s->broken && s->broken != EPIPE;
}
/** Has something been read that is not yet written? */
static inline bool stream_pending(const struct stream *s)
{
    return s->sent < s->used;
}
/** Is @fd what stream_watch() has registered? */
static inline bool stream_waits_for(const struct stream *s, int fd)
{
    return s->loop && s->watched.fd == fd;
}
static inline bool stream_ended(const struct stream *s)
{
    return s->from < 0;
}
static inline bool stream_drained(const struct stream *s)
{
    return stream_ended(s) && !stream_pending(s);
}

/** Those of a program. */
enum { STREAM_OUT, STREAM_ERR, STREAM_IN, STREAMS };
/** Is there nothing now that could be read of or written to both of its outputs? */
bool streams_rest(const struct stream streams[STREAMS]);
#define DRAIN_MS 200 /* for output of processes that outlive init only in the pipe */
