/* The relay of a lab: a process that does in user space what netem does in the kernel, where that is missing. Private.
 *
 *     what an interface sends ─ egress hook, nft fwd ─► TAP ─► relay: loses, corrupts, doubles, delays ─► packet socket ─► link
 *
 * The relay holds the only descriptors of the TAP device, of the packet socket and of the table with the rule. So all
 * three go with it, and the link is as if it had never been there. It opens nothing itself: commands do, and hand it over by
 * its socket, RUN/relays/ID.
 */
#pragma once

#include "lab.h"

/* ---- what is said to it ----------------------------------------------------------------------*/

enum { RELAY_VERSION = 1, RELAY_NAME = 128, RELAY_FDS = 3 };
enum relay_op {
    RELAY_GET,  /**< of the direction with number `index` */
    RELAY_SET,  /**< with RELAY_FDS descriptors: a new direction, or another one in its place */
    RELAY_DROP, /**< a direction */
    RELAY_END,
};
/** A request, and its answer. */
struct relay_message {
    uint32_t version, op;
    int32_t code; /**< of an answer: 0 or -errno; RELAY_GET: -ENOENT is the end */
    uint32_t index;
    int32_t pid;
    char end[RELAY_NAME]; /**< "NODE:INTERFACE" */
    struct lab_impairment impairment;
    uint64_t sent, lost; /**< frames; lost: as asked for */
    uint64_t overflowed; /**< there was no room for them */
};

/* ---- relay_queue.c ---------------------------------------------------------------------------*/

/** A frame that waits. */
struct frame {
    uint64_t due, order; /**< ns of CLOCK_MONOTONIC; order of arrival */
    void *owner;
    size_t size;
    uint8_t data[];
};
/** Frames by when they are due. */
struct relay_queue {
    struct frame **heap;
    size_t count, room;
    uint64_t order;
};
void relay_queue_add(struct relay_queue *q, struct frame *f); /**< takes @f */
/** The frame that is due first; NULL: none. It stays the queue's. */
struct frame *relay_queue_first(const struct relay_queue *q);
struct frame *relay_queue_take(struct relay_queue *q); /**< the caller frees it */
/** Frees all frames of @owner; NULL: of all. */
void relay_queue_forget(struct relay_queue *q, const void *owner);

/** A frame's fate. */
struct relay_fate {
    unsigned copies; /**< 0 to 2 */
    struct {
        uint64_t wait_ns;
        bool corrupt;
    } of[2];
};
/** Draws it as netem does, whose jitter lets frames overtake each other. @seed is not 0. */
struct relay_fate relay_draw(const struct lab_impairment *m, uint64_t *seed);
/** A number below @end. */
uint64_t relay_random(uint64_t *seed, uint64_t end);

/* ---- relay_main.c ----------------------------------------------------------------------------*/

/** The relay, until RELAY_END. @listener is its socket. Drops all privileges of this process. */
int relay_run(int listener, struct err *e);

/* ---- relay.c: the other side -----------------------------------------------------------------*/

/** Connects to the relay of @l: a socket, the caller's. -ESRCH with a text: it does not run. */
int relay_connect(struct engine *engine, const struct lab *l, struct err *e);
/** The same, and starts one if there is none; @started says so. The lab's lock is held. */
int relay_connect_or_start(struct engine *engine, const struct lab *l, bool *started,
                           struct err *e);
/** Sends @m, with RELAY_FDS descriptors (NULL: none), and gets the answer into it. Returns the answer's code. */
int relay_ask(int relay, struct relay_message *m, const int *fds);
/** Ends the relay of the lab with this id, if there is one. */
int relay_end(struct engine *engine, const char *id, struct err *e);
