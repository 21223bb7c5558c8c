/* Pins and cookies of network namespaces, in a mount and pid namespace with a read-only host, whose process 1 is this
 * test: the mount that keeps the pins is made where process 1 sees the run directory.
 */
#include "check.h"

#include <sys/prctl.h>
#include <time.h>

#define RUN "/tmp/run"

static int run_fd = -1;

static struct pins *open_pins(void)
{
    struct pins *p = NULL;
    struct err e = ERR_INIT;
    if (pins_open(run_fd, &p, &e) < 0) {
        printf("not ok - pins_open: %s\n", text_of(&e));
        exit(1);
    }
    return p;
}

static int new_netns(void)
{
    int fd;
    struct rt *rt;
    struct err e = ERR_INIT;
    if (netns_create(-1, &fd, &rt, NULL, NULL, &e) < 0) {
        printf("not ok - a network namespace: %s\n", text_of(&e));
        exit(1);
    }
    rt_close(rt);
    return fd;
}

static uint64_t cookie_of(int fd)
{
    uint64_t cookie = 0;
    struct err e = ERR_INIT;
    int r = netns_cookie(fd, &cookie, &e);
    if (r < 0)
        check(false, "a cookie", text_of(&e));
    err_clear(&e);
    return cookie;
}

static void add(struct pins *p, const char *name, int netns)
{
    _cleanup_err_ struct err e = ERR_INIT;
    int r = pins_add(p, name, netns, &e);
    if (r < 0)
        expect(false, "add", "%s: %s", name, text_of(&e));
}

static void drop(struct pins *p, const char *name)
{
    _cleanup_err_ struct err e = ERR_INIT;
    int r = pins_remove(p, name, &e);
    if (r < 0)
        expect(false, "remove", "%s: %s", name, text_of(&e));
}

/* The cookie of a pin; 0: there is none. */
static uint64_t pinned(struct pins *p, const char *name)
{
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_close_ int fd = pins_get(p, name, &e);
    if (fd < 0 && fd != -ENOENT)
        check(false, "get", text_of(&e));
    return fd < 0 ? 0 : cookie_of(fd);
}

static int count_one(const char *name, int netns, void *arg)
{
    (void)name;
    *(int *)arg += netns_is(netns);
    return 0;
}

static int count(struct pins *p)
{
    int n = 0;
    _cleanup_err_ struct err e = ERR_INIT;
    int r = pins_each(p, count_one, &n, &e);
    if (r < 0)
        check(false, "each", text_of(&e));
    return n;
}

/* Lines of this process's mountinfo with @part; all of them if that is "". */
static int mounts(const char *part)
{
    int n = 0;
    _cleanup_free_ char *text = NULL;
    if (read_file_at(AT_FDCWD, "/proc/self/mountinfo", 1 << 24, &text, NULL) < 0)
        return -1;
    _cleanup_strv_ strv lines = strv_split(text, '\n');
    strv_each (line, lines)
        n += strstr(line, part) != NULL;
    return n;
}

static bool nothing_left(void)
{
    return file_exists_at(run_fd, "pins") == 0 && mounts("nsfs") == 0;
}

/* In a child; its status. */
static int in_process(void (*work)(void))
{
    fflush(stdout);
    int status = -1;
    pid_t pid = fork();
    if (pid == 0) {
        failures = 0;
        work();
        fflush(stdout);
        _exit(failures != 0);
    }
    (void)waitpid(pid, &status, 0);
    failures += status != 0;
    return status;
}

/* ---- one after the other ----------------------------------------------------------------------*/

enum { IN_A_ROW = 40 };

