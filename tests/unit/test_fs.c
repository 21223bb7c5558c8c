/* Files: paths inside a hostile root directory, and trees that resist removal. */
#include "check.h"

#include <linux/fs.h>
#include <linux/openat2.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <time.h>

/* A root directory, and a directory beside it that must be out of reach. */
struct trees {
    struct scratch scratch;
    int root, outside;
};

static int64_t milliseconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int directory(int dirfd, const char *name)
{
    (void)mkdirat(dirfd, name, 0755);
    return openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

static void link_to(const char *target, int dirfd, const char *name)
{
    if (symlinkat(target, dirfd, name) < 0)
        expect(false, name, "cannot be linked: %s", strerror(errno));
}

/* The path behind @fd. */
static char *path_of(int fd)
{
    _cleanup_free_ char *link = fd_path(fd);
    char *path = xcalloc(1, PATH_MAX);
    if (readlink(link, path, PATH_MAX - 1) < 0)
        *path = '\0';
    return path;
}

/* ---- paths beneath a root ---------------------------------------------------------------------*/

static void hostile_tree(struct trees *t)
{
    t->scratch = scratch_open();
    t->root = directory(t->scratch.fd, "root");
    t->outside = directory(t->scratch.fd, "outside");
    put_file(t->outside, "secret", "secret", 6);
    close_fd(directory(t->root, "etc"));
    close_fd(directory(t->root, "dir"));
    put_file(t->root, "etc/hosts", "inside", 6);
    put_file(t->root, "file", "file", 4);
    _cleanup_free_ char *outside = xasprintf("%s/outside", t->scratch.path);
    _cleanup_free_ char *secret = xasprintf("%s/secret", outside);
    link_to(outside, t->root, "out");
    link_to(secret, t->root, "out-file");
    link_to("../outside", t->root, "up");
    link_to("../../../../../../../../../../../..", t->root, "top");
    link_to("/etc", t->root, "absolute");
    link_to("dir/new", t->root, "dangling");
    link_to("/made/by/link", t->root, "dangling-far");
    link_to("loop", t->root, "loop");
    link_to("../../etc/hosts", t->root, "dir/hosts");
    link_to("../outside/new", t->root, "dangling-out");
    link_to("/proc/self/root", t->root, "magic");
}

static bool is_inside(const struct trees *t, int fd)
{
    _cleanup_free_ char *path = path_of(fd), *root = path_of(t->root);
    const char *rest = skip_prefix(path, root);
    return rest && (*rest == '/' || *rest == '\0');
}

static const struct {
    const char *path;
    int error;
    const char *is; /* beneath the root */
} opened[] = {
    {"file", 0, "/file"},
    {"/file", 0, "/file"},
    {"//etc//hosts", 0, "/etc/hosts"},
    {"../../file", 0, "/file"},
    {"/..", 0, ""},
    {"/", 0, ""},
    {".", 0, ""},
    {"dir/../../../etc/hosts", 0, "/etc/hosts"},
    {"dir/hosts", 0, "/etc/hosts"},
    {"absolute", 0, "/etc"},
    {"absolute/hosts", 0, "/etc/hosts"},
    {"top", 0, ""},
    {"top/file", 0, "/file"},
    {"top/outside/secret", -ENOENT, NULL},
    {"out", -ENOENT, NULL},
    {"out-file", -ENOENT, NULL},
    {"up/secret", -ENOENT, NULL},
    {"../outside/secret", -ENOENT, NULL},
    {"dangling", -ENOENT, NULL},
    {"loop", -ELOOP, NULL},
    {"magic", -ENOENT, NULL},
    {"file/x", -ENOTDIR, NULL},
    {"", -ENOENT, NULL},
};

static void test_open_in_root(const struct trees *t)
{
    _cleanup_free_ char *root = path_of(t->root);
    for (size_t i = 0; i < ARRAY_LEN(opened); i++) {
        _cleanup_close_ int fd = open_in_root(t->root, opened[i].path, O_PATH, 0, 0);
        _cleanup_free_ char *is = path_of(fd), *name = xasprintf("open \"%s\"", opened[i].path);
        const char *rest = fd < 0 ? NULL : skip_prefix(is, root);
        expect(fd < 0 ? fd == opened[i].error : streq(rest, opened[i].is), name, "%d %s", fd, is);
    }
    _cleanup_close_ int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
    check(open_in_root(proc, "self/root/etc", O_PATH, 0, 0) == -ELOOP &&
              open_in_root(proc, "self/fd/0", O_PATH, 0, 0) == -ELOOP &&
              open_in_root(proc, "self/cwd/../file", O_PATH, 0, 0) == -ELOOP,
          "magic links are refused", "they are followed");
    check(open_in_root(t->root, "absolute/hosts", O_PATH, 0, RESOLVE_NO_SYMLINKS) == -ELOOP,
          "no links, when asked", "followed");
    _cleanup_close_ int fd = open_in_root(t->root, "fresh", O_WRONLY | O_CREAT | O_EXCL, 0640, 0);
    struct stat st;
    check(fd >= 0 && fstat(fd, &st) == 0 && (st.st_mode & 07777) == 0640 &&
              fcntl(fd, F_GETFD) == FD_CLOEXEC,
          "a new file has its mode and is not inherited", "not so");
}

static void test_mkdir_in_root(const struct trees *t)
{
    static const struct {
        const char *path;
        int error;
        const char *made;
    } rows[] = {
        {"a/b/c", 0, "a/b/c"},
        {"/a//b/./c/d", 0, "a/b/c/d"},
        {"a/b/c", 0, "a/b/c"},
        {"absolute/conf.d/x", 0, "etc/conf.d/x"},
        {"../../esc", 0, "esc"},
        {"top/tmp/mnt", 0, "tmp/mnt"},
        {"dir/../dir2/x", 0, "dir2/x"},
        {"/", 0, "."},
        {"", 0, "."},
        {"file", -ENOTDIR, NULL},
        {"file/x", -ENOTDIR, NULL},
        {"home", 0, "var/home"}, /* the target of a dangling link is created too */
        {"home2/u", 0, "var/home2/u"},
        {"links/x", 0, "srv/end/x"},
        {"far/../y", 0, "made/for/y"},
        {"up/x", 0, "outside/x"},
        {"dangling-out/x", 0, "outside/new/x"},
        {"out/x", 0, NULL}, /* the same path, but beneath the root */
        {"loop", -ELOOP, NULL},
        {"loop/x", -ELOOP, NULL},
        {"self/x", -ELOOP, NULL},
        {"to-file/x", -ENOTDIR, NULL},
    };
    link_to("var/home", t->root, "home");
    link_to("/var/home2", t->root, "home2");
    link_to("links2/./end", t->root, "links");
    link_to("../srv", t->root, "links2");
    link_to("made/for/all", t->root, "far");
    link_to("/self/x", t->root, "self");
    link_to("file", t->root, "to-file");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_close_ int fd = mkdir_in_root(t->root, rows[i].path, 0755);
        _cleanup_free_ char *name = xasprintf("mkdir \"%s\"", rows[i].path);
        struct stat a, b;
        bool ok = rows[i].error ? fd == rows[i].error : fd >= 0 && is_inside(t, fd);
        if (ok && rows[i].made)
            ok = fstat(fd, &a) == 0 && fstatat(t->root, rows[i].made, &b, 0) == 0 &&
                 a.st_ino == b.st_ino && a.st_dev == b.st_dev;
        expect(ok, name, "%d", fd);
    }
    check(!exists(t->outside, "x") && !exists(t->outside, "new"), "mkdir: nothing is made outside",
          "something is");
    struct stat st;
    mode_t mask = umask(0);
    close_fd(mkdir_in_root(t->root, "private", 0700));
    umask(mask);
    check(fstatat(t->root, "private", &st, 0) == 0 && (st.st_mode & 0777) == 0700,
          "mkdir: the mode", "differs");
}

