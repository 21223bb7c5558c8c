/* Watches netctr's tables, and ports that leave their bridge (strays.c).
 *
 * The kernel reports a transaction as the changes that it made and, last, its generation with the
 * name of the process that made it. So a deletion in netctr's tables is noted at first, and judged
 * when the name arrives: deletions by netctr itself are intended. Additions, which are nearly all
 * of the changes, are skipped quickly.
 *
 * The tables are read when the kernel had to drop notifications, and at the start, because a change
 * before the start was not reported.
 */
#include <netctr/firewall.h>

#include "nat_hold.h"
#include "schema.h"
#include "strays.h"

#include <errno.h>
#include <inttypes.h>
#include <libmnl/libmnl.h>
#include <libnftnl/common.h>
#include <limits.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>

enum {
    RELOAD_PAUSE_MS = 20,
    RETRY_MS = 20, /* doubled after each failure, up to … */
    RETRY_MAX_MS = 1280,
    DATAGRAMS_PER_RUN = 256,
    BUFFER_SIZE = 64 * 1024,
    QUEUE_SIZE = 4 * 1024 * 1024, /* for notifications; only large changes use it */
    NAME_SIZE = 16,
};

struct firewall_watch {
    char *instance;
    int (*flushed)(void *arg);
    void *arg;
    char name[NAME_SIZE]; /* name of this process, as the kernel reports it */

    struct loop *loop;
    loop_timer timer; /* for the next permitted restore */
    int64_t retry_ms;

    struct mnl_socket *socket; /* receives notifications */
    struct nft *nft;           /* reads the tables */
    struct strays strays;      /* ports that have lost their bridge */
    char *buffer;
    bool hurt;       /* the transaction that is being reported deletes something of netctr's */
    bool lost;       /* the kernel has dropped notifications */
    bool due;        /* the firewall has to be restored */
    int64_t next_ms; /* monotonic_ms(): not before that */
};

static void reload_if_due(void *watch);

static void set_timer(struct firewall_watch *l, int64_t ms)
{
    (void)loop_cancel_timer(l->loop, l->timer);
    l->timer = loop_add_timer(l->loop, ms, reload_if_due, l);
}

/* ---- notifications --------------------------------------------------------------------------*/

/* In every message of nf_tables that deletes, the first attribute is its table's name. */
static bool is_ours(const struct nlmsghdr *h)
{
    const struct nfgenmsg *g = mnl_nlmsg_get_payload(h);
    const struct nlattr *a;
    mnl_attr_for_each(a, h, sizeof(*g))
    {
        if (mnl_attr_get_type(a) != NFTA_TABLE_NAME ||
            mnl_attr_validate(a, MNL_TYPE_NUL_STRING) < 0)
            continue;
        if (schema_find_table(g->nfgen_family, mnl_attr_get_str(a)))
            return true;
    }
    return false;
}

static bool by_netctr(const struct firewall_watch *l, const struct nlmsghdr *h)
{
    const struct nlattr *a;
    mnl_attr_for_each(a, h, sizeof(struct nfgenmsg))
    {
        if (mnl_attr_get_type(a) == NFTA_GEN_PROC_NAME &&
            mnl_attr_validate(a, MNL_TYPE_NUL_STRING) == 0)
            return streq(mnl_attr_get_str(a), l->name) || streq(mnl_attr_get_str(a), "netctr");
    }
    return false;
}

static void hear(struct firewall_watch *l, const struct nlmsghdr *h)
{
    switch (h->nlmsg_type & 0xff) {
    case NFT_MSG_DELTABLE:
    case NFT_MSG_DELCHAIN:
    case NFT_MSG_DELRULE:
    case NFT_MSG_DELSET:
    case NFT_MSG_DELSETELEM:
        if (!l->hurt && mnl_nlmsg_get_payload_len(h) >= sizeof(struct nfgenmsg))
            l->hurt = is_ours(h);
        break;
    case NFT_MSG_NEWGEN:
        if (l->hurt && !by_netctr(l, h))
            l->due = true;
        l->hurt = false;
        break;
    }
}

static void hear_all(struct firewall_watch *l, const void *messages, size_t size)
{
    int left = (int)size;
    /* mnl_nlmsg_ok() takes a length beyond 2 GiB for a negative one. */
    for (const struct nlmsghdr *h = messages; mnl_nlmsg_ok(h, left) && h->nlmsg_len <= INT_MAX;
         h = mnl_nlmsg_next(h, &left))
        if (h->nlmsg_type >> 8 == NFNL_SUBSYS_NFTABLES)
            hear(l, h);
}

static void listen_to_kernel(struct firewall_watch *l)
{
    for (int i = 0; i < DATAGRAMS_PER_RUN; i++) {
        ssize_t got = mnl_socket_recvfrom(l->socket, l->buffer, BUFFER_SIZE);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && (errno == ENOBUFS || errno == ENOSPC)) { /* ENOSPC: larger than the buffer */
            l->lost = true;
            l->hurt =
                false; /* the end of that transaction may be among the dropped notifications */
            continue;
        }
        if (got < 0)
            return;
        hear_all(l, l->buffer, (size_t)got);
    }
}

/* ---- the tables -----------------------------------------------------------------------------*/

