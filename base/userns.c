/* User namespaces: made with their maps of ids, and kept by an fd, without a process that stays in them.
 *
 * A user namespace begins as that of a new process, whose parent writes the maps. The process makes a network namespace, if
 * one was asked for, and ends by itself when the maps are written, so its end need not be waited for later. It shares the parent's memory and
 * table of fds, because copying them would be most of the cost.
 */
#include <netctr/base.h>

#include <errno.h>
#include <inttypes.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* ---- maps ------------------------------------------------------------------------------------*/

bool id_map_is_host(const struct id_map *m)
{
    return m->uid_count == 0;
}

bool id_maps_equal(const struct id_map *a, const struct id_map *b)
{
    return a->uid_count == b->uid_count && a->gid_count == b->gid_count &&
           memcmp(a->uids, b->uids, a->uid_count * sizeof(*a->uids)) == 0 &&
           memcmp(a->gids, b->gids, a->gid_count * sizeof(*a->gids)) == 0;
}

struct id_map id_map_of_range(uint32_t first)
{
    const struct id_range all = {.inside = 0, .outside = first, .count = ID_RANGE_SIZE};
    return (struct id_map){.uids = {all}, .gids = {all}, .uid_count = 1, .gid_count = 1};
}

uint32_t id_outside(const struct id_range *ranges, unsigned count, uint32_t inside)
{
    for (unsigned i = 0; i < count; i++)
        if (inside >= ranges[i].inside && inside - ranges[i].inside < ranges[i].count)
            return ranges[i].outside + (inside - ranges[i].inside);
    return ID_UNMAPPED;
}

uint32_t id_map_root_uid(const struct id_map *m)
{
    return id_map_is_host(m) ? 0 : id_outside(m->uids, m->uid_count, 0);
}

uint32_t id_map_root_gid(const struct id_map *m)
{
    return id_map_is_host(m) ? 0 : id_outside(m->gids, m->gid_count, 0);
}

static bool overlaps(uint32_t a, uint32_t b, uint32_t a_count, uint32_t b_count)
{
    return (uint64_t)a < (uint64_t)b + b_count && (uint64_t)b < (uint64_t)a + a_count;
}

static int parse_range(const char *text, struct id_range *out)
{
    _cleanup_free_ char *copy = xstrdup(text);
    char *outside = strchr(copy, ':'), *count = outside ? strchr(outside + 1, ':') : NULL;
    uint64_t numbers[3] = {0, 0, 1};
    if (!outside)
        return -EINVAL;
    *outside++ = '\0';
    if (count)
        *count++ = '\0';
    if (parse_u64(copy, 0, UINT32_MAX - 1, &numbers[0]) < 0 ||
        parse_u64(outside, 0, UINT32_MAX - 1, &numbers[1]) < 0 ||
        (count && parse_u64(count, 1, UINT32_MAX - 1, &numbers[2]) < 0))
        return -EINVAL;
    if (numbers[0] + numbers[2] > UINT32_MAX || numbers[1] + numbers[2] > UINT32_MAX)
        return -ERANGE;
    *out = (struct id_range){(uint32_t)numbers[0], (uint32_t)numbers[1], (uint32_t)numbers[2]};
    return 0;
}

int id_range_add(struct id_range *ranges, unsigned *count, const char *text, struct err *e)
{
    struct id_range r;
    if (parse_range(text, &r) < 0) {
        err_say(e, -EINVAL, "`%s` is not a map of ids", text);
        err_hint(e, "CONTAINER_ID:HOST_ID:COUNT, for example 0:100000:65536");
        return -EINVAL;
    }
    if (*count == ID_RANGES_MAX)
        return err_say(e, -E2BIG, "a map of ids has more than %d ranges", ID_RANGES_MAX);
    for (unsigned i = 0; i < *count; i++)
        if (overlaps(r.inside, ranges[i].inside, r.count, ranges[i].count) ||
            overlaps(r.outside, ranges[i].outside, r.count, ranges[i].count))
            return err_say(e, -EINVAL, "id map `%s` overlaps another range", text);
    ranges[(*count)++] = r;
    return 0;
}

char *id_ranges_text(const struct id_range *ranges, unsigned count)
{
    char *text = xstrdup("");
    for (unsigned i = 0; i < count; i++) {
        _cleanup_free_ char *before = text;
        text = xasprintf("%s%s%" PRIu32 ":%" PRIu32 ":%" PRIu32, before, i ? "," : "",
                         ranges[i].inside, ranges[i].outside, ranges[i].count);
    }
    return text;
}

int id_ranges_parse(const char *text, struct id_range *ranges, unsigned *count, struct err *e)
{
    _cleanup_free_ char *copy = xstrdup(text);
    char *rest = copy;
    int r = 0;
    *count = 0;
    for (char *word; r == 0 && (word = strsep(&rest, ","));)
        r = id_range_add(ranges, count, word, e);
    return r;
}

