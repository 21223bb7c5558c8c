/* LD_PRELOAD: while the file $TAKEN exists, no inotify instance is free. Really taking them would affect the
 * whole machine, since the kernel counts them by user. */
#include <errno.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/syscall.h>
#include <unistd.h>

int inotify_init1(int flags)
{
    const char *taken = getenv("TAKEN");
    if (taken && access(taken, F_OK) == 0) {
        errno = EMFILE;
        return -1;
    }
    return (int)syscall(SYS_inotify_init1, flags);
}
