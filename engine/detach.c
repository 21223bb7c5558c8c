/* Runs a container with a monitor in a process of its own. The monitor reports over a channel when the program runs, or why it
 * does not, and keeps nothing of the caller open.
 */
#include "internal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

/* Other descriptors of the caller: a lock, or a pipe whose reader waits for its end. They are listed at first, when only the
 * store and the channel are ours, and closed last, because the request may name one (`--network ns:/proc/self/fd/9`). */
struct inherited {
    int channel, *fds;
    size_t count;
};

static int find_inherited(const struct store *s, struct inherited *i, struct err *e)
{
    int r = 0;
    _cleanup_dir_ DIR *d = opendir("/proc/self/fd");
    if (!d)
        return err_set(e, errno, "list the open files");
    for (struct dirent *entry; (entry = next_entry(d, &r));) {
        uint64_t n;
        if (parse_u64(entry->d_name, 3, INT32_MAX, &n) < 0)
            continue;
        int fd = (int)n;
        if (fd == dirfd(d) || fd == i->channel || fd == s->root_fd || fd == s->run_fd ||
            fd == s->defined_fd || fd == s->live_fd)
            continue;
        i->fds = xrealloc(i->fds, i->count + 1, sizeof(int));
        i->fds[i->count++] = fd;
    }
    return r < 0 ? err_set(e, r, "list the open files") : 0;
}

/* Otherwise a reader of the caller's output would wait as long as the container runs. */
static int let_go_of_streams(void)
{
    _cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int i = 0; i < 3; i++)
        while (null < 0 || dup2(null, i) < 0)
            if (null < 0 || (errno != EINTR && errno != EBUSY))
                return -errno;
    return 0;
}

/* The report to the caller comes last: nothing can fail after it. */
static int report_started(const char *waits, void *arg)
{
    const struct inherited *inherited = arg;
    for (size_t i = 0; i < inherited->count; i++)
        close(inherited->fds[i]);
    int r = let_go_of_streams();
    if (r == 0 && chdir("/") < 0)
        r = -errno;
    if (r < 0)
        return r;
    _cleanup_free_ char *why = waits ? xstrndup(waits, PACKET_TEXT - 1) : NULL;
    return why ? channel_send_text(inherited->channel, MESSAGE_WAITS, why)
               : channel_send(inherited->channel, MESSAGE_STARTED);
}

static _Noreturn void monitor_process(struct engine *engine, struct run_request *request,
                                      int channel)
{
    struct err e = ERR_INIT;
    struct inherited inherited = {.channel = channel};
    (void)setsid();
    /* Two processes cannot share a netlink socket: each would read answers for the other. */
    net_close(take_ptr(engine->net));
    engine_forget_names(engine); /* find_inherited() would take it for the caller's */
    request->started = report_started;
    // cppcheck-suppress autoVariables ; this function never returns
    request->arg = &inherited;
    int r = find_inherited(&engine->store, &inherited, &e);
    if (r == 0)
        r = engine_run(engine, request, &e);
    if (r < 0)
        (void)channel_send_error(channel, &e);
    err_clear(&e);
    free(inherited.fds);
    engine_close(engine);
    exit(r < 0 ? EXIT_NETCTR : 0);
}

/* Waits for the report of the monitor. A monitor that has been stopped (SIGSTOP) never reports. */
static int await_monitor(int channel, pid_t pid, struct err *e)
{
    struct pollfd p = {.fd = channel, .events = POLLIN};
    const struct timespec pause = {.tv_nsec = 10000000};
    int64_t stopped = 0;
    int failures = 0;
    for (int n; (n = poll(&p, 1, 500)) <= 0;) {
        if (n < 0 && errno != EINTR && ++failures > 100)
            return err_set(e, errno, "hear from the monitor");
        if (n < 0) /* short of memory, perhaps only for a moment: the monitor may have succeeded */
            nanosleep(&pause, NULL);
        if (n == 0 && proc_stays_stopped(pid, &stopped)) {
            err_say(e, -ETIMEDOUT,
                    "the monitor (process %d) has been stopped before the container ran", pid);
            return err_hint(e, "`kill -CONT %d` lets it go on, and it undoes what it has begun",
                            pid);
        }
    }
    return 0;
}

int engine_run_detached(struct engine *engine, struct run_request *request, struct err *e)
{
    int ends[2];
    int r = channel_open(ends, e);
    if (r < 0)
        return r;
    fflush(NULL); /* or both processes would write what is buffered */
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        monitor_process(engine, request, ends[1]);
    }
    close(ends[1]);
    _cleanup_close_ int channel = ends[0];
    if (pid < 0)
        return err_set(e, errno, "fork the monitor");
    enum message kind = MESSAGE_END;
    _cleanup_free_ char *text = NULL;
    r = await_monitor(channel, pid, e);
    if (r == 0)
        r = channel_receive_text(channel, &kind, &text, e);
    if (r < 0 && r != -ETIMEDOUT) {
        /* It has reported a failure and cleaned up; or its report is lost, and then it must not run, because this command
         * fails. */
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
    }
    if (r < 0)
        return r;
    if (kind == MESSAGE_WAITS)
        request->waits = take_ptr(text);
    else if (kind != MESSAGE_STARTED)
        return err_say(e, -EPIPE, "the monitor was killed before the container ran");
    return 0;
}
