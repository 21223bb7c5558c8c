/* One isolated process: a plan goes in, a process comes out.
 *
 *     process_create()       clone into namespaces and cgroup; the child mounts its root file system
 *     process_join_netns()   meanwhile the caller may hand over a network namespace, as an fd
 *     process_await()        the child is prepared
 *     process_start()        the child drops its privileges and becomes the program
 *     supervise_run()        copy its output, write its log, reap it
 *     process_reset()        kill what is left in the cgroup, and remove it
 *
 * This folder knows no network, no store and no other container. Functions return 0 (or an fd) or -errno, and
 * describe a failure in @e.
 */
#pragma once

#include <netctr/channel.h>

#include <linux/capability.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

/* ---- the plan: what to run -------------------------------------------------------------------*/

/** The namespaces of a process. The mount namespace is always a new one; there is no time namespace. */
enum plan_ns_kind { PLAN_USER, PLAN_PID, PLAN_NET, PLAN_UTS, PLAN_IPC, PLAN_CGROUP, PLAN_NS_KINDS };
enum plan_ns {
    NS_NEW,     /**< not PLAN_USER */
    NS_INHERIT, /**< that of the process which calls process_create() */
    NS_JOIN,    /**< that of @fd */
    NS_LATER,   /**< PLAN_NET only: the one that process_join_netns() hands over */
};
struct plan_namespace {
    enum plan_ns how;
    int fd; /**< of NS_JOIN: a file of nsfs (/proc/PID/ns/…) */
};

/** What is mounted. All mounts are nodev, except for the nodes of SOURCE_DEVICES and devpts. */
enum plan_source {
    SOURCE_TYPE, /**< a new file system of type @source: "proc", "tmpfs" …; "cgroup": the process's own cgroups, of
                         v1 or v2, as the host has them */
    SOURCE_PATH, /**< what is at @source, a canonical path of the host, and the mounts below it */
    SOURCE_FD, /**< the detached mount @fd (open_tree, fsmount), which is used up; its ids are not mapped */
    SOURCE_DEVICES, /**< a tmpfs with six harmless nodes and the usual links: /dev */
    SOURCE_TARGET,  /**< the target itself, with other flags (MOUNT_RDONLY) */
    SOURCE_MASK, /**< nothing: an empty file or directory. For a file it needs an earlier SOURCE_DEVICES */
};
enum plan_mount_flag {
    MOUNT_RDONLY = 1,
    MOUNT_NOSUID = 2,
    MOUNT_NOEXEC = 4,
    /** The target is what its path says: no part of it is a link, and it may hide anything. Without this flag links
     *  are followed beneath the root, and the place must not be the root, SOURCE_DEVICES or in a procfs or sysfs, and
     *  no other mount without this flag may be there or hide it. SOURCE_TARGET and SOURCE_MASK have it always. */
    MOUNT_REAL = 8,
    /** Mounted when the process is in its network namespace, whose view sysfs shows. The host's files are out of reach
     *  by then: neither SOURCE_PATH nor SOURCE_FD. Implies MOUNT_REAL. */
    MOUNT_LATE = 16,
    MOUNT_OPTIONAL = 32,  /**< left out if the target is missing, or the kernel refuses it */
    MOUNT_WRITABLE = 64,  /**< of SOURCE_TARGET: though what is around it is read-only */
    MOUNT_HOST_IDS = 128, /**< of SOURCE_PATH: its ids are not mapped */
};
/** One of a list, which is mounted in its order. A missing target is made; that of SOURCE_TARGET and SOURCE_MASK is
 *  not: those are left out. */
struct plan_mount {
    enum plan_source what;
    char *source;
    int fd;
    char *target;   /**< absolute path in the container; with MOUNT_REAL without "." and ".." */
    unsigned flags; /**< MOUNT_… */
    strv options;   /**< of the new file system: "KEY=VALUE" or "KEY"; NULL: none */
};

/** A list that owns its strings (not its fds). */
struct plan_mounts {
    struct plan_mount *list;
    size_t count;
};
/** Adds one at the end; copies @source (may be NULL) and @target. The result is valid until the next call. */
struct plan_mount *plan_mounts_add(struct plan_mounts *m, enum plan_source what, const char *source,
                                   const char *target, unsigned flags);
