/* Deleting a veth waits for RCU grace periods, 16-29 ms. When a container ends, its network namespace
 * usually dies too, and the kernel deletes the veth from a work queue. But the namespace may still have a
 * holder: a process that has joined it, a file descriptor, a TCP connection that is still
 * closing. Then the veth is left to a process of its own, which waits a moment and deletes what is
 * still there. The guard is gone by then, so the veth passes no frame (bridge/schema.c,
 * from_containers).
 */
#include "bridge.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>

enum { LOOK_EVERY_MS = 50, LOOKS = 5 };

/* Names are used again when a container restarts, indexes are not. */
struct retired {
    int index;
    char name[IFNAMSIZ];
};

static bool is_there(struct rt *rt, const struct retired *r)
{
    struct link link;
    return rt_get_link(rt, r->name, &link) == 0 && link.index == r->index;
}

static size_t keep_those_there(struct rt *rt, struct retired *links, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (is_there(rt, &links[i]))
            links[kept++] = links[i];
    return kept;
}

/* Of what is inherited only the memory is needed. The caller waits for the end of its pipe before it
 * goes on, and its locks are free with it. */
static void let_go(void)
{
    (void)setsid();
    (void)chdir("/");
    close_range(0, ~0U, 0);
    for (int i = 0; i < 3; i++)
        (void)open("/dev/null", O_RDWR);
}

static _Noreturn void remove_aside(struct retired *links, size_t count)
{
    const struct timespec pause = {.tv_nsec = LOOK_EVERY_MS * 1000000};
    struct rt *rt;
    let_go();
    if (rt_open(&rt, NULL) < 0)
        _exit(EXIT_NETCTR);
    for (int i = 0; i < LOOKS && count; i++) {
        nanosleep(&pause, NULL);
        count = keep_those_there(rt, links, count);
    }
    struct rt_batch *batch = rt_batch_new(rt);
    for (size_t i = 0; i < count; i++)
        rt_remove_link(batch, links[i].index);
    _exit(rt_commit(batch, NULL) < 0 ? EXIT_NETCTR : 0);
}

bool endpoint_find_link(struct bridge *b, const struct endpoint *ep, struct link *out)
{
    return ep->guard && ep->port && rt_get_link(b->rt, ep->port, out) == 0;
}

/* Returns when the child has let go of what it inherited. */
static int start_remover(struct retired *links, size_t count)
{
    int ends[2];
    char byte;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    pid_t pid = fork();
    if (pid == 0)
        remove_aside(links, count);
    int r = pid < 0 ? -errno : 0;
    close(ends[1]);
    while (r == 0 && read(ends[0], &byte, 1) < 0 && errno == EINTR)
        continue;
    close(ends[0]);
    return r;
}

void links_retire(struct bridge *b, const struct link *links, size_t count)
{
    size_t held = 0;
    _cleanup_free_ struct retired *retired = xcalloc(count + 1, sizeof(*retired));
    for (size_t i = 0; i < count; i++) {
        if (rt_peer_is_dying(b->rt, &links[i]))
            continue;
        retired[held].index = links[i].index;
        memcpy(retired[held++].name, links[i].name, sizeof(links[i].name));
    }
    if (held == 0 || start_remover(retired, held) == 0)
        return;
    _cleanup_rt_batch_ struct rt_batch *batch = rt_batch_new(b->rt);
    for (size_t i = 0; i < held; i++)
        rt_remove_link(batch, retired[i].index);
    (void)rt_commit(batch, NULL);
}
