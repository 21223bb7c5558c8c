/* Others' firewalls as the kernel tells them: all chains and rules at once, elements when asked for. */
#include "foreign.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnftnl/set.h>
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

/* inet netctr, bridge netctr_guard, inet netctr_keeper. */
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
    f->rules[f->rule_count++] = r;
    return MNL_CB_OK;
}

static void forget_all(struct foreign *f)
{
    for (size_t i = 0; i < f->chain_count; i++)
        nftnl_chain_free(f->chains[i]);
    for (size_t i = 0; i < f->rule_count; i++)
        nftnl_rule_free(f->rules[i]);
    f->chain_count = f->rule_count = 0;
}

static int read_once(struct foreign *f)
{
    _Alignas(struct nlmsghdr) char buffer[256];
    forget_all(f);
    int r = nft_request(
        f->nft, nftnl_nlmsg_build_hdr(buffer, NFT_MSG_GETCHAIN, NFPROTO_UNSPEC, NLM_F_DUMP, 0),
        on_chain, f);
    if (r == 0)
        r = nft_request(
            f->nft, nftnl_nlmsg_build_hdr(buffer, NFT_MSG_GETRULE, NFPROTO_UNSPEC, NLM_F_DUMP, 0),
            on_rule, f);
    return r;
}

int foreign_read(struct foreign **out, struct err *e)
{
    struct foreign *f = xcalloc(1, sizeof(*f));
    int r = nft_open(&f->nft, e);
    /* EINTR: somebody has changed something meanwhile. */
    if (r == 0) {
        r = -EINTR;
        for (int tries = 0; r == -EINTR && tries < 50; tries++)
            r = read_once(f);
        if (r < 0)
            err_set(e, r, "read the host's nf_tables");
    }
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
    forget_all(f);
    free(f->chains);
    free(f->rules);
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

/* ---- sets ------------------------------------------------------------------------------------*/

struct elements {
    int (*each)(struct nftnl_set_elem *x, void *arg);
    void *arg;
};

static int on_elements(const struct nlmsghdr *answer, void *data)
{
    const struct elements *all = data;
    struct nftnl_set *s = nftnl_set_alloc();
    if (s && nftnl_set_elems_nlmsg_parse(answer, s) == 0)
        nftnl_set_elem_foreach(s, all->each, all->arg);
    nftnl_set_free(s);
    return MNL_CB_OK;
}

int foreign_each_element(struct foreign *f, uint32_t family, const char *table, const char *set,
                         int (*each)(struct nftnl_set_elem *x, void *arg), void *arg)
{
    _Alignas(struct nlmsghdr) char buffer[1024];
    struct elements all = {each, arg};
    struct nlmsghdr *h =
        nftnl_nlmsg_build_hdr(buffer, NFT_MSG_GETSETELEM, (uint16_t)family, NLM_F_DUMP, 0);
    mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_TABLE, table);
    mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_SET, set);
    return nft_request(f->nft, h, on_elements, &all);
}

static int on_set(const struct nlmsghdr *answer, void *data)
{
    struct nftnl_set *s = nftnl_set_alloc();
    if (s && nftnl_set_nlmsg_parse(answer, s) == 0)
        *(int *)data = (int)nftnl_set_get_u32(s, NFTNL_SET_FLAGS);
    nftnl_set_free(s);
    return MNL_CB_OK;
}

int foreign_set_flags(struct foreign *f, uint32_t family, const char *table, const char *set)
{
    _Alignas(struct nlmsghdr) char buffer[1024];
    int flags = -ENOENT;
    struct nlmsghdr *h = nftnl_nlmsg_build_hdr(buffer, NFT_MSG_GETSET, (uint16_t)family, 0, 0);
    mnl_attr_put_strz(h, NFTA_SET_TABLE, table);
    mnl_attr_put_strz(h, NFTA_SET_NAME, set);
    int r = nft_request(f->nft, h, on_set, &flags);
    return r < 0 ? r : flags;
}
