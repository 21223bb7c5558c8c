/* What an instance keeps on disk, and the life of a container as far as it is written down.
 *
 *     ROOT/containers/NAME/  config.json, upper, work, log, log.1 …      survives a reboot
 *     RUN/containers/NAME/   lock, state.json, flags, endpoint.NETWORK.json, control
 *                                                                        exists while the container lives
 *     RUN/events             one line of JSON for each thing that happened
 *
 * The container's monitor holds `lock`: a process that can take it knows that the monitor is dead. state.json carries
 * a checksum and the boot id, because it decides which processes a command signals.
 *
 * Functions return 0 (or an fd) or -errno, and describe a failure in @e.
 */
#pragma once

#include <netctr/core.h>

/* ---- store -----------------------------------------------------------------------------------*/

struct store {
    char *root, *run; /**< canonical paths */
    int root_fd, run_fd;
    int defined_fd; /**< ROOT/containers */
    int live_fd;    /**< RUN/containers */
    char *instance; /**< 16 hex digits: a hash of boot, network namespace and run-root */
    uint64_t netns; /**< the namespace's inode number */
    uint64_t netns_cookie;
    bool fresh; /**< RUN does not belong to this instance yet: it is new, or belonged to another */
};
#define STORE_INIT ((struct store){.root_fd = -1, .run_fd = -1, .defined_fd = -1, .live_fd = -1})
/** Makes the directories if they are missing. Does not take over a RUN that belongs to another instance: @out->fresh
 *  says that engine_open() or engine_gc() must. */
int store_open(const char *root, const char *run, struct store *out, struct err *e);
/** The same for read-only commands, which do not create directories: without a store they get an empty one in
 *  memory. */
int store_open_to_read(const char *root, const char *run, struct store *out, struct err *e);
/** Has netctr ever run with these directories? True if that cannot be found out. */
bool store_exists(const char *root, const char *run);
void store_close(struct store *s);
#define _cleanup_store_ __attribute__((cleanup(store_close)))
/** RUN/relays/ID is the socket of a lab's relay, whose cgroup is netctr/INSTANCE/relay-ID. */
#define LAB_RELAYS "relays"
#define LAB_RELAY_CGROUP "relay-"

/** Takes the instance lock, which protects the set of names. Returns an fd; hold it shortly, never while waiting for a
 *  process. */
int store_lock(struct store *s, struct err *e);
/** -EWOULDBLOCK while it is held. */
int store_lock_if_free(struct store *s, struct err *e);

/** When the store is fresh, with its lock held: may this instance take RUN over? -EBUSY with a text while containers of
 *  another live there. After this the caller removes everything of this instance that RUN does not know, and calls
 *  store_commit_run_root() last. If another process was faster, the store is fresh no longer. */
int store_claim_run_root(struct store *s, bool dry_run, struct err *e);
int store_commit_run_root(struct store *s, struct err *e);

/** Directory fd of RUN/containers/NAME or ROOT/containers/NAME; -errno. */
int store_live_dir(struct store *s, const char *name);
int store_defined_dir(struct store *s, const char *name);
/** Takes the lock of a run directory, which proves that its monitor is dead; the fd keeps it. -EWOULDBLOCK: the monitor
 *  lives. -ENOENT: nothing lives there. The store must be locked. */
int store_try_lock(int live_dir);

/* ---- spec ------------------------------------------------------------------------------------*/

/** When the program is started again after it ended; podman's and docker's words. */
enum restart_policy { RESTART_NO, RESTART_ON_FAILURE, RESTART_ALWAYS, RESTART_UNLESS_STOPPED };
struct restart {
    enum restart_policy policy;
    unsigned max; /**< on-failure: at most this many restarts; 0: no limit */
};
/** "no", "on-failure[:N]", "always" or "unless-stopped". -EINVAL with a text. */
int restart_parse(const char *text, struct restart *out, struct err *e);
char *restart_text(const struct restart *r); /**< the inverse; the caller frees */
/** Is a program restarted that ended with @exit_status, after @times restarts? */
bool restart_wanted(const struct restart *r, int exit_status, unsigned times);
/** Milliseconds before the restart after @times others in a row: 100, doubled each time, at most a minute. */
int restart_delay_ms(unsigned times);

