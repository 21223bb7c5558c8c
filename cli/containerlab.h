/* netctr containerlab: containerlab's command line for labs, for scripts that call it. */
#pragma once

#include "lab.h"

/** The flags that all subcommands have. */
struct clab_common {
    struct lab_choice choice;
    char *runtime, *log_level, *timeout;
    bool debug;
};
#define CLAB_OPTIONS(c)                                                                 \
    {"topo", 't', OPTION_TEXT, "FILE", "the topology file", &(c).choice.topo},          \
        {"name", 0, OPTION_TEXT, "LAB", "the lab's name", &(c).choice.name},            \
        {"runtime", 'r', OPTION_TEXT, "NAME", "no effect: it is netctr", &(c).runtime}, \
        {"log-level", 0, OPTION_TEXT, "LEVEL", "no effect", &(c).log_level},            \
        {"timeout", 0, OPTION_TEXT, "TIME", "no effect", &(c).timeout},                 \
    {                                                                                   \
        "debug", 'd', OPTION_FLAG, NULL, "no effect", &(c).debug                        \
    }

/** The name of the lab that the flags mean, or that of the only topology file here. The caller frees *@out.
 *  (containerlab_flags.c) */
int clab_name(const struct lab_choice *c, char **out, struct err *e);
/** -EINVAL unless all words were flags. */
int clab_no_words(const struct command *command, int first, int argc, struct err *e);
/** "json" or "table" (the default). */
int clab_format(const char *format, bool *json, struct err *e);
/** What `inspect` shows of one lab; without @name, of all. */
int clab_show(const struct cli *cli, const char *name, bool json, struct err *e);

int clab_inspect(const struct cli *cli, const struct command *command, int argc, char **argv,
                 struct err *e);
int clab_exec(const struct cli *cli, const struct command *command, int argc, char **argv,
              struct err *e);
/** `tools netem set`, `show` and `reset`. argv[0] is "netem". */
int clab_netem(const struct cli *cli, const struct command *command, int argc, char **argv,
               struct err *e);