/** Adds what every container has: /dev, /proc and /sys, with cgroups; what of them tells about the host, or changes
 *  it, is masked or read-only, as docker does it. */
void plan_default_mounts(struct plan_mounts *m);
void plan_mounts_clear(struct plan_mounts *m);

/** A file that is made for the process and mounted over its root's, unless the list of mounts has something there.
 *  All of them are on a small tmpfs, which the process can fill without harm to the host. */
struct plan_file {
    const char *name;   /**< for process_write_file() */
    const char *target; /**< absolute path in the container */
};
#define PLAN_FILES_MAX 8

/** The path below /proc/sys of a sysctl: "net.ipv4.ip_forward", or with slashes where a part has dots of its own.
 *  NULL: it is not the name of one. The caller frees. */
char *sysctl_path(const char *name);

/** Limits of the cgroup; 0 means no limit. */
struct limits {
    uint64_t memory;      /**< bytes */
    uint64_t cpu_milli;   /**< thousandths of a processor (--cpus 1.5 is 1500) */
    uint64_t pids;        /**< tasks */
    bool pids_by_default; /**< without the controller @pids is dropped silently */
};
/** podman's default: enough for any service, too little for a fork bomb. */
#define PIDS_DEFAULT 2048

/** The resource limits of a program. Those before ULIMITS_INHERITED it has from the caller of `run`, if they are not set. */
enum {
    ULIMIT_NOFILE,
    ULIMIT_NPROC,
    ULIMIT_CORE,
    ULIMIT_MEMLOCK,
    ULIMITS_INHERITED,
    ULIMIT_CPU = ULIMITS_INHERITED,
    ULIMIT_DATA,
    ULIMIT_FSIZE,
    ULIMIT_LOCKS,
    ULIMIT_MSGQUEUE,
    ULIMIT_NICE,
    ULIMIT_RSS,
    ULIMIT_RTPRIO,
    ULIMIT_RTTIME,
    ULIMIT_SIGPENDING,
    ULIMIT_STACK,
    ULIMITS
};
struct ulimits {
    unsigned set; /**< bit n: item n; others are those of the process that starts it */
    struct rlimit items[ULIMITS];
};
/** docker's name of each: "nofile". */
const char *ulimit_name(size_t i);
/** Reads those of this process that are inherited and not set. */
int ulimits_read(struct ulimits *out, struct err *e);
/** Resets what this process inherited and a container must not: other limits, CPU affinity, personality, niceness.
 *  -EPERM with a text when a hard limit of file size or processor time cannot be lifted. */
int caller_reset(struct err *e);

/** What happens to the program's output. */
enum log_driver { LOG_K8S_FILE, LOG_NONE };
struct log_options {
    enum log_driver driver;
    int64_t max_size;  /**< bytes of a file; -1: no limit */
    unsigned max_file; /**< number of files, including the one that is being written */
};
#define LOG_OPTIONS_DEFAULT ((struct log_options){LOG_K8S_FILE, 10 << 20, 3})
#define LOG_FILES_MAX 100
#define LOG_SIZE_MIN 4096 /**< of max_size: a rotation costs up to LOG_FILES_MAX renames */
/** "k8s-file" or "none". -EINVAL with a text. */
int log_driver_parse(const char *text, struct log_options *o, struct err *e);
const char *log_driver_name(enum log_driver driver);
/** "max-size=10m" or "max-file=3". -EINVAL with a text. */
int log_option_parse(const char *text, struct log_options *o, struct err *e);

