/* Which names containers have, and aardvark-dns, which tells them.
 *
 * RUN/names/NETWORK holds a line for each container of the network: id, addresses, names, its own
 * resolvers. It is the one truth: whoever tells names, be it a resolver or the lines in a container's
 * /etc/hosts, watches the directory and reads. Where and when a resolver runs is life's business.
 */
#pragma once

#include <netctr/netns.h>

struct name_entry {
    char *id;
    struct ip address4, address6; /**< family 0: none */
    strv names;
    strv servers; /**< who answers what is no container's name; NULL: the host's resolvers */
};

/** An fd of RUN/names, which is made if it is missing. */
int names_open(int run_fd, struct err *e);
/** 1 if RUN/names has been made, else 0, and nobody has a name; -errno. */
int names_exist(int run_fd);
/** Writes a container down in the place of what its id had there. -ENOENT, without a text: it would be the first
 *  of its network, and @first does not allow that. */
int names_join(int dir, const char *network, const struct name_entry *n, bool first, struct err *e);
/** Takes it out, of all networks if @network is NULL. Accepts "already gone", and needs no room. */
int names_leave(int dir, const char *network, const char *id, struct err *e);
/** What inotify tells of the directory when a network's names have changed. */
#define NAMES_CHANGED (IN_MOVED_TO | IN_ATTRIB)
/** Calls @each for every container of the network; a negative result ends the walk. Lines that cannot
 *  be read are passed over. No such network: nothing. */
int names_each(int dir, const char *network, int (*each)(const struct name_entry *n, void *arg),
               void *arg, struct err *e);
/** Forgets networks: all of which @there is not true. */
int names_prune(int dir, bool (*there)(const char *network, void *arg), void *arg, struct err *e);
/** Has any network a container? Also true when that cannot be told. */
bool names_any(int dir);
/** Takes out everybody who is not in @ids. */
int names_sweep(int dir, char *const *ids, const struct gc *gc, struct err *e);

/* ---- aardvark-dns ----------------------------------------------------------------------------*/

/** Where it is: 1, and the caller frees; 0: not installed; or -errno. */
int aardvark_find(char **out, struct err *e);

struct aardvark_network {
    const char *name;
    struct ip gateway4, gateway6;
    char *const *servers; /**< the host's resolvers */
};
/** Can a network of this name be served? The server has a file of its own among theirs. */
bool aardvark_can(const char *network);
/** Writes the network's names as the server reads them, into the directory of its files in @dir, made
 *  if it is missing. */
enum { AARDVARK_SAME, AARDVARK_CHANGED, AARDVARK_NEW };
int aardvark_write(int dir, const struct aardvark_network *n, struct err *e);
/** Notes that a network's questions go to the host's resolver until the server is asked whether it listens there. */
int aardvark_untold(int dir, struct err *e);
/** Is that so? It is noted no more. */
bool aardvark_take_untold(int dir);
/** Has the server a file of that network? */
bool aardvark_has(int dir, const char *network);
/** Removes that directory and the log. A file alone is never removed: the server dies of one that vanishes while it
 *  reads its directory. */
int aardvark_remove(int dir, struct err *e);
/** Is that directory there? It is, from before the server is started until after it has ended. */
bool aardvark_there(int dir);
/** Its log and its command line, NULL-terminated; @run is the path of RUN. */
int aardvark_log(int dir, struct err *e);
strv aardvark_command(const char *program, const char *run, uint16_t port);
