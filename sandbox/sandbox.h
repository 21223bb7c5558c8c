/* What the files of sandbox/ share. Private. */
#pragma once

#include <netctr/sandbox.h>

struct sandboxes {
    int run_fd;      /* the caller's */
    struct net *net; /* the caller's; NULL: hooks.net opens it */
    int names;       /* RUN/dns; -1: not opened yet */
    struct sandbox_hooks hooks;
};

/* A network that the sandbox is on, or is being connected to. */
struct attachment {
    struct connect_request wanted;
    struct network network;
    struct endpoint endpoint;
    uint32_t metric; /* of its default route; unique */
    bool attached;
    bool served; /* names come from the DNS server, not from /etc/hosts */
};

struct proxy;
struct hosts_watch;

/* Ports that were published together: their sockets, and the proxy that serves these. */
struct port_binding {
    struct port_mappings port_mappings;
    struct bound_ports held; /* points into port_mappings */
    struct proxy *proxy;
    struct sandbox *sandbox;
    bool routed;  /* the container's own ports are open, so no sockets are held */
    bool crowded; /* the log already says that the proxy refuses connections */
    struct port_binding *next;
};

struct sandbox {
    struct sandboxes *all;
    char *id, *name;
    struct loop *loop; /* the caller's; NULL: nothing is served */
    struct sandbox_owner owner;
    const struct sandbox_files *files; /* the caller's; NULL: there are none */
    struct net *net;                   /* the context's; NULL until a network is used */
    struct attachment *attachments;
    size_t attachment_count;
    struct port_binding *bindings;
    struct port_mappings waiting; /* not published: none of its networks can do it */
    struct hosts_watch *hosts;
    unsigned hosts_delay_ms; /* before it begins to watch */
    char *resolv;            /* the text that was written to /etc/resolv.conf */
    loop_timer flows;
    uint16_t names_port; /* of the name server, as far as is known */
    int born;            /* BORN_…: properties of new links in the namespace */
    int record_dir;      /* the caller's */
    int shared_records;  /* of the sandbox whose namespace it shares; -1: none */
    struct rt *inside;   /* a socket in the namespace, while it is being made */
    int netns; /* kept until the endpoints are detached: a namespace that dies holds RTNL for milliseconds, and whatever
                  we ask of the kernel meanwhile waits for it */
    struct link *links; /* the host ends, between sandbox_note_links() and sandbox_close() */
    size_t link_count;
};

/* ---- registry.c ------------------------------------------------------------------------------*/

/** The network half; *@out stays the context's. */
int sandboxes_net(struct sandboxes *s, struct net **out, struct err *e);
/** Takes the instance lock RUN/lock. Returns an fd. */
int sandboxes_lock(struct sandboxes *s, struct err *e);
/** The name server's port at this moment; 0: none. */
uint16_t sandboxes_names_port(struct sandboxes *s);
void sandboxes_event(struct sandboxes *s, const struct sandbox_event *event);
/** A line for the log of the sandbox's owner. */
void sandbox_note(struct sandbox *sb, const char *text);

/* ---- ports.c ---------------------------------------------------------------------------------*/

void port_mappings_append(struct port_mappings *l, const struct port_mapping *p);
/** As it was asked for: an ephemeral host port is chosen again the next time. */
struct port_mapping port_mapping_as_asked(const struct port_mapping *p);
/** The same as a word; caller frees. */
char *port_mapping_asked_word(const struct port_mapping *p);

/* ---- attachments.c ---------------------------------------------------------------------------*/

/** The attachment that has the default route, where new ports are published; NULL: none. */
struct attachment *attachments_gateway(struct sandbox *sb);
/** The attachment where ports are published: the gateway's, except while they move there. */
struct attachment *attachments_publisher(struct sandbox *sb);
/** Refuses what the network cannot provide, and chooses the name of the interface. */
int attachment_check(struct sandbox *sb, struct attachment *p, struct err *e);
/** Only chooses the name of the interface: the next free one, or refuses the one that was asked for. */
int attachment_name_interface(struct sandbox *sb, struct attachment *p, struct err *e);
/** Does any of the networks have IPv6? */
bool attachments_ipv6(const struct sandbox *sb);
/** Chooses the metric of a new attachment. If it becomes the gateway, the default route of the previous one gets a higher
 *  metric. */
