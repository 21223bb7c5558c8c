/* The engine: containers from run to rm, and networks as a whole. Every front door (the command line, later labs, CNI
 * and OCI) stands on this header. Nothing here parses flags or prints results.
 *
 * What a lab needs, in ten calls:
 *
 *     engine_open()            open the store
 *     engine_network_create()  define a network
 *     run_request_complete()   check a request and fill in its defaults
 *     engine_run_detached()    start a new container in the background
 *     engine_connect()         put a container on one more network
 *     engine_publish()         publish more of its ports
 *     engine_exec()            run another command in it
 *     engine_start()           run a container again that has ended
 *     engine_force_remove()    kill and remove a container
 *     engine_network_remove()  remove a network; engine_close() at the end
 *
 * A struct engine belongs to one process, because it holds netlink sockets. Unless stated otherwise, functions return 0
 * or a negative errno with a text in @e, and take the store's lock themselves. @e must not be NULL unless a function
 * allows it.
 */
#pragma once

#include <netctr/sandbox.h>
#include <netctr/store.h>

struct engine {
    struct store store;
    struct net *net;             /**< use engine_net(), which opens it */
    struct sandboxes *sandboxes; /**< use engine_sandboxes() */
    /** The caller removes several containers, and calls store_empty_full_trash() after the last. */
    bool keeps_trash;
};
/** Opens the store at @root (state that survives a reboot) and @run_root (state that does not). Containers whose monitor
 *  was killed are cleaned up by the helper, and by the functions below that meet one; this looks at no container. Call
 *  engine_close() also after a failure. */
int engine_open(const char *root, const char *run_root, struct engine *out, struct err *e);
/** The same for read-only commands: where netctr has never run, they create no directories and find no containers. */
int engine_open_to_read(const char *root, const char *run_root, struct engine *out, struct err *e);
/** Opens without taking a run directory over, for engine_gc() and engine_boot(), which do that themselves. With @dry_run,
 *  nothing is created. */
int engine_open_to_clean(const char *root, const char *run_root, bool dry_run, struct engine *out,
                         struct err *e);
/** Cleans up after all dead monitors. For commands that look at all containers anyway. */
int engine_repair_all(struct engine *engine, struct err *e);
/** For `doctor`: neither cleans up nor creates anything. Where the state is missing or incomplete, @out has a net and no
 *  store (store.root is NULL). */
int engine_look(const char *root, const char *run_root, struct engine *out, struct err *e);
void engine_close(struct engine *engine);
#define _cleanup_engine_ __attribute__((cleanup(engine_close)))
/** The network half, opened by the first call; stays the engine's. */
int engine_net(struct engine *engine, struct net **out, struct err *e);
/** The sandboxes of the instance; stay the engine's. */
struct sandboxes *engine_sandboxes(struct engine *engine);

/* ---- containers ------------------------------------------------------------------------------*/

/** store_find() and store_each() under the store's lock. Containers whose monitor is dead are cleaned up first; with --rm
 *  they are gone then, else they have ended. One that cannot be cleaned up is warned about, and stays STATUS_DEAD. @e may be
 *  NULL. */
int engine_find(struct engine *engine, const char *name, struct record *out, struct err *e);
int engine_each(struct engine *engine, int (*each)(const struct record *r, void *arg), void *arg,
                struct err *e);
/** Does @r hold its ports: does it run, or wait for its next run? */
bool record_holds_ports(const struct record *r);
/** The ports that it has published now, "0.0.0.0:8080->80/tcp" for each port and address family, or "80/tcp" where the
 *  port of the container itself is open; NULL: none. Owned by @r. */
strv record_ports(const struct record *r);
/** What `netctr inspect` shows: definition, state and endpoints; caller owns. */
json_t *engine_inspect(struct engine *engine, const struct record *r);
/** Was @r started with `--network @network`? */
bool record_names_network(const struct record *r, const char *network);
/** The endpoints of a container that runs; empty if they cannot be read. The caller clears @out. */
void engine_endpoints(struct engine *engine, const struct record *r, struct endpoint_list *out);
/** Is @r on @network now or, if it has ended, at its next start? */
bool engine_is_on_network(struct engine *engine, const struct record *r, const char *network);
/** -ESRCH with a text: @r does not run, how it ended, and where to look. */
int engine_not_running(const struct record *r, struct err *e);

/* ---- containers that share a network (`--network container:NAME`) -----------------------------*/

