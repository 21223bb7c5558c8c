/* netctr stop, kill, rm: ending containers and forgetting them. */
#include "world.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>

/* Waits until the monitor has cleaned up: only then is the container gone for the next command. */
static int wait_for_end(const struct record *r, int timeout_ms)
{
    _cleanup_close_ int monitor = pidfd_of(r->monitor, r->monitor_start);
    if (monitor < 0)
        return monitor == -ESRCH ? 0 : monitor;
    return pidfd_wait(monitor, timeout_ms);
}

static int signal_init(const struct record *r, int sig, struct err *e)
{
    _cleanup_close_ int init = pidfd_of(r->pid, r->pid_start);
    int code = init < 0 ? init : pidfd_signal(init, sig);
    return code == -ESRCH || code == 0 ? 0
                                       : err_set(e, code, "signal container `%s`", r->spec.name);
}

/* Between two runs there is only the monitor to be told. */
static int end_restarting(struct world *w, const struct record *r, struct err *e)
{
    _cleanup_close_ int monitor = pidfd_of(r->monitor, r->monitor_start);
    if (monitor == -ESRCH)
        return 0;
    int code = monitor < 0 ? monitor : pidfd_signal(monitor, SIGTERM);
    if (code < 0 && code != -ESRCH)
        return err_set(e, code, "signal the monitor of container `%s`", r->spec.name);
    return world_await_end(w, r, e);
}

static int stop_record(struct world *w, const struct record *r, uint64_t seconds, struct err *e)
{
    if (r->status == STATUS_RESTARTING)
        return end_restarting(w, r, e);
    if (r->status != STATUS_RUNNING)
        return 0;
    int code = signal_init(r, seconds ? SIGTERM : SIGKILL, e);
    if (code == 0 && seconds && wait_for_end(r, (int)seconds * 1000) == 0)
        return 0;
    if (code == 0)
        code = signal_init(r, SIGKILL, e);
    return code == 0 ? world_await_end(w, r, e) : code;
}

/* A container that is just being made either runs soon or is gone soon, unless somebody has stopped its
 * monitor. */
static int settle(struct world *w, const struct record *r, struct record *now, struct err *e)
{
    const struct timespec pause = {.tv_nsec = 5000000};
    int64_t stopped = 0;
    for (int tries = 0; tries < 2000; tries++) {
        record_clear(now);
        int code = world_find(w, r->spec.name, now, e);
        if (code < 0 || now->status != STATUS_CREATING)
            return code;
        if (proc_stays_stopped(now->monitor, &stopped) && (code = world_await_end(w, now, e)) < 0)
            return code;
        nanosleep(&pause, NULL);
    }
    return err_say(e, -ETIMEDOUT, "container `%s` is still being made", r->spec.name);
}

/* ---- stop ------------------------------------------------------------------------------------*/

int stop_container(struct world *w, const struct record *r, uint64_t seconds, struct err *e)
{
    _cleanup_record_ struct record now = {0};
    int code = world_ask_end(w, r, &now, e);
    if (code == 0 && now.status == STATUS_CREATING)
        code = settle(w, r, &now, e);
    bool ran = code == 0 && now.status != STATUS_EXITED;
    if (code == 0)
        code = stop_record(w, &now, seconds, e);
    if (code == 0 && ran)
        world_event(w, &now, "stop", NULL);
    return code;
}

/* Several containers are told at once, and waited for one by one: their time is the same. */
struct stopping {
    uint64_t seconds;
    int64_t deadline; /* CLOCK_MONOTONIC, seconds; 0: nobody has been told yet */
};

static int64_t now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

static void tell_all(struct world *w, const struct record *all, size_t count, void *arg)
{
    struct stopping *s = arg;
    s->deadline = now_s() + (int64_t)s->seconds;
    for (size_t i = 0; s->seconds && i < count; i++) {
        _cleanup_record_ struct record now = {0};
        if (all[i].spec.name && world_ask_end(w, &all[i], &now, NULL) == 0 &&
            now.status == STATUS_RUNNING)
            (void)signal_init(&now, SIGTERM, NULL);
    }
}

static int stop_one(struct world *w, const struct record *r, void *arg, struct err *e)
{
    const struct stopping *s = arg;
    int64_t left = s->deadline - now_s();
    return stop_container(w, r, left > 0 ? (uint64_t)left : 0, e);
}

static bool runs(const struct record *r)
{
    return r->status != STATUS_EXITED;
}