/** PATH of a program whose environment has none: docker's. */
#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/** Everything that core needs to know. Plain data; all pointers are borrowed and must outlive the process. */
struct plan {
    const char *name;        /**< for messages and the process title */
    const char *instance;    /**< with @id the cgroup: netctr/INSTANCE/ID */
    const char *id;          /**< NULL: unknown; then there is no cgroup to look after */
    const char *rootfs;      /**< canonical path of the root directory; NULL: unknown */
    const char *layers;      /**< directory with the overlay's `upper` and `work` */
    const char *mount_point; /**< directory to mount over, in mount namespaces of core's own only */
    bool in_place;           /**< write to @rootfs itself; else to the overlay's upper layer */
    bool read_only;          /**< the root directory cannot be written to */
    bool interactive;        /**< -i: stdin stays open */
    bool tty;                /**< -t: the streams are a terminal of the container's own */
    bool init;               /**< --init: pid 1 is a process of ours, and the program its child */
    char *const *argv;       /**< the program and its arguments */
    char *const *env;        /**< KEY=VALUE, complete but for HOME */
    const char *workdir;     /**< absolute; NULL: "/" */
    const char *user;        /**< USER[:GROUP] as given; NULL: root */
    char *const *groups;     /**< more groups of the user: names or ids */
    const char *umask;       /**< octal; NULL: 0022 */
    int oom_score;           /**< oom_score_adj */
    const char *hostname;    /**< of a new or joined UTS namespace; NULL: unchanged */
    struct plan_namespace namespaces[PLAN_NS_KINDS];
    struct id_map ids; /**< of the user namespace that is joined; empty: read from it */
    const struct plan_mount *mounts; /**< beneath the root, in this order */
    size_t mount_count;
    const struct plan_file *files;
    size_t file_count;    /**< at most PLAN_FILES_MAX */
    char *const *sysctls; /**< NAME=VALUE, of namespaces that are the program's own */
    struct limits limits;
    struct ulimits ulimits;
    uint64_t caps;         /**< bounding set, one bit a capability */
    uint64_t ambient_caps; /**< what a @user other than root keeps: those added by name */
    int stop_signal;       /**< what a SIGTERM for the monitor becomes; 0: SIGTERM */
    struct log_options log;
    int log_dir;     /**< where the log is kept; -1: nowhere */
    bool log_before; /**< an earlier life may have left more files than @log permits */
};

/* ---- the process -----------------------------------------------------------------------------*/

struct process {
    struct plan plan;
    pid_t pid; /**< of the container's init, from process_await() on; 0: none */
    int pidfd;
    struct birth *birth; /**< the process that clones it; NULL: none, or its work is done */
    int files_fd;        /**< directory with the plan's files, also for callers; -1: none */
    int channel;         /**< to the child, until it has become the program */
    int stdin_fd, stdout_fd, stderr_fd; /**< our ends of its pipes */
    struct winsize size;                /**< of its terminal, as the client's; 0: not known */
    int peer;                /**< of its terminal: as long as it is open, the master does not end */
    struct viewers *viewers; /**< the clients of `attach`; NULL: no program has run */
    int log_fd, signal_fd;   /**< kept from one run to the next */
    bool relayed;       /**< the relay copies its streams and rotates its log (relay_process.h) */
    bool met_client;    /**< the client of an earlier run has its terminal raw already */
    bool end_requested; /**< this process got SIGINT or SIGTERM, or the reader of its output left */
    bool interrupted;   /**< by SIGINT: a user's ^C, which a host that shuts down does not send */
    bool sigkilled;     /**< SIGKILL ended the program */
    bool
        output_failed; /**< of a client: output was lost, and not because its reader had closed it */
};
#define PROCESS_INIT                                                                         \
    {                                                                                        \
        .plan = {.log_dir = -1}, .pidfd = -1, .files_fd = -1, .channel = -1, .stdin_fd = -1, \
        .stdout_fd = -1, .stderr_fd = -1, .peer = -1, .log_fd = -1, .signal_fd = -1          \
    }
/** Closes what @p holds; kills nothing, removes nothing. */
void process_clear(struct process *p);

/** Clones the child into its namespaces and cgroup (clone3, CLONE_INTO_CGROUP with cgroup v2). The child prepares
 *  its root file system, then waits. @p->plan must be set. The caller must be single-threaded. -EINVAL with a text: the
 *  plan contradicts itself, or an fd is not what it says. */
