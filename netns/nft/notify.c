/* Notifications of nf_tables. The kernel sends the changes of a transaction and, last, its generation with the name of
 * the process that made it. All of them arrive in order on one socket; what does not fit into its buffer is lost.
 */
#include <netctr/nft.h>

#include <errno.h>
#include <libmnl/libmnl.h>
#include <limits.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>

enum {
    DATAGRAMS_PER_RUN = 256,
    BUFFER_SIZE = 64 * 1024,
    QUEUE_SIZE = 4 * 1024 * 1024, /* only large transactions use it */
};

struct nft_notifications {
    struct mnl_socket *socket;
    char buffer[BUFFER_SIZE];
};

int nft_notifications_open(struct nft_notifications **out)
{
    _cleanup_nft_notifications_ struct nft_notifications *n = xcalloc(1, sizeof(*n));
    int size = QUEUE_SIZE, group = NFNLGRP_NFTABLES;
    n->socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (!n->socket || mnl_socket_bind(n->socket, 0, MNL_SOCKET_AUTOPID) < 0)
        return -errno;
    int fd = mnl_socket_get_fd(n->socket);
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    if (mnl_socket_setsockopt(n->socket, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
        return -errno;
    *out = take_ptr(n);
    return 0;
}

void nft_notifications_close(struct nft_notifications *n)
{
    if (n && n->socket)
        mnl_socket_close(n->socket);
    free(n);
}

void nft_notifications_cleanup(struct nft_notifications **n)
{
    nft_notifications_close(*n);
}

int nft_notifications_fd(const struct nft_notifications *n)
{
    return mnl_socket_get_fd(n->socket);
}

/* ---- messages --------------------------------------------------------------------------------*/

/* The first attribute @type, a string; NULL if there is none. */
static const char *string_of(const struct nlmsghdr *h, uint16_t type)
{
    const struct nlattr *a;
    mnl_attr_for_each(a, h, sizeof(struct nfgenmsg))
    {
        if (mnl_attr_get_type(a) == type && mnl_attr_validate(a, MNL_TYPE_NUL_STRING) == 0)
            return mnl_attr_get_str(a);
    }
    return NULL;
}

static void handle(const struct nlmsghdr *h,
                   void (*each)(const struct nft_notification *n, void *arg), void *arg)
{
    const struct nfgenmsg *g = mnl_nlmsg_get_payload(h);
    struct nft_notification n = {.event = NFT_DELETED};
    if (mnl_nlmsg_get_payload_len(h) < sizeof(*g))
        return;
    switch (h->nlmsg_type & 0xff) {
    case NFT_MSG_DELTABLE:
    case NFT_MSG_DELCHAIN:
    case NFT_MSG_DELRULE:
    case NFT_MSG_DELSET:
    case NFT_MSG_DELSETELEM:
        /* In each of these messages the table's name has the same number. */
        n.family = g->nfgen_family;
        n.table = string_of(h, NFTA_TABLE_NAME);
        break;
    case NFT_MSG_NEWGEN:
        n.event = NFT_COMMITTED;
        n.process = string_of(h, NFTA_GEN_PROC_NAME);
        break;
    default: return;
    }
    each(&n, arg);
}

static void handle_all(const void *messages, size_t size,
                       void (*each)(const struct nft_notification *n, void *arg), void *arg)
{
    int left = (int)size;
    /* mnl_nlmsg_ok() takes a length beyond 2 GiB for a negative one. */
    for (const struct nlmsghdr *h = messages; mnl_nlmsg_ok(h, left) && h->nlmsg_len <= INT_MAX;
         h = mnl_nlmsg_next(h, &left))
        if (h->nlmsg_type >> 8 == NFNL_SUBSYS_NFTABLES)
            handle(h, each, arg);
}

void nft_notifications_read(struct nft_notifications *n,
                            void (*each)(const struct nft_notification *n, void *arg), void *arg)
{
    static const struct nft_notification lost = {.event = NFT_LOST};
    for (int i = 0; i < DATAGRAMS_PER_RUN; i++) {
        ssize_t got = mnl_socket_recvfrom(n->socket, n->buffer, sizeof(n->buffer));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && (errno == ENOBUFS || errno == ENOSPC)) { /* ENOSPC: larger than the buffer */
            each(&lost, arg);
            continue;
        }
        if (got < 0)
            return;
        handle_all(n->buffer, (size_t)got, each, arg);
    }
}
