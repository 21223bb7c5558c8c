/* Processes: identity (pidfd plus start time), signals, waiting. */
#include <netctr/base.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/pidfd.h>
#include <sys/syscall.h>
#include <time.h>

#define STOPPED_MS 5000

enum { STAT_SIZE = 1024 }; /* 52 numbers and a name of 64 bytes at most */

/* /proc/PID/stat; "" if there is no such process. */
static int read_stat(pid_t pid, char out[STAT_SIZE])
{
    char path[32];
    ssize_t n = -1;
    *out = '\0';
    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    do {
        n = fd < 0 ? -1 : read(fd, out, STAT_SIZE - 1);
    } while (fd >= 0 && n < 0 && errno == EINTR);
    if (n < 0)
        return errno == ENOENT || errno == ESRCH ? 0 : -errno;
    out[n] = '\0';
    return 0;
}

/* One field of /proc/PID/stat, counted from 1. The name in field 2 may contain spaces and
 * parentheses, so counting starts at its last ')'. */
static uint64_t field_of(const char *stat, int wanted)
{
    const char *p = strrchr(stat, ')');
    for (int field = 2; p && field < wanted; field++)
        p = strchr(p + 1, ' ');
    return p ? strtoull(p + 1, NULL, 10) : 0;
}

/* 0 if there is no such process. */
static int stat_field(pid_t pid, int wanted, uint64_t *out)
{
    char stat[STAT_SIZE];
    int r = read_stat(pid, stat);
    *out = r < 0 ? 0 : field_of(stat, wanted);
    return r;
}

uint64_t proc_start_time(pid_t pid)
{
    uint64_t start;
    int r = stat_field(pid, 22, &start);
    if (r < 0 || !start)
        errno = r < 0 ? -r : ESRCH;
    return start;
}

char proc_state(pid_t pid)
{
    char stat[STAT_SIZE];
    if (read_stat(pid, stat) < 0)
        return 0;
    const char *p = strrchr(stat, ')');
    return p && p[1] ? p[2] : 0;
}

int64_t monotonic_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t monotonic_ms(void)
{
    return monotonic_us() / 1000;
}

bool proc_stays_stopped(pid_t pid, int64_t *since)
{
    const int64_t now = monotonic_ms();
    if (pid <= 0 || proc_state(pid) != 'T')
        *since = 0;
    else if (!*since)
        *since = now;
    return *since && now - *since >= STOPPED_MS;
}

/* A SIGKILL that it has not taken yet is pending for each of its threads (field 31); when it has taken
 * one, PF_SIGNALED is set, and then PF_EXITING (field 9). */
int proc_lives(pid_t pid, uint64_t start_time)
{
    const uint64_t ending = 0x4 | 0x400, killed = UINT64_C(1) << (SIGKILL - 1);
    char stat[STAT_SIZE];
    if (pid <= 0)
        return 0;
    int r = read_stat(pid, stat);
    if (r < 0)
        return r;
    return field_of(stat, 22) == start_time && !(field_of(stat, 9) & ending) &&
           !(field_of(stat, 31) & killed);
}

/* A process that cannot be read does not count as dead: its resources could be given away. */
bool proc_is_dying(pid_t pid, uint64_t start_time)
{
    return proc_lives(pid, start_time) == 0;
}

int pidfd_of(pid_t pid, uint64_t start_time)
{
    if (pid <= 0 || start_time == 0)
        return -ESRCH;
    _cleanup_close_ int fd = pidfd_open(pid, 0);
    if (fd < 0) /* EINVAL, ENOENT: the number now belongs to a thread */
        return errno == EINVAL || errno == ENOENT ? -ESRCH : -errno;
    uint64_t now;
    int r = stat_field(pid, 22, &now);
    if (r < 0)
        return r;
    return now == start_time ? take_fd(fd) : -ESRCH;
}

int pidfd_signal(int pidfd, int sig)
{
    return pidfd_send_signal(pidfd, sig, NULL, 0) < 0 ? -errno : 0;
}

