/* Prints the entries of a container's log as the program wrote them. */
#pragma once

#include <netctr/core.h>

#include <stdio.h>

#define LOG_HELD_MAX 65536

/** How entries are printed. A zeroed one, with @out and @err, prints everything without times. */
struct log_printer {
    FILE *out, *err;
    const char *name; /**< before each line; NULL: not */
    bool times;       /**< before each line */
    bool one_place;   /**< @out and @err go to the same place */
    char since[2 *
               LOG_TIME_SIZE]; /**< "", or a time as in an entry: skip lines that began earlier */
    char until[2 * LOG_TIME_SIZE]; /**< "", or a time: skip lines that began later */
    uint64_t damaged;              /**< number of lines that were no entries */
    int error;                     /**< of @out: -errno */
    FILE *last;                    /**< the stream that was written to last */
    bool inside[LOG_KINDS];        /**< inside of a line of the log */
    bool left_out[LOG_KINDS];      /**< that line is too old or too new */
    bool begun[LOG_KINDS];         /**< inside of a line on @out or @err */
    int unended;                   /**< with one_place: kind + 1 of the incomplete line; 0: none */
    struct log_held {              /* pieces of a line that is printed whole */
        char time[LOG_TIME_SIZE];
        char text[LOG_HELD_MAX];
        size_t size;
        bool any;
    } held[LOG_KINDS];
};

/** Prints one entry without its newline. Skips the first @skip entries of each kind, and counts them down. */
void log_print(struct log_printer *p, const char *line, size_t size, uint64_t skip[LOG_KINDS]);
/** Prints what was held back, when no more entries follow for now. 0, or the -errno of the first output that was
 *  lost. */
int log_print_flush(struct log_printer *p);