/** The name or id of the container whose network @s shares; NULL: none. */
const char *network_owner(const struct spec *s);
/** Indexes of @all in an order in which each container comes after the owner of its network, else in the order given.
 *  Records without a name are allowed. Caller frees. */
size_t *owners_first(const struct record *all, size_t count);

/* ---- run -------------------------------------------------------------------------------------*/

/** What the first word of `--network` means where it is not the name of a network. */
enum network_word {
    NETWORK_NAME,
    NETWORK_WORD_HOST,      /**< "host" */
    NETWORK_WORD_NONE,      /**< "none" */
    NETWORK_WORD_CONTAINER, /**< "container:NAME" */
    NETWORK_WORD_NS,        /**< "ns:PATH" */
    NETWORK_WORD_SANDBOX,   /**< "sandbox:ID": a pinned one, such as a lab's node */
};
/** @rest (may be NULL) becomes what follows the colon in the last three. */
enum network_word network_word(const char *text, const char **rest);

/** A container to run. */
struct run_request {
    struct spec spec;
    strv cap_add, cap_drop; /**< names of capabilities, for run_request_complete() */
    struct port_mappings port_mappings;
    bool
        userns_asked; /**< its user namespace was given: it is no default that may fall back to the host's */
    bool existing; /**< run a container again that has ended; its ports are those of the spec */
    /** With @existing: if it cannot start, its monitor tries again until the container is stopped. */
    bool patient;
    /** Called once the program runs (@waits NULL), or when it cannot start yet (@waits says why); a negative result ends
     *  it. May be NULL. */
    int (*started)(const char *waits, void *arg);
    void *arg;
    struct detach_keys
        keys;              /**< for engine_run_attached(), with spec.tty and a terminal on stdin */
    struct winsize size;   /**< of the client's terminal; set by engine_run_attached() */
    bool without_stdin;    /**< attached: our stdin is not passed on, whatever the spec says */
    bool oom_killed;       /**< set by engine_run_attached(): how the last run ended */
    char *waits;           /**< set by engine_run_detached(): why it does not run yet */
    struct client *client; /**< of an attached run; only for its monitor */
};
/** A request with the default log and limits, to begin with. */
#define RUN_REQUEST_INIT                                       \
    ((struct run_request){.spec = {.userns = USERNS_AUTO,      \
                                   .log = LOG_OPTIONS_DEFAULT, \
                                   .limits = {.pids = PIDS_DEFAULT, .pids_by_default = true}}})
void run_request_clear(struct run_request *q);
#define _cleanup_run_request_ __attribute__((cleanup(run_request_clear)))
/** Parses what users write into a spec, with docker's words and rules. -EINVAL with a text.
 *  Volumes "SRC:DST[:ro]", tmpfs "DST[:OPTION,…]" and mounts "type=bind,src=SRC,dst=DST"; call it once. */
int volumes_parse(char *const *volumes, char *const *tmpfs, char *const *mounts, struct spec *s,
                  struct err *e);
/** Memory "64m", processors "1.5", number of tasks; NULL: not given. "0" means no limit. */
int limits_parse(const char *memory, const char *cpus, const char *pids, struct limits *out,
                 struct err *e);
/** What `update` changes: limits as limits_parse() takes them, and the restart policy. */
struct update_request {
    bool memory_given, cpus_given, pids_given, restart_given;
    struct limits limits;
    struct restart restart;
};
int update_parse(const char *memory, const char *cpus, const char *pids, const char *restart,
                 struct update_request *q, struct err *e);
/** Resource limits: "NAME=SOFT[:HARD]" with docker's names; -1 means no limit. */
int ulimits_parse(char *const *texts, struct ulimits *out, struct err *e);
/** The user namespace: "auto", "host", or maps of ids ("0:100000:65536"); NULL: not given. Without @gids, groups are mapped
 *  as users are. Call it once. */
int userns_parse(const char *mode, char *const *uids, char *const *gids, struct run_request *q,
                 struct err *e);
/** Can containers of this host have user namespaces of their own, with a root directory on the file system of @dir (NULL:
 *  anywhere)? -ENOTSUP with a text: why not. Tries it, and leaves nothing. The caller must be single-threaded. */
int userns_possible(const char *dir, struct err *e);
/** Adds the variables of files with a line for each, and then @entries: "K=V", or "K" to pass the caller's value through.
 *  The last value of a name wins. The caller frees *@out. */
