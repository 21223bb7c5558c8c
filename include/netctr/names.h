/* Which names containers have, and the server that tells them.
 *
 * Who is called what is in RUN/dns, as a tree that the file system finds its way in: a look-up is a few
 * system calls, whether the network has two names or a thousand, and nobody keeps a copy that could be old.
 *
 *     container/ID/NETWORK        what ID is on that network: "10.88.0.2 fd4c::2 web,4f1c09d2a7b3,www open"
 *     container/ID/.servers       whom its other questions go to, when it was started with --dns
 *     address/10.88.0.2           -> "NETWORK ID NAME", a symbolic link that is read and never followed
 *     network/NETWORK/web/ID      -> "10.88.0.2,fd4c::2", the same; the directory is the name in small letters
 *     bell/NETWORK                changes whenever the network's names do: for /etc/hosts of those whom no
 *                                 server tells them
 *     upstream                    the host's resolvers, "192.0.2.1,192.0.2.2"
 *
 * An entry has one writer, its container's monitor (or whoever cleans up after it), so there is no lock.
 * container/ID/NETWORK is written first and removed last: it says what else there is to remove.
 */
#pragma once

#include <netctr/netns.h>

/* ---- who is called what ---------------------------------------------------------------------*/

struct name_entry {
    char *id;                     /**< of the container */
    struct ip address4, address6; /**< family 0: none */
    strv names;                   /**< the first is told when somebody asks for the address */
    strv servers;  /**< who answers what is no container's name; NULL: the host's resolvers */
    bool internal; /**< the network is closed: who is on no other asks nobody outside */
};

/** An fd of RUN/dns, which is made if it is missing. */
int names_open(int run_fd, struct err *e);
/** 1 if RUN/dns has been made, else 0, and nobody has a name; -errno. */
int names_exist(int run_fd);
/** Writes down what a container is on @network, in the place of what was there. When it returns, the server
 *  knows: there is nothing to wait for. Names that are no DNS name are left out. One that has failed is undone
 *  by names_leave(). */
int names_join(int dir, const char *network, const struct name_entry *n, struct err *e);
/** Takes it out, of all networks if @network is NULL. Accepts "already gone" and what is half written or
 *  half removed; needs no room. */
int names_leave(int dir, const char *network, const char *id, struct err *e);
/** A directory in @dir and what inotify tells of it when the names of the network NAME change (join, leave):
 *  the file by that name is rung. Made by names_open(). */
#define NAMES_BELL "bell"
#define NAMES_RUNG (IN_ATTRIB | IN_CREATE)
/** Calls @each for every container of the network; a negative result ends the walk. What cannot be read is
 *  passed over. No such network: nothing. */
int names_each(int dir, const char *network, int (*each)(const struct name_entry *n, void *arg),
               void *arg, struct err *e);
/** How many names the network has, roughly, and at the price of one system call. */
size_t names_count(int dir, const char *network);
/** Forgets networks: all of which @there is not true, with whoever is still written down on them. */
int names_prune(int dir, bool (*there)(const char *network, void *arg), void *arg, struct err *e);
/** Takes out everybody who is not in @ids, also what points to nobody. The store must be locked: nobody joins
 *  meanwhile who is not in @ids. */
int names_sweep(int dir, char *const *ids, const struct gc *gc, struct err *e);
/** Writes down the host's resolvers, if they are others than before. */
int names_set_upstream(int dir, char *const *servers, struct err *e);

/* ---- the server -----------------------------------------------------------------------------
 * Two processes share the sockets and a memory in which a question stands from the moment it is
 * received until it is answered. Whichever is free takes the next question; one that was killed or stands still
 * loses none, because the other, or its successor, finds them there. */

/** Bound to every address, one port; -1 where the host lacks a family. */
struct name_sockets {
    int udp4, udp6, tcp4, tcp6;
};
#define NAME_SOCKETS_INIT                              \
    {                                                  \
        .udp4 = -1, .udp6 = -1, .tcp4 = -1, .tcp6 = -1 \
    }
#define NAMES_PORT 1023 /**< the first that is tried */
/** Binds them to @wanted (0: no wish) or to another port: from NAMES_PORT down to 512, which only root can bind; above
 *  1023 only where none of those is free. @avoid (may be NULL) says which ports are not to be taken. Returns the
 *  port or -errno. */
int name_sockets_open(uint16_t wanted, bool (*avoid)(uint16_t port, void *arg), void *arg,
                      struct name_sockets *out, struct err *e);
void name_sockets_close(struct name_sockets *s);
/** Are these four sockets such as name_sockets_open() makes, on @port? For those that come from another process. */
bool name_sockets_valid(const struct name_sockets *s, uint16_t port);

/** What the servers share: a memfd, for whoever starts them to hold and to give to the next. */
int names_shared_new(struct err *e);
struct names_shared;
/** Maps it; NULL with @e, also when the fd is of something else or of another version. */
struct names_shared *names_shared_map(int fd, struct err *e);
void names_shared_unmap(struct names_shared *s); /**< accepts NULL */
#define NAME_SERVERS 2
/** Moves while that server does anything. */
uint64_t names_shared_progress(const struct names_shared *s, unsigned server);
/** Has it questions that are not answered yet, or connections? Its progress moves at least every 100 ms while it
 *  has. */
bool names_shared_busy(const struct names_shared *s, unsigned server);

struct name_server {
    int names; /**< RUN/dns */
    struct name_sockets sockets;
    struct names_shared *shared;
    unsigned self; /**< 0 or 1 */
};
/** Serves for ever, in a process of its own that it first puts into a sandbox: RUN/dns is its root
 *  directory, and it has no capability and few system calls. First it finishes what its predecessor in
 *  @self has left. Returns -errno when it cannot go on. */
int names_serve(const struct name_server *s, struct err *e);

/* ---- asking ---------------------------------------------------------------------------------*/

struct name_probe {
    int fd;           /**< a UDP socket that is connected to the server; the caller's */
    const char *name; /**< asked for; "": the root */
    uint8_t type;     /**< of the record: 1 for A, 2 for NS */
    bool answered;    /**< whatever the answer is */
    int error; /**< of the socket, ECONNREFUSED for example; the caller may set it: nothing is asked then */
};
/** Asks them all at once, and waits no longer than @timeout_ms for the answers. */
void names_probe(struct name_probe *probes, size_t count, int timeout_ms);
