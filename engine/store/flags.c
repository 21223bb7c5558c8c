/* RUN/containers/NAME/flags: four words of 16 bytes, each in its place.
 *
 *     end-asked=no
 *     until-boot=no
 *     leaving=no
 *     started=yes
 *
 * A monitor and a command may each set a flag at the same time: one pwrite() of one word needs no lock between them. The
 * file exists in full before anything else happens, so that it works on a full disk.
 *
 * Up to netctr 0.1 the flags were permission bits: of the lock file, and for "started" the sticky bit of the run
 * directory. For one version they are still read, and written where there is no file `flags`, so that this netctr can
 * stop a container that runs under the older one, and the other way round.
 */
#include "files.h"

#include <errno.h>
#include <string.h>

#define FLAGS_FILE "flags"

enum { WORD = 16 };

static const struct {
    enum mark mark;
    const char *key;
    mode_t old_bit; /* of the lock file; of the directory: S_ISVTX */
} flags[] = {
    {MARK_END_ASKED, "end-asked", 0100},
    {MARK_UNTIL_BOOT, "until-boot", 0001},
    {MARK_LEAVING, "leaving", 0010},
    {MARK_STARTED, "started", S_ISVTX},
};

static void put_word(size_t flag, bool set, char out[WORD])
{
    _cleanup_free_ char *text = xasprintf("%s=%s", flags[flag].key, set ? "yes" : "no");
    memset(out, ' ', WORD);
    memcpy(out, text, strlen(text));
    out[WORD - 1] = '\n';
}

int flags_create(int run_dir)
{
    char text[ARRAY_LEN(flags)][WORD];
    for (size_t i = 0; i < ARRAY_LEN(flags); i++)
        put_word(i, false, text[i]);
    _cleanup_close_ int fd =
        openat(run_dir, FLAGS_FILE, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    return fd < 0 ? -errno : write_all(fd, (const char *)text, sizeof(text));
}

/* -ENOENT: there is none, as of an older netctr. -EBADMSG: something else is in its place. */
static int open_flags(int run_dir, int mode)
{
    struct stat st;
    _cleanup_close_ int fd =
        openat(run_dir, FLAGS_FILE, mode | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return errno == ELOOP || errno == ENXIO || errno == EISDIR ? -EBADMSG : -errno;
    if (fstat(fd, &st) < 0)
        return -errno;
    return S_ISREG(st.st_mode) ? take_fd(fd) : -EBADMSG;
}

/* ---- permission bits, of an older netctr -----------------------------------------------------*/

static const char *old_place(size_t flag)
{
    return flags[flag].old_bit == S_ISVTX ? "." : "lock";
}

static int old_bits(int run_dir, size_t flag, mode_t *mode)
{
    struct stat st;
    if (fstatat(run_dir, old_place(flag), &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
        return -EBADMSG;
    *mode = st.st_mode & 07777;
    return 0;
}

static int set_old_bit(int run_dir, size_t flag, bool set)
{
    mode_t mode;
    int r = old_bits(run_dir, flag, &mode);
    if (r < 0)
        return r;
    mode = set ? mode | flags[flag].old_bit : mode & ~flags[flag].old_bit;
    return fchmodat(run_dir, old_place(flag), mode, 0) < 0 ? -errno : 0;
}

/* ---- both ------------------------------------------------------------------------------------*/

static int set_flag(int run_dir, enum mark mark, bool set)
{
    size_t flag = 0;
    char word[WORD];
    while (flags[flag].mark != mark)
        flag++;
    _cleanup_close_ int fd = open_flags(run_dir, O_WRONLY);
    if (fd < 0)
        return fd == -ENOENT ? set_old_bit(run_dir, flag, set) : fd;
    put_word(flag, set, word);
    ssize_t n = pwrite(fd, word, WORD, (off_t)flag * WORD);
    return n < 0 ? -errno : n == WORD ? 0 : -EIO;
}

int container_mark(int run_dir, enum mark mark)
{
    return set_flag(run_dir, mark, true);
}

int container_unmark(int run_dir, enum mark mark)
{
    return set_flag(run_dir, mark, false);
}

/* 1, 0 or -EBADMSG. */
static int read_word(const char *text, size_t size, size_t flag)
{
    char yes[WORD], no[WORD];
    if (size < (flag + 1) * WORD)
        return -EBADMSG;
    put_word(flag, true, yes);
    put_word(flag, false, no);
    if (memcmp(text + flag * WORD, no, WORD) == 0)
        return 0;
    return memcmp(text + flag * WORD, yes, WORD) == 0 ? 1 : -EBADMSG;
}

static int is_old_bit(int run_dir, size_t flag)
{
    mode_t mode;
    int r = old_bits(run_dir, flag, &mode);
    if (r == -ENOENT || r == -EBADMSG)
        return 0;
    return r < 0 ? r : (mode & flags[flag].old_bit) != 0;
}

int container_marked(int run_dir, unsigned marks)
{
    char text[ARRAY_LEN(flags) * WORD];
    _cleanup_close_ int fd = open_flags(run_dir, O_RDONLY);
    if (fd < 0 && fd != -ENOENT)
        return fd;
    ssize_t n = fd < 0 ? 0 : pread(fd, text, sizeof(text), 0);
    if (n < 0)
        return -errno;
    int damaged = 0;
    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        if (!(marks & flags[i].mark))
            continue;
        int r = fd < 0 ? 0 : read_word(text, (size_t)n, i);
        if (r == -EBADMSG)
            damaged = r;
        if (r <= 0)
            r = is_old_bit(run_dir, i);
        if (r != 0)
            return r;
    }
    return damaged;
}

/* ---- asked to end ----------------------------------------------------------------------------*/

int container_ask_end(struct store *store, const char *name, enum mark mark, struct err *e)
{
    _cleanup_close_ int dir = store_live_dir(store, name);
    int r = dir < 0 ? dir : container_mark(dir, mark);
    /* Gone; or damaged, which its monitor takes for the same (container_end_asked). */
    if (r == 0 || r == -ENOENT || r == -EBADMSG)
        return 0;
    return err_set(e, r, "tell container `%s` to end", name);
}

bool container_was_asked(struct store *store, const char *name)
{
    _cleanup_close_ int dir = store_live_dir(store, name);
    return dir < 0 || container_marked(dir, MARK_END_ASKED | MARK_UNTIL_BOOT) != 0;
}

int container_end_asked(const struct container *c)
{
    int r = c->process.end_requested
                ? 1
                : container_marked(c->run_fd, MARK_END_ASKED | MARK_UNTIL_BOOT);
    return r == -EBADMSG ? 1 : r;
}
