/* The event loop: the order of timers, changes from within callbacks, descriptors that are used again, fairness. */
#include "check.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/time.h>

static struct loop *loop_open(void)
{
    _cleanup_err_ struct err e = ERR_INIT;
    struct loop *l = NULL;
    if (loop_new(&l, &e) < 0) {
        check(false, "a loop", text_of(&e));
        exit(1);
    }
    return l;
}

static int always_ready(void)
{
    int fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0)
        exit(1);
    return fd;
}

/* What the callbacks share. */
struct bench {
    struct loop *loop;
    char said[64];
    size_t length;
    int fds[8], calls[8];
    loop_timer timers[8];
};

static void say(struct bench *b, char c)
{
    if (b->length < sizeof(b->said) - 1)
        b->said[b->length++] = c;
}

/* ---- timers ----------------------------------------------------------------------------------*/

struct letter {
    struct bench *bench;
    char letter;
};

static void say_letter(void *arg)
{
    const struct letter *l = arg;
    say(l->bench, l->letter);
}

static void test_order(void)
{
    _cleanup_loop_ struct loop *loop = loop_open();
    struct bench b = {.loop = loop};
    struct letter l[] = {{&b, 'a'}, {&b, 'b'}, {&b, 'c'}, {&b, 'd'}, {&b, 'e'}};
    const int64_t begin = monotonic_us();
    (void)loop_add_timer(loop, 30, say_letter, &l[3]);
    (void)loop_add_timer(loop, 0, say_letter, &l[0]);
    loop_timer never = loop_add_timer(loop, 15, say_letter, &l[4]);
    (void)loop_add_timer(loop, 20, say_letter, &l[2]);
    (void)loop_add_timer(loop, 10, say_letter, &l[1]);
    check(loop_timer_is_set(loop, never), "a timer is set", "it is not");
    never = loop_cancel_timer(loop, never);
    check(never == 0 && !loop_timer_is_set(loop, never), "and cancelled", "it is not");
    while (b.length < 4)
        (void)loop_run_once(loop, -1);
    expect(streq(b.said, "abcd"), "timers run in their order", "%s", b.said);
    expect(monotonic_us() - begin >= 29000, "and not early", "after %lld us",
           (long long)(monotonic_us() - begin));
    check(loop_run_once(loop, 5) == 0, "then there is nothing to run", "there is");
    for (int i = 0; i < 3; i++)
        (void)loop_add_timer(loop, 0, say_letter, &l[i]);
    b.length = 0;
    while (b.length < 3)
        (void)loop_run_once(loop, -1);
    expect(strncmp(b.said, "abc", 3) == 0, "those of one moment in the order of their coming", "%s",
           b.said);
}

static void set_again(void *arg)
{
    struct bench *b = arg;
    b->calls[0]++;
    b->timers[1] = loop_cancel_timer(b->loop, b->timers[1]);
    (void)loop_cancel_timer(b->loop, b->timers[0]); /* it has run: nothing happens */
    b->timers[0] = loop_add_timer(b->loop, 0, set_again, b);
}

static void count_1(void *arg)
{
    struct bench *b = arg;
    b->calls[1]++;
}

static void test_timers_from_callbacks(void)
{
    _cleanup_loop_ struct loop *loop = loop_open();
    struct bench b = {.loop = loop};
    b.timers[0] = loop_add_timer(loop, 0, set_again, &b);
    b.timers[1] = loop_add_timer(loop, 0, count_1, &b);
    (void)loop_run_once(loop, -1);
    expect(b.calls[0] == 1 && b.calls[1] == 0, "one cancels another that is due", "%d and %d calls",
           b.calls[0], b.calls[1]);
    (void)loop_run_once(loop, -1);
    expect(b.calls[0] == 2, "one that sets itself again runs once a turn", "%d", b.calls[0]);
    loop_timer stale = b.timers[0];
    b.timers[0] = loop_cancel_timer(loop, stale);
    loop_timer fresh = loop_add_timer(loop, 0, count_1, &b); /* in the slot of that one */
    (void)loop_cancel_timer(loop, stale);
    check(fresh != stale && loop_timer_is_set(loop, fresh), "an old handle cancels no other timer",
          "it does");
}

enum { MANY = 5000 };

struct numbered {
    int64_t from,
        until; /* it is due between these: the test may lose the processor while it adds the timer */
    int *run, *late;
    int64_t *last;
};

static void in_order(void *arg)
{
    const struct numbered *n = arg;
    ++*n->run;
    *n->late += n->until + 1 < *n->last; /* their times were taken to the millisecond */
    *n->last = n->from;
}