static void test_cookies(void)
{
    uint64_t cookies[IN_A_ROW], inodes[IN_A_ROW];
    int same_inode = 0, same_cookie = 0;
    for (int i = 0; i < IN_A_ROW; i++) {
        _cleanup_close_ int fd = new_netns();
        cookies[i] = cookie_of(fd);
        inodes[i] = netns_inode(fd);
        bool inode = false, cookie = cookies[i] == 0;
        for (int k = 0; k < i; k++) {
            inode = inode || inodes[k] == inodes[i];
            cookie = cookie || cookies[k] == cookies[i];
        }
        same_inode += inode;
        same_cookie += cookie;
        const struct timespec pause = {.tv_nsec =
                                           5000000}; /* the kernel takes its time to end one */
        (void)nanosleep(&pause, NULL);
    }
    expect(same_cookie == 0, "cookies are never reused", "%d were", same_cookie);
    printf("# of %d namespaces %d had the inode of an earlier one\n", IN_A_ROW, same_inode);
    uint64_t last = cookies[IN_A_ROW - 1];
    _cleanup_close_ int self = netns_self();
    check(cookie_of(-1) == cookie_of(self) && cookie_of(-1) != last, "the own cookie", "wrong");
    _cleanup_close_ int file = open("/dev/null", O_RDONLY | O_CLOEXEC);
    _cleanup_err_ struct err e = ERR_INIT;
    uint64_t out;
    int r = netns_cookie(file, &out, &e);
    expect(r == -EINVAL && strstr(text_of(&e), "network namespace"), "of a file that is none",
           "%d %s", r, text_of(&e));
}

/* The pin alone keeps both namespaces: no process is in them. */
static void test_owned(void)
{
    const struct id_map ids = id_map_of_range(0x50000000);
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_pins_ struct pins *p = open_pins();
    struct id_map is = {0};
    struct rt *rt = NULL;
    int netns = -1, owner = userns_create(&ids, &e);
    if (owner < 0 || netns_create(owner, &netns, &rt, NULL, NULL, &e) < 0)
        check(false, "a network namespace of another user namespace", text_of(&e));
    rt_close(rt);
    close_fd(owner);
    uint64_t cookie = cookie_of(netns);
    add(p, "owned", netns);
    close_fd(netns);
    check(cookie && pinned(p, "owned") == cookie, "a pin keeps it", "another one");
    _cleanup_close_ int fd = pins_get(p, "owned", &e);
    int r = netns_owner_map(fd, &is, &e);
    check(r == 0 && id_maps_equal(&is, &ids), "and its owner", text_of(&e));
    drop(p, "owned");
}

static void test_one(void)
{
    int before = mounts("");
    _cleanup_pins_ struct pins *p = open_pins();
    check(count(p) == 0 && pinned(p, "a") == 0 && nothing_left(), "looking makes nothing",
          "it does");
    _cleanup_close_ int a = new_netns(), b = new_netns();
    uint64_t cookies[2] = {cookie_of(a), cookie_of(b)};
    add(p, "a", a);
    a = close_fd(a);
    check(pinned(p, "a") == cookies[0], "a pin keeps its namespace", "another one");
    add(p, "b", b);
    _cleanup_pins_ struct pins *other = open_pins();
    check(pinned(other, "b") == cookies[1] && count(other) == 2, "others see it", "no");
    int lines = mounts("");
    expect(lines == before + 1, "one mount for all", "%d lines, then %d", before, lines);

    _cleanup_err_ struct err e = ERR_INIT;
    int r = pins_add(p, "a", b, &e);
    expect(r == -EEXIST && strstr(text_of(&e), "pinned as `a` already"), "no pin is replaced",
           "%d %s", r, text_of(&e));
    r = pins_get(p, "c", &e);
    expect(r == -ENOENT && strstr(text_of(&e), "is pinned as `c`"), "no such pin", "%d %s", r,
           text_of(&e));
    r = pins_add(p, "../x", b, &e);
    expect(r == -EINVAL, "a bad name", "%d %s", r, text_of(&e));
    _cleanup_close_ int file = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
    r = pins_add(p, "x", file, &e);
    expect(r == -EINVAL && count(p) == 2, "no network namespace", "%d %s", r, text_of(&e));

    drop(p, "a");
    drop(p, "a");
    check(pinned(other, "a") == 0 && pinned(other, "b") == cookies[1], "removed, twice", "no");
    drop(p, "b");
    check(nothing_left() && mounts("") == before, "with the last one all goes",
          "something is left");
    /* The handles are still of use, though the namespace is another one now. */
    add(p, "a", b);
    check(pinned(other, "a") == cookies[1] && pinned(other, "b") == 0, "and comes again", "no");
    drop(other, "a");
    check(nothing_left(), "and goes", "something is left");
}

