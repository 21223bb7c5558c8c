/* One epoll instance serves every socket: doors (the held sockets), connections (TCP) and talks (UDP).
 *
 * Bytes go from socket to pipe to socket by splice() and are never copied. A pipe belongs to a
 * connection only while there is something in it that the other side cannot take yet; then nothing
 * more is read, which is all there is to back-pressure. So an idle connection costs two fds.
 *
 * Connections are watched edge-triggered, once for their whole life: each is run until it would wait,
 * or for so long that the others want their turn; then EPOLL_CTL_MOD, which looks again whether there
 * is something to do, puts it at the end of the queue.
 */
#include <netctr/proxy.h>

#include <errno.h>
#include <linux/filter.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>

#include <linux/sockios.h>

enum {
    MAX_CONNECTIONS = 1024,
    MAX_TALKS = 256,
    TALK_SECONDS = 30,
    SPARE_PIPES = 4,
    PIPE_SIZE = 256 * 1024,
    CHUNKS_PER_TURN = 16,
    ACCEPTS_PER_TURN = 64,
    DATAGRAMS_PER_TURN = 64,
    EVENTS = 64,
    BATCHES = 4,
    DATAGRAM_MAX = 65536,
};

/* What an epoll event points to: the first member of everything that is watched. */
enum kind { DOOR, END, TALK, CLOCK };

/* A held socket. */
struct door {
    enum kind kind;
    const struct held_port *port;
    struct ip to; /* where ::1 leads; family 0: nowhere, all are refused */
};

struct pipe {
    int in, out;
};

struct flow {
    struct pipe pipe; /* in -1: none */
    size_t waiting;   /* bytes in it */
    bool ended;       /* no more will come */
    bool done;        /* and all has been handed on, or nobody takes it */
};

struct connection;
struct end {
    enum kind kind;
    int fd;
    struct connection *connection;
};

/* flows[0] goes from ends[0] (the client) to ends[1] (the container), flows[1] the other way. */
struct connection {
    struct end ends[2];
    struct flow flows[2];
    bool connecting;
    bool broken; /* was reset by one side; the other one shall see that */
    bool closed; /* waits to be freed: more events of this batch may point to it */
    struct connection *next, **link;
};

/* A client of a UDP port: its datagrams come from one socket, so that answers find the way back. */
struct talk {
    enum kind kind;
    int fd; /* -1: free */
    struct door *door;
    in_port_t port; /* the client's, network order */
    int64_t last_s;
};

struct proxy {
    int epoll;
    int spare; /* an fd to close when there are no more, so that clients can be sent away */
    struct door *doors;
    size_t door_count;
    struct connection *connections, *closed;
    size_t connection_count;
    bool starved; /* clients wait because there was no fd even to refuse them */
    struct pipe pipes[SPARE_PIPES];
    size_t pipe_count;

    enum kind clock_kind;
    int clock; /* -1: no UDP ports; runs while there are talks */
    struct talk *talks;
    size_t talk_count;
    char *datagram;
};

/* With EPOLL_CTL_MOD: looks again, and queues the event if there is something to do. */
static int watch(struct proxy *p, int operation, int fd, uint32_t events, void *what)
{
    struct epoll_event interest = {.events = events, .data.ptr = what};
    return epoll_ctl(p->epoll, operation, fd, &interest) < 0 ? -errno : 0;
}

static const uint32_t DOOR_EVENTS = EPOLLIN | EPOLLET;
static const uint32_t END_EVENTS = EPOLLIN | EPOLLOUT | EPOLLET;

/* Every connection costs two fds, and the default limit is 1,024. */
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

static int take_pipe(struct proxy *p, struct flow *f)
{
    int fds[2];
    if (f->pipe.in >= 0)
        return 0;
    if (p->pipe_count) {
        f->pipe = p->pipes[--p->pipe_count];
        return 0;
    }
    if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0 &&
        (errno != EMFILE || !raise_limit() || pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0))
        return -errno;
    (void)fcntl(fds[1], F_SETPIPE_SZ, PIPE_SIZE); /* larger is faster, not better */
    f->pipe = (struct pipe){.in = fds[1], .out = fds[0]};
    return 0;
}

static void give_pipe_back(struct proxy *p, struct flow *f)
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

