/* A running container as its monitor holds it, shared by the files of engine/ that make up the monitor. */
#pragma once

#include "internal.h"

#include "helpers.h"

struct monitor {
    struct engine *engine;
    struct run_request *request;
    struct container container;
    struct sandbox *sandbox;    /* the network half; NULL before look_before() */
    struct sandbox_files files; /* of the sandbox; points into the spec */
    struct loop *loop;          /* everything that the monitor waits for */
    int control;                /* socket, or -1 */
    struct helpers_seed seed;   /* descriptors for the helpers, if they have to be started */
    loop_timer seed_timer;      /* starts them */
    bool begun;                 /* the program runs, and the caller knows it */
    bool unhelped;              /* the log already says that helpers cannot be started */
    bool unsaved;               /* the last change could not be saved in the definition */
};

/* monitor.c */
struct monitor monitor_new(struct engine *engine, struct run_request *request, struct loop *loop);
/** Closes and frees, except the loop; undoes nothing. */
void monitor_clear(struct monitor *m);
/** The spec: the container's once its name is claimed, before that the request's. */
static inline struct spec *monitor_spec(struct monitor *m)
{
    return m->container.spec.name ? &m->container.spec : &m->request->spec;
}

/* pairing.c */
/** The sandbox of the container, in memory; it joins the network namespace of another one if the container does. */
int pair_sandbox(struct monitor *m, struct err *e);
/** The texts of the /etc files follow the spec. */
void pair_files(struct monitor *m);
/** Sets spec.published, which `ps` and `port` show, and spec.unpublished. */
void describe_ports(struct monitor *m);

/* seed.c */
/** The program runs: starts the helpers if there are none. */
int seed_watch(struct monitor *m, struct err *e);
void seed_unwatch(struct monitor *m);

/* change.c */
/** Serves a request of the control socket: a control_handler for a struct monitor. */
int change_network(void *monitor, const char *what, char *const *words, json_t **answer,
                   struct err *e);