/* ---- root and working directory ---------------------------------------------------------------*/

static void add_and_drop(const char *name)
{
    struct stat before[2], after[2];
    (void)stat("/", &before[0]);
    (void)stat(".", &before[1]);
    _cleanup_pins_ struct pins *p = open_pins();
    _cleanup_close_ int fd = new_netns();
    add(p, "a", fd);
    bool found = pinned(p, "a") == cookie_of(fd);
    drop(p, "a");
    (void)stat("/", &after[0]);
    (void)stat(".", &after[1]);
    check(found && before[0].st_ino == after[0].st_ino && before[0].st_dev == after[0].st_dev &&
              before[1].st_ino == after[1].st_ino && before[1].st_dev == after[1].st_dev,
          name, "root or working directory differ");
    check(file_exists_at(run_fd, "pins") == 0, name, "something is left");
}

static void chrooted(void)
{
    (void)mkdir("/tmp/root", 0700);
    (void)mkdir("/tmp/root/proc", 0700);
    if (mount("/proc", "/tmp/root/proc", NULL, MS_BIND | MS_REC, NULL) < 0 ||
        chroot("/tmp/root") < 0 || chdir("/proc") < 0)
        check(false, "chroot", strerror(errno));
    add_and_drop("in a chroot");
}

static void in_deleted_directory(void)
{
    if ((chdir("/tmp") < 0 && chdir("/") < 0) || mkdir("deleted", 0700) < 0 ||
        chdir("deleted") < 0 || rmdir("../deleted") < 0)
        check(false, "a deleted directory", strerror(errno));
    add_and_drop("in a deleted directory");
}

static void in_deleted_chroot(void)
{
    if (unshare(CLONE_NEWNS) < 0)
        check(false, "unshare", strerror(errno));
    chrooted();
    in_deleted_directory();
}

/* A failed step in the other namespace. */
static void after_error(void)
{
    struct stat before, after;
    _cleanup_pins_ struct pins *p = open_pins();
    _cleanup_close_ int fd = new_netns();
    add(p, "a", fd);
    if (mkdirat(run_fd, "x", 0700) < 0)
        check(false, "mkdir", strerror(errno));
    _cleanup_close_ int ns = openat(run_fd, "pins/namespace", O_RDONLY | O_CLOEXEC);
    /* Something else has the name of a pin. */
    _cleanup_close_ int home = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
    if (setns(ns, CLONE_NEWNS) < 0 || mkdir("/d", 0700) < 0 || setns(home, CLONE_NEWNS) < 0)
        check(false, "a directory among the pins", strerror(errno));
    _cleanup_err_ struct err e = ERR_INIT;
    (void)stat(".", &before);
    int r = pins_add(p, "d", fd, &e);
    expect(r == -EISDIR && strstr(text_of(&e), "`d`"), "an error", "%d %s", r, text_of(&e));
    (void)stat(".", &after);
    check(file_exists_at(AT_FDCWD, RUN "/x") == 1 && before.st_ino == after.st_ino, "and back",
          "another namespace");
    if (setns(ns, CLONE_NEWNS) < 0 || rmdir("/d") < 0 || setns(home, CLONE_NEWNS) < 0)
        check(false, "a directory among the pins", strerror(errno));
    (void)unlinkat(run_fd, "x", AT_REMOVEDIR);
    drop(p, "a");
    check(nothing_left(), "after an error", "something is left");
}

/* ---- other mount namespaces -------------------------------------------------------------------*/

static uint64_t expected;

