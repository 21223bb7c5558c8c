/* Watches netctr's tables, and ports that leave their bridge (strays.c).
 *
 * The kernel notifies of what a transaction has deleted before it says which process made the transaction. So a deletion
 * in netctr's tables is noted, and judged when the name follows: what another netctr deletes is meant.
 *
 * The tables are read at the start, since nothing was watched before, and when the kernel had to drop notifications.
 */
#include <netctr/firewall.h>

#include "nat_hold.h"
#include "schema.h"
#include "strays.h"

#include <libmnl/libmnl.h>
#include <libnftnl/common.h>
#include <linux/netfilter/nf_tables.h>
#include <sys/epoll.h>
#include <sys/prctl.h>

enum {
    RELOAD_PAUSE_MS = 20,
    RETRY_MS = 20, /* doubled after each failure, up to … */
    RETRY_MAX_MS = 1280,
    NAME_SIZE = 16,
};

struct firewall_watch {
    char *instance;
    int (*flushed)(void *arg);
    void *arg;
    char name[NAME_SIZE]; /* of this process (comm) */

    struct loop *loop;
    loop_timer timer; /* for the next permitted restore */
    int64_t retry_ms;

    struct nft_notifications *notifications;
    struct nft *nft;      /* questions */
    struct strays strays; /* ports that have lost their bridge */
    bool hurt; /* the transaction whose notifications are arriving has deleted in our tables */
    bool lost; /* notifications were dropped */
    bool due;  /* the tables have to be restored … */
    int64_t next_ms; /* … and may be from then on */
};

static void reload_if_due(void *watch);

static void set_timer(struct firewall_watch *l, int64_t ms)
{
    (void)loop_cancel_timer(l->loop, l->timer);
    l->timer = loop_add_timer(l->loop, ms, reload_if_due, l);
}

/* ---- notifications -----------------------------------------------------------------------------*/

static void take_notification(const struct nft_notification *n, void *watch)
{
    struct firewall_watch *l = watch;
    switch (n->event) {
    case NFT_DELETED:
        if (!l->hurt && n->table)
            l->hurt = schema_find_table(n->family, n->table);
        break;
    case NFT_COMMITTED:
        if (l->hurt && !streq(n->process, l->name) && !streq(n->process, "netctr"))
            l->due = true;
        l->hurt = false;
        break;
    case NFT_LOST:
        l->lost = true;
        l->hurt = false; /* the end of that transaction may be among the lost */
        break;
    }
}

/* ---- the tables ------------------------------------------------------------------------------*/

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

/* Are netctr's tables there, with their rules? Also true for tables of another instance, which are left alone, and if
 * the kernel does not answer. */
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

/* After a pause that doubles each time. Returns it, in milliseconds. */
static int64_t try_later(struct firewall_watch *l)
{
    int64_t ms = l->retry_ms;
    set_timer(l, ms);
    l->retry_ms = l->retry_ms < RETRY_MAX_MS ? l->retry_ms * 2 : RETRY_MAX_MS;
    return ms;
}

/* Calls back now, or when the pause is over; that call also repairs what is damaged until then. */
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
    nft_notifications_read(l->notifications, take_notification, l);
    if (l->lost && !is_whole(l))
        l->due = true;
    l->lost = false;
    reload_if_due(l);
}

static int subscribe(struct firewall_watch *l)
{
    int r = nft_notifications_open(&l->notifications);
    if (r == 0)
        r = nft_open(&l->nft, NULL);
    return r < 0 ? r
                 : loop_add_fd(l->loop, nft_notifications_fd(l->notifications), EPOLLIN,
                               on_notifications, l, NULL);
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
    if (l->notifications)
        loop_remove_fd(l->loop, nft_notifications_fd(l->notifications));
    nft_notifications_close(l->notifications);
    nft_close(l->nft);
    strays_close(&l->strays);
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
