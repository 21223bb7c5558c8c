/* Copies a program's streams without blocking on one side while the other one waits. Private to
 * core/. */
#pragma once

#include "audience.h"
#include "keys.h"
#include "log.h"

#include <errno.h>
#include <poll.h>

#define RELAY_CHUNK 4096 /* PIPE_BUF: POLLOUT means that so many bytes can be written */

/** Copies bytes from one fd to another, and into a log. */
struct stream {
    int from;                  /**< -1: the stream has ended */
    int to;                    /**< -1: the output is only logged */
    bool close_to;             /**< close @to at the end of file (a program's stdin) */
    int log;                   /**< -1: no log */
    struct rotation *rotation; /**< limits the log's size; NULL: none */
    struct audience *audience; /**< gets what has been read, too; NULL: none */
    struct key_filter *keys;   /**< of input from a terminal; NULL: none */
    const char *tag;           /**< "stdin", "stdout" or "stderr"; also in the log */
    bool mid_line;             /**< the log's last line is not complete */
    int broken;                /**< errno of the failed write, after which @to is not written to */
    struct loop *loop;         /**< where @watched is registered; NULL: nowhere */
    struct pollfd watched;     /**< what stream_watch() has registered */
    char data[RELAY_CHUNK];
    size_t used, sent;
};

/** What the stream waits for: one fd, or none (fd -1). */
struct pollfd stream_interest(const struct stream *s);
/** Does what is possible without waiting. */
void stream_run(struct stream *s, short events);
/** loop_add_fd() for a program that runs already: if the kernel is short of memory for a moment, tries again for up to two
 *  seconds, because a failure would end the container. */
int watch_patiently(struct loop *loop, int fd, uint32_t events, loop_fd_callback callback,
                    void *arg);
/** Registers what the stream waits for now. To be called before each turn of @loop, because the fd
 *  changes with each stream_run(), which @callback must call. 0 or a negative errno. */
int stream_watch(struct stream *s, struct loop *loop, loop_fd_callback callback, void *arg);
/** To be called before the caller closes one of the fds. The stream removes those that it closes
 *  itself. */
void stream_unwatch(struct stream *s);
/** Reopens @fd, if it is a terminal, with O_NONBLOCK as a description of its own. A terminal
 *  reports POLLOUT when it has room for some bytes, and then write() blocks for the rest, for ever
 *  if the terminal is stopped (^S). Other files stay as they are. */
void stream_unblock_terminal(int fd);
/** The output is only logged from now on. The caller closes the descriptor. */
void stream_forget_reader(struct stream *s);
/** Logs what the program has already written to a broken stream. To be called before
 *  stream_hang_up(), and only by the process that copies the stream. */
void stream_log_rest(struct stream *s);
/** If the stream is broken, closes *@end, the end that it was read from, so that the program gets
 *  SIGPIPE or EPIPE as in a pipeline. False if the stream works, or this was done before. */
bool stream_hang_up(struct stream *s, int *end);
/** True if output was lost for another reason than a reader that closed: a full disk, for example.
 */
static inline bool stream_failed(const struct stream *s)
{
    return s->broken && s->broken != EPIPE;
}
/** True if something has been read that is not yet written. */
static inline bool stream_pending(const struct stream *s)
{
    return s->sent < s->used;
}
/** True if stream_watch() has registered @fd. */
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

/** The streams of a program. */
enum { STREAM_OUT, STREAM_ERR, STREAM_IN, STREAMS };
/** True if neither output can be read from or written to at the moment. */
bool streams_rest(const struct stream streams[STREAMS]);
#define DRAIN_MS \
    200 /* how long to wait for output that processes which outlive init have put into the pipe */
