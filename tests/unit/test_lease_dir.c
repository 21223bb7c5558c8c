/* What kills, damage and an older netctr leave of leases: no address is given out twice, and nothing
 * stays. */
#include "leases.h"

#include <dirent.h>
#include <inttypes.h>
#include <sys/syscall.h>
#include <time.h>

/* ---- a process that ends before one of its steps -----------------------------------------------*/

enum { KILLED = 77 };
static int steps_left = -1;     /* -1: all */
static int64_t later;           /* added to the clock, seconds */
static struct timespec stopped; /* the clock, unless it runs */
static size_t calls;            /* system calls that change files or look them up */

static void step(void)
{
    calls++;
    if (steps_left >= 0 && steps_left-- == 0)
        _exit(KILLED);
}

/* In place of libc's. */
int symlinkat(const char *target, int fd, const char *path)
{
    step();
    return (int)syscall(SYS_symlinkat, target, fd, path);
}
int renameat(int from, const char *old, int to, const char *new)
{
    step();
    return (int)syscall(SYS_renameat2, from, old, to, new, 0);
}
int renameat2(int from, const char *old, int to, const char *new, unsigned flags)
{
    step();
    return (int)syscall(SYS_renameat2, from, old, to, new, flags);
}
int unlinkat(int fd, const char *path, int flags)
{
    step();
    return (int)syscall(SYS_unlinkat, fd, path, flags);
}
int mkdirat(int fd, const char *path, mode_t mode)
{
    step();
    return (int)syscall(SYS_mkdirat, fd, path, mode);
}
int openat(int fd, const char *path, int flags, ...)
{
    calls++;
    va_list args;
    va_start(args, flags);
    int file = (int)syscall(SYS_openat, fd, path, flags, va_arg(args, mode_t));
    va_end(args);
    return file;
}
ssize_t readlinkat(int fd, const char *path, char *out, size_t size)
{
    calls++;
    return syscall(SYS_readlinkat, fd, path, out, size);
}
ssize_t write(int fd, const void *data, size_t size)
{
    step();
    return syscall(SYS_write, fd, data, size);
}
int clock_gettime(clockid_t clock, struct timespec *t)
{
    int r = (int)syscall(SYS_clock_gettime, clock, t);
    if (clock == CLOCK_BOOTTIME && stopped.tv_sec)
        *t = stopped;
    t->tv_sec += clock == CLOCK_BOOTTIME ? later : 0;
    return r;
}

/* ---- the network -------------------------------------------------------------------------------*/

static struct pool pool(void)
{
    return (struct pool){.network = "net",
                         .subnet4 = subnet("10.9.0.0/24"),
                         .subnet6 = subnet("fd00::/64"),
                         .gateway4 = ip("10.9.0.1"),
                         .gateway6 = ip("fd00::1")};
}

static int acquire_for(int dir, const char *owner, const char *wanted6, struct lease *l)
{
    const struct pool p = pool();
    struct lease_request q = {.address6 = ip(wanted6), .container = owner, .owner = owner};
    return lease_acquire(dir, &p, &q, l, NULL);
}

static int repair(int dir, const struct lease *of, bool complete)
{
    const struct lease_repair how = {
        .living = of, .count = of != NULL, .complete = complete, .create = true};
    return lease_repair(dir, "net", &how, NULL);
}

/* ---- what they do ------------------------------------------------------------------------------*/

static int dir;

