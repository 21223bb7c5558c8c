/* Others' firewalls as the kernel tells them: all chains and rules at once. */
#include "snapshot.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

const char *foreign_family(uint32_t family)
{
    switch (family) {
    case NFPROTO_INET: return "inet";
    case NFPROTO_IPV4: return "ip";
    case NFPROTO_IPV6: return "ip6";
    case NFPROTO_ARP: return "arp";
    case NFPROTO_BRIDGE: return "bridge";
    case NFPROTO_NETDEV: return "netdev";
    default: return "?";
    }
}

/* ---- read ------------------------------------------------------------------------------------*/

/* inet netctr, bridge netctr_guard, inet netctr_nat_hold. */
static bool is_ours(const char *table)
{
    const char *rest = skip_prefix(table, "netctr");
    return rest && (!*rest || *rest == '_');
}

static int on_chain(const struct nlmsghdr *answer, void *data)
{
    struct foreign *f = data;
    struct nftnl_chain *c = nftnl_chain_alloc();
    if (!c || nftnl_chain_nlmsg_parse(answer, c) < 0 ||
        is_ours(nftnl_chain_get_str(c, NFTNL_CHAIN_TABLE))) {
        nftnl_chain_free(c);
        return MNL_CB_OK;
    }
    f->chains = xrealloc(f->chains, f->chain_count + 1, sizeof(*f->chains));
    f->chains[f->chain_count++] = c;
    return MNL_CB_OK;
}

static int on_rule(const struct nlmsghdr *answer, void *data)
{
    struct foreign *f = data;
    struct nftnl_rule *r = nftnl_rule_alloc();
    if (!r || nftnl_rule_nlmsg_parse(answer, r) < 0 ||
        is_ours(nftnl_rule_get_str(r, NFTNL_RULE_TABLE))) {
        nftnl_rule_free(r);
        return MNL_CB_OK;
    }
    f->rules = xrealloc(f->rules, f->rule_count + 1, sizeof(*f->rules));
    f->rules[f->rule_count] = (struct foreign_rule){r, f->rule_count};
    f->rule_count++;
    return MNL_CB_OK;
}

/* ---- rules by chain --------------------------------------------------------------------------*/

static int compare_chain(struct nftnl_rule *r, uint32_t family, const char *table,
                         const char *chain)
{
    uint32_t own = nftnl_rule_get_u32(r, NFTNL_RULE_FAMILY);
    int order = own < family ? -1 : own > family;
    order = order ? order : strcmp(nftnl_rule_get_str(r, NFTNL_RULE_TABLE), table);
    return order ? order : strcmp(nftnl_rule_get_str(r, NFTNL_RULE_CHAIN), chain);
}

static int by_chain(const void *a, const void *b)
{
    const struct foreign_rule *x = a, *y = b;
    int order = compare_chain(x->rule, nftnl_rule_get_u32(y->rule, NFTNL_RULE_FAMILY),
                              nftnl_rule_get_str(y->rule, NFTNL_RULE_TABLE),
                              nftnl_rule_get_str(y->rule, NFTNL_RULE_CHAIN));
    return order ? order : x->number < y->number ? -1 : 1;
}

size_t foreign_first_rule(const struct foreign *f, uint32_t family, const char *table,
                          const char *chain)
{
    size_t low = 0, high = f->rule_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_chain(f->rules[middle].rule, family, table, chain) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool foreign_rule_is_in(const struct foreign *f, size_t i, uint32_t family, const char *table,
                        const char *chain)
{
    return i < f->rule_count && compare_chain(f->rules[i].rule, family, table, chain) == 0;
}

/* ---- read all of it --------------------------------------------------------------------------*/

static int read_all(struct foreign *f)
{
    _Alignas(struct nlmsghdr) char buffer[256];
    int r = nft_request(
        f->nft, nftnl_nlmsg_build_hdr(buffer, NFT_MSG_GETCHAIN, NFPROTO_UNSPEC, NLM_F_DUMP, 0),
        on_chain, f);
    if (r == 0)
        r = nft_request(
            f->nft, nftnl_nlmsg_build_hdr(buffer, NFT_MSG_GETRULE, NFPROTO_UNSPEC, NLM_F_DUMP, 0),
            on_rule, f);
    if (f->rule_count)
        qsort(f->rules, f->rule_count, sizeof(*f->rules), by_chain);
    return r;
}

int foreign_read(struct foreign **out, struct err *e)
{
    struct foreign *f = xcalloc(1, sizeof(*f));
    int r = nft_open(&f->nft, e);
    if (r == 0 && (r = read_all(f)) < 0)
        err_set(e, r, "read the host's nf_tables");
    if (r < 0) {
        foreign_free(f);
        return r;
    }
    *out = f;
    return 0;
}

void foreign_free(struct foreign *f)
{
    if (!f)
        return;
    for (size_t i = 0; i < f->chain_count; i++)
        nftnl_chain_free(f->chains[i]);
    for (size_t i = 0; i < f->rule_count; i++)
        nftnl_rule_free(f->rules[i].rule);
    free(f->chains);
    free(f->rules);
    foreign_free_sets(f);
    nft_close(f->nft);
    free(f);
}

bool foreign_has_table(const struct foreign *f, const char *name)
{
    for (size_t i = 0; i < f->chain_count; i++)
        if (streq(nftnl_chain_get_str(f->chains[i], NFTNL_CHAIN_TABLE), name))
            return true;
    return false;
}

bool foreign_has_chain(const struct foreign *f, const char *prefix)
{
    for (size_t i = 0; i < f->chain_count; i++)
        if (skip_prefix(nftnl_chain_get_str(f->chains[i], NFTNL_CHAIN_NAME), prefix))
            return true;
    return false;
}
