/* The relay: a child of the monitor that copies the program's streams and writes its log, on the container's
 * processor time. The monitor itself cannot be charged: others wait for the locks that it takes, and would be
 * slowed down with it. Private to core/. */
#pragma once

#include "relay.h"

struct relay {
    pid_t pid;     /**< 0: none runs */
    int pidfd;     /**< readable: it has ended */
    int talk;      /**< socket: it reports here, and learns of the program's end */
    int64_t retry; /**< monotonic_ms() of the earliest next start */
    bool told;     /**< it knows that the program has ended */
    bool waits;    /**< it reports a slow reader */
    bool stdin_ended;
    int broken[2]; /**< of STREAM_OUT and STREAM_ERR: the stream's, errno */
    bool through;  /**< nothing is left to copy */
};
#define RELAY_INIT               \
    {                            \
        .pidfd = -1, .talk = -1, \
    }

/** What a new relay gets. */
struct relay_work {
    const struct stream *streams; /**< STREAMS of them; their fds stay the caller's too */
    int log;                      /**< or -1 */
    struct rotation rotation;
    const char *cgroup; /**< that is charged for its processor time, or NULL */
};

/** Starts it, unless it runs or the time to retry has not come. -errno. */
int relay_start(struct relay *r, const struct relay_work *work);
/** Tells it that the program has ended: it ends when it has copied the rest. */
void relay_tell_end(struct relay *r);
/** Makes it close broken streams, as stream_hang_up() does. */
void relay_hang_up(struct relay *r);
/** Receives its reports, and notices its end. */
void relay_hear(struct relay *r);
/** Kills it, whatever is left. */
void relay_stop(struct relay *r);