/* NAME:FIRST:COUNT */
static bool parse_subids(char *line, const char *user, struct subid_range *out)
{
    char *first = strchr(line, ':'), *count = first ? strchr(first + 1, ':') : NULL;
    if (!count)
        return false;
    *first++ = *count++ = '\0';
    return (!user || streq(line, user)) && parse_u64(first, 1, UINT32_MAX, &out->first) == 0 &&
           parse_u64(count, 1, UINT32_MAX, &out->count) == 0;
}

int subids_read(const char *path, const char *user, struct subid_range **out, size_t *count)
{
    enum { SIZE_MAX_OF_FILE = 16 << 20 };
    _cleanup_free_ char *text = NULL;
    char *rest = NULL;
    int r = read_file_at(AT_FDCWD, path, SIZE_MAX_OF_FILE, &text, NULL);
    *out = NULL;
    *count = 0;
    if (r < 0)
        return r;
    size_t room = 0;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        struct subid_range range;
        if (!parse_subids(line, user, &range))
            continue;
        if (*count == room)
            *out = xrealloc(*out, room = room ? 2 * room : 16, sizeof(**out));
        (*out)[(*count)++] = range;
    }
    return 0;
}

/* ---- the namespace ---------------------------------------------------------------------------*/

bool userns_is_own(int fd)
{
    struct stat own, other;
    return stat("/proc/self/ns/user", &own) == 0 && fstat(fd, &other) == 0 &&
           own.st_dev == other.st_dev && own.st_ino == other.st_ino;
}

/* Blocks every signal, because a handler would run in the memory that both processes share. */
static void block_signals(sigset_t *before)
{
    sigset_t all;
    sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, before);
}

struct userns_process {
    pid_t pid, parent;
    bool networks;
    int state;  /* 0: not yet; 1: @net is there; -errno */
    int net;    /* its network namespace, in the table of fds of both; -1: none */
    int mapped; /* the parent's word: it may end */
    char stack[4096] __attribute__((aligned(16)));
};

