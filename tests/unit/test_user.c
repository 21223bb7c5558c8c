/* `-u USER[:GROUP]` against hostile and ordinary /etc/passwd and /etc/group. */
#include "core/user.h"
#include <netctr/store.h>

#include <errno.h>
#include <string.h>

static int failures;

static void check(bool ok, const char *name, const char *why)
{
    printf("%s - %s%s%s\n", ok ? "ok" : "not ok", name, ok ? "" : ": ", ok ? "" : why);
    failures += !ok;
}

static const char passwd[] = "root:x:0:0:root:/root:/bin/sh\n"
                             "# a comment\n"
                             "+::::::\n"
                             "bin:x:1:1:bin:/bin:/bin/false\n"
                             "web:x:33:33:web:/var/www:/bin/false\n"
                             "web:x:0:0:second:/root:/bin/sh\n"
                             "3:x:0:0:a number for a name:/root:/bin/sh\n"
                             "over:x:4294967296:0::/:/bin/sh\n"
                             "minus:x:-1:0::/:/bin/sh\n"
                             "big:x:4294967295:0::/:/bin/sh\n"
                             "hex:x:0x10:0::/:/bin/sh\n"
                             "nouid:x::0::/:/bin/sh\n"
                             "nogid:x:7:::/:/bin/sh\n"
                             "short:x:8:9\n"
                             "relative:x:10:10::var/www:/bin/sh\n"
                             "shorter\n"
                             "last:x:11:12::/last:/bin/sh"; /* no newline */
static const char groups[] = "root:x:0:\n"
                             "bin:x:1:root,bin\n"
                             "web:x:33:\n"
                             "media:x:50:other,web,more\n"
                             "logs:x:51:web\n"
                             "near:x:52:webmaster,xweb\n"
                             "broken:x:99999999999:web\n"
                             "minus:x:-5:web\n"
                             "7:x:0:\n";

struct row {
    const char *spec;
    int error;
    uid_t uid;
    gid_t gid;
    const char *home;
    size_t groups;
};

static const struct row rows[] = {
    {NULL, 0, 0, 0, "/root", 1},
    {"root", 0, 0, 0, "/root", 1},
    {"1", 0, 1, 1, "/bin", 1}, /* CVE-2026-30892 */
    {"0001", 0, 1, 1, "/bin", 1},
    {"3", 0, 3, 0, "/", 0}, /* an id, even if a name looks like it */
    {"web", 0, 33, 33, "/var/www", 2},
    {"33", 0, 33, 33, "/var/www", 2},
    {"web:logs", 0, 33, 51, "/var/www", 0},
    {"web:1234", 0, 33, 1234, "/var/www", 0},
    {"web:7", 0, 33, 7, "/var/www", 0}, /* not the group named 7 */
    {"4321", 0, 4321, 0, "/", 0},
    {"4321:media", 0, 4321, 50, "/", 0},
    {"4321:5", 0, 4321, 5, "/", 0},
    {"2147483647", 0, 2147483647, 0, "/", 0},
    {"short", 0, 8, 9, "/", 0},
    {"relative", 0, 10, 10, "/", 0},
    {"last", 0, 11, 12, "/last", 0},
    {"", -EINVAL, 0, 0, NULL, 0},
    {":", -EINVAL, 0, 0, NULL, 0},
    {"root:", -EINVAL, 0, 0, NULL, 0},
    {":5", -EINVAL, 0, 0, NULL, 0},
    {"a:b:c", -EINVAL, 0, 0, NULL, 0},
    {"1:1:", -EINVAL, 0, 0, NULL, 0},
    {"-1", -ENOENT, 0, 0, NULL, 0},
    {"+1", -ENOENT, 0, 0, NULL, 0},
    {" 1", -ENOENT, 0, 0, NULL, 0},
    {"1 ", -ENOENT, 0, 0, NULL, 0},
    {"0x0", -ENOENT, 0, 0, NULL, 0},
    {"1.0", -ENOENT, 0, 0, NULL, 0},
    {"nobody", -ENOENT, 0, 0, NULL, 0},
    {"root:nogroup", -ENOENT, 0, 0, NULL, 0},
    {"root:minus", -ENOENT, 0, 0, NULL, 0},
    {"root:broken", -ENOENT, 0, 0, NULL, 0},
    {"+", -EBADMSG, 0, 0, NULL, 0},
    {"shorter", -EBADMSG, 0, 0, NULL, 0},
    {"# a comment", -EBADMSG, 0, 0, NULL, 0},
    {"over", -EBADMSG, 0, 0, NULL, 0},
    {"minus", -EBADMSG, 0, 0, NULL, 0},
    {"big", -EBADMSG, 0, 0, NULL, 0},
    {"hex", -EBADMSG, 0, 0, NULL, 0},
    {"nouid", -EBADMSG, 0, 0, NULL, 0},
    {"nogid", -EBADMSG, 0, 0, NULL, 0},
    {"2147483648", -ERANGE, 0, 0, NULL, 0},
    {"4294967295", -ERANGE, 0, 0, NULL, 0},
    {"4294967296", -ERANGE, 0, 0, NULL, 0},
    {"18446744073709551616", -ERANGE, 0, 0, NULL, 0},
    {"1:4294967296", -ERANGE, 0, 0, NULL, 0},
};