static void test_thousands(void)
{
    _cleanup_loop_ struct loop *loop = loop_open();
    _cleanup_free_ struct numbered *all = xcalloc(MANY, sizeof(*all));
    _cleanup_free_ loop_timer *timers = xcalloc(MANY, sizeof(*timers));
    int run = 0, late = 0, cancelled = 0;
    int64_t last = 0;
    unsigned seed = 1;
    for (int i = 0; i < MANY; i++) {
        seed = seed * 1103515245 + 12345;
        int ms = (int)(seed >> 16) % 50;
        all[i] = (struct numbered){monotonic_ms() + ms, 0, &run, &late, &last};
        timers[i] = loop_add_timer(loop, ms, in_order, &all[i]);
        all[i].until = monotonic_ms() + ms;
    }
    for (int i = 0; i < MANY; i += 3)
        if (loop_timer_is_set(loop, timers[i])) {
            timers[i] = loop_cancel_timer(loop, timers[i]);
            cancelled++;
        }
    const int64_t begin = monotonic_ms();
    while (run + cancelled < MANY && monotonic_ms() - begin < 10000)
        (void)loop_run_once(loop, 100);
    expect(run + cancelled == MANY && late == 0, "thousands of timers",
           "%d run, %d cancelled, %d out of order", run, cancelled, late);
    bool any = false;
    for (int i = 0; i < MANY; i++)
        any = any || loop_timer_is_set(loop, timers[i]);
    check(!any, "and none is left", "one is");
}

/* ---- descriptors -----------------------------------------------------------------------------*/

static void count(int fd, uint32_t events, void *arg)
{
    (void)fd;
    (void)events;
    ++*(int *)arg;
}

/* Whichever comes first takes all others away. */
static void remove_others(int fd, uint32_t events, void *arg)
{
    struct bench *b = arg;
    (void)events;
    b->calls[0]++;
    for (int i = 0; i < 4; i++)
        if (b->fds[i] != fd)
            loop_remove_fd(b->loop, b->fds[i]);
}

static void test_remove(void)
{
    _cleanup_loop_ struct loop *loop = loop_open();
    struct bench b = {.loop = loop};
    for (int i = 0; i < 4; i++) {
        b.fds[i] = always_ready();
        check(loop_add_fd(loop, b.fds[i], EPOLLIN, remove_others, &b, NULL) == 0, "add", "failed");
    }
    check(loop_add_fd(loop, b.fds[0], EPOLLIN, remove_others, &b, NULL) == -EEXIST,
          "one is not added twice", "it is");
    int called = loop_run_once(loop, 0);
    expect(called == 1 && b.calls[0] == 1, "what is removed is not called any more", "%d calls",
           called);
    for (int i = 0; i < 4; i++) {
        loop_remove_fd(loop, b.fds[i]);
        close(b.fds[i]);
    }
    check(loop_run_once(loop, 0) == 0, "nothing is left", "something is");
    check(loop_modify(loop, b.fds[0], EPOLLIN) == -ENOENT, "what is not there is not modified",
          "it is");
}

/* Closes the other descriptor and opens one that gets its number. */
static void replace_other(int fd, uint32_t events, void *arg)
{
    struct bench *b = arg;
    (void)events;
    if (b->calls[0]++)
        return;
    int other = b->fds[fd == b->fds[0]];
    loop_remove_fd(b->loop, other);
    close(other);
    int again = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    expect(again == other, "a number is used again", "%d, not %d", again, other);
    check(loop_add_fd(b->loop, again, EPOLLIN, count, &b->calls[1], NULL) == 0, "and watched",
          "failed");
}

static void test_reused_number(void)
{
    _cleanup_loop_ struct loop *loop = loop_open();
    struct bench b = {.loop = loop};
    for (int i = 0; i < 2; i++) {
        b.fds[i] = always_ready();
        (void)loop_add_fd(loop, b.fds[i], EPOLLIN, replace_other, &b, NULL);
    }
    (void)loop_run_once(loop, 0);
    expect(b.calls[0] == 1 && b.calls[1] == 0, "an event of before is not taken for the new file's",
           "%d and %d calls", b.calls[0], b.calls[1]);
    (void)loop_run_once(loop, 0);
    expect(b.calls[0] == 2 && b.calls[1] == 0, "the others go on", "%d and %d", b.calls[0],
           b.calls[1]);
    for (int i = 0; i < 2; i++)
        close(b.fds[i]);
}

