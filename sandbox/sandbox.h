/* What the files of sandbox/ share. Private. */
#pragma once

#include <netctr/sandbox.h>

struct sandboxes {
    int run_fd;      /* the caller's */
    struct net *net; /* the caller's; NULL: hooks.net opens it */
    int names;       /* RUN/dns; -1: not opened yet */
    int dir;         /* RUN/sandboxes; likewise */
    struct sandbox_hooks hooks;
    struct pins *pins; /* NULL: not opened yet */
    /* Of sandboxes_open(). */
    struct net *own_net;
    int own_root, own_run;
};

/* A network that the sandbox is on, or is being connected to. */
struct attachment {
    struct connect_request wanted;
    struct network network;
    struct endpoint endpoint;
    uint32_t metric;    /* of its default route; unique */
    bool any_interface; /* the name of the interface was not asked for */
    bool attached;
    bool unannounced; /* its neighbours do not know it yet */
    bool served;      /* names come from the DNS server, not from /etc/hosts */
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
    char *member, *member_name; /* the container that uses it; with another id it is … */
    bool guest;                 /* … a guest, which owns no endpoint, port or name */
    /* Its strings and pointers are the caller's. Of id, name and member, the copies above are used. */
    struct sandbox_request request;
    /* Of the user namespace that owns the namespace; empty: this process's own. */
    struct id_map ids;
    int owner; /* that user namespace, if this process has made it; -1: not yet */
    struct userns_process *maker; /* makes the network namespace in it, meanwhile; NULL: none */
    uint64_t told; /* the inode number of the one that sandbox_owner() told; 0: none */
    enum sandbox_life life;
    char *path;      /* of a foreign namespace */
    int change;      /* the lock of those without a monitor; -1: none */
    struct net *net; /* the context's; NULL until a network is used */
    struct attachment *attachments;
    size_t attachment_count;
    struct port_binding *bindings;
    struct port_mappings waiting; /* no network of the sandbox can publish them */
    struct hosts_watch *hosts;
    unsigned hosts_delay_ms; /* before it begins to watch */
    char *resolv;            /* the text that was written to /etc/resolv.conf */
    loop_timer flows;
    uint16_t names_port;    /* of the name server, as far as is known */
    int born;               /* BORN_…: properties of new links in the namespace */
    int dir;                /* RUN/sandboxes/ID; -1: none */
    int lock;               /* held shared; -1: none */
    bool joined;            /* it lived before this process came */
    int pinned_lock;        /* held shared, of the pinned sandbox that it uses; -1: none */
    int shared_records;     /* of a namespace without a sandbox, its endpoints' records; -1: none */
    struct rt *inside;      /* a socket in the namespace, while it is being made */
    struct sysctls sysctls; /* what its sysctls were written by; closed when no command waits */
    loop_timer later;
    int netns; /* kept until the endpoints are detached: a namespace that dies holds RTNL for milliseconds, and whatever
                  we ask of the kernel meanwhile waits for it */
};

/* ---- context.c -------------------------------------------------------------------------------*/

/** The network half; *@out stays the context's. */
int sandboxes_net(struct sandboxes *s, struct net **out, struct err *e);
/** RUN/sandboxes, which stays the context's; made if @make. -ENOENT: there is none. */
int sandboxes_dir(struct sandboxes *s, bool make, struct err *e);
/** Takes the instance lock RUN/lock. Returns an fd. */
int sandboxes_lock(struct sandboxes *s, struct err *e);
/** The name server's port at this moment; 0: none. */
uint16_t sandboxes_names_port(struct sandboxes *s);
void sandboxes_event(struct sandboxes *s, const struct sandbox_event *event);
/** A line for the log of the sandbox's owner. */
void sandbox_note(struct sandbox *sb, const char *text);
/** The instance lock, as patiently as the owner wants. */
int sandbox_lock(struct sandbox *sb, struct err *e);

/* ---- lock.c ----------------------------------------------------------------------------------*/