static int count_rule(const struct nlmsghdr *answer, void *data)
{
    (void)answer;
    ++*(size_t *)data;
    return MNL_CB_OK;
}

static bool has_rules(struct firewall_watch *l, const struct table *table)
{
    _Alignas(struct nlmsghdr) char buffer[256];
    size_t count = 0;
    struct nlmsghdr *request =
        nftnl_nlmsg_build_hdr(buffer, NFT_MSG_GETRULE, table->family, NLM_F_DUMP, 0);
    mnl_attr_put_strz(request, NFTA_RULE_TABLE, table->name);
    int r = nft_request(l->nft, request, count_rule, &count);
    return r < 0 || count > 0;
}

/* False if netctr's tables are missing or were flushed. True for tables of another instance, which
 * looks after them itself, and if the kernel cannot be asked. */
static bool is_whole(struct firewall_watch *l)
{
    _cleanup_free_ char *owner = NULL;
    int r = ruleset_probe(l->nft, l->instance, &owner);
    if (r < 0 || owner)
        return true;
    if (r == FW_TABLES_OLDER ||
        r == FW_TABLES_NEWER) /* monitors of that version may depend on them, so they stay */
        return true;
    bool whole = r == FW_TABLES_OURS;
    for (size_t i = 0; whole && i < ARRAY_LEN(TABLES); i++)
        whole = has_rules(l, TABLES[i]);
    return whole;
}

/* Doubles the pause after each failure. Returns it in milliseconds. */
static int64_t try_later(struct firewall_watch *l)
{
    int64_t ms = l->retry_ms;
    set_timer(l, ms);
    l->retry_ms = l->retry_ms < RETRY_MAX_MS ? l->retry_ms * 2 : RETRY_MAX_MS;
    return ms;
}

/* Calls @flushed now, or when the pause is over. Damage done until then is repaired at the same
 * time. */
static void reload_if_due(void *watch)
{
    struct firewall_watch *l = watch;
    if (!l->due)
        return;
    int64_t pause = l->next_ms - monotonic_ms();
    if (pause > 0) {
        set_timer(l, pause);
        return;
    }
    l->due = l->flushed(l->arg) < 0;
    pause = l->due ? try_later(l) : RELOAD_PAUSE_MS;
    l->next_ms = monotonic_ms() + pause;
}

/* ---- interface ------------------------------------------------------------------------------*/

static void on_notifications(int fd, uint32_t events, void *watch)
{
    struct firewall_watch *l = watch;
    (void)fd;
    (void)events;
    listen_to_kernel(l);
    if (l->lost && !is_whole(l))
        l->due = true;
    l->lost = false;
    reload_if_due(l);
}

static int subscribe(struct firewall_watch *l)
{
    int size = QUEUE_SIZE, group = NFNLGRP_NFTABLES;
    l->socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (!l->socket || mnl_socket_bind(l->socket, 0, MNL_SOCKET_AUTOPID) < 0)
        return -errno;
    int fd = mnl_socket_get_fd(l->socket);
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    if (mnl_socket_setsockopt(l->socket, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
        return -errno;
    l->buffer = xcalloc(1, BUFFER_SIZE);
    int r = nft_open(&l->nft, NULL);
    return r < 0 ? r : loop_add_fd(l->loop, fd, EPOLLIN, on_notifications, l, NULL);
}

int firewall_watch_new(const char *instance, struct loop *loop, int (*flushed)(void *arg),
                       void *arg, struct firewall_watch **out, struct err *e)
{
    _cleanup_firewall_watch_ struct firewall_watch *l = xcalloc(1, sizeof(*l));
    *l = (struct firewall_watch){.instance = xstrdup(instance),
                                 .loop = loop,
                                 .flushed = flushed,
                                 .arg = arg,
                                 .strays = STRAYS_INIT,
                                 .retry_ms = RETRY_MS};
    (void)prctl(PR_GET_NAME, l->name);
    int r = subscribe(l);
    if (r < 0)
        return err_set(e, r, "listen for changes of the firewall");
    /* Older kernels lack this; there, connections may break when the rules are flushed. */
    (void)nat_hold_create(l->nft, NULL);
    /* Without it the firewall is still watched. */
    (void)strays_open(&l->strays, loop, instance);
    l->due = !is_whole(l);
    if (l->due)
        set_timer(l, 0); /* @flushed is called only from the loop */
    *out = take_ptr(l);
    return 0;
}

void firewall_watch_free(struct firewall_watch *l)
{
    if (!l)
        return;
    (void)loop_cancel_timer(l->loop, l->timer);
    if (l->socket) {
        loop_remove_fd(l->loop, mnl_socket_get_fd(l->socket));
        mnl_socket_close(l->socket);
    }
    nft_close(l->nft);
    strays_close(&l->strays);
    free(l->buffer);
    free(l->instance);
    free(l);
}

void firewall_watch_cleanup(struct firewall_watch **l)
{
    firewall_watch_free(*l);
}

void firewall_watch_again(struct firewall_watch *l)
{
    l->due = true;
    l->next_ms = monotonic_ms() + try_later(l);
}

void firewall_watch_restored(struct firewall_watch *l)
{
    l->retry_ms = RETRY_MS;
}