int env_compose(char *const *files, char *const *entries, strv *out, struct err *e);
/** Adds labels in the same way: "K=V", or "K" for a label without a value. */
int labels_compose(char *const *files, char *const *entries, strv *out, struct err *e);
/** Does @label have a key, and is it UTF-8? */
int label_check(const char *label, struct err *e);
/** Checks all of a request and fills in what is not given: id, time of creation, name, hostname, PATH, HOSTNAME,
 *  capabilities and network. Before this, spec.rootfs is any path, spec.networks holds what `--network` takes, and
 *  spec.publish holds ports as "8080:80". spec.argv is required. Creates nothing. */
int run_request_complete(struct run_request *q, struct err *e);
/** Runs a container, with a monitor in a process of its own. Returns when the program runs, or when @request->waits says
 *  why the monitor will try again. */
int engine_run_detached(struct engine *engine, struct run_request *request, struct err *e);
/** The same, attached: the monitor copies the program's output to our stdout and stderr, and with -i our stdin to the
 *  program. Returns its exit status when everything is undone, or STATUS_DETACHED. Blocks the signals that it passes on: SIGHUP, SIGINT,
 *  SIGQUIT, SIGTERM, SIGUSR1 and SIGUSR2. If this process is killed, the container runs on. */
int engine_run_attached(struct engine *engine, struct run_request *request, struct err *e);

/** Makes a container that engine_start() runs: it has its name, its ids and its layer, and neither address nor port. */
int engine_create(struct engine *engine, struct run_request *request, struct err *e);

/** Runs a container again that has ended, in the background. One that runs already is left alone. */
int engine_start(struct engine *engine, const struct record *r, struct err *e);
/** How a container is started that this process waits for, and what came of it. */
struct start_attached {
    bool interactive; /**< our stdin is passed on, if the container was made with -i */
    struct detach_keys keys;
    int status;      /**< set: its exit status */
    bool oom_killed; /**< set: how the run ended */
};
/** The same as engine_run_attached(), for a container that has ended. -EBUSY with a text if it runs. Returns its exit
 *  status. */
int engine_start_attached(struct engine *engine, const struct record *r, struct start_attached *how,
                          struct err *e);
/** Stops a container as engine_stop() does with @seconds, and starts it. */
int engine_restart(struct engine *engine, const struct record *r, uint64_t seconds, struct err *e);
/** The outcome of starting one container at boot: @code is 0 or a negative errno with @why; @waits (NULL: it runs) says
 *  why its monitor has to try again. */
typedef void (*engine_booted)(const char *name, int code, const char *waits, struct err *why,
                              void *arg);
/** After a reboot: cleans up, then starts the containers with the restart policies `always` and `unless-stopped`, owners
 *  of shared networks first. Goes on after a failure of one container. */
int engine_boot(struct engine *engine, engine_booted done, void *arg, struct err *e);

/** Runs a command in a running container. Returns its exit status, or 0 if it is detached, or STATUS_DETACHED
 *  when the client has left it by its keys. */
int engine_exec(struct engine *engine, const struct record *r, const struct exec_request *request,
                struct err *e);

/** Shows what the program writes from now on, and passes stdin, signals and the terminal's size on. Returns the container's
 *  exit status when it has ended, STATUS_DETACHED, or 128+n: signal n has ended the client. @request->input and tty follow the
 *  container. */
int engine_attach(struct engine *engine, const struct record *r, struct attach_request request,
                  struct err *e);

/* ---- stop, remove ----------------------------------------------------------------------------*/

#define STOP_AS_DEFINED (STOP_NEVER_KILLS - 1) /**< seconds: those of the container */
/** Ends a container: its stop signal, and after @seconds SIGKILL. Returns when everything is undone. @mark: MARK_END_ASKED, or
 *  MARK_UNTIL_BOOT if engine_boot() shall start it again. */
int engine_stop(struct engine *engine, const struct record *r, enum mark mark, uint64_t seconds,
                struct err *e);
/** Sends the stop signal to several containers at once, so that engine_stop() waits for all of them at the same time.
 *  Records without a name are skipped, and those for which @seconds is 0. */
void engine_begin_stop(struct engine *engine, const struct record *all, size_t count,
                       uint64_t seconds, enum mark mark);
/** @seconds, or what STOP_AS_DEFINED means for @s. */
uint64_t stop_seconds(uint64_t seconds, const struct spec *s);
/** Sends SIGKILL, so that engine_stop() and engine_force_remove() wait for several containers at the same time. */
void engine_begin_kill(struct engine *engine, const struct record *r, enum mark mark);
/** Sends a signal. After one that ends programs, the restart policy does not run the program again; with SIGKILL, this
 *  returns when everything is undone. */