static void test_touch_in_root(const struct trees *t)
{
    static const struct {
        const char *path;
        int error;
        const char *made;
    } rows[] = {
        {"run/x/y", 0, "run/x/y"},
        {"run/x/y", 0, "run/x/y"},
        {"dangling", 0, "dir/new"},
        {"dangling-far", 0, "made/by/link"},
        {"absolute/resolv.conf", 0, "etc/resolv.conf"},
        {"../../t", 0, "t"},
        {"out-file", 0, NULL}, /* the same path, but beneath the root */
        {"dangling-out", 0, NULL},
        {"dir", 0, "dir"},
        {"loop", -ELOOP, NULL},
        {"file/x", -ENOTDIR, NULL},
        {"run/", 0, "run"},
        {"run/z/", -ENOENT, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_close_ int fd = touch_in_root(t->root, rows[i].path, 0644);
        _cleanup_free_ char *name = xasprintf("touch \"%s\"", rows[i].path);
        struct stat a, b;
        bool ok = rows[i].error ? fd == rows[i].error : fd >= 0 && is_inside(t, fd);
        if (ok && rows[i].made)
            ok = fstat(fd, &a) == 0 && fstatat(t->root, rows[i].made, &b, 0) == 0 &&
                 a.st_ino == b.st_ino && !S_ISLNK(a.st_mode);
        _cleanup_free_ char *path = path_of(fd);
        expect(ok, name, "%d %s", fd, path);
    }
    _cleanup_free_ char *secret = NULL, *file = NULL;
    size_t size = 0;
    check(read_file_at(t->outside, "secret", 64, &secret, NULL) == 0 && streq(secret, "secret") &&
              !exists(t->outside, "new") && !exists(t->outside, "x"),
          "nothing has left the root", "something has");
    check(read_file_at(t->root, "file", 64, &file, &size) == 0 && size == 4,
          "touch keeps what is there", "emptied");
}

/* ---- races ------------------------------------------------------------------------------------*/

/* Turns "swap" into a directory and a link out of the root alternately, and moves "walk" out and
 * in. */
static void swap_for_ever(const struct trees *t)
{
    for (;;) {
        (void)renameat2(t->root, "swap", t->root, "swap-link", RENAME_EXCHANGE);
        (void)renameat(t->root, "walk/below", t->outside, "below");
        (void)renameat(t->outside, "below", t->root, "walk/below");
    }
}

static void test_races(const struct trees *t)
{
    close_fd(directory(t->root, "swap"));
    close_fd(mkdir_in_root(t->root, "walk/below/deep", 0755));
    link_to("../outside/race", t->root, "swap-link");
    close_fd(directory(t->outside, "race"));
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0)
        swap_for_ever(t);
    int escaped = 0, rounds = 0;
    for (int64_t end = milliseconds() + 1000; milliseconds() < end; rounds++) {
        _cleanup_close_ int made = mkdir_in_root(t->root, "swap/new", 0755);
        _cleanup_close_ int touched = touch_in_root(t->root, "swap/file", 0644);
        /* "walk/below" may be outside by now, with its contents; its ".." must not be followed */
        _cleanup_close_ int above =
            open_in_root(t->root, "walk/below/deep/../../../outside/secret", O_PATH, 0, 0);
        escaped += above >= 0;
        escaped += exists(t->outside, "race/new") || exists(t->outside, "race/file");
        (void)unlinkat(t->root, "swap/new", AT_REMOVEDIR);
        (void)unlinkat(t->root, "swap/file", 0);
    }
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    expect(escaped == 0, "renames while we resolve lead nowhere", "%d escapes", escaped);
    expect(rounds > 100, "the race was run", "%d times", rounds);
}

