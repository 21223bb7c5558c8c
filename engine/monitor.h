/* A running container as its monitor holds it, shared by the files of engine/ that make up the monitor. */
#pragma once

#include "internal.h"

#include "helpers.h"
#include "unmapped.h"

struct monitor {
    struct engine *engine;
    struct run_request *request;
    struct container container;
    struct sandbox *sandbox;    /* the network half; NULL before look_before() */
    struct sandbox_files files; /* of the sandbox; points into the spec */
    struct id_map ids;          /* of its user namespace; empty: the host's */
    int ids_lock;               /* of range_allocate() or range_hold(), or -1 */
    char *reserved; /* the container's id: its range has an entry, and no definition follows yet */
    struct loop *loop;        /* everything that the monitor waits for */
    int control;              /* socket, or -1 */
    struct helpers_seed seed; /* descriptors for the helpers, if they have to be started */
    struct unmapped unmapped; /* the search for files that the container cannot own */
    loop_timer seed_timer;    /* starts them */
    bool begun;               /* the program runs, and the caller knows it */
    bool unhelped;            /* the log already says that helpers cannot be started */
    bool unsaved;             /* the last change could not be saved in the definition */
};

/* monitor.c */
struct monitor monitor_new(struct engine *engine, struct run_request *request, struct loop *loop);
/** With the name of its container, for `ps` of the host. */
void monitor_set_title(const struct monitor *m);
/** Closes and frees, except the loop; undoes nothing. */
void monitor_clear(struct monitor *m);
/** The spec: the container's once its name is claimed, before that the request's. */
static inline struct spec *monitor_spec(struct monitor *m)
{
    return m->container.spec.name ? &m->container.spec : &m->request->spec;
}

/** A lock that is held for long must not end the program or keep it from restarting, so the monitor waits. */
int lock_patiently(struct monitor *m, struct err *e);
/** At the end. A client gets the error instead of waiting. */
int lock_to_leave(struct monitor *m, struct err *e);

/* run.c */
/** Takes the container's name, and cleans up if a dead monitor has it. */
int monitor_claim(struct monitor *m, struct err *e);

/* rename.c */
/** Gives the container @id, which is that of @m, another name. */
int rename_running(struct monitor *m, const char *name, const char *id, struct err *e);

/* monitor_sandbox.c */
/** The sandbox of the container, in memory: its own, or the one that it shares, which must live. */
int pair_sandbox(struct monitor *m, struct err *e);
/** Before the sandbox is joined: notes in the run directory which one it is, if it is not the container's own. */
int pair_record(struct monitor *m, struct err *e);
/** The texts of the /etc files follow the spec. */
void pair_files(struct monitor *m);
/** Sets spec.published, which `ps` and `port` show, and spec.unpublished. */
void describe_ports(struct monitor *m);

/* userns.c */
/** Which sandbox and which user namespace the container gets: a new one with a network of its own reserves ids; one that
 *  joins a network takes those of that network. Its ids are locked. */
int userns_decide(struct monitor *m, struct err *e);
/** Does it belong to a network that the container joins when it is started? */
bool userns_comes_later(const struct spec *s);
/** There will be no container: frees what was reserved. */
void userns_abandon(struct monitor *m);

/* seed.c */
/** The program runs: starts the helpers if there are none. */
int seed_watch(struct monitor *m, struct err *e);
void seed_unwatch(struct monitor *m);

/* change.c */
/** Serves a request of the control socket: a control_handler for a struct monitor. */
int change_running(void *monitor, const char *what, char *const *words, json_t **answer,
                   struct err *e);