static void test_table(int root)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct row *t = &rows[i];
        _cleanup_err_ struct err e = ERR_INIT;
        _cleanup_user_ struct container_user u = {0};
        int r = user_resolve(root, t->spec, &u, &e);
        bool ok = r == t->error;
        if (ok && r == 0)
            ok = u.uid == t->uid && u.gid == t->gid && streq(u.home, t->home) &&
                 u.group_count == t->groups;
        if (ok && r < 0)
            ok = e.text && !u.home && !u.groups;
        _cleanup_free_ char *name = xasprintf("user \"%s\"", t->spec ? t->spec : "(none)");
        _cleanup_free_ char *why = xasprintf("%d: uid %u gid %u home %s groups %zu: %s", r, u.uid,
                                             u.gid, u.home, u.group_count, e.text);
        check(ok, name, why);
    }
}

static int resolve(int root, const char *spec)
{
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_user_ struct container_user u = {0};
    int r = user_resolve(root, spec, &u, &e);
    return r < 0 ? r : (int)u.uid;
}

/* An id with unusable files: no groups, but a home. */
static void check_id(int root, const char *what)
{
    static const struct {
        const char *spec, *home;
        uid_t uid;
    } ids[] = {{NULL, "/root", 0}, {"0:0", "/root", 0}, {"5", "/", 5}, {"5:7", "/", 5}};
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        _cleanup_err_ struct err e = ERR_INIT;
        _cleanup_user_ struct container_user u = {0};
        int r = user_resolve(root, ids[i].spec, &u, &e);
        bool ok = r == 0 && u.uid == ids[i].uid && streq(u.home, ids[i].home) && !u.group_count;
        _cleanup_free_ char *name =
            xasprintf("%s: id %s", what, ids[i].spec ? ids[i].spec : "(none)");
        check(ok && !e.text, name, e.text ? e.text : u.home);
    }
}

static void put(int root, const char *path, const void *data, size_t size)
{
    if (write_file_atomic(root, path, data, size, 0644) < 0)
        check(false, path, "cannot be written");
}

