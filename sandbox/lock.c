/* The lock of a sandbox: RUN/sandboxes/ID/lock.
 *
 * Each monitor holds it shared, and so shows that the sandbox lives. A process that gets it exclusively may take the
 * sandbox down. It is a lock of the open file description (F_OFD_SETLK): like flock() the kernel releases it when the last
 * holder dies, but it can be asked without being taken, and it is converted in one step: a failed conversion keeps what
 * was held.
 */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>

int life_open(int dir, bool make)
{
    int fd = openat(dir, "lock",
                    O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | (make ? O_CREAT : 0), 0600);
    return fd < 0 ? -errno : fd;
}

int life_take(int fd, short type)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET};
    if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
        return 0;
    return errno == EAGAIN || errno == EACCES ? -EWOULDBLOCK : -errno;
}

int life_of(int fd)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    return fcntl(fd, F_OFD_GETLK, &lock) < 0 ? -errno : lock.l_type;
}
