/* Entries of a container's log, printed as the program wrote them. */
#pragma once

#include <netctr/core.h>

#include <stdio.h>

#define LOG_HELD_MAX 65536

/** How they are printed. A zeroed one, with @out and @err, prints everything without times. */
struct log_printer {
    FILE *out, *err;
    bool times;                    /**< before each line */
    bool one_place;                /**< what is written to @out and @err comes together */
    char since[2 * LOG_TIME_SIZE]; /**< "", or as in an entry: no line that began before */
    char until[2 * LOG_TIME_SIZE]; /**< "", or no line that began after */
    uint64_t damaged;              /**< so many lines were no entries */
    int error;                     /**< of @out: -errno */
    FILE *last;                    /**< what was written to last */
    bool inside[LOG_KINDS];        /**< a line, in the log */
    bool left_out[LOG_KINDS];      /**< that line is too old or too new */
    bool begun[LOG_KINDS];         /**< a line, on @out or @err */
    int unended; /**< kind + 1 of the line that is not complete where all comes together; 0: none */
    struct log_held { /* pieces of a line that is to be printed whole */
        char time[LOG_TIME_SIZE];
        char text[LOG_HELD_MAX];
        size_t size;
        bool any;
    } held[LOG_KINDS];
};

/** Prints one entry without its newline. @skip: so many of each kind are left out, and counted down. */
void log_print(struct log_printer *p, const char *line, size_t size, uint64_t skip[LOG_KINDS]);
/** There are no more entries, or none yet: prints what was held back. 0, or the -errno
 *  of the first output that was lost. */
int log_print_flush(struct log_printer *p);
