/* One container as an isolated process: what it shall be (spec), where its state lives (store), and
 * its life: claim → create → start → monitor → delete. Knows nothing of bridges: a network
 * namespace reaches it as an fd, and what the monitor watches for others as fds with callbacks.
 */
#pragma once

#include <netctr/base.h>

#include <sys/resource.h>

/* ---- spec -----------------------------------------------------------------------------------*/

struct volume {
    char *source; /**< path on the host; NULL: a new tmpfs */
    char *target; /**< absolute path in the container */
    bool read_only;
    /* Of a tmpfs. What is in it is memory: none is without a size (spec_bound_tmpfs). */
    uint64_t size;     /**< bytes */
    uint64_t inodes;   /**< files and directories, which take memory too */
    unsigned mode;     /**< of its root; 0: 01777 */
    uint32_t uid, gid; /**< of its root */
    bool exec, suid;   /**< programs can be run, and are setuid */
};
#define TMPFS_SIZE_MAX (UINT64_C(1) << 30) /**< of one whose size nobody has given */

/** Limits; 0 means none. */
struct limits {
    uint64_t memory;    /**< bytes */
    uint64_t cpu_milli; /**< thousandths of a processor (--cpus 1.5 is 1500) */
    uint64_t pids;
    bool pids_by_default; /**< nobody asked for it: where the kernel cannot, there is none */
};
#define PIDS_DEFAULT 2048 /**< podman's; enough for any service, and not for a fork bomb */

/** The limits of the caller of `run` that are the container's. */
enum { ULIMIT_NOFILE, ULIMIT_NPROC, ULIMIT_CORE, ULIMIT_MEMLOCK, ULIMITS };
struct ulimits {
    bool known; /**< false: those of whoever starts it */
    struct rlimit items[ULIMITS];
};
/** Those of this process. */
int ulimits_read(struct ulimits *out, struct err *e);
/** Resets what this process has inherited and no container shall have: other limits, processors,
 *  personality, niceness. -EPERM with a text when a limit of file size or processor time cannot be lifted. */
int caller_forget(struct err *e);
/** The kernel ends a monitor, and with it a container, late when memory is short. */
void oom_score_of_monitor(void);

enum network_mode { NETWORK_OWN, NETWORK_HOST };

/** What happens when the program has ended by itself; podman's and docker's words. */
enum restart_policy { RESTART_NO, RESTART_ON_FAILURE, RESTART_ALWAYS, RESTART_UNLESS_STOPPED };
struct restart {
    enum restart_policy policy;
    unsigned max; /**< on-failure: so many times at most; 0: no limit */
};
/** "no", "on-failure[:N]", "always" or "unless-stopped". -EINVAL with a text. */
int restart_parse(const char *text, struct restart *out, struct err *e);
char *restart_text(const struct restart *r); /**< the inverse; caller frees */
/** Does a program that has ended with @exit_status for the @times-th time begin anew? */
bool restart_wanted(const struct restart *r, int exit_status, unsigned times);
/** How long to wait before the @times-th new beginning in a row, in ms: 100, doubled each time, at
 *  most a minute. */
int restart_delay_ms(unsigned times);

/** What becomes of what the program writes. */
enum log_driver { LOG_K8S_FILE, LOG_NONE };
struct log_options {
    enum log_driver driver;
    int64_t max_size;  /**< bytes of a file; -1: no limit */
    unsigned max_file; /**< so many files, the one that is written to among them */
};
#define LOG_OPTIONS_DEFAULT ((struct log_options){LOG_K8S_FILE, 10 << 20, 3})
#define LOG_FILES_MAX 100
#define LOG_SIZE_MIN 4096 /**< of a file: each costs LOG_FILES_MAX renames at most */
/** "k8s-file" or "none". -EINVAL with a text. */
int log_driver_parse(const char *text, struct log_options *o, struct err *e);
/** "max-size=10m" or "max-file=3". -EINVAL with a text. */
int log_option_parse(const char *text, struct log_options *o, struct err *e);
json_t *log_options_to_json(const struct log_options *o); /**< caller owns */
/** NULL: the default. -EBADMSG with a text. */
int log_options_from_json(const json_t *j, struct log_options *o, struct err *e);

