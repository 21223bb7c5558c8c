#include "nat_hold.h"

#include "schema.h"

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
    uint8_t userdata[NFT_USERDATA_MAXLEN] = {NFTNL_UDATA_TABLE_COMMENT};
    size_t size = strlen(NAT_HOLD.comment) + 1;
    userdata[1] = (uint8_t)size;
    memcpy(userdata + 2, NAT_HOLD.comment, size);
    struct nftnl_table *t = nft_must(nftnl_table_alloc());
    nftnl_table_set_str(t, NFTNL_TABLE_NAME, NAT_HOLD.name);
    nftnl_table_set_u32(t, NFTNL_TABLE_FLAGS, NFT_TABLE_F_OWNER);
    nftnl_table_set_data(t, NFTNL_TABLE_USERDATA, userdata, (uint32_t)size + 2);
    nftnl_table_nlmsg_build_payload(
        nft_batch_message(b, NFT_MSG_NEWTABLE, NLM_F_CREATE, NAT_HOLD.family,
                          xasprintf("add table %s %s", NAT_HOLD.family_name, NAT_HOLD.name)),
        t);
    nftnl_table_free(t);
}

static void put_chain(struct nft_batch *b, size_t i)
{
    struct nftnl_chain *c = nft_must(nftnl_chain_alloc());
    nftnl_chain_set_str(c, NFTNL_CHAIN_TABLE, NAT_HOLD.name);
    nftnl_chain_set_str(c, NFTNL_CHAIN_NAME, chains[i].name);
    nftnl_chain_set_str(c, NFTNL_CHAIN_TYPE, "nat");
    nftnl_chain_set_u32(c, NFTNL_CHAIN_HOOKNUM, chains[i].hook);
    nftnl_chain_set_s32(c, NFTNL_CHAIN_PRIO, chains[i].priority);
    nftnl_chain_set_u32(c, NFTNL_CHAIN_POLICY, NF_ACCEPT);
    nftnl_chain_nlmsg_build_payload(
        nft_batch_message(b, NFT_MSG_NEWCHAIN, NLM_F_CREATE, NFPROTO_INET,
                          xasprintf("add chain %s %s", NAT_HOLD.name, chains[i].name)),
        c);
    nftnl_chain_free(c);
}

/* "ct state established accept" hardly ever matches, because a NAT chain sees only the first packet
 * of a connection. It is there because conntrack stops tracking when no rule refers to it. */
static void put_rule(struct nft_batch *b)
{
    const uint32_t established = 1 << 1, none = 0; /* NF_CT_STATE_BIT(IP_CT_ESTABLISHED) */
    struct nftnl_rule *r = nft_must(nftnl_rule_alloc());
    nftnl_rule_set_str(r, NFTNL_RULE_TABLE, NAT_HOLD.name);
    nftnl_rule_set_str(r, NFTNL_RULE_CHAIN, chains[0].name);
    expr_ct(r, NFT_CT_STATE, NFT_REG32_00);
    expr_and(r, NFT_REG32_00, &established, sizeof(established));
    expr_cmp(r, NFT_CMP_NEQ, NFT_REG32_00, &none, sizeof(none));
    expr_verdict(r, NF_ACCEPT, NULL);
    nftnl_rule_nlmsg_build_payload(nft_batch_message(b, NFT_MSG_NEWRULE,
                                                     NLM_F_CREATE | NLM_F_APPEND, NFPROTO_INET,
                                                     xasprintf("add rule %s", NAT_HOLD.name)),
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
    return nft_batch_commit(n, b, e);
}
