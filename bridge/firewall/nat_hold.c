#include "nat_hold.h"

#include <netctr/nft.h>

#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/rule.h>
#include <libnftnl/table.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netlink.h>
#include <string.h>

#define TABLE "netctr_nat_hold"

static const struct {
    const char *name;
    uint32_t hook;
    int32_t priority;
} chains[] = {
    {"prerouting", NF_INET_PRE_ROUTING, NF_IP_PRI_NAT_DST},
    {"input", NF_INET_LOCAL_IN, NF_IP_PRI_NAT_SRC},
    {"output", NF_INET_LOCAL_OUT, NF_IP_PRI_NAT_DST},
    {"postrouting", NF_INET_POST_ROUTING, NF_IP_PRI_NAT_SRC},
};

static void put_table(struct nft_batch *b)
{
    static const char comment[] = "open connections live through a flush";
    uint8_t userdata[2 + sizeof(comment)] = {NFTNL_UDATA_TABLE_COMMENT, sizeof(comment)};
    memcpy(userdata + 2, comment, sizeof(comment));
    struct nftnl_table *t = nft_must(nftnl_table_alloc());
    nftnl_table_set_str(t, NFTNL_TABLE_NAME, TABLE);
    nftnl_table_set_u32(t, NFTNL_TABLE_FLAGS, NFT_TABLE_F_OWNER);
    nftnl_table_set_data(t, NFTNL_TABLE_USERDATA, userdata, sizeof(userdata));
    nftnl_table_nlmsg_build_payload(nft_batch_message(b, NFT_MSG_NEWTABLE, NLM_F_CREATE,
                                                      NFPROTO_INET,
                                                      xstrdup("add table inet " TABLE)),
                                    t);
    nftnl_table_free(t);
}

static void put_chain(struct nft_batch *b, size_t i)
{
    struct nftnl_chain *c = nft_must(nftnl_chain_alloc());
    nftnl_chain_set_str(c, NFTNL_CHAIN_TABLE, TABLE);
    nftnl_chain_set_str(c, NFTNL_CHAIN_NAME, chains[i].name);
    nftnl_chain_set_str(c, NFTNL_CHAIN_TYPE, "nat");
    nftnl_chain_set_u32(c, NFTNL_CHAIN_HOOKNUM, chains[i].hook);
    nftnl_chain_set_s32(c, NFTNL_CHAIN_PRIO, chains[i].priority);
    nftnl_chain_set_u32(c, NFTNL_CHAIN_POLICY, NF_ACCEPT);
    nftnl_chain_nlmsg_build_payload(
        nft_batch_message(b, NFT_MSG_NEWCHAIN, NLM_F_CREATE, NFPROTO_INET,
                          xasprintf("add chain " TABLE " %s", chains[i].name)),
        c);
    nftnl_chain_free(c);
}

/* "ct state established accept": as good as never met in a NAT chain, which sees a connection's first
 * packet only. What matters is that there is a rule that asks conntrack: without any, tracking stops. */
static void put_rule(struct nft_batch *b)
{
    const uint32_t established = 1 << 1, none = 0; /* NF_CT_STATE_BIT(IP_CT_ESTABLISHED) */
    struct nftnl_rule *r = nft_must(nftnl_rule_alloc());
    nftnl_rule_set_str(r, NFTNL_RULE_TABLE, TABLE);
    nftnl_rule_set_str(r, NFTNL_RULE_CHAIN, chains[0].name);
    expr_ct(r, NFT_CT_STATE, NFT_REG32_00);
    expr_and(r, NFT_REG32_00, &established, sizeof(established));
    expr_cmp(r, NFT_CMP_NEQ, NFT_REG32_00, &none, sizeof(none));
    expr_verdict(r, NF_ACCEPT, NULL);
    nftnl_rule_nlmsg_build_payload(nft_batch_message(b, NFT_MSG_NEWRULE,
                                                     NLM_F_CREATE | NLM_F_APPEND, NFPROTO_INET,
                                                     xstrdup("add rule " TABLE)),
                                   r);
    nftnl_rule_free(r);
}

int nat_hold_create(struct nft *n, struct err *e)
{
    _cleanup_nft_batch_ struct nft_batch *b = nft_batch_new();
    put_table(b);
    for (size_t i = 0; i < ARRAY_LEN(chains); i++)
        put_chain(b, i);
    put_rule(b);
    return nft_batch_commit(n, b, NFT_TOLERATE_NOTHING, e);
}