/* ---- plain files ------------------------------------------------------------------------------*/

static void test_write_file_atomic(int dir)
{
    _cleanup_free_ char *text = NULL;
    struct stat st;
    put_file(dir, "kept", "kept", 4);
    put_file(dir, "a.new", "mine", 4);
    put_file(dir, "a.lock", "mine", 4);
    link_to("kept", dir, "a");
    check(write_file_atomic(dir, "a", "x\0y", 3, 0600) == 0 &&
              fstatat(dir, "a", &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
              st.st_size == 3 && (st.st_mode & 0777) == 0600,
          "a link is replaced, not followed", "not so");
    check(read_file_at(dir, "kept", 9, &text, NULL) == 0 && streq(text, "kept"),
          "what it led to is as it was", "changed");
    free(text);
    text = NULL;
    check(read_file_at(dir, "a.new", 9, &text, NULL) == 0 && streq(text, "mine"),
          "other files are left alone", "one was used");
    mkdirat(dir, "d", 0755);
    put_file(dir, "d/x", "", 0);
    check(write_file_atomic(dir, "d", "x", 1, 0600) == -EISDIR && exists(dir, "d/x"),
          "a directory is not replaced", "it was");
    check(write_file_atomic(dir, "none/x", "x", 1, 0600) == -ENOENT, "no directory: no file",
          "one");
    struct rlimit old, small = {8192, 8192};
    getrlimit(RLIMIT_FSIZE, &old);
    signal(SIGXFSZ, SIG_IGN);
    small.rlim_max = old.rlim_max;
    setrlimit(RLIMIT_FSIZE, &small);
    static const char big[10000];
    int r = write_file_atomic(dir, "kept", big, sizeof(big), 0600);
    setrlimit(RLIMIT_FSIZE, &old);
    free(text);
    text = NULL;
    check(r == -EFBIG && read_file_at(dir, "kept", 9, &text, NULL) == 0 && streq(text, "kept"),
          "a failed write leaves the old file", "it does not");
    int files = 0;
    _cleanup_dir_ DIR *all = fdopendir(openat(dir, ".", O_RDONLY | O_CLOEXEC));
    for (struct dirent *entry; (entry = readdir(all));)
        files += entry->d_name[0] != '.';
    expect(files == 5, "failures leave no files behind", "%d files", files);
}

static void test_readers_see_whole_files(int dir)
{
    char one[5000];
    memset(one, 'a', sizeof(one));
    put_file(dir, "shared", one, sizeof(one));
    fflush(stdout);
    pid_t pid = fork();
    for (unsigned i = 0; pid == 0; i++) {
        memset(one, "ab"[i % 2], sizeof(one));
        (void)write_file_atomic(dir, "shared", one, i % 2 ? 5000 : 3000, 0600);
    }
    int torn = 0;
    for (int64_t end = milliseconds() + 300; milliseconds() < end;) {
        _cleanup_free_ char *text = NULL;
        size_t size = 0;
        int r = read_file_at(dir, "shared", 8192, &text, &size);
        torn += r < 0 || strspn(text, (char[]){text[0], 0}) != size || size < 3000;
    }
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    expect(torn == 0, "readers see the old file or the new", "%d saw neither", torn);
}

static void test_plain_files(int dir)
{
    _cleanup_free_ char *text = NULL, *none = NULL;
    size_t size = 0;
    put_file(dir, "ten", "0123456789", 10);
    check(read_file_at(dir, "ten", 10, &text, &size) == 0 && size == 10 && text[10] == '\0',
          "a file as long as allowed", "refused");
    check(read_file_at(dir, "ten", 9, &none, &size) == -EFBIG && !none, "a longer one", "read");
    check(read_file_at(dir, ".", 9, &none, NULL) == -EISDIR && !none, "a directory", "read");
    char edge[8193];
    memset(edge, 'e', sizeof(edge));
    /* around the sizes of the buffer */
    for (size_t n = 4094; n <= 8193; n = n == 4097 ? 8190 : n + 1) {
        _cleanup_free_ char *back = NULL;
        put_file(dir, "edge", edge, n);
        expect(read_file_at(dir, "edge", 10000, &back, &size) == 0 && size == n &&
                   strlen(back) == n,
               "a file of any size", "%zu of %zu", size, n);
    }
    check(write_existing_at(dir, "absent", "x") == -ENOENT && !exists(dir, "absent"),
          "write_existing makes nothing", "it does");
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_free_ char *here = path_of(dir), *path = xasprintf("%s/p/q/r", here);
    _cleanup_free_ char *bad = xasprintf("%s/ten/x", here), *copy = xasprintf("%s/p//q/", here);
    check(mkdir_parents(path, 0700, &e) == 0 && mkdir_parents(copy, 0700, &e) == 0 &&
              exists(dir, "p/q/r"),
          "mkdir -p", text_of(&e));
    check(mkdir_parents(bad, 0700, &e) == -ENOTDIR, "mkdir -p through a file", text_of(&e));
    check(mkdir_parents("", 0700, &e) == -EINVAL, "mkdir -p of nothing", text_of(&e));
}

/* A state file is read without a look at its kind, unless it is large or empty. */
static void test_state_files(int dir)
{
    static const size_t sizes[] = {0, 1, 4094, 4095, 4096, 4097, 9000};
    static char data[9000];
    memset(data, 'x', sizeof(data));
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        _cleanup_free_ char *back = NULL;
        size_t size = 1;
        (void)write_file_atomic(dir, "state", data, sizes[i], 0600);
        expect(read_state_at(dir, "state", 9000, &back, &size) == 0 && size == sizes[i] &&
                   strlen(back) == size,
               "a state file of any size", "%zu of %zu", size, sizes[i]);
        _cleanup_free_ char *big = NULL;
        expect(!sizes[i] || read_state_at(dir, "state", sizes[i] - 1, &big, NULL) == -EBADMSG,
               "a state file that is too large", "%zu is read", sizes[i]);
    }
    static const char *const bad[] = {"fifo", "link", "directory"};
    (void)mkfifoat(dir, "fifo", 0600);
    (void)symlinkat("state", dir, "link");
    (void)mkdirat(dir, "directory", 0700);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        _cleanup_free_ char *back = NULL;
        check(read_state_at(dir, bad[i], 9000, &back, NULL) == -EBADMSG, bad[i], "read");
    }
}

