/* Brings down ports of containers that have lost their bridge: another program deleted it, or took
 * the port out of it.
 *
 * Such a port is an ordinary interface of the host. The firewall drops its IP packets, and it has
 * neither ARP nor IPv6. But packet sockets get every frame before the firewall does, so an LLDP
 * daemon or a DHCP client would accept frames of the container. So the port is brought down as soon
 * as the kernel reports the loss (RTM_DELLINK of family AF_BRIDGE). `network reload` puts it back
 * into its bridge and brings it up.
 */
#include "strays.h"

#include <netctr/netns.h>

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum { MESSAGES_PER_RUN = 256, BUFFER_SIZE = 8192, SETTLED_MS = 50 };

/* The name does not suffice: another program may also call its link vc-lan. */
static bool is_stray(const struct link *l, const char *instance)
{
    if (l->master || !(l->flags & IFF_UP) || !skip_prefix(l->name, "vc-"))
        return false;
    _cleanup_free_ char *mark = xasprintf("netctr %s ", instance);
    return skip_prefix(l->alias, mark);
}

static void bring(struct rt *rt, const struct link *port,
                  void (*where)(struct rt_batch *b, int index))
{
    _cleanup_rt_batch_ struct rt_batch *batch = rt_batch_new(rt);
    where(batch, port->index);
    (void)rt_commit(batch, NULL);
}

static void settle(void *strays);

/* It may be moving from one bridge to another: settle() looks at it again. */
static void bring_down(struct strays *s, const struct link *port)
{
    bring(s->rt, port, rt_set_down);
    s->down = xrealloc(s->down, s->down_count + 1, sizeof(*s->down));
    s->down[s->down_count++] = port->index;
    (void)loop_cancel_timer(s->loop, s->timer);
    s->timer = loop_add_timer(s->loop, SETTLED_MS, settle, s);
}

struct found {
    const struct strays *strays;
    struct link *ports;
    size_t count;
};

static void add_port(struct found *found, const struct link *port)
{
    found->ports = xrealloc(found->ports, found->count + 1, sizeof(*found->ports));
    found->ports[found->count++] = *port;
}

static int note_stray(const struct link *link, void *arg)
{
    struct found *found = arg;
    if (is_stray(link, found->strays->instance))
        add_port(found, link);
    return 0;
}

static int note_settled(const struct link *link, void *arg)
{
    struct found *found = arg;
    if (link->master && !(link->flags & IFF_UP))
        for (size_t i = 0; i < found->strays->down_count; i++)
            if (found->strays->down[i] == link->index)
                add_port(found, link);
    return 0;
}

/* A port that has been put into another bridge since then is brought up again. */
static void settle(void *strays)
{
    struct strays *s = strays;
    struct found found = {.strays = s};
    (void)rt_each_link(s->rt, note_settled, &found, NULL);
    for (size_t i = 0; i < found.count; i++)
        bring(s->rt, &found.ports[i], rt_set_up);
    free(found.ports);
    free(take_ptr(s->down));
    s->down_count = 0;
}

/* No request can be sent while the answer to another one is being read, so the ports are collected
 * first. */
static void look_at_all(struct strays *s)
{
    struct found found = {.strays = s};
    (void)rt_each_link(s->rt, note_stray, &found, NULL);
    for (size_t i = 0; i < found.count; i++)
        bring_down(s, &found.ports[i]);
    free(found.ports);
}

/* The group reports every change of every link on the host, and few of these end a port's
 * membership. This filter lets the kernel skip the others. */
static int filter(int socket)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, offsetof(struct nlmsghdr, nlmsg_type)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_DELLINK), 0, 3),
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, NLMSG_HDRLEN + offsetof(struct ifinfomsg, ifi_family)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_BRIDGE, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0xffff),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    struct sock_fprog program = {.len = ARRAY_LEN(code), .filter = code};
    return setsockopt(socket, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0 ? -errno
                                                                                           : 0;
}

static int subscribe(void)
{
    _cleanup_close_ int fd =
        socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
    struct sockaddr_nl address = {.nl_family = AF_NETLINK};
    int group = RTNLGRP_LINK;
    int r = fd < 0 ? -errno : filter(fd);
    if (r < 0)
        return r;
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
        return -errno;
    return take_fd(fd);
}

static void hear(struct strays *s, struct nlmsghdr *h)
{
    static const struct nla_policy policy[IFLA_MAX + 1] = {[IFLA_IFNAME] = {.type = NLA_STRING}};
    struct nlattr *a[IFLA_MAX + 1];
    struct link port;
    if (h->nlmsg_type != RTM_DELLINK ||
        nlmsg_parse(h, sizeof(struct ifinfomsg), a, IFLA_MAX, (struct nla_policy *)policy) < 0 ||
        !a[IFLA_IFNAME])
        return;
    /* Most ports have left their bridge because they are being deleted. These are no longer found.
     */
    if (rt_get_link(s->rt, nla_get_string(a[IFLA_IFNAME]), &port) == 0 &&
        is_stray(&port, s->instance))
        bring_down(s, &port);
}

static void hear_all(int fd, uint32_t events, void *strays)
{
    _Alignas(struct nlmsghdr) char buffer[BUFFER_SIZE];
    struct strays *s = strays;
    bool lost = false;
    (void)events;
    for (int i = 0; i < MESSAGES_PER_RUN; i++) {
        struct sockaddr_nl from = {0};
        struct iovec part = {buffer, sizeof(buffer)};
        struct msghdr m = {
            .msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &part, .msg_iovlen = 1};
        ssize_t got = recvmsg(fd, &m, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == ENOBUFS) {
            lost = true;
            continue;
        }
        if (got < 0)
            break;
        struct nlmsghdr *h = (void *)buffer;
        if (from.nl_pid == 0 &&
            nlmsg_ok(h, (int)got)) /* from the kernel, which sends one message a datagram */
            hear(s, h);
    }
    if (lost)
        look_at_all(s);
}

int strays_open(struct strays *s, struct loop *loop, const char *instance)
{
    s->loop = loop;
    s->instance = instance;
    int r = s->socket = subscribe();
    if (r >= 0)
        r = rt_open(&s->rt, NULL);
    if (r >= 0)
        r = loop_add_fd(loop, s->socket, EPOLLIN, hear_all, s, NULL);
    if (r < 0) {
        strays_close(s);
        return r;
    }
    look_at_all(s);
    return 0;
}

void strays_close(struct strays *s)
{
    if (s->loop) {
        s->timer = loop_cancel_timer(s->loop, s->timer);
        loop_remove_fd(s->loop, s->socket);
    }
    s->socket = close_fd(s->socket);
    free(take_ptr(s->down));
    s->down_count = 0;
    if (s->rt)
        rt_close(take_ptr(s->rt));
}
