/* Deleting a veth waits for RCU grace periods, 16-29 ms. When a container ends, its network namespace
 * usually dies too, and the kernel deletes the veth from a work queue. But somebody may hold the
 * namespace: a process that has joined it, a file descriptor, a TCP connection that is still
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
 * reports that its locks are free. */
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

int endpoints_retire(struct bridge *b, const struct endpoint *ended, size_t count, int *fd,
                     struct err *e)
{
    int ends[2];
    size_t found = 0;
    *fd = -1;
    _cleanup_free_ struct retired *links = xcalloc(count + 1, sizeof(*links));
    for (size_t i = 0; i < count; i++) {
        struct link link;
        if (!ended[i].guard || rt_get_link(b->rt, ended[i].port, &link) < 0 ||
            rt_peer_is_dying(b->rt, &link))
            continue;
        links[found].index = link.index;
        memcpy(links[found++].name, link.name, sizeof(link.name));
    }
    if (found == 0)
        return 0;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_set(e, errno, "make a pipe");
    pid_t pid = fork();
    if (pid == 0)
        remove_aside(links, found);
    int r = pid < 0 ? err_set(e, errno, "fork a process that removes links") : 0;
    close(ends[1]);
    if (r == 0)
        *fd = ends[0];
    else
        close(ends[0]);
    return r;
}

void retirement_join(int fd)
{
    char byte;
    while (fd >= 0 && read(fd, &byte, 1) < 0 && errno == EINTR)
        continue;
    (void)close_fd(fd);
}
