/* The log: its entries, its bounds, and obstacles. */
#include "check.h"

#include "core/log.h"

#include "engine/store/files.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>

/* The text of a file without the times, with a space and a newline after each entry; caller frees. */
static char *text_in(int dir, const char *name)
{
    _cleanup_free_ char *all = NULL;
    if (read_file_at(dir, name, 16 << 20, &all, NULL) < 0)
        return xstrdup("-");
    char *out = xcalloc(strlen(all) + 1, 1), *to = out;
    for (char *line = all, *newline; (newline = strchr(line, '\n')); line = newline + 1) {
        if (newline - line > 38) {
            memcpy(to, line + 38, (size_t)(newline - line - 38));
            to += newline - line - 38;
        }
        *to++ = '/';
    }
    return out;
}

static void expect_text(int dir, const char *name, const char *expected)
{
    _cleanup_free_ char *text = text_in(dir, name);
    expect(streq(text, expected), name, "`%s`, expected `%s`", text, expected);
}

static off_t size_of(int dir, const char *name)
{
    struct stat st;
    return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ? -1 : st.st_size;
}

static bool add(int fd, struct rotation *r, const char *text, bool mid_line)
{
    return log_write(fd, r, "stdout", text, strlen(text), mid_line);
}

static void test_rotation(void)
{
    _cleanup_scratch_ struct scratch s = scratch_open();
    _cleanup_close_ int fd = log_open(s.fd);
    struct rotation r = {.dir = s.fd, .max_size = 100, .max_file = 3};
    const int number = fd;
    for (char text[] = "a\n"; text[0] <= 'g'; text[0]++)
        (void)add(fd, &r, text, false);
    check(fd == number, "the fd keeps its number", "it is another");
    expect_text(s.fd, "log", "F g/");
    expect_text(s.fd, "log.1", "F e/F f/");
    expect_text(s.fd, "log.2", "F c/F d/");
    check(!exists(s.fd, "log.3") && !exists(s.fd, "log.new"), "no more files than that", "more");
    /* A line stays in one file if it ends in time. */
    check(add(fd, &r, "long", false), "in the middle of a line", "it is not");
    check(!add(fd, &r, "er\nnext\n", true), "at the end of one", "it is not");
    expect_text(s.fd, "log.1", "F g/P long/F er/");
    expect_text(s.fd, "log", "F next/");
    /* One rotation was interrupted. */
    unlinkat(s.fd, "log.1", 0);
    (void)add(fd, &r, "h\nj\n", false);
    expect_text(s.fd, "log.2", "F e/F f/");
    expect_text(s.fd, "log.1", "F next/");
    struct stat now, before;
    fstatat(s.fd, "log", &now, 0);
    fstatat(s.fd, "log.1", &before, 0);
    expect(log_generation(now.st_mode) == log_generation_after(log_generation(before.st_mode)),
           "files are counted", "%u after %u", log_generation(now.st_mode),
           log_generation(before.st_mode));
    r.max_size = 200;
    log_note(fd, &r, "two\nlines");
    expect_text(s.fd, "log", "F h/F j/F:netctr two/F:netctr lines/");
    log_tidy(s.fd, 1);
    check(!exists(s.fd, "log.1") && !exists(s.fd, "log.2") && exists(s.fd, "log"), "tidied", "no");
}

static void test_one_file(void)
{
    _cleanup_scratch_ struct scratch s = scratch_open();
    _cleanup_close_ int fd = log_open(s.fd);
    struct rotation r = {.dir = s.fd, .max_size = 100, .max_file = 1};
    for (char text[] = "a\n"; text[0] <= 'e'; text[0]++)
        (void)add(fd, &r, text, false);
    expect_text(s.fd, "log", "F e/");
    check(!exists(s.fd, "log.1"), "the only file", "it is not");
    r.max_size = -1;
    for (char text[] = "a\n"; text[0] <= 'e'; text[0]++)
        (void)add(fd, &r, text, false);
    expect_text(s.fd, "log", "F e/F a/F b/F c/F d/F e/");
}

