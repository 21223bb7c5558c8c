/* Fds of others that one fd stands for. An entry that is removed while events are being served may be
 * among them, so it is freed only after them. */
#include "hub.h"

#include <errno.h>
#include <sys/epoll.h>

struct watched {
    int fd; /* -1: removed; freed when nobody can point to it any more */
    void (*ready)(void *arg);
    void *arg;
    struct watched *next;
};

struct hub {
    int epoll;
    struct watched *all;
};

int hub_new(struct hub **out, struct err *e)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0)
        return err_set(e, errno, "open an epoll instance");
    *out = xcalloc(1, sizeof(**out));
    (*out)->epoll = epoll;
    return 0;
}

static void sweep(struct hub *h, bool everything)
{
    for (struct watched **link = &h->all; *link;) {
        struct watched *w = *link;
        if (w->fd >= 0 && !everything) {
            link = &w->next;
            continue;
        }
        *link = w->next;
        free(w);
    }
}

void hub_free(struct hub *h)
{
    if (!h)
        return;
    sweep(h, true);
    close(h->epoll);
    free(h);
}

int hub_fd(const struct hub *h)
{
    return h->epoll;
}

int hub_add(struct hub *h, int fd, void (*ready)(void *arg), void *arg, struct err *e)
{
    struct watched *w = xcalloc(1, sizeof(*w));
    *w = (struct watched){.fd = fd, .ready = ready, .arg = arg, .next = h->all};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = w};
    if (epoll_ctl(h->epoll, EPOLL_CTL_ADD, fd, &event) < 0) {
        free(w);
        return err_set(e, errno, "watch a descriptor");
    }
    h->all = w;
    return 0;
}

void hub_remove(struct hub *h, int fd)
{
    for (struct watched *w = h->all; w; w = w->next)
        if (w->fd == fd) {
            (void)epoll_ctl(h->epoll, EPOLL_CTL_DEL, fd, NULL);
            w->fd = -1;
        }
}

void hub_run(void *hub)
{
    struct hub *h = hub;
    struct epoll_event events[8];
    int n = epoll_wait(h->epoll, events, (int)ARRAY_LEN(events), 0);
    for (int i = 0; i < n; i++) {
        struct watched *w = events[i].data.ptr;
        if (w->fd >= 0)
            w->ready(w->arg);
    }
    sweep(h, false);
}
