/* What every command stands on (world.c), and a container's life (life.c). */
#pragma once

#include "cli.h"

/* A file in the run directory: this endpoint is being detached, and must not come back to the firewall
 * when somebody makes it anew. */
#define LEAVING "leaving"

struct world {
    struct store store;
    struct bridge *bridge; /**< opened when first needed: world_bridge() */
    bool has_names;
    int names; /**< RUN/names, opened when first needed: world_names() */
};
/** Opens the store and buries what dead monitors left. */
int world_open(const struct cli *cli, struct world *out, struct err *e);
void world_close(struct world *w);
#define _cleanup_world_ __attribute__((cleanup(world_close)))
int world_bridge(struct world *w, struct bridge **out, struct err *e);
int world_names(struct world *w, int *out, struct err *e);
/** Under the store's lock: removes what dead monitors left. @found (may be NULL) is told of each;
 *  @dry_run only tells. */
int world_repair(struct world *w, bool dry_run, void (*found)(const char *what, void *arg),
                 void *arg, struct err *e);

/** Undoes the network's half of a container, from its record or without one. */
int world_detach(struct world *w, struct container *c, bool namespace_dies, struct err *e);
/** Everything of this instance that belongs to no container: repair, then a sweep by name. */
int world_gc(struct world *w, bool dry_run, void (*found)(const char *what, void *arg), void *arg,
             struct err *e);
/** Makes the firewall anew from what lives; with @only_if_needed, if it is not as it should be. */
int world_reload(struct world *w, bool only_if_needed, struct err *e);
/** What @r stands for is not to begin anew when its program ends; *@now is what it is at this moment.
 *  -ENOENT with a text when it is gone, or the name another's. */
int world_ask_end(struct world *w, const struct record *r, struct record *now, struct err *e);
/** store_find() and store_each() under the store's lock. */
int world_find(struct world *w, const char *name, struct record *out, struct err *e);
int world_each(struct world *w, int (*each)(const struct record *r, void *arg), void *arg,
               struct err *e);
/** Removes a container that has ended. If the name is another's by now, nothing is done. */
int world_remove(struct world *w, const struct record *r, struct err *e);

/** Something to be done to a container; -errno with @e. */
typedef int (*container_action)(struct world *w, const struct record *r, void *arg, struct err *e);
/** Does @act to each named container, or with @all to each for which that is true; prints the names of
 *  those where it went well, goes on after a failure. Opens the world. (each.c) */
int each_named(const struct cli *cli, const struct command *command, char **names,
               bool (*all)(const struct record *r), container_action act, void *arg, struct err *e);
/** The same in a world that is open. */
int each_chosen(struct world *w, bool (*wanted)(const struct record *r), container_action act,
                void *arg, struct err *e);
/** Ends a container's program: SIGTERM, after @seconds SIGKILL; returns when all is undone.
 *  (lifecycle.c) */
int stop_container(struct world *w, const struct record *r, uint64_t seconds, struct err *e);

/** `network connect` and `network disconnect`. (connect.c) */
int network_connect(const struct cli *cli, const struct command *command, int argc, char **argv,
                    struct err *e);
int network_disconnect(const struct cli *cli, const struct command *command, int argc, char **argv,
                       struct err *e);

/** What `run` asks for. */
struct life {
    struct spec spec;
    struct publish_list publishes;
    bool existing; /**< a new life of a container that has ended */
    /** Called once the program runs; a negative result ends it. May be NULL. */
    int (*started)(const struct spec *spec, void *arg);
    void *arg;
};
/** A container's whole life. Returns its exit status. */
int world_live(struct world *w, struct life *life, struct err *e);
/** The same in a process of its own, the monitor. Returns when the program runs. (background.c) */
int world_live_in_background(struct world *w, struct life *life, struct err *e);