static void in_newer(void)
{
    if (unshare(CLONE_NEWNS) < 0)
        check(false, "unshare", strerror(errno));
    check(mounts("nsfs") == 0, "the mount is not copied", "it is");
    _cleanup_pins_ struct pins *p = open_pins();
    check(pinned(p, "a") == expected, "found by way of process 1", "no");
    _cleanup_close_ int fd = new_netns();
    add(p, "b", fd);
    check(count(p) == 2 && mounts("nsfs") == 0, "added to", "no");
}

static void from_newer_only(void)
{
    if (unshare(CLONE_NEWNS) < 0)
        check(false, "unshare", strerror(errno));
    _cleanup_pins_ struct pins *p = open_pins();
    _cleanup_close_ int fd = new_netns();
    add(p, "c", fd);
    expected = cookie_of(fd);
}

static void test_newer(void)
{
    _cleanup_pins_ struct pins *p = open_pins();
    _cleanup_close_ int fd = new_netns();
    expected = cookie_of(fd);
    add(p, "a", fd);
    (void)in_process(in_newer);
    check(count(p) == 2, "from a mount namespace made later", "no");
    drop(p, "a");
    drop(p, "b");
    check(nothing_left(), "and all goes", "something is left");
    (void)in_process(from_newer_only);
    check(count(p) == 1 && mounts("nsfs") == 1, "the first pin from there stays", "no");
    drop(p, "c");
    check(nothing_left(), "and goes", "something is left");
}

