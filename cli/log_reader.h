/* The files of a container's log, read as one stream while their writer goes on and gives them other names. */
#pragma once

#include <netctr/base.h>

struct log_reader {
    int dir;           /**< borrowed */
    unsigned max_file; /**< so many files there can be */
    int fd;            /**< the file that is being read; -1: there is none yet */
    struct stat file;  /**< what it was when it was opened */
    off_t at;          /**< so far it has been read */
    struct stat last;  /**< the present file when the reading began, with its size */
    bool lost;         /**< the writer was so far ahead that files went before they were read */
};
#define LOG_ALL UINT64_MAX
/** Begins at the last @tail lines of all files. Without any file @out is at its end. -errno; -EBADMSG: what has the
 *  name of the log is no file. */
int log_reader_open(int dir, unsigned max_file, uint64_t tail, struct log_reader *out);
void log_reader_close(struct log_reader *r);
#define _cleanup_log_reader_ __attribute__((cleanup(log_reader_close)))

/** What follows in the present file, up to what there was at the beginning unless it @follows. 0: nothing (more). A
 *  file that has been emptied begins anew; *@anew says so. -errno. */
ssize_t log_reader_read(struct log_reader *r, char *data, size_t size, bool follows, bool *anew);
/** A file after the present one, which the writer has left: an fd for log_reader_enter(), or -ENOENT. */
int log_reader_next(struct log_reader *r, bool follows);
/** Goes on with that. What was read before must have been read to its end once more after log_reader_next(). */
void log_reader_enter(struct log_reader *r, int next);