int process_create(struct process *p, struct err *e);
/** With NS_LATER: gives the child its network namespace, also while it is still preparing. @netns stays the
 *  caller's. -EINVAL: the plan has one already. */
int process_join_netns(struct process *p, int netns, struct err *e);
/** Writes one of the plan's files, by its name. From process_create() on, also while the program runs. */
int process_write_file(struct process *p, const char *file, const char *text, struct err *e);
/** Reads one back: the program may have changed it. The caller frees @text. */
int process_read_file(const struct process *p, const char *file, char **text, struct err *e);
/** Waits until the child is prepared: what comes next is the program. */
int process_await(struct process *p, struct err *e);
/** Lets the prepared child become the program. Returns when it has; a failure that is the command's fault has exit
 *  status 126 or 127. */
int process_start(struct process *p, struct err *e);
/** Kills the program by its pidfd and everything else in its cgroup, and waits for both. Idempotent. */
void process_kill(struct process *p);
/** After a run: kills what is left in the cgroup, removes it, and closes the fds of that run, so that
 *  process_create() can follow. */
int process_reset(struct process *p, struct err *e);

/** Removes the cgroup, and kills what is left in it; and netctr/INSTANCE, if @with_instance. Accepts "already
 *  gone". */
int plan_end_cgroup(const struct plan *plan, bool with_instance, struct err *e);
/** Gives the cgroup, with what runs in it, the limits @to instead of the plan's. After a failure, such as -EBUSY for less
 *  memory than is in use, it has the plan's again. */
int plan_change_limits(const struct plan *plan, const struct limits *to, struct err *e);
/** How many processes of this run the kernel has killed for want of memory. */
uint64_t plan_oom_kills(const struct plan *plan);
/** Before a signal that ends the program: thaws what a container with CAP_SYS_ADMIN has frozen of itself, and lifts
 *  the limit of processor time. Otherwise it would not die, or only after minutes. */
void plan_let_die(const struct plan *plan);
/** Freezes all its processes, and returns when all are frozen. -EOPNOTSUPP with a text: this host has no freezer. */
int plan_freeze(const struct plan *plan, struct err *e);
/** "Not frozen" is success. */
int plan_thaw(const struct plan *plan, struct err *e);
/** As the kernel says. */
bool plan_is_frozen(const struct plan *plan);
/** A process of a container. */
struct process_seen {
    pid_t pid;    /**< in our pid namespace */
    uint32_t uid; /**< on the host */
    uint64_t cpu_ms;
    const char *
        command; /**< its command line, at most 4 KiB, from the container: escape it before it is shown */
};
int plan_each_process(const struct plan *plan,
                      void (*each)(const struct process_seen *p, void *arg), void *arg,
                      struct err *e);
/** A path below the container's root, which the container chose: escape it before it is shown. @kind: 'A' added, 'C'
 *  changed, 'D' deleted. */
typedef void (*plan_change)(char kind, const char *path, void *arg);
/** Calls @each for everything that the overlay's upper layer changes of the root directory; it may run. Directories that are
 *  too deep to be entered are counted in *@deeper. Needs @layers, and @mounts to tell what was made for them. */
int plan_each_change(const struct plan *plan, plan_change each, void *arg, uint64_t *deeper,
                     struct err *e);
/** What a container uses. */
struct usage {
    uint64_t cpu_ns;        /**< time of all processors since it was started */
    uint64_t memory;        /**< bytes, without the page cache that the kernel would drop first */
    uint64_t memory_limit;  /**< bytes: its own, or the memory of the host */
    uint64_t tasks;         /**< processes and threads */
    uint64_t read, written; /**< bytes from and to block devices */
};
/** With cgroups v1, where a container has none that counts these, time and block devices come from its processes: then
 *  what a process used that was entered from outside (`exec`) ends with it. -ENOENT with a text: it has ended. */
int plan_usage(const struct plan *plan, struct usage *out, struct err *e);
/** Removes the cgroups below netctr/INSTANCE that @keep does not list, and kills what is in them. */
int cgroups_sweep(const char *instance, char *const *keep, const struct gc *gc, struct err *e);

/* ---- supervision -----------------------------------------------------------------------------*/

