/* Descriptors in the loop of a server. */
#include "names/server.h"

#include <errno.h>

static int control(struct server *s, int operation, struct watch *w, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = w};
    return epoll_ctl(s->epoll, operation, w->fd, &event) < 0 ? -errno : 0;
}

int server_watch(struct server *s, struct watch *w, uint32_t events)
{
    return control(s, EPOLL_CTL_ADD, w, events);
}

int server_rewatch(struct server *s, struct watch *w, uint32_t events)
{
    return control(s, EPOLL_CTL_MOD, w, events);
}

void server_unwatch(struct watch *w)
{
    w->fd = close_fd(w->fd);
}
