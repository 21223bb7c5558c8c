/* Streams: nothing is lost, a reader that pauses does not block, and the log is complete. */
#include "check.h"

#include "core/relay.h"

#include <signal.h>
#include <sys/mman.h>

/* A stream between two pipes, with a log. */
struct line {
    struct stream stream;
    int in, out; /* the ends that the test holds */
};

static struct line line_open(bool close_to)
{
    int from[2], to[2];
    if (pipe2(from, O_CLOEXEC) < 0 || pipe2(to, O_CLOEXEC) < 0)
        exit(1);
    struct line l = {.in = from[1], .out = to[0]};
    l.stream = (struct stream){.from = from[0], .to = to[1], .close_to = close_to, .tag = "stdout"};
    l.stream.log = memfd_create("log", MFD_CLOEXEC);
    return l;
}

static void line_close(struct line *l)
{
    close_fd(l->stream.from);
    close_fd(l->stream.to);
    close_fd(l->stream.log);
    close_fd(l->in);
    close_fd(l->out);
}
#define _cleanup_line_ __attribute__((cleanup(line_close)))

/* Runs the stream as long as it has work, as the monitor does. */
static int run(struct stream *s)
{
    int steps = 0;
    for (; steps < 100000; steps++) {
        struct pollfd p = stream_interest(s);
        if (p.fd < 0 || poll(&p, 1, 0) <= 0)
            break;
        stream_run(s, p.revents);
    }
    return steps;
}

static void say(struct line *l, const void *text, size_t size)
{
    if (write(l->in, text, size) != (ssize_t)size)
        check(false, "write", strerror(errno));
}

/* The log without its times: "stdout F text\n". */
static char *log_of(const struct stream *s, size_t *size)
{
    _cleanup_free_ char *path = fd_path(s->log), *all = NULL;
    size_t total = 0;
    if (read_file_at(AT_FDCWD, path, 16 << 20, &all, &total) < 0)
        return xstrdup("unreadable");
    char *out = xcalloc(total + 1, 1), *to = out;
    for (char *at = all, *end = all + total; at < end;) {
        char *newline = memchr(at, '\n', (size_t)(end - at)), *stop = newline ? newline + 1 : end;
        char *text = memchr(at, ' ', (size_t)(stop - at));
        /* "2026-11-23T14:05:00.123456789Z " */
        if (!text || text - at != 30 || at[10] != 'T' || at[19] != '.' || text[-1] != 'Z') {
            free(out);
            return xstrdup("no time");
        }
        memcpy(to, text + 1, (size_t)(stop - text - 1));
        to += stop - text - 1;
        at = stop;
    }
    if (size)
        *size = (size_t)(to - out);
    return out;
}

static void test_lines(void)
{
    _cleanup_line_ struct line l = line_open(false);
    static const char *const parts[] = {"one\ntwo\n", "begin", " middle", " end\nnext\n\n", "last"};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        say(&l, parts[i], strlen(parts[i]));
        run(&l.stream);
        if (i < 4)
            expect(l.stream.mid_line == (i == 1 || i == 2), "in the middle of a line", "part %zu",
                   i);
    }
    l.in = close_fd(l.in);
    run(&l.stream);
    char text[200] = "";
    (void)!read(l.out, text, sizeof(text) - 1);
    check(streq(text, "one\ntwo\nbegin middle end\nnext\n\nlast"), "the reader gets all", text);
    _cleanup_free_ char *log = log_of(&l.stream, NULL);
    check(streq(log, "stdout F one\nstdout F two\nstdout P begin\nstdout P  middle\nstdout F  end\n"
                     "stdout F next\nstdout F \nstdout P last\n"),
          "the log tells whole lines from parts", log);
    check(stream_ended(&l.stream) && stream_interest(&l.stream).fd == -1, "the end is seen",
          "it is not");
    check(l.stream.to >= 0 && fcntl(l.stream.to, F_GETFD) >= 0, "the reader's end stays open",
          "closed");
}

static void test_binary(void)
{
    _cleanup_line_ struct line l = line_open(false);
    char data[RELAY_CHUNK * 3];
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (char)(i * 7 + i / 251);
    say(&l, data, sizeof(data));
    l.in = close_fd(l.in);
    run(&l.stream);
    char back[sizeof(data) + 1];
    ssize_t n = read(l.out, back, sizeof(back));
    check(n == sizeof(data) && memcmp(back, data, sizeof(data)) == 0, "the reader gets every byte",
          "no");
    /* the content of the log, joined again */
    size_t size = 0, got = 0;
    _cleanup_free_ char *log = log_of(&l.stream, &size), *joined = xcalloc(size + 1, 1);
    for (char *at = log, *end = log + size; at < end;) {
        char *newline = memchr(at, '\n', (size_t)(end - at));
        if (!newline || newline - at < 9)
            break;
        memcpy(joined + got, at + 9, (size_t)(newline - at) - 9);
        got += (size_t)(newline - at) - 9;
        if (at[7] == 'F')
            joined[got++] = '\n';
        at = newline + 1;
    }
    expect(got == sizeof(data) && memcmp(joined, data, got) == 0, "the log has every byte",
           "%zu of %zu", got, sizeof(data));
}

