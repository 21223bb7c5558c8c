/* The relay: a child of the monitor that copies the program's streams, and writes its log, on the processor time
 * of the container. The monitor cannot be charged itself: others wait for the locks that it takes, and would be
 * slowed down with it. Private to core/.
 */
#pragma once

#include "relay.h"

struct relay {
    pid_t pid;         /**< 0: none runs */
    int pidfd;         /**< readable: it has ended */
    int talk;          /**< it tells, and hears of the program's end, by this socket */
    struct loop *loop; /**< where both are watched */
    int64_t retry;     /**< monotonic_ms(): not before that */
    bool told;         /**< that the program has ended */
    bool waits;        /**< it has just said so: a reader is slow */
    bool stdin_ended;
    int broken[2]; /**< of STREAM_OUT and STREAM_ERR: the stream's, errno */
    bool through;  /**< there is nothing left to copy */
};
#define RELAY_INIT(in_loop)                        \
    {                                              \
        .pidfd = -1, .talk = -1, .loop = (in_loop) \
    }

/** What a new relay is given. */
struct relay_work {
    const struct stream *streams; /**< STREAMS of them; their fds stay the caller's too */
    int log;                      /**< or -1 */
    struct rotation rotation;
    const char *cgroup; /**< that pays for its processor time, or NULL */
};

/** Starts it, and listens to it in its loop. Accepts "it runs", and does nothing before the time to retry has come.
 *  -errno. */
int relay_start(struct relay *r, const struct relay_work *work);
/** The program has ended: the relay ends when it has copied what is left. */
void relay_tell_end(struct relay *r);
/** Lets go of what the program writes to a stream that is broken, as stream_hang_up() does. */
void relay_hang_up(struct relay *r);
/** Ends it, whatever is left. */
void relay_stop(struct relay *r);
