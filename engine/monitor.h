/* A container while it lives, as its monitor holds it. What the files of engine/ share about it. */
#pragma once

#include "hub.h"
#include "internal.h"

#include "helpers.h"

#include <netctr/bridge.h>

struct hosts_watch;

/* One network that the container is on, or is about to be. */
struct attachment {
    struct connect_request wanted;
    struct network network;
    struct endpoint endpoint;
    uint32_t metric; /* of its default route; no two have the same */
    bool attached;
    bool served; /* its names come from the server, not from /etc/hosts */
};

/* Published ports that were asked for together: their sockets, and who serves these. */
struct port_binding {
    struct port_mappings port_mappings;
    struct bound_ports held; /* points into publishes */
    struct proxy *proxy;
    struct monitor *living;
    bool routed;  /* the container's own ports are open: no socket is held */
    bool crowded; /* which is in the container's log */
    struct port_binding *next;
};

struct monitor {
    struct engine *engine;
    struct run_request *request;
    struct container container;
    struct net *net;
    struct attachment *attachments;
    size_t attachment_count;
    struct port_binding *bindings;
    struct port_mappings waiting; /* ports that none of the networks can carry */
    struct hub *hub;              /* what the monitor watches for us */
    struct hosts_watch *hosts;
    char *resolv;             /* what was written to /etc/resolv.conf */
    int control;              /* socket, or -1 */
    int flows;                /* timer, or -1 */
    struct helpers_seed seed; /* what the helpers are to get, should there be none yet */
    int seed_timer;           /* when they are started, or -1 */
    bool begun;               /* and whoever asked for it knows */
    bool unhelped;            /* that helpers cannot be started has been told */
    bool unsaved;             /* the definition could not follow the last change */
    int born;                 /* BORN_…: what new links of the namespace are */
    int netns; /* kept until the endpoints are detached: a namespace that dies holds RTNL for
                        milliseconds, and whatever we ask of the kernel meanwhile waits for it */
};

/* living.c */
struct monitor monitor_new(struct engine *engine, struct run_request *request);
/** Closes what it holds; undoes nothing. */
void monitor_clear(struct monitor *m);
/** The container's, which has taken over what was asked for once the name is claimed. */
struct spec *monitor_spec(struct monitor *m);

/* join.c */
/** Opens the network namespace that it shares with another, if it does. */
int join_network(struct monitor *m, struct err *e);

/* plugs.c */
/** Parses what --network asked for and loads the networks' definitions. */
int attachments_prepare(struct monitor *m, struct err *e);
/** The plug that the default route leads through and that new ports are published on; NULL: none. */
struct attachment *attachments_gateway(struct monitor *m);
/** The plug that ports are published on: the way out, but for the moment in which they move there. */
struct attachment *attachments_publisher(struct monitor *m);
/** Refuses what the network cannot give, and names the interface. */
int attachment_check(struct monitor *m, struct attachment *p, struct err *e);
/** Only the latter: gives it the next free name, or refuses the one that was asked for. */
int attachment_name_interface(struct monitor *m, struct attachment *p, struct err *e);
/** Is one of the networks to have IPv6? */
bool attachments_ipv6(const struct monitor *m);
/** Gives a plug that comes to others its metric. Who was the way out before it has to stand back. */
int attachment_rank(struct monitor *m, struct attachment *p, struct rt *inside, struct err *e);
/** Adds an empty one to the list; the pointers of before are void. */
struct attachment *attachments_add(struct monitor *m);
void attachments_remove(struct monitor *m, struct attachment *p);
void attachments_clear(struct monitor *m);

/* plug.c */
/** Attaches one. @inside is a socket in the container's namespace; @publishes (may be NULL) are its ports. */
int attachment_connect(struct monitor *m, struct attachment *p, struct rt *inside,
                       const struct port_mappings *port_mappings, struct err *e);

/* plug_ports.c */
/** Opens the ports of a container that starts. Of one that has run before, those that its networks cannot carry
 *  wait. */
