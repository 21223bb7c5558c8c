/* The log has the format of Kubernetes' CRI, which every log shipper reads:
 *
 *     2026-11-23T14:05:00.123456789Z stdout F a whole line
 *     2026-11-23T14:05:00.123456790Z stderr P the beginning of a line
 *
 * It is bounded: a file that is full becomes log.1, that one log.2, and so on by rename(), the oldest first.
 * Whoever is killed in between leaves a gap in the names, also in the place of log, and nothing else; the next
 * rotation closes it. There is one writer at a time who rotates. The fd keeps its number through that, so that who holds it need not know.
 */
#include "log.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define LOG_NEW LOG_FILE ".new"
#define BATCH 65536 /* written at once; more than a chunk that is not all newlines becomes */

struct log_name log_name(unsigned age)
{
    struct log_name name = {LOG_FILE};
    if (age)
        snprintf(name.text, sizeof(name.text), LOG_FILE ".%u", age);
    return name;
}

/* ---- opening ---------------------------------------------------------------------------------*/

/* The execute bits, which mean nothing here: they need no room, and are never apart from the file. */
unsigned log_generation(mode_t mode)
{
    return (mode & S_IXUSR ? 4 : 0) | (mode & S_IXGRP ? 2 : 0) | (mode & S_IXOTH ? 1 : 0);
}

static mode_t mode_of(unsigned generation)
{
    return 0600 | (generation & 4 ? S_IXUSR : 0) | (generation & 2 ? S_IXGRP : 0) |
           (generation & 1 ? S_IXOTH : 0);
}

static int open_file(int dir, const char *name, int flags)
{
    struct stat st;
    _cleanup_close_ int fd =
        openat(dir, name, O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | flags, 0600);
    if (fd < 0 || fstat(fd, &st) < 0)
        return errno == ELOOP || errno == EISDIR || errno == ENXIO ? -EBADMSG : -errno;
    return S_ISREG(st.st_mode) ? take_fd(fd) : -EBADMSG;
}

/* Whoever writes must never wait for it, whatever somebody has put in its place. */
int log_open(int dir)
{
    return open_file(dir, LOG_FILE, O_CREAT);
}

