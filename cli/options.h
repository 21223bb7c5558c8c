/* Flags as users of docker type them: --publish 8080:80, --publish=8080:80, -p 8080:80, -p8080:80, -di. One table defines the
 * flags, prints the help, and suggests a similar flag for a typing error.
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
    const char *instead; /**< why, or what does the same */
};

/** Parses @argv from index 1. Returns the index of the first word that is not a flag; -EINVAL with a text.
 *
 *  Without @intermixed, the first such word ends the flags. With it, flags may follow other words, and @argv is reordered
 *  so that those words come last. "--" always ends the flags. A flag of @absent (may be NULL) is refused with what to do
 *  instead. "--help" and "-h" set *@help; if @options has a "-h" of its own, only a "-h" without other words does. */
int options_parse(const struct option *options, const struct absent *absent, bool intermixed,
                  int argc, char **argv, bool *help, struct err *e);
/** Prints the help of each flag, or with @only of those with these names, in lines of at most OPTIONS_COLUMNS columns. */
#define OPTIONS_COLUMNS 80
void options_print(FILE *out, const struct option *options, const char *const *only);