/** The lock file of a sandbox's directory, not locked; -errno. */
int life_open(int dir, bool make);
/** Takes it shared (F_RDLCK) or exclusively (F_WRLCK). -EWOULDBLOCK: others hold it; then what was held before stays. */
int life_take(int fd, short type);
/** What others hold: F_UNLCK, F_RDLCK or F_WRLCK; -errno. */
int life_of(int fd);

/* ---- owner.c ---------------------------------------------------------------------------------*/

/** The user namespace that is to own the namespace, made if need be; stays the sandbox's. -1: this process's own. */
int owner_make(struct sandbox *sb, int *out, struct err *e);
/** The network namespace that was made along with the owner, or a new one: sb->netns and sb->inside. */
int owner_netns(struct sandbox *sb, bool ipv6, struct err *e);
/** Is the owner of the namespace that it has joined the one that sandbox_owner() told? -ESTALE with a text. */
int owner_require(const struct sandbox *sb, struct err *e);

/* ---- record.c --------------------------------------------------------------------------------*/

/** Writes sandbox.json. */
int record_save(const struct sandbox *sb, uint64_t cookie, struct err *e);
/** Reads it: name, life, cookie, inode and versions of @out, whose other members stay. -EBADMSG: damaged. */
int record_read(int dir, const char *id, struct sandbox_record *out, struct err *e);
/** Notes that a sandbox without a monitor is to be destroyed. */
int record_note_end(const struct sandbox_record *r, struct err *e);
/** The sandbox has another name from now on, in its record. */
int record_rename(int dir, const char *name, struct err *e);
/** A process that keeps a sandbox alive. */
struct member {
    char *id, *name;
    pid_t monitor;
    uint64_t start;
    int netns; /* the number of its fd of the namespace */
    bool net_admin;
};
void member_clear(struct member *m);
#define _cleanup_member_ __attribute__((cleanup(member_clear)))
int member_save(const struct sandbox *sb, struct err *e);
/** The same of its member @id, if that is one. */
int member_rename(int dir, const char *id, const char *name, struct err *e);
int member_remove(int dir, const char *id, struct err *e);
/** Calls @each for every readable member until it returns another number than 0, and returns that. */
int members_each(int dir, int (*each)(const struct member *m, void *arg), void *arg);
/** The namespace of the sandbox in @dir from one of its members, an fd; -ESRCH: none of them has it. @cookie 0: any. */
int members_netns(int dir, uint64_t cookie);

/* ---- apart.c ---------------------------------------------------------------------------------*/

/** The pins of the instance; *@out stays the context's. */
int sandboxes_pins(struct sandboxes *s, struct pins **out, struct err *e);
/** The namespace of a sandbox without a monitor, an fd. -ESRCH, without a text: it is gone. */
int apart_open_netns(struct sandboxes *s, const struct sandbox_record *r, struct err *e);
/** Finds out whether a sandbox without a monitor lives: r->state, which says what its lock tells. */
void apart_look(struct sandboxes *s, struct sandbox_record *r);
/** -ENOENT, with its text. */
int apart_no_such(const char *id, struct err *e);
/** The lock that a process holds while it changes the sandbox; an fd or -errno. Without @wait -EWOULDBLOCK. */
int apart_lock_changes(int dir, bool wait);
/** Around connecting and disconnecting; does nothing if it has a monitor. */
int apart_note_pending(const struct sandbox *sb, const char *network, struct err *e);
void apart_forget_pending(const struct sandbox *sb, const char *network);
bool apart_has_pending(const struct sandbox_record *r);
/** Disconnects what a killed process was connecting or disconnecting. With the lock for changes held. */
int apart_settle(struct sandboxes *s, const struct sandbox_record *r, struct err *e);

/* ---- destroy.c -------------------------------------------------------------------------------*/

