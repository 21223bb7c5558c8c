/* The entries of names, the index that leads to them, and what processes leave that are killed
 * while writing. */
#include "check.h"

#include <netctr/names.h>

#include <dirent.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/mount.h>

static struct name_entry entry(char *id, const char *four, const char *six, strv names)
{
    struct name_entry n = {.id = id, .names = names};
    if ((four && ip_parse(four, &n.address4) < 0) || (six && ip_parse(six, &n.address6) < 0))
        abort();
    return n;
}

/* ---- what is there ----------------------------------------------------------------------------*/

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void walk(int dir, const char *path, strv *out)
{
    _cleanup_dir_ DIR *d = open_listing(dir, path);
    for (struct dirent *entry; d && (entry = readdir(d));) {
        if (streq(entry->d_name, ".") || streq(entry->d_name, ".."))
            continue;
        _cleanup_free_ char *below = xasprintf("%s/%s", path, entry->d_name);
        char target[1024];
        ssize_t n = readlinkat(dir, below, target, sizeof(target));
        struct stat st;
        if (n >= 0)
            strv_add_take(out, xasprintf("%s -> %.*s", below, (int)n, target));
        else if (fstatat(dir, below, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode))
            walk(dir, below, out);
        else
            strv_add(out, below);
    }
    if (!strchr(path, '/'))
        return;
    struct stat st; /* empty directories are listed too */
    if (fstatat(dir, path, &st, 0) == 0 && st.st_nlink == 2 && out)
        strv_add_take(out, xasprintf("%s/", path));
}

/* Everything except the bells, sorted, one line each. */
static char *tree(int dir)
{
    strv all = NULL;
    walk(dir, "container", &all);
    walk(dir, "address", &all);
    walk(dir, "network", &all);
    if (all)
        qsort(all, strv_len(all), sizeof(char *), by_name);
    char *text = xstrdup("");
    strv_each (line, all) {
        char *more =
            line[strlen(line) - 1] == '/' ? xstrdup(text) : xasprintf("%s%s\n", text, line);
        free(text);
        text = more;
    }
    strv_free(all);
    return text;
}

/* Not even an empty directory is left. */
static bool is_empty(int dir)
{
    static const char *const tops[] = {"container", "address", "network"};
    bool empty = true;
    for (size_t i = 0; i < ARRAY_LEN(tops); i++) {
        _cleanup_dir_ DIR *d = open_listing(dir, tops[i]);
        for (struct dirent *e; d && (e = readdir(d));)
            if (e->d_name[0] != '.') {
                printf("# %s/%s\n", tops[i], e->d_name);
                empty = false;
            }
    }
    return empty;
}

static void check_tree(int dir, const char *wanted, const char *name)
{
    _cleanup_free_ char *text = tree(dir);
    check(streq(text, wanted), name, text);
}

static char *content_of(int dir, const char *file)
{
    char *text = NULL;
    return read_file_at(dir, file, 65536, &text, NULL) < 0 ? xstrdup("") : text;
}

static int gather(const struct name_entry *n, void *arg)
{
    _cleanup_free_ char *four = ip_text(&n->address4), *six = ip_text(&n->address6);
    strv_add_take(arg, xasprintf("%s %s %s %s %s%s", n->id, four, six, n->names ? n->names[0] : "-",
                                 n->servers ? n->servers[0] : "-", n->internal ? " internal" : ""));
    return 0;
}

static strv listed(int dir, const char *network)
{
    strv all = NULL;
    (void)names_each(dir, network, gather, &all, NULL);
    if (all)
        qsort(all, strv_len(all), sizeof(char *), by_name);
    return all;
}

/* ---- one after the other ----------------------------------------------------------------------*/