int engine_kill(struct engine *engine, const struct record *r, int sig, struct err *e);
/** Freezes all processes of a container, until engine_unpause(), or until it is stopped, killed or removed. */
int engine_pause(struct engine *engine, const struct record *r, struct err *e);
int engine_unpause(struct engine *engine, const struct record *r, struct err *e);
/** Does the kernel keep it frozen? */
bool engine_is_paused(const struct engine *engine, const struct record *r);
#define STATUS_PAUSED "paused"
#define STATUS_CREATED "created"
/** status_name(), STATUS_PAUSED or STATUS_CREATED. */
const char *engine_status_name(const struct engine *engine, const struct record *r);
/** What a container uses at a moment. */
struct stats {
    struct usage usage;
    bool on_networks;        /**< else it has no traffic of its own */
    uint64_t received, sent; /**< bytes on its networks, since it joined them */
    int64_t at_ns;           /**< CLOCK_BOOTTIME */
    int64_t began_ns;        /**< when its program was started, by the same clock */
};
/** -ESRCH with a text: it does not run, or has ended meanwhile. */
int engine_stats(struct engine *engine, const struct record *r, struct stats *out, struct err *e);
/** Calls @each for every process of a container that runs. */
int engine_top(struct engine *engine, const struct record *r,
               void (*each)(const struct process_seen *p, void *arg), void *arg, struct err *e);
/** Copies files between a container and the host: see process_copy(). @request needs no plan and no pid. */
int engine_copy(struct engine *engine, const struct record *r, const struct copy_request *request,
                struct err *e);
/** What a container has changed of its root directory: see plan_each_change(). -EOPNOTSUPP with a text: it has no layer of
 *  its own, or cannot write to it. */
int engine_diff(struct engine *engine, const struct record *r, plan_change each, void *arg,
                uint64_t *deeper, struct err *e);
/** Changes limits and restart policy of a container: at once if it runs, and in its definition. If the kernel refuses a
 *  limit, nothing is changed. */
int engine_update(struct engine *engine, const struct record *r, const struct update_request *q,
                  struct err *e);
/** Gives a container another name, whether it runs or not; what it does goes on. -EEXIST with a text when the name is in
 *  use. */
int engine_rename(struct engine *engine, const struct record *r, const char *name, struct err *e);
/** Waits until a container has ended and is not restarted; *@status is the exit status of its last run, also if it has been
 *  removed meanwhile. */
int engine_wait(struct engine *engine, const struct record *r, int *status, struct err *e);
/** Removes a container that has ended; -EBUSY for one that has not. Does nothing if another container has its name by
 *  now. */
int engine_remove(struct engine *engine, const struct record *r, struct err *e);
/** The same after killing it, if it runs. */
int engine_force_remove(struct engine *engine, const struct record *r, struct err *e);
/** Removes a container whose records are damaged (store_find() returns -EBADMSG), whether it runs or not. */
int engine_remove_damaged(struct engine *engine, const char *name, struct err *e);

/* ---- networks --------------------------------------------------------------------------------*/

/** What a network is by default, to begin with. */
#define NETWORK_DEFAULTS \
    ((struct network){.icc = true, .isolate = true, .guard = true, .dns = true})
/** network_create() with its event. */
int engine_network_create(struct engine *engine, struct network *n, bool dual, struct err *e);
/** Removes a network. -EBUSY with the names of the containers that use it, running or not; with @force, these are
 *  disconnected first (@warnings: see engine_disconnect()). -ENOENT: there is no such network. */
int engine_network_remove(struct engine *engine, const char *name, bool force, strv *warnings,
                          struct err *e);
/** Removes all networks that no container uses, but for the default network and those for which @wanted is false. The
 *  names of the removed ones are added to @removed, also before a failure; the caller frees it. */
int engine_network_prune(struct engine *engine, bool (*wanted)(const struct network *n, void *arg),
                         void *arg, strv *removed, struct err *e);
/** The definition of a network, as `netctr network ls` shows it; caller owns. */
json_t *network_definition(const struct network *n);
/** The names of all networks, sorted; caller frees. */
int engine_network_names(struct engine *engine, strv *names, struct err *e);
/** Calls @each for every network, sorted by name. */
int engine_network_each(struct engine *engine, int (*each)(const struct network *n, void *arg),
                        void *arg, struct err *e);