/* Its owner should have removed it; the next file with that number must not suffer. */
static void test_closed_first(void)
{
    _cleanup_loop_ struct loop *loop = loop_open();
    int before = 0, after = 0, fd = always_ready();
    (void)loop_add_fd(loop, fd, EPOLLIN, count, &before, NULL);
    close(fd);
    int again = always_ready();
    check(again == fd && loop_add_fd(loop, again, EPOLLIN, count, &after, NULL) == 0,
          "what was closed without being removed is replaced", "it is not");
    (void)loop_run_once(loop, 0);
    expect(before == 0 && after == 1, "and called", "%d and %d calls", before, after);
    close(again);
}

static void add_another(int fd, uint32_t events, void *arg)
{
    struct bench *b = arg;
    (void)events;
    loop_remove_fd(b->loop, fd);
    b->fds[1] = always_ready();
    /* Far away, so that the table grows under the callback. */
    b->fds[2] = fcntl(b->fds[1], F_DUPFD_CLOEXEC, 900);
    (void)loop_add_fd(b->loop, b->fds[1], EPOLLIN, count, &b->calls[1], NULL);
    (void)loop_add_fd(b->loop, b->fds[2], EPOLLIN, count, &b->calls[2], NULL);
    b->calls[0]++;
}

static void test_add(void)
{
    _cleanup_loop_ struct loop *loop = loop_open();
    struct bench b = {.loop = loop, .fds = {always_ready()}};
    (void)loop_add_fd(loop, b.fds[0], EPOLLIN, add_another, &b, NULL);
    for (int i = 0; i < 3; i++)
        (void)loop_run_once(loop, 0);
    expect(b.calls[0] == 1 && b.calls[1] == 2 && b.calls[2] == 2,
           "a callback removes itself and adds others", "%d, %d, %d", b.calls[0], b.calls[1],
           b.calls[2]);
    for (int i = 0; i < 3; i++)
        close(b.fds[i]);
}

static void test_modify(void)
{
    _cleanup_loop_ struct loop *loop = loop_open();
    int calls = 0, ends[2];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
        exit(1);
    (void)loop_add_fd(loop, ends[1], 0, count, &calls, NULL);
    check(loop_run_once(loop, 0) == 0, "without events nothing is reported", "it is");
    close(ends[0]);
    check(loop_run_once(loop, 0) == 0, "not even that the other end is closed", "it is");
    check(loop_modify(loop, ends[1], EPOLLOUT) == 0 && loop_run_once(loop, 0) == 1,
          "with events it is", "it is not");
    check(loop_modify(loop, ends[1], 0) == 0 && loop_run_once(loop, 0) == 0, "and no more",
          "it still is");
    loop_remove_fd(loop, ends[1]);
    close(ends[1]);
    int edge = always_ready();
    calls = 0;
    (void)loop_add_fd(loop, edge, EPOLLIN | EPOLLET, count, &calls, NULL);
    for (int i = 0; i < 3; i++)
        (void)loop_run_once(loop, 0);
    expect(calls == 1, "an edge is reported once", "%d times", calls);
    (void)loop_modify(loop, edge, EPOLLIN | EPOLLET);
    (void)loop_run_once(loop, 0);
    expect(calls == 2, "and again on request", "%d times", calls);
    close(edge);
}

static uint32_t seen;
static void note_events(int fd, uint32_t events, void *arg)
{
    (void)fd;
    (void)arg;
    seen = events;
}

/* epoll refuses both with EPERM; poll() calls them ready. */
static void test_always_ready(void)
{
    _cleanup_loop_ struct loop *loop = loop_open();
    int before = open_fds();
    int fds[] = {memfd_create("file", MFD_CLOEXEC), open("/dev/null", O_RDWR | O_CLOEXEC)};
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        seen = 0;
        check(loop_add_fd(loop, fds[i], EPOLLIN, note_events, NULL, NULL) == 0 &&
                  loop_run_once(loop, 0) == 1 && seen == EPOLLIN,
              "a file is always readable", "it is not");
        check(loop_modify(loop, fds[i], EPOLLOUT) == 0 && loop_run_once(loop, 0) == 1 &&
                  seen == EPOLLOUT,
              "and writable", "it is not");
        check(loop_modify(loop, fds[i], 0) == 0 && loop_run_once(loop, 0) == 0, "unless unwanted",
              "it is");
        (void)loop_modify(loop, fds[i], EPOLLIN);
        loop_remove_fd(loop, fds[i]);
        check(loop_run_once(loop, 0) == 0, "and then it is gone", "it is not");
        close(fds[i]);
    }
    expect(open_fds() == before, "no descriptor is left open", "%d", open_fds() - before);
    check(loop_add_fd(loop, fds[0], EPOLLIN, note_events, NULL, NULL) == -EBADF,
          "what is closed is an error", "it is not");
}

/* ---- turns -----------------------------------------------------------------------------------*/

enum { BUSY = 100 };

