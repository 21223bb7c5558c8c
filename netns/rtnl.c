/* Transport for rtnetlink: one sendmsg() for a whole batch, and an answer to every message, matched
 * by its sequence number. libnl builds and parses the messages. The batch is our own, because libnl
 * sends one message at a time, and because libnl 3.7 does not give access to the extended ack with
 * the kernel's reason ("Nexthop has invalid gateway"). */
#include "rtnl.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netlink/socket.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

int rt_open(struct rt **out, struct err *e)
{
    struct rt *rt = xcalloc(1, sizeof(*rt));
    rt->socket = nl_socket_alloc();
    if (!rt->socket || nl_connect(rt->socket, NETLINK_ROUTE) < 0) {
        rt_close(rt);
        return err_set(e, errno ? errno : ENOMEM, "open an rtnetlink socket");
    }
    int fd = nl_socket_get_fd(rt->socket);
    int one = 1;
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    (void)setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof(one));
    (void)setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one));
    *out = rt;
    return 0;
}

int rt_netns_cookie(struct rt *rt, uint64_t *out, struct err *e)
{
    socklen_t size = sizeof(*out);
    *out = 0;
    if (getsockopt(nl_socket_get_fd(rt->socket), SOL_SOCKET, SO_NETNS_COOKIE, out, &size) < 0)
        return err_set(e, errno, "read the cookie of a network namespace (Linux 5.14)");
    return 0;
}

void rt_close(struct rt *rt)
{
    if (!rt)
        return;
    nl_socket_free(rt->socket);
    free(rt);
}

void rt_cleanup(struct rt **rt)
{
    rt_close(*rt);
}

struct rt_batch *rt_batch_new(struct rt *rt)
{
    struct rt_batch *b = xcalloc(1, sizeof(*b));
    b->rt = rt;
    return b;
}

static void batch_empty(struct rt_batch *b)
{
    for (size_t i = 0; i < b->count; i++) {
        nlmsg_free(b->verbs[i].message);
        free(b->verbs[i].label);
    }
    b->count = 0;
    b->failed = 0;
}

void rt_batch_cleanup(struct rt_batch **b)
{
    if (!*b)
        return;
    batch_empty(*b);
    free((*b)->verbs);
    free(*b);
}

void rt_push(struct rt_batch *b, struct nl_msg *message, bool deletes, char *label)
{
    b->verbs = xrealloc(b->verbs, b->count + 1, sizeof(*b->verbs));
    b->verbs[b->count++] = (struct rt_verb){message, label, deletes};
    if (!message && !b->failed) {
        b->failed = b->count;
        b->failure = -ENOMEM;
    }
}

static bool already_gone(int code)
{
    return code == -ENODEV || code == -ENOENT || code == -ESRCH || code == -EADDRNOTAVAIL;
}

/* Handles one answer. Returns the number of verbs that it answers (0 or 1). */
static int settle(struct rt_batch *b, struct nlmsghdr *header, int *result, struct err *e)
{
    if (header->nlmsg_type != NLMSG_ERROR)
        return 0;
    struct nlmsgerr *answer = nlmsg_data(header);
    for (size_t i = 0; i < b->count; i++) {
        if (nlmsg_hdr(b->verbs[i].message)->nlmsg_seq != header->nlmsg_seq)
            continue;
        int code = answer->error;
        if (code < 0 && *result == 0 && !(b->verbs[i].deletes && already_gone(code))) {
            *result = err_set(e, code, "%s", b->verbs[i].label);
            err_kernel_says(e, netlink_error_text(header));
        }
        return 1;
    }
    return 0;
}

void rt_drain(struct rt *rt)
{
    netlink_drain(nl_socket_get_fd(rt->socket));
}

static int collect(struct rt_batch *b, struct err *e)
{
    int result = 0;
    _cleanup_free_ char *buffer = xcalloc(1, 32768);
    for (size_t settled = 0; settled < b->count;) {
        ssize_t n = recv(nl_socket_get_fd(b->rt->socket), buffer, 32768, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            int r = err_set(e, errno, "read the kernel's answer to `%s`", b->verbs[settled].label);
            rt_drain(b->rt);
            return r;
        }
        int left = (int)n;
        for (struct nlmsghdr *h = (void *)buffer; nlmsg_ok(h, left); h = nlmsg_next(h, &left))
            settled += (size_t)settle(b, h, &result, e);
    }
    return result;
}

int rt_commit(struct rt_batch *b, struct err *e)
{
    if (b->failed) {
        int r = err_set(e, b->failure, "%s", b->verbs[b->failed - 1].label);
        batch_empty(b);
        return r;
    }
    if (b->count == 0)
        return 0;
    _cleanup_free_ struct iovec *parts = xcalloc(b->count, sizeof(*parts));
    for (size_t i = 0; i < b->count; i++) {
        nl_complete_msg(b->rt->socket, b->verbs[i].message);
        struct nlmsghdr *h = nlmsg_hdr(b->verbs[i].message);
        h->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
        parts[i] = (struct iovec){h, NLMSG_ALIGN(h->nlmsg_len)};
    }
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    struct msghdr m = {.msg_name = &kernel,
                       .msg_namelen = sizeof(kernel),
                       .msg_iov = parts,
                       .msg_iovlen = b->count};
    int r;
    ssize_t n;
    do {
        n = sendmsg(nl_socket_get_fd(b->rt->socket), &m, 0);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        r = err_set(e, errno, "send `%s` to the kernel", b->verbs[0].label);
    else
        r = collect(b, e);
    batch_empty(b);
    return r;
}