struct volume {
    char *source; /**< path on the host; NULL: a new tmpfs */
    char *target; /**< absolute path in the container */
    bool read_only;
    /** Of a source, in a user namespace: its ids are not mapped, so the container has none of them, and reads what all users
     *  of the host may read. */
    bool host_ids;
    /* Of a tmpfs. Its files are memory, so every tmpfs has a size (spec_bound_tmpfs()). */
    uint64_t size;     /**< bytes */
    uint64_t inodes;   /**< files and directories; each costs memory too */
    unsigned mode;     /**< of its root directory; 0: 01777 */
    uint32_t uid, gid; /**< of its root directory */
    bool exec, suid;   /**< permit execution, and set-user-ID programs */
};
#define TMPFS_SIZE_MAX (UINT64_C(1) << 30) /**< bytes of a tmpfs without a size of its own */

#define STOP_NEVER_KILLS UINT64_MAX /**< as a number of seconds */
#define STOP_SECONDS 10             /**< by default */
/** How `stop` ends a container. */
struct stop_rule {
    int signal; /**< 0: SIGTERM */
    bool timed;
    uint64_t seconds; /**< if @timed: until it is killed, or STOP_NEVER_KILLS; else STOP_SECONDS */
};

/** Before the name or the id of the container whose network it shares. */
#define NETWORK_OF "container:"
/** Before the id of the pinned sandbox that it is in. */
#define NETWORK_OF_SANDBOX "sandbox:"
enum network_mode {
    NETWORK_OWN, /**< a network namespace other than the host's */
    NETWORK_HOST,
};

enum userns_mode {
    USERNS_HOST, /**< the host's user namespace */
    USERNS_AUTO, /**< one of its own, with a range of ids that netctr chose */
    USERNS_MAP,  /**< one of its own, with the map that the user gave */
};

/** A validated, resolved container. Plain data: stored as config.json and read back by every later command. */
struct spec {
    char *name;
    char *id;      /**< 12 hex digits, random, never used again */
    char *rootfs;  /**< canonical path of the root directory on the host */
    bool in_place; /**< write to rootfs itself; else to an overlay's upper layer */
    bool read_only;
    bool auto_remove; /**< --rm */
    bool interactive; /**< -i: stdin stays open */
    bool tty;         /**< -t: the program has a terminal */
    bool init;        /**< --init: the program is a child of pid 1 */
    bool detached;    /**< by -d or `start`: such a container is expected to run for long */
    strv argv;
    strv env;      /**< KEY=VALUE, complete but for HOME */
    char *workdir; /**< absolute; NULL: "/" */
    char *user;    /**< as given; NULL: root */
    strv groups;   /**< more groups of the user, as given: names or ids */
    char *umask;   /**< octal; NULL: 0022 */
    int oom_score; /**< oom_score_adj */
    char *hostname;
    strv labels; /**< KEY=VALUE, each key once */
    struct volume *volumes;
    size_t volume_count;
    uint64_t shm_size; /**< bytes of /dev/shm; 0: the default */
    struct limits limits;
    struct ulimits ulimits;
    uint64_t caps;         /**< bounding set, one bit a capability */
    uint64_t ambient_caps; /**< what a @user other than root keeps: those added by name */
    enum network_mode network_mode;
    char *network;    /**< for display: "default", "a,b", "none", "host", NETWORK_OF "x" */
    char *network_of; /**< id of the container whose network it shares; NULL: not known yet */
    strv networks;    /**< as requested: values of --network */
    strv publish;     /**< as requested: "8080:80" */
    strv published;   /**< as in `ps`: "0.0.0.0:8080->80/tcp" */
    strv unpublished; /**< of publish, what none of its networks can carry: "8080:80/tcp" */
    strv dns, dns_search, dns_options; /**< instead of the host's; NULL: the host's */
    strv sysctls;                      /**< NAME=VALUE, as requested */
    strv add_hosts;                    /**< as requested: "NAME:ADDRESS", "NAME:host-gateway" */
    enum userns_mode userns;
    struct id_map ids; /**< of its user namespace; empty: the host's */
    char *userns_why;  /**< why it could not have one of its own; NULL: it has, or asked for none */
    char *pid_file;    /**< on the host, without links; gets the pid of its program; NULL: none */
    struct restart restart;
    struct stop_rule stop;
    struct log_options log;
    int64_t created;      /**< seconds since the epoch */
    int64_t created_nsec; /**< nanoseconds after that second */
};
const char *userns_name(enum userns_mode mode); /**< "host", "auto", "map" */
void spec_clear(struct spec *s);
#define _cleanup_spec_ __attribute__((cleanup(spec_clear)))
json_t *spec_to_json(const struct spec *s); /**< the caller owns it */
/** {"KEY": "VALUE", …}; the caller owns it. */
json_t *labels_to_json(char *const *labels);
/** -EBADMSG with a text: damaged, or of a newer schema. */
int spec_from_json(const json_t *j, struct spec *out, struct err *e);
/** Gives a size and a number of inodes to each tmpfs that has none: at most the memory limit. */
void spec_bound_tmpfs(struct spec *s);
/** Why a service may have ended as soon as it was started (record.ended_early); the caller frees. */
char *spec_early_hint(const struct spec *s);
/** What `stop` sends first, and after how many seconds it kills. */
int spec_stop_signal(const struct spec *s);
uint64_t spec_stop_seconds(const struct spec *s);
/** A new container id; the caller frees. */
char *spec_new_id(void);
/** The id that @bits make: 12 hex digits, at least one of them a letter. */
char *spec_id_of(uint64_t bits);