static void out_of_reach_child(void)
{
    if (unshare(CLONE_NEWNS) < 0)
        check(false, "unshare", strerror(errno));
    run_fd = open("/tmp/own", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _cleanup_pins_ struct pins *p = open_pins();
    _cleanup_err_ struct err e = ERR_INIT;
    int r = pins_get(p, "a", &e);
    expect(r == -EXDEV && streq(text_of(&e), "pins of `/tmp/own` are out of reach: they were made "
                                             "in another mount namespace"),
           "out of reach", "%d %s", r, text_of(&e));
    check(e.hint && strstr(e.hint, "/tmp/own/pins/namespace"), "its hint", e.hint ? e.hint : "");
    _cleanup_close_ int fd = new_netns();
    r = pins_add(p, "b", fd, &e);
    expect(r == -EXDEV, "none is made beside them", "%d %s", r, text_of(&e));
    r = pins_remove(p, "a", &e);
    expect(r == -EXDEV, "nor removed", "%d %s", r, text_of(&e));
}

/* Process 1 does not see this run directory. */
static void out_of_reach(void)
{
    if (unshare(CLONE_NEWNS) < 0 || mkdir("/tmp/own", 0700) < 0 ||
        mount("tmpfs", "/tmp/own", "tmpfs", 0, NULL) < 0)
        check(false, "a run directory of its own", strerror(errno));
    run_fd = open("/tmp/own", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _cleanup_pins_ struct pins *p = open_pins();
    _cleanup_close_ int fd = new_netns();
    add(p, "a", fd);
    (void)in_process(out_of_reach_child);
    check(pinned(p, "a") == cookie_of(fd) && mounts("nsfs") == 1, "where process 1 has no part",
          "no");
    drop(p, "a");
    check(nothing_left(), "there too, all goes", "something is left");
}

/* The run directory is on a shared mount, and another mount namespace has a peer of it. */
static void test_shared(void)
{
    int gone[2];
    if (pipe2(gone, O_CLOEXEC) < 0 || mount(NULL, "/tmp", NULL, MS_SHARED, NULL) < 0)
        check(false, "a shared mount", strerror(errno));
    fflush(stdout);
    pid_t peer = fork();
    if (peer == 0) {
        char c;
        close(gone[1]);
        int ok = unshare(CLONE_NEWNS) == 0 && write(gone[0], "", 0) <= 0;
        ok = ok && read(gone[0], &c, 1) >= 0 && mounts("nsfs") == 0;
        _exit(!ok);
    }
    struct timespec pause = {.tv_nsec = 50000000};
    (void)nanosleep(&pause, NULL);
    int before = mounts("");
    for (int i = 0; i < 2; i++) {
        _cleanup_pins_ struct pins *p = open_pins();
        _cleanup_close_ int fd = new_netns();
        add(p, "a", fd);
        int now = mounts("");
        expect(pinned(p, "a") == cookie_of(fd) && now == before + 2, "on a shared mount with peers",
               "%d lines, then %d", before, now);
        if (i == 0) /* once while the peer still holds its copy of the directory */
            drop(p, "a");
        else {
            int status = 0;
            close(gone[1]);
            (void)waitpid(peer, &status, 0);
            check(status == 0, "the peer has no pins", "it has");
            check(pinned(p, "a") == cookie_of(fd), "the peer's end changes nothing", "it does");
            drop(p, "a");
        }
        check(nothing_left() && mounts("") == before, "and all goes", "something is left");
    }
    close(gone[0]);
    if (mount(NULL, "/tmp", NULL, MS_PRIVATE, NULL) < 0)
        check(false, "private again", strerror(errno));
}

/* ---- remains of killed calls ------------------------------------------------------------------*/

static void test_remains(void)
{
    _cleanup_pins_ struct pins *p = open_pins();
    _cleanup_close_ int fd = new_netns();
    (void)mkdirat(run_fd, "pins", 0700);
    check(pins_tidy(p, NULL) == 0 && nothing_left(), "a directory", "is left");
    (void)mkdirat(run_fd, "pins", 0700);
    (void)write_file_atomic(run_fd, "pins/namespace", "", 0, 0600);
    check(pinned(p, "a") == 0 && count(p) == 0, "a file without a mount", "is taken for one");
    add(p, "a", fd);
    check(pinned(p, "a") == cookie_of(fd), "is made one", "no");
    drop(p, "a");
    (void)mkdirat(run_fd, "pins", 0700);
    (void)write_file_atomic(run_fd, "pins/namespace", "another-boot 4026531840\n", 24, 0600);
    drop(p, "nothing");
    check(nothing_left(), "the file of another boot", "is left");
    /* A private mount of RUN/pins without what it was made for. */
    (void)mkdirat(run_fd, "pins", 0700);
    if (mount(RUN "/pins", RUN "/pins", NULL, MS_BIND, NULL) < 0)
        check(false, "a mount of the directory", strerror(errno));
    add(p, "a", fd);
    check(pinned(p, "a") == cookie_of(fd), "a mount of the directory is used", "no");
    drop(p, "a");
    check(nothing_left() && mounts("/pins") == 0, "and removed", "no");
}

static void add_and_drop_forever(void)
{
    _cleanup_close_ int fd = new_netns();
    for (;;) {
        _cleanup_pins_ struct pins *p = open_pins();
        (void)pins_add(p, "k", fd, NULL);
        (void)pins_remove(p, "k", NULL);
    }
}

static void test_kills(void)
{
    int left = 0, rounds = 150;
    _cleanup_pins_ struct pins *p = open_pins();
    _cleanup_close_ int fd = new_netns();
    for (int i = 0; i < rounds; i++) {
        fflush(stdout);
        pid_t pid = fork();
        if (pid == 0)
            add_and_drop_forever();
        struct timespec pause = {.tv_nsec = 1000000 + i * 37000};
        (void)nanosleep(&pause, NULL);
        kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
        left += file_exists_at(run_fd, "pins") == 1;
        if (i % 2) {
            add(p, "next", fd);
            if (pinned(p, "next") != cookie_of(fd))
                expect(false, "after a kill", "round %d: no pin", i);
            drop(p, "next");
        }
        drop(p, "k");
        if (!nothing_left())
            expect(false, "after a kill", "round %d: something is left", i);
    }
    check(true, "killed at random", "");
    printf("# %d of %d kills left something to repair\n", left, rounds);
}

/* ---- several at once --------------------------------------------------------------------------*/

enum { CHILDREN = 12, EACH = 10 };

static void many(int child)
{
    _cleanup_close_ int fd = new_netns();
    uint64_t cookie = cookie_of(fd);
    for (int i = 0; i < EACH; i++) {
        _cleanup_pins_ struct pins *p = open_pins();
        _cleanup_free_ char *name = xasprintf("n%d-%d", child, i);
        add(p, name, fd);
        if (pinned(p, name) != cookie)
            check(false, "several at once", name);
        if (i % 2)
            drop(p, name);
    }
}

static void at_once(bool last)
{
    fflush(stdout);
    for (int child = 0; child < CHILDREN; child++) {
        if (fork() != 0)
            continue;
        failures = 0;
        _cleanup_pins_ struct pins *p = open_pins();
        if (!last)
            many(child);
        for (int i = 0; last && i < EACH; i++) {
            _cleanup_free_ char *name = xasprintf("n%d-%d", child, i);
            drop(p, name);
        }
        fflush(stdout);
        _exit(failures != 0);
    }
    for (int status; wait(&status) > 0;)
        failures += status != 0;
}

static void test_at_once(void)
{
    _cleanup_pins_ struct pins *p = open_pins();
    for (int round = 0; round < 5; round++) {
        at_once(false);
        int n = count(p);
        expect(n == CHILDREN * EACH / 2, "several at once", "%d pins", n);
        at_once(true);
        check(nothing_left(), "and all are removed at once", "something is left");
    }
}

/* ---- how long ---------------------------------------------------------------------------------*/

static void test_time(void)
{
    enum { N = 1000 };
    _cleanup_pins_ struct pins *p = open_pins();
    _cleanup_close_ int fd = new_netns();
    add(p, "first", fd);
    int64_t t[4] = {monotonic_us()};
    for (int i = 0; i < N; i++) {
        _cleanup_free_ char *name = xasprintf("n%d", i);
        add(p, name, fd);
    }
    t[1] = monotonic_us();
    for (int i = 0; i < N; i++) {
        _cleanup_free_ char *name = xasprintf("n%d", i);
        close(pins_get(p, name, NULL));
    }
    t[2] = monotonic_us();
    check(count(p) == N + 1 && mounts("nsfs") == 1, "a thousand", "no");
    for (int i = 0; i < N; i++) {
        _cleanup_free_ char *name = xasprintf("n%d", i);
        drop(p, name);
    }
    drop(p, "first");
    t[3] = monotonic_us();
    check(nothing_left(), "and all go", "something is left");
    printf("# of %d pins each: add %.1f us, get %.1f, remove %.1f\n", N, (double)(t[1] - t[0]) / N,
           (double)(t[2] - t[1]) / N, (double)(t[3] - t[2]) / N);
}

/* ---- where it runs ----------------------------------------------------------------------------*/

/* Process 1 of a pid namespace whose files are read-only but for a tmpfs. */
static bool own_host(void)
{
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &attr, sizeof(attr)) < 0 ||
        mount("proc", "/proc", "proc", 0, NULL) < 0 ||
        mount("tmpfs", "/tmp", "tmpfs", 0, "mode=0755") < 0 || mkdir(RUN, 0700) < 0)
        return false;
    run_fd = open(RUN, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return run_fd >= 0;
}

static int run_all(void)
{
    if (!own_host()) {
        printf("not ok - a host of our own: %s\n", strerror(errno));
        return 1;
    }
    test_cookies();
    test_one();
    test_owned();
    (void)in_process(chrooted);
    (void)in_process(in_deleted_directory);
    (void)in_process(in_deleted_chroot);
    after_error();
    test_newer();
    (void)in_process(out_of_reach);
    test_shared();
    test_remains();
    test_kills();
    test_at_once();
    test_time();
    return failures != 0;
}

int main(void)
{
    if (unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET) < 0) {
        printf("skip - in the kernel: no namespaces of our own: not root?\n");
        return 0;
    }
    int status = 1;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        int r = run_all();
        fflush(stdout);
        _exit(r);
    }
    (void)waitpid(pid, &status, 0);
    _exit(status !=
          0); /* no check for leaks, which forks: the pid namespace of new children is dead */
}
