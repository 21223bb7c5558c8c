/* The subcommands of `netctr lab`. */
#pragma once

#include "cli.h"

#include <netctr/lab.h>

/** Which lab is meant. */
struct lab_choice {
    char *topo; /**< --topo FILE */
    char *name; /**< --name NAME */
};
#define LAB_CHOICE_OPTIONS(c)                                                               \
    {"topo",                                                                                \
     't',                                                                                   \
     OPTION_TEXT,                                                                           \
     "FILE",                                                                                \
     "the topology file, or a directory with one, or a lab.conf",                           \
     &(c).topo},                                                                            \
    {                                                                                       \
        "name", 'n', OPTION_TEXT, "LAB", "the lab's name, instead of the file's", &(c).name \
    }
#define LAB_IMAGE_OPTIONS(list, dir)                                                               \
    {"image",                                                                                      \
     0,                                                                                            \
     OPTION_LIST,                                                                                  \
     "IMAGE=DIR|host",                                                                             \
     "the root directory of an image, or the host's own programs; IMAGE may be a pattern",         \
     &(list)},                                                                                     \
    {                                                                                              \
        "images", 0, OPTION_TEXT, "DIR", "a directory of root directories named as images", &(dir) \
    }
/** Is it the lab.conf of a Kathara lab, by its name? */
bool lab_is_kathara(const char *path);
/** Reads the topology file that @c or @word names, or the one in this directory. Prints all faults but the first, which is
 *  the error. The caller owns *@text and *@out. */
int lab_read(const struct lab_choice *c, const char *word, const struct topology_options *o,
             char **text, size_t *size, struct topology **out, struct err *e);
/** Finds the lab that @c or @word names: a lab's name, or a file; without both, that of the file in this directory, or the
 *  only lab there is. The caller clears @out. */
int lab_choose(struct engine *engine, const struct lab_choice *c, const char *word, struct lab *out,
               struct err *e);

/** After -ENOENT: says so if @word, which should be a node of @l, is a lab. @usage: "restart" or "exec". */
void lab_hint_name(struct engine *engine, const struct lab_choice *c, const struct lab *l,
                   const char *word, const char *usage, struct err *e);

int lab_up_command(const struct cli *cli, const struct command *command, int argc, char **argv,
                   struct err *e);
int lab_apply_command(const struct cli *cli, const struct command *command, int argc, char **argv,
                      struct err *e);
/** 1: they differ. */
int lab_diff_command(const struct cli *cli, const struct command *command, int argc, char **argv,
                     struct err *e);
int lab_down_command(const struct cli *cli, const struct command *command, int argc, char **argv,
                     struct err *e);
int lab_ls_command(const struct cli *cli, const struct command *command, int argc, char **argv,
                   struct err *e);
int lab_inspect_command(const struct cli *cli, const struct command *command, int argc, char **argv,
                        struct err *e);
int lab_test_command(const struct cli *cli, const struct command *command, int argc, char **argv,
                     struct err *e);
int lab_graph_command(const struct cli *cli, const struct command *command, int argc, char **argv,
                      struct err *e);
int lab_import_command(const struct cli *cli, const struct command *command, int argc, char **argv,
                       struct err *e);
int lab_save_command(const struct cli *cli, const struct command *command, int argc, char **argv,
                     struct err *e);
int lab_exec_command(const struct cli *cli, const struct command *command, int argc, char **argv,
                     struct err *e);
int lab_restart_command(const struct cli *cli, const struct command *command, int argc, char **argv,
                        struct err *e);
int lab_set_command(const struct cli *cli, const struct command *command, int argc, char **argv,
                    struct err *e);
int lab_link_command(const struct cli *cli, const struct command *command, int argc, char **argv,
                     struct err *e);

/** Prints a line for each end of the links of lab_links(): those that are impaired, or all. False: there is none.
 *  (lab_links.c) */
bool lab_links_print(const json_t *links, bool all);
/** Says so, if the relay of @lab has died; @relay: of lab_links(). (lab_links.c) */
void lab_relay_print(const json_t *relay, const char *lab);