/* ---- ranges of ids ---------------------------------------------------------------------------
 * ROOT/ranges/FIRST → id of the container that has ID_RANGE_SIZE ids from FIRST on, from before its definition is written
 * until it is removed. As long as the fd that range_allocate() and range_hold() return is open, no other container of this
 * host lives with the same ids, of whichever ROOT it is. */

/** Finds a free range for a new container. An fd; *@out is the map. -EADDRNOTAVAIL with a text: there is none. A range that
 *  no definition follows is removed by range_free(), or by gc once the fd is closed. */
int range_allocate(struct store *s, const char *id, struct id_map *out, struct err *e);
/** Before a container lives with spec->ids: an fd. @member: it shares the sandbox of another one, whose ids these are. -EBUSY
 *  with a text: another container, which does not share it, lives with them. */
int range_hold(struct store *s, const struct spec *spec, bool member, struct err *e);
/** Before the id of an owner that is no container, such as a lab: its range stays until range_free(). */
#define RANGE_KEPT "+"
/** Frees the range of a container without a definition. Accepts ids that are not its own, and "already gone". */
void range_free(struct store *s, const char *id, const struct id_map *m);

/* ---- records ---------------------------------------------------------------------------------*/

enum status { STATUS_CREATING, STATUS_RUNNING, STATUS_RESTARTING, STATUS_DEAD, STATUS_EXITED };
const char *status_name(enum status s);

#define EXIT_LOST 255 /**< the exit status of a container that ended with the host */

/** What is known of a container. STATUS_DEAD: its monitor was killed, and nothing has been cleaned up yet. */
struct record {
    enum status status;
    struct spec spec;
    pid_t pid; /**< init, in our pid namespace; 0 unless running */
    uint64_t pid_start;
    pid_t monitor;
    uint64_t monitor_start;
    int64_t started, finished; /**< seconds since the epoch; 0: not yet */
    int exit_status;           /**< EXITED: of the program; RESTARTING: of its last run */
    bool oom_killed;    /**< EXITED, RESTARTING: the kernel killed the program for want of memory */
    uint64_t oom_kills; /**< EXITED: processes that it killed in the last run */
    bool asked;         /**< EXITED: the user stopped it, for good */
    bool ended_early;   /**< EXITED: by itself, so soon that spec_early_hint() may explain it */
    bool lost;          /**< EXITED: it ran when the host went down; its exit status is unknown */
    bool never_ran;     /**< EXITED: made by `create`, and not started yet */
    char *failure;      /**< RESTARTING: why its last start failed; NULL: it ran */
    unsigned restarts;  /**< since it was started */
};
void record_clear(struct record *r);
/** RESTARTING before its first run: it has no network and holds no port, and its definition may be changed. */
bool record_waits(const struct record *r);
#define _cleanup_record_ __attribute__((cleanup(record_clear)))
/** Finds a container by name, or by an unambiguous prefix of its id (4 digits or more). -ENOENT with a text. -EBADMSG
 *  with a text: one of its files is damaged; only engine_remove_damaged() can handle it. */