/** PATH of a program that is given none: docker's. */
#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/** A validated, resolved container. Plain data: it is stored as config.json and read back by exec,
 *  inspect and start. */
struct spec {
    char *name;
    char *id;      /**< 12 hex digits, random, never used again */
    char *rootfs;  /**< canonical path of the root directory on the host */
    bool in_place; /**< write to rootfs itself; else into an overlay's upper layer */
    bool read_only;
    bool auto_remove; /**< --rm */
    bool interactive; /**< -i: stdin stays open */
    bool detached;
    strv argv;
    strv env;      /**< KEY=VALUE, complete but for HOME */
    char *workdir; /**< absolute; NULL: "/" */
    char *user;    /**< as given; NULL: root */
    char *hostname;
    struct volume *volumes;
    size_t volume_count;
    struct limits limits;
    struct ulimits ulimits;
    uint64_t caps;         /**< bounding set, one bit a capability */
    uint64_t ambient_caps; /**< those that @user has if it is not root: added by name */
    enum network_mode network_mode;
    char *network;    /**< for people: "default", "a,b", "none", "host", "container:x" */
    strv networks;    /**< as asked for, what --network takes; the CLI's */
    strv publish;     /**< as asked for: "8080:80" */
    strv published;   /**< as in `ps`: "0.0.0.0:8080->80/tcp" */
    strv unpublished; /**< those of publish that none of its networks can carry: "8080:80/tcp" */
    strv dns, dns_search, dns_options; /**< in the place of the host's; NULL: the host's */
    strv add_hosts;                    /**< as asked for: "NAME:ADDRESS", "NAME:host-gateway" */
    struct restart restart;
    struct log_options log;
    int64_t created;      /**< seconds since the epoch */
    int64_t created_nsec; /**< and the part of one behind that */
};
void spec_clear(struct spec *s);
#define _cleanup_spec_ __attribute__((cleanup(spec_clear)))
json_t *spec_to_json(const struct spec *s); /**< caller owns */
int spec_from_json(const json_t *j, struct spec *out, struct err *e);
/** Gives a size and a number of inodes to each tmpfs that has none: at most the memory limit. */
void spec_bound_tmpfs(struct spec *s);
/** What a user may need to know about a service that has ended as soon as it was started; caller frees. */
char *spec_early_hint(const struct spec *s);
/** A new container id; caller frees. */
char *spec_new_id(void);
/** The id that these bits make: 12 hex digits, of which one at least is a letter. */
char *spec_id_of(uint64_t bits);

/* ---- store ----------------------------------------------------------------------------------
 * ROOT/containers/NAME/  config.json, upper, work, log, log.1 …    survives a reboot
 * RUN/containers/NAME/   lock, state.json, endpoint.NETWORK.json, control: lives as long as the container runs
 *
 * The lock is held by the container's monitor: whoever can take it knows that the monitor is dead. */

struct store {
    char *root, *run; /**< canonical paths */
    int root_fd, run_fd;
    int defined_fd; /**< ROOT/containers */
    int live_fd;    /**< RUN/containers */
    char *instance; /**< 16 hex digits: boot, network namespace and run-root */
    uint64_t netns; /**< the namespace's inode number */
    bool fresh;     /**< RUN is not this instance's yet: it was another's, or has been lost */
};
#define STORE_INIT ((struct store){.root_fd = -1, .run_fd = -1, .defined_fd = -1, .live_fd = -1})
/** Changes nothing of what is there: when @out is fresh, engine_open() or engine_gc() takes RUN over. */
int store_open(const char *root, const char *run, struct store *out, struct err *e);
/** The same for commands that only read. Where no store exists they create none: they get an empty one in memory,
 *  which nobody else sees. */
