/* The log of a container: written line by line, and kept within its bounds. Private to core/, but for
 * cli/logs.c, which reads it.
 */
#pragma once

#include <netctr/core.h>

#define LOG_FILE "log" /**< the file that is written to; older ones are log.1, log.2, … */

/** "log.3"; 0: "log". */
struct log_name {
    char text[24];
};
struct log_name log_name(unsigned age);
/** Each file knows which one it is, from its birth on: a reader of one after the other sees whether there was one between
 *  them that is gone. 0: not known, for no rotation has begun it. */
unsigned log_generation(mode_t mode);
/** Of the file that follows: 1 to 7, and 1 again. */
unsigned log_generation_after(unsigned generation);

/** What did not fit on the disk, until there is room for an entry that says so. */
struct log_loss {
    uint64_t lines, bytes; /**< of the program's text */
    int error;             /**< why: -errno */
};
/** What bounds a log. A writer without one only adds to the file that there is. */
struct rotation {
    int dir;              /**< where the files are; borrowed */
    int64_t max_size;     /**< of a file; <= 0: no limit */
    unsigned max_file;    /**< so many files */
    int64_t size;         /**< of the present file, as far as this writer knows */
    bool open[LOG_KINDS]; /**< the last entry of this kind in the file is partial */
    struct log_loss loss;
    int64_t looked; /**< monotonic_ms() of the last look at whether the file still has its name */
};

/** Opens the log in @dir to be added to; a new one if there is none. -errno; -EBADMSG: what is there is no
 *  file. */
int log_open(int dir);
/** Makes @fd one of the file that has the name now: somebody else may have begun a new one. */
void log_reopen(int fd, int dir);
/** Ends the entry that a writer that was killed may have left unfinished, or removes it if not even its head is
 *  complete. */
void log_mend(int fd);
/** Removes files beyond @max_file: there were more of them once. */
void log_tidy(int dir, unsigned max_file);
/** Adds what the program has written, an entry for each line or piece of one, by one write() as a rule; before it, if
 *  the file is full or no longer has its name, another is begun. @mid_line: it begins in the middle of a line. Returns
 *  whether it ends in one. Never fails: a full disk must not end the container. Entries that do not fit are left out
 *  whole, and a note says so as soon as there is room. @r may be NULL. */
bool log_write(int fd, struct rotation *r, const char *tag, const char *data, size_t size,
               bool mid_line);
/** Writes the note about what was lost: no more entries follow. If there is no room for it, it takes the place of the
 *  last entries, unless there is another note among them. */
void log_finish(int fd, struct rotation *r);
/** One line of netctr's own. It is marked, so that readers can tell it from the program's. */
void log_note(int fd, struct rotation *r, const char *text);
