/* Reads the files of a log as one stream, while their writer renames them.
 *
 * A file is identified by its inode, because names change during a read, always to older ones. Scanning from newer
 * to older names therefore sees a file twice at worst, and misses none.
 */
#include "log.h"

#include <errno.h>
#include <string.h>

enum { TRIES = 50 }; /* retries when a rotation interferes */

static bool same(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_dev == b->st_dev;
}

static int open_age(int dir, unsigned age, struct stat *st)
{
    _cleanup_close_ int fd =
        openat(dir, log_name(age).text, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 || fstat(fd, st) < 0)
        return errno == ELOOP || errno == ENXIO ? -EBADMSG : -errno; /* a symbolic link, a socket */
    return S_ISREG(st->st_mode) ? take_fd(fd) : -EBADMSG;
}

static bool is_at(const struct log_reader *r, const struct stat *file, unsigned age)
{
    struct stat st;
    return fstatat(r->dir, log_name(age).text, &st, AT_SYMLINK_NOFOLLOW) == 0 && same(&st, file);
}

/* Upwards, as files move. -1: it is gone. */
static int age_of(const struct log_reader *r, const struct stat *file)
{
    for (unsigned age = 0; age < r->max_file; age++)
        if (is_at(r, file, age))
            return (int)age;
    return -1;
}

/* The offset after the last newline: the rest is still being written. */
static off_t end_of_entries(int fd, off_t size)
{
    char last[LOG_PIECE_MAX + LOG_HEAD_MAX];
    const off_t most = (off_t)sizeof(last), from = size > most ? size - most : 0;
    const ssize_t n = pread(fd, last, (size_t)(size - from), from);
    const char *newline = n > 0 ? memrchr(last, '\n', (size_t)n) : NULL;
    return newline ? from + (newline + 1 - last) : from == 0 ? 0 : size;
}

/* ---- the last lines --------------------------------------------------------------------------*/

enum { SEARCH_MAX = 64 << 20 }; /* bytes to search for the beginning of a line */

/* A long line is several entries, and entries of the two streams may alternate. So each stream has its own first
 * wanted entry; entries before it are counted, to be skipped. */
struct tail {
    int fd;
    uint64_t wanted;        /* how many more lines */
    off_t end;              /* end of the present entry */
    off_t begin;            /* start of the first wanted entry; -1: none in this file */
    bool seen[LOG_KINDS];   /* an entry */
    bool inside[LOG_KINDS]; /* a wanted line whose last entry has been seen */
    uint64_t unwanted[LOG_KINDS];
    uint64_t skip[LOG_KINDS]; /* the unwanted ones after the first wanted entry */
    off_t searched;           /* bytes read since there were enough lines */
};

static bool is_enough(const struct tail *t)
{
    return t->wanted == 0 &&
           ((!t->inside[LOG_STDOUT] && !t->inside[LOG_STDERR]) || t->searched > SEARCH_MAX);
}

static void look_at(struct tail *t, const struct log_entry *entry, off_t start)
{
    const enum log_kind kind = entry->kind;
    if (kind == LOG_NOTE)
        return;
    if (!entry->partial || !t->seen[kind]) { /* it ends a line */
        t->inside[kind] = t->wanted > 0;
        t->wanted -= t->inside[kind] ? 1 : 0;
    }
    t->seen[kind] = true;
    if (!t->inside[kind]) {
        t->unwanted[kind]++;
        return;
    }
    t->begin = start;
    memcpy(t->skip, t->unwanted, sizeof(t->skip));
}

/* An entry may begin at @start, of which @size bytes are known; it ends where the previous one began. */
static void look_back(struct tail *t, off_t start, const char *known, size_t size)
{
    char head[LOG_HEAD_MAX];
    struct log_entry entry;
    const size_t whole = (size_t)(t->end - start);
    if (size < whole && size < sizeof(head)) {
        ssize_t n = pread(t->fd, head, whole < sizeof(head) ? whole : sizeof(head), start);
        known = head;
        size = n < 0 ? 0 : (size_t)n;
    }
    if (log_entry_parse(known, size < whole ? size : whole, &entry))
        look_at(t, &entry, start);
    t->end = start;
}

/* Reads one file backwards, because it may be large. */
static int look_through(struct tail *t, off_t size)
{
    char block[65536];
    off_t at = t->end = size;
    t->begin = -1;
    while (at > 0 && !is_enough(t)) {
        const size_t part = at < (off_t)sizeof(block) ? (size_t)at : sizeof(block);
        at -= (off_t)part;
        const ssize_t n = pread(t->fd, block, part, at);
        if (n < 0)
            return -errno;
        const char *newline = block + n;
        while (!is_enough(t) && (newline = memrchr(block, '\n', (size_t)(newline - block))))
            look_back(t, at + (newline + 1 - block), newline + 1,
                      (size_t)(block + n - newline - 1));
        t->searched += t->wanted == 0 ? n : 0;
        if (at == 0 && !is_enough(t))
            look_back(t, 0, block, (size_t)n);
    }
    return 0;
}

