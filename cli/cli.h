/* What the commands share. A command parses its words, calls one function of <netctr/engine.h>, and prints. */
#pragma once

#include "options.h"
#include "table.h"

#include <netctr/engine.h>

/** The global flags. */
struct cli {
    char *root;
    char *run_root;
    bool docker; /**< the output is docker's, for scripts that parse it (docker.c) */
};

struct command {
    const char *name;
    const char *usage;   /**< behind "netctr NAME" */
    const char *summary; /**< one line */
    const char *example; /**< two to four lines as typed */
    /** The flags that its help shows if not all of them fit on a screen; NULL: all. */
    const char *const *common;
    bool unprivileged; /**< does not need root */
    bool hidden;       /**< not listed: only netctr itself starts it */
    bool sealed;       /**< enters a running container: seal_self() */
    bool risky;        /**< ends or removes something: never suggested for a typing error */
    bool group;        /**< the next word is a subcommand */
    /** argv[0] is the command's name. Returns an exit status, or a negative errno with @e. */
    int (*run)(const struct cli *cli, int argc, char **argv, struct err *e);
};

extern const struct command command_run, command_exec, command_ps, command_logs, command_inspect,
    command_stop, command_start, command_restart, command_boot, command_kill, command_rm,
    command_port, command_publish, command_unpublish, command_network, command_gc, command_reset,
    command_info, command_helper, command_version, command_events, command_doctor, command_wait,
    command_pause, command_unpause, command_top, command_create, command_diff, command_attach,
    command_update, command_stats, command_rename, command_cp, command_lab, command_relay,
    command_docker, command_containerlab;

/** Parses the flags of @command. Returns the index of the first word that is not a flag; 0: help was asked for and has
 *  been printed, and the command must return. */
int command_options(const struct command *command, const struct option *options, bool intermixed,
                    int *argc, char **argv, struct err *e);
/** The text of `netctr NAME --help`, and with @all of `netctr NAME --help --all`. */
void command_help(FILE *out, const struct command *command, const struct option *options, bool all);

/** A subcommand: `network create`. */
struct verb {
    struct command command; /**< its name begins with that of the group */
    int (*run)(const struct cli *cli, const struct command *command, int argc, char **argv,
               struct err *e);
};
/** A name that other programs use, and what to do instead. */
struct other_name {
    const char *word, *instead;
};
struct group {
    const struct command *command;
    const struct verb *verbs;
    size_t count;
    const struct other_name *others; /**< ends with NULL */
};
/** Finds the subcommand and runs it. Subcommands that end or remove something are not suggested. (group.c) */
int group_run(const struct group *g, const struct cli *cli, int argc, char **argv, struct err *e);

/** A line of a list of commands. */
void list_command(FILE *out, const char *name, size_t width, const char *summary);

/** engine_open() with the directories that the global flags name. */
int cli_engine(const struct cli *cli, struct engine *out, struct err *e);
/** The same for read-only commands: they create nothing on a host where netctr has never run. */
int cli_engine_to_read(const struct cli *cli, struct engine *out, struct err *e);
/** cli_engine() for commands that look at all containers: cleans up after all dead monitors. */
int cli_engine_and_repair(const struct cli *cli, struct engine *out, struct err *e);
/** engine_find(). The error names a similar container; commands that end or remove something do not use this. (find.c) */
int cli_find(struct engine *engine, const char *name, struct record *out, struct err *e);
/** Opens the engine and finds a container in it. The caller closes and clears both, also after a failure. (find.c) */
int cli_open_find(const struct cli *cli, const char *name, struct engine *engine,
                  struct record *out, struct err *e);
int cli_open_find_to_read(const struct cli *cli, const char *name, struct engine *engine,
                          struct record *out, struct err *e);

/** Refuses an empty COMMAND, and a flag in its place, which belongs before the word @before. (run.c) */
int check_command(const char *command, const char *before, struct err *e);
/** As docker: keys can only be passed on from a terminal. -ENOTTY with a text. (run.c) */
int check_terminal(bool tty, bool interactive, struct err *e);
/** The exit status alone, 137, does not show why a program was killed. @limit: of its memory, or 0. (run.c) */
void warn_oom_killed(const char *name, uint64_t limit);
/** What `run`, `exec` and `attach` say when they return STATUS_DETACHED from the container @name; 0. Other statuses are
 *  returned as they are. (run.c) */
