/* Which directories `netctr reset` may remove (engine/store/state_dir.c). In a world that is read-only but for a tmpfs of
 * its own, since a defect would remove something else. */
#include "check.h"

#include <netctr/store.h>

#include <sys/syscall.h>

#define TOP "/tmp/top"
#define TREE TOP "/state"

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

static void expect_check(const char *path, const char *text, const char *what)
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
    expect_check(TREE, NULL, "a directory of an older netctr");
    expect_check(TREE "//", NULL, "with slashes at its end");
    expect_check(TOP "/none", NULL, "one that does not exist");
    expect_check(TOP "/no/ne", NULL, "one whose parent does not exist");
    make(TOP "/empty");
    expect_check(TOP "/empty", NULL, "an empty one");
    put(TREE "/run-root~", "");
    put(TREE "/events.1", "");
    put(TREE "/containers/web/log.12", "");
    make(TREE "/containers/.removed-web/anything");
    put(TREE "/containers/file", "");
    expect_check(TREE, NULL, "unfinished files, old logs, layers put aside, damage");
    (void)remove_tree_at(AT_FDCWD, TREE "/containers");
    expect_check(TREE, "has no file `netctr-state`", "neither mark nor containers");
    put(TREE "/netctr-state", "something else");
    expect_check(TREE, "has no file `netctr-state`", "a mark with another text");
    put(TREE "/netctr-state", "netctr keeps its state here.\n");
    expect_check(TREE, NULL, "marked, without containers");
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
        expect_check(TREE, text, foreign[i]);
    }
    begin();
    put(TREE "/containers/web/config.json", "{\"rootfs\": \"" TREE "/containers/web/upper\"}");
    expect_check(TREE, "the root directory of container `web`", "a rootfs inside");
    put(TREE "/containers/web/config.json", "{\"rootfs\": \"" TREE "s\"}");
    expect_check(TREE, NULL, "a rootfs whose name begins like it");
}

static void refuses_places(void)
{
    begin();
    expect_check("/", "does not end in the name", "/");
    expect_check("", "does not end in the name", "nothing");
    expect_check(TREE "/.", "does not end in the name", ".");
    expect_check(TREE "/..", "does not end in the name", "..");
    expect_check(TREE "/lock", "is not a directory", "a file");
    (void)symlink(TREE, TOP "/link");
    expect_check(TOP "/link", "is a symbolic link", "a link");
    (void)symlink(TOP, "/tmp/way");
    expect_check("/tmp/way/state", NULL, "a link on the way");
    (void)setenv("HOME", "/tmp/way/state", 1);
    expect_check(TREE, "is the home directory", "home");
    (void)setenv("HOME", "/root", 1);
    (void)chown(TREE, 1, 1);
    expect_check(TREE, "belongs to another user", "another user's");
    (void)chown(TREE, 0, 0);
    make(TREE "/containers/web/upper/a b");
    (void)mount("/tmp", TREE "/containers/web/upper/a b", NULL, MS_BIND, NULL);
    expect_check(TREE, "upper/a b` is a mount point", "a bind mount inside");
    (void)umount(TREE "/containers/web/upper/a b");
    (void)mount(TREE, TREE, NULL, MS_BIND, NULL);
    expect_check(TREE, "is a mount point", "a mount point");
    (void)umount(TREE);
    expect_check(TREE, NULL, "the same without");
}

static bool is_there(const char *path)
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
    check(r == 0 && !is_there(TREE) && is_there(TOP "/.state.netctr-reset/netctr-state"),
          "put aside", e.text ? e.text : "?");
    state_dir_close(&d);
    /* Killed here. */
    r = state_dir_open(TREE, &d, &e);
    if (r == 0)
        r = state_dir_open_aside(&d, &old, &e);
    if (r == 0)
        r = state_dir_remove(&old, &e);
    check(r == 0 && !is_there(TOP "/.state.netctr-reset") && is_there(TOP "/precious"),
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
    check(r == -ESTALE && is_there(TREE) && is_there(TOP "/away/containers/web/upper/etc"),
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
