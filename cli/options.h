/* Flags as docker's users type them: --publish 8080:80, --publish=8080:80, -p 8080:80, -p8080:80,
 * -dit. A table tells which there are; the same table prints the help and knows the nearest flag to
 * one that is not in it.
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

/** Parses @argv from index 1. With @intermixed, flags may follow other words, and @argv is sorted so
 *  that those words come last; else the first other word ends the flags. "--" always does. Returns
 *  the index of the first other word; -EINVAL with a text. "--help" and "-h" (unless a flag of the
 *  table) set *@help. */
int options_parse(const struct option *options, bool intermixed, int argc, char **argv, bool *help,
                  struct err *e);
void options_print(FILE *out, const struct option *options);