/* ---- refusing --------------------------------------------------------------------------------*/

/* Closes so that the other side sees a reset instead of an end. */
static void reset(int fd)
{
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    close(fd);
}

/* No fd for the client who waits at @door: he is refused by means of the spare one. Without that he
 * has to wait until a connection ends. False: do not try again now. */
static bool refuse_without_fd(struct proxy *p, const struct door *door)
{
    if (p->spare < 0) {
        p->starved = true;
        return false;
    }
    close(p->spare);
    int fd = accept4(door->port->fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0)
        reset(fd);
    else
        p->starved = true;
    p->spare = eventfd(0, EFD_CLOEXEC);
    return fd >= 0;
}

/* ---- connections -----------------------------------------------------------------------------*/

static void close_connection(struct proxy *p, struct connection *c)
{
    if (c->closed)
        return;
    for (int i = 0; i < 2; i++) {
        int unsent = 0;
        give_pipe_back(p, &c->flows[i]);
        if (c->ends[i].fd < 0)
            continue;
        /* A reset would throw away what is still on its way to somebody who reads slowly. */
        if (c->broken)
            (void)ioctl(c->ends[i].fd, SIOCOUTQ, &unsent);
        if (c->broken && unsent == 0)
            reset(c->ends[i].fd);
        else
            close(c->ends[i].fd);
    }
    *c->link = c->next;
    if (c->next)
        c->next->link = c->link;
    c->closed = true;
    c->next = p->closed;
    p->closed = c;
    p->connection_count--;
}

static void bury(struct proxy *p)
{
    bool some = p->closed;
    for (struct connection *c; (c = p->closed);) {
        p->closed = c->next;
        free(c);
    }
    if (!some || !p->starved)
        return;
    p->starved = false;
    if (p->spare < 0)
        p->spare = eventfd(0, EFD_CLOEXEC);
    for (size_t i = 0; i < p->door_count; i++)
        if (p->doors[i].port->protocol != IPPROTO_UDP)
            (void)watch(p, EPOLL_CTL_MOD, p->doors[i].port->fd, DOOR_EVENTS, &p->doors[i]);
}

/* One chunk from the pipe's end to the other side's socket. False: that is all for now. */
static bool hand_on(struct connection *c, struct flow *f, int to)
{
    ssize_t n = splice(f->pipe.out, NULL, to, NULL, f->waiting, SPLICE_F_NONBLOCK);
    if (n > 0) {
        f->waiting -= (size_t)n;
        return true;
    }
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return errno == EINTR;
    /* It takes no more. What it has said before may still be on the way: the other flow goes on. */
    f->ended = f->done = c->broken = true;
    return false;
}

/* One chunk from a socket into the pipe. False: that is all for now. */
static bool take_in(struct proxy *p, struct connection *c, int direction)
{
    struct flow *f = &c->flows[direction];
    if (take_pipe(p, f) < 0) { /* who cannot be served is sent away */
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
    if (n < 0) /* reset: who sent that takes nothing any more */
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
            more = take_in(p, c, direction);
        while (more && f->waiting)
            more = hand_on(c, f, to->fd);
        if (f->ended && f->waiting == 0 && !f->done) {
            f->done = true;
            if (!c->broken)
                (void)shutdown(to->fd, SHUT_WR);
        }
    }
    if (f->waiting == 0 || f->done)
        give_pipe_back(p, f);
    if (more && !f->done)
        (void)watch(p, EPOLL_CTL_MOD, from->fd, END_EVENTS, from);
}

/* Until the container answers. What the client says meanwhile waits in his socket. */
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

static void run_connection(struct proxy *p, struct end *end, uint32_t events)
{
    struct connection *c = end->connection;
    int side = end == &c->ends[1];
    if (c->closed)
        return;
    if (c->connecting) {
        run_connecting(p, c, side == 1, events);
    } else {
        if (events & ~(uint32_t)EPOLLOUT)
            run_flow(p, c, side);
        /* The flow towards this end has to know if it waits for it, or if it is dead. */
        if (c->flows[1 - side].waiting || (events & (EPOLLHUP | EPOLLERR)))
            run_flow(p, c, 1 - side);
    }
    if (c->flows[0].done && c->flows[1].done)
        close_connection(p, c);
}