int store_open_to_read(const char *root, const char *run, struct store *out, struct err *e);
/** Has netctr ever run with these directories? Also true when that cannot be found out. */
bool store_exists(const char *root, const char *run);
void store_close(struct store *s);
#define _cleanup_store_ __attribute__((cleanup(store_close)))
/** The instance lock: protects which names exist. Held shortly, never while waiting for a process.
 *  Returns an fd. */
int store_lock(struct store *s, struct err *e);
/** -EWOULDBLOCK while somebody has it. */
int store_lock_if_free(struct store *s, struct err *e);

/** Under the store's lock, when it is fresh: may RUN become this instance's? -EBUSY with a text when others live
 *  there. Then everything of this instance that RUN does not know is to be ended, and store_commit_run_root() says
 *  so last. Somebody may have been faster: then it is fresh no more. */
int store_claim_run_root(struct store *s, bool dry_run, struct err *e);
int store_commit_run_root(struct store *s, struct err *e);

enum status { STATUS_CREATING, STATUS_RUNNING, STATUS_RESTARTING, STATUS_DEAD, STATUS_EXITED };

#define EXIT_LOST 255 /**< the exit status of one that ended with the host */

/** What is known of a container. STATUS_DEAD: its monitor was killed and nobody has repaired yet. */
struct record {
    enum status status;
    struct spec spec;
    pid_t pid; /**< init, in our pid namespace; 0 unless running */
    uint64_t pid_start;
    pid_t monitor;
    uint64_t monitor_start;
    int64_t started, finished; /**< seconds since the epoch; 0: not yet */
    int exit_status;           /**< EXITED: how; RESTARTING: how the last run ended */
    bool damaged;    /**< it lives, and what its run directory says of it cannot be believed */
    bool oom_killed; /**< EXITED, RESTARTING: the kernel killed the program for want of memory */
    uint64_t
        oom_kills;    /**< EXITED: so many processes in its last run, be it the program or others */
    bool asked;       /**< EXITED: somebody wanted it to end, for good */
    bool ended_early; /**< EXITED: of itself, and so soon that spec_early_hint() may tell why */
    bool lost;        /**< EXITED: it ran when the host went down; nobody knows how it ended */
    char *failure;    /**< RESTARTING: why its last start failed; NULL: it ran */
    unsigned restarts; /**< new beginnings since it was started */
};
void record_clear(struct record *r);
/** RESTARTING, and not even its first run has begun: it has no network, holds no port, and its definition may be
 *  changed. */
bool record_waits(const struct record *r);
#define _cleanup_record_ __attribute__((cleanup(record_clear)))
const char *status_name(enum status s);
/** Finds by name, or by an unambiguous prefix of the id (4 digits or more). -ENOENT with a text; -EBADMSG
 *  when what is found is damaged: then only container_remove() and its like may touch it. */
int store_find(struct store *s, const char *name_or_id, struct record *out, struct err *e);
/** Calls @each for every container, sorted by creation; a negative result ends the walk. Damaged
 *  definitions are warned of and passed over. */
int store_each(struct store *s, int (*each)(const struct record *r, void *arg), void *arg,
               struct err *e);
/** Calls @each for every run directory, whatever is in it. */
int store_each_live(struct store *s, int (*each)(const char *name, int dir, void *arg), void *arg,
                    struct err *e);
/** Warns of containers that live without a definition. The store must be locked. */
void store_warn_of_lost(struct store *s);
/** Adds the id of every container that has a run directory, also of one whose definition is damaged.
 *  -EBADMSG with a text when one cannot be told: then nothing may be taken for nobody's. */
