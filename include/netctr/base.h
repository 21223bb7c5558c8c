/* The ground that every other folder stands on: ownership, strings, files, locks, processes.
 * Knows nothing of containers or networks.
 */
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include <jansson.h>

/* ---- errors ---------------------------------------------------------------------------------*/

/* One error object: which step failed, on which object, the kernel's reason, and the cure.
 *
 * Every fallible function of netctr returns 0 (or something positive) for success and a negative
 * errno for failure, and takes a `struct err *` as its last argument. The function that meets the
 * failure fills it with err_set(); those above it may add what they know with err_wrap(). Nobody
 * but cli/ prints it.
 */

/** Exit codes of docker and podman. */
enum {
    EXIT_NETCTR = 125,        /**< netctr itself failed */
    EXIT_NOT_INVOKABLE = 126, /**< the command exists but cannot be executed */
    EXIT_NOT_FOUND = 127,     /**< the command does not exist */
};

struct err {
    int code;   /**< negative errno of the failure; 0: no failure */
    int status; /**< exit status that netctr should end with; 0 means EXIT_NETCTR */
    char *text; /**< "create bridge `nc-default`: File exists (Device already there)"; owned */
    char *hint; /**< what to do about it, or NULL; owned */
};

#define ERR_INIT \
    {            \
    }

/** Frees what @e holds and makes it empty again. Accepts NULL. */
void err_clear(struct err *e);

/** Records a failure whose reason is the errno @code (negative or positive): the text becomes
 *  "FORMAT: strerror". An earlier failure in @e is replaced. Returns the negative errno, so that
 *  `return err_set(e, errno, "open `%s`", path);` is the whole error path. @e may be NULL. */