static void test_fairness(void)
{
    _cleanup_loop_ struct loop *loop = loop_open();
    int fds[BUSY], calls[BUSY] = {0}, timer_calls = 0, quiet[2], quiet_calls = 0;
    struct bench b = {.loop = loop};
    if (pipe2(quiet, O_CLOEXEC | O_NONBLOCK) < 0)
        exit(1);
    for (int i = 0; i < BUSY; i++) {
        fds[i] = always_ready();
        (void)loop_add_fd(loop, fds[i], EPOLLIN, count, &calls[i], NULL);
    }
    (void)loop_add_fd(loop, quiet[0], EPOLLIN, count, &quiet_calls, NULL);
    (void)loop_run_once(loop, 0);
    if (write(quiet[1], "x", 1) != 1)
        exit(1);
    (void)loop_add_timer(loop, 0, count_1, &b);
    (void)loop_run_once(loop, 0);
    timer_calls = b.calls[1];
    expect(timer_calls == 1, "busy descriptors do not keep timers", "%d", timer_calls);
    for (int i = 0; i < 2; i++)
        (void)loop_run_once(loop, 0);
    check(quiet_calls > 0, "nor a descriptor that comes late", "they do");
    for (int i = 0; i < 100; i++)
        (void)loop_run_once(loop, 0);
    int least = calls[0], most = calls[0];
    for (int i = 1; i < BUSY; i++) {
        least = calls[i] < least ? calls[i] : least;
        most = calls[i] > most ? calls[i] : most;
    }
    expect(least > 0 && most - least <= 1, "busy descriptors have equal turns", "%d to %d", least,
           most);
    for (int i = 0; i < BUSY; i++)
        close(fds[i]);
    close(quiet[0]);
    close(quiet[1]);
}

static void stop(void *arg)
{
    loop_stop(arg);
}

static void nothing(int signal)
{
    (void)signal;
}

static void test_run(void)
{
    _cleanup_loop_ struct loop *loop = loop_open();
    const struct sigaction action = {.sa_handler = nothing};
    const struct itimerval soon = {.it_value.tv_usec = 10000};
    (void)sigaction(SIGALRM, &action, NULL);
    (void)setitimer(ITIMER_REAL, &soon, NULL);
    check(loop_run_once(loop, 10000) == 0, "a signal interrupts a turn and is no error", "it is");
    (void)loop_add_timer(loop, 20, stop, loop);
    const int64_t begin = monotonic_ms();
    check(loop_run(loop, NULL) == 0 && monotonic_ms() - begin >= 19,
          "a loop runs until it is stopped", "it does not");
    int64_t before = monotonic_ms();
    check(loop_run_once(loop, 20) == 0 && monotonic_ms() - before >= 19, "a turn has its timeout",
          "it has not");
}

/* A child that frees its copy must leave the parent's loop as it is. */
static int free_copy(void *arg)
{
    loop_free(arg);
    return 0;
}

static void test_fork(void)
{
    struct loop *loop = loop_open();
    int calls = 0, fd = always_ready(), file = memfd_create("file", MFD_CLOEXEC);
    (void)loop_add_fd(loop, fd, EPOLLIN, count, &calls, NULL);
    (void)loop_add_fd(loop, file, EPOLLIN, count, &calls, NULL);
    check(in_child(free_copy, loop) == 0, "a child frees the loop", "it does not");
    (void)loop_run_once(loop, 0);
    expect(calls == 2, "and its parent goes on", "%d calls", calls);
    int before = open_fds();
    loop_free(loop);
    expect(before - open_fds() == 2, "a loop that is freed leaves nothing open", "%d",
           before - open_fds());
    close(fd);
    close(file);
}

static void test_exec(void)
{
    _cleanup_loop_ struct loop *loop = loop_open();
    int file = memfd_create("file", MFD_CLOEXEC), calls = 0, leaks = 0;
    (void)loop_add_fd(loop, file, EPOLLIN, count, &calls, NULL);
    for (int fd = 3; fd < 1024; fd++) {
        int flags = fcntl(fd, F_GETFD);
        char path[32], target[64] = "";
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        (void)!readlink(path, target, sizeof(target) - 1);
        leaks += flags >= 0 && !(flags & FD_CLOEXEC) && strncmp(target, "anon_inode:", 11) == 0;
    }
    expect(leaks == 0, "no descriptor passes an exec", "%d do", leaks);
    close(file);
}

int main(void)
{
    alarm(60);
    test_order();
    test_timers_from_callbacks();
    test_thousands();
    test_remove();
    test_reused_number();
    test_closed_first();
    test_add();
    test_modify();
    test_always_ready();
    test_fairness();
    test_fork();
    test_exec();
    test_run();
    return failures != 0;
}