int store_live_ids(struct store *s, strv *ids, struct err *e);
/** Directory fd of RUN/containers/NAME or ROOT/containers/NAME; -errno. */
int store_live_dir(struct store *s, const char *name);
int store_defined_dir(struct store *s, const char *name);
/** Takes the lock of a run directory if nobody holds it, which tells that its monitor is dead; the fd
 *  keeps it. -EWOULDBLOCK: it lives. -ENOENT: there is none yet. The store must be locked. */
int store_try_lock(int live_dir);

/* ---- events ---------------------------------------------------------------------------------
 * RUN/events: one line of JSON for each thing that happened, added by whoever did it. */

#define EVENTS_FILE "events"
#define EVENTS_OLDER "events.1"       /**< the file before this one */
#define EVENTS_SIZE_MAX (1024 * 1024) /**< a larger one becomes the older one */

struct event {
    const char *type; /**< "container", "network" or "system" */
    const char *name; /**< docker's word where there is one: "create", "start", "die", … */
    const char *id;   /**< of the container; NULL: none */
    const char *of;   /**< its name, or the network's; NULL: none */
};
extern const char event_true[]; /**< as a text: the value is true, which is no string */
struct event_attribute {
    const char *key; /**< NULL ends a list */
    const char *text;
    int64_t number; /**< when @text is NULL */
};
/** Adds a line. @attributes may be NULL. An event that cannot be written is lost, and nothing else: this
 *  never fails, never waits for anybody and writes no message. */
void event_emit(int run_fd, const struct event *event, const struct event_attribute *attributes);
/** Parses one line; what a torn line has left before it is passed over. NULL: no event. Caller owns. */
json_t *event_parse(const char *line, size_t size);

/* ---- a container's life ---------------------------------------------------------------------*/

struct container {
    struct store *store;
    struct spec spec;
    char *instance; /**< of one that was adopted; NULL: the store's */
    int dir_fd;     /**< ROOT/containers/NAME */
    int run_fd;     /**< RUN/containers/NAME */
    int lock_fd;
    int files_fd;                       /**< hosts, hostname and resolv.conf */
    int channel;                        /**< to the child, until it has become the program */
    int stdin_fd, stdout_fd, stderr_fd; /**< our ends of its pipes */
    int log_fd, signal_fd;              /**< for the monitor, through all of its runs */
    bool relayed; /**< its streams are copied, and its log rotated, by the relay */
    pid_t pid;
    int pidfd;
    int64_t started;
    bool noted;        /**< the definition knows how it ended */
    bool existing;     /**< its definition is older than this life: it is kept whatever happens */
    bool told_to_end;  /**< its monitor was signalled to end */
    bool interrupted;  /**< by ^C, and not as a host that goes down does it */
    bool restarting;   /**< between two runs of its program */
    bool between_runs; /**< adopted: its program did not run when its monitor died */
    int exit_status;   /**< of the last run, if there was one */
    char *failure;     /**< why its last start failed; NULL: it did not */
    bool ended_early;  /**< see struct record */
    bool
        output_failed; /**< attached: some of its output could not be written, other than for want of a reader */
    unsigned restarts;
    bool told_start;    /**< the event "start" has no "die" yet */
    bool sigkilled;     /**< its program was ended by SIGKILL, as its monitor has seen */
    bool oom_killed;    /**< by the kernel, for want of memory */
    uint64_t oom_kills; /**< so many processes of this run, be it the program or others */
};
#define CONTAINER_INIT                                                                            \
    {                                                                                             \
        .dir_fd = -1, .run_fd = -1, .lock_fd = -1, .files_fd = -1, .channel = -1, .stdin_fd = -1, \
        .stdout_fd = -1, .stderr_fd = -1, .log_fd = -1, .signal_fd = -1, .pidfd = -1              \
    }
/** Closes what @c holds; kills nothing, removes nothing. */
void container_clear(struct container *c);
#define _cleanup_container_ __attribute__((cleanup(container_clear)))

/** Takes the name: directories, lock, config.json, state.json. @spec is taken over. -EEXIST with a
 *  text when the name is in use. The store must be locked. */
