/* The terminal of a program (-t). The container's init makes it in the container's own devpts, so the container has no
 * descriptor of a terminal of the host. The monitor gets the master and copies between it and the client. The peer is
 * opened by the master (TIOCGPTPEER), because the container could move a name.
 */
#include "terminal.h"

#include "mounts.h"

#include <errno.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/vfs.h>
#include <unistd.h>

static int open_peer(int master)
{
    int low = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    return low < 0 ? -errno : low;
}

int terminal_peer(int master)
{
    return open_peer(master);
}

/* A program inside may have put anything in the place of ptmx. */
static int open_master(int root, struct err *e)
{
    struct statfs fs;
    _cleanup_close_ int master =
        open_in_root(root, "dev/pts/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK, 0, RESOLVE_NO_SYMLINKS);
    if (master < 0)
        return err_set(e, master, "open the container's /dev/pts/ptmx");
    if (fstatfs(master, &fs) < 0 || fs.f_type != DEVPTS_SUPER_MAGIC)
        return err_say(e, -ENOTTY, "the container's /dev/pts/ptmx makes no terminals");
    return fcntl(master, F_SETFL, O_RDWR) < 0 ? err_set(e, errno, "set up the terminal")
                                              : take_fd(master);
}

int terminal_new(int root, const struct winsize *size, int *master, struct err *e)
{
    int locked = 0;
    _cleanup_close_ int ours = open_master(root, e);
    if (ours < 0)
        return ours;
    if (ioctl(ours, TIOCSPTLCK, &locked) < 0)
        return err_set(e, errno, "unlock the terminal");
    _cleanup_close_ int low = open_peer(ours);
    /* Not in the place of a standard stream that was closed: set_streams() copies it there. */
    _cleanup_close_ int peer = low < 0 ? -1 : fcntl(low, F_DUPFD_CLOEXEC, 3);
    if (peer < 0)
        return err_set(e, low < 0 ? low : errno, "open the terminal");
    terminal_set_size(ours, size);
    *master = take_fd(ours);
    return take_fd(peer);
}

/* What is there, as with `-v /dev:/dev`, is not opened: it may be a device of the host. */
int terminal_be_console(int root, int peer, struct err *e)
{
    int made = open_in_root(root, "dev/console", O_WRONLY | O_CREAT | O_EXCL | O_NOCTTY, 0600,
                            RESOLVE_NO_SYMLINKS);
    if (made < 0 && made != -EEXIST)
        return err_set(e, made, "make /dev/console");
    close_fd(made);
    _cleanup_close_ int place =
        open_in_root(root, "dev/console", O_PATH | O_NOFOLLOW, 0, RESOLVE_NO_SYMLINKS);
    if (place < 0)
        return err_set(e, place, "open /dev/console");
    _cleanup_close_ int mount = mount_clone(peer, false, e);
    return mount < 0 ? mount : mount_attach(mount, place, "/dev/console", e);
}

int terminal_control(int peer, struct err *e)
{
    return ioctl(peer, TIOCSCTTY, 0) < 0 ? err_set(e, errno, "take the controlling terminal") : 0;
}

bool terminal_size(struct winsize *out)
{
    static const int streams[] = {STDOUT_FILENO, STDIN_FILENO, STDERR_FILENO};
    for (size_t i = 0; i < ARRAY_LEN(streams); i++)
        if (ioctl(streams[i], TIOCGWINSZ, out) == 0)
            return true;
    return false;
}

void terminal_set_size(int terminal, const struct winsize *size)
{
    if (terminal >= 0 && size->ws_row && size->ws_col)
        (void)ioctl(terminal, TIOCSWINSZ, size);
}