int attachment_rank(struct sandbox *sb, struct attachment *p, struct rt *inside, struct err *e);
/** Adds an empty one to the list; previous pointers into the list are invalid then. */
struct attachment *attachments_add(struct sandbox *sb);
void attachments_remove(struct sandbox *sb, struct attachment *p);
void attachments_clear(struct sandbox *sb);

/* ---- attach.c --------------------------------------------------------------------------------*/

/** Attaches one. @inside is a socket in the namespace; @port_mappings (may be NULL) are published on it. */
int attachment_connect(struct sandbox *sb, struct attachment *p, struct rt *inside,
                       const struct port_mappings *port_mappings, struct err *e);

/* ---- attachment_ports.c ----------------------------------------------------------------------*/

/** Before @p is connected: if it becomes the gateway, checks that it can carry the published ports, and binds ports that
 *  waited for a network like it (*@fresh, else NULL). */
int ports_prepare(struct sandbox *sb, struct attachment *p, struct port_binding **fresh,
                  struct err *e);
/** After it is connected: moves the ports and *@fresh to the gateway; *@fresh becomes NULL. On failure ports_settle() moves
 *  them back. */
int ports_move(struct sandbox *sb, struct port_binding **fresh, struct err *e);
/** Publishes what the gateway can carry; the other ports wait, as do those that fail. Removes the rules of networks that the
 *  sandbox has left. Goes on after a failure and returns the first. */
int ports_settle(struct sandbox *sb, struct err *e);
/** Closes and removes the ports of @list from @h. True if there were any; then @h is not served any more. */
bool binding_shed(struct port_binding *h, const struct port_mappings *list);
/** Publishes the ports of @h on @p. */
int binding_publish(struct sandbox *sb, struct port_binding *h, struct attachment *p,
                    struct err *e);
/** Removes the rules of ports. The sockets stay bound. */
int ports_withdraw(struct sandbox *sb, const struct port_mappings *ended, struct err *e);
/** Emits "publish" or "unpublish". */
void ports_event(struct sandbox *sb, const char *what, const struct port_mappings *ports);

/* ---- names.c ---------------------------------------------------------------------------------*/

/** Adds the names of the sandbox on a network that it has been attached to. */
int attachment_name(struct sandbox *sb, struct attachment *p, struct err *e);
/** Removes them. */
int attachment_unname(struct sandbox *sb, struct attachment *p, struct err *e);
/** Keeps /etc/hosts up to date with the names on networks without a DNS server. Idempotent. */
void watch_names(struct sandbox *sb);
void unwatch_names(struct sandbox *sb);

/* ---- etc_files.c -----------------------------------------------------------------------------*/

/** Only netctr's part of /etc/hosts. */
int refresh_hosts(struct sandbox *sb, struct err *e);

/* ---- flows.c ---------------------------------------------------------------------------------*/

/** The ports of @ep have just been published: deletes stale conntrack entries once more in a second. */
void flows_look_again(struct sandbox *sb, const struct endpoint *ep);
void flows_unwatch(struct sandbox *sb);

/* ---- bindings.c ------------------------------------------------------------------------------*/

/** Binds the ports of @list, takes the list over, and adds it to @sb; *@out may be NULL. */
int binding_open(struct sandbox *sb, struct port_mappings *list, struct port_binding **out,
                 struct err *e);
/** Can network @n carry these ports? */
int binding_check(const struct port_mappings *list, const struct network *n, struct err *e);
/** Serves the sockets: forwards connections to [::1] to the endpoint @ep. Nothing without a loop. */
int binding_serve(struct sandbox *sb, struct port_binding *h, const struct endpoint *ep,
                  struct err *e);
/** Stops serving; the sockets stay bound. */
void binding_stop(struct port_binding *h);
void binding_close(struct sandbox *sb, struct port_binding *h);
/** Adds a text for each port and each address family in which it is open. */
void binding_describe(struct sandbox *sb, const struct port_binding *h, strv *out);
