/* The loop serves every socket: listening sockets (`door`), TCP connections, and UDP
 * clients (`talk`).
 *
 * Bytes go from socket to pipe to socket by splice() and are never copied. A connection has a pipe
 * only while it holds bytes that the other side cannot take yet, and no more is read meanwhile:
 * that is all the back-pressure there is. An idle connection costs two fds.
 *
 * Connections are watched edge-triggered for their whole life. Each one runs until it would block
 * or has had its share. Then loop_modify(), which checks for pending events again, puts it at the
 * end of the queue. Everything else that the process does waits in the same queue: so the share of a
 * connection is 1 MiB each way.
 */
#include "proxy_internal.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <linux/sockios.h>

enum {
    PIPE_SIZE = 256 * 1024,
    CHUNKS_PER_TURN = 4,
    ACCEPTS_PER_TURN = 64,
    IDLE_MS =
        1000, /* idle time after which a user's own connection makes room for the user's next one */
};

static const uint32_t DOOR_EVENTS = EPOLLIN | EPOLLET;
static const uint32_t END_EVENTS = EPOLLIN | EPOLLOUT | EPOLLET;

/* Every connection costs two fds; the default limit is 1,024. */
static bool raise_limit(void)
{
    struct rlimit l;
    rlim_t want;
    if (getrlimit(RLIMIT_NOFILE, &l) < 0 || l.rlim_cur >= l.rlim_max)
        return false;
    want = l.rlim_cur + 4 * MAX_CONNECTIONS;
    l.rlim_cur = want < l.rlim_max ? want : l.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &l) == 0;
}

/* ---- pipes -----------------------------------------------------------------------------------*/

static void release_pipe(struct proxy *p, struct flow *f)
{
    if (f->pipe.in >= 0 && f->waiting == 0 && p->pipe_count < SPARE_PIPES) {
        p->pipes[p->pipe_count++] = f->pipe;
    } else {
        close_fd(f->pipe.in);
        close_fd(f->pipe.out);
    }
    f->pipe = (struct pipe){-1, -1};
    f->waiting = 0;
}

/* ---- refusal ----------------------------------------------------------------------------------*/

/* Closes with a reset (RST) instead of an end (FIN). */
static void reset(int fd)
{
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    close(fd);
}

/* Accepts by giving up the spare fd, to learn whose client waits at @door. If that fails too, the
 * client waits until a connection ends. */
static int accept_without_fd(struct proxy *p, const struct door *door, struct sockaddr_in6 *peer)
{
    socklen_t size = sizeof(*peer);
    p->spare = close_fd(p->spare);
    int fd = accept4(door->port->fd, (struct sockaddr *)peer, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        p->starved = true;
        p->spare = eventfd(0, EFD_CLOEXEC);
    }
    return fd;
}

/* ---- connections -----------------------------------------------------------------------------*/

/* There is room again, and clients who wait because there was none are accepted. */
static void reopen_doors(void *proxy)
{
    struct proxy *p = proxy;
    p->starved = false;
    if (p->spare < 0)
        p->spare = eventfd(0, EFD_CLOEXEC);
    for (size_t i = 0; i < p->door_count; i++)
        if (p->doors[i].port->protocol != IPPROTO_UDP)
            (void)loop_modify(p->loop, p->doors[i].port->fd, DOOR_EVENTS);
}

static void close_connection(struct proxy *p, struct connection *c)
{
    for (int i = 0; i < 2; i++) {
        int unsent = 0;
        release_pipe(p, &c->flows[i]);
        if (c->ends[i].fd < 0)
            continue;
        loop_remove_fd(p->loop, c->ends[i].fd);
        /* A reset would discard what is still on its way to a slow reader. A connection that is
         * closed to make room loses it. */
        if (c->broken && !c->crowded_out)
            (void)ioctl(c->ends[i].fd, SIOCOUTQ, &unsent);
        if (c->broken && unsent == 0)
            reset(c->ends[i].fd);
        else
            close(c->ends[i].fd);
    }
    *c->link = c->next;
    if (c->next)
        c->next->link = c->link;
    p->connection_count--;
    user_leave(&p->users, c->user);
    free(c);
    /* Later: its descriptors may have been needed for another. */
    if (p->starved && !loop_timer_is_set(p->loop, p->reopen))
        p->reopen = loop_add_timer(p->loop, 0, reopen_doors, p);
}

