/* A rule that hands what an interface sends to another one, but for marked packets, so that they can be sent on. It is in a table with an owner: the table goes with the socket
 * that has made it, and no other process can change or flush it.
 */
#include <netctr/nft.h>

#include <libnftnl/chain.h>
#include <libnftnl/rule.h>
#include <libnftnl/table.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netlink.h>
#include <string.h>

#define CHAIN "egress"

static void put_table(struct nft_batch *b, const char *name)
{
    struct nftnl_table *t = nft_must(nftnl_table_alloc());
    nftnl_table_set_str(t, NFTNL_TABLE_NAME, name);
    nftnl_table_set_u32(t, NFTNL_TABLE_FLAGS, NFT_TABLE_F_OWNER);
    nftnl_table_nlmsg_build_payload(nft_batch_message(b, NFT_MSG_NEWTABLE,
                                                      NLM_F_CREATE | NLM_F_EXCL, NFPROTO_NETDEV,
                                                      xasprintf("add table netdev %s", name)),
                                    t);
    nftnl_table_free(t);
}

static void put_chain(struct nft_batch *b, const char *table, const char *device)
{
    struct nftnl_chain *c = nft_must(nftnl_chain_alloc());
    nftnl_chain_set_str(c, NFTNL_CHAIN_TABLE, table);
    nftnl_chain_set_str(c, NFTNL_CHAIN_NAME, CHAIN);
    nftnl_chain_set_str(c, NFTNL_CHAIN_TYPE, "filter");
    nftnl_chain_set_u32(c, NFTNL_CHAIN_HOOKNUM, NF_NETDEV_EGRESS);
    nftnl_chain_set_s32(c, NFTNL_CHAIN_PRIO, INT32_MAX); /* after the node's own */
    nftnl_chain_set_u32(c, NFTNL_CHAIN_POLICY, NF_ACCEPT);
    nftnl_chain_set_str(c, NFTNL_CHAIN_DEV, device);
    nftnl_chain_nlmsg_build_payload(
        nft_batch_message(b, NFT_MSG_NEWCHAIN, NLM_F_CREATE, NFPROTO_NETDEV,
                          xasprintf("hook into what `%s` sends (Linux 5.16)", device)),
        c);
    nftnl_chain_free(c);
}

static void put_rule(struct nft_batch *b, const char *table, const char *device, int to,
                     uint32_t mark)
{
    struct nftnl_rule *r = nft_must(nftnl_rule_alloc());
    nftnl_rule_set_str(r, NFTNL_RULE_TABLE, table);
    nftnl_rule_set_str(r, NFTNL_RULE_CHAIN, CHAIN);
    expr_meta(r, NFT_META_MARK, NFT_REG_1);
    expr_cmp(r, NFT_CMP_NEQ, NFT_REG_1, &mark, sizeof(mark));
    expr_forward(r, (uint32_t)to);
    nftnl_rule_nlmsg_build_payload(
        nft_batch_message(b, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, NFPROTO_NETDEV,
                          xasprintf("hand on what `%s` sends (nft_fwd_netdev)", device)),
        r);
    nftnl_rule_free(r);
}

int nft_forward(struct nft *n, const char *table, const char *device, int to, uint32_t mark,
                struct err *e)
{
    _cleanup_nft_batch_ struct nft_batch *b = nft_batch_new();
    put_table(b, table);
    put_chain(b, table, device);
    put_rule(b, table, device, to, mark);
    return nft_batch_commit(n, b, e);
}
