/* The one place where the two halves of a container meet: the world, which is one instance with what dead
 * monitors left put right, and a container's life in it. Commands stand on this, and whatever else
 * starts containers.
 *
 * A struct world belongs to one process: it holds netlink sockets. Functions return 0 or a negative errno
 * with @e, and take the store's lock themselves unless they say otherwise.
 */
#pragma once

#include <netctr/bridge.h>
#include <netctr/core.h>

struct world {
    struct store store;
    struct bridge *bridge; /**< opened when first needed: world_bridge() */
    bool has_names;
    int names; /**< RUN/dns, opened when first needed: world_names() */
};
/** Opens the store at @root (state that outlives a reboot) and @run_root (the rest), and buries what dead
 *  monitors left. world_close() also after a failure. */
int world_open(const char *root, const char *run_root, struct world *out, struct err *e);
/** The same for commands that only show something: where netctr has never run, they create nothing and find an empty
 *  world. Where it has, they clean up after dead monitors like any other. */
int world_open_to_read(const char *root, const char *run_root, struct world *out, struct err *e);
/** For `doctor`: repairs nothing and creates nothing. Where the state is not there, or not all of it, @out has a
 *  bridge and no store (store.root is NULL). */
int world_look(const char *root, const char *run_root, struct world *out, struct err *e);
void world_close(struct world *w);
#define _cleanup_world_ __attribute__((cleanup(world_close)))
int world_bridge(struct world *w, struct bridge **out, struct err *e);
int world_names(struct world *w, int *out, struct err *e);
/** Closes it. */
void world_forget_names(struct world *w);
/** store_find() and store_each() under the store's lock. */
int world_find(struct world *w, const char *name, struct record *out, struct err *e);
int world_each(struct world *w, int (*each)(const struct record *r, void *arg), void *arg,
               struct err *e);

/** -ESRCH with a text: @r does not run, how it has ended, and where to look. */
int world_not_running(const struct record *r, struct err *e);
/** The container whose network it shares (`--network container:NAME`), by name or id; NULL: it shares none. */
const char *network_owner(const struct spec *s);
/** Has a running container lost the network that it shares? It has when the owner has ended, whether that was started
 *  again or not: then it has loopback alone until it is restarted. 1, 0 or -errno. (sharers.c) */
int world_network_lost(struct world *w, const struct record *r, struct err *e);

/* ---- repair ----------------------------------------------------------------------------------*/

/** Undoes what the dead monitor of @r left. *@now, the caller's to clear, is what the container is then. */
int world_clear_dead(struct world *w, const struct record *r, struct record *now, struct err *e);
/** Under the store's lock: removes what dead monitors left. */
int world_repair(struct world *w, const struct gc *gc, struct err *e);
/** Undoes the network's half of a container, from its record or without one. @aside: its monitor does it, and
 *  leaves links that have become mute to links_retire(); else nothing remains on return. @locked: the
 *  caller has the store's lock; otherwise this takes it if the firewall has to be rebuilt. */
int world_detach(struct world *w, struct container *c, bool aside, bool locked, struct err *e);
/** Everything of this instance that belongs to no container: repair, then a sweep by name. */
int world_gc(struct world *w, const struct gc *gc, struct err *e);
/** Makes the firewall anew from what lives; with @only_if_needed, if it is not as it should be. */
int world_reload(struct world *w, bool only_if_needed, struct err *e);
/** Replaces tables that another version of netctr has made, before something in them is changed. */
int world_upgrade_tables(struct world *w, struct err *e);
/** world_reload(), whatever is left of the firewall. After an error @restored tells whether it is about the flows only,
 *  which may be astray. */
int world_restore_firewall(struct world *w, bool *restored, struct err *e);
/** The lease file of @n, if there is none, from the containers that live: without it nobody gets an address. */
int world_make_leases(struct world *w, const struct network *n, struct err *e);
/** A network is about to be removed: it has no names any more. The store must be locked. */
int world_forget_network(struct world *w, const char *network, struct err *e);
/** Gives their bridges back to containers from which somebody has taken them. */
int world_replug(struct world *w, struct err *e);
/** `network reload`: rebuilds the firewall, restores damaged or lost leases, and puts back what somebody has changed of
 *  bridges and ports. Goes on after a failure. @remaining gets a line for each difference that is left; it must be
 *  empty, and the caller frees it. */
