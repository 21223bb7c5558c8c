/* What the commands share. One file holds one command: parse, compose, print. */
#pragma once

#include "options.h"

#include <netctr/bridge.h>
#include <netctr/core.h>

/** The global flags. */
struct cli {
    char *root;
    char *run_root;
};

struct command {
    const char *name;
    const char *usage;   /**< behind "netctr NAME" */
    const char *summary; /**< one line */
    bool unprivileged;   /**< does not need root */
    bool sealed;         /**< a process of ours enters a running container: seal.h */
    /** argv[0] is the command's name. Returns an exit status, or a negative errno with @e. */
    int (*run)(const struct cli *cli, int argc, char **argv, struct err *e);
};

extern const struct command command_run, command_exec, command_ps, command_logs, command_inspect,
    command_stop, command_start, command_restart, command_boot, command_kill, command_rm,
    command_port, command_publish, command_unpublish, command_network, command_gc, command_info,
    command_version, command_events, command_doctor;

/** Parses the flags of @command. Returns the index of the first word that is no flag; *@help is set
 *  when help was printed and the command is to end. */
int command_options(const struct command *command, const struct option *options, bool intermixed,
                    int *argc, char **argv, bool *help, struct err *e);
/** The text of `netctr NAME --help`. */
void command_help(FILE *out, const struct command *command, const struct option *options);

/** A time as docker's ps tells it: "5 seconds ago"; caller frees. */
char *time_ago(int64_t when);
/** RFC 3339, UTC; caller frees. */
char *time_utc(int64_t when);
/** A moment in nanoseconds since the epoch: RFC 3339 ("2026-01-02T15:04:05.5Z", without a zone UTC, also
 *  the day alone), seconds since the epoch ("1700000000.5"), or how long before @now ("10m", "1h30m").
 *  -EINVAL. */
int time_parse(const char *text, int64_t now, int64_t *out);