static int open_socket(const struct ip *to, uint16_t port, int type)
{
    struct sockaddr_in a4 = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = to->v4};
    struct sockaddr_in6 a6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    a6.sin6_addr = to->v6;
    bool v4 = to->family == AF_INET;
    _cleanup_close_ int fd = socket(to->family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, v4 ? (struct sockaddr *)&a4 : (struct sockaddr *)&a6,
                v4 ? sizeof(a4) : sizeof(a6)) < 0 &&
        errno != EINPROGRESS)
        return -errno;
    return take_fd(fd);
}

/* Both sides write whole chunks: waiting for more to send together would only add delay. */
static void start_connection(struct proxy *p, const struct door *door, int client)
{
    int one = 1;
    struct connection *c = xcalloc(1, sizeof(*c));
    c->connecting = true;
    c->ends[0] = (struct end){END, client, c};
    c->ends[1] =
        (struct end){END, open_socket(&door->to, door->port->publish.port, SOCK_STREAM), c};
    c->flows[0].pipe = c->flows[1].pipe = (struct pipe){-1, -1};
    c->next = p->connections;
    c->link = &p->connections;
    if (c->next)
        c->next->link = &c->next;
    p->connections = c;
    p->connection_count++;
    bool failed = c->ends[1].fd < 0;
    for (int i = 0; i < 2 && !failed; i++) {
        (void)setsockopt(c->ends[i].fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        failed = watch(p, EPOLL_CTL_ADD, c->ends[i].fd, END_EVENTS, &c->ends[i]) < 0;
    }
    if (failed) {
        c->broken = true;
        close_connection(p, c);
    }
}

/* ---- doors -----------------------------------------------------------------------------------*/

static bool is_loopback(const struct sockaddr_in6 *a)
{
    return a->sin6_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&a->sin6_addr);
}

static void admit(struct proxy *p, const struct door *door, int fd, const struct sockaddr_in6 *peer)
{
    struct sockaddr_in6 here = {0};
    socklen_t size = sizeof(here);
    if (door->to.family && p->connection_count < MAX_CONNECTIONS && is_loopback(peer) &&
        getsockname(fd, (struct sockaddr *)&here, &size) == 0 && is_loopback(&here))
        start_connection(p, door, fd);
    else
        reset(fd);
}

static void run_door(struct proxy *p, struct door *door)
{
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        struct sockaddr_in6 peer = {0};
        socklen_t size = sizeof(peer);
        int fd =
            accept4(door->port->fd, (struct sockaddr *)&peer, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0)
            admit(p, door, fd, &peer);
        else if (errno == EAGAIN)
            return;
        else if ((errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) &&
                 !raise_limit() && !refuse_without_fd(p, door))
            return;
    }
    (void)watch(p, EPOLL_CTL_MOD, door->port->fd, DOOR_EVENTS, door);
}

/* ---- UDP -------------------------------------------------------------------------------------*/

static void run_clock(struct proxy *p, bool running)
{
    struct itimerspec t = {.it_interval.tv_sec = running ? TALK_SECONDS / 3 : 0,
                           .it_value.tv_sec = running ? TALK_SECONDS / 3 : 0};
    (void)timerfd_settime(p->clock, 0, &t, NULL);
}

static void end_talk(struct proxy *p, struct talk *t)
{
    t->fd = close_fd(t->fd);
    if (--p->talk_count == 0)
        run_clock(p, false);
}

static void end_old_talks(struct proxy *p)
{
    uint64_t times;
    int64_t now = monotonic_ms() / 1000;
    (void)!read(p->clock, &times, sizeof(times));
    for (size_t i = 0; i < MAX_TALKS; i++)
        if (p->talks[i].fd >= 0 && now - p->talks[i].last_s >= TALK_SECONDS)
            end_talk(p, &p->talks[i]);
}

