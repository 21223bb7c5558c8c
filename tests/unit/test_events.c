/* The file of events: lines of any content, many writers, its bound, a full disk, its cost. */
#include "check.h"

#include <netctr/store.h>

#include <sys/mount.h>
#include <time.h>

static void emit(int dir, const char *name, const char *attribute)
{
    const struct event event = {"container", name, "0123456789ab", "web", NULL};
    const struct event_attribute a[] = {{"exit_code", NULL, 137}, {"what", attribute, 0}, {0}};
    event_emit(dir, &event, attribute ? a : NULL);
}

/* Calls @each for every line of @file; returns how many were invalid. */
static size_t each_line (int dir, const char *file, void (*each)(const json_t *j, void *arg),
                         void *arg)
{
    _cleanup_free_ char *text = NULL;
    size_t size = 0, bad = 0;
    if (read_file_at(dir, file, 64 << 20, &text, &size) < 0)
        return 0;
    for (char *line = text, *end; (end = memchr(line, '\n', size - (size_t)(line - text)));
         line = end + 1) {
        _cleanup_json_ json_t *j = event_parse(line, (size_t)(end - line));
        if (j)
            each(j, arg);
        else
            bad++;
    }
    return bad;
}

static void count(const json_t *j, void *arg)
{
    (void)j;
    ++*(size_t *)arg;
}

static void keep_last(const json_t *j, void *arg)
{
    json_t **last = arg;
    json_decref(*last);
    *last = json_deep_copy(j);
}

static void test_content(void)
{
    _cleanup_scratch_ struct scratch s = scratch_open();
    char text[1000];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    memcpy(text + 254, "\xe2\x82\xac", 3); /* a character across the limit */
    const char *const values[] = {"plain", "a \"quoted\"\n\\line\x01", "\xff\xfe no UTF-8", text,
                                  "{\"time\":\"x\"}"};
    const char *const expected[] = {"plain", "a \"quoted\"\n\\line\x01", "?? no UTF-8", NULL,
                                    "{\"time\":\"x\"}"};
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        _cleanup_json_ json_t *last = NULL;
        emit(s.fd, "die", values[i]);
        size_t bad = each_line (s.fd, EVENTS_FILE, keep_last, &last);
        const char *what = last ? json_str(last, "what") : NULL;
        expect(bad == 0 && what && (expected[i] ? streq(what, expected[i]) : strlen(what) == 254) &&
                   json_int(last, "exit_code", 0) == 137 && streq(json_str(last, "name"), "web"),
               "a line of any content", "number %zu: `%s`, %zu bad", i, what ? what : "none", bad);
    }
}

static void test_torn(void)
{
    static const char torn[] = "{\"time\":\"2026-01-01T00:00:00.000000000Z\",\"type\":\"cont";
    _cleanup_scratch_ struct scratch s = scratch_open();
    size_t n = 0;
    put_file(s.fd, EVENTS_FILE, torn, sizeof(torn) - 1);
    emit(s.fd, "start", NULL);
    emit(s.fd, "die", NULL);
    size_t bad = each_line (s.fd, EVENTS_FILE, count, &n);
    expect(n == 2 && bad == 0, "half a line costs no other", "%zu events, %zu bad", n, bad);
    static const char *const none[] = {"", "{}", "[]", "x", "{\"time\":\"", "{\"time\":\"x\"}"};
    for (size_t i = 0; i < ARRAY_LEN(none); i++)
        check(!event_parse(none[i], strlen(none[i])), "what is no event", none[i]);
}

enum { WRITERS = 4, EACH = 3000 };

static void test_writers(void)
{
    _cleanup_scratch_ struct scratch s = scratch_open();
    pid_t pids[WRITERS];
    /* A little more than one file's worth in total, so that it is replaced once. */
    for (int i = 0; i < WRITERS; i++)
        if ((pids[i] = fork()) == 0) {
            for (int k = 0; k < EACH; k++)
                emit(s.fd, "die", "something to fill the line with");
            _exit(0);
        }
    for (int i = 0; i < WRITERS; i++)
        (void)waitpid(pids[i], NULL, 0);
    size_t n = 0, bad = each_line (s.fd, EVENTS_FILE, count, &n) +
                        each_line (s.fd, EVENTS_OLDER, count, &n);
    struct stat newer = {0}, older = {0};
    (void)fstatat(s.fd, EVENTS_FILE, &newer, 0);
    (void)fstatat(s.fd, EVENTS_OLDER, &older, 0);
    expect(n == WRITERS * EACH && bad == 0,
           "four writers and a file that is replaced: no line lost",
           "%zu of %d, %zu bad, %ld and %ld bytes", n, WRITERS * EACH, bad, (long)newer.st_size,
           (long)older.st_size);
    check(older.st_size >= EVENTS_SIZE_MAX && older.st_size < EVENTS_SIZE_MAX + 65536 &&
              newer.st_size < EVENTS_SIZE_MAX,
          "the file is bounded", "it is not");
}

static int on_a_full_disk(void *arg)
{
    (void)arg;
    _cleanup_scratch_ struct scratch s = scratch_open();
    if (!small_tmpfs(s.path))
        return 2;
    _cleanup_close_ int dir = open(s.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; i < 2000; i++)
        emit(dir, "die", NULL);
    size_t n = 0, bad = each_line (dir, EVENTS_FILE, count, &n);
    (void)umount2(s.path, MNT_DETACH);
    return n > 0 && bad == 0 ? 0 : 1;
}

static void test_nowhere(void)
{
    emit(-1, "die", NULL);
    check(true, "no directory: nothing happens", "");
    int status = in_child(on_a_full_disk, NULL);
    expect(status == 0, "a full disk: what was written can be read", "status %d", status);
}

/* On a tmpfs, as RUN is. Informational: a number on a shared machine is no test. */
static int tell_cost(void *arg)
{
    (void)arg;
    _cleanup_scratch_ struct scratch s = scratch_open();
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("tmpfs", s.path, "tmpfs", 0, NULL) < 0)
        return 0;
    _cleanup_close_ int dir = open(s.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct timespec a, b;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
    for (int i = 0; i < 2000; i++)
        emit(dir, "start", NULL);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
    printf("# %.1f us of CPU an event\n",
           ((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) / 2e6);
    (void)umount2(s.path, MNT_DETACH);
    return 0;
}

int main(void)
{
    test_content();
    test_torn();
    test_writers();
    test_nowhere();
    (void)in_child(tell_cost, NULL);
    return failures != 0;
}
