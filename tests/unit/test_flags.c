/* The flags of a run directory: a file of words, and the permission bits of an older netctr. */
#include "check.h"

#include "engine/store/files.h"

#include <errno.h>
#include <string.h>
#include <sys/mount.h>

static const struct {
    enum mark mark;
    const char *key;
} flags[] = {{MARK_END_ASKED, "end-asked"},
             {MARK_UNTIL_BOOT, "until-boot"},
             {MARK_LEAVING, "leaving"},
             {MARK_STARTED, "started"}};

static void make_lock(int dir)
{
    put_file(dir, "lock", "", 0);
    (void)fchmodat(dir, "lock", 0600, 0);
}

static void test_words(void)
{
    static const char fresh[] =
        "end-asked=no   \nuntil-boot=no  \nleaving=no     \nstarted=no     \n";
    _cleanup_scratch_ struct scratch s = scratch_open();
    _cleanup_free_ char *text = NULL;
    make_lock(s.fd);
    expect(flags_create(s.fd) == 0 && flags_create(s.fd) == -EEXIST, "flags are created once", "%s",
           "no");
    (void)read_file_at(s.fd, "flags", 1000, &text, NULL);
    expect(streq(text, fresh), "what `cat flags` shows", "`%s`", text);
    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        int before = container_marked(s.fd, flags[i].mark);
        int set = container_mark(s.fd, flags[i].mark);
        int after = container_marked(s.fd, flags[i].mark);
        int others = container_marked(s.fd, 15u & ~(unsigned)flags[i].mark);
        int any = container_marked(s.fd, 15);
        int cleared = container_unmark(s.fd, flags[i].mark);
        expect(before == 0 && set == 0 && after == 1 && others == 0 && any == 1 && cleared == 0 &&
                   container_marked(s.fd, 15) == 0,
               flags[i].key, "%d %d %d %d %d %d", before, set, after, others, any, cleared);
    }
    free(take_ptr(text));
    (void)read_file_at(s.fd, "flags", 1000, &text, NULL);
    expect(streq(text, fresh), "cleared flags are as new", "`%s`", text);
}

static void test_old(void)
{
    static const mode_t bits[] = {0100, 0001, 0010};
    _cleanup_scratch_ struct scratch s = scratch_open();
    make_lock(s.fd);
    for (size_t i = 0; i < ARRAY_LEN(bits); i++) {
        struct stat st = {0};
        int set = container_mark(s.fd, flags[i].mark);
        (void)fstatat(s.fd, "lock", &st, 0);
        expect(set == 0 && (st.st_mode & 0777) == (0600 | bits[i]) &&
                   container_marked(s.fd, flags[i].mark) == 1,
               "without a file a flag is a permission bit, as netctr 0.1 reads it", "%s: %d, %o",
               flags[i].key, set, st.st_mode);
        (void)fchmodat(s.fd, "lock", 0600, 0);
    }
    struct stat st = {0};
    int set = container_mark(s.fd, MARK_STARTED);
    (void)fstat(s.fd, &st);
    expect(set == 0 && (st.st_mode & S_ISVTX) && container_marked(s.fd, MARK_STARTED) == 1,
           "`started` is the sticky bit of the directory", "%d, %o", set, st.st_mode);
    check(container_unmark(s.fd, MARK_STARTED) == 0 && container_marked(s.fd, 15) == 0,
          "the sticky bit is cleared", "it is not");
    (void)flags_create(s.fd);
    (void)fchmodat(s.fd, "lock", 0700, 0);
    check(container_marked(s.fd, MARK_END_ASKED) == 1,
          "beside the file the bits count, too: an older netctr has set them", "they do not");
}

static void test_damaged(void)
{
    _cleanup_scratch_ struct scratch s = scratch_open();
    check(container_marked(s.fd, 15) == 0 && container_mark(s.fd, MARK_LEAVING) == -ENOENT,
          "an empty run directory has no flags", "it has");
    make_lock(s.fd);
    for (size_t size = 0; size < 64; size += 9) {
        put_file(s.fd, "flags", "end-asked=no   \nend-asked=no   \nend-asked=no   \n", size % 48);
        check(container_marked(s.fd, 15) == -EBADMSG, "a file that is cut off", "is believed");
    }
    int set = container_mark(s.fd, MARK_LEAVING), leaving = container_marked(s.fd, MARK_LEAVING);
    expect(set == 0 && leaving == 1 && container_marked(s.fd, MARK_STARTED) == -EBADMSG,
           "a flag that is set in a damaged file is read", "%d %d", set, leaving);
    (void)unlinkat(s.fd, "flags", 0);
    (void)mkdirat(s.fd, "flags", 0700);
    check(container_marked(s.fd, 15) == -EBADMSG && container_mark(s.fd, MARK_LEAVING) == -EBADMSG,
          "a directory in its place", "is believed");
    (void)unlinkat(s.fd, "flags", AT_REMOVEDIR);
    (void)mkfifoat(s.fd, "flags", 0600);
    check(container_marked(s.fd, 15) == -EBADMSG && container_mark(s.fd, MARK_LEAVING) == -EBADMSG,
          "a FIFO in its place", "is believed, or waited for");
    (void)unlinkat(s.fd, "flags", 0);
    (void)symlinkat("/etc/passwd", s.fd, "flags");
    check(container_mark(s.fd, MARK_LEAVING) == -EBADMSG, "a link in its place", "is followed");
}

static int on_a_full_disk(void *arg)
{
    (void)arg;
    _cleanup_scratch_ struct scratch s = scratch_open();
    if (!small_tmpfs(s.path))
        return 2;
    _cleanup_close_ int dir = open(s.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int made = flags_create(dir);
    make_lock(dir);
    _cleanup_close_ int full = openat(dir, "full", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    static const char block[4096];
    while (write(full, block, sizeof(block)) > 0)
        continue;
    bool is_full = errno == ENOSPC;
    int set = container_mark(dir, MARK_END_ASKED), marked = container_marked(dir, MARK_END_ASKED);
    (void)umount2(s.path, MNT_DETACH);
    return made == 0 && is_full && set == 0 && marked == 1 ? 0 : 1;
}

int main(void)
{
    test_words();
    test_old();
    test_damaged();
    int status = in_child(on_a_full_disk, NULL);
    expect(status == 0, "a flag is set on a full disk", "status %d", status);
    return failures != 0;
}
