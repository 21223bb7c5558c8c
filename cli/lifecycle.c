/* netctr stop, kill, rm: ending containers and forgetting them. */
#include "world.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>

/* Does one thing to each named container; goes on after a failure and ends with the first. */
static int for_each_name(const struct cli *cli, const struct command *command, char **names,
                         int (*act)(struct world *w, const struct record *r, void *arg,
                                    struct err *e),
                         void *arg, struct err *e)
{
    if (!names[0])
        return err_say(e, -EINVAL, "usage: netctr %s %s", command->name, command->usage);
    _cleanup_world_ struct world w = {0};
    int result = world_open(cli, &w, e);
    if (result < 0)
        return result;
    for (; *names; names++) {
        _cleanup_record_ struct record r = {0};
        _cleanup_err_ struct err why = ERR_INIT;
        int code = world_find(&w, *names, &r, &why);
        if (code == 0)
            code = act(&w, &r, arg, &why);
        if (code == 0)
            printf("%s\n", *names);
        else if (result == 0)
            err_move(e, &why), result = code;
        else
            warn("%s", why.text);
    }
    return result;
}

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

static int stop_record(const struct record *r, uint64_t seconds, struct err *e)
{
    if (r->status != STATUS_RUNNING)
        return 0;
    int code = signal_init(r, seconds ? SIGTERM : SIGKILL, e);
    if (code == 0 && seconds && wait_for_end(r, (int)seconds * 1000) == 0)
        return 0;
    if (code == 0)
        code = signal_init(r, SIGKILL, e);
    if (code == 0 && wait_for_end(r, 15000) < 0)
        return err_say(e, -ETIMEDOUT, "container `%s` does not end", r->spec.name);
    return code;
}

/* A container that is just being made either runs soon or is gone soon. */
static int settle(struct world *w, const struct record *r, struct record *now, struct err *e)
{
    const struct timespec pause = {.tv_nsec = 5000000};
    for (int tries = 0; tries < 2000; tries++) {
        record_clear(now);
        int code = world_find(w, r->spec.name, now, e);
        if (code < 0 || now->status != STATUS_CREATING)
            return code;
        nanosleep(&pause, NULL);
    }
    return err_say(e, -ETIMEDOUT, "container `%s` is still being made", r->spec.name);
}

/* ---- stop ------------------------------------------------------------------------------------*/

static int stop_one(struct world *w, const struct record *r, void *arg, struct err *e)
{
    _cleanup_record_ struct record now = {0};
    int code = r->status == STATUS_CREATING ? settle(w, r, &now, e) : 0;
    return code < 0 ? code : stop_record(now.spec.name ? &now : r, *(uint64_t *)arg, e);
}

static int stop(const struct cli *cli, int argc, char **argv, struct err *e)
{
    char *time = NULL;
    const struct option options[] = {
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
    return for_each_name(cli, &command_stop, argv + first, stop_one, &seconds, e);
}

const struct command command_stop = {
    .name = "stop",
    .usage = "[-t SECONDS] NAME…",
    .summary = "End containers: SIGTERM, and SIGKILL for those that do not listen",
    .run = stop,
};

/* ---- kill ------------------------------------------------------------------------------------*/

static int kill_one(struct world *w, const struct record *r, void *arg, struct err *e)
{
    (void)w;
    int sig = *(int *)arg;
    if (r->status != STATUS_RUNNING)
        return err_say(e, -ESRCH, "container `%s` is not running", r->spec.name);
    int code = signal_init(r, sig, e);
    if (code == 0 && sig == SIGKILL)
        (void)wait_for_end(r, 15000);
    return code;
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
    return for_each_name(cli, &command_kill, argv + first, kill_one, &sig, e);
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
    const struct record *r = given;
    if (r->status == STATUS_CREATING && *(bool *)arg) {
        int code = settle(w, given, &now, e);
        if (code == -ENOENT) /* it has failed to start, and is gone */
            return 0;
        if (code < 0)
            return code;
        r = &now;
    }
    if (r->status != STATUS_EXITED) {
        if (!*(bool *)arg) {
            err_say(e, -EBUSY, "container `%s` is running", r->spec.name);
            return err_hint(e, "`netctr rm -f %s` ends it first", r->spec.name);
        }
        int code = stop_record(r, 0, e);
        if (code < 0)
            return code;
    }
    /* With --rm its monitor has removed it already, and the name may be another's by now. */
    if (r->spec.auto_remove)
        return 0;
    return world_remove(w, r, e);
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
    return for_each_name(cli, &command_rm, argv + first, remove_one, &force, e);
}

const struct command command_rm = {
    .name = "rm",
    .usage = "[-f] NAME…",
    .summary = "Remove containers and what they have written",
    .run = rm,
};