/* ---- room ------------------------------------------------------------------------------------*/

/* Owners are looked up only now: as long as there is room, they do not matter. */
static void identify_users(struct proxy *p)
{
    for (struct connection *c = p->connections; c; c = c->next)
        if (!c->user)
            c->user =
                user_of(&p->users, IPPROTO_TCP, c->port, htons(c->door->port->publish.host_port));
}

/* Chooses the connection to close for @for_whom: the one that has been idle longest of the user
 * with the most connections, if that is more than the asking user has. So no user loses a
 * connection to a user who has as many. Otherwise the asking user's own oldest idle connection, or
 * NULL. */
static struct connection *choose_victim(struct proxy *p, const struct connection *for_whom)
{
    const struct user *user = for_whom->user;
    struct connection *best = NULL, *own = NULL;
    for (struct connection *c = p->connections; c; c = c->next) {
        if (c == for_whom)
            continue;
        if (c->user == user)
            own = own && own->active_ms <= c->active_ms ? own : c;
        else if (c->user->held > user->held &&
                 (!best || c->user->held > best->user->held ||
                  (c->user->held == best->user->held && c->active_ms < best->active_ms)))
            best = c;
    }
    if (best)
        return best;
    return own && monotonic_ms() - own->active_ms >= IDLE_MS ? own : NULL;
}

static void tell_crowded(struct proxy *p)
{
    const struct user *most = p->users.all;
    if (!p->crowded)
        return;
    for (const struct user *u = most; u; u = u->next)
        if (u->held > most->held)
            most = u;
    const struct proxy_crowd crowd = {.user = most->id, .held = most->held};
    take_ptr(p->crowded)(&crowd, p->arg);
}

/* False: @c cannot be served. */
static bool make_room(struct proxy *p, const struct connection *c)
{
    identify_users(p);
    struct connection *victim = choose_victim(p, c);
    tell_crowded(p);
    if (!victim)
        return false;
    victim->broken = victim->crowded_out = true;
    close_connection(p, victim);
    return true;
}

static int take_pipe(struct proxy *p, struct connection *c, struct flow *f)
{
    int fds[2];
    if (f->pipe.in >= 0)
        return 0;
    if (p->pipe_count) {
        f->pipe = p->pipes[--p->pipe_count];
        return 0;
    }
    if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0 &&
        (errno != EMFILE || !(raise_limit() || make_room(p, c)) ||
         pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0))
        return -errno;
    /* Fails harmlessly above the user's limit; a larger pipe is only faster. */
    (void)fcntl(fds[1], F_SETPIPE_SZ, PIPE_SIZE);
    f->pipe = (struct pipe){.in = fds[1], .out = fds[0]};
    return 0;
}

/* ---- flows -----------------------------------------------------------------------------------*/

/* Sends one chunk from the pipe to the other side's socket. False: it would block or has failed. */
static bool send_chunk(struct connection *c, struct flow *f, int to)
{
    ssize_t n = splice(f->pipe.out, NULL, to, NULL, f->waiting, SPLICE_F_NONBLOCK);
    if (n > 0) {
        f->waiting -= (size_t)n;
        return true;
    }
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return errno == EINTR;
    /* This side accepts no more. What it has sent before may still be on the way, so the other flow
     * goes on. */
    f->ended = f->done = c->broken = true;
    return false;
}

/* Reads one chunk from a socket into the pipe. False: it would block or has failed. */
static bool receive_chunk(struct proxy *p, struct connection *c, int direction)
{
    struct flow *f = &c->flows[direction];
    if (take_pipe(p, c, f) < 0) { /* no pipe: the connection is reset */
        c->broken = c->flows[0].done = c->flows[1].done = true;
        return false;
    }
    int from = c->ends[direction].fd;
    ssize_t n = splice(from, NULL, f->pipe.in, NULL, PIPE_SIZE, SPLICE_F_NONBLOCK);
    if (n > 0) {
        f->waiting = (size_t)n;
        return true;
    }
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return errno == EINTR;
    f->ended = true;
    if (n < 0) /* reset: the sender of it accepts nothing any more */
        c->broken = c->flows[1 - direction].done = true;
    return true;
}

