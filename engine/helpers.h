/* The helpers of an instance as everybody sees them: a pair that watches over all (helper.c) and two servers that
 * tell names (names/). Private.
 *
 *     the first container's monitor ── binds the server's sockets ─► RUN/helpers/state: "here they are"
 *                                   ── its program runs ─► starts the helper, which gets them
 *
 * Whoever comes next looks at RUN/helpers/state, once: it tells the port, and whether the pair gets on. A start
 * waits for nobody: what is asked before anybody serves the sockets waits in them.
 */
#pragma once

#include "internal.h"
#include <netctr/names.h>

enum {
    HELPER_ACTIVE,  /* who watches */
    HELPER_STANDBY, /* who watches that one */
    HELPER_SERVER,  /* and the next */
    /* The monitor that holds the sockets before there is a helper. */
    HELPER_HOLDER = HELPER_SERVER + NAME_SERVERS,
    HELPER_PROCESSES
};

/* What a helper is given, as the descriptors 3, 4, … */
enum {
    HELPER_FD_STATE,
    HELPER_FD_UDP4,
    HELPER_FD_UDP6,
    HELPER_FD_TCP4,
    HELPER_FD_TCP6,
    HELPER_FD_SHARED
};

enum {
    BEAT_MS = 250,   /* between two signs of life, and two looks at the other's */
    STALE_MS = 1500, /* without one, somebody else takes over */
};

/* RUN/helpers/state. The helpers have it in their memory; the others read it. A new pair makes a new file, by which
 * the one before, if it comes to life again, sees that it is over. */
struct helpers_state {
    uint32_t magic, version;
    struct helper_process {
        int32_t pid;
        uint32_t unused;
        uint64_t start;
    } process[HELPER_PROCESSES];
    uint64_t beat[2]; /* CLOCK_MONOTONIC in ms, of the pair */
    /* The holder's descriptors, sockets and shared memory; those of a helper have fixed numbers. */
    int32_t held[5];
    uint32_t ending;   /* nobody is left to be looked after */
    uint16_t port;     /* of the name server, as it was even when there is none */
    char instance[22]; /* of which network namespace the sockets are */
};

/* What a monitor has for a helper that is yet to come. */
struct helpers_seed {
    struct name_sockets sockets;
    int shared;
    uint16_t port; /* of whoever tells names, be it we or they */
    bool late;     /* there is no helper, or none that gets on */
};
#define HELPERS_SEED_INIT                          \
    {                                              \
        .sockets = NAME_SOCKETS_INIT, .shared = -1 \
    }
void helpers_seed_clear(struct helpers_seed *s);

/* By which they are told from strangers that have got a pid of theirs. */
#define HELPER_TITLE "netctr helper"
#define SERVER_TITLE "netctr names"
/** A pidfd of one of the pair or a server; negative when it lives no more, or is somebody else. */
int helper_process_open(const struct helper_process *p);

/** Do they get on? *@out (may be NULL) is what is written down; its port is 0 when nothing is. */
bool helpers_work(const struct engine *engine, struct helpers_state *out);
/** Is it still what RUN says? For helpers. */
bool helpers_is_current(const struct store *s, int state_fd);
/** Sees to it that somebody has the sockets: a helper, or we. Does not wait for anything but the store's lock. */
int helpers_prepare(struct engine *engine, struct helpers_seed *seed, struct err *e);
/** Starts them if nobody was faster; what is there and does not get on is killed. */
int helpers_start(struct engine *engine, struct helpers_seed *seed, struct err *e);
/** Are we to give up that port for @list? Then the server moves to another. 1: it did. */
int helpers_make_room(struct engine *engine, const struct port_mappings *list, struct err *e);
/** At their end: a log that says nothing goes. */
void helpers_tidy(const struct store *s);
/** Do they work, will helpers_release() see to what is left of them, or does a container live that needs them? Also
 *  true when that cannot be told. */
bool helpers_needed(struct engine *engine);
/** Starts them if containers live and they do not work. */
int helpers_revive(struct engine *engine, struct err *e);
/** store_lock(), but a helper that somebody has stopped or frozen while it held the lock is ended, or everybody would
 *  wait for it. */
int helpers_store_lock(struct engine *engine, struct err *e);
/** Ends what is left of them when no container lives, and they do not do so by themselves. The store must be
 *  locked. */
int helpers_release(struct engine *engine, struct err *e);
/** The port on which names are told; 0: none yet. */
uint16_t helpers_port(const struct engine *engine);
/** Tells the server who answers the host. */
void helpers_tell_upstream(int names);
