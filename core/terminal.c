/* The terminal of a program (-t). The container's init makes it in the container's own devpts, so the container has no
 * descriptor of a terminal of the host. The monitor gets the master and copies between it and the client. The peer is
 * opened by the master (TIOCGPTPEER), because the container could move a name.
 */
#include "terminal.h"

#include "mounts.h"

#include <errno.h>
#include <linux/openat2.h>
#include <sys/ioctl.h>
#include <unistd.h>

static int mount_console(int root, int peer, struct err *e)
{
    int made =
        open_in_root(root, "dev/console", O_WRONLY | O_CREAT | O_NOCTTY, 0600, RESOLVE_NO_SYMLINKS);
    if (made < 0)
        return err_set(e, made, "make /dev/console");
    close_fd(made);
    _cleanup_close_ int place =
        open_in_root(root, "dev/console", O_PATH | O_NOFOLLOW, 0, RESOLVE_NO_SYMLINKS);
    if (place < 0)
        return err_set(e, place, "open /dev/console");
    _cleanup_close_ int mount = mount_clone(peer, false, e);
    return mount < 0 ? mount : mount_attach(mount, place, "/dev/console", e);
}

int terminal_new(int root, int *master, struct err *e)
{
    const int flags = O_RDWR | O_NOCTTY | O_CLOEXEC;
    int locked = 0;
    _cleanup_close_ int ours = open_in_root(root, "dev/pts/ptmx", flags, 0, RESOLVE_NO_SYMLINKS);
    if (ours < 0)
        return err_set(e, ours, "open the container's /dev/pts/ptmx");
    if (ioctl(ours, TIOCSPTLCK, &locked) < 0)
        return err_set(e, errno, "unlock the terminal");
    _cleanup_close_ int low = ioctl(ours, TIOCGPTPEER, flags);
    /* Not in the place of a standard stream that was closed: set_streams() copies it there. */
    _cleanup_close_ int peer = low < 0 ? -1 : fcntl(low, F_DUPFD_CLOEXEC, 3);
    if (peer < 0)
        return err_set(e, errno, "open the terminal");
    int r = mount_console(root, peer, e);
    if (r < 0)
        return r;
    *master = take_fd(ours);
    return take_fd(peer);
}

int terminal_control(int peer, struct err *e)
{
    return ioctl(peer, TIOCSCTTY, 0) < 0 ? err_set(e, errno, "take the controlling terminal") : 0;
}

void terminal_copy_size(int from, int to)
{
    struct winsize size;
    if (from >= 0 && to >= 0 && ioctl(from, TIOCGWINSZ, &size) == 0)
        (void)ioctl(to, TIOCSWINSZ, &size);
}
