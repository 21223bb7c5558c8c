/* netctr stop, kill, rm. */
#include "cli.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

int patience_parse(const char *text, uint64_t *seconds, struct err *e)
{
    if (text && streq(text, "-1"))
        *seconds = STOP_NEVER_KILLS;
    else if (text && parse_u64(text, 0, 86400, seconds) < 0)
        return err_say(e, -EINVAL, "time `%s` is not a number of seconds, or -1 (no limit)", text);
    return 0;
}

/* All containers get their stop signal at once and are then waited for one by one, so they share the time. */
struct stopping {
    enum mark mark;
    uint64_t seconds;
    int64_t began; /* CLOCK_MONOTONIC, seconds */
};

static void begin_stop(struct engine *engine, const struct record *all, size_t count, void *arg)
{
    struct stopping *s = arg;
    s->began = monotonic_ms() / 1000;
    engine_begin_stop(engine, all, count, s->seconds, s->mark);
}

static uint64_t patience_left(const struct stopping *s, const struct record *r)
{
    const uint64_t seconds = stop_seconds(s->seconds, &r->spec),
                   gone = (uint64_t)(monotonic_ms() / 1000 - s->began);
    if (seconds == STOP_NEVER_KILLS)
        return seconds;
    return seconds > gone ? seconds - gone : 0;
}

static int stop_one(struct engine *engine, const struct record *r, void *arg, struct err *e)
{
    const struct stopping *s = arg;
    return engine_stop(engine, r, s->mark, patience_left(s, r), e);
}

/* Those that are left when the time is over are killed, several at a time. */
static void kill_ahead(struct engine *engine, const struct record *r, void *arg)
{
    const struct stopping *s = arg;
    if (!patience_left(s, r))
        engine_begin_kill(engine, r, s->mark);
}

static bool runs(const struct record *r)
{
    return r->status != STATUS_EXITED;
}

static int stop(const struct cli *cli, int argc, char **argv, struct err *e)
{
    char *time = NULL;
    bool all = false, until_boot = false, ignore = false;
    const struct option options[] = {
        {"all", 'a', OPTION_FLAG, NULL, "stop all running containers", &all},
        {"time", 't', OPTION_TEXT, "SECONDS",
         "time to end before a container is killed (default: its --stop-timeout; -1: no limit)",
         &time},
        {"ignore", 'i', OPTION_FLAG, NULL, "no error if one does not exist", &ignore},
        {"until-boot", 0, OPTION_FLAG, NULL,
         "at shutdown of the host: `netctr boot` then starts those with --restart unless-stopped, too",
         &until_boot},
        {0},
    };
    uint64_t seconds = STOP_AS_DEFINED;
    int first = command_options(&command_stop, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
    if (patience_parse(time, &seconds, e) < 0)
        return -EINVAL;
    struct stopping stopping = {.mark = until_boot ? MARK_UNTIL_BOOT : MARK_END_ASKED,
                                .seconds = seconds};
    const struct each each = {.act = stop_one,
                              .before = begin_stop,
                              .ahead = kill_ahead,
                              .arg = &stopping,
                              .all = all ? runs : NULL,
                              .missing_is_fine = ignore};
    return each_named(cli, &command_stop, argv + first, &each, e);
}

const struct command command_stop = {
    .name = "stop",
    .usage = "[-t SECONDS] [--until-boot] NAME… | --all",
    .summary = "Stop containers: SIGTERM or their stop signal, then SIGKILL",
    .example = "netctr stop web\nnetctr stop -t 30 --all",
    .risky = true,
    .run = stop,
};

/* ---- kill ------------------------------------------------------------------------------------*/

static int kill_one(struct engine *engine, const struct record *r, void *sig, struct err *e)
{
    return engine_kill(engine, r, *(int *)sig, e);
}

static int kill_command(const struct cli *cli, int argc, char **argv, struct err *e)
{
    char *name = "KILL";
    const struct option options[] = {
        {"signal", 's', OPTION_TEXT, "SIGNAL", "a name or a number (default: KILL)", &name},
        {0},
    };
    int first = command_options(&command_kill, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
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
    .example = "netctr kill -s HUP web\nnetctr kill web db",
    .risky = true,
    .run = kill_command,
};

/* ---- rm --------------------------------------------------------------------------------------*/

static int remove_one(struct engine *engine, const struct record *r, void *force, struct err *e)
{
    return *(bool *)force ? engine_force_remove(engine, r, e) : engine_remove(engine, r, e);
}

static void begin_removals(struct engine *engine, const struct record *all, size_t count,
                           void *force)
{
    (void)all, (void)count, (void)force;
    engine->keeps_trash = true;
}

static void end_removals(struct engine *engine, const struct record *all, size_t count)
{
    (void)all, (void)count;
    store_empty_full_trash(&engine->store);
}

static void begin_removal(struct engine *engine, const struct record *r, void *force)
{
    if (*(bool *)force)
        engine_begin_kill(engine, r, MARK_END_ASKED);
}

static int rm(const struct cli *cli, int argc, char **argv, struct err *e)
{
    bool force = false, ignore = false, volumes = false;
    const struct option options[] = {
        {"force", 'f', OPTION_FLAG, NULL,
         "kill and remove running containers, too; no error if one does not exist", &force},
        {"ignore", 'i', OPTION_FLAG, NULL, "no error if one does not exist", &ignore},
        {cli->docker ? "volumes" : NULL, 'v', OPTION_FLAG, NULL, "there are none", &volumes},
        {0},
    };
    int first = command_options(&command_rm, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
    const struct each each = {.act = remove_one,
                              .before = begin_removals,
                              .ahead = begin_removal,
                              .after = end_removals,
                              .arg = &force,
                              .damaged = force ? engine_remove_damaged : NULL,
                              .missing_is_fine = force || ignore};
    return each_named(cli, &command_rm, argv + first, &each, e);
}

const struct command command_rm = {
    .name = "rm",
    .usage = "[-f] NAME…",
    .summary = "Remove containers and their files",
    .example = "netctr rm web\nnetctr rm -f web db",
    .risky = true,
    .run = rm,
};