/* Without a reader the stream waits in poll(), not in write(). */
static void test_slow_reader(void)
{
    _cleanup_line_ struct line l = line_open(false);
    char data[32768];
    memset(data, 'x', sizeof(data));
    fcntl(l.in, F_SETFL, O_NONBLOCK);
    size_t written = 0, read_back = 0;
    alarm(20); /* a test that blocks is a failed test */
    for (int i = 0; i < 50; i++) {
        ssize_t n = write(l.in, data, sizeof(data));
        written += n > 0 ? (size_t)n : 0;
        run(&l.stream);
    }
    struct pollfd p = stream_interest(&l.stream);
    check(p.fd == l.stream.to && p.events == POLLOUT && poll(&p, 1, 0) == 0,
          "a slow reader stops the stream, not the caller", "it does not");
    expect(written > 65536 && written < 300000, "and then the program", "%zu bytes", written);
    l.in = close_fd(l.in);
    while (read_back < written) {
        ssize_t n = read(l.out, data, sizeof(data));
        if (n <= 0)
            break;
        read_back += (size_t)n;
        run(&l.stream);
    }
    alarm(0);
    expect(read_back == written, "nothing is lost", "%zu of %zu", read_back, written);
}

static void test_reader_gone(void)
{
    signal(SIGPIPE, SIG_IGN); /* as the monitor does */
    _cleanup_line_ struct line l = line_open(false);
    int to = l.stream.to, from = l.stream.from;
    check(!stream_hang_up(&l.stream, &from) && from >= 0, "one with a reader goes on",
          "it does not");
    l.out = close_fd(l.out);
    say(&l, "a\n", 2);
    run(&l.stream);
    say(&l, "b\n", 2);
    run(&l.stream);
    _cleanup_free_ char *log = log_of(&l.stream, NULL);
    check(l.stream.broken == EPIPE && !stream_failed(&l.stream) && streq(log, "stdout F a\n"),
          "without a reader nothing is read", log);
    check(stream_hang_up(&l.stream, &from) && from < 0 && stream_drained(&l.stream) &&
              write(l.in, "c", 1) < 0 && errno == EPIPE,
          "and the writer gets EPIPE", "it does not");
    close(to);
    _cleanup_line_ struct line full = line_open(false);
    close_fd(full.stream.to);
    full.stream.to = open("/dev/full", O_WRONLY | O_CLOEXEC);
    say(&full, "a", 1);
    run(&full.stream);
    check(stream_failed(&full.stream), "a full disk is another thing", "it is not");
    full.stream.to = -1;
    _cleanup_line_ struct line closed = line_open(false);
    close_fd(closed.stream.to);
    closed.stream.to = open("/dev/null", O_RDONLY | O_CLOEXEC);
    say(&closed, "a", 1);
    run(&closed.stream);
    say(&closed, "b\n", 2);
    run(&closed.stream);
    _cleanup_free_ char *only = log_of(&closed.stream, NULL);
    check(!closed.stream.broken && streq(only, "stdout P a\nstdout F b\n"),
          "what was closed from the beginning is only logged", only);
    _cleanup_line_ struct line input = line_open(true);
    input.out = close_fd(input.out);
    say(&input, "a", 1);
    run(&input.stream);
    check(stream_ended(&input.stream) && input.stream.to < 0, "stdin without a reader ends",
          "it goes on");
}

static void test_close_to(void)
{
    _cleanup_line_ struct line l = line_open(true);
    close(l.stream.log);
    l.stream.log = -1;
    say(&l, "input", 5);
    l.in = close_fd(l.in);
    run(&l.stream);
    char text[10] = "";
    check(read(l.out, text, 9) == 5 && read(l.out, text, 9) == 0 && streq(text, "input"),
          "the end of stdin is passed on", "it is not");
}

static void test_only_logged(void)
{
    _cleanup_line_ struct line l = line_open(false);
    close(l.stream.to);
    l.stream.to = -1;
    say(&l, "quiet\n", 6);
    run(&l.stream);
    log_note(l.stream.log, NULL, "a note");
    log_note(-1, NULL, "nowhere");
    _cleanup_free_ char *log = log_of(&l.stream, NULL);
    check(streq(log, "stdout F quiet\nstderr F:netctr a note\n"),
          "without a reader there is the log", log);
    l.stream.log = close_fd(l.stream.log);
    l.stream.log = open("/dev/full", O_WRONLY | O_CLOEXEC);
    say(&l, "more\n", 5);
    run(&l.stream);
    check(!stream_ended(&l.stream) && l.stream.sent == l.stream.used, "a full disk ends nothing",
          "it does");
}

static void test_nothing_to_do(void)
{
    _cleanup_line_ struct line l = line_open(false);
    fcntl(l.stream.from, F_SETFL, O_NONBLOCK);
    stream_run(&l.stream, 0);
    stream_run(&l.stream, POLLIN); /* spurious */
    check(!stream_ended(&l.stream) && stream_interest(&l.stream).fd == l.stream.from,
          "nothing to read is no end", "it is");
}

int main(void)
{
    test_lines();
    test_binary();
    test_slow_reader();
    test_reader_gone();
    test_close_to();
    test_only_logged();
    test_nothing_to_do();
    return failures != 0;
}