int container_claim(struct store *store, struct spec *spec, struct container *out, struct err *e);
/** The same for a container that has ended: a new life on the old definition and layer. -ESTALE: that is not @spec's
 *  any more; read it again. */
int container_restart_claim(struct store *store, struct spec *spec, struct container *out, struct err *e);

/** Clones the child into its namespaces and cgroup; it begins to prepare its root filesystem and
 *  then waits. The caller must be single-threaded. */
int container_create(struct container *c, struct err *e);
/** Gives the child its network namespace (not for NETWORK_HOST). May come while it prepares. */
int container_join_netns(struct container *c, int netns, struct err *e);
/** Text of a file that is made for the container: "hosts", "hostname" or "resolv.conf". From
 *  container_create() on, also while it runs. */
int container_write_file(struct container *c, const char *file, const char *text, struct err *e);
/** The opposite: the program may have changed it. Caller frees. */
int container_read_file(const struct container *c, const char *file, char **text, struct err *e);
/** Waits until the child is prepared and lets it become the program. On return it has (0), or the
 *  error says why not (with exit status 126 or 127 where it is the command's fault). */
int container_start(struct container *c, struct err *e);

/** An fd that the monitor watches for somebody else. */
struct watch {
    int fd;
    void (*ready)(void *arg);
    void *arg;
};
struct supervise_options {
    bool attached; /**< copy output to our stdout and stderr, stdin if interactive */
    const struct watch *watches;
    size_t watch_count;
};
/** Runs until the container's init has ended: log, attached streams, signals to forward, watches.
 *  Returns the exit status as a shell tells it (128+n for signal n). An output whose reader has gone ends the program as
 *  in a pipeline (128+SIGPIPE). */
int supervise_run(struct container *c, const struct supervise_options *options, struct err *e);
/** From here on signals do not end this process: supervise_run() and supervise_pause() receive them. */
int supervise_listen(struct container *c, struct err *e);
/** While no program runs: serves the watches for @ms, or until it is told to end. */
int supervise_pause(struct container *c, const struct supervise_options *options, int ms,
                  struct err *e);

/** What is said of a living container in passing, under the store's lock. */
enum mark {
    MARK_END_ASKED = 0100,  /**< it is not to begin anew: somebody has stopped it */
    MARK_UNTIL_BOOT = 0001, /**< nor now, but when the host comes up again */
    MARK_LEAVING =
        0010, /**< its endpoints are being detached: they must not come back to the firewall
                                when somebody makes it anew */
};
/** Sets one on a run directory. -errno. */
int container_mark(int run_dir, enum mark mark);
/** 1, 0, or -errno when that cannot be found out. */
int container_marked(int run_dir, enum mark mark);
/** Somebody wants it to end, for good (MARK_END_ASKED) or not (MARK_UNTIL_BOOT): its monitor will not let it
 *  begin anew. The store must be locked. */
int container_ask_end(struct store *store, const char *name, enum mark mark, struct err *e);
/** Was it told to, by container_ask_end() or by a signal for its monitor? 1, 0 or -errno. */
int container_end_asked(const struct container *c);
/** After a run: ends what is left of its processes, so that container_create() can follow. */
int container_reset(struct container *c, struct err *e);
/** Emits an event of this container. */
void container_event(const struct container *c, const char *name,
                     const struct event_attribute *attributes);
/** One line of netctr's own in the container's log, marked as such. */
void container_note(struct container *c, const char *text);
/** Its definition, after a change to the spec while it runs. */
int container_save_definition(struct container *c, struct err *e);
/** Replaces the definition of a container that does not run, or waits; how it ended stays. The store must be
 *  locked. */
int container_redefine(struct store *store, const struct spec *spec, struct err *e);
/** Reads the definition of one that waits again, which may have been replaced. The store must be locked. */
int container_reread(struct container *c, struct err *e);
/** Writes down whether it waits for its next run, and how the last one ended (@c->failure: or why it did not begin). */
int container_set_restarting(struct container *c, bool restarting, int exit_status, struct err *e);

