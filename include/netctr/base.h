/* What every other folder builds on: errors, ownership, strings, files, locks, processes, the event loop. Knows
 * nothing of containers or networks. */
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include <jansson.h>

/** What netctr's processes on a host have to agree on to share its network: the firewall's tables, the records of
 *  endpoints, the requests to monitors. Raised whenever one of these changes so that another version would do
 *  harm. 0.1.0 has 5. */
#define NETCTR_SCHEMA 6

/* ---- errors ---------------------------------------------------------------------------------*/

/* One error object: the step that failed, its object, the kernel's reason and the remedy.
 *
 * A function that can fail returns 0 or a positive number for success and a negative errno for
 * failure. Its last argument is a `struct err *`. The function that detects the failure fills it
 * with err_set() or err_say(); callers may add context with err_wrap(). Only cli/ prints it.
 */

/** Exit codes of docker and podman. */
enum {
    EXIT_NETCTR = 125,        /**< netctr itself failed */
    EXIT_NOT_INVOKABLE = 126, /**< the command exists but cannot be executed */
    EXIT_NOT_FOUND = 127,     /**< the command does not exist */
};

struct err {
    int code;   /**< negative errno of the failure; 0: no failure */
    int status; /**< exit status for netctr; 0 means EXIT_NETCTR */
    char *text; /**< "create bridge `nc-default`: File exists (Device already there)"; owned */
    char *hint; /**< the remedy, or NULL; owned */
};

#define ERR_INIT \
    {            \
    }

/** Frees the contents of @e and makes it empty. Accepts NULL. */
void err_clear(struct err *e);

/** Records a failure with the errno @code (negative or positive): the text becomes "FORMAT:
 *  strerror". Replaces an earlier failure in @e, which may be NULL. Returns the negative errno, so
 *  that `return err_set(e, errno, "open `%s`", path);` is a complete error path. */
