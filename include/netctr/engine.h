/* The one place where the two halves of a container meet: the world, which is one instance with what dead
 * monitors left put right, and a container's life in it. Commands stand on this, and whatever else
 * starts containers.
 *
 * A struct engine belongs to one process: it holds netlink sockets. Functions return 0 or a negative errno
 * with @e, and take the store's lock themselves unless they say otherwise.
 */
#pragma once

#include <netctr/bridge.h>
#include <netctr/store.h>

struct engine {
    struct store store;
    struct net *net; /**< opened when first needed: engine_net() */
    bool has_names;
    int names; /**< RUN/dns, opened when first needed: engine_names() */
};
/** Opens the store at @root (state that outlives a reboot) and @run_root (the rest), and buries what dead
 *  monitors left. engine_close() also after a failure. */
int engine_open(const char *root, const char *run_root, struct engine *out, struct err *e);
/** The same for commands that only show something: where netctr has never run, they create nothing and find an empty
 *  world. Where it has, they clean up after dead monitors like any other. */
int engine_open_to_read(const char *root, const char *run_root, struct engine *out, struct err *e);
/** For `doctor`: repairs nothing and creates nothing. Where the state is not there, or not all of it, @out has a
 *  bridge and no store (store.root is NULL). */
int engine_look(const char *root, const char *run_root, struct engine *out, struct err *e);
void engine_close(struct engine *engine);
#define _cleanup_engine_ __attribute__((cleanup(engine_close)))
int engine_net(struct engine *engine, struct net **out, struct err *e);
int engine_names(struct engine *engine, int *out, struct err *e);
/** Closes it. */
void engine_forget_names(struct engine *engine);
/** store_find() and store_each() under the store's lock. */
int engine_find(struct engine *engine, const char *name, struct record *out, struct err *e);
int engine_each(struct engine *engine, int (*each)(const struct record *r, void *arg), void *arg,
                struct err *e);

/** -ESRCH with a text: @r does not run, how it has ended, and where to look. */
int engine_not_running(const struct record *r, struct err *e);
/** The container whose network it shares (`--network container:NAME`), by name or id; NULL: it shares none. */
const char *network_owner(const struct spec *s);
/** Has a running container lost the network that it shares? It has when the owner has ended, whether that was started
 *  again or not: then it has loopback alone until it is restarted. 1, 0 or -errno. (sharers.c) */
int engine_network_lost(struct engine *engine, const struct record *r, struct err *e);

/* ---- repair ----------------------------------------------------------------------------------*/

/** Undoes what the dead monitor of @r left. *@now, the caller's to clear, is what the container is then. */
int engine_clear_dead(struct engine *engine, const struct record *r, struct record *now,
                      struct err *e);
/** Under the store's lock: removes what dead monitors left. */
int engine_repair(struct engine *engine, const struct gc *gc, struct err *e);
/** Undoes the network's half of a container, from its record or without one. @aside: its monitor does it, and
 *  leaves links that have become mute to links_retire(); else nothing remains on return. @locked: the
 *  caller has the store's lock; otherwise this takes it if the firewall has to be rebuilt. */
int engine_detach(struct engine *engine, struct container *c, bool aside, bool locked,
                  struct err *e);
/** Everything of this instance that belongs to no container: repair, then a sweep by name. */
int engine_gc(struct engine *engine, const struct gc *gc, struct err *e);
/** Makes the firewall anew from what lives; with @only_if_needed, if it is not as it should be. */
int engine_reload(struct engine *engine, bool only_if_needed, struct err *e);
/** Before a command changes the network: replaces tables of an older schema. Refuses (-EPROTONOSUPPORT) while a
 *  container runs under a netctr whose schema differs, unless the tables have ours. */
int engine_upgrade_tables(struct engine *engine, struct err *e);
/** Before @r is stopped to be started again: could it start, or do others run under a netctr with another schema? */
int engine_require_restart(struct engine *engine, const struct record *r, struct err *e);
/** engine_reload(), whatever is left of the firewall. After an error @restored tells whether it is about the flows only,
 *  which may be astray. */
int engine_restore_firewall(struct engine *engine, bool *restored, struct err *e);
/** The lease file of @n, if there is none, from the containers that live: without it nobody gets an address. */
int engine_make_leases(struct engine *engine, const struct network *n, struct err *e);
/** A network is about to be removed: it has no names any more. The store must be locked. */
int engine_forget_network(struct engine *engine, const char *network, struct err *e);
/** Gives their bridges back to containers from which somebody has taken them. */
int engine_reattach(struct engine *engine, struct err *e);
/** `network reload`: rebuilds the firewall, restores damaged or lost leases, and puts back what somebody has changed of
 *  bridges and ports. Goes on after a failure. @remaining gets a line for each difference that is left; it must be
 *  empty, and the caller frees it. */