static void tell(int *word, int value)
{
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
    (void)syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static int make_network(struct userns_process *p)
{
    if (syscall(SYS_unshare, CLONE_NEWNET) < 0)
        return -errno;
    p->net = (int)syscall(SYS_openat, AT_FDCWD, "/proc/self/ns/net", O_RDONLY | O_CLOEXEC, 0);
    return p->net < 0 ? -errno : 1;
}

/* It makes system calls only, and ends with its parent. The thread-local errno is shared, too: after a failure here that of
 * the parent may be this one, and the start fails anyway. */
static int live_inside(void *process)
{
    struct userns_process *p = process;
    (void)syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (p->networks)
        tell(&p->state, make_network(p));
    while (!__atomic_load_n(&p->mapped, __ATOMIC_ACQUIRE) && syscall(SYS_getppid) == p->parent)
        (void)syscall(SYS_futex, &p->mapped, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
    (void)syscall(SYS_exit, 0);
    return 0;
}

static int write_map(pid_t pid, const char *file, const struct id_range *ranges, unsigned count,
                     struct err *e)
{
    _cleanup_free_ char *path = xasprintf("/proc/%d/%s", pid, file), *text = xstrdup("");
    for (unsigned i = 0; i < count; i++) {
        _cleanup_free_ char *before = text;
        text = xasprintf("%s%" PRIu32 " %" PRIu32 " %" PRIu32 "\n", before, ranges[i].inside,
                         ranges[i].outside, ranges[i].count);
    }
    _cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);
    /* The kernel accepts a map in one write() only. */
    ssize_t n = fd < 0 ? -1 : write(fd, text, strlen(text));
    return n == (ssize_t)strlen(text) ? 0 : err_set(e, n < 0 ? errno : EIO, "write the %s", file);
}

static int take_namespace(pid_t pid, const struct id_map *m, struct err *e)
{
    int r = write_map(pid, "uid_map", m->uids, m->uid_count, e);
    if (r == 0)
        r = write_map(pid, "gid_map", m->gids, m->gid_count, e);
    if (r < 0)
        return r;
    _cleanup_free_ char *path = xasprintf("/proc/%d/ns/user", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? err_set(e, errno, "open the new user namespace") : fd;
}

void userns_end(struct userns_process **process)
{
    struct userns_process *p = take_ptr(*process);
    if (!p)
        return;
    if (kill(p->pid, SIGKILL) < 0) /* it ends with this process, and needs its stack until then */
        return;
    while (waitpid(p->pid, NULL, __WALL) < 0 && errno == EINTR)
        continue;
    (void)close_fd(p->net);
    free(p);
}

static int begin(const struct id_map *m, bool networks, struct userns_process **out, struct err *e)
{
    struct userns_process *p = xcalloc(1, sizeof(*p));
    sigset_t before;
    *p = (struct userns_process){.parent = getpid(), .networks = networks, .net = -1};
    block_signals(&before);
    p->pid =
        clone(live_inside, p->stack + sizeof(p->stack), CLONE_NEWUSER | CLONE_VM | CLONE_FILES, p);
    int code = errno;
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    if (p->pid < 0) {
        free(p);
        int r = err_set(e, code, "make a user namespace");
        if (r == -ENOSPC)
            err_hint(e,
                     "the sysctl user.max_user_namespaces limits their number, and 0 forbids them");
        return r;
    }
    *out = p;
    int r = take_namespace(p->pid, m, e);
    tell(&p->mapped, 1);
    if (r < 0)
        userns_end(out);
    return r;
}

int userns_start(const struct id_map *m, struct userns_process **out, struct err *e)
{
    return begin(m, true, out, e);
}

int userns_create(const struct id_map *m, struct err *e)
{
    struct userns_process *p = NULL;
    int fd = begin(m, false, &p, e);
    userns_end(&p);
    return fd;
}

/* It may be killed, by the kernel for want of memory: so this looks whether it lives. */
static int await_network(struct userns_process *p)
{
    const struct timespec pause = {.tv_nsec = 20000000};
    int state;
    while ((state = __atomic_load_n(&p->state, __ATOMIC_ACQUIRE)) == 0) {
        siginfo_t info = {0};
        (void)syscall(SYS_futex, &p->state, FUTEX_WAIT_PRIVATE, 0, &pause, NULL, 0);
        bool ended = waitid(P_PID, (id_t)p->pid, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) < 0 ||
                     info.si_pid;
        if (ended && __atomic_load_n(&p->state, __ATOMIC_ACQUIRE) == 0)
            return -ECHILD;
    }
    return state < 0 ? state : 0;
}

int userns_network(struct userns_process **process, struct err *e)
{
    struct userns_process *p = *process;
    int r = await_network(p), fd = take_fd(p->net);
    userns_end(process);
    if (r == 0)
        return fd;
    (void)close_fd(fd);
    err_set(e, r, "create a network namespace in the user namespace of the container");
    if (r == -ENOSPC)
        err_hint(e, NETNS_LIMIT);
    return r;
}

/* ---- a map that is not ours ------------------------------------------------------------------*/

static int read_ranges(pid_t pid, const char *file, struct id_range *ranges, unsigned *count)
{
    _cleanup_free_ char *path = xasprintf("/proc/%d/%s", pid, file), *text = NULL;
    int r = read_file_at(AT_FDCWD, path, 65536, &text, NULL), used = 0;
    *count = 0;
    for (char *at = text; r == 0; at += used) {
        struct id_range one;
        if (sscanf(at, "%" SCNu32 " %" SCNu32 " %" SCNu32 "%n", &one.inside, &one.outside,
                   &one.count, &used) != 3)
            break;
        if (*count == ID_RANGES_MAX)
            return -E2BIG;
        ranges[(*count)++] = one;
    }
    return r;
}

/* As this process sees it, so a process that has joined it waits meanwhile. */
int userns_read_map(int fd, struct id_map *out, struct err *e)
{
    int ready[2], go[2];
    char byte = 0;
    *out = (struct id_map){0};
    if (userns_is_own(fd))
        return 0;
    if (pipe2(ready, O_CLOEXEC) < 0)
        return err_set(e, errno, "open a pipe");
    if (pipe2(go, O_CLOEXEC) < 0) {
        int why = errno;
        close(ready[0]);
        close(ready[1]);
        return err_set(e, why, "open a pipe");
    }
    pid_t pid = fork();
    if (pid == 0) {
        close(go[1]);
        close(ready[0]);
        bool joined = setns(fd, CLONE_NEWUSER) == 0 && write(ready[1], "", 1) == 1;
        _exit(!joined || read(go[0], &byte, 1) < 0);
    }
    int r = pid < 0 ? -errno : 0;
    close(ready[1]);
    close(go[0]);
    if (r == 0 && read(ready[0], &byte, 1) != 1)
        r = -EPERM;
    if (r == 0)
        r = read_ranges(pid, "uid_map", out->uids, &out->uid_count);
    if (r == 0)
        r = read_ranges(pid, "gid_map", out->gids, &out->gid_count);
    close(go[1]);
    close(ready[0]);
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    /* An empty map would stand for the host's. */
    if (r == 0 && (out->uid_count == 0 || out->gid_count == 0))
        return err_say(e, -EINVAL, "the user namespace has no map of ids yet");
    return r < 0 ? err_set(e, r, "read the id map of a user namespace") : 0;
}