/* One chunk may be larger than a file. */
static void test_chunk(void)
{
    _cleanup_scratch_ struct scratch s = scratch_open();
    _cleanup_close_ int fd = log_open(s.fd);
    struct rotation r = {.dir = s.fd, .max_size = 1000, .max_file = 3};
    char chunk[LOG_PIECE_MAX];
    memset(chunk, '\n', sizeof(chunk));
    check(!log_write(fd, &r, "stdout", chunk, sizeof(chunk), false), "newlines", "in a line");
    expect(size_of(s.fd, "log") <= 1000 && size_of(s.fd, "log.1") <= 1000 &&
               size_of(s.fd, "log.2") <= 1000,
           "no file is too large", "%ld, %ld, %ld", (long)size_of(s.fd, "log"),
           (long)size_of(s.fd, "log.1"), (long)size_of(s.fd, "log.2"));
    memset(chunk, 'x', sizeof(chunk));
    check(log_write(fd, &r, "stdout", chunk, sizeof(chunk), false), "no newline", "none seen");
    check(log_write(fd, &r, "stdout", chunk, sizeof(chunk), true), "nor in the next", "none seen");
    expect(size_of(s.fd, "log") + size_of(s.fd, "log.1") < 1000 + 2 * LOG_PIECE_MAX + 200,
           "a line without end is cut", "%ld and %ld", (long)size_of(s.fd, "log"),
           (long)size_of(s.fd, "log.1"));
}

static void test_strange(void)
{
    _cleanup_scratch_ struct scratch s = scratch_open();
    _cleanup_close_ int fd = log_open(s.fd);
    struct rotation r = {.dir = s.fd, .max_size = 100, .max_file = 2};
    mkdirat(s.fd, "log.1", 0700);
    mkdirat(s.fd, "log.new", 0700);
    for (char text[] = "a\n"; text[0] <= 'z'; text[0]++)
        (void)add(fd, &r, text, false);
    expect(size_of(s.fd, "log") <= 300, "it is bounded though it cannot be moved", "%ld",
           (long)size_of(s.fd, "log"));
    unlinkat(s.fd, "log.1", AT_REMOVEDIR);
    unlinkat(s.fd, "log.new", AT_REMOVEDIR);
    struct stat now, before;
    /* Truncated by another program: not full any more. */
    (void)!ftruncate(fd, 0);
    (void)add(fd, &r, "1\n", false);
    expect_text(s.fd, "log", "F 1/");
    /* Renamed by another program: the next file has the name. */
    (void)!renameat(s.fd, "log", s.fd, "mine");
    r.looked = 0;
    for (char text[] = "2\n"; text[0] <= '5'; text[0]++)
        (void)add(fd, &r, text, false);
    expect_text(s.fd, "mine", "F 1/");
    expect_text(s.fd, "log.1", "F 2/F 3/");
    expect_text(s.fd, "log", "F 4/F 5/");
    fstatat(s.fd, "log.1", &now, 0);
    fstatat(s.fd, "mine", &before, 0);
    check(log_generation(now.st_mode) == log_generation_after(log_generation(before.st_mode)),
          "a file that takes the name counts as the next", "it does not");
    /* Another program has created another file: it is the current one. */
    _cleanup_close_ int other = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    (void)!renameat(s.fd, "log", s.fd, "log.1");
    put_file(s.fd, "log", "", 0);
    log_reopen(other, s.fd);
    log_note(other, NULL, "note");
    expect_text(s.fd, "log", "F:netctr note/");
    unlinkat(s.fd, "log", 0);
    check((symlinkat("/dev/null", s.fd, "log"), log_open(s.fd)) == -EBADMSG, "a link", "is opened");
    unlinkat(s.fd, "log", 0);
    check((mkfifoat(s.fd, "log", 0600), log_open(s.fd)) == -EBADMSG, "a fifo", "is opened");
}

