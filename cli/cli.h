/* What the commands share. One file holds one command: parse, compose, print. */
#pragma once

#include "options.h"
#include "table.h"

#include <netctr/engine.h>

/** The global flags. */
struct cli {
    char *root;
    char *run_root;
};

struct command {
    const char *name;
    const char *usage;   /**< behind "netctr NAME" */
    const char *summary; /**< one line */
    const char *example; /**< one or more lines as typed */
    bool unprivileged;   /**< does not need root */
    bool hidden;         /**< not in the list: netctr starts it itself */
    bool sealed;         /**< a process of ours enters a running container: seal.h */
    bool risky;          /**< ends or removes something: no typing error leads to it */
    bool group;          /**< the next word is a command, too */
    /** argv[0] is the command's name. Returns an exit status, or a negative errno with @e. */
    int (*run)(const struct cli *cli, int argc, char **argv, struct err *e);
};

extern const struct command command_run, command_exec, command_ps, command_logs, command_inspect,
    command_stop, command_start, command_restart, command_boot, command_kill, command_rm,
    command_port, command_publish, command_unpublish, command_network, command_gc, command_info,
    command_helper, command_version, command_events, command_doctor;

/** Parses the flags of @command. Returns the index of the first word that is not a flag; 0: the user asked for
 *  help, which is printed, and the command must return. */
int command_options(const struct command *command, const struct option *options, bool intermixed,
                    int *argc, char **argv, struct err *e);
/** The text of `netctr NAME --help`. */
void command_help(FILE *out, const struct command *command, const struct option *options);

/** --tmpfs; @out->target is not checked. (tmpfs.c) */
int tmpfs_parse(const char *text, struct volume *out, struct err *e);

/** engine_open() where the global flags say. */
int cli_engine(const struct cli *cli, struct engine *out, struct err *e);
/** The same, and its bridge. */
int cli_bridge(const struct cli *cli, struct engine *out, struct net **net, struct err *e);
/** Both for commands that only show something: on a host where netctr has never run they create nothing. */
int cli_engine_to_read(const struct cli *cli, struct engine *out, struct err *e);
int cli_bridge_to_read(const struct cli *cli, struct engine *out, struct net **net, struct err *e);

/** Adds what `-v` and `--tmpfs` say to @s. (volumes.c) */
int volumes_parse(strv volumes, strv tmpfs, struct spec *s, struct err *e);
/** --memory, --cpus and --pids-limit; those that are NULL were not given. (limits.c) */
int limits_parse(const char *memory, const char *cpus, const char *pids, struct limits *out,
                 struct err *e);
/** Refuses an empty COMMAND and a flag in its place, which belongs before the word @before. (text.c) */
int check_command(const char *command, const char *before, struct err *e);
/** Refuses what config.json cannot hold, naming it. (text.c) */
int spec_check_text(const struct spec *s, struct err *e);
/** Adds what `--env-file` and `-e` say to @out, which is the caller's; no name is there twice. (env.c) */
int env_compose(strv files, strv entries, strv *out, struct err *e);

/** What `-t` of stop and restart says (NULL: nothing, @seconds stays). (lifecycle.c) */
int patience_parse(const char *text, uint64_t *seconds, struct err *e);

/** Something to be done to a container; -errno with @e; 1: its name is not to be printed. */
typedef int (*container_action)(struct engine *w, const struct record *r, void *arg, struct err *e);
struct each {
    container_action act;
    void *arg;
    /** Called once before, with all of them; those that were not found are empty. May be NULL. */
    void (*before)(struct engine *w, const struct record *all, size_t count, void *arg);
    /** The same, but after; @all is as it was before. */
    void (*after)(struct engine *w, const struct record *all, size_t count, void *arg);
    bool (*all)(const struct record *r); /**< instead of names: those for which it is true */
    bool owners_first; /**< a container whose network is another's comes after that one */
    /** What to do with a name whose definition cannot be read; NULL: that is a failure. */
    int (*damaged)(struct engine *w, const char *name, struct err *e);
    bool missing_is_fine; /**< a name that nobody has is passed over */
};
/** Does it to each named container, or to all of a kind; prints the names of those where it went well,
 *  goes on after a failure. Opens the world. (each.c) */
int each_named(const struct cli *cli, const struct command *command, char **names,
               const struct each *each, struct err *e);
/** The same to all of a kind in a world that is open. */
int each_chosen(struct engine *engine, const struct each *each, struct err *e);

/** A failure that is not the command's own, with its hint. (each.c) */
void warn_err(const struct err *e);

/** For `after`: warns of containers that have lost the network that they share with one of @all. (sharers.c) */
void warn_sharers(struct engine *engine, const struct record *all, size_t count, void *arg);

/** `inspect` of several names prints what it has found. Notes that one was not: the first is the command's error. */
void inspect_failed(int *result, int code, struct err *e, struct err *why);
/** Prints @all, unless there is nothing but failures. What it returns is the command's; the status is docker's, 1,
 *  when a part was found. */
int inspect_print(const json_t *all, int result, struct err *e);

/** -EINVAL with a text unless @format is "json" or NULL. The text has an example of jq for @command. (format.c) */
int format_check(const char *format, const char *command, struct err *e);
/** A key of --filter with its "=", and where its values go. */
struct filter_key {
    const char *key;
    strv *values;
};
/** Adds the value of "KEY=VALUE" to its key's; the last of @keys has none. False: no such key, or no value. (format.c) */
bool filter_take(const char *text, const struct filter_key *keys);
/** --format and --quiet exclude each other. (format.c) */
int format_check_quiet(const char *format, bool quiet, const char *command, struct err *e);
/** What docker or podman has under the name @name and netctr has not: what to do instead, or NULL. (absent.c) */
const char *absent_command(const char *name);
/** The flags of @command ("": the global ones) that docker or podman has and netctr has not; NULL: none.
 *  (absent.c) */
const struct absent *absent_flags(const char *command);
/** engine_find(); the error names the container that may have been meant. For commands that do no harm. (find.c) */
int cli_find(struct engine *engine, const char *name, struct record *out, struct err *e);

/** Two lines of what net_forwarding() says. (network_forwarding.c) */
void print_forwarding(const json_t *forwarding);
/** RFC 3339, UTC; caller frees. */
char *time_utc(int64_t when);
/** When it was created, so finely that containers can be ordered; caller frees. */
char *created_utc(const struct spec *s);
/** A moment in nanoseconds since the epoch: RFC 3339 ("2026-01-02T15:04:05.5Z", without a zone UTC, also
 *  the day alone), seconds since the epoch ("1700000000.5"), or how long before @now ("10m", "1h30m").
 *  -EINVAL. */
int time_parse(const char *text, int64_t now, int64_t *out);
