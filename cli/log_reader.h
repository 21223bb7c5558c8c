/* The files of a container's log, read as one stream while their writer goes on and gives them other names. */
#pragma once

#include "core/log.h"

struct log_reader {
    int dir;           /**< borrowed */
    unsigned max_file; /**< so many files there can be */
    int fd;            /**< the file that is being read; -1: there is none yet */
    struct stat file;  /**< what it was when it was opened */
    off_t at;          /**< so far it has been read */
    char seen
        [64]; /**< what is before that: it is still there unless somebody has emptied the file */
    size_t seen_size;
    uint64_t
        skip[LOG_KINDS]; /**< so many of the next entries belong to lines that are not wanted */
    struct stat last;    /**< the present file when the reading began, with its size */
    bool lost;           /**< the writer was so far ahead that files went before they were read */
};
#define LOG_ALL UINT64_MAX

/** What of a log is to be read. */
struct log_range {
    uint64_t tail; /**< so many lines from the end, netctr's own not counted; LOG_ALL: all */
    bool lives; /**< the container runs: what comes after the last newline is still being written */
};
/** Begins at the first wanted line of all files. Without any file @out is at its end. -errno; -EBADMSG: what has the
 *  name of the log is no file. */
int log_reader_open(int dir, unsigned max_file, const struct log_range *range,
                    struct log_reader *out);
void log_reader_close(struct log_reader *r);
#define _cleanup_log_reader_ __attribute__((cleanup(log_reader_close)))
/** There was a file when the reading began. */
static inline bool log_reader_found(const struct log_reader *r)
{
    return r->last.st_nlink > 0;
}

/** What follows in the present file, up to what there was at the beginning unless it @follows. 0: nothing (more). With
 *  *@again set, 0 says that somebody has emptied the file, and that it is read from its beginning next. -errno. */
ssize_t log_reader_read(struct log_reader *r, char *data, size_t size, bool follows, bool *again);
/** A file after the present one, which the writer has left: an fd for log_reader_enter(), or -ENOENT. */
int log_reader_next(struct log_reader *r, bool follows);
/** Goes on with that. What was read before must have been read to its end once more after log_reader_next(). */
void log_reader_enter(struct log_reader *r, int next);