static int stop(const struct cli *cli, int argc, char **argv, struct err *e)
{
    char *time = NULL;
    bool all = false;
    const struct option options[] = {
        {"all", 'a', OPTION_FLAG, NULL, "every container that runs", &all},
        {"time", 't', OPTION_TEXT, "SECONDS", "then kill it (10)", &time},
        {0},
    };
    bool help;
    uint64_t seconds = 10;
    int first = command_options(&command_stop, options, true, &argc, argv, &help, e);
    if (first < 0 || help)
        return first < 0 ? first : 0;
    if (time && parse_u64(time, 0, 86400, &seconds) < 0)
        return err_say(e, -EINVAL, "time `%s` is not a number of seconds", time);
    struct stopping stopping = {.seconds = seconds};
    const struct each each = {
        .act = stop_one, .before = tell_all, .arg = &stopping, .all = all ? runs : NULL};
    return each_named(cli, &command_stop, argv + first, &each, e);
}

const struct command command_stop = {
    .name = "stop",
    .usage = "[-t SECONDS] NAME… | --all",
    .summary = "End containers: SIGTERM, and SIGKILL for those that do not listen",
    .run = stop,
};

/* ---- kill ------------------------------------------------------------------------------------*/

static int kill_one(struct world *w, const struct record *r, void *arg, struct err *e)
{
    int sig = *(int *)arg;
    _cleanup_record_ struct record now = {0};
    bool ends = sig == SIGKILL || sig == SIGTERM || sig == SIGINT || sig == SIGQUIT;
    if (ends && world_ask_end(w, r, &now, e) < 0)
        return e->code;
    if (now.status == STATUS_RESTARTING)
        return end_restarting(w, &now, e);
    if (r->status != STATUS_RUNNING)
        return err_say(e, -ESRCH, "container `%s` is not running", r->spec.name);
    int code = signal_init(r, sig, e);
    if (code == 0)
        world_event(w, r, "kill", (const struct event_attribute[]){{"signal", NULL, sig}, {0}});
    return code == 0 && sig == SIGKILL ? world_await_end(w, r, e) : code;
}

static int kill_command(const struct cli *cli, int argc, char **argv, struct err *e)
{
    char *name = "KILL";
    const struct option options[] = {
        {"signal", 's', OPTION_TEXT, "SIGNAL", "which (KILL)", &name},
        {0},
    };
    bool help;
    int first = command_options(&command_kill, options, true, &argc, argv, &help, e);
    if (first < 0 || help)
        return first < 0 ? first : 0;
    int sig = parse_signal(name);
    if (sig < 0)
        return err_say(e, -EINVAL, "unknown signal `%s`", name);
    const struct each each = {.act = kill_one, .arg = &sig};
    return each_named(cli, &command_kill, argv + first, &each, e);
}

const struct command command_kill = {
    .name = "kill",
    .usage = "[-s SIGNAL] NAME…",
    .summary = "Send a signal to containers",
    .run = kill_command,
};

/* ---- rm --------------------------------------------------------------------------------------*/

static int remove_one(struct world *w, const struct record *given, void *arg, struct err *e)
{
    _cleanup_record_ struct record now = {0};
    bool force = *(bool *)arg;
    if (given->status != STATUS_EXITED && !force) {
        err_say(e, -EBUSY, "container `%s` is %s", given->spec.name, status_name(given->status));
        return err_hint(e, "`netctr rm -f %s` ends it first", given->spec.name);
    }
    if (given->status != STATUS_EXITED) {
        int code = world_ask_end(w, given, &now, e);
        if (code == 0 && now.status == STATUS_CREATING)
            code = settle(w, given, &now, e);
        if (code == -ENOENT) /* it has failed to start, and is gone */
            return 0;
        if (code == 0)
            code = stop_record(w, &now, 0, e);
        if (code < 0)
            return code;
    }
    /* With --rm its monitor has removed it already, and the name may be another's by now. */
    if (given->spec.auto_remove && given->status != STATUS_EXITED && given->status != STATUS_DEAD)
        return 0;
    return world_remove(w, given, e);
}

static int rm(const struct cli *cli, int argc, char **argv, struct err *e)
{
    bool force = false;
    const struct option options[] = {
        {"force", 'f', OPTION_FLAG, NULL, "also those that run (they are killed)", &force},
        {0},
    };
    bool help;
    int first = command_options(&command_rm, options, true, &argc, argv, &help, e);
    if (first < 0 || help)
        return first < 0 ? first : 0;
    const struct each each = {
        .act = remove_one, .arg = &force, .damaged = force ? world_remove_damaged : NULL};
    return each_named(cli, &command_rm, argv + first, &each, e);
}

const struct command command_rm = {
    .name = "rm",
    .usage = "[-f] NAME…",
    .summary = "Remove containers and what they have written",
    .run = rm,
};
