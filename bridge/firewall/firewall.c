/* The firewall as the rest of netctr sees it: a connection, and batches of changes.
 *
 * A batch can hold its changes in two forms. Deletions of elements of containers are written twice,
 * as deletions and as short lifetimes (expiry.h). The second form is sent if the batch holds
 * nothing else. For ports whose sockets the caller holds, the batch also knows which elements to
 * delete if their keys exist already.
 *
 * Where no process will hold the socket, the element alone says that the port is taken. It carries a mark, and is not taken
 * for a leftover by those who do hold a socket.
 */
#include "firewall.h"

#include "expiry.h"
#include "schema.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <string.h>
#include <time.h>

/* A rebuild of the firewall may restore a leftover between two attempts. */
enum { TRIES = 20 };

int fw_open(const char *instance, struct fw **out, struct err *e)
{
    if (!ruleset_valid_instance(instance))
        return err_say(e, -EINVAL, "firewall: `%s` is not an instance of 16 hex digits", instance);
    struct nft *nft = NULL;
    int r = nft_open(&nft, e);
    if (r < 0)
        return r;
    struct fw *fw = xcalloc(1, sizeof(*fw));
    *fw = (struct fw){.nft = nft, .instance = xstrdup(instance), .directory = -1};
    *out = fw;
    return 0;
}

void fw_set_directory(struct fw *fw, int directory)
{
    fw->directory = directory;
}

void fw_close(struct fw *fw)
{
    if (!fw)
        return;
    nft_close(fw->nft);
    free(fw->instance);
    free(fw);
}

void fw_cleanup(struct fw **fw)
{
    fw_close(*fw);
}

int fw_probe(struct fw *fw, char **owner, struct err *e)
{
    if (owner)
        *owner = NULL;
    int r = ruleset_probe(fw->nft, fw->instance, owner);
    return r < 0 ? err_set(e, r, "read the firewall's tables") : r;
}

/* ---- read-only ----------------------------------------------------------------------------*/

int fw_dry_run(struct fw *fw, struct err *e)
{
    static const char last[] = "withdraw the firewall of the dry run";
    _cleanup_err_ struct err refused = ERR_INIT;
    _cleanup_nft_batch_ struct nft_batch *b = nft_batch_new();
    ruleset_create(b, fw->instance);
    ruleset_withdraw(b, xstrdup(last));
    int r = nft_batch_commit(fw->nft, b, &refused);
    if (r < 0 && refused.text && skip_prefix(refused.text, last))
        return 0;
    err_move(e, &refused);
    return r < 0 ? r : -EIO;
}

int fw_each_drop(struct fw *fw, void (*each)(const struct firewall_drop *drop, void *arg),
                 void *arg)
{
    return ruleset_each_drop(fw->nft, each, arg);
}

int fw_read_closed(struct fw *fw, int family, strv *from, strv *to, struct err *e)
{
    uint8_t nfproto = family == AF_INET ? NFPROTO_IPV4 : NFPROTO_IPV6;
    *from = *to = NULL;
    int r = elements_read_closed(fw->nft, nfproto, from, to);
    return r < 0 ? err_set(e, r, "read which links are closed") : 0;
}

enum fw_expiry fw_expiry(struct fw *fw)
{
    return expiry_known(fw);
}

bool firewall_owns_table(uint32_t family, const char *name)
{
    return schema_owns_table(family, name);
}

/* ---- batches ------------------------------------------------------------------------------*/

struct fw_batch *fw_batch_new(struct fw *fw)
{
    struct fw_batch *b = xcalloc(1, sizeof(*b));
    *b = (struct fw_batch){.fw = fw, .nft = nft_batch_new(), .only_expiring = true};
    return b;
}

void fw_batch_free(struct fw_batch *b)
{
    if (!b)
        return;
    nft_batch_free(b->nft);
    nft_batch_free(b->expiring);
    nft_batch_free(b->leftovers);
    port_set_clear(&b->ports);
    free(b);
}

void fw_batch_cleanup(struct fw_batch **b)
{
    fw_batch_free(*b);
}

/* The batch for a change that has no form as a lifetime. */
static struct nft_batch *plain(struct fw_batch *b)
{
    b->only_expiring = false;
    return b->nft;
}

