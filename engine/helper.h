/* The helper, in the files that it consists of: helper.c (what it watches), chores.c (what takes time), servers.c (who
 * tells names), pair.c (it and its standby). Private. */
#pragma once

#include "helpers.h"
#include "hub.h"
#include "monitors_seen.h"

#include <netctr/firewall.h>

/* What may take long, or wait for a lock, is done by a child each, so that nobody takes the helper for one that stands
 * still. */
enum chore { CHORE_FIREWALL, CHORE_REPAIR, CHORE_LINKS, CHORES };

struct helper {
    struct store store;
    int state_fd;
    struct helpers_state *state; /* in memory that the pair shares */
    int names;
    struct name_sockets sockets;
    int shared_fd;
    struct names_shared *shared;

    struct hub *hub;
    int timer;
    struct firewall_watch *firewall_watch;
    struct monitors *monitors;
    struct {
        struct helper *helper;
        int pidfd; /* -1: not being done */
        pid_t pid;
        bool due;
        int stopped; /* looks in a row that have found it stopped */
        bool failed; /* the last time, and has said why */
        int64_t began;
        int64_t pause; /* after what may not have helped, longer each time */
    } chores[CHORES];
    struct {
        struct helper *helper;
        int pidfd;
        uint64_t progress;
        int stands; /* looks in a row that have found it with work and without progress */
    } servers[NAME_SERVERS];
    struct {
        int pidfd;
        uint64_t beat;
        int missed;            /* looks in a row without a sign of life */
    } other;                   /* the standby, or for it the active one */
    struct timespec resolvers; /* of the host, when they were last read */
    bool links_seen;
};

enum helper_next {
    HELPER_GOES_ON,
    HELPER_IS_STANDBY,  /* in the child */
    HELPER_ENDS,        /* nobody is left to be looked after */
    HELPER_IS_REPLACED, /* somebody has begun anew */
    HELPER_FAILS,
};

/* helper.c: what the active one does */
enum helper_next helper_watch(struct helper *h, struct err *e);
/** Before a child becomes something else: nothing of the helper's is open any more but @keep. */
void helper_let_go(struct helper *h, int *keep, size_t count);

/* chores.c */
void chore_want(struct helper *h, enum chore what);
/** Begins what is due, and ends what takes too long. */
void chores_run(struct helper *h);
bool chores_rest(const struct helper *h);

/* servers.c */
/** Adopts those that there are, and starts those that there are not. */
void servers_begin(struct helper *h);
void servers_look(struct helper *h);
void servers_end(struct helper *h);

/* pair.c */
void pair_note(struct helper *h, int process, pid_t pid);
/** A beat of ours, and a look at the other's: true when it stands still. */
bool pair_beat(struct helper *h, int own, int other);
/** Ends the other, if there is one. */
void pair_drop_other(struct helper *h);
/** Are we still what is written down, and is RUN still ours? */
bool pair_is_current(const struct helper *h, int own);
/** A process that is to be waited for by its pidfd; -1 and @pid < 0 when it cannot be made. In the child: 0. */
pid_t helper_fork(int *pidfd);