/** A client of a monitor, as the monitor sees it: the command `run` that waits for its container. */
struct client {
    int channel;    /**< -1: there is none, or it has left */
    int streams[3]; /**< its stdin (-1: not handed over), stdout and stderr */
    /** The last delivery of each signal, to recognise one that was sent to both processes. */
    struct {
        pid_t sender;
        bool by_client;
        int64_t when; /**< monotonic_ms(); 0: never */
    } signals[16];
};
#define CLIENT_INIT                              \
    {                                            \
        .channel = -1, .streams = { -1, -1, -1 } \
    }
static inline bool client_is_here(const struct client *c)
{
    return c && c->channel >= 0;
}
/** Takes @channel over and receives the client's streams from it. */
int client_accept(struct client *c, int channel, struct err *e);
/** Before the start is reported: -ECANCELED if the client has left, or got a signal that ends it. */
int client_agrees(const struct client *c);
/** The program's exit status, the last message. */
void client_tell_exit(struct client *c, int status, bool oom_killed);
/** Closes everything that belongs to the client. Idempotent. */
void client_leave(struct client *c);

struct supervise_options {
    /** Gets the output, provides stdin, and sends signals; NULL: none. When it leaves, its
     *  descriptors are closed, and the program runs on with its log alone; its stdin ends. */
    struct client *client;
    /** The caller's, which may serve other things, too. */
    struct loop *loop;
    /** Was this container asked to end? 1, 0 or -errno. Then a slow reader of its output is not waited for.
     *  NULL: only signals for this process count. */
    int (*end_asked)(void *arg);
    void *arg;
};
/** Runs the loop until the container's init has ended: copies streams, writes the log, forwards signals.
 *  Returns the exit status as a shell shows it (128+n for signal n). When the reader of its output has gone, the
 *  program ends as in a pipeline (128+SIGPIPE). */
int supervise_run(struct process *p, const struct supervise_options *options, struct err *e);
/** From here on signals do not end this process: supervise_run() and supervise_pause() receive them. */
int supervise_listen(struct process *p, struct err *e);
/** While no program runs: runs the loop for @ms, or until a signal asks for the end. */
int supervise_pause(struct process *p, const struct supervise_options *options, int ms,
                    struct err *e);
/** Takes @channel over, whose other end calls console_attach(): it gets the output from now on. The program's loop runs.
 *  -EUSERS with a text: there are too many. */
int supervise_attach(struct process *p, int channel, struct err *e);
/** Writes a line of netctr's own to the container's log, marked as such. Opens the log if it has to. */
void process_note(struct process *p, const char *text);
/** Makes this process, and with it its container, a late victim of the OOM killer (oom_score_adj). */
void oom_score_of_monitor(void);

/* ---- terminals -------------------------------------------------------------------------------*/

/** Keys that a client takes from a terminal on stdin to leave a program that goes on. */
#define DETACH_KEYS_MAX 8
#define DETACH_KEYS_DEFAULT "ctrl-p,ctrl-q"
struct detach_keys {
    char keys[DETACH_KEYS_MAX];
    size_t count; /**< 0: none */
};
/** "ctrl-p,ctrl-q", as docker writes them; "": none; NULL: the default. -EINVAL with a text. */
int detach_keys_parse(const char *text, struct detach_keys *out, struct err *e);
/** In the place of an exit status: the client has left by its keys. */
#define STATUS_DETACHED 256

/** The size of the caller's terminal: stdout, or else stdin or stderr. False: none of them is one. */
bool terminal_size(struct winsize *out);

/* ---- the client's side -----------------------------------------------------------------------
 * The command `run` without -d: a process that hands its streams to the monitor and then waits. It passes signals on,
 * prints the monitor's warnings, and reads stdin itself if that is a terminal: a monitor in another session would
 * read it even while the job is stopped. */