int store_find(struct store *s, const char *name_or_id, struct record *out, struct err *e);
/** The same by its name alone, so a missing one is not searched for in the list. */
int store_find_named(struct store *s, const char *name, struct record *out, struct err *e);
/** The name of the container of @spec at this moment: it may have been renamed since @spec was read. Caller frees. */
char *store_name_now(struct store *s, const struct spec *spec);
/** Calls @each for every container, sorted by creation; a negative result ends the walk. Containers with damaged files
 *  are warned about and skipped. */
int store_each(struct store *s, int (*each)(const struct record *r, void *arg), void *arg,
               struct err *e);
/** Calls @each for every run directory, whatever is in it. */
int store_each_live(struct store *s, int (*each)(const char *name, int dir, void *arg), void *arg,
                    struct err *e);
/** Adds the id of every container that has a run directory: from its state, or else its definition. -EBADMSG with a
 *  text if both are damaged: then nothing may be treated as garbage. */
int store_live_ids(struct store *s, strv *ids, struct err *e);

/** The netctr that a container's monitor belongs to. */
struct monitor_version {
    char *version;      /**< the caller frees it */
    int network_schema; /**< the NETCTR_SCHEMA that it was built with */
    pid_t pid;
    uint64_t start;
};
/** Reads it from the run directory of a container; -ENOENT, or -EBADMSG with a text if that is damaged. */
int store_monitor_version(int live_dir, struct monitor_version *out, struct err *e);

/* ---- events ----------------------------------------------------------------------------------*/

#define EVENTS_FILE "events"
#define EVENTS_OLDER "events.1"       /**< the file before this one */
#define EVENTS_SIZE_MAX (1024 * 1024) /**< bytes; a larger file becomes the older one */

struct event {
    const char *type;    /**< "container", "network" or "system" */
    const char *name;    /**< docker's word where there is one: "create", "start", "die", … */
    const char *id;      /**< of the container; NULL: none */
    const char *of;      /**< its name, or the network's; NULL: none */
    char *const *labels; /**< of the container; NULL: none */
};
extern const char event_true[]; /**< as a text: the JSON value true */
struct event_attribute {
    const char *key; /**< NULL ends a list */
    const char *text;
    int64_t number; /**< when @text is NULL */
};
/** Appends a line. @attributes may be NULL. An event that cannot be written is lost: this never fails, never waits and
 *  prints nothing. */
void event_emit(int run_fd, const struct event *event, const struct event_attribute *attributes);
/** Parses one line, and skips half a line before it that a full disk has left. NULL: no event. The caller owns it. */
json_t *event_parse(const char *line, size_t size);

/* ---- flags -----------------------------------------------------------------------------------
 * RUN/containers/NAME/flags: what other processes tell a monitor, and what must outlive it. `cat flags` shows it. Each
 * flag is 16 bytes in their place, written when the container is claimed, so that setting one needs no room on a full
 * disk. */

enum mark {
    MARK_END_ASKED = 1,  /**< the user stopped it: do not restart it */
    MARK_UNTIL_BOOT = 2, /**< do not restart it before the host boots again */
    MARK_LEAVING = 4,    /**< netctr 0.1 sets it while it detaches; nothing reads it any more */
    MARK_STARTED = 8,    /**< the event "start" was emitted, and no "die" since */
};
/** Sets one. -errno. The store must be locked, except for its own monitor. */
int container_mark(int run_dir, enum mark mark);
int container_unmark(int run_dir, enum mark mark);
/** Is one of @marks set? 1, 0, or -errno. -EBADMSG: none of those that can be read is, and the file is damaged. */
int container_marked(int run_dir, unsigned marks);

/* ---- a container in the store ----------------------------------------------------------------
 * Used by its monitor, and by the command that cleans up after a dead one. */

struct container {
    struct store *store;
    struct spec spec;
    struct process process;
    char *instance; /**< of a container that was adopted; NULL: the store's */
    int dir_fd;     /**< ROOT/containers/NAME */
    int run_fd;     /**< RUN/containers/NAME */
    int lock_fd;
    int owner_fd; /**< the user namespace that its process joins; -1: this process's own */
    char *layers, *mount_point; /**< paths of both directories, for the process */
    struct plan_mounts mounts;  /**< what its process mounts */
    int64_t started;            /**< seconds since the epoch; 0: not yet */
    pid_t pid_told;             /**< what its pid file may say; 0: there is none */
    bool noted;                 /**< the definition says how it ended */
    bool existing;     /**< its definition is older than this life, and outlives a failed start */
    bool restarting;   /**< between two runs of its program */
    bool between_runs; /**< adopted: its program did not run when its monitor died */
    int exit_status;   /**< of the last run, if there was one */
    char *failure;     /**< why its last start failed; NULL: it did not */
    bool ended_early;  /**< see struct record */
    unsigned restarts;
    bool told_start;    /**< as MARK_STARTED */
    bool oom_killed;    /**< the kernel killed the program for want of memory */
    uint64_t oom_kills; /**< processes that it killed in this run */
};
#define CONTAINER_INIT                                                                      \
    {                                                                                       \
        .process = PROCESS_INIT, .dir_fd = -1, .run_fd = -1, .lock_fd = -1, .owner_fd = -1, \
    }
