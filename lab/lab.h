/* What the files of lab/ share. Private. From the top down:
 *
 *     up.c, down.c      the transaction
 *     apply.c           the transaction that changes a lab which is up
 *     compare.c, look.c what has to change, by the files and by what runs
 *     rewire.c          links that go or change
 *     steps.c           which step of which node may begin: programs, exec lines, health
 *     node.c            one node's sandbox, its management interface and networks
 *     wire.c            links, and bridges inside nodes
 *     switch.c          one bridge
 *     opened.c          how many namespaces may be open at once
 *     impair.c          what is done to the packets of links: by netem, or by a relay (relay*.c)
 *     links.c           links of a lab that runs: shown, changed
 *     changes.c         what was changed since it came up
 *     program.c         a node's container: image, environment, binds
 *     line.c            an exec line: natively, or by the node's own program
 *     mgmt.c            networks of the file, and the one for management
 *     stop.c            being asked to stop
 *     inspect.c, save.c, routes.c   what a lab is like now
 *     graph*.c (graph.h)            pictures
 *     tester.c, test_run.c, test_choose.c, probe.c   its tests
 *     crew.c            worker processes, because an engine belongs to one process
 *     image.c, host_tree.c   from an image's name to a root directory
 *     record.c, texts.c what is on disk
 */
#pragma once

#include <netctr/iproute.h>
#include <netctr/lab.h>

#include <signal.h>
#include <sys/resource.h>

/* ---- crew.c ----------------------------------------------------------------------------------*/

enum { CREW_NONE_NOW = -1, CREW_NO_MORE = -2 };
/** Jobs that worker processes do, each with an engine of its own. */
struct crew {
    const char *root, *run;
    size_t workers; /**< at most so many at once */
    /** In a worker. @notes gets lines for people. */
    int (*work)(struct engine *engine, size_t job, void *arg, strv *notes, struct err *e);
    /** In the caller: a job that may begin, CREW_NONE_NOW, or CREW_NO_MORE. Not called again after a failure. */
    long (*next)(void *arg);
    void (*done)(size_t job, bool failed, strv notes, void *arg); /**< in the caller; may be NULL */
    void *arg;
};
/** Returns the first failure, once all workers have ended. SIGINT, SIGTERM and SIGHUP are failures (-EINTR). The caller
 *  must be single-threaded. With @go_on, failures do not end it. */
int crew_run(const struct crew *c, bool go_on, struct err *e);
/** For work that keeps the processors busy. */
size_t crew_size(size_t jobs);
/** Blocks the signals that end a command, so that it can undo what it did. crew_run() notices them. */
void lab_block_signals(sigset_t *stopping, sigset_t *before);

/* ---- stop.c ----------------------------------------------------------------------------------*/

/** @fd becomes readable, or its other end closes, when this process shall stop. */
void lab_stop_by(int fd);
bool lab_stopped(void);
/** Waits until @fd (-1: nothing) is readable, for at most @timeout_ms (-1: for ever). -ETIMEDOUT; -EINTR: asked to stop. */
int lab_await(int fd, int timeout_ms);
/** -EINTR with a text: asked to stop. */
int lab_sleep(unsigned ms, struct err *e);
/** From here on, the signals that end a command tell this process to stop. */
void lab_catch_signals(void);
/** They end it again, also if one has come meanwhile. */
void lab_release_signals(void);

/* ---- record.c --------------------------------------------------------------------------------*/

#define LABS "labs" /* in ROOT */
/** Makes ROOT/labs/NAME and takes its lock, or that of a lab which exists. -EBUSY with a text: a process changes it.
 *  @out->damaged: the directory was there without a record; lab_recover() finds what belongs to it. */
int lab_claim(struct engine *engine, const char *name, struct lab *out, bool *existed,
              struct err *e);
int lab_save(const struct lab *l, struct err *e);
/** Removes the directory, with the lock held. */
int lab_forget(struct engine *engine, struct lab *l, struct err *e);
/** Fills in members, ids and names from a topology. */
void lab_plan(struct lab *l, const struct topology *t);
/** What the range of its ids is called; caller frees. */
char *lab_range_id(const struct lab *l);

/* ---- texts.c ---------------------------------------------------------------------------------*/

/** Keeps the text of @t as the topology in force, with the variables that @t used. */
int lab_save_text(const struct lab *l, const struct topology *t, const char *text, size_t size,
                  struct err *e);
/** Is that what is kept, with the same variables? */
bool lab_has_text(const struct lab *l, const struct topology *t, const char *text, size_t size);
/** Keeps the topology that was in force as one that an interrupted change may have left. */
int lab_keep_text(const struct lab *l, struct err *e);
/** All of them and the last, oldest first; the caller owns the vector. */
int lab_read_texts(const struct lab *l, strv *out, struct err *e);
/** Forgets all but the last. */
void lab_drop_texts(const struct lab *l);
/** Reads one of them. The caller owns *@out. */
int lab_parse_text(const struct lab *l, const char *text, struct topology **out, struct err *e);