struct console {
    int channel, notices; /**< from the monitor; @notices is its stderr */
    bool tty;             /**< the program has a terminal … */
    bool terminal;        /**< … and stdin is one, too: it is to be raw while the program runs */
    struct detach_keys keys; /**< taken from that terminal; set by the caller */
    int input;               /**< a pipe to the program's stdin, if stdin is a terminal; else -1 */
    struct {
        int channel, notices;
    } monitor; /**< the monitor's ends */
};
#define CONSOLE_INIT                                                     \
    {                                                                    \
        .channel = -1, .notices = -1, .input = -1, .monitor = { -1, -1 } \
    }
/** Opens the channel, and hands stdout, stderr, and with @interactive stdin over. @tty: the program has a terminal, so
 *  the one on stdin is raw until console_run() returns, and its size is passed on. */
int console_open(struct console *c, bool interactive, bool tty, struct err *e);
/** In the monitor, after the fork: closes the client's ends. Its stderr becomes the notices. */
int console_become_monitor(struct console *c, struct err *e);
/** How the program ended. */
struct console_end {
    bool started; /**< set also after a failure: the container runs, or has run */
    bool left;    /**< the client has left by its keys; there is no status */
    int status;
    bool oom_killed;
};
/** In the client: waits for the end of the program. Fails with the monitor's error, or with
 *  -EINTR and exit status 128+n if signal n came before the container ran, or with -EPIPE if the
 *  monitor was killed. @monitor is a child of this process. */
int console_run(struct console *c, const char *name, pid_t monitor, struct console_end *end,
                struct err *e);
void console_close(struct console *c);

/** What a client of `attach` wants. */
struct attach_request {
    bool input;     /**< pass stdin on; the program takes input */
    bool tty;       /**< the program has a terminal */
    bool sig_proxy; /**< pass signals on; else they end the client */
    struct detach_keys keys;
};
/** In the client, which the monitor has taken in by supervise_attach(): shows the output, and passes stdin, signals and the
 *  terminal's size on. Returns 0 when the monitor has closed @channel, because the container has ended, or STATUS_DETACHED,
 *  or 128+n: signal n has ended the client. -errno with the monitor's error. */
int console_attach(int channel, const struct attach_request *request, struct err *e);
/** Before a container runs: -ETIMEDOUT with a text if @monitor has been stopped (SIGSTOP). *@since is 0 at the first of
 *  several calls. */
int monitor_check(pid_t monitor, int64_t *since, struct err *e);

/* ---- exec ------------------------------------------------------------------------------------*/

struct exec_request {
    strv argv;
    strv env;            /**< added to the container's; later ones win */
    const char *workdir; /**< NULL: the container's */
    const char *user;    /**< NULL: the container's */
    bool interactive;
    bool
        tty; /**< the streams are a terminal of the container's own; with @interactive ours is raw meanwhile */
    bool detached;
    bool ends_with_caller; /**< a caller that is killed takes the command and its process group with it */
    struct detach_keys keys; /**< of a terminal on our stdin */
};
/** Runs a command in a running container: @pid and @pid_start name its init, @plan is what it was made from. Copies
 *  the caller's streams and returns the command's exit status, or STATUS_DETACHED. Detached: returns 0 as soon as the command runs. */
int process_exec(const struct plan *plan, pid_t pid, uint64_t pid_start,
                 const struct exec_request *request, struct err *e);

/* ---- copying ---------------------------------------------------------------------------------*/

struct copy_request {
    const struct plan *plan; /**< as for process_create(), also if it does not run */
    pid_t pid;               /**< of the container's init; 0: it does not run */
    uint64_t pid_start;
    int lock; /**< stays open until the copy is complete, also if the caller is killed; -1: none */
    bool in;  /**< into the container, else out of it */
    const char *inside;  /**< path in the container */
    const char *outside; /**< path of the host; NULL: a tar archive on stdin or stdout */
    const char *as;      /**< what the archive on stdout calls it */
    /** What it is called in an existing directory; NULL: its contents go there ("/."). */
    const char *name;
    bool follow;  /**< copy what a link leads to */
    bool parents; /**< @in: make the directory of @inside, if it is not there */
    bool
        owners; /**< keep owners, as the container sees them, and set-user-ID bits; else root owns the copy */
};
/** Copies files between a container and the host by docker's rules. The container may do anything to its files meanwhile.
 *  The caller must be single-threaded. A container that does not run must not be started meanwhile. */