/* Moves what can be moved in one direction. */
static void run_flow(struct proxy *p, struct connection *c, int direction)
{
    struct flow *f = &c->flows[direction];
    struct end *from = &c->ends[direction], *to = &c->ends[1 - direction];
    bool more = true;
    for (int i = 0; more && !f->done && i < CHUNKS_PER_TURN; i++) {
        if (f->waiting == 0 && !f->ended)
            more = receive_chunk(p, c, direction);
        while (more && f->waiting)
            more = send_chunk(c, f, to->fd);
        if (f->ended && f->waiting == 0 && !f->done) {
            f->done = true;
            if (!c->broken)
                (void)shutdown(to->fd, SHUT_WR);
        }
    }
    if (f->waiting == 0 || f->done)
        release_pipe(p, f);
    if (more && !f->done)
        (void)loop_modify(p->loop, from->fd, END_EVENTS);
}

/* Waits for the container's answer. What the client sends meanwhile stays in its socket. */
static void run_connecting(struct proxy *p, struct connection *c, bool container, uint32_t events)
{
    int error = 0;
    socklen_t size = sizeof(error);
    if (container)
        (void)getsockopt(c->ends[1].fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error || (!container && (events & (EPOLLHUP | EPOLLERR)))) {
        c->broken = c->flows[0].done = c->flows[1].done = true;
    } else if (container && (events & EPOLLOUT)) {
        c->connecting = false;
        run_flow(p, c, 0);
        run_flow(p, c, 1);
    }
}

static void run_connection(int fd, uint32_t events, void *arg)
{
    struct end *end = arg;
    struct connection *c = end->connection;
    struct proxy *p = c->door->proxy;
    int side = end == &c->ends[1];
    (void)fd;
    c->active_ms = monotonic_ms();
    if (c->connecting) {
        run_connecting(p, c, side == 1, events);
    } else {
        if (events & ~(uint32_t)EPOLLOUT)
            run_flow(p, c, side);
        /* The flow towards this end must notice that it can write again, or that the end is
         * dead. */
        if (c->flows[1 - side].waiting || (events & (EPOLLHUP | EPOLLERR)))
            run_flow(p, c, 1 - side);
    }
    if (c->flows[0].done && c->flows[1].done)
        close_connection(p, c);
}

static struct connection *new_connection(struct proxy *p, const struct door *door, int client,
                                         in_port_t port)
{
    struct connection *c = xcalloc(1, sizeof(*c));
    *c = (struct connection){.ends = {{client, c}, {-1, c}},
                             .flows = {{.pipe = {-1, -1}}, {.pipe = {-1, -1}}},
                             .connecting = true,
                             .door = door,
                             .port = port,
                             .active_ms = monotonic_ms(),
                             .next = p->connections,
                             .link = &p->connections};
    if (c->next)
        c->next->link = &c->next;
    p->connections = c;
    p->connection_count++;
    return c;
}

static bool connect_container(struct proxy *p, struct connection *c)
{
    const struct door *door = c->door;
    int fd = proxy_connect(&door->to, door->port->publish.port, SOCK_STREAM);
    if (fd == -EMFILE && (raise_limit() || make_room(p, c)))
        fd = proxy_connect(&door->to, door->port->publish.port, SOCK_STREAM);
    c->ends[1].fd = fd < 0 ? -1 : fd;
    return fd >= 0;
}

/* TCP_NODELAY: both sides write whole chunks, so waiting for more would only add delay. */
static void start_connection(struct proxy *p, const struct door *door, int client, in_port_t port)
{
    int one = 1;
    users_prepare(&p->users);
    struct connection *c = new_connection(p, door, client, port);
    bool failed =
        (p->connection_count > MAX_CONNECTIONS && !make_room(p, c)) || !connect_container(p, c);
    for (int i = 0; i < 2 && !failed; i++) {
        (void)setsockopt(c->ends[i].fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        failed =
            loop_add_fd(p->loop, c->ends[i].fd, END_EVENTS, run_connection, &c->ends[i], NULL) < 0;
    }
    if (failed) {
        c->broken = true;
        close_connection(p, c);
    }
}

/* ---- listening sockets ------------------------------------------------------------------------*/

static bool is_loopback(const struct sockaddr_in6 *a)
{
    return a->sin6_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&a->sin6_addr);
}

