/* Ranges of ids: who gets which, who may live with them, and what is left of them. */
#include "check.h"

#include <netctr/engine.h>

#include "engine/store/files.h"

static struct store store;

/* A file over one of the host's, in a mount namespace of this test. False: the host has none. */
static bool cover(const char *path, const char *text)
{
    _cleanup_free_ char *own = xasprintf("/run/%s", strrchr(path, '/') + 1);
    FILE *f = fopen(own, "we");
    if (f) {
        fputs(text, f);
        fclose(f);
    }
    return mount(own, path, NULL, MS_BIND, NULL) == 0;
}

static uint32_t first_of(const struct id_map *m)
{
    return m->uids[0].outside;
}

static struct spec spec_of(const char *id, const struct id_map *m, enum userns_mode mode)
{
    struct spec s = {.name = (char *)"c", .id = (char *)(uintptr_t)id, .userns = mode, .ids = *m};
    return s;
}

static void define(const char *id, const char *name)
{
    check(ids_add(&store, id, name, NULL) == 0, "define a container", "failed");
}

/* Ends with its lock closed, as after a kill. */
static uint32_t allocate_and_close(const char *id)
{
    _cleanup_err_ struct err e = ERR_INIT;
    struct id_map m = {0};
    int lock = range_allocate(&store, id, &m, &e);
    expect(lock >= 0, "allocate", "%s", text_of(&e));
    close_fd(lock);
    return first_of(&m);
}

static void test_allocate(void)
{
    static const char id[] = "00000000000a", other[] = "00000000000b";
    uint32_t first = allocate_and_close(id);
    expect(first >= 0x40000000 && first < 0x70000000 && first % ID_RANGE_SIZE == 0,
           "a range of the pool", "%u", first);
    uint32_t again = allocate_and_close(id);
    expect(again == first, "a range that a killed command has left is taken again", "%u", again);
    define(id, "c");
    again = allocate_and_close(id);
    expect(again != first, "a defined container keeps its range", "%u", again);
    const struct id_map m = id_map_of_range(first);
    range_free(&store, other, &m);
    expect(allocate_and_close(id) != first, "only its own container frees a range", "%u", first);
    range_free(&store, id, &m);
    expect(allocate_and_close(id) == first, "a range that is freed is free", "%u", first);
    ids_remove(&store, id);
}

