/* Which lines are done here. */
#include "line.h"

#include <errno.h>
#include <linux/netlink.h>
#include <sys/socket.h>

int iproute_open(int netns, struct iproute **out, struct err *e)
{
    struct iproute *ip = xcalloc(1, sizeof(*ip));
    *ip = (struct iproute){.netns = fcntl(netns, F_DUPFD_CLOEXEC, 3), .sysctls = SYSCTLS_APART};
    int one = 1, fd = ip->socket = netns_socket(netns, AF_NETLINK, SOCK_RAW, NETLINK_ROUTE, e);
    if (fd < 0) {
        iproute_close(ip);
        return fd;
    }
    (void)setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof(one));
    (void)setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one));
    *out = ip;
    return 0;
}

void iproute_close(struct iproute *ip)
{
    if (!ip)
        return;
    close_fd(ip->socket);
    close_fd(ip->netns);
    sysctls_close(&ip->sysctls);
    free(ip);
}

/* Objects are looked for in this order: `r` is route, not rule. */
static void ip_line(struct line *l)
{
    for (; *l->words && (streq(*l->words, "-4") || streq(*l->words, "-6")); l->words++)
        l->family = streq(*l->words, "-4") ? AF_INET : AF_INET6;
    const char *object = line_next(l);
    if (!object)
        line_hand_over(l);
    else if (abbreviates(object, "address"))
        address_line(l);
    else if (abbreviates(object, "route"))
        route_line(l);
    else if (abbreviates(object, "link"))
        link_line(l);
    else
        line_hand_over(l);
}

int iproute_line(struct iproute *ip, char *const *argv, int *status, char **output, struct err *e)
{
    struct line l = {.ip = ip, .words = argv + (*argv ? 1 : 0), .e = e};
    *status = 0;
    *output = NULL;
    if (*argv && streq(*argv, "ip"))
        ip_line(&l);
    else if (*argv && streq(*argv, "sysctl"))
        sysctl_line(&l);
    _cleanup_free_ char *text = l.output;
    if (l.state == LINE_FAILED)
        return l.error;
    if (l.state != LINE_DONE)
        return 0;
    *status = l.status;
    if (text && *text)
        *output = take_ptr(text);
    return 1;
}