int show_detached(int status, const char *name);
#define DETACH_KEYS_HELP "keys to leave without ending it (ctrl-p,ctrl-q); `\"\"`: none"
/** `-t` of stop and restart; NULL: not given, @seconds stays. (lifecycle.c) */
int patience_parse(const char *text, uint64_t *seconds, struct err *e);

/** An operation on a container; -errno with @e. */
typedef int (*container_action)(struct engine *engine, const struct record *r, void *arg,
                                struct err *e);
struct each {
    container_action act;
    void *arg;
    /** Called once before, with all of them; a container that was not found has no name. May be NULL. */
    void (*before)(struct engine *engine, const struct record *all, size_t count, void *arg);
    /** Called for each container before @act, while @act waits for those before it. May be NULL. */
    void (*ahead)(struct engine *engine, const struct record *r, void *arg);
    /** As `before`, afterwards, with the records as they were before. */
    void (*after)(struct engine *engine, const struct record *all, size_t count);
    bool (*all)(const struct record *r); /**< instead of names: those for which it is true */
    bool owners_first; /**< a container that shares a network comes after the owner */
    /** What to do with a name whose definition cannot be read; NULL: that is a failure. */
    int (*damaged)(struct engine *engine, const char *name, struct err *e);
    bool missing_is_fine; /**< skip names that do not exist */
    bool prints;          /**< @act prints what there is to print, so the name is not */
};
/** Opens the engine and does it to each named container, or to all of a kind. Prints the names of those where it
 *  succeeded, and goes on after a failure. (each.c) */
int each_named(const struct cli *cli, const struct command *command, char **names,
               const struct each *each, struct err *e);

/** One of several names has failed with @code and @why: the first failure becomes the command's, @result and @e, and the
 *  others are warnings. Nothing if @code is not negative. (each.c) */
void first_error(int *result, int code, struct err *e, struct err *why);
/** A failure that does not end the command, with its hint. (each.c) */
void warn_err(const struct err *e);
/** A warning for each sentence. (each.c) */
void warn_each(strv warnings);

/** Prints @j as people read it. (format.c) */
void print_json(const json_t *j);

/** -EINVAL unless @format is "json" or NULL. The hint is an example of jq for @command. (format.c) */
int format_check(const char *format, const char *command, struct err *e);
/** A key of --filter, with its "=", and where its values go. */
struct filter_key {
    const char *key;
    strv *values;
};
/** Adds the value of "KEY=VALUE" to the values of its key; the last of @keys is empty. False: no such key, or no value.
 *  (format.c) */
bool filter_take(const char *text, const struct filter_key *keys);
/** Does one of @labels ("K=V") match @wanted, "K=V", or "K" for any value? (format.c) */
bool has_label(char *const *labels, const char *wanted);
/** --format and --quiet exclude each other. (format.c) */
int format_check_quiet(const char *format, bool quiet, struct err *e);
/** A --format: NULL, "json", or a template for views, which are JSON with docker's names (view.h). */
struct template;
struct format {
    const char *text, *command; /**< borrowed */
    struct template *template;  /**< NULL: none */
    bool no_titles;             /**< of a table */
};
/** -EINVAL, with an example of jq for @command. (format.c) */
int format_parse(const char *format, const char *command, struct format *out, struct err *e);
void format_clear(struct format *f);
#define _cleanup_format_ __attribute__((cleanup(format_clear)))
/** What the template makes of one view; the caller frees *@out. -ENOENT with a text: there is no such field. (format.c) */
int view_text(const struct format *f, const json_t *view, char **out, struct err *e);
/** Prints it, or that of each view in an array, as a table if the template asks for one. (format.c) */
int print_view(const struct format *f, const json_t *view, struct err *e);
int print_views(const struct format *f, const json_t *views, const char *id_title, struct err *e);
/** Prints what `inspect` of several names has found, unless there are only failures. Returns the command's result: as with
 *  docker, the exit status is 1 when only a part was found. (inspect.c) */
int inspect_print(const struct format *f, const json_t *all, int result, struct err *e);
/** What to do instead of a command that docker or podman has and netctr has not; NULL: not known. (absent.c) */
const char *absent_command(const char *name);
/** The flags of @command ("": the global ones) that docker or podman has and netctr has not. The caller frees the array.
 *  (absent.c) */
struct absent *absent_flags(const char *command);
/** A command line of docker, "docker" first, as the words of netctr; the caller frees *@out. *@out stays NULL if there is
 *  nothing left to do. (docker.c) */
int docker_words(int argc, char **argv, strv *out, struct err *e);
/** Prints the result of net_forwarding(), a line for each family. (network_forwarding.c) */
void print_forwarding(const json_t *forwarding);
