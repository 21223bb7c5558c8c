/* A life in a process of its own, the monitor, which lets go of the caller as soon as the program runs.
 * That, or why it does not, comes back over a channel.
 */
#include "world.h"

#include <netctr/channel.h>

#include <errno.h>

/* The caller's session, directory and streams. */
static int report_started(const struct spec *s, void *arg)
{
    (void)s;
    int channel = *(int *)arg;
    int r = channel_send(channel, MESSAGE_STARTED);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int i = 0; null >= 0 && i < 3; i++)
        (void)dup2(null, i);
    close_fd(null);
    (void)chdir("/");
    return r;
}

static _Noreturn void monitor_process(struct world *w, struct life *life, int channel)
{
    struct err e = ERR_INIT;
    (void)setsid();
    /* Two processes cannot share a netlink socket: each would read the other's answers. */
    bridge_close(take_ptr(w->bridge));
    life->started = report_started;
    life->arg = &channel;
    int r = world_live(w, life, &e);
    if (r < 0)
        (void)channel_send_error(channel, &e);
    err_clear(&e);
    world_close(w);
    exit(r < 0 ? EXIT_NETCTR : 0);
}

int world_live_in_background(struct world *w, struct life *life, struct err *e)
{
    int ends[2];
    int r = channel_open(ends, e);
    if (r < 0)
        return r;
    fflush(NULL); /* or both would write what is in the buffers */
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        monitor_process(w, life, ends[1]);
    }
    close(ends[1]);
    _cleanup_close_ int channel = ends[0];
    if (pid < 0)
        return err_set(e, errno, "fork the monitor");
    enum message kind;
    r = channel_receive(channel, &kind, NULL, e);
    if (r < 0)
        return r;
    if (kind != MESSAGE_STARTED)
        return err_say(e, -EPIPE, "the monitor was killed before the container ran");
    return 0;
}
