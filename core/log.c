/* The log has the format of Kubernetes' CRI, which log shippers read:
 *
 *     2026-11-23T14:05:00.123456789Z stdout F a whole line
 *     2026-11-23T14:05:00.123456790Z stderr P the beginning of a line
 *     2026-11-23T14:05:00.123456791Z stderr F:netctr a line of netctr's own (CRI allows more tags after a colon)
 *
 * It is bounded: a full file becomes log.1, that one log.2, and so on by rename(), the oldest first. A writer that
 * is killed in between leaves a gap in the names, perhaps at `log` itself, which the next rotation closes. One
 * writer at a time rotates. The fd keeps its number, so that its holders need not know.
 */
#include "log.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#define LOG_NEW LOG_FILE ".new"
#define NOTE_TAG "netctr"
#define LOOK_MS \
    10 /* how often to check that the file still has its name; a program that writes all the time pays for it */
#define NOTE_ROOM 256 /* bytes for a note and the ends of two lines before it */
#define BATCH 65536   /* bytes of one write(); a chunk that is not all newlines needs less */

struct log_name log_name(unsigned age)
{
    struct log_name name = {LOG_FILE};
    if (age)
        snprintf(name.text, sizeof(name.text), LOG_FILE ".%u", age);
    return name;
}

/* Or the beginning of one, if there is no more. */
static bool is_time(const char *text, size_t size)
{
    static const char shape[] = "0000-00-00T00:00:00.000000000Z";
    for (size_t i = 0; i < size && i < LOG_TIME_SIZE; i++)
        if (shape[i] == '0' ? text[i] < '0' || text[i] > '9' : text[i] != shape[i])
            return false;
    return true;
}

bool log_entry_parse(const char *line, size_t size, struct log_entry *out)
{
    static const char *const streams[] = {[LOG_STDOUT] = " stdout ", [LOG_STDERR] = " stderr "};
    static const char note[] = ":" NOTE_TAG " ";
    const size_t tags = LOG_TIME_SIZE + strlen(streams[LOG_STDOUT]);
    if (size < tags + 2 || !is_time(line, size) || (line[tags] != 'F' && line[tags] != 'P'))
        return false;
    const bool out_is = memcmp(line + LOG_TIME_SIZE, streams[LOG_STDOUT], 8) == 0;
    if (!out_is && memcmp(line + LOG_TIME_SIZE, streams[LOG_STDERR], 8) != 0)
        return false;
    const size_t most = size < LOG_HEAD_MAX ? size : LOG_HEAD_MAX;
    const char *end = memchr(line + tags, ' ', most - tags);
    if (!end || (end > line + tags + 1 && line[tags + 1] != ':'))
        return false;
    out->kind = out_is ? LOG_STDOUT : LOG_STDERR;
    if (size - tags > strlen(note) && memcmp(line + tags + 1, note, strlen(note)) == 0)
        out->kind = LOG_NOTE;
    out->partial = line[tags] == 'P';
    out->head = (size_t)(end + 1 - line);
    return true;
}

/* ---- opening ---------------------------------------------------------------------------------*/

/* The generation is in the execute bits, which mean nothing here: they need no room on the disk and cannot be
 * separated from the file. */
unsigned log_generation(mode_t mode)
{
    return (mode & S_IXUSR ? 4 : 0) | (mode & S_IXGRP ? 2 : 0) | (mode & S_IXOTH ? 1 : 0);
}