/** Closes what @c holds; kills nothing, removes nothing. */
void container_clear(struct container *c);
#define _cleanup_container_ __attribute__((cleanup(container_clear)))

/** Takes the name: directories, lock, config.json, state.json, flags. @spec is moved into @out. -EEXIST with a text when
 *  the name is in use. The store must be locked. */
int container_claim(struct store *store, struct spec *spec, struct container *out, struct err *e);
/** The same for a container that has ended, with its old definition and layer. -ESTALE: the definition has changed
 *  since @spec was read. */
int container_restart_claim(struct store *store, struct spec *spec, struct container *out,
                            struct err *e);
/** Opens what a dead monitor left, to clean it up. -EWOULDBLOCK: the monitor lives. The store must be locked. */
int container_adopt(struct store *store, const char *name, struct container *out,
                    enum status *status, struct err *e);

/* Its process: the functions of netctr/core.h, together with what has to be recorded at each step. */
int container_create(struct container *c, struct err *e);
/** Writes the state before the program runs, and emits "start" when it does. */
int container_start(struct container *c, struct err *e);
/** supervise_run(); a slow reader of the output does not delay a container that was asked to end. */
int container_supervise(struct container *c, const struct supervise_options *options,
                        struct err *e);
/** After a run: emits "die", so that container_create() can follow. */
int container_reset(struct container *c, struct err *e);
void container_kill(struct container *c);
/** One line of netctr's own in the container's log. */
void container_note(struct container *c, const char *text);
/** plan_oom_kills() and plan_let_die() of a container that runs. */
uint64_t container_oom_kills(const struct store *s, const struct spec *spec);
void container_let_die(const struct store *s, const struct spec *spec);
/** plan_freeze(), plan_thaw() and plan_is_frozen(). */
int container_freeze(const struct store *s, const struct spec *spec, struct err *e);
int container_thaw(const struct store *s, const struct spec *spec, struct err *e);
bool container_is_frozen(const struct store *s, const struct spec *spec);
/** plan_each_process(). */
int container_each_process(const struct store *s, const struct spec *spec,
                           void (*each)(const struct process_seen *p, void *arg), void *arg,
                           struct err *e);
/** process_copy(); @request needs no plan and no pid. With STATUS_EXITED nothing can start it until this returns. -EBUSY with
 *  a text: it is being started, or another command copies. */
int container_copy(struct store *s, const struct record *r, const struct copy_request *request,
                   struct err *e);
/** plan_each_change(), of a container that has a layer. */
int container_each_change(struct store *s, const struct spec *spec, plan_change each, void *arg,
                          uint64_t *deeper, struct err *e);
/** plan_usage() of a container that runs. */
int container_usage(const struct store *s, const struct spec *spec, struct usage *out,
                    struct err *e);
/** process_exec() in a container that runs. */
int container_exec(struct store *s, const struct record *r, const struct exec_request *request,
                   struct err *e);

/** Asks for its end, for good (MARK_END_ASKED) or until the host boots (MARK_UNTIL_BOOT): its monitor will not restart
 *  it. The store must be locked. */
int container_ask_end(struct store *store, const char *name, enum mark mark, struct err *e);
/** Was the container @name asked to end, by container_ask_end()? In doubt it was. */
bool container_was_asked(struct store *store, const char *name);
/** Was it asked to end, by container_ask_end() or by a signal for its monitor? 1, 0 or -errno. */
int container_end_asked(const struct container *c);
/** Emits an event of this container. */
void container_event(const struct container *c, const char *name,
                     const struct event_attribute *attributes);