static void nothing_before(void)
{
}
static void acquire_c(void)
{
    _cleanup_lease_ struct lease l = {0};
    (void)acquire_for(dir, "c", "", &l);
}
/* Where another one, with another IPv6 address, has rested. */
static void rested_before(void)
{
    _cleanup_lease_ struct lease l = {0};
    (void)acquire_for(dir, "old", "fd00::77", &l);
    (void)lease_release(dir, "net", "old", NULL);
    (void)unlinkat(dir, "net/last", 0);
    later++;
}
static void acquire_77(void)
{
    _cleanup_lease_ struct lease l = {0};
    (void)acquire_for(dir, "c", "fd00::77", &l);
}
static void release_c(void)
{
    (void)lease_release(dir, "net", "c", NULL);
}
static void c_and_rested_before(void)
{
    acquire_c();
    rested_before();
}
static void tidy(void)
{
    (void)lease_tidy(dir, "net", NULL);
}
static void damaged_before(void)
{
    put_file(dir, "net/10.9.0.2", "damaged\n", 8);
    put_file(dir, "net/10.9.0.9", "damaged\n", 8);
}
static struct lease known;
static void repair_known(void)
{
    (void)repair(dir, &known, true);
}
static void directory_before(void)
{
    (void)unlinkat(dir, "net/10.9.0.2", 0);
    (void)mkdirat(dir, "net/10.9.0.2", 0700);
    (void)mkdirat(dir, "net/10.9.0.2/below", 0700);
}
static void missing_before(void)
{
    (void)remove_tree_at(dir, "net");
}
static void garbage_before(void)
{
    missing_before();
    put_file(dir, "net", "garbage", 7);
}

/* ---- what is left ------------------------------------------------------------------------------*/

static int count_names(const char *path)
{
    int count = 0;
    _cleanup_dir_ DIR *d = open_listing(dir, path);
    for (struct dirent *entry; d && (entry = readdir(d));)
        count += *entry->d_name != '.';
    return d ? count : -1;
}

static int forget_others(const struct lease *l, void *arg)
{
    (void)arg;
    return streq(l->owner, "a") ? 0 : lease_release(dir, "net", l->owner, NULL);
}

/* What gc does. */
static void collect(void)
{
    (void)repair(dir, &known, true);
    tidy();
    (void)lease_each(dir, "net", forget_others, NULL, NULL);
    later += 2; /* a tick of resting/ is longer than the pause */
    tidy();
}

/* The one that lives keeps its address, and no other gets it. */
static const char *look(void)
{
    _cleanup_lease_ struct lease z = {0}, c = {0}, a = {0};
    int found = lease_find(dir, "net", "c", &c, NULL), r = acquire_for(dir, "z", "", &z);
    if (r < 0 && r != -ENOENT) /* missing is not all free */
        return "no address any more";
    if (r == 0 &&
        (ip_equal(&z.address4, &known.address4) || ip_equal(&z.address6, &known.address6)))
        return "the address in use is given out again";
    if (r == 0 && found == 1 && ip_equal(&z.address4, &c.address4))
        return "the other's address is given out again";
    collect();
    if (lease_find(dir, "net", "a", &a, NULL) != 1 || !ip_equal(&a.address4, &known.address4))
        return "the one that lives has lost its lease";
    if (count_names("net/owner") != 1 || count_names("net/mac") != 1 || count_names("net/resting"))
        return "links are left";
    return count_names("net") == (exists(dir, "net/last") ? 7 : 6) && count_names(".") == 1
               ? NULL
               : "files are left";
}

struct crash {
    const char *name;
    void (*before)(void), (*act)(void);
};

static void strike(const struct crash *c)
{
    int status = KILLED, steps = 0;
    const char *wrong = NULL;
    for (; status == KILLED && !wrong && steps < 1000; steps++) {
        fresh(dir, "net");
        lease_clear(&known);
        known = (struct lease){0};
        (void)acquire_for(dir, "a", "", &known);
        c->before();
        fflush(stdout);
        pid_t pid = fork();
        if (pid == 0) {
            steps_left = steps;
            c->act();
            _exit(0);
        }
        (void)waitpid(pid, &status, 0);
        status = WEXITSTATUS(status);
        wrong = look();
    }
    expect(!wrong && status == 0 && steps > 2, c->name, "step %d: %s", steps, wrong ? wrong : "-");
}