/* Starts reading there. Takes over @fd. */
static void begin_at(struct log_reader *r, int fd, const struct stat *st, off_t at)
{
    close_fd(r->fd);
    r->fd = fd;
    r->file = *st;
    r->at = at;
    const size_t size = at < (off_t)sizeof(r->seen) ? (size_t)at : sizeof(r->seen);
    r->seen_size = pread(fd, r->seen, size, at - (off_t)size) == (ssize_t)size ? size : 0;
}

/* Notes the newest file and where the log ends; later entries are not wanted. */
static void begin_at_end(struct log_reader *r, int fd, const struct stat *st, bool lives)
{
    r->last = *st;
    if (lives)
        r->last.st_size = end_of_entries(fd, st->st_size);
    begin_at(r, fcntl(fd, F_DUPFD_CLOEXEC, 0), st, r->last.st_size);
}

/* -EAGAIN: the names have moved. */
static int try_tail(struct log_reader *r, const struct log_range *range)
{
    struct tail t = {.wanted = range->tail};
    struct stat st, before;
    int code = 0, seen = -1; /* the age of the file before */
    for (unsigned age = 0; code == 0 && age < r->max_file && (seen < 0 || !is_enough(&t)); age++) {
        _cleanup_close_ int fd = open_age(r->dir, age, &st);
        if (fd < 0)
            continue;
        if (seen >= 0 && (same(&st, &before) || !is_at(r, &before, (unsigned)seen)))
            return -EAGAIN;
        if (seen < 0)
            begin_at_end(r, fd, &st, range->lives);
        t.fd = fd;
        code = look_through(&t, seen < 0 ? r->last.st_size : st.st_size);
        if (code == 0 && t.begin >= 0) {
            begin_at(r, take_fd(fd), &st, t.begin);
            memcpy(r->skip, t.skip, sizeof(r->skip));
        }
        before = st;
        seen = (int)age;
    }
    return code;
}

/* ---- one file after the other ----------------------------------------------------------------*/

void log_reader_close(struct log_reader *r)
{
    r->fd = close_fd(r->fd);
}

int log_reader_open(int dir, unsigned max_file, const struct log_range *range,
                    struct log_reader *out)
{
    *out = (struct log_reader){.dir = dir, .max_file = max_file, .fd = -1};
    int present = -ENOENT;
    for (unsigned age = 0; present == -ENOENT && age < max_file; age++)
        present =
            open_age(dir, age, &out->last); /* after an interrupted rotation the newest is log.1 */
    if (present < 0)
        return present == -ENOENT ? 0 : present;
    if (range->lives)
        out->last.st_size = end_of_entries(present, out->last.st_size);
    close_fd(present);
    int r = -EAGAIN;
    for (int tries = 0; range->tail != LOG_ALL && r == -EAGAIN && tries < TRIES; tries++)
        r = try_tail(out, range);
    if (r != -EAGAIN)
        return r;
    log_reader_close(out);
    int oldest = log_reader_next(out, true);
    if (oldest >= 0)
        log_reader_enter(out, oldest);
    return 0;
}

/* An entry is never written twice, for its time is in it. */
static bool is_rewritten(const struct log_reader *r)
{
    char now[sizeof(r->seen)];
    const size_t size = r->seen_size;
    return size > 0 && (pread(r->fd, now, size, r->at - (off_t)size) != (ssize_t)size ||
                        memcmp(now, r->seen, size) != 0);
}

ssize_t log_reader_read(struct log_reader *r, char *data, size_t size, bool follows, bool *again)
{
    *again = false;
    if (r->fd < 0)
        return 0;
    if (!follows && same(&r->file, &r->last)) {
        off_t left = r->last.st_size - r->at;
        size = left < 0 ? 0 : left < (off_t)size ? (size_t)left : size;
    }
    ssize_t n = pread(r->fd, data, size, r->at);
    if (n < 0)
        return -errno;
    if (follows &&
        is_rewritten(r)) { /* checked last: the data may be from the middle of another line */
        r->at = 0;
        r->seen_size = 0;
        *again = true;
        return 0;
    }
    r->at += n;
    if (n > 0) {
        r->seen_size = (size_t)n < sizeof(r->seen) ? (size_t)n : sizeof(r->seen);
        memcpy(r->seen, data + n - r->seen_size, r->seen_size);
    }
    return n;
}

static bool is_older(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec != b->tv_sec ? a->tv_sec < b->tv_sec : a->tv_nsec < b->tv_nsec;
}

/* The first file from @age towards the newest. If the present one has no name any more, a file that is older than
 * it is skipped: something other than the writer has removed the present one. */
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
        /* Every file from the beginning is gone: the present ones were not asked for. */
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
    const unsigned generation = log_generation(st.st_mode);
    r->lost = r->fd >= 0 && fstat(r->fd, &before) == 0 && age_of(r, &before) < 0 && generation &&
              generation != log_generation_after(log_generation(before.st_mode));
    log_reader_close(r);
    r->fd = next;
    r->file = st;
    r->at = 0;
    r->seen_size = 0;
}