static struct nft_batch *expiring(struct fw_batch *b)
{
    if (!b->expiring)
        b->expiring = nft_batch_new();
    return b->expiring;
}

static struct nft_batch *leftovers(struct fw_batch *b)
{
    if (!b->leftovers)
        b->leftovers = nft_batch_new();
    return b->leftovers;
}

void fw_add_tables(struct fw_batch *b)
{
    ruleset_create(plain(b), b->fw->instance);
    b->rebuilds = true;
}

void fw_add_network(struct fw_batch *b, const struct fw_network *n)
{
    elements_network(plain(b), CHANGE_ADD, n);
}

void fw_del_network(struct fw_batch *b, const struct fw_network *n)
{
    elements_network(plain(b), CHANGE_DELETE, n);
}

void fw_add_link(struct fw_batch *b, const char *from, const char *to)
{
    elements_link(plain(b), CHANGE_ADD, from, to);
}

void fw_del_link(struct fw_batch *b, const char *from, const char *to)
{
    elements_link(plain(b), CHANGE_DELETE, from, to);
}

void fw_add_guard(struct fw_batch *b, const struct fw_guard *g)
{
    elements_guard(plain(b), CHANGE_ADD, g);
}

void fw_del_guard(struct fw_batch *b, const struct fw_guard *g)
{
    elements_guard(b->nft, CHANGE_DELETE, g);
    elements_guard(expiring(b), CHANGE_EXPIRE, g);
}

void fw_add_publish(struct fw_batch *b, const struct fw_publish *p)
{
    /* A rebuild must not fail because of a second claim: that of a container that is about to be refused, or of a dead one
     * whose port has been taken meanwhile. */
    bool first = p->routed || port_set_add(&b->ports, p);
    if (b->rebuilds && !first)
        return;
    elements_publish(plain(b), CHANGE_CREATE, p);
    b->has_unheld = b->has_unheld || p->unheld;
    if (p->held && !p->unheld)
        elements_publish(leftovers(b), CHANGE_DELETE, p);
}

/* Asked once for a batch, which may have a thousand ports: an answer that is not known yet is a file that is read. */
static bool expires(struct fw_batch *b)
{
    if (b->only_expiring && !b->has_asked) {
        b->expires = expiry_works(b->fw);
        b->has_asked = true;
    }
    return b->only_expiring && b->expires;
}

/* The container of @p may have been killed and another one may have its port by now (fw_publish.held). A lifetime is
 * refused where the element leads elsewhere; a deletion asks for the key alone. */
void fw_del_publish(struct fw_batch *b, const struct fw_publish *p)
{
    if (expires(b) || !elements_is_taken(b->fw->nft, p))
        elements_publish(b->nft, CHANGE_DELETE, p);
    elements_publish(expiring(b), CHANGE_EXPIRE, p);
    b->ends_ports = true;
    b->ends_flow_ports = b->ends_flow_ports || p->protocol != IPPROTO_TCP;
}

void fw_add_dns_redirect(struct fw_batch *b, const struct fw_dns_redirect *r)
{
    elements_dns_redirect(plain(b), CHANGE_ADD, r);
}

void fw_del_dns_redirect(struct fw_batch *b, const struct fw_dns_redirect *r)
{
    elements_dns_redirect(plain(b), CHANGE_DELETE, r);
}

void fw_add_dns_listen(struct fw_batch *b, uint16_t port)
{
    elements_dns_listen(plain(b), CHANGE_ADD, port);
}

void fw_del_dns_listen(struct fw_batch *b, uint16_t port)
{
    elements_dns_listen(plain(b), CHANGE_DELETE, port);
}

void fw_add_closed(struct fw_batch *b, const struct fw_closed *c)
{
    elements_closed(plain(b), CHANGE_ADD, c);
}

void fw_del_closed(struct fw_batch *b, const struct fw_closed *c)
{
    elements_closed(plain(b), CHANGE_DELETE, c);
}

/* ---- commit -------------------------------------------------------------------------------*/

/* The kernel rounds a lifetime up to ticks, which are the resolution of this clock (10 ms where HZ is 100). */
static int64_t expiry_end(void)
{
    struct timespec tick = {0};
    (void)clock_getres(CLOCK_MONOTONIC_COARSE, &tick);
    int64_t ms = (tick.tv_nsec + 999999) / 1000000;
    int64_t lifetime = ms ? (EXPIRY_MS + ms - 1) / ms * ms : EXPIRY_MS;
    return monotonic_ms() + lifetime + 1; /* monotonic_ms() rounds down */
}