static void admit(struct proxy *p, const struct door *door, int fd, const struct sockaddr_in6 *peer)
{
    struct sockaddr_in6 here = {0};
    socklen_t size = sizeof(here);
    if (door->to.family && is_loopback(peer) &&
        getsockname(fd, (struct sockaddr *)&here, &size) == 0 && is_loopback(&here))
        start_connection(p, door, fd, peer->sin6_port);
    else
        reset(fd);
}

static bool is_out_of_resources(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

static void run_door(int socket, uint32_t events, void *arg)
{
    struct door *door = arg;
    struct proxy *p = door->proxy;
    (void)events;
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        struct sockaddr_in6 peer = {0};
        socklen_t size = sizeof(peer);
        int fd = accept4(socket, (struct sockaddr *)&peer, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0 && errno == EAGAIN)
            return;
        if (fd < 0 && is_out_of_resources(errno) && !raise_limit()) {
            fd = accept_without_fd(p, door, &peer);
            if (fd < 0)
                return;
        }
        if (fd >= 0)
            admit(p, door, fd, &peer);
        if (p->spare < 0)
            p->spare = eventfd(0, EFD_CLOEXEC);
    }
    (void)loop_modify(p->loop, socket, DOOR_EVENTS);
}

/* ---- interface --------------------------------------------------------------------------------*/

/* Was this socket bound to an address that covers ::1? */
static bool holds_loopback(const struct bound_port *h)
{
    const struct ip *host = &h->publish.host;
    return h->family == AF_INET6 && (host->family == 0 || ip_is_any(host) ||
                                     (host->family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&host->v6)));
}

static int open_door(struct proxy *p, struct door *door, struct err *e)
{
    const struct bound_port *h = door->port;
    if (h->protocol != IPPROTO_UDP) {
        if (door->to.family)
            /* A held port has a short backlog, which is enough to refuse connections. */
            (void)listen(h->fd, SOMAXCONN);
        return loop_add_fd(p->loop, h->fd, DOOR_EVENTS, run_door, door, e);
    }
    if (!door->to.family)
        return 0; /* its filter drops everything */
    return proxy_open_udp(p, door);
}

int proxy_new(const struct proxy_request *request, struct proxy **out, struct err *e)
{
    const struct bound_ports *held = request->held;
    _cleanup_proxy_ struct proxy *p = xcalloc(1, sizeof(*p));
    p->loop = request->loop;
    p->crowded = request->crowded;
    p->arg = request->arg;
    p->users.diag = p->talkers.diag = -1;
    p->spare = eventfd(0, EFD_CLOEXEC);
    if (p->spare < 0)
        return err_set(e, errno, "serve the published ports");
    p->doors = xcalloc(held->count, sizeof(*p->doors));
    for (size_t i = 0; i < held->count; i++) {
        struct door *door = &p->doors[p->door_count++];
        *door = (struct door){.proxy = p, .port = &held->items[i]};
        /* SCTP has no byte stream to copy, so it is refused. */
        if (holds_loopback(door->port) && door->port->protocol != IPPROTO_SCTP)
            door->to = request->to6.family ? request->to6 : request->to4;
        int r = open_door(p, door, e);
        if (r < 0)
            return err_set(e, r, "serve port %d", door->port->publish.host_port);
    }
    *out = take_ptr(p);
    return 0;
}

void proxy_free(struct proxy *p)
{
    if (!p)
        return;
    p->starved = false;
    while (p->connections) {
        p->connections->broken = true;
        close_connection(p, p->connections);
    }
    (void)loop_cancel_timer(p->loop, p->reopen);
    for (size_t i = 0; i < p->door_count; i++)
        loop_remove_fd(p->loop, p->doors[i].port->fd);
    proxy_free_udp(p);
    users_clear(&p->users);
    for (size_t i = 0; i < p->pipe_count; i++) {
        close_fd(p->pipes[i].in);
        close_fd(p->pipes[i].out);
    }
    close_fd(p->spare);
    free(p->doors);
    free(p);
}

void proxy_cleanup(struct proxy **p)
{
    proxy_free(*p);
}
