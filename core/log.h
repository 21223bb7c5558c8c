/* The log of a container: written line by line, and kept within its bounds. Private to core/, but for
 * cli/logs.c, which reads it.
 */
#pragma once

#include <netctr/base.h>

#define LOG_FILE "log"     /**< the file that is written to; older ones are log.1, log.2, … */
#define LOG_PIECE_MAX 4096 /**< no entry holds more of a line than that */
#define LOG_GENERATIONS 8

/** "log.3"; 0: "log". */
struct log_name {
    char text[24];
};
struct log_name log_name(unsigned age);
/** Each file knows which one it is, modulo LOG_GENERATIONS, from its birth on: whoever reads one after the
 *  other sees whether there was one between them that is gone. */
unsigned log_generation(mode_t mode);

/** What bounds a log. Who writes without one only adds to the file that there is. */
struct rotation {
    int dir;           /**< where the files are; borrowed */
    int64_t max_size;  /**< of a file; <= 0: no limit */
    unsigned max_file; /**< so many files */
    int64_t size;      /**< of the present file, as far as this writer knows */
    bool torn;         /**< what was added last is not whole: the disk is full */
};

/** Opens the log in @dir to be added to; a new one if there is none. -errno; -EBADMSG: what is there is no
 *  file. */
int log_open(int dir);
/** Makes @fd one of the file that has the name now: somebody else may have begun a new one. */
void log_reopen(int fd, int dir);
/** Ends the line that a writer who was killed may have left unfinished. */
void log_mend(int fd);
/** Removes files beyond @max_file: there were more of them once. */
void log_tidy(int dir, unsigned max_file);
/** Adds what the program has written, an entry for each line or piece of one, by one write() as a rule; before it, if
 *  the file is full, another is begun. @mid_line: it begins in the middle of a line. Returns whether it ends in one.
 *  Never fails: a full disk must not end the container. @r may be NULL. */
bool log_write(int fd, struct rotation *r, const char *tag, const char *data, size_t size,
               bool mid_line);
/** One line of the container's log that netctr itself has to say. */
void log_note(int fd, struct rotation *r, const char *text);