static void test_torn(void)
{
    _cleanup_scratch_ struct scratch s = scratch_open();
    static const char begun[] = "2026-11-23T14:05:00.123456789Z stdout F hal";
    put_file(s.fd, "log", begun, sizeof(begun) - 1);
    _cleanup_close_ int fd = log_open(s.fd);
    log_mend(fd);
    log_mend(fd);
    (void)add(fd, NULL, "next\n", false);
    expect_text(s.fd, "log", "F hal/F next/");
    static const char head[] = "2026-11-23T14:05:00.123456789Z std";
    put_file(s.fd, "log", head, sizeof(head) - 1);
    close_fd(fd);
    fd = log_open(s.fd);
    log_mend(fd);
    expect(size_of(s.fd, "log") == 0, "a head that is not complete is removed", "%ld",
           (long)size_of(s.fd, "log"));
    put_file(s.fd, "log", "not ours", 8);
    close_fd(fd);
    fd = log_open(s.fd);
    log_mend(fd);
    expect(size_of(s.fd, "log") == 9, "another program's line is ended", "%ld",
           (long)size_of(s.fd, "log"));
}

static void test_parse(void)
{
#define TIME "2026-11-23T14:05:00.123456789Z "
    static const char *const bad[] = {
        "",
        TIME,
        TIME "stdout",
        TIME "stdout F",
        TIME "stdout X text",
        TIME "stdin  F text",
        TIME "stdoutF  text",
        TIME "stdout Fx text",
        "2026-11-23T14:05:00.12345678Z stdout F text",
        "2026-11-23 14:05:00.123456789Z stdout F text",
        " " TIME "stdout F text",
        TIME "stdout F:a-tag-that-is-longer-than-any-head-may-be-and-goes-on text"};
    static const struct {
        const char *line;
        struct log_entry entry;
    } good[] = {{TIME "stdout F text", {LOG_STDOUT, false, 40}},
                {TIME "stdout F ", {LOG_STDOUT, false, 40}},
                {TIME "stderr P  text", {LOG_STDERR, true, 40}},
                {TIME "stderr F:other text", {LOG_STDERR, false, 46}},
                {TIME "stderr F:netctr text", {LOG_NOTE, false, 47}}};
    struct log_entry entry;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        check(!log_entry_parse(bad[i], strlen(bad[i]), &entry), "is no entry", bad[i]);
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        check(log_entry_parse(good[i].line, strlen(good[i].line), &entry) &&
                  entry.kind == good[i].entry.kind && entry.partial == good[i].entry.partial &&
                  entry.head == good[i].entry.head,
              "is an entry", good[i].line);
}

/* The limit of file size stands for a full disk. */
static void set_room(rlim_t bytes)
{
    const struct rlimit limit = {bytes, RLIM_INFINITY};
    check(setrlimit(RLIMIT_FSIZE, &limit) == 0, "set a limit", strerror(errno));
}

static void test_no_room(void)
{
    _cleanup_scratch_ struct scratch s = scratch_open();
    _cleanup_close_ int fd = log_open(s.fd);
    struct rotation r = {.dir = s.fd, .max_size = -1, .max_file = 1};
    signal(SIGXFSZ, SIG_IGN);
    set_room(130); /* three entries of "a", and a part of a fourth */
    check(!add(fd, &r, "a\na\na\na\na\n", false), "the end of a line", "in a line");
    expect_text(s.fd, "log", "F a/F a/F a/");
    check(r.size == 126 && size_of(s.fd, "log") == 126, "whole entries are kept", "they are not");
    (void)add(fd, &r, "lost\n", false);
    set_room(180); /* a note, and nothing after it */
    (void)add(fd, &r, "lost\nlost\n", false);
    expect_text(s.fd, "log", "F a/F a/F a/");
    set_room(RLIM_INFINITY);
    (void)add(fd, &r, "b\n", false);
    expect_text(s.fd, "log",
                "F a/F a/F a/F:netctr netctr: lost 5 lines (19 bytes) here: File too large/F b/");
    /* In the middle of a line: the part that is there is not joined with what comes next. */
    (void)add(fd, &r, "half", false);
    set_room((rlim_t)size_of(s.fd, "log") + 10);
    (void)add(fd, &r, " a line\n", true);
    set_room(RLIM_INFINITY);
    (void)!ftruncate(fd, 0);
    (void)add(fd, &r, "c\n", false);
    expect_text(s.fd, "log", "F /F:netctr netctr: lost 1 line (8 bytes) here: File too large/F c/");
    /* Another file has room. */
    set_room((rlim_t)size_of(s.fd, "log") + 10);
    (void)add(fd, &r, "lost\n", false);
    r.max_size = 100;
    r.max_file = 2;
    set_room(RLIM_INFINITY);
    (void)add(fd, &r, "e\n", false);
    expect_text(s.fd, "log", "F:netctr netctr: lost 1 line (5 bytes) here: File too large/F e/");
    expect_text(s.fd, "log.1",
                "F /F:netctr netctr: lost 1 line (8 bytes) here: File too large/F c/");
    r.max_size = -1;
    /* The program has ended. */
    set_room((rlim_t)size_of(s.fd, "log") + 10);
    (void)add(fd, &r, "d\n", false);
    log_finish(fd, &r);
    check(r.loss.error != 0, "it is not reported yet", "it is");
    set_room(RLIM_INFINITY);
    (void)!ftruncate(fd, 0);
    log_finish(fd, &r);
    log_finish(fd, &r);
    expect_text(s.fd, "log", "F:netctr netctr: lost 1 line (2 bytes) here: File too large/");
}

