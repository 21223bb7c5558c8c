/* What is on disk of an instance: definitions and layers that survive a reboot, run directories and records that do
 * not, and the events. The name of a container, its marks, and how it ended are kept here.
 */
#pragma once

#include <netctr/core.h>

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

/** Which netctr a container's monitor is. */
struct monitor_version {
    char *version;      /**< the caller frees it */
    int network_schema; /**< the NETCTR_SCHEMA that it was built with */
    pid_t pid;
    uint64_t start;
};
/** Reads it from the run directory of a container; -ENOENT, or -EBADMSG with a text if that is damaged. */
int store_monitor_version(int live_dir, struct monitor_version *out, struct err *e);

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

/* ---- a container in the store ---------------------------------------------------------------*/

/** Takes the name: directories, lock, config.json, state.json. @spec is taken over. -EEXIST with a
 *  text when the name is in use. The store must be locked. */
int container_claim(struct store *store, struct spec *spec, struct container *out, struct err *e);
/** The same for a container that has ended: a new life on the old definition and layer. -ESTALE: that is not @spec's
 *  any more; read it again. */
int container_restart_claim(struct store *store, struct spec *spec, struct container *out,
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
/** Emits an event of this container. */
void container_event(const struct container *c, const char *name,
                     const struct event_attribute *attributes);
/** Its definition, after a change to the spec while it runs. */
int container_save_definition(struct container *c, struct err *e);
/** Replaces the definition of a container that does not run, or waits; how it ended stays. The store must be
 *  locked. */
int container_redefine(struct store *store, const struct spec *spec, struct err *e);
/** Reads the definition of one that waits again, which may have been replaced. The store must be locked. */
int container_reread(struct container *c, struct err *e);
/** Writes down whether it waits for its next run, and how the last one ended (@c->failure: or why it did not begin). */
int container_set_restarting(struct container *c, bool restarting, int exit_status, struct err *e);

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