static void test_kills(void)
{
    static const struct crash crashes[] = {
        {"killed while it acquires", nothing_before, acquire_c},
        {"killed while it acquires what has rested", rested_before, acquire_77},
        {"killed while it releases", acquire_c, release_c},
        {"killed while it releases, and removes what has rested", c_and_rested_before, release_c},
        {"killed while it tidies", rested_before, tidy},
        {"killed while it repairs", damaged_before, repair_known},
        {"killed while it replaces a directory", directory_before, repair_known},
        {"killed while it rebuilds all", missing_before, repair_known},
        {"killed while it replaces a file by a directory", garbage_before, repair_known},
    };
    for (size_t i = 0; i < ARRAY_LEN(crashes); i++)
        strike(&crashes[i]);
}

/* ---- damage ------------------------------------------------------------------------------------*/

#define LINE(address, owner) address "  web  02:42:0a:09:00:02  2026-11-23T14:05:00Z  " owner

static void test_damage(void)
{
    static const char *const bad[] = {
        "",
        "\n",
        "garbage\n",
        LINE("10.9.0.2", "4f1c"), /* no newline */
        LINE("10.9.0.2", "4f1c") "\n\n",
        LINE("10.9.0.2", "4f1c") "\n" LINE("10.9.0.3", "4f1c") "\n",
        LINE("10.9.0.3", "4f1c") "\n",
        LINE("10.9.0.2", "4f1c") "  more\n",
        LINE("10.9.0.2", "../x") "\n",
        LINE("10.9.0.2", "resting-until=x") "\n",
        LINE("10.9.0.2", "stranger") "\n", /* not the owner that its link names */
        LINE("10.9.0.2,fd00::3", "a") "\n",
        "10.9.0.2,fd00::2  web  02:42:0a:09:00  2026-11-23T14:05:00Z  a\n",
        "10.9.0.2,fd00::2  web  02:42:0a:09:00:02  yesterday  a\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        _cleanup_lease_ struct lease a = {0}, b = {0}, c = {0};
        _cleanup_free_ char *name = xasprintf("damaged: %zu", i);
        int count = 0;
        fresh(dir, "net");
        (void)acquire_for(dir, "a", "", &a);
        put_file(dir, "net/10.9.0.2", bad[i], strlen(bad[i]));
        (void)unlinkat(dir, "net/last", 0);
        check(acquire_for(dir, "b", "", &b) == 0 && b.address4.bytes[3] == 3, name, "not taken");
        check(lease_each(dir, "net", count_one, &count, NULL) == 0 && count == 1,
              "the others are listed", "they are not");
        check(repair(dir, &a, false) == 1 && lease_find(dir, "net", "a", &c, NULL) == 1 &&
                  ip_equal(&a.address6, &c.address6),
              "restored", "it is not");
    }
}

static void test_strangers(void)
{
    _cleanup_lease_ struct lease a = {0}, b = {0}, c = {0};
    struct ip want = ip("10.9.0.2");
    const struct pool p = pool();
    struct lease_request q = {.address4 = want, .container = "b", .owner = "b"};
    _cleanup_err_ struct err e = ERR_INIT;
    fresh(dir, "net");
    (void)mkdirat(dir, "net/10.9.0.2", 0700);
    (void)symlinkat("/dev/zero", dir, "net/10.9.0.3");
    (void)mkfifoat(dir, "net/10.9.0.4", 0600);
    put_file(dir, "net/fd00::5", "x", 1);
    put_file(dir, "net/notes", "x", 1);
    check(acquire_for(dir, "a", "", &a) == 0 && a.address4.bytes[3] == 6,
          "foreign files block their addresses", "they do not");
    check(lease_acquire(dir, &p, &q, &c, &e) == -EADDRINUSE && !c.owner &&
              streq(text_of(&e), "address 10.9.0.2: its lease on network `net` is damaged"),
          "and are named", text_of(&e));
    check(repair(dir, &a, false) == -EBADMSG, "unless all is known, they stay", "they go");
    check(repair(dir, &a, true) == 1 && repair(dir, &a, true) == 0 &&
              acquire_for(dir, "b", "", &b) == 0 && b.address4.bytes[3] == 7 &&
              exists(dir, "net/notes") && !exists(dir, "net/10.9.0.2"),
          "then they are removed", "they are not");
}

