/* Labs: a topology that runs. A node is a pinned sandbox and, unless it is a switch, a container in it; a link is a veth
 * born in place at both ends. Links and addresses live as long as the sandbox: a program may end and start again.
 *
 *     ROOT/labs/NAME/    lab.json (what belongs to the lab, written before it is made), topology.yml (a copy of the file),
 *                        host (the tree of `image: host`), lock
 *
 * The lock is held by a process that changes the lab. A lab that was being brought up and whose lock is free was killed:
 * lab_down() and lab_gc() remove it. Functions return 0 or a negative errno with a text in @e.
 */
#pragma once

#include <netctr/engine.h>
#include <netctr/topology.h>

enum lab_state {
    LAB_STARTS, /**< it is being brought up, or that was killed */
    LAB_UP,
    LAB_ENDS,    /**< likewise, taken down */
    LAB_CHANGES, /**< likewise, changed: lab_apply() goes on */
};
/** A node of a lab that exists. */
struct lab_member {
    char *name;      /**< as in the file */
    char *long_name; /**< of its container, "clab-LAB-NODE" */
    char *sandbox;   /**< id; NULL: it uses the network of the host or of another container */
    enum lab_kind kind;
};
/** What was changed at an end of a link since the lab came up. */
struct lab_change {
    char *end;     /**< lab_end_text() */
    bool impaired; /**< @impairment counts instead of the file's */
    struct lab_impairment impairment;
    bool down;
    strv routes; /**< lines of ip(8) that bring back the routes that went with the interface */
};
struct lab {
    char *name, *id;
    char *file; /**< absolute path of the topology file */
    enum lab_state state;
    int64_t created;   /**< seconds since the epoch */
    struct id_map ids; /**< of all nodes; empty: the host's */
    struct lab_member *members;
    size_t member_count;
    struct lab_change *changes;
    size_t change_count;
    strv networks;   /**< that it has made */
    strv host_links; /**< interfaces of the host that it has made */
    char *mgmt;      /**< the management network; NULL: none. It is shared with other labs */
    bool damaged;    /**< its record cannot be read */
    int dir;         /**< ROOT/labs/NAME */
    int lock;        /**< -1: not held by this process */
};
void lab_clear(struct lab *l);
#define _cleanup_lab_ __attribute__((cleanup(lab_clear)))

/** Finds a lab by name. -ENOENT with a text. The caller clears @out, also after a failure. */
int lab_find(struct engine *engine, const char *name, struct lab *out, struct err *e);
/** Calls @each for every lab, sorted by name; a negative result ends the walk. */
int lab_each(struct engine *engine, int (*each)(struct lab *l, void *arg), void *arg,
             struct err *e);
/** Its topology, from the copy of the file. The caller owns *@out. */
int lab_topology(const struct lab *l, struct topology **out, struct err *e);
/** The member with this name or long name; NULL: none. */
const struct lab_member *lab_member(const struct lab *l, const char *name);
/** A node's container, also if it was renamed. -ENOENT with a text. */
int lab_container(struct engine *engine, const struct lab_member *m, struct record *out,
                  struct err *e);
/** Does its sandbox live? Not after a reboot. */
bool lab_lives(struct engine *engine, const struct lab *l);
/** What happens while a lab comes up or goes down. */
struct lab_news {
    const char *node; /**< NULL: the lab */
    const char *what; /**< "links", "started", "ready", "healthy", "failed", "removed" */
    int64_t ms;       /**< since the command began */
    strv notes;       /**< lines for people: exec lines that failed, with exit status and output */
};
struct lab_options {
    char *const *images;   /**< "NAME=DIR" or "NAME=host", NAME a pattern as in fnmatch(3); NULL */
    const char *image_dir; /**< root directories by the name of the image; NULL */
    const char *text;      /**< of the topology file, to be kept */
    size_t text_size;
    bool strict; /**< an exec line that fails is an error */
    void (*tell)(const struct lab_news *news, void *arg); /**< may be NULL */
    void *arg;
};
/** Brings a lab up, or takes one up again that a reboot has ended. After a failure nothing of it is left, unless it existed
 *  before. -EEXIST: it runs already. */
