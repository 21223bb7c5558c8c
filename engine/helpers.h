/* The helper processes of one instance: an active helper with its standby (helper.c, helper_main.c), and two name
 * servers (names/). This header is what the rest of engine/ needs of them. Private.
 *
 *     the first container's monitor ── binds the DNS sockets ─► RUN/helpers/state says which process has them
 *                                   ── its program runs ─► starts the helper, which inherits them
 *
 * Every later start reads RUN/helpers/state once: it holds the port, and shows whether the pair works. No
 * start waits for a server: queries queue in the sockets until a server reads them.
 */
#pragma once

#include "internal.h"
#include <netctr/names.h>

enum {
    HELPER_ACTIVE,  /* the one that does the work */
    HELPER_STANDBY, /* replaces it when it dies or hangs */
    HELPER_SERVER,  /* the first name server; the others follow */
    /* The monitor that has the sockets while there is no helper. */
    HELPER_HOLDER = HELPER_SERVER + NAME_SERVERS,
    HELPER_PROCESSES
};

/* The descriptors that a helper inherits, from 3 on. */
enum {
    HELPER_FD_STATE,
    HELPER_FD_UDP4,
    HELPER_FD_UDP6,
    HELPER_FD_TCP4,
    HELPER_FD_TCP6,
    HELPER_FD_SHARED
};

enum {
    BEAT_MS = 250,   /* between two heartbeats, and two checks of the other's */
    STALE_MS = 1500, /* a pair without a heartbeat for so long is replaced */
};

/* RUN/helpers/state. The helpers map it, all other processes read it. Each new pair writes a new file: an
 * older pair that resumes (SIGCONT) sees a different inode and exits. */
struct helpers_state {
    uint32_t magic, version;
    struct helper_process {
        int32_t pid;
        uint32_t schema; /* NETCTR_SCHEMA; 0 in what netctr 0.1.0 writes */
        uint64_t start;
    } process[HELPER_PROCESSES];
    uint64_t beat[2]; /* CLOCK_MONOTONIC in ms, of the active helper and the standby */
    /* Sockets and shared memory as descriptors of HELPER_HOLDER; a helper has them at fixed numbers. */
    int32_t held[5];
    uint32_t ending;   /* no container lives; the helper is about to exit */
    uint16_t port;     /* of the name server, also after it has ended */
    char instance[22]; /* the instance that the sockets belong to */
};

/* What a monitor keeps for a helper that it may have to start. */
struct helpers_seed {
    struct name_sockets sockets;
    int shared;
    uint16_t port; /* of the name server, or of our sockets while there is none */
    bool late;     /* no helper works */
};
#define HELPERS_SEED_INIT                          \
    {                                              \
        .sockets = NAME_SOCKETS_INIT, .shared = -1 \
    }
void helpers_seed_clear(struct helpers_seed *s);

/* Process titles: they distinguish a helper from an unrelated process that got its pid. */
#define HELPER_TITLE "netctr helper"
#define SERVER_TITLE "netctr names"
/** A pidfd of a helper or name server; -ESRCH if it has ended or if the pid belongs to an unrelated process.
 *  Caller closes. */
int helper_process_open(const struct helper_process *p);

/** Does the pair work? *@out (may be NULL) is what RUN/helpers/state says; its port is 0 when there is no
 *  such file. */
bool helpers_work(const struct engine *engine, struct helpers_state *out);
/** Is @state_fd still the file RUN/helpers/state? A helper for which it is not has been replaced. */
bool helpers_is_current(const struct store *s, int state_fd);
/** Makes sure that a process has the DNS sockets: a helper, or @seed of this process. Waits for nothing but
 *  the store's lock. */
int helpers_prepare(struct engine *engine, struct helpers_seed *seed, struct err *e);
/** Starts the helpers unless another process has done so; kills those that exist and do not work.
 *  -EWOULDBLOCK if the store's lock is taken. */
int helpers_start(struct engine *engine, struct helpers_seed *seed, struct err *e);
/** If @list publishes the name server's port, moves the name server to another one. 1: it moved, 0: no need. */
int helpers_make_room(struct engine *engine, const struct port_mappings *list, struct err *e);
/** At the helper's exit: removes its log if that is empty. */
void helpers_tidy(const struct store *s);
/** Is anything of the helpers running or to be cleaned up by helpers_release(), or does a container live that
 *  needs them? Also true when that is unknown. */
bool helpers_needed(struct engine *engine);
/** Starts the helpers if containers live and no pair works. */
int helpers_revive(struct engine *engine, struct err *e);
/** Like store_lock(), but kills a helper that was stopped or frozen while it held the lock: otherwise every
 *  command would wait for it. Returns the lock's descriptor, which the caller closes. */
int helpers_store_lock(struct engine *engine, struct err *e);
/** Ends what is left of the helpers when no container lives and they did not exit by themselves. The caller
 *  holds the store's lock. */
int helpers_release(struct engine *engine, struct err *e);
/** The name server's port; 0: none yet. */
uint16_t helpers_port(const struct engine *engine);
/** Writes the host's current resolvers to RUN/dns/upstream. */
void helpers_tell_upstream(int names);

/** Duplicates of the DNS sockets on @port that the monitor of any container holds. False if none does. (holders.c) */
bool holders_find(struct store *store, uint16_t port, struct name_sockets *out);