int engine_restore(struct engine *engine, strv *remaining, struct err *e);
/** network_survey() with those that live, twice if something differs: what is on its way is no difference. Changes
 *  nothing. */
int engine_survey(struct engine *engine, const struct network *n, json_t **out, struct err *e);
/** Calls @found for each difference of each network. */
int engine_survey_each(struct engine *engine,
                       void (*found)(const char *network, const char *what, void *arg), void *arg,
                       struct err *e);
/** Removes a container whose records cannot be believed, alive or not (store_find() says -EBADMSG). */
int engine_remove_damaged(struct engine *engine, const char *name, struct err *e);

/* ---- events ----------------------------------------------------------------------------------*/

/** Emits an event of a container; @attributes may be NULL. */
void engine_event(struct engine *engine, const struct record *r, const char *name,
                  const struct event_attribute *attributes);
/** Emits that a container has come to a network ("connect") or left it ("disconnect"). */
void engine_network_event(struct engine *engine, const char *name, const struct endpoint *ep);
/** "create" or "remove" of a network. */
void engine_defined_event(struct engine *engine, const char *name, const char *network);

/* ---- the end ---------------------------------------------------------------------------------*/

#define STOP_NEVER_KILLS UINT64_MAX
/** Ends a container's program: SIGTERM, after @seconds SIGKILL, or never; returns when all is undone. @mark as in
 *  engine_ask_end(). */
int engine_stop(struct engine *engine, const struct record *r, enum mark mark, uint64_t seconds,
                struct err *e);
/** `kill`: with a signal that ends programs no other run of it begins; returns behind SIGKILL when all is
 *  undone. */
int engine_kill(struct engine *engine, const struct record *r, int sig, struct err *e);
/** Sends a signal to its program, nothing else. One that has just ended is no error. */
int engine_signal(const struct record *r, int sig, struct err *e);
/** What @r stands for is not to begin anew when its program ends, at all (MARK_END_ASKED) or before the host
 *  comes up again (MARK_UNTIL_BOOT); *@now is what it is at this moment. -ENOENT with a text when it is gone,
 *  or the name another's. */
int engine_ask_end(struct engine *engine, const struct record *r, enum mark mark,
                   struct record *now, struct err *e);
/** Removes a container that has ended. If the name is another's by now, nothing is done. */
int engine_remove(struct engine *engine, const struct record *r, struct err *e);
/** The same after killing it, if it lives. */
int engine_force_remove(struct engine *engine, const struct record *r, struct err *e);

/* ---- a life ----------------------------------------------------------------------------------*/

/** What `run` asks for. */
struct run_request {
    struct spec spec;
    struct port_mappings port_mappings;
    bool existing; /**< a new life of a container that has ended; its ports are those of the spec */
    /** With @existing: if it cannot start, its monitor tries again until somebody ends it. */
    bool patient;
    /** Called once the program runs (@waits NULL), or when it cannot begin yet (@waits says why); a negative
     *  result ends it. May be NULL. */
    int (*started)(const char *waits, void *arg);
    void *arg;
    bool oom_killed; /**< set by engine_run(): how the last run ended */
    char *waits;     /**< set by engine_run_detached(): why it does not run yet; caller frees */
};
/** Adds the directory of netctr's that is full or read-only to a failure that such a one explains. */
void engine_explain(const struct engine *engine, int code, struct err *e);
/** A container's whole life. Returns its exit status. */
int engine_run(struct engine *engine, struct run_request *request, struct err *e);
/** The same in a process of its own, the monitor. Returns when the program runs, or @request->waits says why its monitor
 *  will try again. (background.c) */
int engine_run_detached(struct engine *engine, struct run_request *request, struct err *e);

/* ---- helpers ---------------------------------------------------------------------------------*/

/** What `netctr helper` is: looks after all containers of the instance, and sees to it that names are told, until the
 *  last one has ended. It is given its descriptors by whoever has started it (engine/helpers.c). */
int engine_help(const char *root, const char *run_root, struct err *e);
/** Does a container live? Also true when that cannot be told. */
bool engine_has_living(const struct engine *engine);
/** {"work": true, "helper": PID, "standby": PID, "name_servers": [PID, PID], "names_port": 1023}; caller owns. */
json_t *engine_helpers(const struct engine *engine);
