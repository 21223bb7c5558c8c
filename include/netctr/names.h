/* The names of containers, and the server that answers DNS questions for them.
 *
 * Names are kept in a tree of files below RUN/dns. The file system is the index: a look-up takes a few
 * system calls, whether the network has two names or a thousand, and no process keeps a copy that could
 * be out of date.
 *
 *     container/ID/NETWORK    the entry of ID on that network: "10.88.0.2 fd4c::2 web,4f1c09d2a7b3,www open"
 *     container/ID/.servers   the resolvers for its other questions, if it was started with --dns
 *     address/10.88.0.2       -> "NETWORK ID NAME", a symbolic link that is read and never followed
 *     network/NETWORK/web/ID  -> "10.88.0.2,fd4c::2", likewise; the name is in lower case
 *     bell/NETWORK            changes whenever the network's names do, for containers whose names are
 *                             in /etc/hosts because no server answers them
 *     upstream                the host's resolvers, "192.0.2.1,192.0.2.2"
 *
 * Each entry has one writer, its container's monitor or whatever cleans up after it, so there is no lock.
 * container/ID/NETWORK is written first and removed last: it lists what else there is to remove.
 */
#pragma once

#include <netctr/base.h>

/* ---- entries ---------------------------------------------------------------------------------*/

struct name_entry {
    char *id;                     /**< of the container */
    struct ip address4, address6; /**< family 0: none */
    strv names;                   /**< the first is the answer to a reverse look-up */
    strv servers;  /**< asked for names that no container has; NULL: the host's resolvers */
    bool internal; /**< the network is closed: without another one, nothing outside is asked */
};

/** Opens RUN/dns and creates it if it is missing. An fd, or -errno. */
int names_open(int run_fd, struct err *e);
/** 1: RUN/dns exists. 0: it does not, so no container has a name. Or -errno. */
int names_exist(int run_fd);
/** Writes the entry of a container on @network and replaces an older one. The server sees it as
 *  soon as this returns. Names that DNS cannot hold are left out. After a failure, call
 *  names_leave(). */
int names_join(int dir, const char *network, const struct name_entry *n, struct err *e);
/** Removes the entry, or with @network NULL the entries on all networks. Accepts entries that are
 *  gone, half written or half removed, and needs no free space. */
int names_leave(int dir, const char *network, const char *id, struct err *e);
/** A directory in @dir. Its file NAME gets an inotify event of NAMES_RUNG when the names of
 *  network NAME change. Created by names_open(). */
#define NAMES_BELL "bell"
#define NAMES_RUNG (IN_ATTRIB | IN_CREATE)
/** Calls @each for every container of the network until it returns a negative number. Entries that
 *  cannot be read are skipped; an unknown network has none. */
int names_each(int dir, const char *network, int (*each)(const struct name_entry *n, void *arg),
               void *arg, struct err *e);
/** Roughly the number of containers on the network, for one system call. */
size_t names_count(int dir, const char *network);
/** Removes the entries and files of networks for which @there is false. */
int names_prune(int dir, bool (*there)(const char *network, void *arg), void *arg, struct err *e);
/** Removes the entries of containers that are not in @ids, and files that point to none. The caller
 *  holds the store's lock, so that no other container can join. */
int names_sweep(int dir, char *const *ids, const struct gc *gc, struct err *e);
/** Stores the host's resolvers, if they have changed. */
int names_set_upstream(int dir, char *const *servers, struct err *e);

/* ---- the server -------------------------------------------------------------------------------
 * Two processes share the sockets and a memory that holds each question from its arrival until it is
 * answered. Whichever is free takes the next question. If one is killed or stopped, no question is
 * lost: the other one, or its successor, finds it in the memory. */

/** One UDP and one TCP socket per family, bound to every address and the same port; -1: the host
 *  lacks the family. */
struct name_sockets {
    int udp4, udp6, tcp4, tcp6;
};
#define NAME_SOCKETS_INIT                              \
    {                                                  \
        .udp4 = -1, .udp6 = -1, .tcp4 = -1, .tcp6 = -1 \
    }
#define NAMES_PORT 1023 /**< the first port that is tried */
/** Binds them to @wanted (0: any), or else to another port: from NAMES_PORT down to 512, which only
 *  root can bind, then above 1023. @avoid (may be NULL) tells which ports to skip. Returns the port
 *  or -errno. */
int name_sockets_open(uint16_t wanted, bool (*avoid)(uint16_t port, void *arg), void *arg,
                      struct name_sockets *out, struct err *e);
void name_sockets_close(struct name_sockets *s);
/** Are these sockets as name_sockets_open() makes them, on @port? For sockets that come from
 *  another process. */
bool name_sockets_valid(const struct name_sockets *s, uint16_t port);

/** Creates the memory that both servers share, as a memfd. The process that starts the servers
 *  keeps it and passes it on to their successors. An fd or a negative errno. */
int names_shared_new(struct err *e);
struct names_shared;
/** Maps it. NULL with @e, also if the memfd is something else or of another version. */
struct names_shared *names_shared_map(int fd, struct err *e);
void names_shared_unmap(struct names_shared *s); /**< accepts NULL */
#define NAME_SERVERS 2
/** A counter that moves whenever that server does something. */
uint64_t names_shared_progress(const struct names_shared *s, unsigned server);
/** Does the server have unanswered questions or open connections? Then its progress moves at least
 *  every 100 ms. */
bool names_shared_busy(const struct names_shared *s, unsigned server);

struct name_server {
    int names; /**< RUN/dns */
    struct name_sockets sockets;
    struct names_shared *shared;
    unsigned self; /**< 0 or 1 */
};
/** Serves for ever. Run it in a process of its own, which it confines first: RUN/dns becomes its
 *  root directory, and it drops all capabilities and most system calls. It starts with the
 *  questions that its predecessor in @self has left. Returns -errno if it cannot go on. */
int names_serve(const struct name_server *s, struct err *e);

/* ---- probing ----------------------------------------------------------------------------------*/

struct name_probe {
    int fd;           /**< a UDP socket connected to the server; the caller's */
    const char *name; /**< the question; "": the root */
    uint8_t type;     /**< of the record, as in DNS: 1 for A, 2 for NS */
    bool answered;    /**< any answer counts */
    int error;        /**< of the socket, e.g. ECONNREFUSED; if set before, nothing is asked */
};
/** Asks all of them at once and waits for the answers, @timeout_ms at most. */
void names_probe(struct name_probe *probes, size_t count, int timeout_ms);
