/* Which directories `netctr reset` may remove (engine/store/state_dir.c). In a world that is read-only but for a tmpfs of
 * its own, since a defect would remove something else. */
#include <netctr/store.h>

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>

#define TOP "/tmp/top"
#define TREE TOP "/state"

static int failures;

static void check(bool good, const char *what, const char *got)
{
    printf("%s - %s%s%s\n", good ? "ok" : "not ok", what, good ? "" : ": ", good ? "" : got);
    failures += !good;
}

/* test_fs.c has the same. */
static bool enter_box(void)
{
    struct mount_attr read_only = {.attr_set = MOUNT_ATTR_RDONLY};
    return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &read_only, sizeof(read_only)) == 0 &&
           mount("tmpfs", "/tmp", "tmpfs", 0, NULL) == 0 && access("/etc", W_OK) < 0 &&
           errno == EROFS;
}

static void put(const char *path, const char *text)
{
    if (write_file_atomic(AT_FDCWD, path, text, strlen(text), 0600) < 0)
        check(false, "write", path);
}

static void make(const char *path)
{
    if (mkdir_parents(path, 0700, NULL) < 0)
        check(false, "mkdir", path);
}

/* What a netctr without the mark leaves. */
static void begin(void)
{
    (void)remove_tree_at(AT_FDCWD, TOP);
    make(TREE "/containers/web/upper/etc");
    make(TREE "/networks");
    put(TREE "/containers/web/config.json", "{\"rootfs\": \"/tmp/rootfs\"}");
    put(TREE "/run-root", "/run/netctr");
    put(TREE "/lock", "");
}

static void expect(const char *path, const char *text, const char *what)
{
    _cleanup_state_dir_ struct state_dir d = STATE_DIR_INIT;
    _cleanup_err_ struct err e = ERR_INIT;
    int r = state_dir_open(path, &d, &e);
    if (text)
        check(r < 0 && e.text && strstr(e.text, text), what, r < 0 ? e.text : "accepted");
    else
        check(r == 0, what, e.text ? e.text : "?");
}

static void accepts(void)
{
    begin();
    expect(TREE, NULL, "a directory of an older netctr");
    expect(TREE "//", NULL, "with slashes at its end");
    expect(TOP "/none", NULL, "one that does not exist");
    expect(TOP "/no/ne", NULL, "one whose parent does not exist");
    make(TOP "/empty");
    expect(TOP "/empty", NULL, "an empty one");
    put(TREE "/run-root~", "");
    put(TREE "/events.1", "");
    put(TREE "/containers/web/log.12", "");
    make(TREE "/containers/.removed-web/anything");
    put(TREE "/containers/file", "");
    expect(TREE, NULL, "unfinished files, old logs, layers put aside, damage");
    (void)remove_tree_at(AT_FDCWD, TREE "/containers");
    expect(TREE, "has no file `netctr-state`", "neither mark nor containers");
    put(TREE "/netctr-state", "something else");
    expect(TREE, "has no file `netctr-state`", "a mark with another text");
    put(TREE "/netctr-state", "netctr keeps its state here.\n");
    expect(TREE, NULL, "marked, without containers");
}

static void refuses_entries(void)
{
    static const char *const foreign[] = {
        "etc",
        "notes.txt",
        ".hidden",
        "containers2",
        "containers~~",
        "events.2",
        "containers/.hidden",
        "containers/web/data",
        "containers/web/log.x",
        "containers/web/upper2",
    };
    for (size_t i = 0; i < ARRAY_LEN(foreign); i++) {
        begin();
        _cleanup_free_ char *path = xasprintf("%s/%s", TREE, foreign[i]);
        _cleanup_free_ char *text = xasprintf("`%s` was not created by netctr", path);
        put(path, "");
        expect(TREE, text, foreign[i]);
    }
    begin();
    put(TREE "/containers/web/config.json", "{\"rootfs\": \"" TREE "/containers/web/upper\"}");
    expect(TREE, "the root directory of container `web`", "a rootfs inside");
    put(TREE "/containers/web/config.json", "{\"rootfs\": \"" TREE "s\"}");
    expect(TREE, NULL, "a rootfs whose name begins like it");
}

static void refuses_places(void)
{
    begin();
    expect("/", "does not end in the name", "/");
    expect("", "does not end in the name", "nothing");
    expect(TREE "/.", "does not end in the name", ".");
    expect(TREE "/..", "does not end in the name", "..");
    expect(TREE "/lock", "is not a directory", "a file");
    (void)symlink(TREE, TOP "/link");
    expect(TOP "/link", "is a symbolic link", "a link");
    (void)symlink(TOP, "/tmp/way");
    expect("/tmp/way/state", NULL, "a link on the way");
    (void)setenv("HOME", "/tmp/way/state", 1);
    expect(TREE, "is the home directory", "home");
    (void)setenv("HOME", "/root", 1);
    (void)chown(TREE, 1, 1);
    expect(TREE, "belongs to another user", "another user's");
    (void)chown(TREE, 0, 0);
    make(TREE "/containers/web/upper/a b");
    (void)mount("/tmp", TREE "/containers/web/upper/a b", NULL, MS_BIND, NULL);
    expect(TREE, "upper/a b` is a mount point", "a bind mount inside");
    (void)umount(TREE "/containers/web/upper/a b");
    (void)mount(TREE, TREE, NULL, MS_BIND, NULL);
    expect(TREE, "is a mount point", "a mount point");
    (void)umount(TREE);
    expect(TREE, NULL, "the same without");
}

static bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

static void removes(void)
{
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_state_dir_ struct state_dir d = STATE_DIR_INIT, old = STATE_DIR_INIT;
    begin();
    put(TOP "/precious", "");
    (void)symlink(TOP, TREE "/containers/web/upper/link");
    int r = state_dir_open(TREE, &d, &e);
    if (r == 0)
        r = state_dir_put_aside(&d, &e);
    check(r == 0 && !exists(TREE) && exists(TOP "/.state.netctr-reset/netctr-state"), "put aside",
          e.text ? e.text : "?");
    state_dir_close(&d);
    /* Killed here. */
    r = state_dir_open(TREE, &d, &e);
    if (r == 0)
        r = state_dir_open_aside(&d, &old, &e);
    if (r == 0)
        r = state_dir_remove(&old, &e);
    check(r == 0 && !exists(TOP "/.state.netctr-reset") && exists(TOP "/precious"),
          "found again and removed", e.text ? e.text : "?");
}

/* The directory that was judged is exchanged for another one. */
static void notices_exchange(void)
{
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_state_dir_ struct state_dir d = STATE_DIR_INIT;
    begin();
    int r = state_dir_open(TREE, &d, &e);
    if (r == 0 && rename(TREE, TOP "/away") == 0 && mkdir(TREE, 0700) == 0)
        r = state_dir_put_aside(&d, &e);
    check(r == -ESTALE && exists(TREE) && exists(TOP "/away/containers/web/upper/etc"),
          "exchanged meanwhile", e.text ? e.text : "accepted");
}

int main(void)
{
    if (!enter_box()) {
        printf("not ok - a read-only world: %s\n", strerror(errno));
        return 1;
    }
    accepts();
    refuses_entries();
    refuses_places();
    removes();
    notices_exchange();
    return failures != 0;
}
