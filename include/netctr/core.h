/* One container as an isolated process: what it shall be (spec), where its state lives (store), and
 * its life: claim → create → start → monitor → delete. Knows nothing of bridges: a network
 * namespace reaches it as an fd, and what the monitor watches for others as fds with callbacks.
 */
#pragma once

#include <netctr/base.h>
#include <netctr/message.h>

#include <sys/resource.h>

struct store;
struct record;

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

/** After a run: ends what is left of its processes, so that container_create() can follow. */
int container_reset(struct container *c, struct err *e);
/** One line of netctr's own in the container's log, marked as such. */
void container_note(struct container *c, const char *text);
/** How many processes of a container that runs the kernel has killed for want of memory, in this run. */
uint64_t container_oom_kills(const struct store *s, const struct spec *spec);
/** What a container that may mount cgroups has frozen of itself goes on, for else no signal would end it. */
void container_let_die(const struct store *s, const struct spec *spec);
/** Ends whatever of the container runs, at once: init by its pidfd and the cgroup. Idempotent. */
void container_kill(struct container *c);
/* ---- channels -------------------------------------------------------------------------------
 * The one protocol between a parent and the child that it prepares, and between a command and a monitor: packets over
 * a SOCK_SEQPACKET pair. A packet is a kind, an errno, an exit status and a text; one kind carries an fd. End of file
 * means that the other side is gone, or has become another program. */

/** Both ends are O_CLOEXEC. */
int channel_open(int ends[2], struct err *e);
/** Sends a message without more. A receiver that is gone is -EPIPE. */
int channel_send(int channel, enum message kind);
int channel_send_fd(int channel, enum message kind, int fd);
int channel_send_number(int channel, enum message kind, int number);
/** A text of at most PACKET_TEXT - 1 bytes; -EMSGSIZE. */
int channel_send_text(int channel, enum message kind, const char *text);
/** Waits for one message that may carry a text; *@text is the caller's, never NULL on success. */
int channel_receive_text(int channel, enum message *kind, char **text, struct err *e);
int channel_send_error(int channel, const struct err *error);
/** Waits for one message. MESSAGE_ERROR is turned into a failure: its error moves into @e and its
 *  code is returned. *@value (may be NULL) becomes the fd or the number that came along, else -1; an
 *  fd is the caller's. */
int channel_receive(int channel, enum message *kind, int *value, struct err *e);

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