int ports_open(struct monitor *m, struct err *e);
/** The network of @p is about to be connected. If it becomes the way out, it must be able to carry what is
 *  published; what it adds to that is opened (*@fresh, else NULL). */
int ports_prepare(struct monitor *m, struct attachment *p, struct port_binding **fresh,
                  struct err *e);
/** Moves the ports, with *@fresh, to the way out, which is connected by now; *@fresh becomes NULL. On failure
 *  ports_settle() takes them back. */
int ports_move(struct monitor *m, struct port_binding **fresh, struct err *e);
/** Publishes what the way out can carry, if there is one; the rest waits. No rules lead to a network that has been
 *  left. Goes on after a failure, whose ports wait, and returns the first. */
int ports_settle(struct monitor *m, struct err *e);
/** Takes the ports of @list out of @h, and their sockets. True if there were any; then it is served no more. */
bool binding_shed(struct monitor *m, struct port_binding *h, const struct port_mappings *list);
/** Publishes the ports of @h on @p. */
int binding_publish(struct monitor *m, struct port_binding *h, struct attachment *p, struct err *e);
/** Withdraws ports from where they are published. The sockets stay. */
int ports_withdraw(struct monitor *m, const struct port_mappings *ended, struct err *e);
void port_mappings_append(struct port_mappings *m, const struct port_mapping *p);
/** As it was asked for: without a host port that nobody asked for. Caller frees. */
char *port_mapping_asked_word(const struct port_mapping *p);
/** Emits "publish" or "unpublish". */
void ports_event(struct monitor *m, const char *what, const struct port_mappings *ports);

/* names.c */
/** Writes down its names on a network that it has been attached to. */
int attachment_name(struct monitor *m, struct attachment *p, struct err *e);
/** The opposite. */
int attachment_unname(struct monitor *m, struct attachment *p, struct err *e);
/** Begins to keep the names of networks that no server tells up to date in /etc/hosts. Idempotent. */
int watch_names(struct monitor *m, struct err *e);
void unwatch_names(struct monitor *m);

/* files.c */
/** /etc/hosts, /etc/resolv.conf and /etc/hostname of a container that is about to run. */
int write_files(struct monitor *m, struct err *e);
/** The same after a change: what the program has written there stays. */
int rewrite_files(struct monitor *m, struct err *e);
/** Only our part of /etc/hosts. */
int refresh_hosts(struct monitor *m, struct err *e);

/* flows.c */
/** The ports of @ep have just been published: looks for stale flows once more in a second. */
int flows_look_again(struct monitor *m, const struct endpoint *ep, struct err *e);
void flows_unwatch(struct monitor *m);

/* holding.c */
/** Binds the ports of @list (taken over) and keeps them in @m; *@out may be NULL. */
int binding_open(struct monitor *m, struct port_mappings *list, struct port_binding **out,
                 struct err *e);
/** Can a network with a way in carry these ports? */
int binding_check(const struct port_mappings *list, const struct network *n, struct err *e);
/** Begins to serve the sockets: [::1] leads to the endpoint @ep. */
int binding_serve(struct monitor *m, struct port_binding *h, const struct endpoint *ep,
                  struct err *e);
/** The opposite: the sockets stay. */
void binding_stop(struct monitor *m, struct port_binding *h);
void binding_close(struct monitor *m, struct port_binding *h);
/** Adds a text for each of its ports and each family that the port is open in. */
void binding_describe(struct monitor *m, const struct port_binding *h, strv *out);
/** spec.published, what `ps` and `port` tell, and spec.unpublished. */
void bindings_describe(struct monitor *m);

/* seed.c */
/** Its program runs: sees to it that there are helpers. */
int seed_watch(struct monitor *m, struct err *e);
void seed_unwatch(struct monitor *m);

/* change.c */
/** Serves a request of the control socket: a control_handler for a struct monitor. */
int change_network(void *monitor, const char *what, char *const *words, json_t **answer,
                   struct err *e);