/* The client's talk, or a new one; if there are too many, in place of that which is silent longest. */
static struct talk *find_talk(struct proxy *p, struct door *door, in_port_t port)
{
    struct talk *best = &p->talks[0];
    for (size_t i = 0; i < MAX_TALKS; i++) {
        struct talk *t = &p->talks[i];
        if (t->fd >= 0 && t->door == door && t->port == port)
            return t;
        if (best->fd >= 0 && (t->fd < 0 || t->last_s < best->last_s))
            best = t;
    }
    if (best->fd >= 0)
        end_talk(p, best);
    int fd = open_socket(&door->to, door->port->publish.port, SOCK_DGRAM);
    if (fd < 0 || watch(p, EPOLL_CTL_ADD, fd, EPOLLIN, best) < 0) {
        close_fd(fd);
        return NULL;
    }
    *best = (struct talk){.kind = TALK, .fd = fd, .door = door, .port = port};
    if (p->talk_count++ == 0)
        run_clock(p, true);
    return best;
}

/* From clients to the container. */
static void run_udp_door(struct proxy *p, struct door *door)
{
    for (int i = 0; i < DATAGRAMS_PER_TURN; i++) {
        struct sockaddr_in6 from;
        socklen_t size = sizeof(from);
        ssize_t n = recvfrom(door->port->fd, p->datagram, DATAGRAM_MAX, MSG_DONTWAIT,
                             (struct sockaddr *)&from, &size);
        if (n < 0)
            return;
        struct talk *t = find_talk(p, door, from.sin6_port);
        if (!t)
            continue;
        t->last_s = monotonic_ms() / 1000;
        /* An error here is that of the datagram before this one. */
        if (send(t->fd, p->datagram, (size_t)n, MSG_DONTWAIT) < 0 && errno == ECONNREFUSED)
            (void)send(t->fd, p->datagram, (size_t)n, MSG_DONTWAIT);
    }
}

static void answer(const struct talk *t, void *data, size_t size)
{
    struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_port = t->port};
    to.sin6_addr = in6addr_loopback;
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(struct in6_pktinfo))];
    } control = {0};
    struct iovec body = {data, size};
    struct msghdr m = {.msg_name = &to,
                       .msg_namelen = sizeof(to),
                       .msg_iov = &body,
                       .msg_iovlen = 1,
                       .msg_control = &control,
                       .msg_controllen = sizeof(control)};
    struct in6_pktinfo from = {.ipi6_addr = in6addr_loopback};
    struct cmsghdr *h = CMSG_FIRSTHDR(&m);
    h->cmsg_level = IPPROTO_IPV6;
    h->cmsg_type = IPV6_PKTINFO;
    h->cmsg_len = CMSG_LEN(sizeof(from));
    memcpy(CMSG_DATA(h), &from, sizeof(from));
    (void)sendmsg(t->door->port->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* From the container to a client. */
static void run_talk(struct proxy *p, struct talk *t)
{
    for (int i = 0; t->fd >= 0 && i < DATAGRAMS_PER_TURN; i++) {
        ssize_t n = recv(t->fd, p->datagram, DATAGRAM_MAX, MSG_DONTWAIT);
        if (n < 0 && errno != ECONNREFUSED)
            return;
        if (n < 0)
            continue; /* nobody is at home; the client finds out by silence */
        t->last_s = monotonic_ms() / 1000;
        answer(t, p->datagram, (size_t)n);
    }
}

/* Lets through what comes from ::1 to ::1, in place of the filter that drops all. SKF_NET_OFF is the
 * IPv6 header: 8 bytes behind its beginning the source, 24 the destination. */
static int let_loopback_in(int fd)
{
    enum { DROP = 17 };
#define WORD(at) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_NET_OFF + (at)))
#define MUST_BE(value, line) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, DROP - (line)-1)
    struct sock_filter code[] = {
        WORD(8),
        MUST_BE(0, 1),
        WORD(12),
        MUST_BE(0, 3),
        WORD(16),
        MUST_BE(0, 5),
        WORD(20),
        MUST_BE(1, 7),
        WORD(24),
        MUST_BE(0, 9),
        WORD(28),
        MUST_BE(0, 11),
        WORD(32),
        MUST_BE(0, 13),
        WORD(36),
        MUST_BE(1, 15),
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
        [DROP] = BPF_STMT(BPF_RET | BPF_K, 0),
    };
#undef WORD
#undef MUST_BE
    struct sock_fprog filter = {ARRAY_LEN(code), code};
    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)) < 0 ? -errno : 0;
}

