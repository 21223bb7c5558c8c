/* What the files of the proxy share: proxy.c (doors and TCP), proxy_udp.c. */
#pragma once

#include "users.h"

#include <netctr/bridge.h>

#include <sys/epoll.h>

enum {
    MAX_CONNECTIONS = 1024,
    MAX_TALKS = 256,
    SPARE_PIPES = 4,
};

/* What an epoll event points to: the first member of everything that is watched. */
enum kind { DOOR, END, TALK, CLOCK };

/* A held socket. */
struct door {
    enum kind kind;
    const struct bound_port *port;
    struct ip to; /* where ::1 leads; family 0: nowhere, all are refused */
};

struct pipe {
    int in, out;
};

struct flow {
    struct pipe pipe; /* in -1: none */
    size_t waiting;   /* bytes in it */
    bool ended;       /* no more will come */
    bool done;        /* and all has been handed on, or nobody takes it */
};

struct connection;
struct end {
    enum kind kind;
    int fd;
    struct connection *connection;
};

/* flows[0] goes from ends[0] (the client) to ends[1] (the container), flows[1] the other way. */
struct connection {
    struct end ends[2];
    struct flow flows[2];
    bool connecting;
    bool broken;      /* was reset by one side; the other one shall see that */
    bool crowded_out; /* to make room for another */
    bool closed;      /* waits to be freed: more events of this batch may point to it */
    const struct door *door;
    in_port_t port;    /* the client's, network order */
    struct user *user; /* NULL: not asked yet */
    int64_t active_ms;
    struct connection *next, **link;
};

/* A client of a UDP port: its datagrams come from one socket, so that answers find the way back. */
struct talk {
    enum kind kind;
    int fd; /* -1: free */
    struct door *door;
    in_port_t port;    /* the client's, network order */
    struct user *user; /* NULL: not asked yet */
    int64_t last_ms;
};

struct proxy {
    int epoll;
    int spare; /* an fd to close when there are no more, so that clients can be looked at */
    struct door *doors;
    size_t door_count;
    struct connection *connections, *closed;
    size_t connection_count;
    struct users users; /* who has them */
    struct proxy_crowd crowd;
    bool starved; /* clients wait because there was no fd even to refuse them */
    struct pipe pipes[SPARE_PIPES];
    size_t pipe_count;

    enum kind clock_kind;
    int clock; /* -1: no UDP ports; runs while there are talks */
    struct talk *talks;
    size_t talk_count;
    struct users talkers;
    char *datagram;
};

/* proxy.c */
/** With EPOLL_CTL_MOD: looks again, and queues the event if there is something to do. */
int proxy_watch(struct proxy *p, int operation, int fd, uint32_t events, void *what);
/** Connected, or about to be, to @to; or -errno. */
int proxy_connect(const struct ip *to, uint16_t port, int type);

/* proxy_udp.c */
/** Begins to receive at @door what comes from ::1. */
int proxy_open_udp(struct proxy *p, struct door *door);
void proxy_run_udp(struct proxy *p, struct door *door);
void proxy_run_talk(struct proxy *p, struct talk *t);
void proxy_end_old_talks(struct proxy *p);
void proxy_free_udp(struct proxy *p);