/** How many processes of a container that runs the kernel has killed for want of memory, in this run. */
uint64_t container_oom_kills(const struct store *s, const struct spec *spec);
/** What a container that may mount cgroups has frozen of itself goes on, for else no signal would end it. */
void container_let_die(const struct store *s, const struct spec *spec);
/** Ends whatever of the container runs, at once: init by its pidfd and the cgroup. Idempotent. */
void container_kill(struct container *c);
/** After the last process: writes to the definition how it ended, once. Before any step that can fail: a command that
 *  finishes the work later does not know the exit status. */
int container_note_end(struct container *c, int exit_status, struct err *e);
/** For its monitor, when container_note_end() has failed (a full disk): the state of this boot keeps how it ended, for
 *  the command that finishes the work. */
int container_remember_end(struct container *c, int exit_status, struct err *e);
/** The cgroup goes, and with @keep the definition learns how it ended, if it does not know. Accepts
 *  "already gone". */
int container_end(struct container *c, bool keep, int exit_status, struct err *e);
/** The name is free again: the run directory goes, and without @keep the definition. The store must
 *  be locked. */
int container_release_name(struct container *c, bool keep, struct err *e);
/** Opens what a dead monitor left, so that it can be deleted. -EWOULDBLOCK: the monitor lives. The store
 *  must be locked. */
int container_adopt(struct store *store, const char *name, struct container *out,
                    enum status *status, struct err *e);
/** Removes the definition of a container that does not run. The store must be locked. */
int container_remove(struct store *store, const char *name, struct err *e);
/** Deletes the files of removed containers, which may take long: with no lock held. */
void store_empty_trash(struct store *s);
/** Removes cgroups and directories of this instance that belong to no container in the store, which
 *  must be locked. @helper (may be NULL) names a cgroup that stays. */
int store_sweep(struct store *s, const char *helper, const struct gc *gc, struct err *e);

/* ---- helpers --------------------------------------------------------------------------------
 * Processes of netctr's own that serve all containers of an instance, in cgroup netctr/INSTANCE/helpers. Who
 * they are, and what they do, is the business of whoever starts them. */

#define HELPERS "helpers"
#define HELPER_FDS 6

struct helper_request {
    char *const *argv;   /**< of netctr itself, which is executed anew */
    int fds[HELPER_FDS]; /**< what it gets, as 3, 4, …; -1: nothing there */
    int log;             /**< for its output, which is cut off at 64 KiB */
};
/** Starts it as nobody's child, with nothing else of ours. Returns when it is in its cgroup. The store must be
 *  locked. */
int helper_start(struct store *s, const struct helper_request *h, struct err *e);
/** Should somebody have frozen their cgroup: it goes on. */
void helpers_thaw(const char *instance);
/** Kills all of an instance's that are in their cgroup, which is thawed, and removes it; waits no longer than @ms.
 *  Accepts "already gone". 0, or -EBUSY: somebody has frozen one elsewhere. */
int helpers_end(const char *instance, int ms);
/** For one that ends: leaves the cgroup, and removes it and what is empty above, if it is the last; it waits @ms for
 *  others that have been killed. */
void helpers_leave(const char *instance, int ms);

/* ---- exec -----------------------------------------------------------------------------------*/

struct exec_request {
    strv argv;
    strv env;            /**< added to the container's; later ones win */
    const char *workdir; /**< NULL: the container's */
    const char *user;    /**< NULL: the container's */
    bool interactive;
    bool detached;
};
/** Runs a command in a running container and returns its exit status; the caller's streams are
 *  copied. Detached: returns 0 as soon as it has become the command. */
int container_exec(struct store *s, const struct record *r, const struct exec_request *request,
                   struct err *e);