static bool has_the_name(int fd, int dir, struct stat *st)
{
    struct stat named;
    return fstat(fd, st) == 0 && fstatat(dir, LOG_FILE, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           st->st_ino == named.st_ino && st->st_dev == named.st_dev;
}

void log_reopen(int fd, int dir)
{
    struct stat st;
    _cleanup_close_ int now = has_the_name(fd, dir, &st) ? -1 : open_file(dir, LOG_FILE, 0);
    if (now >= 0)
        (void)dup3(now, fd, O_CLOEXEC);
}

void log_mend(int fd)
{
    char last = '\n';
    struct stat st;
    if (fstat(fd, &st) == 0 && st.st_size > 0 && pread(fd, &last, 1, st.st_size - 1) == 1 &&
        last != '\n')
        (void)write_all(fd, "\n", 1);
}

void log_tidy(int dir, unsigned max_file)
{
    /* A rotation that was cut short leaves a gap, and hardly ever one beside another. */
    unsigned age = max_file ? max_file : 1;
    for (int missing = 0; missing < 3; age++)
        if (unlinkat(dir, log_name(age).text, 0) < 0)
            missing++;
}

/* ---- rotating --------------------------------------------------------------------------------*/

/* The present file becomes log.1, after the older ones up to the first gap have moved on. */
static void make_way(const struct rotation *r)
{
    struct stat st;
    unsigned age = r->max_file > 1 ? 1 : 0;
    while (age + 1 < r->max_file &&
           fstatat(r->dir, log_name(age).text, &st, AT_SYMLINK_NOFOLLOW) == 0)
        age++;
    for (; age > 0; age--)
        (void)renameat(r->dir, log_name(age - 1).text, r->dir, log_name(age).text);
}

/* Complete before it has the name, and where there is to be one file only, in the place of the one before. */
static int begin_file(const struct rotation *r, mode_t before)
{
    (void)unlinkat(r->dir, LOG_NEW, 0);
    _cleanup_close_ int fd = open_file(r->dir, LOG_NEW, O_CREAT | O_EXCL);
    if (fd < 0)
        return fd;
    (void)fchmod(fd, mode_of(log_generation(before) + 1));
    make_way(r);
    return renameat(r->dir, LOG_NEW, r->dir, LOG_FILE) < 0 ? -errno : take_fd(fd);
}

/* Somebody may have taken the file away, to keep it elsewhere, or put another in its place: then the name
 * alone decides. */
static void rotate(int fd, struct rotation *r)
{
    struct stat st = {0};
    bool named = has_the_name(fd, r->dir, &st);
    _cleanup_close_ int next = named ? begin_file(r, st.st_mode) : log_open(r->dir);
    if (next >= 0 && dup3(next, fd, O_CLOEXEC) >= 0)
        r->size = fstat(fd, &st) == 0 ? st.st_size : 0;
    else if (r->size / 2 > r->max_size && ftruncate(fd, 0) == 0)
        r->size = 0; /* something else has the name: the disk is worth more */
}

/* Asked of the file only when it seems full: it may have been emptied. */
static bool is_full(int fd, struct rotation *r, size_t more)
{
    struct stat st;
    if (r->max_size <= 0 || r->size + (int64_t)more <= r->max_size)
        return false;
    if (fstat(fd, &st) == 0)
        r->size = st.st_size;
    return r->size > 0 && r->size + (int64_t)more > r->max_size;
}

/* ---- writing ---------------------------------------------------------------------------------*/

static void append(int fd, struct rotation *r, const char *data, size_t size)
{
    if (size == 0)
        return;
    bool torn = r && r->torn && write_all(fd, "\n", 1) < 0;
    if (!torn)
        torn = write_all(fd, data, size) < 0;
    if (r) {
        r->torn = torn;
        r->size += (int64_t)size;
    }
}

/* Whole entries. Their first @rest bytes belong to a line that the file has begun: it stays in one piece. */
static void put(int fd, struct rotation *r, const char *entries, size_t size, size_t rest)
{
    if (r && is_full(fd, r, size)) {
        append(fd, r, entries, rest);
        rotate(fd, r);
        entries += rest;
        size -= rest;
    }
    append(fd, r, entries, size);
}

struct head {
    char text[64];
    size_t size;
};

/* One moment for all that was read at once. */
static struct head make_head(const char *tag)
{
    struct head head;
    struct timespec now;
    struct tm tm;
    char date[32] = "";
    clock_gettime(CLOCK_REALTIME, &now);
    if (gmtime_r(&now.tv_sec, &tm))
        strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
    head.size = (size_t)snprintf(head.text, sizeof(head.text), "%s.%09ldZ %.16s F ", date,
                                 now.tv_nsec, tag);
    return head;
}

bool log_write(int fd, struct rotation *r, const char *tag, const char *data, size_t size,
               bool mid_line)
{
    char batch[BATCH];
    struct head head = make_head(tag);
    size_t used = 0, rest = 0;
    const size_t most = r && r->max_size > 0 && r->max_size < BATCH ? (size_t)r->max_size : BATCH;
    for (const char *p = data, *end = data + size, *stop; p < end; p = stop) {
        size_t piece = (size_t)(end - p) < LOG_PIECE_MAX ? (size_t)(end - p) : LOG_PIECE_MAX;
        const char *newline = memchr(p, '\n', piece);
        piece = newline ? (size_t)(newline - p) : piece;
        if (used && used + head.size + piece + 1 > most) {
            put(fd, r, batch, used, rest);
            used = rest = 0;
        }
        bool begins = !mid_line;
        mid_line = !newline;
        memcpy(batch + used, head.text, head.size);
        batch[used + head.size - 2] = mid_line ? 'P' : 'F';
        memcpy(batch + used + head.size, p, piece);
        used += head.size + piece + 1;
        batch[used - 1] = '\n';
        rest = begins ? rest : used;
        stop = p + piece + (newline ? 1 : 0);
    }
    if (used)
        put(fd, r, batch, used, rest);
    return mid_line;
}

void log_note(int fd, struct rotation *r, const char *text)
{
    _cleanup_free_ char *line = xasprintf("%s\n", text);
    if (fd >= 0)
        (void)log_write(fd, r, "stderr", line, strlen(line), false);
}