static int prepare_udp(struct proxy *p)
{
    if (p->clock >= 0)
        return 0;
    p->clock = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (p->clock < 0)
        return -errno;
    p->talks = xcalloc(MAX_TALKS, sizeof(*p->talks));
    for (size_t i = 0; i < MAX_TALKS; i++)
        p->talks[i].fd = -1;
    p->datagram = xcalloc(1, DATAGRAM_MAX);
    p->clock_kind = CLOCK;
    return watch(p, EPOLL_CTL_ADD, p->clock, EPOLLIN, &p->clock_kind);
}

/* ---- the outside -----------------------------------------------------------------------------*/

/* Whether ::1 is among the addresses that this socket was bound for. */
static bool holds_loopback(const struct held_port *h)
{
    const struct ip *host = &h->publish.host;
    return h->family == AF_INET6 && (host->family == 0 || ip_is_any(host) ||
                                     (host->family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&host->v6)));
}

static int open_door(struct proxy *p, struct door *door)
{
    const struct held_port *h = door->port;
    if (h->protocol != IPPROTO_UDP) {
        if (door->to.family)
            (void)listen(h->fd, SOMAXCONN); /* held with a queue that refusals do not fill */
        return watch(p, EPOLL_CTL_ADD, h->fd, DOOR_EVENTS, door);
    }
    if (!door->to.family)
        return 0; /* its filter drops all */
    int r = prepare_udp(p);
    if (r == 0)
        r = watch(p, EPOLL_CTL_ADD, h->fd, EPOLLIN, door);
    return r == 0 ? let_loopback_in(h->fd) : r;
}

int proxy_new(const struct held_ports *held, const struct ip *address4, const struct ip *address6,
              struct proxy **out, struct err *e)
{
    _cleanup_proxy_ struct proxy *p = xcalloc(1, sizeof(*p));
    p->clock = -1;
    p->epoll = epoll_create1(EPOLL_CLOEXEC);
    p->spare = eventfd(0, EFD_CLOEXEC);
    if (p->epoll < 0 || p->spare < 0)
        return err_set(e, errno, "serve the published ports");
    p->doors = xcalloc(held->count, sizeof(*p->doors));
    for (size_t i = 0; i < held->count; i++) {
        struct door *door = &p->doors[p->door_count++];
        *door = (struct door){.kind = DOOR, .port = &held->items[i]};
        /* SCTP has no stream to copy: it is refused. */
        if (holds_loopback(door->port) && door->port->protocol != IPPROTO_SCTP)
            door->to = address6->family ? *address6 : *address4;
        int r = open_door(p, door);
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
    while (p->connections) {
        p->connections->broken = true;
        close_connection(p, p->connections);
    }
    p->starved = false;
    bury(p);
    for (size_t i = 0; p->talks && i < MAX_TALKS; i++)
        close_fd(p->talks[i].fd);
    for (size_t i = 0; i < p->pipe_count; i++) {
        close_fd(p->pipes[i].in);
        close_fd(p->pipes[i].out);
    }
    close_fd(p->clock);
    close_fd(p->spare);
    close_fd(p->epoll);
    free(p->talks);
    free(p->datagram);
    free(p->doors);
    free(p);
}

void proxy_cleanup(struct proxy **p)
{
    proxy_free(*p);
}

int proxy_fd(const struct proxy *p)
{
    return p->epoll;
}

static void run_event(struct proxy *p, const struct epoll_event *event)
{
    enum kind *kind = event->data.ptr;
    switch (*kind) {
    case DOOR: {
        struct door *door = event->data.ptr;
        if (door->port->protocol == IPPROTO_UDP)
            run_udp_door(p, door);
        else
            run_door(p, door);
        break;
    }
    case END: run_connection(p, event->data.ptr, event->events); break;
    case TALK: run_talk(p, event->data.ptr); break;
    case CLOCK: end_old_talks(p); break;
    }
}

void proxy_run(struct proxy *p)
{
    struct epoll_event events[EVENTS];
    for (int batch = 0; batch < BATCHES; batch++) {
        int count = epoll_wait(p->epoll, events, EVENTS, 0);
        for (int i = 0; i < count; i++)
            run_event(p, &events[i]);
        bury(p);
        if (count < EVENTS)
            return;
    }
}