/** Removes one, dead or alive. @locked: the caller has the instance lock. */
int apart_remove(struct sandboxes *s, const char *id, bool locked, struct err *e);
/** Removes pins that no sandbox has. With the instance lock held. */
int apart_sweep_pins(struct sandboxes *s, const struct gc *gc, struct err *e);

/* ---- take_down.c -----------------------------------------------------------------------------*/

/** How a sandbox is taken down, or left. */
struct ending {
    struct sandboxes *all;
    const char *id, *name;
    int dir;         /* of the records */
    size_t expected; /* how many endpoints there should be; fewer: records are missing */
    bool aside;      /* links that carry no more packets are left to links_retire() */
    bool locked;     /* the caller has the instance lock */
};
/** Undoes everything but the directory. @ending->dir may be -1: it is gone. */
int take_down(const struct ending *x, struct err *e);
/** Removes the directory. */
int remove_sandbox(struct sandboxes *s, const char *id, struct err *e);
/** What belongs to @member alone: with the instance lock held. */
int withdraw_member(const struct ending *x, const char *member, struct err *e);

/** The endpoints in the directory @path beneath @dirfd that belong to sandbox @id. -EBADMSG: some are damaged, or of another one; @out has the rest. */
int endpoints_of(int dirfd, const char *path, const char *id, struct endpoint_list *out);

/* ---- claims.c --------------------------------------------------------------------------------*/

/** Does no sandbox publish @wanted, or a port that collides with it? -EADDRINUSE with a text. A dead one without a monitor
 *  is removed. Reads all of them. */
int sandboxes_require_free(struct sandboxes *s, const struct port_mapping *wanted, struct err *e);
/** Does no sandbox without a monitor publish a port that collides with one of @wanted? -EADDRINUSE with a text. Reads only
 *  the records of those who claim such a port. The caller has bound @wanted. @apart: a dead one is removed. */
int claims_require_none(struct sandboxes *s, const struct port_mappings *wanted, bool apart,
                        struct err *e);

/* ---- port_claims.c ---------------------------------------------------------------------------*/

#define PORT_CLAIMS ".ports"
/** The directory below it of those who claim a port; caller frees. */
char *claims_word(const struct port_mapping *p);
/** @sb, which has no monitor, is about to publish @p, whose sockets are bound. */
int claims_add(struct sandbox *sb, const struct port_mapping *p, struct err *e);
/** Accepts "already gone". @dir: of the sandbox. */
int claims_remove_all(struct sandboxes *s, int dir, const char *id, struct err *e);

/* ---- ports.c ---------------------------------------------------------------------------------*/

void port_mappings_append(struct port_mappings *l, const struct port_mapping *p);
/** As it was asked for: an ephemeral host port is chosen again the next time. */
struct port_mapping port_mapping_as_asked(const struct port_mapping *p);
/** -EADDRINUSE, with its text. */
int port_mapping_in_use(const struct port_mapping *p, struct err *e);
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

/* ---- take_over.c -----------------------------------------------------------------------------*/

/** The owner of a sandbox that lives starts again: keeps the endpoints that it asks for, attaches others, and publishes
 *  its ports. */
int take_over(struct sandbox *sb, struct err *e);

/* ---- rename.c --------------------------------------------------------------------------------*/

/** Of a sandbox that it has joined: gives it the name of @sb, if it has another one. */
int rename_later(struct sandbox *sb, struct err *e);

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

/* ---- later.c ---------------------------------------------------------------------------------*/

/** Soon, or at once without a loop. */
void later_begin(struct sandbox *sb);
/** Announces @p, which has been attached. */
void later_announce(struct sandbox *sb, struct attachment *p);
/** Drops what is still to be done. */
void later_cancel(struct sandbox *sb);

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
/** Closes the sockets of a sandbox without a monitor. Its ports stay published. */
void bindings_let_go(struct sandbox *sb);
void bindings_close(struct sandbox *sb);
/** Adds a text for each port and each address family in which it is open. */
void binding_describe(struct sandbox *sb, const struct port_binding *h, strv *out);