static void test_book(int dir)
{
    char *web[] = {"Web", "www", "a..b", "-", "x y", NULL}, *db[] = {"db", "www", NULL},
         *servers[] = {"9.9.9.9", "fd00::53", NULL};
    struct name_entry one = entry("aaaa", "10.0.0.2", "fd00::2", web),
                      two = entry("aaaab", "10.0.0.3", NULL, db);
    one.internal = true;
    two.servers = servers;
    check(names_join(dir, "red", &one, NULL) == 0 && names_join(dir, "red", &two, NULL) == 0,
          "two join", "they cannot");
    check_tree(
        dir,
        "address/10.0.0.2 -> red aaaa Web\naddress/10.0.0.3 -> red aaaab db\n"
        "address/fd00::2 -> red aaaa Web\ncontainer/aaaa/red\ncontainer/aaaab/.servers\n"
        "container/aaaab/red\nnetwork/red/db/aaaab -> 10.0.0.3\n"
        "network/red/web/aaaa -> 10.0.0.2,fd00::2\nnetwork/red/www/aaaa -> 10.0.0.2,fd00::2\n"
        "network/red/www/aaaab -> 10.0.0.3\n",
        "the tree");
    _cleanup_free_ char *text = content_of(dir, "container/aaaa/red"),
                        *asked = content_of(dir, "container/aaaab/.servers");
    check(streq(text, "10.0.0.2 fd00::2 Web,www,a..b internal\n"), "an entry", text);
    check(streq(asked, "9.9.9.9,fd00::53"), "its servers", asked);
    _cleanup_strv_ strv all = listed(dir, "red");
    check(strv_len(all) == 2 && streq(all[0], "aaaa 10.0.0.2 fd00::2 Web - internal") &&
              streq(all[1], "aaaab 10.0.0.3  db 9.9.9.9"),
          "each of them once", all ? all[0] : "nobody");
    check(names_join(dir, "blue", &one, NULL) == 0 && names_leave(dir, "red", "aaaa", NULL) == 0,
          "another network, and out of the first", "it cannot");
    check_tree(dir,
               "address/10.0.0.2 -> blue aaaa Web\naddress/10.0.0.3 -> red aaaab db\n"
               "address/fd00::2 -> blue aaaa Web\ncontainer/aaaa/blue\ncontainer/aaaab/.servers\n"
               "container/aaaab/red\nnetwork/blue/web/aaaa -> 10.0.0.2,fd00::2\n"
               "network/blue/www/aaaa -> 10.0.0.2,fd00::2\nnetwork/red/db/aaaab -> 10.0.0.3\n"
               "network/red/www/aaaab -> 10.0.0.3\n",
               "the tree of two networks");
    check(names_leave(dir, NULL, "aaaa", NULL) == 0 &&
              names_leave(dir, "red", "aaaab", NULL) == 0 &&
              names_leave(dir, "red", "aaaab", NULL) == 0 && is_empty(dir),
          "all have left", "something is there");
    check(names_each(dir, "none", gather, NULL, NULL) == 0, "no such network", "an error");
}

static void test_again(int dir)
{
    char *web[] = {"web", "www", NULL}, *other[] = {"WWW", "api", NULL};
    struct name_entry one = entry("aaaa", "10.0.0.2", "fd00::2", web),
                      then = entry("aaaa", "10.0.0.9", NULL, other),
                      heir = entry("bbbb", "10.0.0.2", NULL, web);
    (void)names_join(dir, "red", &one, NULL);
    check(names_join(dir, "red", &then, NULL) == 0, "with other names and addresses", "cannot");
    check_tree(dir,
               "address/10.0.0.9 -> red aaaa WWW\ncontainer/aaaa/red\n"
               "network/red/api/aaaa -> 10.0.0.9\nnetwork/red/www/aaaa -> 10.0.0.9\n",
               "nothing stale");
    _cleanup_free_ char *text = content_of(dir, "container/aaaa/red");
    check(streq(text, "10.0.0.9 - WWW,api open\n"), "one line", text);
    (void)names_join(dir, "red", &one, NULL);
    (void)names_join(dir, "red", &heir, NULL); /* the address was given out again */
    check(names_leave(dir, "red", "aaaa", NULL) == 0, "one whose address has been reassigned",
          "stays");
    check_tree(dir,
               "address/10.0.0.2 -> red bbbb web\ncontainer/bbbb/red\n"
               "network/red/web/bbbb -> 10.0.0.2\nnetwork/red/www/bbbb -> 10.0.0.2\n",
               "the other keeps it");
    (void)names_leave(dir, NULL, "bbbb", NULL);
    check(is_empty(dir), "nothing is left", "something is");
}

static void test_damage(int dir)
{
    char *web[] = {"web", NULL};
    struct name_entry one = entry("aaaa", "10.0.0.2", "fd00::2", web);
    static const char *const damaged[] = {"",
                                          "x",
                                          "10.0.0.2 - web open",
                                          "10.0.0.2 - web\n",
                                          "fd00::2 - web open\n",
                                          "- - ../web open\n",
                                          "10.0.0.2 fd00::2 web open\n- - -"};
    for (size_t i = 0; i < ARRAY_LEN(damaged); i++) {
        (void)names_join(dir, "red", &one, NULL);
        put_file(dir, "container/aaaa/red", damaged[i], strlen(damaged[i]));
        _cleanup_strv_ strv all = listed(dir, "red");
        check(strv_len(all) == (i == 6), "a damaged entry is passed over", damaged[i]);
        if (i % 2)
            (void)names_join(dir, "red", &one, NULL);
        check(names_leave(dir, NULL, "aaaa", NULL) == 0 && is_empty(dir),
              "a damaged entry and all of it", damaged[i]);
    }
}

