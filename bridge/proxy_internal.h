/* What the files of the proxy share: proxy.c (listening sockets and TCP) and proxy_udp.c. */
#pragma once

#include "users.h"

#include <netctr/bridge.h>

#include <sys/epoll.h>

enum {
    MAX_CONNECTIONS = 1024,
    MAX_TALKS = 256,
    SPARE_PIPES = 4,
};

/* The first member of everything that is watched, so that an event's pointer tells what it is. */
enum kind { DOOR, END, TALK, CLOCK };

/* A host port that is held for a container. */
struct door {
    enum kind kind;
    const struct bound_port *port;
    struct ip to; /* where connections to ::1 go; family 0: all are refused */
};

struct pipe {
    int in, out;
};

struct flow {
    struct pipe pipe; /* in is -1: there is none */
    size_t waiting;   /* bytes in the pipe */
    bool ended;       /* nothing more will be read */
    bool done;        /* everything was sent, or the receiver is gone */
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
    bool broken;      /* reset by one side; the other side gets a reset too */
    bool crowded_out; /* closed to make room for another */
    bool closed;      /* to be freed after this batch of events, which may still point to it */
    const struct door *door;
    in_port_t port;    /* of the client; network byte order */
    struct user *user; /* NULL: not looked up yet */
    int64_t active_ms;
    struct connection *next, **link;
};

/* A UDP client. All its datagrams are sent from one socket, so that answers can be assigned to
 * it. */
struct talk {
    enum kind kind;
    int fd; /* -1: this entry is free */
    struct door *door;
    in_port_t port;    /* of the client; network byte order */
    struct user *user; /* NULL: not looked up yet */
    int64_t last_ms;
};

struct proxy {
    int epoll;
    int spare; /* an fd in reserve, closed to accept a client when there are no others */
    struct door *doors;
    size_t door_count;
    struct connection *connections, *closed;
    size_t connection_count;
    struct users users; /* who holds connections and talks */
    struct proxy_crowd crowd;
    bool starved; /* clients wait, and there is not even an fd to refuse them with */
    struct pipe pipes[SPARE_PIPES];
    size_t pipe_count;

    enum kind clock_kind;
    int clock; /* timerfd, running while there are UDP clients; -1: no UDP ports */
    struct talk *talks;
    size_t talk_count;
    struct users talkers;
    char *datagram;
};

/* proxy.c */
/** With EPOLL_CTL_MOD, pending events are checked and queued again. */
int proxy_watch(struct proxy *p, int operation, int fd, uint32_t events, void *what);
/** Starts a non-blocking connect to @to. Returns the socket or -errno. */
int proxy_connect(const struct ip *to, uint16_t port, int type);

/* proxy_udp.c */
/** Starts to receive at @door what comes from ::1. */
int proxy_open_udp(struct proxy *p, struct door *door);
void proxy_run_udp(struct proxy *p, struct door *door);
void proxy_run_talk(struct proxy *p, struct talk *t);
void proxy_end_old_talks(struct proxy *p);
void proxy_free_udp(struct proxy *p);