static int commit_expiring(struct fw_batch *b, struct err *e)
{
    int r = nft_batch_commit(b->fw->nft, b->expiring, e);
    if (b->ends_ports)
        b->fw->ports_ms = expiry_end();
    if (b->ends_flow_ports)
        b->fw->flow_ports_ms = b->fw->ports_ms;
    return r;
}

/* 1: the element of a port without a socket is in the way, or (@p->unheld) any. -EAGAIN: it is on its way out. 0: there
 * is none that counts. */
static int is_refused(struct fw *fw, const struct fw_publish *p, struct err *e)
{
    struct publisher now;
    int r = publisher_find(fw->nft, p, &now);
    _cleanup_free_ char *name = now.name;
    if (r < 0 || !(now.unheld || p->unheld))
        return 0;
    if (now.expires)
        return p->unheld ? -EAGAIN : 0;
    _cleanup_free_ char *text = elements_in_use(p);
    err_clear(e);
    err_say(e, -EADDRINUSE, "%s", text);
    err_hint(e, "container `%s` publishes it", name ? name : "?");
    return 1;
}

/* After -EEXIST: -EADDRINUSE if another endpoint has a port of the batch, -EAGAIN if it is about to be free. */
static int look_at_ports(struct fw_batch *b, struct err *e)
{
    int r = 0;
    for (size_t i = 0; i < b->ports.count && r <= 0; i++) {
        int refused = is_refused(b->fw, &b->ports.items[i], e);
        r = refused != 0 ? refused : r;
    }
    return r > 0 ? -EADDRINUSE : r;
}

int fw_require_free(struct fw *fw, const struct fw_publish *p, struct err *e)
{
    return is_refused(fw, p, e) > 0 ? -EADDRINUSE : 0;
}

/* The caller holds the socket, so the published port belongs to it. An element with that key is a
 * leftover: it is expiring, or its container was killed, or a rebuild of the firewall restored it
 * from the caller's own record. */
static int commit_plain(struct fw_batch *b, struct err *e)
{
    const struct timespec moment = {.tv_nsec = 5000000};
    const bool retries = !b->rebuilds && (b->leftovers || b->has_unheld);
    int r = nft_batch_send(b->fw->nft, b->nft, e);
    for (int tries = 0; r == -EEXIST && retries && tries < TRIES; tries++) {
        int taken = look_at_ports(b, e);
        if (taken == -EADDRINUSE)
            return taken;
        err_clear(e);
        if (taken == -EAGAIN)
            nanosleep(&moment, NULL);
        _cleanup_nft_batch_ struct nft_batch *ended =
            b->leftovers ? nft_batch_copy(b->leftovers) : nft_batch_new();
        r = nft_batch_commit(b->fw->nft, ended, e);
        if (r == 0)
            r = nft_batch_send(b->fw->nft, b->nft, e);
    }
    return r;
}

int fw_commit(struct fw_batch *b, struct err *e)
{
    bool lifetimes = b->expiring && expires(b);
    int r = lifetimes ? commit_expiring(b, e) : commit_plain(b, e);
    nft_batch_empty(b->nft);
    nft_batch_free(take_ptr(b->expiring));
    nft_batch_free(take_ptr(b->leftovers));
    port_set_clear(&b->ports);
    b->only_expiring = true;
    b->has_asked = b->has_unheld = b->rebuilds = b->ends_ports = b->ends_flow_ports = false;
    return r;
}

static void wait_until(int64_t until)
{
    int64_t ms = until - monotonic_ms();
    const struct timespec rest = {.tv_nsec = (long)(ms > 0 ? ms : 0) * 1000000};
    if (ms > 0)
        nanosleep(&rest, NULL);
}

void fw_await_ports(struct fw *fw)
{
    wait_until(fw->ports_ms);
}

/* A flow of UDP or SCTP lives as long as packets come. Before such flows are ended, the ports must be gone, or a new
 * flow to the container could start. */
void fw_await_flow_ports(struct fw *fw)
{
    wait_until(fw->flow_ports_ms);
}
