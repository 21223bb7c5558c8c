/* Events. There is no daemon that could tell of them: who acts adds a line to one file, and who wants to
 * know reads it.
 *
 * A line is one write() with O_APPEND, which the kernel does not mix with another's. The file is bounded:
 * who has made it too large makes it the older one. He holds the lock of that very file, and only
 * while its name still leads to it, so that of several only one renames, and never a new one. A line that
 * is written meanwhile into a file that was renamed is there, in the older one.
 */
#include <netctr/store.h>

#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>

#define TEXT_MAX 256 /* of one value */

const char event_true[] = "true";

/* A line under construction. Made by hand: every start pays for three. Never longer than PIPE_BUF. */
struct line {
    char text[PIPE_BUF];
    size_t size;
    bool full;
};

static void put(struct line *l, const char *data, size_t size)
{
    if (l->full || size > sizeof(l->text) - l->size)
        l->full = true;
    else
        memcpy(l->text + l->size, data, size), l->size += size;
}

/* Any bytes: a command line may hold what is no UTF-8. */
static void put_string(struct line *l, const char *text)
{
    const unsigned char *p = (const unsigned char *)text, *end = p + strnlen(text, TEXT_MAX);
    put(l, "\"", 1);
    while (p < end) {
        size_t size = utf8_size(p, (size_t)(end - p));
        char escaped[8];
        if (size == 0 && p + 3 >= end && end - (const unsigned char *)text == TEXT_MAX)
            break; /* a character that the limit has cut */
        if (size == 0)
            put(l, "?", size = 1);
        else if (*p < 0x20 || *p == 0x7f)
            put(l, escaped, (size_t)snprintf(escaped, sizeof(escaped), "\\u%04x", *p));
        else if (*p == '"' || *p == '\\')
            put(l, (char[]){'\\', (char)*p}, 2);
        else
            put(l, (const char *)p, size);
        p += size;
    }
    put(l, "\"", 1);
}

static void put_key(struct line *l, const char *key)
{
    put(l, ",\"", 2);
    put(l, key, strlen(key));
    put(l, "\":", 2);
}

static void put_text(struct line *l, const char *key, const char *text)
{
    if (!text)
        return;
    put_key(l, key);
    put_string(l, text);
}

/* RFC 3339 with nanoseconds, UTC. */
static void put_time(struct line *l)
{
    struct timespec now;
    struct tm tm;
    char text[80];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    int n = snprintf(text, sizeof(text), "{\"time\":\"%04d-%02d-%02dT%02d:%02d:%02d.%09ldZ\"",
                     tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
                     now.tv_nsec);
    put(l, text, (size_t)n);
}

static void compose(struct line *l, const struct event *event, const struct event_attribute *a)
{
    l->size = 0;
    l->full = false;
    put_time(l);
    put_text(l, "type", event->type);
    put_text(l, "event", event->name);
    put_text(l, "id", event->id);
    put_text(l, "name", event->of);
    for (; a && a->key; a++) {
        char number[24];
        if (a->text && a->text != event_true) {
            put_text(l, a->key, a->text);
            continue;
        }
        put_key(l, a->key);
        if (a->text)
            put(l, event_true, strlen(event_true));
        else
            put(l, number, (size_t)snprintf(number, sizeof(number), "%" PRId64, a->number));
    }
    put(l, "}\n", 2);
}

/* What was written last ends where the file does: its size without another question. */
static void keep_small(int run_fd, int fd)
{
    struct stat own, named;
    if (lseek(fd, 0, SEEK_CUR) < EVENTS_SIZE_MAX || flock(fd, LOCK_EX | LOCK_NB) < 0)
        return;
    if (fstat(fd, &own) == 0 && fstatat(run_fd, EVENTS_FILE, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
        named.st_ino == own.st_ino && named.st_dev == own.st_dev)
        (void)renameat(run_fd, EVENTS_FILE, run_fd, EVENTS_OLDER);
}

void event_emit(int run_fd, const struct event *event, const struct event_attribute *attributes)
{
    struct line line;
    compose(&line, event, attributes);
    if (line.full) /* what happened, without its circumstances */
        compose(&line, event, NULL);
    if (line.full)
        return;
    _cleanup_close_ int fd =
        openat(run_fd, EVENTS_FILE, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0 && write(fd, line.text, line.size) > 0)
        keep_small(run_fd, fd);
}

/* A writer that met a full disk may have left half a line, and the next one stands behind it. Within a
 * JSON text a quote is escaped, so this can only be where a line begins. */
json_t *event_parse(const char *line, size_t size)
{
    static const char beginning[] = "{\"time\":\"";
    const char *at = line;
    for (const char *next = line; next;) {
        size_t rest = size - (size_t)(next - line);
        next = memmem(next, rest, beginning, sizeof(beginning) - 1);
        if (next)
            at = next++;
    }
    json_t *j = json_loadb(at, size - (size_t)(at - line), 0, NULL);
    if (json_is_object(j) && json_str(j, "time") && json_str(j, "type") && json_str(j, "event"))
        return j;
    json_decref(j);
    return NULL;
}
