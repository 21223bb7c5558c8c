/* A running container as its monitor holds it, shared by the files of engine/ that make up the monitor. */
#pragma once

#include "internal.h"

#include "helpers.h"

#include <netctr/bridge.h>

struct hosts_watch;

/* A network that the container is on, or is being connected to. */
struct attachment {
    struct connect_request wanted;
    struct network network;
    struct endpoint endpoint;
    uint32_t metric; /* of its default route; unique */
    bool attached;
    bool served; /* names come from the DNS server, not from /etc/hosts */
};

/* Ports that were published together: their sockets, and the proxy that serves these. */
struct port_binding {
    struct port_mappings port_mappings;
    struct bound_ports held; /* points into port_mappings */
    struct proxy *proxy;
    struct monitor *living;
    bool routed;  /* the container's own ports are open, so no sockets are held */
    bool crowded; /* the log already says that the proxy refuses connections */
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
    struct port_mappings waiting; /* not published: none of its networks can do it */
    struct loop *loop;            /* everything that the monitor waits for */
    struct hosts_watch *hosts;
    char *resolv; /* the text that was written to /etc/resolv.conf */
    int control;  /* socket, or -1 */
    loop_timer flows;
    struct helpers_seed seed; /* descriptors for the helpers, if they have to be started */
    loop_timer seed_timer;    /* starts them */
    bool begun;               /* the program runs, and the caller knows it */
    bool unhelped;            /* the log already says that helpers cannot be started */
    bool unsaved;             /* the last change could not be saved in the definition */
    int born;                 /* BORN_…: properties of new links in the namespace */
    int netns; /* kept until the endpoints are detached: a namespace that dies holds RTNL for
                        milliseconds, and whatever we ask of the kernel meanwhile waits for it */
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

/* join.c */
/** Opens the network namespace that the container shares with another one, if it does. */
int join_network(struct monitor *m, struct err *e);

/* attachments.c */
/** Parses spec.networks and loads the definitions. */
int attachments_prepare(struct monitor *m, struct err *e);
/** The attachment that has the default route, where new ports are published; NULL: none. */
struct attachment *attachments_gateway(struct monitor *m);
/** The attachment where ports are published: the gateway's, except while they move there. */
struct attachment *attachments_publisher(struct monitor *m);
/** Refuses what the network cannot provide, and chooses the name of the interface. */
int attachment_check(struct monitor *m, struct attachment *p, struct err *e);
/** Only chooses the name of the interface: the next free one, or refuses the one that was asked for. */
int attachment_name_interface(struct monitor *m, struct attachment *p, struct err *e);
/** Does any of the networks have IPv6? */
bool attachments_ipv6(const struct monitor *m);
/** Chooses the metric of a new attachment. If it becomes the gateway, the default route of the previous one gets a higher
 *  metric. */
int attachment_rank(struct monitor *m, struct attachment *p, struct rt *inside, struct err *e);
/** Adds an empty one to the list; previous pointers into the list are invalid then. */
struct attachment *attachments_add(struct monitor *m);
void attachments_remove(struct monitor *m, struct attachment *p);
void attachments_clear(struct monitor *m);

/* attach.c */
/** Attaches one. @inside is a socket in the container's namespace; @port_mappings (may be NULL) are published on it. */
int attachment_connect(struct monitor *m, struct attachment *p, struct rt *inside,
                       const struct port_mappings *port_mappings, struct err *e);

/* attachment_ports.c */
/** Binds the ports of a container that starts. If it has run before, ports that its networks cannot carry wait. */
int ports_open(struct monitor *m, struct err *e);
/** Before @p is connected: if it becomes the gateway, checks that it can carry the published ports, and binds ports that
 *  waited for a network like it (*@fresh, else NULL). */
int ports_prepare(struct monitor *m, struct attachment *p, struct port_binding **fresh,
                  struct err *e);
/** After it is connected: moves the ports and *@fresh to the gateway; *@fresh becomes NULL. On failure ports_settle() moves
 *  them back. */
int ports_move(struct monitor *m, struct port_binding **fresh, struct err *e);
/** Publishes what the gateway can carry; the other ports wait, as do those that fail. Removes the rules of networks that the
 *  container has left. Goes on after a failure and returns the first. */
int ports_settle(struct monitor *m, struct err *e);
/** Closes and removes the ports of @list from @h. True if there were any; then @h is not served any more. */
bool binding_shed(struct port_binding *h, const struct port_mappings *list);
/** Publishes the ports of @h on @p. */
int binding_publish(struct monitor *m, struct port_binding *h, struct attachment *p, struct err *e);
/** Removes the rules of ports. The sockets stay bound. */
int ports_withdraw(struct monitor *m, const struct port_mappings *ended, struct err *e);
void port_mappings_append(struct port_mappings *m, const struct port_mapping *p);
/** As it was asked for, without an ephemeral host port. Caller frees. */
char *port_mapping_asked_word(const struct port_mapping *p);
/** Emits "publish" or "unpublish". */
void ports_event(struct monitor *m, const char *what, const struct port_mappings *ports);

/* names.c */
/** Adds the names of the container on a network that it has been attached to. */
int attachment_name(struct monitor *m, struct attachment *p, struct err *e);
/** Removes them. */
int attachment_unname(struct monitor *m, struct attachment *p, struct err *e);
/** Keeps /etc/hosts up to date with the names on networks without a DNS server. Idempotent. */
void watch_names(struct monitor *m);
void unwatch_names(struct monitor *m);

/* etc_files.c */
/** Writes /etc/hosts, /etc/resolv.conf and /etc/hostname of a container that is about to run. */
int write_files(struct monitor *m, struct err *e);
/** The same after a change; lines that the program has written stay. */
int rewrite_files(struct monitor *m, struct err *e);
/** Only netctr's part of /etc/hosts. */
int refresh_hosts(struct monitor *m, struct err *e);

/* flows.c */
/** The ports of @ep have just been published: deletes stale conntrack entries once more in a second. */
void flows_look_again(struct monitor *m, const struct endpoint *ep);
void flows_unwatch(struct monitor *m);

/* bindings.c */
/** Binds the ports of @list, takes the list over, and adds it to @m; *@out may be NULL. */
int binding_open(struct monitor *m, struct port_mappings *list, struct port_binding **out,
                 struct err *e);
/** Can network @n carry these ports? */
int binding_check(const struct port_mappings *list, const struct network *n, struct err *e);
/** Serves the sockets: forwards connections to [::1] to the endpoint @ep. */
int binding_serve(struct monitor *m, struct port_binding *h, const struct endpoint *ep,
                  struct err *e);
/** Stops serving; the sockets stay bound. */
void binding_stop(struct port_binding *h);
void binding_close(struct monitor *m, struct port_binding *h);
/** Adds a text for each port and each address family in which it is open. */
void binding_describe(struct monitor *m, const struct port_binding *h, strv *out);
/** Sets spec.published, which `ps` and `port` show, and spec.unpublished. */
void bindings_describe(struct monitor *m);

/* seed.c */
/** The program runs: starts the helpers if there are none. */
int seed_watch(struct monitor *m, struct err *e);
void seed_unwatch(struct monitor *m);

/* change.c */
/** Serves a request of the control socket: a control_handler for a struct monitor. */
int change_network(void *monitor, const char *what, char *const *words, json_t **answer,
                   struct err *e);