unsigned log_generation_after(unsigned generation)
{
    return generation % 7 + 1;
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

/* O_NONBLOCK: a FIFO in its place must not block the writer. */
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

/* Removes the last @surplus bytes that this fd has written, unless another process has appended since. */
static bool cut_back(int fd, size_t surplus)
{
    struct stat st;
    const off_t end = lseek(fd, 0, SEEK_CUR); /* after a write with O_APPEND: where that ended */
    return surplus == 0 || (end >= (off_t)surplus && fstat(fd, &st) == 0 && st.st_size == end &&
                            ftruncate(fd, end - (off_t)surplus) == 0);
}

void log_mend(int fd)
{
    char last[LOG_PIECE_MAX + LOG_HEAD_MAX];
    struct stat st;
    struct log_entry entry;
    if (fstat(fd, &st) < 0 || st.st_size == 0)
        return;
    const off_t most = (off_t)sizeof(last), from = st.st_size > most ? st.st_size - most : 0;
    const ssize_t n = pread(fd, last, sizeof(last), from);
    if (n <= 0 || last[n - 1] == '\n')
        return;
    const char *newline = memrchr(last, '\n', (size_t)n), *begin = newline ? newline + 1 : last;
    const size_t size = (size_t)(last + n - begin);
    const bool torn_head = (newline || from == 0) && size < LOG_HEAD_MAX && is_time(begin, size) &&
                           !log_entry_parse(begin, size, &entry);
    if (!torn_head || ftruncate(fd, st.st_size - (off_t)size) < 0)
        (void)write_all(fd, "\n", 1);
}

void log_tidy(int dir, unsigned max_file)
{
    /* An interrupted rotation leaves a gap, rarely two in a row. */
    unsigned age = max_file ? max_file : 1;
    for (int missing = 0; missing < 3; age++)
        if (unlinkat(dir, log_name(age).text, 0) < 0)
            missing++;
}

/* ---- rotating --------------------------------------------------------------------------------*/

/* The present file becomes log.1, after the older ones up to the first gap have moved. */
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

/* The new file is complete before it gets the name; with max-file=1 it replaces the old one. */
static int begin_file(const struct rotation *r, mode_t before)
{
    (void)unlinkat(r->dir, LOG_NEW, 0);
    _cleanup_close_ int fd = open_file(r->dir, LOG_NEW, O_CREAT | O_EXCL);
    if (fd < 0)
        return fd;
    (void)fchmod(fd, mode_of(log_generation_after(log_generation(before))));
    make_way(r);
    return renameat(r->dir, LOG_NEW, r->dir, LOG_FILE) < 0 ? -errno : take_fd(fd);
}

/* Another process may have moved the file away (logrotate), or put another in its place: the name decides. A file
 * begun here counts as the next one, so that a reader misses nothing. */
static void follow_name(int fd, struct rotation *r)
{
    struct stat before = {0}, st;
    const int64_t now = monotonic_ms();
    if (r->looked && now - r->looked < LOOK_MS)
        return;
    r->looked = now;
    if (has_the_name(fd, r->dir, &before))
        return;
    _cleanup_close_ int next = log_open(r->dir);
    if (next < 0 || fstat(next, &st) < 0)
        return;
    if (st.st_size == 0)
        (void)fchmod(next, (st.st_mode & 0666) |
                               mode_of(log_generation_after(log_generation(before.st_mode))));
    if (dup3(next, fd, O_CLOEXEC) >= 0)
        r->size = st.st_size;
}

static void rotate(int fd, struct rotation *r)
{
    struct stat st = {0};
    _cleanup_close_ int next = has_the_name(fd, r->dir, &st) ? begin_file(r, st.st_mode) : -1;
    if (next >= 0 && dup3(next, fd, O_CLOEXEC) >= 0)
        r->size = fstat(fd, &st) == 0 ? st.st_size : 0;
    else if (r->size / 2 > r->max_size && ftruncate(fd, 0) == 0)
        r->size = 0; /* something else has the name: no file grows without a bound */
}

/* Read from the file only when it seems full: it may have been truncated. */
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

struct head {
    char text[LOG_HEAD_MAX];
    size_t size;
    size_t flag; /* offset of its F or P */
    enum log_kind kind;
};

/* One time for everything that was read at once. */
static struct head make_head(const char *stream, enum log_kind kind)
{
    struct head head = {.kind = kind, .flag = LOG_TIME_SIZE + strlen(" stdout ")};
    struct timespec now;
    struct tm tm;
    char date[32] = "";
    clock_gettime(CLOCK_REALTIME, &now);
    if (gmtime_r(&now.tv_sec, &tm))
        strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
    head.size = (size_t)snprintf(head.text, sizeof(head.text), "%s.%09ldZ %.6s F%s ", date,
                                 now.tv_nsec, stream, kind == LOG_NOTE ? ":" NOTE_TAG : "");
    return head;
}

/* Writes as much as the disk has room for. */
static size_t write_some(int fd, const char *data, size_t size, int *error)
{
    size_t done = 0;
    *error = 0;
    while (done < size) {
        ssize_t n = write(fd, data + done, size - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            *error = n < 0 ? -errno : -ENOSPC;
            break;
        }
        done += (size_t)n;
    }
    return done;
}

static void count_loss(struct rotation *r, const char *entries, size_t size, int error)
{
    struct log_entry entry;
    r->loss.error = error;
    for (const char *line = entries, *end = entries + size, *newline;
         (newline = memchr(line, '\n', (size_t)(end - line))); line = newline + 1) {
        if (!log_entry_parse(line, (size_t)(newline - line), &entry) || entry.kind == LOG_NOTE)
            continue;
        r->loss.lines += entry.partial ? 0 : 1;
        r->loss.bytes += (uint64_t)(newline - line) - entry.head + (entry.partial ? 0 : 1);
    }
}

/* An entry that says how much was lost, after the ends of lines whose rest is missing. */
static size_t write_loss(int fd, const struct rotation *r)
{
    static const char *const streams[] = {[LOG_STDOUT] = "stdout", [LOG_STDERR] = "stderr"};
    _cleanup_free_ char *text = xstrdup("");
    int error;
    for (int kind = LOG_STDOUT; kind <= LOG_STDERR; kind++) {
        char *before = text;
        const struct head head = make_head(streams[kind], (enum log_kind)kind);
        if (!r->open[kind])
            continue;
        text = xasprintf("%s%s\n", before, head.text);
        free(before);
    }
    const struct head head = make_head("stderr", LOG_NOTE);
    _cleanup_free_ char *all = xasprintf(
        "%s%snetctr: lost %" PRIu64 " line%s (%" PRIu64 " bytes) here: %s\n", text, head.text,
        r->loss.lines, r->loss.lines == 1 ? "" : "s", r->loss.bytes, strerror(-r->loss.error));
    const size_t done = write_some(fd, all, strlen(all), &error);
    if (done == strlen(all))
        return done;
    (void)cut_back(fd, done);
    return 0;
}

/* Writes whole entries of one kind, as many as fit. */
static void append(int fd, struct rotation *r, enum log_kind kind, const char *entries, size_t size)
{
    struct log_entry last;
    int error = r ? r->loss.error : 0;
    if (size == 0)
        return;
    const size_t noted = error ? write_loss(fd, r) : 0;
    if (error && noted == 0) {
        count_loss(r, entries, size, error);
        return;
    }
    const size_t done = write_some(fd, entries, size, &error);
    const char *newline = done ? memrchr(entries, '\n', done) : NULL;
    const size_t whole = newline ? (size_t)(newline + 1 - entries) : 0;
    /* A note without a following entry would be repeated for each line that does not fit either. */
    const size_t note_kept = whole ? noted : 0;
    if (!cut_back(fd, noted - note_kept + done - whole))
        (void)write_all(fd, "\n", 1);
    if (!r)
        return;
    r->size += (int64_t)(note_kept + whole);
    if (note_kept) {
        r->loss = (struct log_loss){0};
        memset(r->open, 0, sizeof(r->open));
    }
    if (whole) {
        const char *before = memrchr(entries, '\n', whole - 1),
                   *begin = before ? before + 1 : entries;
        r->open[kind] = log_entry_parse(begin, (size_t)(newline - begin), &last) && last.partial;
    }
    if (whole < size)
        count_loss(r, entries + whole, size - whole, error);
}

/* Removes the last entries, which count as lost too, to make room for the note; but no other note. */
static bool give_way(int fd, struct rotation *r)
{
    char last[2 * (LOG_PIECE_MAX + LOG_HEAD_MAX)];
    struct stat st;
    struct log_entry entry;
    if (fstat(fd, &st) < 0)
        return false;
    const off_t most = (off_t)sizeof(last), from = st.st_size > most ? st.st_size - most : 0;
    const ssize_t n = pread(fd, last, (size_t)(st.st_size - from), from);
    const char *end = last + (n > 0 ? n : 0), *cut = end, *newline = NULL;
    while (cut > last && end - cut < NOTE_ROOM) {
        newline = memrchr(last, '\n', (size_t)(cut - 1 - last));
        cut = newline ? newline + 1 : last;
        if (log_entry_parse(cut, (size_t)(end - cut), &entry) && entry.kind == LOG_NOTE)
            return false;
    }
    if (cut == end || (!newline && from > 0) || ftruncate(fd, from + (cut - last)) < 0)
        return false;
    count_loss(r, cut, (size_t)(end - cut), r->loss.error);
    memset(r->open, 0, sizeof(r->open));
    for (const char *line = last; line < cut; line = newline + 1) {
        newline = memchr(line, '\n', (size_t)(cut - line));
        if (log_entry_parse(line, (size_t)(newline - line), &entry))
            r->open[entry.kind] = entry.partial;
    }
    return true;
}

void log_finish(int fd, struct rotation *r)
{
    if (fd < 0 || !r->loss.error)
        return;
    if (write_loss(fd, r) > 0 || (give_way(fd, r) && write_loss(fd, r) > 0))
        r->loss = (struct log_loss){0};
}

/* Writes whole entries. Their first @rest bytes belong to a line that the file has begun: it stays in one piece. */
static void put(int fd, struct rotation *r, enum log_kind kind, const char *entries, size_t size,
                size_t rest)
{
    if (r && is_full(fd, r, size)) {
        append(fd, r, kind, entries, rest);
        rotate(fd, r);
        entries += rest;
        size -= rest;
    }
    append(fd, r, kind, entries, size);
}

/* Appends an entry with its head; its newline replaces the text's, or is added. Returns its end. */
static char *add_entry(char *to, const struct head *head, const char *text, size_t size, char flag)
{
    memcpy(to, head->text, head->size);
    to[head->flag] = flag;
    memcpy(to + head->size, text, size);
    to[head->size + size] = '\n';
    return to + head->size + size + 1;
}

static bool write_entries(int fd, struct rotation *r, const struct head *head, const char *data,
                          size_t size, bool mid_line)
{
    char batch[BATCH], *to = batch;
    size_t rest = 0;
    const size_t most = r && r->max_size > 0 && r->max_size < BATCH ? (size_t)r->max_size : BATCH;
    for (const char *p = data, *end = data + size, *stop; p < end; p = stop) {
        size_t piece = (size_t)(end - p) < LOG_PIECE_MAX ? (size_t)(end - p) : LOG_PIECE_MAX;
        const char *newline = memchr(p, '\n', piece);
        piece = newline ? (size_t)(newline - p) : piece;
        if (to > batch && (size_t)(to - batch) + head->size + piece + 1 > most) {
            put(fd, r, head->kind, batch, (size_t)(to - batch), rest);
            to = batch;
            rest = 0;
        }
        bool begins = !mid_line;
        mid_line = !newline;
        to = add_entry(to, head, p, piece, mid_line ? 'P' : 'F');
        rest = begins ? rest : (size_t)(to - batch);
        stop = p + piece + (newline ? 1 : 0);
    }
    if (to > batch)
        put(fd, r, head->kind, batch, (size_t)(to - batch), rest);
    return mid_line;
}

bool log_write(int fd, struct rotation *r, const char *tag, const char *data, size_t size,
               bool mid_line)
{
    const struct head head = make_head(tag, streq(tag, "stdout") ? LOG_STDOUT : LOG_STDERR);
    if (r)
        follow_name(fd, r);
    return write_entries(fd, r, &head, data, size, mid_line);
}

void log_note(int fd, struct rotation *r, const char *text)
{
    const struct head head = make_head("stderr", LOG_NOTE);
    _cleanup_free_ char *line = xasprintf("%s\n", text);
    if (fd >= 0)
        (void)write_entries(fd, r, &head, line, strlen(line), false);
}