int lab_up(struct engine *engine, const struct topology *t, const struct lab_options *o,
           struct err *e);
/** Makes a lab what @t says: nodes and links come and go, others change in place without harm to their neighbours. What has
 *  changed in the lab itself is mended, too. A lab that does not exist is brought up. After a failure it is as before; if not
 *  even that succeeds, or the command is killed, the next lab_apply() goes on. @each gets a line for each change, before the
 *  first is made: "+ node a", "~ link a:eth1 b:eth1: mtu". @dry_run: nothing is made. -EOPNOTSUPP with a text: something
 *  differs that cannot change in a lab that is up. */
int lab_apply(struct engine *engine, const struct topology *t, const struct lab_options *o,
              bool dry_run, void (*each)(const char *line, void *arg), void *arg, struct err *e);
/** Removes a lab and everything of it. Accepts whatever is gone. */
int lab_down(struct engine *engine, const char *name, const struct lab_options *o, struct err *e);
/** Restarts the programs of these nodes (NULL: all); their networks stay. @seconds as for engine_stop(). A relay that has
 *  died is started again. */
int lab_restart(struct engine *engine, const struct lab *l, char *const *nodes, uint64_t seconds,
                struct err *e);
/** Removes labs whose `up` or `down` was killed. */
int lab_gc(struct engine *engine, const struct gc *gc, struct err *e);

/** Links of a lab that runs. @link: "NODE:INTERFACE", what that interface sends, or "NODE:INTERFACE,NODE:INTERFACE", both
 *  ends of a link. */
/** Changes impairments. @settings: "KEY=VALUE", or "none". */
int lab_impair(struct engine *engine, const char *lab, const char *link, char *const *settings,
               struct err *e);
/** Brings interfaces up or down. Addresses stay, static routes come back with the interface. */
int lab_link_switch(struct engine *engine, const char *lab, const char *link, bool up,
                    struct err *e);
/** All links with the state and the impairments of both ends, and how these are applied; the caller owns *@out. @relay (may
 *  be NULL): the relay, if a link needs one; else NULL. */
int lab_links(struct engine *engine, const struct lab *l, json_t **out, json_t **relay,
              struct err *e);
/** The process of a relay of @lab, with its listening socket as descriptor 3. @root and @run are the engine's. */
int lab_relay(const char *root, const char *run, const char *lab, struct err *e);

/** An address of a node as the kernel has it now. */
struct lab_interface {
    char *name;
    uint8_t mac[6];
    unsigned mtu;
    bool up, carrier;
    bool mgmt; /**< on the management network */
    struct lab_address *addresses;
    size_t address_count;
};
struct lab_interfaces {
    struct lab_interface *items;
    size_t count;
};
void lab_interfaces_clear(struct lab_interfaces *l);
#define _cleanup_lab_interfaces_ __attribute__((cleanup(lab_interfaces_clear)))
/** The interfaces of a node but lo, in the order of their indexes. -ESRCH with a text: its sandbox is gone. */
int lab_interfaces(struct engine *engine, const struct lab *l, const struct lab_member *m,
                   struct lab_interfaces *out, struct err *e);
/** The network namespace of a node: an fd, the caller's. */
int lab_netns(struct engine *engine, const struct lab_member *m, struct err *e);
/** Its topology with the addresses, MTUs and static routes of this moment, in the form of a topology file; the caller owns
 *  *@out, also after a failure. Stages, health checks and tests with conditions are not in it. */
int lab_save_live(struct engine *engine, const struct lab *l, json_t **out, struct err *e);
/** Everything of a lab, with addresses; caller owns *@out. */
int lab_inspect(struct engine *engine, const struct lab *l, json_t **out, struct err *e);