int world_restore(struct world *w, strv *remaining, struct err *e);
/** network_survey() with those that live, twice if something differs: what is on its way is no difference. Changes
 *  nothing. */
int world_survey(struct world *w, const struct network *n, json_t **out, struct err *e);
/** Calls @found for each difference of each network. */
int world_survey_each(struct world *w,
                      void (*found)(const char *network, const char *what, void *arg), void *arg,
                      struct err *e);
/** Removes a container whose records cannot be believed, alive or not (store_find() says -EBADMSG). */
int world_remove_damaged(struct world *w, const char *name, struct err *e);

/* ---- events ----------------------------------------------------------------------------------*/

/** Emits an event of a container; @attributes may be NULL. */
void world_event(struct world *w, const struct record *r, const char *name,
                 const struct event_attribute *attributes);
/** Emits that a container has come to a network ("connect") or left it ("disconnect"). */
void world_network_event(struct world *w, const char *name, const struct endpoint *ep);
/** "create" or "remove" of a network. */
void world_defined_event(struct world *w, const char *name, const char *network);

/* ---- the end ---------------------------------------------------------------------------------*/

#define STOP_NEVER_KILLS UINT64_MAX
/** Ends a container's program: SIGTERM, after @seconds SIGKILL, or never; returns when all is undone. @mark as in
 *  world_ask_end(). */
int world_stop(struct world *w, const struct record *r, enum mark mark, uint64_t seconds,
               struct err *e);
/** `kill`: with a signal that ends programs no other run of it begins; returns behind SIGKILL when all is
 *  undone. */
int world_kill(struct world *w, const struct record *r, int sig, struct err *e);
/** Sends a signal to its program, nothing else. One that has just ended is no error. */
int world_signal(const struct record *r, int sig, struct err *e);
/** What @r stands for is not to begin anew when its program ends, at all (MARK_END_ASKED) or before the host
 *  comes up again (MARK_UNTIL_BOOT); *@now is what it is at this moment. -ENOENT with a text when it is gone,
 *  or the name another's. */
int world_ask_end(struct world *w, const struct record *r, enum mark mark, struct record *now,
                  struct err *e);
/** Removes a container that has ended. If the name is another's by now, nothing is done. */
int world_remove(struct world *w, const struct record *r, struct err *e);
/** The same after killing it, if it lives. */
int world_force_remove(struct world *w, const struct record *r, struct err *e);

/* ---- a life ----------------------------------------------------------------------------------*/

/** What `run` asks for. */
struct life {
    struct spec spec;
    struct publish_list publishes;
    bool existing; /**< a new life of a container that has ended; its ports are those of the spec */
    /** With @existing: if it cannot start, its monitor tries again until somebody ends it. */
    bool patient;
    /** Called once the program runs (@waits NULL), or when it cannot begin yet (@waits says why); a negative
     *  result ends it. May be NULL. */
    int (*started)(const char *waits, void *arg);
    void *arg;
    bool oom_killed; /**< set by world_live(): how the last run ended */
    char *waits; /**< set by world_live_in_background(): why it does not run yet; caller frees */
};
/** Adds the directory of netctr's that is full or read-only to a failure that such a one explains. */
void world_explain(const struct world *w, int code, struct err *e);
/** A container's whole life. Returns its exit status. */
int world_live(struct world *w, struct life *life, struct err *e);
/** The same in a process of its own, the monitor. Returns when the program runs, or @life->waits says why its monitor
 *  will try again. (background.c) */
int world_live_in_background(struct world *w, struct life *life, struct err *e);

/* ---- helpers ---------------------------------------------------------------------------------*/

/** What `netctr helper` is: looks after all containers of the instance, and sees to it that names are told, until the
 *  last one has ended. It is given its descriptors by whoever has started it (life/helpers.c). */
int world_help(const char *root, const char *run_root, struct err *e);
/** Does a container live? Also true when that cannot be told. */
bool world_has_living(const struct world *w);
/** {"work": true, "helper": PID, "standby": PID, "name_servers": [PID, PID], "names_port": 1023}; caller owns. */
json_t *world_helpers(const struct world *w);
