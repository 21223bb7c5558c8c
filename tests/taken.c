/* LD_PRELOAD: while the file $TAKEN exists, no inotify instance is free. With $NO_USERNS no user namespace can be made; it
 * is the errno. Really taking them would affect the whole machine, since the kernel counts them by user. */
#include <dlfcn.h>
#include <errno.h>
#include <sched.h>
#include <stdarg.h>
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

int clone(int (*function)(void *), void *stack, int flags, void *argument, ...)
{
    const char *number = getenv("NO_USERNS");
    int (*real)(int (*)(void *), void *, int, void *, ...) = dlsym(RTLD_NEXT, "clone");
    if (number && (flags & CLONE_NEWUSER)) {
        errno = atoi(number);
        return -1;
    }
    va_list more;
    va_start(more, argument);
    void *parent = va_arg(more, void *), *tls = va_arg(more, void *), *child = va_arg(more, void *);
    va_end(more);
    return real(function, stack, flags, argument, parent, tls, child);
}
