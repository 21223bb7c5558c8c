/* A container while it lives, as its monitor holds it. What the files of life/ share about it. */
#pragma once

#include "attach.h"
#include "hub.h"
#include <netctr/life.h>

#include "helpers.h"

#include <netctr/proxy.h>

struct hosts_watch;

/* One network that the container is on, or is about to be. */
struct plug {
    struct attachment wanted;
    struct network network;
    struct endpoint endpoint;
    uint32_t metric; /* of its default route; no two have the same */
    bool attached;
    bool served; /* its names come from the server, not from /etc/hosts */
};

/* Published ports that were asked for together: their sockets, and who serves these. */
struct holding {
    struct publish_list publishes;
    struct held_ports held; /* points into publishes */
    struct proxy *proxy;
    struct living *living;
    bool routed;  /* the container's own ports are open: no socket is held */
    bool crowded; /* which is in the container's log */
    struct holding *next;
};

struct living {
    struct world *world;
    struct life *life;
    struct container container;
    struct bridge *bridge;
    struct plug *plugs;
    size_t plug_count;
    struct holding *holdings;
    struct publish_list waiting; /* ports that none of the networks can carry */
    struct hub *hub;             /* what the monitor watches for us */
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
struct living living_new(struct world *w, struct life *life);
/** Closes what it holds; undoes nothing. */
void living_clear(struct living *l);
/** The container's, which has taken over what was asked for once the name is claimed. */
struct spec *living_spec(struct living *l);

/* join.c */
/** Opens the network namespace that it shares with another, if it does. */
int join_network(struct living *l, struct err *e);

/* plugs.c */
/** Parses what --network asked for and loads the networks' definitions. */
int plugs_prepare(struct living *l, struct err *e);
/** The plug that the default route leads through and that new ports are published on; NULL: none. */
struct plug *plugs_gateway(struct living *l);
/** The plug that ports are published on: the way out, but for the moment in which they move there. */
struct plug *plugs_publisher(struct living *l);
/** Refuses what the network cannot give, and names the interface. */
int plug_check(struct living *l, struct plug *p, struct err *e);
/** Only the latter: gives it the next free name, or refuses the one that was asked for. */
int plug_name_interface(struct living *l, struct plug *p, struct err *e);
/** Is one of the networks to have IPv6? */
bool plugs_ipv6(const struct living *l);
/** Gives a plug that comes to others its metric. Who was the way out before it has to stand back. */
int plug_rank(struct living *l, struct plug *p, struct rt *inside, struct err *e);
/** Adds an empty one to the list; the pointers of before are void. */
struct plug *plugs_add(struct living *l);
void plugs_remove(struct living *l, struct plug *p);
void plugs_clear(struct living *l);

/* plug.c */
/** Attaches one. @inside is a socket in the container's namespace; @publishes (may be NULL) are its ports. */
int plug_in(struct living *l, struct plug *p, struct rt *inside,
            const struct publish_list *publishes, struct err *e);

/* plug_ports.c */
/** Opens the ports of a container that starts. Of one that has run before, those that its networks cannot carry
 *  wait. */
int ports_open(struct living *l, struct err *e);
/** The network of @p is about to be connected. If it becomes the way out, it must be able to carry what is
 *  published; what it adds to that is opened (*@fresh, else NULL). */
int ports_prepare(struct living *l, struct plug *p, struct holding **fresh, struct err *e);
/** Moves the ports, with *@fresh, to the way out, which is connected by now; *@fresh becomes NULL. On failure
 *  ports_settle() takes them back. */
int ports_move(struct living *l, struct holding **fresh, struct err *e);
/** Publishes what the way out can carry, if there is one; the rest waits. No rules lead to a network that has been
 *  left. Goes on after a failure, whose ports wait, and returns the first. */
int ports_settle(struct living *l, struct err *e);
/** Takes the ports of @list out of @h, and their sockets. True if there were any; then it is served no more. */
bool holding_shed(struct living *l, struct holding *h, const struct publish_list *list);
/** Publishes the ports of @h on @p. */
int holding_publish(struct living *l, struct holding *h, struct plug *p, struct err *e);
/** Withdraws ports from where they are published. The sockets stay. */
int ports_withdraw(struct living *l, const struct publish_list *ended, struct err *e);
void publish_add(struct publish_list *l, const struct publish *p);
/** As it was asked for: without a host port that nobody asked for. Caller frees. */
char *publish_asked_word(const struct publish *p);
/** Emits "publish" or "unpublish". */
void ports_event(struct living *l, const char *what, const struct publish_list *ports);

/* names.c */
/** Writes down its names on a network that it has been attached to. */
int plug_name(struct living *l, struct plug *p, struct err *e);
/** The opposite. */
int plug_unname(struct living *l, struct plug *p, struct err *e);
/** Begins to keep the names of networks that no server tells up to date in /etc/hosts. Idempotent. */
int watch_names(struct living *l, struct err *e);
void unwatch_names(struct living *l);

/* files.c */
/** /etc/hosts, /etc/resolv.conf and /etc/hostname of a container that is about to run. */
int write_files(struct living *l, struct err *e);
/** The same after a change: what the program has written there stays. */
int rewrite_files(struct living *l, struct err *e);
/** Only our part of /etc/hosts. */
int refresh_hosts(struct living *l, struct err *e);

/* flows.c */
/** The ports of @ep have just been published: looks for stale flows once more in a second. */
int flows_look_again(struct living *l, const struct endpoint *ep, struct err *e);
void flows_unwatch(struct living *l);

/* holding.c */
/** Binds the ports of @list (taken over) and keeps them in @l; *@out may be NULL. */
int holding_open(struct living *l, struct publish_list *list, struct holding **out, struct err *e);
/** Can a network with a way in carry these ports? */
int holding_check(const struct publish_list *list, const struct network *n, struct err *e);
/** Begins to serve the sockets: [::1] leads to the endpoint @ep. */
int holding_serve(struct living *l, struct holding *h, const struct endpoint *ep, struct err *e);
/** The opposite: the sockets stay. */
void holding_stop(struct living *l, struct holding *h);
void holding_close(struct living *l, struct holding *h);
/** Adds a text for each of its ports and each family that the port is open in. */
void holding_describe(struct living *l, const struct holding *h, strv *out);
/** spec.published, what `ps` and `port` tell, and spec.unpublished. */
void holdings_describe(struct living *l);

/* seed.c */
/** Its program runs: sees to it that there are helpers. */
int seed_watch(struct living *l, struct err *e);
void seed_unwatch(struct living *l);

/* change.c */
int change_network(void *living, const char *what, char *const *words, char **answer,
                   struct err *e);