static void test_hostile_files(int root)
{
    (void)unlinkat(root, "etc/passwd", 0);
    (void)unlinkat(root, "etc/group", 0);
    check(resolve(root, "77") == 77, "an id needs no files", "refused");
    check(resolve(root, NULL) == 0, "root needs no files", "refused");
    check(resolve(root, "root") == -ENOENT, "a name needs a file", "found");
    (void)!symlinkat("/etc/passwd", root, "etc/passwd");
    check(resolve(root, "root") == -ELOOP, "a link to itself", "not ELOOP");
    check_id(root, "a link to itself");
    (void)unlinkat(root, "etc/passwd", 0);
    (void)!symlinkat("../../../../../../etc/hostname", root, "etc/passwd");
    check(resolve(root, "root") == -ENOENT, "a link cannot leave the root", "it did");
    (void)unlinkat(root, "etc/passwd", 0);
    (void)!symlinkat("/data/users", root, "etc/passwd");
    mkdirat(root, "data", 0755);
    put(root, "data/users", "me:x:5:6::/:/\n", 14);
    check(resolve(root, "me") == 5, "a link inside the root is followed", "it was not");
    (void)unlinkat(root, "etc/passwd", 0);
    mkfifoat(root, "etc/passwd", 0644);
    check(resolve(root, "root") == -EBADMSG, "a FIFO is refused", "it was not");
    check_id(root, "a FIFO");
    (void)unlinkat(root, "etc/passwd", 0);
    mkdirat(root, "etc/passwd", 0755);
    check(resolve(root, "root") == -EBADMSG, "a directory is refused", "it was not");
    check_id(root, "a directory");
    (void)unlinkat(root, "etc/passwd", AT_REMOVEDIR);
    _cleanup_free_ char *big = xcalloc((1 << 20) + 1, 1);
    memset(big, '\n', (1 << 20) + 1);
    put(root, "etc/passwd", big, (1 << 20) + 1);
    check(resolve(root, "root") == -EFBIG, "too big is refused", "it was not");
    check_id(root, "too big");
    put(root, "etc/passwd", big, 1 << 20);
    check(resolve(root, "root") == -ENOENT, "1 MiB is read", "it was not");
    static const char nul[] = "me\0x:x:0:0::/:/\nme:x:5:\0:0::/:/\nme:x:9:9::/:/\n";
    put(root, "etc/passwd", nul, sizeof(nul) - 1);
    check(resolve(root, "me") == 9, "lines with NUL bytes do not count", "they do");
    static const char crafted[] = "::0:0::/:/\nme:x:9:9::/:/";
    put(root, "etc/passwd", crafted, sizeof(crafted) - 1);
    check(resolve(root, "me") == 9, "a line without a name does not count", "it does");
    put(root, "etc/passwd", passwd, sizeof(passwd) - 1);
    put(root, "etc/group", big, (1 << 20) + 1);
    check(resolve(root, "web") == -EFBIG, "groups of a name that cannot be read", "it was not");
    check(resolve(root, "33:web") == -EFBIG, "a group by name that cannot be read", "it was not");
    check(resolve(root, "33") == 33, "an id whose groups cannot be read", "refused");
}

/* An id of digits alone (one in three hundred) would be taken for an address if used as a hostname. */
static void test_id(void)
{
    const uint64_t bits[] = {0, 0x055138303557, 0x686291800873, 0xabcdef, 0xffffffffffffffff};
    bool good = true;
    for (size_t i = 0; i < ARRAY_LEN(bits); i++) {
        _cleanup_free_ char *id = spec_id_of(bits[i]);
        good = good && strlen(id) == 12 && strspn(id, "0123456789abcdef") == 12 &&
               strspn(id, "0123456789") < 12;
    }
    check(good, "an id has a letter", "it has none");
}

int main(void)
{
    test_id();
    char directory[] = "/tmp/test_user.XXXXXX";
    if (!mkdtemp(directory))
        return 1;
    _cleanup_close_ int root = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    mkdirat(root, "etc", 0755);
    put(root, "etc/passwd", passwd, sizeof(passwd) - 1);
    put(root, "etc/group", groups, sizeof(groups) - 1);
    test_table(root);
    test_hostile_files(root);
    (void)remove_tree_at(AT_FDCWD, directory);
    return failures != 0;
}
