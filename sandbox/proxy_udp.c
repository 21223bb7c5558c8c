/* UDP through the proxy: each client gets a socket of its own towards the container and keeps it
 * while it sends. */
#include "proxy_internal.h"

#include <errno.h>
#include <linux/filter.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum {
    TALK_MS = 30000,
    DATAGRAMS_PER_TURN = 64,
    DATAGRAM_MAX = 65536,
};

static void end_talk(struct proxy *p, struct talk *t)
{
    loop_remove_fd(p->loop, t->fd);
    t->fd = close_fd(t->fd);
    user_leave(&p->talkers, take_ptr(t->user));
    if (--p->talk_count == 0)
        p->clock = loop_cancel_timer(p->loop, p->clock);
}

static void end_old_talks(void *proxy)
{
    struct proxy *p = proxy;
    int64_t now = monotonic_ms();
    p->clock = loop_add_timer(p->loop, TALK_MS / 3, end_old_talks, p);
    for (size_t i = 0; i < MAX_TALKS; i++)
        if (p->talks[i].fd >= 0 && now - p->talks[i].last_ms >= TALK_MS)
            end_talk(p, &p->talks[i]);
}

static struct user *ask_talker(struct proxy *p, const struct door *door, in_port_t port)
{
    return user_of(&p->talkers, IPPROTO_UDP, port, htons(door->port->publish.host_port));
}

/* Chooses the talk that @user takes over when all are in use: the one that has been silent longest
 * of the user with the most talks, if that is more than @user has. Otherwise one of @user's own;
 * NULL if there is none. */
static struct talk *choose_talk(struct proxy *p, const struct user *user)
{
    struct talk *best = NULL, *own = NULL;
    for (size_t i = 0; i < MAX_TALKS; i++) {
        struct talk *t = &p->talks[i];
        if (t->user == user)
            own = own && own->last_ms <= t->last_ms ? own : t;
        else if (t->user->held > user->held &&
                 (!best || t->user->held > best->user->held ||
                  (t->user->held == best->user->held && t->last_ms < best->last_ms)))
            best = t;
    }
    return best ? best : own;
}

static struct talk *free_talk(struct proxy *p, const struct door *door, in_port_t port,
                              struct user **user)
{
    for (size_t i = 0; i < MAX_TALKS; i++)
        if (p->talks[i].fd < 0)
            return &p->talks[i];
    for (size_t i = 0; i < MAX_TALKS; i++)
        if (!p->talks[i].user)
            p->talks[i].user = ask_talker(p, p->talks[i].door, p->talks[i].port);
    *user = ask_talker(p, door, port);
    struct talk *t = choose_talk(p, *user);
    if (t)
        end_talk(p, t);
    return t;
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
static void run_talk(int fd, uint32_t events, void *arg)
{
    struct talk *t = arg;
    struct proxy *p = t->door->proxy;
    (void)events;
    for (int i = 0; i < DATAGRAMS_PER_TURN; i++) {
        ssize_t n = recv(fd, p->datagram, DATAGRAM_MAX, MSG_DONTWAIT);
        if (n < 0 && errno != ECONNREFUSED)
            return;
        if (n < 0)
            continue; /* nothing listens in the container; UDP clients notice by a timeout */
        t->last_ms = monotonic_ms();
        answer(t, p->datagram, (size_t)n);
    }
}

/* The client's talk, or a new one; NULL if there is no room. */
static struct talk *find_talk(struct proxy *p, struct door *door, in_port_t port)
{
    struct user *user = NULL;
    for (size_t i = 0; i < MAX_TALKS; i++) {
        struct talk *t = &p->talks[i];
        if (t->fd >= 0 && t->door == door && t->port == port)
            return t;
    }
    struct talk *t = free_talk(p, door, port, &user);
    int fd = t ? proxy_connect(&door->to, door->port->publish.port, SOCK_DGRAM) : -1;
    if (fd < 0 || loop_add_fd(p->loop, fd, EPOLLIN, run_talk, t, NULL) < 0) {
        close_fd(fd);
        user_leave(&p->talkers, user);
        return NULL;
    }
    *t = (struct talk){.fd = fd, .door = door, .port = port, .user = user};
    if (p->talk_count++ == 0)
        p->clock = loop_add_timer(p->loop, TALK_MS / 3, end_old_talks, p);
    return t;
}

/* From clients to the container. */
static void run_door(int socket, uint32_t events, void *arg)
{
    struct door *door = arg;
    struct proxy *p = door->proxy;
    (void)events;
    for (int i = 0; i < DATAGRAMS_PER_TURN; i++) {
        struct sockaddr_in6 from;
        socklen_t size = sizeof(from);
        ssize_t n = recvfrom(socket, p->datagram, DATAGRAM_MAX, MSG_DONTWAIT,
                             (struct sockaddr *)&from, &size);
        if (n < 0)
            return;
        struct talk *t = find_talk(p, door, from.sin6_port);
        if (!t)
            continue;
        t->last_ms = monotonic_ms();
        /* The error was caused by the previous datagram. */
        if (send(t->fd, p->datagram, (size_t)n, MSG_DONTWAIT) < 0 && errno == ECONNREFUSED)
            (void)send(t->fd, p->datagram, (size_t)n, MSG_DONTWAIT);
    }
}

/* Replaces the filter that drops everything by one that passes packets from ::1 to ::1. At
 * SKF_NET_OFF is the IPv6 header: the source address 8 bytes into it, the destination 24. */
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

static void prepare_udp(struct proxy *p)
{
    if (p->talks)
        return;
    p->talks = xcalloc(MAX_TALKS, sizeof(*p->talks));
    for (size_t i = 0; i < MAX_TALKS; i++)
        p->talks[i].fd = -1;
    p->datagram = xcalloc(1, DATAGRAM_MAX);
    users_prepare(&p->talkers);
}

int proxy_open_udp(struct proxy *p, struct door *door)
{
    prepare_udp(p);
    int r = loop_add_fd(p->loop, door->port->fd, EPOLLIN, run_door, door, NULL);
    return r == 0 ? let_loopback_in(door->port->fd) : r;
}

void proxy_free_udp(struct proxy *p)
{
    for (size_t i = 0; p->talks && i < MAX_TALKS; i++)
        if (p->talks[i].fd >= 0)
            end_talk(p, &p->talks[i]);
    users_clear(&p->talkers);
    free(p->talks);
    free(p->datagram);
}