/* ---- image.c, host_tree.c --------------------------------------------------------------------*/

/** An image's root directory, and what it runs by default. */
struct lab_image {
    char *root;   /**< absolute */
    strv volumes; /**< as `-v` takes them */
    strv cmd;
    bool host;
};
void lab_image_clear(struct lab_image *i);
#define _cleanup_lab_image_ __attribute__((cleanup(lab_image_clear)))
/** Resolves what a node's `image` says. -ENOENT with a text and a hint. */
int lab_image_find(const struct topology *t, const struct lab_node *n, const struct lab_options *o,
                   const char *host_tree, struct lab_image *out, struct err *e);
/** Are --image and --images what they must be? */
int lab_images_check(const struct lab_options *o, struct err *e);
bool lab_uses_host(const struct topology *t, const struct lab_options *o);
/** Copies what nodes may see of the host's tree to @dir/NAME, if it is not there. */
int host_tree_make(int dir, const char *name, struct err *e);
#define HOST_TREE "host"
/** The volumes of the rest. */
void host_tree_volumes(strv *volumes);

/* ---- up.c ------------------------------------------------------------------------------------*/

/** -EEXIST with a text: a container that is not the node's has its name. */
int lab_check_name(struct engine *engine, const struct lab_member *m, struct err *e);
/** Has each node's image a root directory? */
int lab_check_images(const struct topology *t, const struct lab_options *o, struct err *e);
/** Adds the interfaces of the host that the links of @t make. */
void lab_plan_host_links(struct lab *l, const struct topology *t);

/* ---- mgmt.c ----------------------------------------------------------------------------------*/

/** The name of a network of the file on the host; caller frees. */
char *lab_network_name(const struct topology *t, const char *name);
int lab_networks_make(struct engine *engine, const struct topology *t, struct lab *l,
                      struct err *e);
/** The management network, if @t needs it and the lab has none yet. */
int lab_mgmt_make(struct engine *engine, const struct topology *t, struct lab *l, struct err *e);
/** Removes those of the lab, and the management network if no other lab uses it. */
int lab_networks_remove(struct engine *engine, const struct lab *l, struct err *e);

/* ---- node.c ----------------------------------------------------------------------------------*/

/** Has a node of @t a network namespace of its own? */
bool node_has_sandbox(const struct lab_node *n);
/** Makes the sandbox of a node, puts it on its networks and publishes its ports. */
int node_make(struct engine *engine, const struct topology *t, const struct lab *l, size_t node,
              struct err *e);
/** Sysctls of the file that belong to the network namespace, and gateways; after the links. */
int node_settle(struct engine *engine, const struct topology *t, const struct lab *l, size_t node,
                struct err *e);

/* ---- switch.c --------------------------------------------------------------------------------*/

/** The interface of a switch to which all its ports belong. */
#define SWITCH_DEVICE "br0"
/** Makes the bridge of a switch, or of one inside a node, and sets it up. */
int bridge_make(const struct lab *l, const struct lab_node *n, const char *name, int netns,
                struct err *e);

/* ---- opened.c --------------------------------------------------------------------------------*/

/** Things that are open, such as namespaces of nodes. */
struct opened {
    size_t count, most;
    struct rlimit before;
    bool raised;
};
/** Raises this process's limit of descriptors. @each: how many one takes. */
void opened_begin(struct opened *o, unsigned each);
/** May @more be opened, or must those that are open be closed first? */
bool opened_has_room(struct opened *o, size_t more);
/** Puts the limit back. */
void opened_end(struct opened *o);

/* ---- wire.c ----------------------------------------------------------------------------------*/

enum { LINK_MTU = 9500 }; /* containerlab's */
/** Makes the links of @t for which @which (NULL: all) is true. */
int wires_make(struct engine *engine, const struct topology *t, const struct lab *l,
               const bool *which, struct err *e);

/* ---- changes.c -------------------------------------------------------------------------------*/

/** "NODE:INTERFACE", "host:INTERFACE", …; "" for the end of a dummy. Caller frees. */
char *lab_end_text(const struct topology *t, const struct lab_endpoint *end);
/** What is to be done to what it sends: as the file says, or as was changed since. */
struct lab_impairment lab_end_impairment(const struct lab *l, const struct topology *t,
                                         const struct lab_endpoint *end);
/** The changes of an end; @make: adds them, if there are none, instead of returning NULL. */
struct lab_change *lab_change_of(struct lab *l, const char *end, bool make);
void lab_changes_clear(struct lab *l);
json_t *lab_changes_json(const struct lab *l);
int lab_changes_take(struct lab *l, const json_t *j);