int process_copy(const struct copy_request *request, struct err *e);

/* ---- helpers ---------------------------------------------------------------------------------
 * Processes of netctr's own that serve all containers of an instance, in cgroup netctr/INSTANCE/helpers. The engine
 * decides which there are and what they do. */

#define HELPERS "helpers"
#define HELPER_FDS 6

struct helper_request {
    char *const *argv;   /**< of netctr itself, which is executed again */
    const char *cgroup;  /**< below netctr/INSTANCE; NULL: HELPERS */
    int fds[HELPER_FDS]; /**< become its fds 3, 4, …; -1: none */
    int log;             /**< for its output, which is cut off at 64 KiB */
};
/** Starts one, as a child of init, that inherits nothing else. Returns when it is in its cgroup. The caller holds
 *  the lock that keeps others from starting one. */
int helper_start(const char *instance, const struct helper_request *h, struct err *e);
/** Thaws their cgroup, in case it was frozen. */
void helpers_thaw(const char *instance);
/** Thaws their cgroup, kills all that are in it, and removes it; waits at most @ms. Accepts "already gone". -EBUSY:
 *  one does not die, for it has been frozen elsewhere. */
int helpers_end(const char *instance, int ms);
/** The same for the helpers of another cgroup. */
int helper_cgroup_end(const char *instance, const char *cgroup, int ms);
/** For a helper that ends: leaves the cgroup, and removes it and its empty parents if it was the last one. Waits @ms
 *  for others that have been killed. */
void helpers_leave(const char *instance, int ms);

/* ---- capabilities ----------------------------------------------------------------------------
 * A set is a uint64_t with bit n for capability n (linux/capability.h). */

#define CAPS_BIT(cap) (UINT64_C(1) << (cap))

/** The fourteen that docker leaves to a container's root. */
#define CAPS_DEFAULT                                                                             \
    (CAPS_BIT(CAP_CHOWN) | CAPS_BIT(CAP_DAC_OVERRIDE) | CAPS_BIT(CAP_FSETID) |                   \
     CAPS_BIT(CAP_FOWNER) | CAPS_BIT(CAP_MKNOD) | CAPS_BIT(CAP_NET_RAW) | CAPS_BIT(CAP_SETGID) | \
     CAPS_BIT(CAP_SETUID) | CAPS_BIT(CAP_SETFCAP) | CAPS_BIT(CAP_SETPCAP) |                      \
     CAPS_BIT(CAP_NET_BIND_SERVICE) | CAPS_BIT(CAP_SYS_CHROOT) | CAPS_BIT(CAP_KILL) |            \
     CAPS_BIT(CAP_AUDIT_WRITE))

/** The names of all in @mask ("CAP_CHOWN"), in the kernel's order; NULL when empty. The caller frees. */
strv caps_names(uint64_t mask);
/** Those of @asked that this thread can pass on: in its bounding and its permitted set. Each costs a system call
 *  (PR_CAPBSET_READ). */
uint64_t caps_held_of(uint64_t asked);
/** Those that @add names; "ALL" is every bit. Unknown names add nothing. */
uint64_t caps_added(char *const *add);
/** All that caps_resolve() looks at in its @held, for these arguments. */
uint64_t caps_asked(char *const *add, bool privileged);
/** The set of a container, by docker's rules: add ALL gives everything but the dropped ones; drop ALL leaves what is
 *  added; else the default less the dropped plus the added (adding wins). @add and @drop (may be NULL) are names, @held
 *  is caps_held_of() what is asked. What comes with the default, ALL or @privileged and is not held is left out; -EPERM:
 *  one that was added by name is not held. -EINVAL: an unknown name, with the nearest one as a hint. */
int caps_resolve(char *const *add, char *const *drop, bool privileged, uint64_t held,
                 uint64_t *mask, struct err *e);

/* ---- what this host has ----------------------------------------------------------------------*/