static void test_missing(void)
{
    _cleanup_lease_ struct lease a = {0}, b = {0}, c = {0}, d = {0};
    fresh(dir, "net");
    (void)acquire_for(dir, "a", "", &a);
    (void)remove_tree_at(dir, "net");
    check(acquire_for(dir, "b", "", &b) == -ENOENT && lease_exists(dir, "net", NULL) == 0,
          "no directory, no address", "one is given out");
    check(repair(dir, &a, false) == 0, "nor is it made while an endpoint is unknown", "it is");
    check(repair(dir, &a, true) == 1 && acquire_for(dir, "b", "", &b) == 0 &&
              b.address4.bytes[3] == 3,
          "rebuilt from the endpoints", "it is not");
    (void)unlinkat(dir, "net/10.9.0.2", 0);
    check(repair(dir, &a, true) == 1 && lease_find(dir, "net", "a", &c, NULL) == 1,
          "a lost lease is restored", "it is not");
    put_file(dir, "net/boot", "5e0b0000-0000-0000-0000-000000000000\n", 37);
    int count = 0;
    check(lease_exists(dir, "net", NULL) == 0 &&
              lease_each(dir, "net", count_one, &count, NULL) == 0 && count == 0 &&
              acquire_for(dir, "d", "", &d) == -ENOENT,
          "leases of another boot do not count", "they do");
    check(repair(dir, NULL, true) == 1 && acquire_for(dir, "d", "", &d) == 0 &&
              d.address4.bytes[3] == 2,
          "and then all is free", "it is not");
    check(lease_remove(dir, "net", NULL) == 0 && count_names(".") == 0, "removed",
          "something is left");
}

/* ---- pauses ------------------------------------------------------------------------------------*/

static void test_rest(void)
{
    _cleanup_lease_ struct lease a = {0}, b = {0};
    struct pool p = pool();
    struct lease_request q = {.container = "a", .owner = "a"};
    (void)mac_parse("02:00:00:00:00:aa", q.mac);
    fresh(dir, "net");
    check(lease_acquire(dir, &p, &q, &a, NULL) == 0 && lease_release(dir, "net", "a", NULL) == 0 &&
              exists(dir, "net/10.9.0.2") && !exists(dir, "net/owner/a"),
          "a released address rests", "it does not");
    q.owner = q.container = "b";
    int64_t before = monotonic_us();
    check(lease_acquire(dir, &p, &q, &b, NULL) == 0 && b.address4.bytes[3] == 3, "so does its MAC",
          "it is refused");
    int64_t waited = (monotonic_us() - before) / 1000;
    expect(waited >= 450, "for half a second", "%" PRId64 " ms", waited);
    check(!exists(dir, "net/10.9.0.2") && !exists(dir, "net/fd00::2"),
          "what has rested goes when it is met", "it stays");
    (void)clock_gettime(CLOCK_BOOTTIME, &stopped); /* on a slow machine, some would have rested */
    later = 0;
    for (int i = 0; i < 100; i++) {
        _cleanup_lease_ struct lease l = {0};
        _cleanup_free_ char *owner = xasprintf("o%d", i);
        if (acquire_for(dir, owner, "", &l) < 0 || lease_release(dir, "net", owner, NULL) < 0)
            check(false, owner, "no lease");
    }
    check(count_names("net/mac") == 101, "100 rest", "they do not");
    later += 2;
    (void)lease_release(dir, "net", "b", NULL);
    expect(count_names("net/mac") <= 101 - 7, "a release removes some that have rested", "%d left",
           count_names("net/mac"));
    later += 2;
    tidy();
    expect(count_names("net/mac") == 0 && count_names("net/resting") == 0 &&
               count_names("net") == 5,
           "gc removes them all", "%d left", count_names("net"));
}

