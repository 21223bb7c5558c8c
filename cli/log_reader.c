/* A file is known by its inode: names move on while one reads, always to older ones. So who looks from newer to
 * older names sees a file twice at worst, and misses none.
 */
#include "log_reader.h"

#include "core/log.h"

#include <errno.h>
#include <string.h>

enum { TRIES = 50 }; /* the names have moved while they were looked at */

static bool same(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_dev == b->st_dev;
}

static int open_age(int dir, unsigned age, struct stat *st)
{
    _cleanup_close_ int fd =
        openat(dir, log_name(age).text, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 || fstat(fd, st) < 0)
        return -errno;
    return S_ISREG(st->st_mode) ? take_fd(fd) : -EBADMSG;
}

static bool is_at(const struct log_reader *r, const struct stat *file, unsigned age)
{
    struct stat st;
    return fstatat(r->dir, log_name(age).text, &st, AT_SYMLINK_NOFOLLOW) == 0 && same(&st, file);
}

/* Upwards, as the file moves. -1: it has gone. */
static int age_of(const struct log_reader *r, const struct stat *file)
{
    for (unsigned age = 0; age < r->max_file; age++)
        if (is_at(r, file, age))
            return (int)age;
    return -1;
}

/* ---- the last lines --------------------------------------------------------------------------*/

struct tail {
    int fd;
    uint64_t wanted, lines;
    off_t end; /* of the entry that is looked at; of the whole file at first */
    bool any;
};

/* Does this entry end a line? A long line, or one that came in pieces, is several entries. */
static bool ends_line(int fd, off_t entry)
{
    char flag = 'F';
    const off_t before = (off_t)strlen("2026-11-23T14:05:00.123456789Z stdout ");
    return pread(fd, &flag, 1, entry + before) < 1 || flag != 'P';
}

/* An entry begins at @start, and ends where the one seen before it began. True: it is not wanted any
 * more. */
static bool look_back(struct tail *t, off_t start)
{
    if (start == t->end) /* the very end of the file */
        return false;
    if ((!t->any || ends_line(t->fd, start)) && t->lines++ == t->wanted)
        return true;
    t->any = true;
    t->end = start;
    return false;
}

/* One file, from its end, for it may be large. 1: the lines begin in it, at t->end. */
static int look_through(struct tail *t, off_t size)
{
    char block[65536];
    off_t at = t->end = size;
    while (at > 0) {
        size_t part = at < (off_t)sizeof(block) ? (size_t)at : sizeof(block);
        at -= (off_t)part;
        ssize_t n = pread(t->fd, block, part, at);
        if (n < 0)
            return -errno;
        for (; n > 0; n--)
            if (block[n - 1] == '\n' && look_back(t, at + n))
                return 1;
    }
    return look_back(t, 0);
}

/* -EAGAIN: the names have moved. */
static int try_tail(struct log_reader *r, uint64_t wanted)
{
    struct tail t = {.fd = -1, .wanted = wanted};
    int found = 0, seen = -1; /* the age of the file before */
    log_reader_close(r);
    for (unsigned age = 0; found == 0 && age < r->max_file; age++) {
        struct stat st;
        _cleanup_close_ int fd = open_age(r->dir, age, &st);
        if (fd < 0)
            continue;
        if (seen >= 0 && (same(&st, &r->file) || !is_at(r, &r->file, (unsigned)seen)))
            return -EAGAIN;
        if (seen < 0) /* what is added while one looks is not wanted */
            r->last = st;
        t.fd = fd;
        found = look_through(&t, st.st_size);
        close_fd(r->fd);
        r->fd = take_fd(fd);
        r->file = st;
        r->at = found > 0 ? t.end : 0;
        seen = (int)age;
    }
    return found < 0 ? found : 0;
}

/* ---- one file after the other ----------------------------------------------------------------*/

void log_reader_close(struct log_reader *r)
{
    r->fd = close_fd(r->fd);
}

int log_reader_open(int dir, unsigned max_file, uint64_t tail, struct log_reader *out)
{
    *out = (struct log_reader){.dir = dir, .max_file = max_file, .fd = -1};
    int present = -ENOENT;
    for (unsigned age = 0; present == -ENOENT && age < max_file; age++)
        present = open_age(dir, age, &out->last); /* killed while it rotated, the newest is log.1 */
    close_fd(present);
    if (present < 0)
        return present == -ENOENT ? 0 : present;
    int r = -EAGAIN;
    for (int tries = 0; tail != LOG_ALL && r == -EAGAIN && tries < TRIES; tries++)
        r = try_tail(out, tail);
    if (r != -EAGAIN)
        return r;
    int oldest = log_reader_next(out, true);
    if (oldest >= 0)
        log_reader_enter(out, oldest);
    return 0;
}

ssize_t log_reader_read(struct log_reader *r, char *data, size_t size, bool follows, bool *anew)
{
    struct stat st;
    *anew = false;
    if (r->fd < 0)
        return 0;
    if (!follows && same(&r->file, &r->last)) {
        off_t left = r->last.st_size - r->at;
        size = left < 0 ? 0 : left < (off_t)size ? (size_t)left : size;
    }
    ssize_t n = pread(r->fd, data, size, r->at);
    if (n < 0)
        return -errno;
    if (n == 0 && follows && fstat(r->fd, &st) == 0 && st.st_size < r->at) {
        r->at = 0;
        *anew = true;
    }
    r->at += n;
    return n;
}

static bool is_older(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec != b->tv_sec ? a->tv_sec < b->tv_sec : a->tv_nsec < b->tv_nsec;
}

/* The first file from @age on towards the newest. One that nobody has written to since the present one is
 * older, when that has lost its name: somebody has removed it, and not the writer. */
static int open_from(const struct log_reader *r, int age, bool gone)
{
    struct stat now = {0}, st;
    bool compare = gone && r->fd >= 0 && fstat(r->fd, &now) == 0;
    for (; age >= 0; age--) {
        _cleanup_close_ int fd = open_age(r->dir, (unsigned)age, &st);
        if (fd >= 0 && (!compare || age == 0 || !is_older(&st.st_mtim, &now.st_mtim)))
            return take_fd(fd);
    }
    return -ENOENT;
}

int log_reader_next(struct log_reader *r, bool follows)
{
    if (!follows && r->fd >= 0 && same(&r->file, &r->last))
        return -ENOENT;
    for (int tries = 0; tries < TRIES; tries++) {
        int age = r->fd >= 0 ? age_of(r, &r->file) : -1;
        _cleanup_close_ int next = open_from(r, age < 0 ? (int)r->max_file - 1 : age - 1, age < 0);
        if (next < 0)
            return next;
        /* All that there was at the beginning is gone: what there is now was not asked for. */
        r->lost = !follows && age_of(r, &r->last) < 0;
        if (r->lost)
            return -ENOENT;
        if (age < 0 || is_at(r, &r->file, (unsigned)age))
            return take_fd(next);
    }
    return -ENOENT;
}

void log_reader_enter(struct log_reader *r, int next)
{
    struct stat before = {0}, st = {0};
    (void)fstat(next, &st);
    r->lost = r->fd >= 0 && fstat(r->fd, &before) == 0 && age_of(r, &before) < 0 &&
              log_generation(st.st_mode) != (log_generation(before.st_mode) + 1) % LOG_GENERATIONS;
    log_reader_close(r);
    r->fd = next;
    r->file = st;
    r->at = 0;
}
