/* Writing a container's log: line by line, and within its bounds. netctr/core.h has the functions that read it. Private to core/. */
#pragma once

#include <netctr/core.h>

#define LOG_FILE "log" /**< the file that is written to; older ones are log.1, log.2, … */

/** "log.3"; 0: "log". */
struct log_name {
    char text[24];
};
struct log_name log_name(unsigned age);
/** The generation of a file, stored in its mode when it was created: two consecutive files whose generations are
 *  not consecutive have lost one between them. 0: unknown, no rotation has made it. */
unsigned log_generation(mode_t mode);
/** The generation of the next file: 1 to 7, then 1 again. */
unsigned log_generation_after(unsigned generation);

/** What did not fit on the disk, until there is room for an entry that reports it. */
struct log_loss {
    uint64_t lines, bytes; /**< of the program's text */
    int error;             /**< why: -errno */
};
/** The bounds of a log. A writer without them only appends to the present file. */
struct rotation {
    int dir;              /**< where the files are; borrowed */
    int64_t max_size;     /**< of a file; <= 0: no limit */
    unsigned max_file;    /**< number of files */
    int64_t size;         /**< of the present file, as far as this writer knows */
    bool open[LOG_KINDS]; /**< the last entry of this kind in the file is partial */
    struct log_loss loss;
    int64_t looked; /**< monotonic_ms() of the last check that the file still has its name */
};

/** Opens the log in @dir for appending, or creates it. -errno; -EBADMSG: it is not a regular file. */
int log_open(int dir);
/** Reopens @fd if another process has begun a new file under the name. */
void log_reopen(int fd, int dir);
/** Completes the entry that a killed writer may have left unfinished, or removes it if its head is incomplete. */
void log_mend(int fd);
/** Removes files beyond @max_file, from a time when more were permitted. */
void log_tidy(int dir, unsigned max_file);
/** Appends the program's output, an entry for each line or piece of one, usually by one write(). Before it, begins
 *  a new file if the present one is full or has lost its name. @mid_line: the output begins in the middle of a
 *  line. Returns whether it ends in one. Never fails, because a full disk must not end the container: entries that
 *  do not fit are dropped whole, and a note reports them as soon as there is room. @r may be NULL. */
bool log_write(int fd, struct rotation *r, const char *tag, const char *data, size_t size,
               bool mid_line);
/** Writes the note about what was lost, when no more entries follow. Without room for it, it replaces the last
 *  entries, unless another note is among them. */
void log_finish(int fd, struct rotation *r);
/** Appends a line of netctr's own, marked so that readers can tell it from the program's. */
void log_note(int fd, struct rotation *r, const char *text);