static void test_names_in(int dir)
{
    _cleanup_close_ int many = directory(dir, "many");
    _cleanup_strv_ strv none = NULL, names = NULL;
    check(names_in(many, &none) == 0 && !none, "an empty directory", "has names");
    bool seen[1000] = {false};
    size_t count = 0;
    for (int i = 0; i < 1000; i++) {
        char name[32];
        snprintf(name, sizeof(name), "entry-%d", i);
        close(openat(many, name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    }
    _cleanup_close_ int fd = openat(dir, "many", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = names_in(fd, &names);
    strv_each (name, names) {
        uint64_t n = 0;
        count += parse_u64(name + strlen("entry-"), 0, 999, &n) == 0 && !seen[n];
        seen[n] = true;
    }
    expect(r == 0 && count == 1000 && strv_len(names) == 1000, "each name once", "%zu", count);
    _cleanup_strv_ strv nothing = NULL;
    check(names_in(-1, &nothing) == -EBADF && !nothing, "no directory", "has names");
}

/* ---- trees that do not want to go -------------------------------------------------------------*/

/* A chain of @depth directories named "d", each with one file before and one behind it. */
static void chain(int dirfd, const char *name, int depth)
{
    int at = directory(dirfd, name);
    for (int i = 0; at >= 0 && i < depth; i++) {
        close_fd(openat(at, "a", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
        close_fd(openat(at, "z", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
        int next = directory(at, "d");
        close(at);
        at = next;
    }
    expect(at >= 0, "a deep tree", "%s", strerror(errno));
    close_fd(at);
}

static int remove_deep(void *arg)
{
    const struct trees *t = arg;
    struct rlimit few = {64, 64}, stack = {256 << 10, 256 << 10};
    setrlimit(RLIMIT_NOFILE, &few);
    setrlimit(RLIMIT_STACK, &stack);
    int before = open_fds(), r = remove_tree_at(t->root, "deep");
    expect(r == 0 && !exists(t->root, "deep"), "a tree of 3,000 levels is removed by few fds", "%s",
           strerror(-r));
    expect(open_fds() == before, "no fd is left open", "%d", open_fds() - before);
    return failures != 0;
}

/* Depths around the number of levels that are open at once. */
static void test_depths(const struct trees *t)
{
    for (int depth = 14; depth <= 50; depth += depth == 18 ? 14 : depth == 34 ? 16 : 1) {
        chain(t->root, "chain", depth);
        chain(t->root, "chain/d/d/side", depth);
        chain(t->root, "chain/d/d/d/d/side", depth);
        int r = remove_tree_at(t->root, "chain");
        expect(r == 0 && !exists(t->root, "chain"), "a tree with long branches", "%d levels: %s",
               depth, strerror(-r));
    }
}

static void test_remove_links(const struct trees *t)
{
    _cleanup_close_ int fd = directory(t->root, "tree");
    link_to("../../outside", fd, "up");
    link_to(t->scratch.path, fd, "absolute");
    link_to(".", fd, "self");
    mkfifoat(fd, "fifo", 0600);
    (void)linkat(t->outside, "secret", fd, "hard", 0);
    check(remove_tree_at(t->root, "tree") == 0 && !exists(t->root, "tree"), "a tree with links",
          "is not removed");
    check(exists(t->outside, "secret") && exists(t->scratch.fd, "outside"),
          "links are not followed", "they are");
    link_to("../outside", t->root, "tree");
    check(remove_tree_at(t->root, "tree") == 0 && !exists(t->root, "tree") &&
              exists(t->outside, "secret"),
          "a link to a tree", "its target is removed");
    put_file(t->root, "tree", "", 0);
    check(remove_tree_at(t->root, "tree") == 0 && !exists(t->root, "tree"), "a file", "is there");
    check(remove_tree_at(t->root, "tree") == 0 && remove_tree_at(t->root, "no/such/tree") == 0,
          "already gone is success", "it is not");
}

static int test_mounts_stay(void *arg)
{
    struct trees here = *(struct trees *)arg, *t = &here;
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
        printf("skip - mount points: %s\n", strerror(errno));
        return 0;
    }
    /* fds of the old mount namespace would not see the mounts of this one */
    t->scratch.fd = open(t->scratch.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    t->root = directory(t->scratch.fd, "root");
    t->outside = directory(t->scratch.fd, "outside");
    chain(t->root, "tree", 40);
    chain(t->root, "tree/d/d/d/branch", 40);
    close_fd(directory(t->root, "tree/d/d/m"));
    _cleanup_free_ char *outside = path_of(t->outside), *root = path_of(t->root);
    _cleanup_free_ char *place = xasprintf("%s/tree/d/d/m", root);
    _cleanup_free_ char *top = xasprintf("%s/tree", root);
    check(mount(outside, place, NULL, MS_BIND, NULL) == 0, "a bind mount", strerror(errno));
    int r = remove_tree_at(t->root, "tree");
    expect(r == -EXDEV && exists(t->outside, "secret"),
           "a bind mount of the same file system stays", "%s", strerror(-r));
    check(exists(t->root, "tree/d/d/m") && !exists(t->root, "tree/d/d/d") &&
              !exists(t->root, "tree/d/d/a") && !exists(t->root, "tree/d/z"),
          "everything around it goes", "not so");
    umount2(place, MNT_DETACH);
    check(mount("none", place, "tmpfs", 0, NULL) == 0, "a tmpfs", strerror(errno));
    put_file(t->root, "tree/d/d/m/x", "", 0);
    r = remove_tree_at(t->root, "tree");
    expect(r == -EXDEV && exists(t->root, "tree/d/d/m/x"), "another file system stays", "%s",
           strerror(-r));
    umount2(place, MNT_DETACH);
    check(mount(outside, top, NULL, MS_BIND, NULL) == 0, "a bind mount at the top",
          strerror(errno));
    r = remove_tree_at(t->root, "tree");
    expect(r == -EXDEV && exists(t->outside, "secret"), "nor is the top of a mount entered", "%s",
           strerror(-r));
    umount2(top, MNT_DETACH);
    r = remove_tree_at(t->root, "tree");
    expect(r == 0 && !exists(t->root, "tree"), "without mounts it goes", "%s", strerror(-r));
    return failures != 0;
}

/* Moves a branch away and replaces it by a link out of the tree while the tree is removed. */
static void test_remove_race(const struct trees *t)
{
    close_fd(directory(t->outside, "precious"));
    put_file(t->outside, "precious/file", "", 0);
    link_to("/", t->root, "evil");
    (void)unlinkat(t->root, "evil", 0);
    _cleanup_free_ char *precious = xasprintf("%s/outside/precious", t->scratch.path);
    link_to(precious, t->root, "evil");
    fflush(stdout);
    pid_t pid = fork();
    while (pid == 0) {
        (void)renameat2(t->root, "tree/d/d/d/d", t->root, "evil", RENAME_EXCHANGE);
        (void)renameat(t->root, "tree/d/d", t->outside, "stolen");
        (void)renameat(t->outside, "stolen", t->root, "tree/d/d");
    }
    int rounds = 0;
    for (int64_t end = milliseconds() + 700; milliseconds() < end; rounds++) {
        int at = directory(t->root, "tree");
        for (int i = 0; at >= 0 && i < 30; i++) {
            int next = directory(at, "d");
            close(at);
            at = next;
        }
        close_fd(at);
        (void)remove_tree_at(t->root, "tree");
    }
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    expect(exists(t->outside, "precious/file") && exists(t->outside, "secret"),
           "renames while we remove lead nowhere", "after %d rounds", rounds);
    (void)remove_tree_at(t->root, "tree");
    (void)remove_tree_at(t->root, "evil");
    (void)remove_tree_at(t->outside, "stolen");
}

int main(void)
{
    struct trees t;
    if (!enter_box()) {
        printf("not ok - a read-only world: %s\n", strerror(errno));
        return 1;
    }
    hostile_tree(&t);
    test_open_in_root(&t);
    test_mkdir_in_root(&t);
    test_touch_in_root(&t);
    test_races(&t);
    _cleanup_close_ int plain = directory(t.scratch.fd, "plain");
    test_write_file_atomic(plain);
    test_readers_see_whole_files(plain);
    test_plain_files(plain);
    test_state_files(plain);
    test_names_in(plain);
    test_remove_links(&t);
    test_depths(&t);
    chain(t.root, "deep", 3000);
    failures += in_child(remove_deep, &t) != 0;
    failures += in_child(test_mounts_stay, &t) != 0;
    test_remove_race(&t);
    close(t.root);
    close(t.outside);
    scratch_close(&t.scratch);
    check(!exists(AT_FDCWD, t.scratch.path), "all of it is removed", t.scratch.path);
    return failures != 0;
}