/** Definition and state of a network: network_definition(), "containers", "differences" between the definition and the kernel,
 *  "changed_inside" and "live". Caller owns *@out. */
int engine_network_inspect(struct engine *engine, const char *name, json_t **out, struct err *e);
/** Allows containers of @from to open connections to those of @to, or withdraws that. */
/** What is to change in a network. A route to drop may be its destination alone. */
struct network_changes {
    char *const *add_routes, *const *drop_routes; /**< network_route_parse() */
    char *const *add_labels, *const *drop_labels; /**< K=V; K */
};
/** Changes the definition, then the routes of the containers on the network; goes on after a failure there. If it is
 *  killed in between, sandboxes_restore() goes on. -ENOENT: there is no such route or label. */
int engine_network_update(struct engine *engine, const char *name,
                          const struct network_changes *changes, struct err *e);
int engine_network_link(struct engine *engine, const char *from, const char *to, bool allow,
                        struct err *e);
/** Opens or closes forwarding between the host's own links: net_open_forwarding(). */
int engine_network_forwarding(struct engine *engine, bool open, struct err *e);

/** Connects a container to a network: at once if it runs, else from its next start on. */
int engine_connect(struct engine *engine, const char *container,
                   const struct connect_request *request, struct err *e);
/** Disconnects it. Its published ports move to another of its networks; @warnings gets a sentence for the user if none can
 *  carry them. The caller frees it. */
int engine_disconnect(struct engine *engine, const char *container, const char *network,
                      strv *warnings, struct err *e);
/** Publishes more ports ("8080:80") of a running container. @published gets the texts of the new ones, as `ps` shows
 *  them; the caller frees it. */
int engine_publish(struct engine *engine, const char *container, char *const *ports,
                   strv *published, struct err *e);
/** Withdraws ports ("8080", "5353/udp"); NULL: all. */
int engine_unpublish(struct engine *engine, const char *container, char *const *ports,
                     struct err *e);

/* ---- times -----------------------------------------------------------------------------------*/

/** RFC 3339, UTC; caller frees. */
char *time_utc(int64_t when);
/** When it was created, with nanoseconds, so that containers can be sorted; caller frees. */
char *created_utc(const struct spec *s);
/** A moment in nanoseconds since the epoch: RFC 3339 ("2026-01-02T15:04:05.5Z", without a zone UTC, also
 *  the day alone), seconds since the epoch ("1700000000.5"), or how long before @now ("10m", "1h30m").
 *  -EINVAL. */
int time_parse(const char *text, int64_t now, int64_t *out);

/* ---- events ----------------------------------------------------------------------------------*/

/** Calls @each for every event, older ones first. With @follow, waits for more until @until (nanoseconds since the epoch),
 *  or until the reader of @out, a pipe, has gone (-1: none). */
int engine_events(struct engine *engine, bool follow, int64_t until, int out,
                  void (*each)(const json_t *event, void *arg), void *arg, struct err *e);

/* ---- this host -------------------------------------------------------------------------------*/

/** Finds what killed commands have left and what is damaged, calls @gc->tell for each, and unless @gc->dry_run removes
 *  or replaces it. Use engine_open_to_clean(). */
int engine_gc(struct engine *engine, const struct gc *gc, struct err *e);
/** Removes everything of the instance of @root and @run_root from the host: containers, helpers, cgroups, links, tables,
 *  mounts, and both directories with what they hold; switches off the forwarding that netctr has switched on. Works
 *  without an open engine, and where state is damaged or lost. -EPERM or -EBUSY with a text, before anything is touched:
 *  a directory is not netctr's, holds something else, or is in use in another network namespace. Calls @gc->tell for each
 *  object; goes on after a failure and returns the first, but then keeps the directories. */
int engine_reset(const char *root, const char *run_root, const struct gc *gc, struct err *e);
/** What `netctr info` shows; caller owns *@out. */
int engine_info(struct engine *engine, json_t **out, struct err *e);
/** {"work": true, "helper": PID, "standby": PID, "name_servers": [PID, PID], "names_port": 1023}; caller owns. */
json_t *engine_helpers(const struct engine *engine);
/** Does any container run? Also true if the answer cannot be found out. */
bool engine_has_living(const struct engine *engine);
/** The process `netctr helper`: serves all containers of the instance until the last one has ended. It inherits its
 *  descriptors from the monitor that starts it (engine/helpers.c). */
int engine_help(const char *root, const char *run_root, struct err *e);