static bool is_red(const char *network, void *arg)
{
    (void)arg;
    return streq(network, "red");
}

static void test_sweep(int dir)
{
    char *web[] = {"web", NULL}, *ids[] = {"aaaa", NULL};
    struct name_entry one = entry("aaaa", "10.0.0.2", NULL, web),
                      two = entry("bbbb", "10.0.0.3", NULL, web),
                      three = entry("cccc", "10.0.0.4", NULL, web);
    (void)names_join(dir, "red", &one, NULL);
    _cleanup_free_ char *wanted = tree(dir);
    (void)names_join(dir, "red", &two, NULL);
    (void)names_join(dir, "blue", &three, NULL);
    (void)unlinkat(dir, "container/cccc/blue", 0);
    (void)symlinkat("nonsense", dir, "address/10.0.0.7");
    (void)symlinkat("x", dir, "address/~dddd");
    (void)symlinkat("x", dir, "network/red/web/~dddd");
    (void)symlinkat("10.0.0.8", dir, "network/red/web/dddd");
    _cleanup_free_ char *before = tree(dir);
    check(names_sweep(dir, ids, &(struct gc){.dry_run = true}, NULL) == 0, "a dry sweep", "fails");
    check_tree(dir, before, "it removes nothing");
    check(names_sweep(dir, ids, &gc_quietly, NULL) == 0, "a sweep", "fails");
    check_tree(dir, wanted, "only who lives is there");
    (void)names_join(dir, "blue", &one, NULL);
    (void)names_join(dir, "blue", &two, NULL);
    check(names_prune(dir, is_red, NULL, NULL) == 0 && faccessat(dir, "bell/blue", F_OK, 0) < 0 &&
              faccessat(dir, "network/blue", F_OK, 0) < 0,
          "a network is forgotten", "it is not");
    (void)names_join(dir, "red", &one, NULL);
    check_tree(dir, wanted, "the other is not");
    (void)names_leave(dir, NULL, "aaaa", NULL);
    check(is_empty(dir), "nothing is left of a sweep", "something is");
}

static uint32_t rung(int fd)
{
    char buffer[4096] __attribute__((aligned(8)));
    ssize_t n = read(fd, buffer, sizeof(buffer));
    return n <= 0 ? 0 : ((struct inotify_event *)buffer)->mask & NAMES_RUNG;
}

static void test_bell(int dir)
{
    char *web[] = {"web", NULL}, *upstream[] = {"192.0.2.1", "192.0.2.2", NULL};
    struct name_entry one = entry("aaaa", "10.0.0.2", NULL, web);
    _cleanup_close_ int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    _cleanup_free_ char *path = xasprintf("/proc/self/fd/%d/" NAMES_BELL, dir);
    check(inotify_add_watch(fd, path, NAMES_RUNG) >= 0, "a bell to listen to", "none");
    (void)names_join(dir, "green", &one, NULL);
    check(rung(fd) != 0, "the bell at the first join", "is silent");
    (void)names_leave(dir, "green", "aaaa", NULL);
    check(rung(fd) != 0, "the bell when one leaves", "is silent");
    (void)names_leave(dir, "green", "aaaa", NULL);
    check(rung(fd) == 0, "no container has left", "it rings");
    struct stat first, second;
    check(names_set_upstream(dir, upstream, NULL) == 0 &&
              fstatat(dir, "upstream", &first, 0) == 0 &&
              names_set_upstream(dir, upstream, NULL) == 0 &&
              fstatat(dir, "upstream", &second, 0) == 0 && first.st_ino == second.st_ino,
          "the same resolvers", "are written again");
    _cleanup_free_ char *text = content_of(dir, "upstream");
    check(streq(text, "192.0.2.1,192.0.2.2"), "the resolvers", text);
    check(names_set_upstream(dir, NULL, NULL) == 0, "no resolvers", "cannot be written");
}

/* ---- many at once -----------------------------------------------------------------------------*/

static int come_and_go(int dir, unsigned who, unsigned times)
{
    _cleanup_free_ char *id = xasprintf("c%u", who), *four = xasprintf("10.0.1.%u", who);
    char *names[] = {"all", id, NULL};
    struct name_entry n = entry(id, four, NULL, names);
    for (unsigned i = 0; i < times; i++)
        if (names_join(dir, "red", &n, NULL) < 0 || names_leave(dir, "red", id, NULL) < 0)
            return 1;
    return 0;
}

static void test_many(int dir)
{
    enum { MANY = 8 };
    pid_t pids[MANY];
    int failed = 0;
    fflush(stdout);
    for (unsigned i = 0; i < MANY; i++)
        if ((pids[i] = fork()) == 0)
            _exit(come_and_go(dir, i, 300));
    for (unsigned i = 0; i < MANY; i++) {
        int status = 0;
        failed += waitpid(pids[i], &status, 0) < 0 || status != 0;
    }
    expect(failed == 0, "many come and go", "%d failed", failed);
    check(is_empty(dir), "nothing is left of them", "something is");
}

