/* Flags as docker's users type them: --publish 8080:80, --publish=8080:80, -p 8080:80, -p8080:80,
 * -di. One table defines the flags, prints the help and suggests the nearest flag for a typing error.
 */
#pragma once

#include <netctr/base.h>

enum option_kind {
    OPTION_FLAG, /**< target: bool * */
    OPTION_TEXT, /**< target: char **, the last one wins; points into argv */
    OPTION_LIST, /**< target: strv *, all are kept; copies */
};

struct option {
    const char *name; /**< without dashes; NULL ends the table */
    char letter;      /**< 0: none */
    enum option_kind kind;
    const char *value; /**< what the value is called in the help */
    const char *help;
    void *target;
};

/** A flag that docker or podman has and netctr has not. */
struct absent {
    const char *name;    /**< without dashes; NULL ends the table */
    char letter;         /**< 0: none */
    const char *instead; /**< what to do instead; NULL: nothing comes near */
};

/** Parses @argv from index 1. A flag that is not in @options but in @absent (which may be NULL) is refused with
 *  what to do instead. With @intermixed, flags may follow other words, and @argv is sorted so
 *  that those words come last; else the first other word ends the flags. "--" always does. Returns
 *  the index of the first other word; -EINVAL with a text. "--help" and "-h" set *@help; if @options has
 *  a "-h" of its own, only a "-h" that stands alone does. */
int options_parse(const struct option *options, const struct absent *absent, bool intermixed,
                  int argc, char **argv, bool *help, struct err *e);
/** The help: a line or more for each flag, of at most OPTIONS_COLUMNS columns. */
#define OPTIONS_COLUMNS 100
void options_print(FILE *out, const struct option *options);