/** Writes its definition, after a change to the spec while it runs. */
int container_save_definition(struct container *c, struct err *e);
/** Replaces the definition of a container that does not run, or waits; its exit record stays. The store must be
 *  locked. */
int container_redefine(struct store *store, const struct spec *spec, struct err *e);
/** Gives a container another name; if it runs, its monitor calls this, and container_renamed() after it. Killed on the way, it
 *  has one name or the other. -EEXIST with a text when the name is in use. The store must be locked. */
int container_rename(struct store *store, const struct spec *spec, const char *name, struct err *e);
/** The same in the memory of its monitor. */
void container_renamed(struct container *c, const char *name);
/** Reads the definition of a container that waits again: it may have been replaced. The store must be locked. */
int container_reread(struct container *c, struct err *e);
/** Of a claimed container that is not to run now: says so in its definition. container_release_name() must follow. */
int container_note_created(struct container *c, struct err *e);
/** Writes whether it waits for its next run, how the last one ended, and @c->failure. */
int container_set_restarting(struct container *c, bool restarting, int exit_status, struct err *e);

/** After the last process: writes the exit record to the definition, once. To be called before any step that can fail:
 *  a later cleanup did not reap the process and cannot know its exit status. */
int container_note_end(struct container *c, int exit_status, struct err *e);
/** When container_note_end() has failed (a full disk): keeps the exit status in the state, for the command that cleans
 *  up. */
int container_remember_end(struct container *c, int exit_status, struct err *e);
/** Removes the cgroup, and with @keep writes the exit record unless it is there. Accepts "already gone". */
int container_end(struct container *c, bool keep, int exit_status, struct err *e);
/** Frees the name: removes the run directory, and without @keep the definition. The store must be locked. */
int container_release_name(struct container *c, bool keep, struct err *e);
/** Removes the definition of a container that does not run. @spec may be NULL: not known, and gc must follow. The store
 *  must be locked. */
int container_remove(struct store *store, const char *name, const struct spec *spec, struct err *e);
/** Deletes the files of removed containers. May take long: hold no lock. */
void store_empty_trash(struct store *s);
/** The same of one container. */
void store_empty_trash_of(struct store *s, const char *id);
/** store_empty_trash() after many removals, with several processes. */
void store_empty_full_trash(struct store *s);
/** Removes cgroups and directories of this instance that belong to no container. @helper (may be NULL) names a cgroup
 *  that stays. The store must be locked. */
int store_sweep(struct store *s, const char *helper, const struct gc *gc, struct err *e);

/* ---- state directories as a whole, for `reset` -----------------------------------------------*/

/** ROOT or RUN, which may be removed: a file of netctr marks it (or its entries show that an older netctr made it),
 *  everything in it was created by netctr, and no other file system is mounted in it. */
struct state_dir {
    char *path; /**< without symbolic links */
    char *name; /**< in @parent */
    int fd;     /**< -1: it does not exist */
    int parent; /**< fd; -1: that does not exist */
    strv pins;  /**< mount points of pinned network namespaces in it */
};
#define STATE_DIR_INIT ((struct state_dir){.fd = -1, .parent = -1})
/** -EPERM or -EBUSY with a text: it must not be removed. Changes nothing. Call state_dir_close() also after a
 *  failure. */
int state_dir_open(const char *path, struct state_dir *out, struct err *e);
/** What a killed reset of @d has left: a directory beside it. */
int state_dir_open_aside(const struct state_dir *d, struct state_dir *out, struct err *e);
/** Renames it to the name that state_dir_open_aside() looks for. */
int state_dir_put_aside(struct state_dir *d, struct err *e);
/** Removes it with everything in it: follows no symbolic link, enters no mount. After a failure the rest stays, and
 *  can be removed later. */
int state_dir_remove(const struct state_dir *d, struct err *e);
void state_dir_close(struct state_dir *d);
#define _cleanup_state_dir_ __attribute__((cleanup(state_dir_close)))

/** Opens what exists of an instance and creates nothing: fds of what is missing are -1. */
int store_look(const struct state_dir *root, const struct state_dir *run, struct store *out,
               struct err *e);
/** -EBUSY with a text if containers of ROOT run under another RUN. */
int store_check_bound(struct store *s, struct err *e);
/** Takes the lock in ROOT, without which no container starts. *@lock: an fd, or -1 if there is no ROOT. */
int store_lock_starts(struct store *s, int *lock, struct err *e);
