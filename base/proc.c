/* Processes: who they are (pidfd plus start time), how they are signalled and waited for. */
#include <netctr/base.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/syscall.h>
#include <time.h>

/* One field of /proc/PID/stat, which counts them from 1; 0 if there is no such process. The name in field
 * 2 may hold spaces and parentheses: they are counted from its last ')'. */
static uint64_t stat_field(pid_t pid, int wanted)
{
    _cleanup_free_ char *path = xasprintf("/proc/%d/stat", pid);
    _cleanup_free_ char *stat = NULL;
    if (read_file_at(AT_FDCWD, path, 4096, &stat, NULL) < 0)
        return 0;
    char *p = strrchr(stat, ')');
    for (int field = 2; p && field < wanted; field++)
        p = strchr(p + 1, ' ');
    return p ? strtoull(p + 1, NULL, 10) : 0;
}

uint64_t proc_start_time(pid_t pid)
{
    return stat_field(pid, 22);
}

char proc_state(pid_t pid)
{
    _cleanup_free_ char *path = xasprintf("/proc/%d/stat", pid), *stat = NULL;
    if (read_file_at(AT_FDCWD, path, 4096, &stat, NULL) < 0)
        return 0;
    const char *p = strrchr(stat, ')');
    return p && p[1] ? p[2] : 0;
}

bool proc_is_dying(pid_t pid, uint64_t start_time)
{
    const uint64_t exiting = 0x4; /* PF_EXITING: on its way out, and no zombie yet */
    if (pid <= 0 || proc_start_time(pid) != start_time || (stat_field(pid, 9) & exiting))
        return true;
    _cleanup_free_ char *path = xasprintf("/proc/%d/status", pid);
    _cleanup_free_ char *status = NULL;
    if (read_file_at(AT_FDCWD, path, 65536, &status, NULL) < 0)
        return true;
    const char *state = strstr(status, "\nState:\t");
    if (state && strchr("ZX", state[8]))
        return true;
    const char *const pending[] = {"\nSigPnd:\t", "\nShdPnd:\t"};
    for (size_t i = 0; i < ARRAY_LEN(pending); i++) {
        const char *at = strstr(status, pending[i]);
        if (at && (strtoull(at + strlen(pending[i]), NULL, 16) >> (SIGKILL - 1) & 1))
            return true;
    }
    return false;
}

int pidfd_of(pid_t pid, uint64_t start_time)
{
    if (pid <= 0 || start_time == 0)
        return -ESRCH;
    _cleanup_close_ int fd = pidfd_open(pid, 0);
    if (fd < 0) /* EINVAL, ENOENT: the number is a thread's by now */
        return errno == EINVAL || errno == ENOENT ? -ESRCH : -errno;
    return proc_start_time(pid) == start_time ? take_fd(fd) : -ESRCH;
}

int pidfd_signal(int pidfd, int sig)
{
    return pidfd_send_signal(pidfd, sig, NULL, 0) < 0 ? -errno : 0;
}

static int64_t milliseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int pidfd_wait(int pidfd, int timeout_ms)
{
    struct pollfd p = {.fd = pidfd, .events = POLLIN};
    int64_t end = milliseconds() + timeout_ms;
    for (;;) {
        /* signals that come in between must not make it longer */
        int64_t left = timeout_ms < 0 ? -1 : end - milliseconds();
        int n = poll(&p, 1, timeout_ms >= 0 && left < 0 ? 0 : (int)left);
        if (n > 0)
            return 0;
        if (n == 0)
            return -ETIMEDOUT;
        if (errno != EINTR)
            return -errno;
    }
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
    return -EINVAL;
}

char *boot_id(void)
{
    char *id = NULL;
    if (read_file_at(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 64, &id, NULL) < 0)
        return xstrdup("");
    id[strcspn(id, "\n")] = '\0';
    return id;
}