enum cgroup_kind {
    CGROUP_NONE, /**< no cgroup is mounted: limits are refused */
    CGROUP_V1,   /**< controllers on v1; an empty v2 beside them ("hybrid") is not used */
    CGROUP_V2,
};
enum cgroup_controller { CGROUP_MEMORY, CGROUP_CPU, CGROUP_PIDS, CGROUP_CONTROLLERS };
/** Which cgroups the host has mounted, and a bit 1 << CGROUP_… in *@controllers (may be NULL) for each controller. */
int cgroups_survey(enum cgroup_kind *kind, unsigned *controllers, struct err *e);
/** "memory", "cpu" or "pids". */
const char *cgroup_controller_name(enum cgroup_controller controller);

/** Makes sure that no container can write to the binary that this process runs from, through /proc/PID/exe
 *  (CVE-2019-5736). To be called first in main().
 *
 *  Returns 0 when the binary is on a read-only mount or a sealed memfd. Otherwise it executes the binary again, with
 *  the same @argv, environment and inheritable fds, from a detached read-only clone of its mount (open_tree,
 *  mount_setattr: Linux 5.12, CAP_SYS_ADMIN) or from a sealed memfd. -errno: neither is possible; then no container
 *  may be entered. */
int seal_self(char **argv, struct err *e);

/* ---- the log, read ---------------------------------------------------------------------------
 * DIR/log and older files log.1, log.2, …; an entry is a line of the program's, or a part of one. */

#define LOG_PIECE_MAX 4096 /**< bytes of a line that one entry holds at most */
#define LOG_TIME_SIZE 30   /**< an entry begins with "2026-11-23T14:05:00.123456789Z" */
#define LOG_HEAD_MAX 64

enum log_kind { LOG_STDOUT, LOG_STDERR, LOG_NOTE, LOG_KINDS }; /* LOG_NOTE: netctr's own */
struct log_entry {
    enum log_kind kind;
    bool partial; /**< the line continues in the next entry of this kind */
    size_t head;  /**< bytes before the text */
};
/** Reads the head of an entry; its first LOG_HEAD_MAX bytes are enough. False: @line is no entry. */
bool log_entry_parse(const char *line, size_t size, struct log_entry *out);

/** Reads the files as one stream while their writer appends and renames them. */
struct log_reader {
    int dir;           /**< borrowed */
    unsigned max_file; /**< number of files that there can be */
    int fd;            /**< the file that is being read; -1: none yet */
    struct stat file;  /**< of @fd when it was opened */
    off_t at;          /**< how far it has been read */
    char seen[64];     /**< the bytes before @at: if they have changed, the file was truncated */
    size_t seen_size;
    uint64_t skip[LOG_KINDS]; /**< number of next entries that are of unwanted lines */
    struct stat last;         /**< the newest file when reading began, with its size then */
    bool lost;                /**< the writer removed files before they were read */
};
#define LOG_ALL UINT64_MAX

struct log_range {
    uint64_t tail; /**< lines from the end, netctr's own not counted; LOG_ALL: all */
    bool lives;    /**< the container runs: text after the last newline is still being written */
};
/** Starts at the first wanted line. Without any file @out is at its end. -EBADMSG: the log is not a regular file. */
int log_reader_open(int dir, unsigned max_file, const struct log_range *range,
                    struct log_reader *out);
void log_reader_close(struct log_reader *r);
#define _cleanup_log_reader_ __attribute__((cleanup(log_reader_close)))
/** Was there a file when reading began? */
static inline bool log_reader_found(const struct log_reader *r)
{
    return r->last.st_nlink > 0;
}
/** Reads on in the present file, up to its size at the beginning unless @follows. Returns bytes, or 0 for no more.
 *  With *@again set, 0 says that the file was truncated and is read from its start next. -errno. */
ssize_t log_reader_read(struct log_reader *r, char *data, size_t size, bool follows, bool *again);
/** The file after the present one, which the writer has left: an fd for log_reader_enter(), or -ENOENT. */
int log_reader_next(struct log_reader *r, bool follows);
/** Continues with that file. Before, read the present one to its end once more. */
void log_reader_enter(struct log_reader *r, int next);
