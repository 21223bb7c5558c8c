/* Events. No daemon collects them: each process that changes something appends a line to one file.
 *
 * A line is one write() with O_APPEND, which the kernel does not mix with others. The file is bounded: the process that
 * makes it too large renames it to the older one. It holds the lock of that very file meanwhile, and only while the name
 * still leads to it, so that of several processes one renames, and never a new file. A line that is written to a file
 * after its rename is in the older one.
 */
#include <netctr/store.h>

#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>

enum { TEXT_MAX = 256 }; /* bytes of one value */

const char event_true[] = "true";

/* A command line may hold bytes that are not UTF-8, which JSON cannot. A value that is cut off may end in the middle of
 * a character. */
static json_t *text_value(const char *text)
{
    char ascii[TEXT_MAX];
    const size_t size = strnlen(text, TEXT_MAX);
    for (size_t cut = 0; cut < 4 && cut <= size; cut++) {
        json_t *j = json_stringn(text, size - cut);
        if (j)
            return j;
        if (size < TEXT_MAX)
            break;
    }
    for (size_t i = 0; i < size; i++)
        ascii[i] = (unsigned char)text[i] < 0x80 ? text[i] : '?';
    return json_stringn(ascii, size);
}

static void put_text(json_t *j, const char *key, const char *text)
{
    if (text)
        json_object_set_new(j, key, text_value(text));
}

static json_t *cut_labels(char *const *labels)
{
    json_t *j = labels_to_json(labels), *value;
    const char *key;
    json_object_foreach (j, key, value) {
        json_object_set_new(j, key, text_value(json_string_value(value)));
    }
    return j;
}

/* RFC 3339 with nanoseconds, UTC. */
static void put_time(json_t *j)
{
    struct timespec now;
    struct tm tm;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    _cleanup_free_ char *text =
        xasprintf("%04d-%02d-%02dT%02d:%02d:%02d.%09ldZ", tm.tm_year + 1900, tm.tm_mon + 1,
                  tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, now.tv_nsec);
    json_put_str(j, "time", text);
}

/* The keys keep their order: "time" is what event_parse() looks for. */
static json_t *compose(const struct event *event, const struct event_attribute *a)
{
    json_t *j = json_object();
    put_time(j);
    put_text(j, "type", event->type);
    put_text(j, "event", event->name);
    put_text(j, "id", event->id);
    put_text(j, "name", event->of);
    if (event->labels)
        json_object_set_new(j, "labels", cut_labels(event->labels));
    for (; a && a->key; a++)
        if (a->text == event_true)
            json_object_set_new(j, a->key, json_true());
        else if (a->text)
            put_text(j, a->key, a->text);
        else
            json_object_set_new(j, a->key, json_integer(a->number));
    return j;
}

/* Never longer than PIPE_BUF. Returns its size, or 0. */
static size_t print_line(const struct event *event, const struct event_attribute *attributes,
                         char line[PIPE_BUF])
{
    _cleanup_json_ json_t *j = compose(event, attributes);
    size_t size = json_dumpb(j, line, PIPE_BUF - 1, JSON_COMPACT);
    if (size == 0 || size > PIPE_BUF - 1)
        return 0;
    line[size] = '\n';
    return size + 1;
}

/* After a write with O_APPEND the file position is the file's size: no fstat(). */
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
    char line[PIPE_BUF];
    struct event bare = *event;
    bare.labels = NULL;
    size_t size = print_line(event, attributes, line);
    if (size == 0) /* many labels */
        size = print_line(&bare, attributes, line);
    if (size == 0) /* what happened, without the circumstances */
        size = print_line(&bare, NULL, line);
    if (size == 0)
        return;
    _cleanup_close_ int fd =
        openat(run_fd, EVENTS_FILE, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0 && write(fd, line, size) > 0)
        keep_small(run_fd, fd);
}

/* A writer that met a full disk may have left half a line, and the next line follows it. Within a JSON text a quote is
 * escaped, so this can only be the start of a line. */
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
