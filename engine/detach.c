/* Runs a container with a monitor in a process of its own. The monitor reports over a channel when the program runs, or why it
 * does not, and keeps nothing of the caller open. The caller of an attached run is its client: it stays, the channel stays
 * open, and what it hands over is closed when it leaves (core/client.c, core/console.c).
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
    struct client *client; /* of an attached run */
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

/* Otherwise a reader of the caller's output would wait as long as the container runs. @count: a client prints what is
 * written to stderr, so that one stays. */
static int let_go_of_streams(int count)
{
    _cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int i = 0; i < count; i++)
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
    int r = let_go_of_streams(inherited->client ? STDERR_FILENO : STDERR_FILENO + 1);
    if (r == 0 && chdir("/") < 0)
        r = -errno;
    if (r == 0 && inherited->client)
        r = client_agrees(inherited->client);
    if (r < 0)
        return r;
    _cleanup_free_ char *why = waits ? xstrndup(waits, PACKET_TEXT - 1) : NULL;
    return why ? channel_send_text(inherited->channel, MESSAGE_WAITS, why)
               : channel_send(inherited->channel, MESSAGE_STARTED);
}

static int run_with(struct engine *engine, struct run_request *request, struct inherited *inherited,
                    struct err *e)
{
    (void)setsid();
    /* Two processes cannot share a netlink socket: each would read answers for the other. */
    net_close(take_ptr(engine->net));
    engine_forget_names(engine); /* find_inherited() would take it for the caller's */
    request->started = report_started;
    request->arg = inherited;
    int r = find_inherited(&engine->store, inherited, e);
    if (r == 0 && inherited->client) {
        request->client = inherited->client;
        r = client_accept(request->client, inherited->channel, e);
    }
    return r == 0 ? engine_run(engine, request, e) : r;
}

/* @console: of the client, or NULL. */
static _Noreturn void monitor_process(struct engine *engine, struct run_request *request,
                                      struct console *console, int channel)
{
    struct err e = ERR_INIT;
    struct client client = CLIENT_INIT;
    struct inherited inherited = {.channel = channel, .client = console ? &client : NULL};
    int r = console ? console_become_monitor(console, &e) : 0;
    if (r == 0)
        r = run_with(engine, request, &inherited, &e);
    engine_close(engine); /* once the client returns, ROOT and RUN are not in use any more */
    if (r >= 0)
        client_tell_exit(&client, r, request->oom_killed);
    else if (!request->client || client_is_here(&client))
        (void)channel_send_error(channel, &e);
    err_clear(&e);
    client_leave(&client);
    free(inherited.fds);
    exit(r < 0 ? EXIT_NETCTR : 0);
}

/* @channel: the monitor's end of it. The monitor closes the other one, @others, unless the @console does. */
static int fork_monitor(struct engine *engine, struct run_request *request, struct console *console,
                        int channel, int others, pid_t *pid, struct err *e)
{
    fflush(NULL); /* or both processes would write what is buffered */
    *pid = fork();
    if (*pid == 0 && !console)
        close(others);
    if (*pid == 0)
        monitor_process(engine, request, console, channel);
    return *pid < 0 ? err_set(e, errno, "fork the monitor") : 0;
}

/* ---- detached --------------------------------------------------------------------------------*/

/* Waits for the report of the monitor. A monitor that has been stopped (SIGSTOP) never reports. */
static int await_monitor(int channel, pid_t pid, struct err *e)
{
    struct pollfd p = {.fd = channel, .events = POLLIN};
    const struct timespec pause = {.tv_nsec = 10000000};
    int64_t stopped = 0;
    int failures = 0, r = 0;
    for (int n; r == 0 && (n = poll(&p, 1, 500)) <= 0;) {
        if (n < 0 && errno != EINTR && ++failures > 100)
            return err_set(e, errno, "hear from the monitor");
        if (n < 0) /* short of memory, perhaps only for a moment: the monitor may have succeeded */
            nanosleep(&pause, NULL);
        if (n == 0)
            r = monitor_check(pid, &stopped, e);
    }
    return r;
}

/* It has reported a failure and cleaned up; or its report is lost, and then it must not run, because this command fails. */
static void end_monitor(pid_t pid)
{
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
}

int engine_run_detached(struct engine *engine, struct run_request *request, struct err *e)
{
    int ends[2];
    int r = channel_open(ends, e);
    if (r < 0)
        return r;
    pid_t pid;
    _cleanup_close_ int channel = ends[0], monitors = ends[1];
    r = fork_monitor(engine, request, NULL, monitors, channel, &pid, e);
    if (r < 0)
        return r;
    monitors = close_fd(monitors);
    enum message kind = MESSAGE_END;
    _cleanup_free_ char *text = NULL;
    r = await_monitor(channel, pid, e);
    if (r == 0)
        r = channel_receive_text(channel, &kind, &text, e);
    if (r < 0 && r != -ETIMEDOUT)
        end_monitor(pid);
    if (r < 0)
        return r;
    if (kind == MESSAGE_WAITS)
        request->waits = take_ptr(text);
    else if (kind != MESSAGE_STARTED)
        return err_say(e, -EPIPE, "the monitor was killed before the container ran");
    return 0;
}

/* ---- attached --------------------------------------------------------------------------------*/

int engine_run_attached(struct engine *engine, struct run_request *request, struct err *e)
{
    __attribute__((cleanup(console_close))) struct console console = CONSOLE_INIT;
    struct console_end end = {0};
    pid_t pid = -1;
    _cleanup_free_ char *name = xstrdup(request->spec.name);
    (void)terminal_size(&request->size);
    bool reads = request->spec.interactive && !request->without_stdin;
    int r = console_open(&console, reads, request->spec.tty, e);
    console.keys = request->keys;
    if (r == 0)
        r = fork_monitor(engine, request, &console, console.monitor.channel, -1, &pid, e);
    if (r < 0)
        return r;
    r = console_run(&console, name, pid, &end, e);
    if (r < 0 && !end.started && r != -ETIMEDOUT && r != -EINTR)
        end_monitor(pid);
    request->oom_killed = end.oom_killed;
    return r < 0 ? r : end.left ? STATUS_DETACHED : end.status;
}
