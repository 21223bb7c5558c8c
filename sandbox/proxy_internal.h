/* What the files of the proxy share: proxy.c (listening sockets and TCP), proxy_udp.c and proxy_connect.c. */
#pragma once

#include "proxy.h"
#include "users.h"

enum {
    MAX_CONNECTIONS = 1024,
    MAX_TALKS = 256,
    SPARE_PIPES = 4,
};

/* A host port that is held for a container. */
struct door {
    struct proxy *proxy;
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
    const struct door *door;
    in_port_t port;    /* of the client; network byte order */
    struct user *user; /* NULL: not looked up yet */
    int64_t active_ms;
    struct connection *next, **link;
};

/* A UDP client. All its datagrams are sent from one socket, so that answers can be assigned to
 * it. */
struct talk {
    int fd; /* -1: this entry is free */
    struct door *door;
    in_port_t port;    /* of the client; network byte order */
    struct user *user; /* NULL: not looked up yet */
    int64_t last_ms;
};

struct proxy {
    struct loop *loop;
    int spare; /* an fd in reserve, closed to accept a client when there are no others */
    struct door *doors;
    size_t door_count;
    struct connection *connections;
    size_t connection_count;
    struct users users; /* who holds connections and talks */
    /* NULL: has been called, or is not wanted */
    void (*crowded)(const struct proxy_crowd *crowd, void *arg);
    void *arg;
    bool starved;      /* clients wait, and there is not even an fd to refuse them with */
    loop_timer reopen; /* is set when they are to be looked at again */
    struct pipe pipes[SPARE_PIPES];
    size_t pipe_count;

    loop_timer clock;   /* is set while there are talks */
    struct talk *talks; /* NULL: no UDP ports */
    size_t talk_count;
    struct users talkers;
    char *datagram;
};

/* proxy_connect.c */
/** Starts a non-blocking connect to @to. Returns the socket or -errno. */
int proxy_connect(const struct ip *to, uint16_t port, int type);

/* proxy_udp.c */
/** Starts to receive at @door what comes from ::1. */
int proxy_open_udp(struct proxy *p, struct door *door);
void proxy_free_udp(struct proxy *p);