static void test_living(void)
{
    static const char id[] = "0000000000aa";
    _cleanup_err_ struct err e = ERR_INIT;
    struct id_map m = {0};
    _cleanup_close_ int lock = range_allocate(&store, id, &m, NULL);
    uint32_t first = first_of(&m);
    expect(lock >= 0 && allocate_and_close(id) != first,
           "a range that is being defined is not free", "%d", lock);
    define(id, "c");
    struct spec s = spec_of(id, &m, USERNS_AUTO), given = spec_of("0000000000ab", &m, USERNS_MAP);
    int r = range_hold(&store, &s, false, &e);
    expect(r == -EBUSY && e.hint, "the ids of a living container are refused", "%d", r);
    r = range_hold(&store, &given, false, NULL);
    expect(r == -EBUSY, "also in a map that the user gives", "%d", r);
    _cleanup_close_ int member = range_hold(&store, &s, true, NULL);
    check(member >= 0, "a member of the sandbox lives with its ids", "refused");
    lock = close_fd(lock);
    _cleanup_close_ int apart = openat(store.root_fd, "other", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct store other = store;
    other.root_fd = apart;
    r = range_hold(&other, &s, false, NULL);
    expect(r == -EBUSY, "the ids of a living member are refused to another instance", "%d", r);
    expect(allocate_and_close("0000000000ad") != first, "and are not free", "%u", first);
    lock = range_hold(&store, &s, false, NULL);
    check(lock >= 0, "the owner of the sandbox lives again beside it", "refused");
    lock = close_fd(lock);
    member = close_fd(member);
    lock = range_hold(&store, &s, false, NULL);
    check(lock >= 0, "the ids of the dead are free", "refused");
    lock = close_fd(lock);
    lock = range_hold(&store, &given, false, NULL);
    _cleanup_close_ int second = range_hold(&store, &given, false, NULL);
    check(lock >= 0 && second >= 0, "two containers may be given the same map", "refused");
    r = range_hold(&store, &s, false, NULL);
    expect(r == -EBUSY, "which is refused to one that would have it alone", "%d", r);
    ids_remove(&store, id);
}

/* Another ROOT knows nothing of the entries of this one. */
static void test_instances(void)
{
    static const char id[] = "0000000000ac";
    struct store other = store;
    other.root_fd = openat(store.root_fd, "other", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct id_map mine = {0}, theirs = {0};
    _cleanup_close_ int a = range_allocate(&store, id, &mine, NULL);
    _cleanup_close_ int b = range_allocate(&other, id, &theirs, NULL);
    expect(a >= 0 && b >= 0 && first_of(&mine) != first_of(&theirs),
           "another instance skips ids that are lived with", "%u", first_of(&theirs));
    a = close_fd(a);
    b = close_fd(b);
    b = range_allocate(&other, id, &theirs, NULL);
    check(first_of(&mine) == first_of(&theirs), "and may have those of an ended container", "no");
    struct spec s = spec_of(id, &mine, USERNS_AUTO);
    expect(range_hold(&store, &s, false, NULL) == -EBUSY, "which cannot start meanwhile", "%d", b);
    close_fd(other.root_fd);
}

/* Locks are in several files; a range may begin in the part of one and end in that of the next. */
static void test_parts(void)
{
    static const char id[] = "0000000000ae", other_id[] = "0000000000af";
    const struct id_map low = id_map_of_range(0x40ff8000), high = id_map_of_range(0x41000000),
                        apart = id_map_of_range(0x41008000);
    struct spec a = spec_of(id, &low, USERNS_AUTO), b = spec_of(other_id, &high, USERNS_AUTO),
                c = spec_of(other_id, &apart, USERNS_AUTO),
                given = spec_of(other_id, &high, USERNS_MAP);
    struct store other = store;
    struct stat one, two;
    other.root_fd = openat(store.root_fd, "other", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int lock = range_hold(&store, &a, false, NULL);
    int r = range_hold(&other, &b, false, NULL);
    expect(lock >= 0 && r == -EBUSY, "a range is refused if one before it has some of its ids",
           "%d", r);
    r = range_hold(&other, &given, false, NULL);
    expect(r == -EBUSY, "a map as well", "%d", r);
    r = range_hold(&other, &c, false, NULL);
    expect(r >= 0 && fstat(lock, &one) == 0 && fstat(r, &two) == 0 && one.st_ino != two.st_ino,
           "one beside it is not, and its lock is in another file", "%d", r);
    close_fd(r);
    close_fd(lock);
    lock = range_hold(&other, &b, false, NULL);
    r = range_hold(&store, &a, false, NULL);
    expect(lock >= 0 && r == -EBUSY, "nor may a range end with the ids of the next one", "%d", r);
    close_fd(lock);
    close_fd(other.root_fd);
}

static void test_sweep(void)
{
    static const char dead[] = "0000000000ba", living[] = "0000000000bb", kept[] = "0000000000bc";
    struct id_map m = {0};
    allocate_and_close(dead);
    _cleanup_close_ int lock = range_allocate(&store, living, &m, NULL);
    uint32_t first = allocate_and_close(kept);
    define(kept, "kept");
    (void)symlinkat("x", store.root_fd, "ranges/no-number");
    (void)mkdirat(store.root_fd, "ranges/4711", 0700);
    check(ranges_sweep(&store, &gc_quietly, NULL) == 0, "sweep", "failed");
    _cleanup_free_ char *a = xasprintf("ranges/%u", first_of(&m)),
                        *b = xasprintf("ranges/%u", first);
    struct stat st;
    check(fstatat(store.root_fd, a, &st, AT_SYMLINK_NOFOLLOW) == 0,
          "gc keeps the range of a container that is being made", "it is gone");
    check(fstatat(store.root_fd, b, &st, AT_SYMLINK_NOFOLLOW) == 0,
          "gc keeps the range of a defined container", "it is gone");
    size_t count = 0;
    _cleanup_dir_ DIR *d = open_listing(store.root_fd, "ranges");
    for (struct dirent *entry; d && (entry = readdir(d));)
        count += entry->d_name[0] != '.';
    expect(count == 2, "gc removes the rest", "%zu are left", count);
    ids_remove(&store, kept);
}

enum { PARALLEL = 50 };

/* Tells whether it got a range that no other has, and holds that until all have one. */
static _Noreturn void get_one(int number, int go, int told, int stay)
{
    char byte;
    struct id_map m;
    _cleanup_free_ char *id = xasprintf("00000001000%c", 'a' + number % 6);
    (void)!read(go, &byte, 1);
    int lock = range_allocate(&store, id, &m, NULL);
    _cleanup_free_ char *got = xasprintf("got-%u", first_of(&m));
    byte = lock >= 0 && mkdirat(store.root_fd, got, 0700) == 0;
    (void)!write(told, &byte, 1);
    (void)!read(stay, &byte, 1);
    _exit(0);
}

/* All begin at the same place. */
static void test_parallel(void)
{
    size_t different = 0;
    char had_one;
    int go[2], told[2], stay[2];
    if (pipe(go) < 0 || pipe(told) < 0 || pipe(stay) < 0)
        return;
    for (int i = 0; i < PARALLEL; i++)
        if (fork() == 0) {
            close(go[1]);
            close(stay[1]);
            get_one(i, go[0], told[1], stay[0]);
        }
    close(go[0]);
    close(go[1]);
    close(told[1]);
    for (int i = 0; i < PARALLEL && read(told[0], &had_one, 1) == 1; i++)
        different += had_one;
    close(told[0]);
    close(stay[0]);
    close(stay[1]);
    while (wait(NULL) > 0)
        ;
    expect(different == PARALLEL, "50 at once get 50 ranges", "%zu", different);
}

static void test_users(void)
{
    (void)cover("/etc/subuid", "alice:1073741824:805240832\n"); /* all but the last range */
    (void)cover("/etc/subgid", "");
    uint32_t first = allocate_and_close("0000000000ca");
    expect(first == 0x6fff0000, "never the ids of a user of /etc/subuid", "%u", first);
    struct id_map m;
    (void)cover("/etc/subgid", "bob:1878982656:1\n");
    _cleanup_err_ struct err e = ERR_INIT;
    int r = range_allocate(&store, "0000000000cb", &m, &e);
    expect(r == -EADDRNOTAVAIL, "nor of /etc/subgid", "%d", r);
    (void)cover("/etc/subuid", "alice:100000:65536\nnetctr:165536:200000\n");
    (void)cover("/etc/subgid", "alice:100000:65536\nnetctr:165536:131072\n");
    uint32_t one = allocate_and_close("0000000000cc");
    define("0000000000cc", "one");
    uint32_t two = allocate_and_close("0000000000cd");
    define("0000000000cd", "two");
    expect(one != two && one + two == 165536 + 231072, "those of user netctr, if it has some",
           "%u, %u", one, two);
    err_clear(&e);
    r = range_allocate(&store, "0000000000ce", &m, &e);
    expect(r == -EADDRNOTAVAIL && e.hint, "and no more of them than groups", "%d", r);
}

/* ---- the definition and the flags --------------------------------------------------------------*/

static int round_trip(const char *mode, const char *uids, struct spec *out)
{
    _cleanup_json_ json_t *j = json_object();
    static const char *const texts[] = {"name", "id", "rootfs", "network"};
    _cleanup_strv_ strv argv = NULL;
    strv_add(&argv, "true");
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        json_put_str(j, texts[i], texts[i]);
    json_put_strv(j, "argv", argv);
    json_object_set_new(j, "schema", json_integer(1));
    json_put_str(j, "userns", mode);
    json_put_str(j, "uids", uids);
    json_put_str(j, "gids", uids);
    int r = spec_from_json(j, out, NULL);
    if (r < 0)
        return r;
    _cleanup_json_ json_t *back = spec_to_json(out);
    return streq(json_str(back, "userns"), mode) && streq(json_str(back, "uids"), uids) ? 0 : -EIO;
}

static void test_definition(void)
{
    static const struct {
        const char *mode, *uids;
        int result;
        enum userns_mode read;
    } cases[] = {
        {NULL, NULL, 0, USERNS_HOST}, /* of older versions */
        {"auto", "0:1073741824:65536", 0, USERNS_AUTO},
        {"map", "0:1000:1,1:100000:65535", 0, USERNS_MAP},
        {"auto", NULL, -EBADMSG, 0},
        {"auto", "", -EBADMSG, 0},
        {"auto", "0:x:1", -EBADMSG, 0},
        {"private", "0:1073741824:65536", -EBADMSG, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        _cleanup_spec_ struct spec s = {0};
        int r = round_trip(cases[i].mode, cases[i].uids, &s);
        expect(r == cases[i].result && (r < 0 || s.userns == cases[i].read),
               "a user namespace in a definition", "%s, %s: %d", cases[i].mode, cases[i].uids, r);
    }
}

static void test_flags(void)
{
    static const struct {
        const char *mode, *uid, *gid;
        int result;
        enum userns_mode read;
        bool asked;
    } cases[] = {
        {NULL, NULL, NULL, 0, USERNS_AUTO, false},
        {"auto", NULL, NULL, 0, USERNS_AUTO, true},
        {"host", NULL, NULL, 0, USERNS_HOST, true},
        {NULL, "0:100000:65536", NULL, 0, USERNS_MAP, true},
        {NULL, "0:100000:65536", "0:200000:65536", 0, USERNS_MAP, true},
        {"private", NULL, NULL, -EINVAL, 0, false},
        {"", NULL, NULL, -EINVAL, 0, false},
        {"auto", "0:100000:65536", NULL, -EINVAL, 0, false},
        {NULL, NULL, "0:100000:65536", -EINVAL, 0, false},
        {NULL, "1:100000:65536", NULL, -EINVAL, 0, false},
        {NULL, "0:100000", "1:5:5", -EINVAL, 0, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        _cleanup_run_request_ struct run_request q = RUN_REQUEST_INIT;
        _cleanup_err_ struct err e = ERR_INIT;
        _cleanup_strv_ strv uids = NULL, gids = NULL;
        if (cases[i].uid)
            strv_add(&uids, cases[i].uid);
        if (cases[i].gid)
            strv_add(&gids, cases[i].gid);
        int r = userns_parse(cases[i].mode, uids, gids, &q, &e);
        expect(r == cases[i].result && (r == 0 || e.text) &&
                   (r < 0 || (q.spec.userns == cases[i].read && q.userns_asked == cases[i].asked)),
               "flags of the user namespace", "case %zu: %d, %s", i, r, text_of(&e));
    }
}

int main(void)
{
    test_definition();
    test_flags();
    if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0 ||
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("tmpfs", "/run", "tmpfs", 0, NULL) < 0 || mkdir("/run/root", 0700) < 0 ||
        mkdir("/run/root/containers", 0700) < 0 || mkdir("/run/root/other", 0700) < 0) {
        printf("skip - ranges: not root\n");
        return failures > 0;
    }
    store = STORE_INIT;
    store.root = xstrdup("/run/root");
    store.root_fd = open("/run/root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    store.defined_fd = open("/run/root/containers", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool covered = cover("/etc/subuid", "") && cover("/etc/subgid", "");
    test_allocate();
    test_living();
    test_instances();
    test_parts();
    test_sweep();
    test_parallel();
    if (covered)
        test_users();
    else
        printf("skip - ranges of users: the host has no /etc/subuid and /etc/subgid\n");
    store_close(&store);
    return failures > 0;
}