/* Joins, changes names and addresses, and leaves, until it is killed. */
static void change_for_ever(int dir)
{
    char *some[] = {"web", "stays", NULL}, *others[] = {"stays", "www", "api", NULL},
         *servers[] = {"1.1.1.1", NULL};
    struct name_entry one = entry("aaaa", "10.0.0.2", "fd00::2", some),
                      two = entry("aaaa", "10.0.0.3", "fd00::2", others);
    one.servers = servers;
    for (;;) {
        (void)names_join(dir, "red", &one, NULL);
        (void)names_join(dir, "red", &two, NULL);
        (void)names_join(dir, "blue", &one, NULL);
        (void)names_leave(dir, NULL, "aaaa", NULL);
    }
}

static void test_killed(int dir)
{
    int left = 0;
    unsigned seed = 1;
    fflush(stdout);
    for (int i = 0; i < 300; i++) {
        pid_t pid = fork();
        if (pid == 0)
            change_for_ever(dir);
        usleep((useconds_t)(rand_r(&seed) % 1500));
        if (i % 3 == 0) { /* the second process starts from the state that the killed one left */
            kill(pid, SIGKILL);
            waitpid(pid, NULL, 0);
            if ((pid = fork()) == 0)
                change_for_ever(dir);
            usleep((useconds_t)(rand_r(&seed) % 500));
        }
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        if (names_leave(dir, NULL, "aaaa", NULL) < 0 || !is_empty(dir))
            left++;
    }
    expect(left == 0, "killed at any moment", "%d times something was left", left);
}

/* During a change, a name that stays is there at every moment, and so is its address. */
static void test_stays(int dir)
{
    char *some[] = {"web", "stays", NULL}, *others[] = {"stays", "www", NULL};
    struct name_entry one = entry("aaaa", "10.0.0.2", "fd00::2", some),
                      two = entry("aaaa", "10.0.0.3", "fd00::2", others);
    int missing = 0, status;
    (void)names_join(dir, "red", &one, NULL);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        for (int i = 0; i < 2000; i++)
            if (names_join(dir, "red", i % 2 ? &one : &two, NULL) < 0)
                _exit(1);
        _exit(0);
    }
    while (waitpid(pid, &status, WNOHANG) == 0) {
        char text[64];
        missing += readlinkat(dir, "network/red/stays/aaaa", text, sizeof(text)) < 0;
        missing += readlinkat(dir, "address/fd00::2", text, sizeof(text)) < 0;
    }
    expect(status == 0 && missing == 0, "what stays is there all the time", "%d times missing",
           missing);
    (void)names_leave(dir, NULL, "aaaa", NULL);
    check(is_empty(dir), "nothing is left of the changes", "something is");
}

/* A tmpfs without a free inode. */
static int leave_full(void *arg)
{
    const char *top = arg;
    char *web[] = {"web", "www", NULL};
    struct name_entry one = entry("aaaa", "10.0.0.2", "fd00::2", web);
    if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("none", top, "tmpfs", 0, "size=256k,nr_inodes=200") < 0)
        return 77;
    _cleanup_close_ int fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _cleanup_close_ int dir = names_open(fd, NULL);
    if (names_join(dir, "red", &one, NULL) < 0)
        return 1;
    _cleanup_close_ int filler = openat(fd, "filler", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    static const char page[4096];
    while (write(filler, page, sizeof(page)) > 0)
        ;
    for (int i = 0; i < 300; i++) {
        _cleanup_free_ char *name = xasprintf("f%d", i);
        _cleanup_close_ int other = openat(fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    }
    if (names_join(dir, "blue", &one, NULL) != -ENOSPC)
        return 2;
    return names_leave(dir, NULL, "aaaa", NULL) < 0 || !is_empty(dir) ? 3 : 0;
}

int main(void)
{
    _cleanup_scratch_ struct scratch s = scratch_open();
    _cleanup_close_ int dir = names_exist(s.fd) == 0 ? names_open(s.fd, NULL) : -1;
    check(dir >= 0 && names_exist(s.fd) == 1, "a directory of names", "cannot be made");
    test_book(dir);
    test_again(dir);
    test_damage(dir);
    test_sweep(dir);
    test_bell(dir);
    test_many(dir);
    test_killed(dir);
    test_stays(dir);
    int full = in_child(leave_full, s.path);
    if (full == 77)
        printf("skip - a full tmpfs: not root\n");
    else
        expect(full == 0, "a full tmpfs", "step %d failed", full);
    return failures != 0;
}