static void test_no_room_at_the_end(void)
{
    _cleanup_scratch_ struct scratch s = scratch_open();
    _cleanup_close_ int fd = log_open(s.fd);
    struct rotation r = {.dir = s.fd, .max_size = -1, .max_file = 1};
    (void)add(fd, &r, "a\nb", false);
    (void)add(fd, &r, "b\n1\n2\n3\n4\n5\n6\n", true);
    set_room((rlim_t)size_of(s.fd, "log"));
    (void)add(fd, &r, "lost\n", false);
    log_finish(fd, &r);
    set_room(RLIM_INFINITY);
    /* "b" has lost its end with the lines after it: the note ends it. */
    expect_text(s.fd, "log",
                "F a/P b/F /F:netctr netctr: lost 8 lines (19 bytes) here: File too large/");
}

static void test_options(void)
{
    struct log_options o = LOG_OPTIONS_DEFAULT, back;
    static const char *const bad[] = {
        "max-size=0",    "max-size=-2",           "max-size", "max-file=0",
        "max-file=1001", "max-size=99999999999g", "tag=x",    ""};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        check(log_option_parse(bad[i], &o, NULL) == -EINVAL, "is no option", bad[i]);
    check(o.max_size == 10 << 20 && o.max_file == 3 && o.driver == LOG_K8S_FILE, "the default", "");
    check(log_option_parse("max-size=10k", &o, NULL) == 0 && o.max_size == 10240, "a size", "");
    check(log_option_parse("max-size=-1", &o, NULL) == 0 && o.max_size == -1, "no limit", "");
    check(log_option_parse("max-file=1", &o, NULL) == 0 && o.max_file == 1, "files", "");
    check(log_driver_parse("json-file", &o, NULL) == -EINVAL, "is no driver", "json-file");
    check(log_driver_parse("none", &o, NULL) == 0 && o.driver == LOG_NONE, "none", "");
    _cleanup_json_ json_t *j = log_options_to_json(&o);
    check(log_options_from_json(j, &back, NULL) == 0 && back.max_size == -1 && back.max_file == 1 &&
              back.driver == LOG_NONE,
          "they come back from JSON", "they do not");
    json_object_set_new(j, "max_size", json_integer(0));
    check(log_options_from_json(j, &back, NULL) == -EBADMSG, "damaged JSON", "is believed");
    check(log_options_from_json(NULL, &back, NULL) == 0 && back.max_file == 3, "older than them",
          "is not the default");
}

int main(void)
{
    test_rotation();
    test_one_file();
    test_chunk();
    test_strange();
    test_torn();
    test_parse();
    test_no_room();
    test_no_room_at_the_end();
    test_options();
    return failures != 0;
}