int pidfd_wait(int pidfd, int timeout_ms)
{
    struct pollfd p = {.fd = pidfd, .events = POLLIN};
    int64_t end = monotonic_ms() + timeout_ms;
    for (;;) {
        /* signals must not extend the wait */
        int64_t left = timeout_ms < 0 ? -1 : end - monotonic_ms();
        int n = poll(&p, 1, timeout_ms >= 0 && left < 0 ? 0 : (int)left);
        if (n > 0)
            return 0;
        if (n == 0)
            return -ETIMEDOUT;
        if (errno != EINTR)
            return -errno;
    }
}

/* "RTMIN+3", "RTMAX-1": the numbers are defined by the C library. */
static int parse_realtime(const char *s)
{
    uint64_t n = 0;
    int base = strncasecmp(s, "RTMIN", 5) == 0 ? SIGRTMIN : SIGRTMAX;
    char sign = base == SIGRTMIN ? '+' : '-';
    if ((base == SIGRTMAX && strncasecmp(s, "RTMAX", 5) != 0) || (s[5] && s[5] != sign) ||
        (s[5] && parse_u64(s + 6, 0, (uint64_t)(SIGRTMAX - SIGRTMIN), &n) < 0))
        return -EINVAL;
    return sign == '+' ? base + (int)n : base - (int)n;
}

/* The kernel has several names for some; sigabbrev_np() knows one of each. */
static int parse_alias(const char *s)
{
    static const struct {
        const char *name;
        int sig;
    } aliases[] = {
        {"IOT", SIGABRT}, {"CLD", SIGCHLD}, {"POLL", SIGPOLL}, {"IO", SIGIO}, {"UNUSED", SIGSYS}};
    for (size_t i = 0; i < ARRAY_LEN(aliases); i++)
        if (strcasecmp(aliases[i].name, s) == 0)
            return aliases[i].sig;
    return -EINVAL;
}

char *signal_name(int sig)
{
    const char *name = sigabbrev_np(sig);
    return name ? xasprintf("SIG%s", name) : xasprintf("SIGRTMIN%+d", sig - SIGRTMIN);
}

int parse_signal(const char *s)
{
    uint64_t number;
    if (parse_u64(s, 1, (uint64_t)SIGRTMAX, &number) == 0)
        return (int)number;
    if (strncasecmp(s, "SIG", 3) == 0)
        s += 3;
    for (int sig = 1; sig < NSIG; sig++) {
        const char *name = sigabbrev_np(sig);
        if (name && strcasecmp(name, s) == 0)
            return sig;
    }
    int alias = parse_alias(s);
    return alias < 0 ? parse_realtime(s) : alias;
}

int boot_id(char **id, struct err *e)
{
    static const char file[] = "/proc/sys/kernel/random/boot_id";
    int r = read_state_at(AT_FDCWD, file, 64, id, NULL);
    if (r < 0)
        return err_set(e, r, "read `%s`", file);
    (*id)[strcspn(*id, "\n")] = '\0';
    return 0;
}

/* The kernel shows the memory where execve() put the arguments. It ends where the environment
 * starts, or without one, the path of the program. */
void proc_set_title(const char *title)
{
    char *begin = program_invocation_name;
    char *end = environ && environ[0] ? environ[0] : (char *)(uintptr_t)getauxval(AT_EXECFN);
    if (!begin || !end || end <= begin)
        return;
    size_t size = (size_t)(end - begin), length = strnlen(title, size - 1);
    memmove(begin, title, length);
    memset(begin + length, 0, size - length);
}

static int by_number(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

int close_other_fds(int *keep, size_t count)
{
    qsort(keep, count, sizeof(int), by_number);
    unsigned from = 3;
    for (size_t i = 0; i < count; i++) {
        if (keep[i] < (int)from)
            continue;
        if (keep[i] > (int)from && close_range(from, (unsigned)keep[i] - 1, 0) < 0)
            return -errno;
        from = (unsigned)keep[i] + 1;
    }
    return close_range(from, ~0U, 0) < 0 ? -errno : 0;
}
