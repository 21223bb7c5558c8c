/* The firewall as the rest of netctr sees it: a connection, batches, and ways to end things that
 * may have ended already. What the words mean in nf_tables is schema.c's and elements.c's business.
 */
#include <netctr/firewall.h>

#include "compare.h"
#include "ruleset.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <string.h>
#include <sys/random.h>

struct fw {
    struct nft *nft;
    char *instance;
    enum { EXPIRY_UNKNOWN, EXPIRY_WORKS, EXPIRY_IGNORED } expiry;
};

struct fw_batch {
    struct fw *fw;
    struct nft_batch *nft;
};

int fw_open(const char *instance, struct fw **out, struct err *e)
{
    if (!ruleset_valid_instance(instance))
        return err_say(e, -EINVAL, "firewall: `%s` is not an instance of 16 hex digits", instance);
    struct nft *nft = NULL;
    int r = nft_open(&nft, e);
    if (r < 0)
        return r;
    struct fw *fw = xcalloc(1, sizeof(*fw));
    fw->nft = nft;
    fw->instance = xstrdup(instance);
    *out = fw;
    return 0;
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

/* ---- looking ------------------------------------------------------------------------------*/

int fw_dry_run(struct fw *fw, struct err *e)
{
    static const char last[] = "withdraw the rehearsed firewall";
    _cleanup_err_ struct err refused = ERR_INIT;
    _cleanup_nft_batch_ struct nft_batch *b = nft_batch_new();
    ruleset_create(b, fw->instance);
    ruleset_withdraw(b, xstrdup(last));
    int r = nft_batch_commit(fw->nft, b, NFT_TOLERATE_NOTHING, &refused);
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

/* ---- batches ------------------------------------------------------------------------------*/

struct fw_batch *fw_batch_new(struct fw *fw)
{
    struct fw_batch *b = xcalloc(1, sizeof(*b));
    b->fw = fw;
    b->nft = nft_batch_new();
    return b;
}

void fw_batch_free(struct fw_batch *b)
{
    if (!b)
        return;
    nft_batch_free(b->nft);
    free(b);
}

void fw_batch_cleanup(struct fw_batch **b)
{
    fw_batch_free(*b);
}

void fw_add_tables(struct fw_batch *b)
{
    ruleset_create(b->nft, b->fw->instance);
}

void fw_add_network(struct fw_batch *b, const struct fw_network *n)
{
    elements_network(b->nft, CHANGE_ADD, n);
}

void fw_add_link(struct fw_batch *b, const char *from, const char *to)
{
    elements_link(b->nft, CHANGE_ADD, from, to);
}

void fw_add_guard(struct fw_batch *b, const struct fw_guard *g)
{
    elements_guard(b->nft, CHANGE_ADD, g);
}

void fw_add_publish(struct fw_batch *b, const struct fw_publish *p)
{
    elements_publish(b->nft, CHANGE_CREATE, p);
}

void fw_add_dns_redirect(struct fw_batch *b, const struct fw_dns_redirect *r)
{
    elements_resolver(b->nft, CHANGE_ADD, r);
    elements_door(b->nft, CHANGE_ADD, r->to_port);
}

void fw_add_closed(struct fw_batch *b, const struct fw_closed *c)
{
    elements_closed(b->nft, CHANGE_ADD, c);
}

int fw_set_dns_redirects(struct fw *fw, const struct fw_dns_redirect *r, size_t count,
                         struct err *e)
{
    _cleanup_nft_batch_ struct nft_batch *b = nft_batch_new();
    for (size_t i = 0; i < count; i++)
        elements_resolver(b, CHANGE_DELETE, &r[i]);
    for (size_t i = 0; i < count; i++)
        if (r[i].to_port) {
            elements_resolver(b, CHANGE_ADD, &r[i]);
            elements_door(b, CHANGE_ADD, r[i].to_port);
        }
    return nft_batch_commit(fw->nft, b, NFT_TOLERATE_ABSENT, e);
}

int fw_close_door(struct fw *fw, uint16_t port, struct err *e)
{
    _cleanup_nft_batch_ struct nft_batch *b = nft_batch_new();
    elements_door(b, CHANGE_DELETE, port);
    return nft_batch_commit(fw->nft, b, NFT_TOLERATE_ABSENT, e);
}

int fw_commit(struct fw_batch *b, struct err *e)
{
    return nft_batch_commit(b->fw->nft, b->nft, NFT_TOLERATE_NOTHING, e);
}

struct nft *fw_nft(struct fw *fw)
{
    return fw->nft;
}

struct nft_batch *fw_batch_nft(struct fw_batch *b)
{
    return b->nft;
}

/* ---- endings ------------------------------------------------------------------------------*/

int fw_undo(struct fw *fw, const struct fw_network *n, const struct fw_guard *g,
            const struct fw_publish *p, size_t count, struct err *e)
{
    _cleanup_nft_batch_ struct nft_batch *b = nft_batch_new();
    for (size_t i = 0; i < count; i++)
        elements_publish(b, CHANGE_DELETE, &p[i]);
    if (g)
        elements_guard(b, CHANGE_DELETE, g);
    if (n)
        elements_network(b, CHANGE_DELETE, n);
    return nft_batch_commit(fw->nft, b, NFT_TOLERATE_ABSENT, e);
}

int fw_undo_link(struct fw *fw, const char *from, const char *to, struct err *e)
{
    _cleanup_nft_batch_ struct nft_batch *b = nft_batch_new();
    elements_link(b, CHANGE_DELETE, from, to);
    return nft_batch_commit(fw->nft, b, NFT_TOLERATE_ABSENT, e);
}

int fw_undo_closed(struct fw *fw, const struct fw_closed *c, struct err *e)
{
    _cleanup_nft_batch_ struct nft_batch *b = nft_batch_new();
    elements_closed(b, CHANGE_DELETE, c);
    return nft_batch_commit(fw->nft, b, NFT_TOLERATE_ABSENT, e);
}

int fw_read_closed(struct fw *fw, int family, strv *from, strv *to, struct err *e)
{
    uint8_t nfproto = family == AF_INET ? NFPROTO_IPV4 : NFPROTO_IPV6;
    *from = *to = NULL;
    int r = elements_read_closed(fw->nft, nfproto, from, to);
    return r < 0 ? err_set(e, r, "read which links are closed") : 0;
}

void fw_set_expiry(struct fw *fw, bool works)
{
    fw->expiry = works ? EXPIRY_WORKS : EXPIRY_IGNORED;
}

int fw_probe_expiry(struct fw *fw, bool *works, struct err *e)
{
    /* The MAC of a port that does not exist, under a name that no other probe uses: if two shared one,
     * one's delete would let the other's update add a fresh element, and that one does expire. It
     * lives much longer than the questions take. */
    enum { LIFETIME_MS = 500 };
    uint64_t chance = 0;
    if (getrandom(&chance, sizeof(chance), 0) != sizeof(chance))
        return err_set(e, errno, "read random bytes");
    _cleanup_free_ char *name = xasprintf(".%014llx", (unsigned long long)chance >> 8);
    static const uint8_t mac[6];
    struct element probe = {.set = SET_MACS, .key = {name, mac}};
    _cleanup_nft_batch_ struct nft_batch *b = nft_batch_new();
    ruleset_change(b, CHANGE_CREATE, &probe, xstrdup("probe for expiry: add"));
    int r = nft_batch_commit(fw->nft, b, NFT_TOLERATE_NOTHING, e);
    if (r < 0)
        return r;
    ruleset_expire(b, &probe, LIFETIME_MS, xstrdup("probe for expiry: update"));
    r = nft_batch_commit(fw->nft, b, NFT_TOLERATE_NOTHING, e);
    if (r == 0) {
        r = ruleset_find(fw->nft, &probe, works);
        if (r < 0)
            err_set(e, r, "probe for expiry: read back");
    }
    if (r < 0 || !*works) {
        ruleset_change(b, CHANGE_DELETE, &probe, xstrdup("probe for expiry: delete"));
        (void)nft_batch_commit(fw->nft, b, NFT_TOLERATE_ABSENT, NULL);
    }
    if (r == 0)
        fw_set_expiry(fw, *works);
    return r;
}

int fw_expire(struct fw *fw, const struct fw_guard *g, const struct fw_publish *p, size_t count,
              struct err *e)
{
    bool works = fw->expiry == EXPIRY_WORKS;
    if (fw->expiry == EXPIRY_UNKNOWN && fw_probe_expiry(fw, &works, NULL) < 0)
        works = false;
    if (!works)
        return fw_undo(fw, NULL, g, p, count, e);
    _cleanup_nft_batch_ struct nft_batch *b = nft_batch_new();
    for (size_t i = 0; i < count; i++)
        elements_publish(b, CHANGE_EXPIRE, &p[i]);
    if (g)
        elements_guard(b, CHANGE_EXPIRE, g);
    return nft_batch_commit(fw->nft, b, NFT_TOLERATE_ABSENT | NFT_TOLERATE_TAKEN, e);
}