int err_set(struct err *e, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/** The same without strerror: for failures that netctr itself finds (bad input, a conflict).
 *  @code still is what the caller gets back. */
int err_say(struct err *e, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/** Adds the kernel's own words (netlink extended ack) in parentheses. NULL or "" adds nothing. */
void err_kernel_says(struct err *e, const char *words);

/* These three return e->code, or -EIO when nobody asked for an error object: `return err_hint(…)`
 * is a failure either way. */

/** Puts "FORMAT: " before the text, unless that begins with the same words. */
int err_wrap(struct err *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** Says what the person can do; printed after the text. */
int err_hint(struct err *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** Sets the exit status (EXIT_NOT_FOUND, …). */
int err_status(struct err *e, int status);

/** "TEXT; HINT", as netctr prints it; caller frees. */
char *err_line(const struct err *e);

/** Moves the failure of @from into @to and empties @from. */
void err_move(struct err *to, struct err *from);

/** After a step of something that goes on when one fails: the first failure is kept in @first and @e, and @step
 *  is emptied. */
void err_note(int *first, int r, struct err *e, struct err *step);

#define _cleanup_err_ __attribute__((cleanup(err_clear)))

/* ---- ownership ------------------------------------------------------------------------------
 * A variable marked _cleanup_…_ owns what it holds until it goes out of scope; take() hands the
 * value on and leaves the variable empty. File descriptors start at -1, pointers at NULL. */

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
/** Closes @fd if it is open and returns -1, to be assigned back: fd = close_fd(fd). */
static inline int close_fd(int fd)
{
    if (fd >= 0)
        close(fd);
    return -1;
}

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* ---- strings --------------------------------------------------------------------------------
 * Memory that cannot be had for a few bytes is not an error that anybody can handle: these abort
 * with a message (exit 125), so that no caller needs a path for it. */

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
void strv_add_take(strv *v, char *s);  /**< owns @s from now on */
size_t strv_len(char *const *v);
bool strv_has(char *const *v, const char *s);
strv strv_copy(char *const *v);
strv strv_split(const char *s, char separator);
char *strv_join(char *const *v, const char *between); /**< "" if @v is empty; caller frees */
void strv_free(strv v);
void strv_cleanup(strv *v);
/** A vector that grows in amortised constant time, for loops without a small bound: strv_add() walks
 *  the whole vector at each call. Start with {0}; @items is NULL or NULL-terminated. */
struct strings {
    strv items;
    size_t count;
    size_t room; /**< allocated pointers */
};
void strings_add(struct strings *l, const char *s); /**< copies @s */
void strings_add_take(struct strings *l, char *s);  /**< owns @s from now on */
strv strings_take(struct strings *l);               /**< moves the vector out, NULL when empty */
void strings_clear(struct strings *l);
#define _cleanup_strings_ __attribute__((cleanup(strings_clear), unused))
#define strv_each(s, v) for (char *const *s##_i = (v), *s; s##_i && (s = *s##_i); s##_i++)

/** Parses a whole unsigned decimal number in [min, max]; anything else is -EINVAL or -ERANGE. */
int parse_u64(const char *s, uint64_t min, uint64_t max, uint64_t *out);
/** Bytes as docker writes them: 64m, 1.5g, 512k, 1024 or 1024b; powers of 1024; a part of a byte is cut off. */
int parse_size(const char *s, uint64_t *out);
/** Bits per second: "10mbit", "1.5gbit", "64kbit", "8000bit" or "8000", as tc has them: a kbit is 1,000
 *  bits. -EINVAL; -ERANGE. */
int parse_rate(const char *s, uint64_t *out);
/** The inverse, in the largest unit that leaves no fraction; caller frees. */
char *rate_text(uint64_t bits);
#define NAME_LENGTH_MAX 63 /**< the longest label of the DNS */
/** [a-zA-Z0-9][a-zA-Z0-9_.-]{0,62} without an empty label: names of containers and networks, safe in paths, which
 *  the DNS can hold. */
bool valid_name(const char *s);
#define NAME_RULE                                                                                \
    "letters, digits, `_`, `.` and `-`, at most 63, the first a letter or digit, no `.` at the " \
    "end or beside another"
/** Labels of letters, digits, `_` and `-`, the last not at an end; at most @max characters. */
bool valid_host_name(const char *s, size_t max);
/** Can it be kept in a state file? */
bool valid_utf8(const char *s);
/** The member of @words (NULL-terminated) that @s most likely is a typing error of, or NULL: at most two edits
 *  (an exchange of neighbours is one) in words of five letters or more, one in shorter words. */
const char *nearest_word(const char *s, const char *const *words);
/** The length of the UTF-8 character at @p, of which @left bytes may be read; 0 if it is not valid. */
size_t utf8_size(const unsigned char *p, size_t left);
/** The character at *@p, which moves behind it; -1: a byte that is not UTF-8. */
int64_t utf8_next(const char **p);
struct char_range {
    uint32_t first, last;
};
bool char_in_ranges(const struct char_range *ranges, size_t count, uint32_t c);
/** A copy in which control characters and bytes that are not UTF-8 are written as \\xNN, and those that change
 *  the direction of text as \\uNNNN; caller frees. */
char *text_printable(const char *text);
/** FNV-1a, 64 bit: for names that must be short and the same every time; not against attackers. */
uint64_t hash64(const char *s);

/* ---- files ----------------------------------------------------------------------------------*/

/** openat2() beneath @dirfd: @path is resolved as if @dirfd were "/" (RESOLVE_IN_ROOT), magic links
 *  are refused. @resolve_extra adds flags (RESOLVE_NO_SYMLINKS). Returns an O_CLOEXEC fd or -errno.
 *  For every path inside a root directory that somebody else may write to. */
int open_in_root(int dirfd, const char *path, int flags, mode_t mode, uint64_t resolve_extra);
/** Opens an absolute path on the host that was resolved before. -ELOOP: a symbolic link has come into it
 *  since (RESOLVE_NO_SYMLINKS). Returns an O_CLOEXEC fd or -errno. */
int open_canonical(const char *path, int flags);
/** Makes @path and its parents beneath @dirfd, never leaving it (CVE-2024-45310), and what dangling symbolic
 *  links on the way lead to; existing directories are fine. Returns an O_PATH fd of the last one or -errno. */
int mkdir_in_root(int dirfd, const char *path, mode_t mode);
/** Opens @path beneath @dirfd with O_PATH, creating an empty file (and parents) when missing;
 *  follows dangling symbolic links inside the root. Returns an fd or -errno. */
int touch_in_root(int dirfd, const char *path, mode_t mode);

/** mkdir -p for a path of the host's that only root can change. */
int mkdir_parents(const char *path, mode_t mode, struct err *e);
/** The whole of a regular file, NUL-terminated, at most @max bytes (-EFBIG beyond). @size may be NULL. */
int read_file_at(int dirfd, const char *path, size_t max, char **out, size_t *size);
/** The rest of what @fd gives, NUL-terminated, at most @max bytes (-EFBIG beyond). Caller owns *@out; @size
 *  may be NULL. */
int read_fd(int fd, size_t max, char **out, size_t *size);
/** The same for a file that only netctr writes: what is no file or too large is damaged (-EBADMSG), and
 *  so is a link: it may lead anywhere. */
int read_state_at(int dirfd, const char *path, size_t max, char **out, size_t *size);
/** Replaces a file in one step: written beside it, then renamed. Readers see old or new, and so does who comes
 *  after a power cut; which of the two is not waited for. */
int write_file_atomic(int dirfd, const char *path, const void *data, size_t size, mode_t mode);
/** Removes the unfinished file that a killed write_file_atomic() may have left beside @path. Nobody may
 *  be writing. */
int tidy_file_at(int dirfd, const char *path);
/** 1 if there is anything by that name, a link too, or 0; -errno when that cannot be found out. */
int file_exists_at(int dirfd, const char *path);
/** For how long an open file, or the entries of a directory, have not changed. Very long if that cannot be read, or
 *  if the clock has been set back since. */
int64_t file_age_ms(int fd);
/** Writes @text into an existing file (procfs, cgroupfs) by a single write(). */
int write_existing_at(int dirfd, const char *path, const char *text);
/** Writes all of @data or fails. */
int write_all(int fd, const void *data, size_t size);
/** Opens the directory @path beneath @dirfd to be read from its beginning; NULL with errno. A descriptor
 *  that somebody else reads by as well would share its place. */
DIR *open_listing(int dirfd, const char *path);
/** readdir() that tells a failure from the end: *@r is -errno then, and left alone otherwise. Whoever
 *  takes what is not in a list for nobody's has to know that the list is whole. */
struct dirent *next_entry(DIR *d, int *r);
/** Removes @name beneath @dirfd with everything in it; stays on one file system, follows no links,
 *  accepts "already gone". */
int remove_tree_at(int dirfd, const char *name);
/** "/proc/self/fd/N" for interfaces of the kernel that take only a path. Caller frees. */
char *fd_path(int fd);
/** A close-on-exec file in memory that may be executed: MFD_EXEC (Linux 6.3), without which
 *  vm.memfd_noexec takes the permission away. @flags: further MFD_ flags. An fd; -EACCES: vm.memfd_noexec
 *  is 2; or another -errno. */
int memfd_executable(unsigned flags);
/** Where it is, as the kernel tells it; needs the host's /proc. 0 with *@out, which the caller frees, or -errno. */
int fd_read_path(int fd, char **out);

/* ---- state files (JSON) ---------------------------------------------------------------------*/

/** Reads a JSON object. -ENOENT when missing; -EBADMSG with a text that names the file when it is
 *  not valid. Caller owns *@out. */
int json_read_at(int dirfd, const char *path, json_t **out, struct err *e);
int json_write_at(int dirfd, const char *path, const json_t *j, struct err *e);
/** Puts a sum over all of @j into it. For files on which it depends whom a command kills and what it
 *  takes away: a flipped bit must not make it somebody else. */
void json_add_checksum(json_t *j);
/** Takes the sum out again; -EBADMSG with a text that names @path when there is none or it does not match. */
int json_verify_checksum(json_t *j, const char *path, struct err *e);
const char *json_str(const json_t *j, const char *key); /**< NULL when missing */
int64_t json_int(const json_t *j, const char *key, int64_t fallback);
bool json_flag(const json_t *j, const char *key);
strv json_strv(const json_t *j, const char *key);             /**< caller frees; NULL when empty */
void json_put_str(json_t *j, const char *key, const char *s); /**< NULL: nothing */
void json_put_strv(json_t *j, const char *key, char *const *v);

/* ---- locks ----------------------------------------------------------------------------------
 * flock(): the kernel lets go of it when the last holder dies, so it is the one sign of life that
 * kill -9 cannot forge. */

/** Opens (creates) and locks a file. @operation is LOCK_EX or LOCK_SH, with LOCK_NB if wanted.
 *  Returns the fd that holds the lock, or -errno (-EWOULDBLOCK: someone else holds it; -ETIMEDOUT: one
 *  and the same process has held it for 30 seconds, or been stopped for 5 while it did). */
int lock_file_at(int dirfd, const char *path, int operation);
/** The same for what is open. */
int lock_fd(int fd, int operation);
/** Tells that "lock @what" has failed with @code, and, for -ETIMEDOUT, who holds the file. */
int lock_failed(int code, int dirfd, const char *path, const char *what, struct err *e);
/** Who has locked the file behind @fd, as /proc/locks tells it; 0: nobody that can be told. */
pid_t lock_holder(int fd);
/** Takes a lock whose holder is expected to let go: tries for @timeout_ms. */
int lock_wait(int fd, int operation, int timeout_ms);

/* ---- processes ------------------------------------------------------------------------------
 * A pid is not an identity: it is used again. A pidfd opened first and compared with the start time
 * second is. */

/** Field 22 of /proc/PID/stat, in clock ticks since boot; 0 and errno if there is no such
 *  process, or nobody can tell. */
uint64_t proc_start_time(pid_t pid);
/** Closes every descriptor from 3 on but @count in @keep, which is sorted by this; -1 stands for none.
 *  Returns 0 or -errno. */
int close_other_fds(int *keep, size_t count);
/** What `ps` shows in the place of this process' arguments, which every user may read: these can hold
 *  secrets (`-e PASSWORD=…`). Nothing may use argv as main() got it any more, but a copy. */
void proc_set_title(const char *title);
/** Has that process ended, or been killed and not gone yet? One that was killed may be busy in the
 *  kernel for a while, and holds its locks until it is done. */
bool proc_is_dying(pid_t pid, uint64_t start_time);
/** Its state as ps shows it: 'R', 'S', 'T' when somebody has stopped it, …; 0 if there is none. */
char proc_state(pid_t pid);
/** CLOCK_MONOTONIC. */
int64_t monotonic_us(void);
int64_t monotonic_ms(void);
/** For whoever waits for @pid, and asks now and then: has somebody stopped it, and not let it go on for five
 *  seconds? *@since is the caller's, 0 at first. */
bool proc_stays_stopped(pid_t pid, int64_t *since);
/** A pidfd of @pid if it still is the process that started at @start_time; -ESRCH if not, another error
 *  when that cannot be found out. */
int pidfd_of(pid_t pid, uint64_t start_time);
int pidfd_signal(int pidfd, int sig);
/** Waits until the process of @pidfd has ended; @timeout_ms < 0 waits for ever. -ETIMEDOUT. */
int pidfd_wait(int pidfd, int timeout_ms);
/** "SIGTERM", "TERM" or "15" → 15; "RTMIN+3", "RTMAX-1" as well; -EINVAL. */
int parse_signal(const char *s);
/** This boot's id (/proc/sys/kernel/random/boot_id), 36 characters; caller frees. */
int boot_id(char **id, struct err *e);

/* ---- a sandbox ------------------------------------------------------------------------------*/

/** Keeps the capabilities in @keep (bit n: capability n) and gives up all others, for good (no_new_privs; bounding,
 *  ambient and inheritable sets). Single-threaded. */
int sandbox_keep_caps(uint64_t keep, struct err *e);
/** From now on every system call but @calls fails with EPERM, for this process and its children (seccomp). Needs
 *  no_new_privs: after sandbox_keep_caps(). At most 200. */
int sandbox_allow(const int *calls, size_t count, struct err *e);
struct sandbox_call {
    int call;
    unsigned argument; /**< 1 to 6: only if this one's low 32 bits are: */
    uint32_t value;
};
/** The same for calls with certain arguments; a call may be there several times. */
int sandbox_allow_calls(const struct sandbox_call *calls, size_t count, struct err *e);

/* ---- what is left behind --------------------------------------------------------------------*/

enum gc_deed { GC_REMOVE, GC_REPLACE };
/** A search for what belongs to nobody any more, or is damaged. */
struct gc {
    bool dry_run;                                                 /**< only tell */
    void (*tell)(enum gc_deed deed, const char *what, void *arg); /**< of each; may be NULL */
    void *arg;
};
extern const struct gc gc_quietly;
void gc_tell(const struct gc *gc, enum gc_deed deed, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** How long ago @when (seconds since the epoch) was, as docker's ps tells it: "5 seconds"; "" when it is not known.
 *  Caller frees. */
char *time_ago(int64_t when);
/** One warning on stderr: "netctr: warning: …". Warnings never change the result. */
void warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
