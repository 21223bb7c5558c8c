/* The relay: a child of the monitor that copies the program's streams and writes its log, on the
 * processor time of the container. The monitor cannot be limited itself: other processes wait for
 * the locks that it takes, and would be slowed down with it. Private to core/. */
#pragma once

#include "relay.h"

struct relay {
    pid_t pid;         /**< 0: none runs */
    int pidfd;         /**< readable when the relay has ended */
    int talk;          /**< socket for its messages; closed to report the program's end */
    struct loop *loop; /**< watches pidfd and talk */
    int64_t retry;     /**< monotonic_ms(): not started again before that */
    bool end_sent;     /**< it knows that the program has ended */
    bool waits;        /**< it has just reported a slow reader */
    bool stdin_ended;
    int broken[2]; /**< errno of STREAM_OUT and STREAM_ERR if they are broken */
    bool through;  /**< there is nothing left to copy */
};
#define RELAY_INIT(in_loop)                        \
    {                                              \
        .pidfd = -1, .talk = -1, .loop = (in_loop) \
    }

/** The input of a new relay. */
struct relay_work {
    const struct stream *streams; /**< STREAMS of them; the caller keeps their fds */
    const struct audience *audience;
    int log; /**< or -1 */
    struct rotation rotation;
    const char *cgroup; /**< whose cpu limit applies to the relay, or NULL */
};

/** Starts the relay and watches it in its loop. Does nothing if it runs, or before the time to
 *  retry. 0 or a negative errno. */
int relay_start(struct relay *r, const struct relay_work *work);
/** Tells the relay that the program has ended: it exits when it has copied the rest. */
void relay_tell_end(struct relay *r);
/** Makes the relay close its ends of broken streams, as stream_hang_up() does. */
void relay_hang_up(struct relay *r);
/** A client of `attach` gets the output, too. */
void relay_show(struct relay *r, int channel);
/** The client has left: the relay closes its descriptors and copies on into the log. One that knows of the
 *  program's end, or reads no messages, is stopped; the caller replaces it. */
void relay_forget_readers(struct relay *r);
/** Kills the relay, even if output is left. */
void relay_stop(struct relay *r);
