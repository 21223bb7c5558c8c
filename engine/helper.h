/* The helper process. helper_main.c: its start and its standby; helper.c: what the active one watches; chores.c: work
 * that takes time; servers.c: the name servers; pair.c: what the two share. Private. */
#pragma once

#include "helpers.h"
#include "monitors_seen.h"

#include <netctr/firewall.h>

/* Work that may take long or wait for a lock runs in one child each, so that the helper's heartbeat never
 * stops. */
enum chore { CHORE_FIREWALL, CHORE_REPAIR, CHORE_LINKS, CHORES };

enum helper_next {
    HELPER_GOES_ON,
    HELPER_IS_STANDBY,  /* in the child */
    HELPER_ENDS,        /* no container is left */
    HELPER_IS_REPLACED, /* another pair has been started */
    HELPER_FAILS,
};

struct helper {
    struct store store;
    int state_fd;
    struct helpers_state *state; /* mapped by both of the pair */
    int names;
    struct name_sockets sockets;
    int shared_fd;
    struct names_shared *shared;

    struct loop *loop;
    loop_timer timer; /* the next beat */
    struct firewall_watch *firewall_watch;
    struct monitors *monitors;
    struct {
        int pidfd; /* -1: not running */
        pid_t pid;
        bool due;
        int stopped; /* consecutive checks that found it stopped */
        bool failed; /* the last run failed, and logged the reason */
        int64_t began;
        int64_t pause; /* before the next try; doubled each time */
    } chores[CHORES];
    struct {
        int pidfd;
        uint64_t progress;
        int stands; /* consecutive checks with queries pending and no progress; -1: just started */
    } servers[NAME_SERVERS];
    struct {
        int pidfd;
        uint64_t beat;
        int missed;            /* consecutive checks without a new heartbeat */
    } other;                   /* the standby; in the standby, the active helper */
    struct timespec resolvers; /* ctime of the host's resolv.conf when it was last read */
    bool links_seen;
    enum helper_next next; /* for the standby, when its loop has stopped */
};

/* helper.c: the active helper's loop */
enum helper_next helper_watch(struct helper *h, struct err *e);

/* chores.c */
void chore_want(struct helper *h, enum chore what);
/** Starts the chores that are due, and kills those that take too long. */
void chores_run(struct helper *h);
bool chores_rest(const struct helper *h);

/* servers.c */
/** Adopts running servers and starts those that are missing. */
void servers_begin(struct helper *h);
void servers_look(struct helper *h);
void servers_end(struct helper *h);

/* pair.c */
void pair_note(struct helper *h, int process, pid_t pid);
/** Writes our heartbeat and reads the other's; true if the other hangs. */
bool pair_beat(struct helper *h, int own, int other);
/** Kills the other one, if there is one. */
void pair_drop_other(struct helper *h);
/** Does the state file still name us, and is RUN still ours? */
bool pair_is_current(const struct helper *h, int own);
/** fork() with a pidfd of the child. Returns 0 in the child; -1 with *@pidfd == -1 on failure. */
pid_t helper_fork(int *pidfd);
/** In a child: closes everything that it inherited from the helper but the @count descriptors @keep. */
void helper_let_go(struct helper *h, int *keep, size_t count);