int err_set(struct err *e, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/** The same without strerror, for failures that netctr itself detects (bad input, a conflict). */
int err_say(struct err *e, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/** Appends the kernel's own words (netlink extended ack) in parentheses. NULL or "" adds
 *  nothing. */
void err_kernel_says(struct err *e, const char *words);

/* These three add to a failure. They do not return its code: @e may be NULL, and only the caller knows it then. */

/** Puts "FORMAT: " before the text, unless the text starts with these words. */
void err_wrap(struct err *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** Sets the remedy, which is printed after the text. */
void err_hint(struct err *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** Sets the exit status (EXIT_NOT_FOUND, …). */
void err_status(struct err *e, int status);

/** "TEXT; HINT", as netctr prints it. Caller frees. */
char *err_line(const struct err *e);

/** Moves the failure of @from into @to and empties @from. */
void err_move(struct err *to, struct err *from);

/** Takes note of one step's result @r in a sequence that goes on after failures: @first and @e keep
 *  the first failure; @step is emptied. */
void err_note(int *first, int r, struct err *e, struct err *step);

#define _cleanup_err_ __attribute__((cleanup(err_clear)))

/* ---- ownership --------------------------------------------------------------------------------
 * A variable marked _cleanup_…_ owns its value until it goes out of scope. take_ptr() and take_fd()
 * pass the value on and leave the variable empty. Empty is -1 for file descriptors, NULL for
 * pointers. */

static inline void cleanup_free(void *p)
{
    free(*(void **)p);
}
static inline void cleanup_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}
static inline void cleanup_dir(DIR **d)
{
    if (*d)
        closedir(*d);
}
static inline void cleanup_file(FILE **f)
{
    if (*f)
        fclose(*f);
}
static inline void cleanup_json(json_t **j)
{
    json_decref(*j);
}

#define _cleanup_free_ __attribute__((cleanup(cleanup_free), unused))
#define _cleanup_close_ __attribute__((cleanup(cleanup_close), unused))
#define _cleanup_dir_ __attribute__((cleanup(cleanup_dir)))
#define _cleanup_file_ __attribute__((cleanup(cleanup_file)))
#define _cleanup_json_ __attribute__((cleanup(cleanup_json)))
#define _cleanup_strv_ __attribute__((cleanup(strv_cleanup), unused))

#define take_ptr(p)                 \
    ({                              \
        __typeof__(p) taken_ = (p); \
        (p) = NULL;                 \
        taken_;                     \
    })
#define take_fd(fd)        \
    ({                     \
        int taken_ = (fd); \
        (fd) = -1;         \
        taken_;            \
    })
/** Closes @fd if it is open. Returns -1, to be assigned: fd = close_fd(fd). */
static inline int close_fd(int fd)
{
    if (fd >= 0)
        close(fd);
    return -1;
}

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* ---- strings ----------------------------------------------------------------------------------
 * Callers cannot do anything useful when a few bytes of memory are missing, so these functions
 * abort with a message (exit status 125), and callers need no error path. */

void *xcalloc(size_t count, size_t size);
void *xrealloc(void *p, size_t count, size_t size);
char *xstrdup(const char *s); /**< NULL stays NULL */
char *xstrndup(const char *s, size_t n);
char *xasprintf(const char *format, ...) __attribute__((format(printf, 1, 2)));

bool streq(const char *a, const char *b);                   /**< NULL equals NULL only */
const char *skip_prefix(const char *s, const char *prefix); /**< the rest, or NULL */

/** A NULL-terminated vector of strings that owns them. */
typedef char **strv;
void strv_add(strv *v, const char *s); /**< copies @s */
void strv_add_take(strv *v, char *s);  /**< takes ownership of @s */
size_t strv_len(char *const *v);
bool strv_has(char *const *v, const char *s);
bool strv_equal(char *const *a, char *const *b); /**< the same strings in the same order */
strv strv_copy(char *const *v);
strv strv_split(const char *s, char separator);
char *strv_join(char *const *v, const char *between); /**< "" if @v is empty; caller frees */
void strv_free(strv v);
void strv_cleanup(strv *v);
#define strv_each(s, v) for (char *const *s##_i = (v), *s; s##_i && (s = *s##_i); s##_i++)

/** A vector that grows in amortised constant time, for loops without a small bound; strv_add()
 *  walks the whole vector at each call. Start with {0}. @items is NULL or NULL-terminated. */
struct strings {
    strv items;
    size_t count;
    size_t room; /**< number of allocated pointers */
};
void strings_add(struct strings *l, const char *s); /**< copies @s */
void strings_add_take(struct strings *l, char *s);  /**< takes ownership of @s */
strv strings_take(struct strings *l);               /**< moves the vector out; NULL if empty */
void strings_clear(struct strings *l);
#define _cleanup_strings_ __attribute__((cleanup(strings_clear), unused))

/** Parses a whole unsigned decimal number in [min, max]. -EINVAL, or -ERANGE. */
int parse_u64(const char *s, uint64_t min, uint64_t max, uint64_t *out);
/** Parses bytes in docker's notation: 64m, 1.5g, 512k, 1024 or 1024b, with powers of 1024.
 *  Fractions of a byte are cut off. -EINVAL, or -ERANGE. */
int parse_size(const char *s, uint64_t *out);
/** Parses bits per second in tc's notation: "10mbit", "1.5gbit", "64kbit", "8000bit" or "8000"; a
 *  kbit is 1,000 bits. -EINVAL, or -ERANGE. */
int parse_rate(const char *s, uint64_t *out);
/** The inverse, in the largest unit without a fraction. Caller frees. */
char *rate_text(uint64_t bits);
#define NAME_LENGTH_MAX 63 /**< longest label in DNS */
/** [a-zA-Z0-9][a-zA-Z0-9_.-]{0,62} without empty labels: names of containers and networks, safe in
 *  paths and in DNS. */
bool valid_name(const char *s);
#define NAME_RULE                                                                                \
    "letters, digits, `_`, `.` and `-`, at most 63, the first a letter or digit, no `.` at the " \
    "end or beside another"
/** Labels of letters, digits, `_` and `-`, joined by dots; at most @max characters. No label starts
 *  or ends with `-`. */
bool valid_host_name(const char *s, size_t max);
/** Is it valid UTF-8, and so storable in a state file? */
bool valid_utf8(const char *s);
/** The member of @words (NULL-terminated) of which @s is most likely a misspelling, or NULL.
 *  Tolerates two edits in words of five letters or more, one in shorter words; swapping two
 *  neighbours is one edit. The only word that begins with @s, of four letters or more, or of
 *  three before a `-`, comes first. */
const char *nearest_word(const char *s, const char *const *words);
/** The length of the UTF-8 character at @p, of which @left bytes are readable; 0 if it is
 *  invalid. */
size_t utf8_size(const unsigned char *p, size_t left);
/** Reads the character at *@p and moves *@p behind it. -1: not UTF-8; one byte is skipped. */
int64_t utf8_next(const char **p);
struct char_range {
    uint32_t first, last;
};
bool char_in_ranges(const struct char_range *ranges, size_t count, uint32_t c);
/** A copy with control characters and invalid bytes written as \\xNN, and characters that change
 *  the direction of text as \\uNNNN. Caller frees. */
char *text_printable(const char *text);
/** FNV-1a, 64 bits: for short, reproducible names. Not safe against attackers. */
uint64_t hash64(const char *s);
/** The hash64() of a longer text: that of its beginning, and what follows. */
uint64_t hash64_add(uint64_t hash, const char *data, size_t size);

/* ---- files ----------------------------------------------------------------------------------*/

/** openat2() beneath @dirfd: resolves @path as if @dirfd were "/" (RESOLVE_IN_ROOT) and refuses
 *  magic links. @resolve_extra adds flags (RESOLVE_NO_SYMLINKS). Returns a close-on-exec fd or
 *  -errno. For every path inside a root directory that others may write to. */
int open_in_root(int dirfd, const char *path, int flags, mode_t mode, uint64_t resolve_extra);
/** Opens an absolute, already resolved path of the host (RESOLVE_NO_SYMLINKS). Returns a
 *  close-on-exec fd or -errno; -ELOOP: it contains a symbolic link by now. */
int open_canonical(const char *path, int flags);
/** Creates @path and its parents beneath @dirfd without leaving it (CVE-2024-45310). Dangling
 *  symbolic links are followed; existing directories are fine. Returns an O_PATH fd of the last
 *  directory or -errno. */
int mkdir_in_root(int dirfd, const char *path, mode_t mode);
/** Opens @path beneath @dirfd with O_PATH. If it is missing, creates an empty file and its parents;
 *  follows dangling symbolic links inside the root. Returns an fd or -errno. */
int touch_in_root(int dirfd, const char *path, mode_t mode);

/** mkdir -p for a path of the host that only root can change. */
int mkdir_parents(const char *path, mode_t mode, struct err *e);
/** Reads a whole regular file of at most @max bytes (else -EFBIG) and terminates it with NUL. The
 *  caller owns *@out; @size may be NULL. -EINVAL, -EISDIR: not a regular file. */
int read_file_at(int dirfd, const char *path, size_t max, char **out, size_t *size);
/** Reads an open file to its end. As above. */
int read_fd(int fd, size_t max, char **out, size_t *size);
/** read_file_at() for files that only netctr writes. A file that is too large, not a regular one, or a
 *  symbolic link (which could lead anywhere) is damaged: -EBADMSG. */
int read_state_at(int dirfd, const char *path, size_t max, char **out, size_t *size);
/** Replaces a file in one step: writes a temporary file and renames it. Readers see the old or the
 *  new contents, also after a power failure; which of the two is not waited for. */
int write_file_atomic(int dirfd, const char *path, const void *data, size_t size, mode_t mode);
/** Removes the temporary file that a killed write_file_atomic() of @path may have left. Callers
 *  make sure that no process is writing it. */
int tidy_file_at(int dirfd, const char *path);
/** 1: a file of any type exists, a dangling link included. 0: none. Or -errno. */
int file_exists_at(int dirfd, const char *path);
/** Milliseconds since an open file, or the entries of a directory, last changed. INT64_MAX if that
 *  cannot be read or the clock was set back. */
int64_t file_age_ms(int fd);
/** Writes @text into an existing file (procfs, cgroupfs) with a single write(). */
int write_existing_at(int dirfd, const char *path, const char *text);
/** Writes all of @data or fails. */
int write_all(int fd, const void *data, size_t size);
/** Opens the directory @path beneath @dirfd for reading; NULL with errno. Always a new open file
 *  description, because a shared one would share its position. */
DIR *open_listing(int dirfd, const char *path);
/** The names in a directory that has just been opened, without "." and ".."; on failure (-errno) those read until then.
 *  Caller frees. For small directories that are read often: fdopendir() makes three system calls more. */
int names_in(int fd, strv *out);
/** readdir() that tells failure from the end: sets *@r to -errno on failure and else leaves it
 *  alone. Callers that delete what is not listed must know that the list is complete. */
struct dirent *next_entry(DIR *d, int *r);
/** Removes @name beneath @dirfd recursively. Stays on one file system, follows no links, and
 *  succeeds if it is already gone. */
int remove_tree_at(int dirfd, const char *name);
/** "/proc/self/fd/N", for kernel interfaces that take only a path. Caller frees. */
char *fd_path(int fd);
/** An executable, close-on-exec file in memory: MFD_EXEC where the kernel has it (Linux 6.3), since
 *  vm.memfd_noexec=1 would remove the x permission. @flags: additional MFD_ flags. Returns an fd or
 *  -errno; -EACCES: vm.memfd_noexec is 2. */
int memfd_executable(unsigned flags);
/** The path of an open file according to /proc/self/fd, which must be the host's. Caller frees
 *  *@out. 0 or -errno. */
int fd_read_path(int fd, char **out);

/* ---- state files (JSON) ---------------------------------------------------------------------*/

/** Reads a JSON object. -ENOENT: missing; -EBADMSG: invalid, with a text that names the file.
 *  Caller owns *@out. */
int json_read_at(int dirfd, const char *path, json_t **out, struct err *e);
int json_write_at(int dirfd, const char *path, const json_t *j, struct err *e);
/** The same with a checksum over all of it, the member "sum", which *@out and @j do not have afterwards. For files that
 *  decide which processes a command kills and which objects it removes: a flipped bit must not select others. */
int json_read_sealed_at(int dirfd, const char *path, json_t **out, struct err *e);
int json_write_sealed_at(int dirfd, const char *path, json_t *j, struct err *e);
/** An object from JSON in ASCII without escapes; NULL: it is something else, or wrong, and json_loadb() must say which.
 *  The caller owns it. */
json_t *json_parse_plain(const char *text, size_t size);
const char *json_str(const json_t *j, const char *key); /**< NULL when missing */
int64_t json_int(const json_t *j, const char *key, int64_t fallback);
bool json_flag(const json_t *j, const char *key);
strv json_strv(const json_t *j, const char *key);             /**< caller frees; NULL if empty */
void json_put_str(json_t *j, const char *key, const char *s); /**< NULL adds nothing */
void json_put_strv(json_t *j, const char *key, char *const *v);

/* ---- locks ------------------------------------------------------------------------------------
 * flock(): the kernel releases it when the last holder dies, so it is a sign of life that survives
 * kill -9 and cannot be forged. */

/** Opens a file, creating it if necessary, and locks it. @operation: LOCK_EX or LOCK_SH, optionally
 *  with LOCK_NB. Returns the fd that holds the lock, or -errno. -EWOULDBLOCK: another process has
 *  it. -ETIMEDOUT: one process has held it for 30 seconds, or has been stopped for 5 while holding
 *  it. */
int lock_file_at(int dirfd, const char *path, int operation);
/** The same for an open file. Returns 0. */
int lock_fd(int fd, int operation);
/** Reports that "lock @what" failed with @code, and for -ETIMEDOUT which process holds the lock.
 *  Returns @code. */
int lock_failed(int code, int dirfd, const char *path, const char *what, struct err *e);
/** The process that has locked the file behind @fd, according to /proc/locks; 0: unknown. */
pid_t lock_holder(int fd);
/** Tries for @timeout_ms to take a lock that its holder is expected to release. */
int lock_wait(int fd, int operation, int timeout_ms);

/* ---- processes --------------------------------------------------------------------------------
 * A pid is not an identity, because it is reused. A pidfd is, if it was opened before the start time
 * was compared. */

/** Field 22 of /proc/PID/stat, in clock ticks since boot. 0 and errno if there is no such process
 *  or the field cannot be read. */
uint64_t proc_start_time(pid_t pid);
/** Closes every fd from 3 on, except the @count fds in @keep (-1 counts as none), which it sorts.
 *  Returns 0 or -errno. */
int close_other_fds(int *keep, size_t count);
/** Replaces this process's arguments in `ps`, since every user can read them and they may hold
 *  secrets (`-e PASSWORD=…`). Afterwards the argv of main() must not be used any more. */
void proc_set_title(const char *title);
/** Has the process ended, or been killed without having ended yet? A killed process may be busy in
 *  the kernel for a while, and keeps its locks until then. False if it cannot be read. */
bool proc_is_dying(pid_t pid, uint64_t start_time);
/** 1: it has neither ended nor been killed; 0; -errno: it cannot be read. */
int proc_lives(pid_t pid, uint64_t start_time);
/** Its state as in ps: 'R', 'S', 'T' (stopped), …; 0 if there is no such process. */
char proc_state(pid_t pid);
/** CLOCK_MONOTONIC in µs and ms. */
int64_t monotonic_us(void);
int64_t monotonic_ms(void);
/** Has @pid been stopped (SIGSTOP) for five seconds in a row? Call it repeatedly; *@since is the
 *  caller's and starts at 0. */
bool proc_stays_stopped(pid_t pid, int64_t *since);
/** A pidfd of @pid, if it is still the process that started at @start_time. -ESRCH if not; other
 *  errors if that cannot be found out. */
int pidfd_of(pid_t pid, uint64_t start_time);
int pidfd_signal(int pidfd, int sig);
/** Waits until the process of @pidfd has ended. @timeout_ms < 0: without limit. 0, or
 *  -ETIMEDOUT. */
int pidfd_wait(int pidfd, int timeout_ms);
/** "SIGTERM", "TERM" or "15" → 15; also "RTMIN+3" and "RTMAX-1". -EINVAL. */
int parse_signal(const char *s);
char *signal_name(int sig); /**< "SIGTERM", "SIGRTMIN+3"; caller frees */
/** This boot's id (/proc/sys/kernel/random/boot_id), 36 characters; caller frees. */
int boot_id(char **id, struct err *e);

/* ---- user namespaces --------------------------------------------------------------------------
 * Which ids of the host the ids of a container are. */

#define ID_RANGE_SIZE 65536 /**< ids of a container that has its own */
#define ID_RANGES_MAX 16
#define ID_UNMAPPED UINT32_MAX
/** The ids from @inside on, @count of them, are those from @outside on in the host's user namespace. */
struct id_range {
    uint32_t inside, outside, count;
};
/** Plain data. Without ranges it stands for the host's user namespace (that of the caller). */
struct id_map {
    struct id_range uids[ID_RANGES_MAX], gids[ID_RANGES_MAX];
    unsigned uid_count, gid_count;
};
bool id_map_is_host(const struct id_map *m);
bool id_maps_equal(const struct id_map *a, const struct id_map *b);
/** ID_RANGE_SIZE uids and gids from 0 on, which are those from @first on outside. */
struct id_map id_map_of_range(uint32_t first);
/** The host's id for @inside, or ID_UNMAPPED. */
uint32_t id_outside(const struct id_range *ranges, unsigned count, uint32_t inside);
/** The host's ids of the container's root; ID_UNMAPPED if it has none. */
uint32_t id_map_root_uid(const struct id_map *m);
uint32_t id_map_root_gid(const struct id_map *m);
/** Adds "INSIDE:OUTSIDE[:COUNT]" (podman's --uidmap). -EINVAL with a text: no such range, or it overlaps another. */
int id_range_add(struct id_range *ranges, unsigned *count, const char *text, struct err *e);
/** "0:100000:65536,…"; the caller frees. id_ranges_parse() is the inverse; -EINVAL with a text. */
char *id_ranges_text(const struct id_range *ranges, unsigned count);
int id_ranges_parse(const char *text, struct id_range *ranges, unsigned *count, struct err *e);
/** Makes a user namespace with these maps, owned by the caller's user (clone(CLONE_NEWUSER)). An fd. -ENOSPC:
 *  user.max_user_namespaces forbids it. The caller must be single-threaded, with CAP_SETUID and CAP_SETGID. */
int userns_create(const struct id_map *m, struct err *e);
/** The same, with a process that stays in it and makes a network namespace there while the caller goes on: that takes
 *  longer than all else. It ends with this process. */
struct userns_process;
int userns_start(const struct id_map *m, struct userns_process **out, struct err *e);
#define NETNS_LIMIT "the sysctl user.max_net_namespaces limits their number, and 0 forbids them"
/** Waits for the network namespace and ends the process, also after a failure. An fd. -ENOSPC: user.max_net_namespaces
 *  forbids it. */
int userns_network(struct userns_process **process, struct err *e);
/** Ends the process. Accepts NULL in *@process. */
void userns_end(struct userns_process **process);
/** Ids that /etc/subuid or /etc/subgid gives to a user. */
struct subid_range {
    uint64_t first, count;
};
/** Reads such a file: the ranges of @user, or of all with NULL. The caller frees *@out. -errno; an unreadable line is
 *  skipped. */
int subids_read(const char *path, const char *user, struct subid_range **out, size_t *count);
/** Is @fd the user namespace of this process? */
bool userns_is_own(int fd);
/** The map of the user namespace @fd, as seen from the caller's; empty if it is the caller's own. */
int userns_read_map(int fd, struct id_map *out, struct err *e);

/* ---- the event loop -------------------------------------------------------------------------
 * Each process has one, and everything that it waits for is in it:
 *
 *     loop_new(&loop, e);
 *     loop_add_fd(loop, fd, EPOLLIN, readable, arg, e);
 *     timer = loop_add_timer(loop, 250, due, arg);
 *     loop_run(loop, e);
 *
 * A callback may add and remove descriptors and timers, its own too. It must not run the loop. Not for several threads.
 */

struct loop;
/** 0, or a negative errno. The loop's descriptor is O_CLOEXEC. */
int loop_new(struct loop **out, struct err *e);
/** Accepts NULL. The descriptors stay open. After a fork the child frees its copy, and the parent's loop stays as it
 *  is; the child must not change or run it. */
void loop_free(struct loop *l);
void loop_cleanup(struct loop **l);
#define _cleanup_loop_ __attribute__((cleanup(loop_cleanup)))

typedef void (*loop_fd_callback)(int fd, uint32_t events, void *arg);
/** Calls @callback, once a turn, while one of @events (EPOLLIN, EPOLLOUT, EPOLLET; <sys/epoll.h>), an error or a
 *  hang-up is pending. @events 0 watches nothing yet, not even errors. Files that epoll refuses, such as regular
 *  files, count as readable and writable. The caller keeps @fd. -EEXIST: this file is watched already. */
int loop_add_fd(struct loop *l, int fd, uint32_t events, loop_fd_callback callback, void *arg,
                struct err *e);
/** With EPOLLET, what is pending is reported again, after everything that waits now. 0, or a negative errno; then the
 *  events of before are watched. */
int loop_modify(struct loop *l, int fd, uint32_t events);
/** Before @fd is closed: epoll watches the open file, which may outlive this descriptor. An event that has been fetched
 *  already is dropped. Does nothing if @fd is not watched. */
void loop_remove_fd(struct loop *l, int fd);

/** A timer that is set, 0: none. It stays valid, and means nothing any more, after its timer has run. */
typedef uint64_t loop_timer;
/** Calls @callback once, in @ms milliseconds of CLOCK_MONOTONIC or later. Timers run in the order in which they are
 *  due. */
loop_timer loop_add_timer(struct loop *l, int64_t ms, void (*callback)(void *arg), void *arg);
/** Returns 0, to be assigned back. Does nothing if it has run or is 0. */
loop_timer loop_cancel_timer(struct loop *l, loop_timer timer);
bool loop_timer_is_set(const struct loop *l, loop_timer timer);

/** One turn: waits for at most @timeout_ms (-1: as long as it takes) and calls what is due. Returns the number of
 *  callbacks, 0 also when a signal has interrupted the wait, or a negative errno. */
int loop_run_once(struct loop *l, int timeout_ms);
/** Turns until loop_stop(). */
int loop_run(struct loop *l, struct err *e);
/** loop_run() returns at the end of this turn. */
void loop_stop(struct loop *l);

/* ---- confinement ------------------------------------------------------------------------------*/

/** Keeps the capabilities in @keep (bit n: capability n) and drops all others for good: bounding,
 *  ambient and inheritable sets, no_new_privs. The caller must be single-threaded. */
int confine_caps(uint64_t keep, struct err *e);
/** Lets every system call except @calls fail with EPERM, for this process and its children
 *  (seccomp). Call confine_caps() before: no_new_privs is required. At most 200 calls. */
int confine_allow(const int *calls, size_t count, struct err *e);
struct confine_call {
    int call;
    unsigned argument; /**< 1 to 6: allowed only if the low 32 bits of this argument are: */
    uint32_t value;
};
/** The same with conditions on arguments. A call may be listed several times. */
int confine_allow_calls(const struct confine_call *calls, size_t count, struct err *e);

/* ---- cleaning up ------------------------------------------------------------------------------*/

/** GC_RESTORE and GC_LEAVE: only of a reset: a setting of the host gets its old value; an object stays. */
enum gc_deed { GC_REMOVE, GC_REPLACE, GC_RESTORE, GC_LEAVE };
/** How to clean up what no longer has an owner or is damaged. */
struct gc {
    bool dry_run; /**< only report */
    void (*tell)(enum gc_deed deed, const char *what,
                 void *arg); /**< called for each; may be NULL */
    void *arg;
};
extern const struct gc gc_quietly;
void gc_tell(const struct gc *gc, enum gc_deed deed, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** How long ago @when (seconds since the epoch) was, in the words of docker's ps: "5 seconds"; ""
 *  if @when is 0. Caller frees. */
char *time_ago(int64_t when);
/** Prints "netctr: warning: …" on stderr. Warnings never change the result of a command. */
void warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- addresses ------------------------------------------------------------------------------*/

/** An IPv4 or IPv6 address in network byte order. Family AF_UNSPEC (0) means none. */
struct ip {
    int family;
    union {
        struct in_addr v4;
        struct in6_addr v6;
        uint8_t bytes[16];
    };
};
/** Parses an address of either family, without scope or brackets. -EINVAL. */
int ip_parse(const char *s, struct ip *out);
/** Canonical text; caller frees. AF_UNSPEC gives "". */
char *ip_text(const struct ip *a);
/** Is it unset, 0.0.0.0 or [::]? */
bool ip_is_any(const struct ip *a);
bool ip_equal(const struct ip *a, const struct ip *b);
static inline size_t ip_size(const struct ip *a)
{
    return a->family == AF_INET ? 4 : a->family == AF_INET6 ? 16 : 0;
}
char *mac_text(const uint8_t mac[6]);         /**< caller frees */
int mac_parse(const char *s, uint8_t mac[6]); /**< -EINVAL */
/** Can a link have this name? As the kernel's dev_valid_name(): at most 15 bytes, not "." or "..",
 *  no "/", ":" or white space. Also no "%", which asks the kernel to number the name. False for
 *  NULL. */
bool interface_name_valid(const char *name);
/** Parses a `nameserver ADDRESS` line of resolv.conf(5). Returns the address as written, with its
 *  scope ("fe80::1%eth0"), and @out without it; @out has family 0 if that is not an address. NULL:
 *  another line. Caller frees. */
char *nameserver_parse(const char *line, struct ip *out);

/** An IPv4 or IPv6 prefix; address.family 0: none. */
struct subnet {
    struct ip address; /**< host bits are zero */
    uint8_t prefix;
};
/** Parses "10.88.0.0/16"; a prefix may be one address. -EINVAL with a text: not a prefix, or host bits are set. */
int subnet_parse(const char *s, struct subnet *out, struct err *e);
char *subnet_text(const struct subnet *s); /**< caller frees; "" if there is none */
bool subnet_contains(const struct subnet *s, const struct ip *a);
static inline bool subnet_equal(const struct subnet *a, const struct subnet *b)
{
    return a->prefix == b->prefix && ip_equal(&a->address, &b->address);
}
bool subnet_overlaps(const struct subnet *a, const struct subnet *b);
/** @a without its host bits. */
struct ip subnet_base(const struct ip *a, uint8_t prefix);
/** The address with host number @n, counted from 0 (the network's address). @n must fit into the
 *  subnet. */
struct ip subnet_host(const struct subnet *s, uint32_t n);
/** The bits behind the prefix: a subnet with 1 has two addresses, and both are those of hosts (RFC 3021, RFC 6164). */
unsigned subnet_host_bits(const struct subnet *s);
/** Is @a not a host's, but the network's or the broadcast address, or in IPv6 the routers' anycast address? */
bool subnet_reserves(const struct subnet *s, const struct ip *a);
/** The inverse of subnet_host(). */
uint32_t subnet_host_number(const struct subnet *s, const struct ip *a);