/* ---- cost --------------------------------------------------------------------------------------*/

/* The calls of one acquire and one release. */
static size_t calls_of_one(void)
{
    _cleanup_lease_ struct lease l = {0};
    size_t before = calls;
    (void)acquire_for(dir, "one", "", &l);
    (void)lease_release(dir, "net", "one", NULL);
    return calls - before;
}

static void test_cost(void)
{
    size_t alone = 0;
    fresh(dir, "net");
    for (int i = 0; i < 200; i++) {
        if (i == 1) {
            alone = calls_of_one();
            later += 2;
            tidy();
        }
        _cleanup_lease_ struct lease l = {0};
        _cleanup_free_ char *owner = xasprintf("o%d", i);
        (void)acquire_for(dir, owner, "", &l);
    }
    size_t beside = calls_of_one();
    expect(alone == beside && alone > 10, "beside 200 it costs as many system calls as alone",
           "%zu alone, %zu beside them", alone, beside);
}

/* ---- netctr 0.1 --------------------------------------------------------------------------------*/

static void put_old(const char *boot, const char *lines)
{
    _cleanup_free_ char *all = xasprintf("%s 10.9.0.3\n%s", boot, lines),
                        *text = xasprintf("# netctr leases 1 boot=%s last=10.9.0.3 sum=%016" PRIx64
                                          "\n%s",
                                          boot, hash64(all), lines);
    (void)remove_tree_at(dir, "net");
    put_file(dir, "net", text, strlen(text));
}

#define OLD                                                                  \
    "10.9.0.2,fd00::2  web  02:42:0a:09:00:02  2026-11-23T14:05:00Z  aaaa\n" \
    "10.9.0.3,fd00::3  job  02:42:0a:09:00:03  2026-11-23T14:05:00Z  bbbb\n" \
    "10.9.0.4,fd00::4  x  02:42:0a:09:00:04  2026-11-23T14:05:00Z  resting-until=1\n"

static void test_old(void)
{
    _cleanup_free_ char *boot = NULL;
    _cleanup_lease_ struct lease a = {0}, c = {0}, d = {0};
    struct lease_repair how = {.complete = true, .create = true, .keep_old = true};
    int count = 0;
    (void)boot_id(&boot, NULL);
    put_old(boot, OLD);
    check(lease_each(dir, "net", count_one, &count, NULL) == 0 && count == 2 &&
              lease_find(dir, "net", "aaaa", &a, NULL) == 1 && a.address4.bytes[3] == 2,
          "the file of 0.1 is read", "it is not");
    check(lease_repair(dir, "net", &how, NULL) == 0 && acquire_for(dir, "c", "", &c) == -ENOENT,
          "while its netctr lives it stays, and nothing is allocated", "it does not");
    check(lease_release(dir, "net", "bbbb", NULL) == 0 &&
              lease_find(dir, "net", "bbbb", &d, NULL) == 0 &&
              lease_find(dir, "net", "aaaa", &d, NULL) == 1,
          "but released", "it is not");
    how.keep_old = how.complete = false;
    check(lease_repair(dir, "net", &how, NULL) == 1 && acquire_for(dir, "c", "", &c) == 0 &&
              c.address4.bytes[3] == 3,
          "then it is converted", "it is not");
    put_old("5e0b0000-0000-0000-0000-000000000000", OLD);
    count = 0;
    check(lease_each(dir, "net", count_one, &count, NULL) == 0 && count == 0,
          "another boot's does not count", "it does");
    put_old(boot, OLD "half a line\n");
    check(lease_each(dir, "net", count_one, &count, NULL) == -EBADMSG, "a damaged one is refused",
          "it is not");
}

int main(void)
{
    _cleanup_scratch_ struct scratch s = scratch_open();
    dir = s.fd;
    test_kills();
    test_damage();
    test_strangers();
    test_missing();
    test_rest();
    test_cost();
    test_old();
    return failures != 0;
}