/* ---- impair.c --------------------------------------------------------------------------------*/

/** Namespaces of a lab, each opened when it is first needed. */
struct spots;
/** Where an end is, as the kernel has it. */
struct spot {
    int netns;
    struct rt *rt;
    struct link link;
};
struct spots *spots_new(struct engine *engine, const struct topology *t, const struct lab *l);
void spots_free(struct spots *s);
void spots_cleanup(struct spots **s);
#define _cleanup_spots_ __attribute__((cleanup(spots_cleanup)))
/** What @out has is the spots', and may be closed by the next call. -ENODEV with a text: there is no such interface. */
int spot_find(struct spots *s, const struct lab_endpoint *end, struct spot *out, struct err *e);

/** What the alias of a relay's TAP device begins with. It is no interface of the node's own. */
#define LAB_TAP_ALIAS "netctr: waits for the link of "
/** Can what this end of a link sends be impaired? Not that of a dummy, nor of a macvlan's parent. */
bool lab_end_sends(const struct lab_link *link, int end);
/** Impairs what an end sends, and takes away what was done to it before. The lab's lock is held. */
int lab_end_impair(struct spots *s, const struct lab_endpoint *end, const struct lab_impairment *m,
                   struct err *e);
/** Before a link goes: the relay holds descriptors of its interfaces, and would take a new one for the old. */
int lab_relay_forget(struct engine *engine, const struct lab *l, const struct topology *t,
                     const struct lab_link *link, struct err *e);
/** Was the relay started just now? Then it does not know the other ends. */
bool spots_started_relay(const struct spots *s);
/** The same for all ends of a lab. @may_lack: interfaces that are gone are passed over; a node's root can delete them. */
int lab_impair_all(struct engine *engine, const struct topology *t, const struct lab *l,
                   bool may_lack, struct err *e);
/** Starts the relay again if it has died, and hands it the links that it does not have. The lab's lock is not held. -EBUSY
 *  with a text: a command has it, or the lab is half-way. */
int lab_relay_restore(struct engine *engine, const struct lab *l, struct err *e);

/* ---- links.c ---------------------------------------------------------------------------------*/

/** Brings an interface down; its addresses stay, @routes gets lines that bring its routes back. */
int lab_interface_down(int netns, struct rt *rt, const struct link *link, strv *routes,
                       struct err *e);
int lab_interface_up(int netns, struct rt *rt, int index, char *const *routes, struct err *e);

/* ---- program.c -------------------------------------------------------------------------------*/

/** Starts the node's container, which is made first if there is none. */
int program_start(struct engine *engine, const struct topology *t, const struct lab *l, size_t node,
                  const struct lab_options *o, struct err *e);

/* ---- line.c ----------------------------------------------------------------------------------*/

/** Runs an exec line of a node. @native, opened by the first line that needs it, is the caller's. A line that fails adds a
 *  note, and makes the result 1. */
int lab_line(struct engine *engine, const struct lab_member *m, struct iproute **native,
             const struct lab_exec *line, strv *notes, struct err *e);
/** The same by a program of the host, in the directory of the topology file. */
int lab_host_line(const struct topology *t, const struct lab_exec *line, strv *notes,
                  struct err *e);
/** Runs a command in a node; *@output (at most 64 KiB of stdout and stderr) is the caller's. Returns its exit status, or
 *  -errno. @timeout_ms: then it is killed, and -ETIMEDOUT returned; 0: none. */
int lab_command(struct engine *engine, const struct lab_member *m, char *const *argv, char **output,
                unsigned timeout_ms, struct err *e);

/** Waits until a node's program has ended. */
int lab_wait_exit(struct engine *engine, const struct lab_member *m, struct err *e);

/* ---- inspect.c -------------------------------------------------------------------------------*/

/** An interface as `lab inspect --format json` shows it; the caller owns it. */
json_t *lab_interface_json(const struct lab_interface *i);

/* ---- routes.c --------------------------------------------------------------------------------*/

/** Lines of ip(8) for the static routes by a gateway; with @index only those of that interface. */
int lab_routes(struct rt *rt, int index, strv *lines, struct err *e);

/* ---- steps.c ---------------------------------------------------------------------------------*/

/** What is done of a node. */
enum step_part { STEPS_ALL, STEPS_START, STEPS_NONE };
/** Programs, exec lines and health of the nodes, in the order that the file asks for. @parts: one for each node; NULL:
 *  STEPS_ALL. A step that is left out counts as done for those that wait for it. */
int steps_run(struct engine *engine, const struct topology *t, const struct lab *l,
              const struct lab_options *o, const enum step_part *parts, int64_t began,
              struct err *e);
