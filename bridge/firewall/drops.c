/* The counters of the rules that drop forged packets. */
#include "schema.h"
#include <netctr/nft.h>

#include <libmnl/libmnl.h>
#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

struct counters {
    const struct table *table;
    struct firewall_drop *items;
    size_t count;
};

static void counters_clear(struct counters *c)
{
    for (size_t i = 0; i < c->count; i++)
        free(c->items[i].why);
    free(c->items);
}

static int take_packets(struct nftnl_expr *x, void *arg)
{
    uint64_t *packets = arg;
    if (streq(nftnl_expr_get_str(x, NFTNL_EXPR_NAME), "counter"))
        *packets += nftnl_expr_get_u64(x, NFTNL_EXPR_CTR_PACKETS);
    return 0;
}

static int take_comment(const struct nftnl_udata *u, void *arg)
{
    char **comment = arg;
    const char *text = nftnl_udata_get(u);
    uint8_t size = nftnl_udata_len(u);
    if (nftnl_udata_type(u) == NFTNL_UDATA_RULE_COMMENT && size && !text[size - 1] && !*comment)
        *comment = xstrdup(text);
    return 0;
}

/* Rules with the same comment count as one. */
static void note(struct counters *c, const char *why, uint64_t packets)
{
    for (size_t i = 0; i < c->count; i++)
        if (streq(c->items[i].why, why)) {
            c->items[i].packets += packets;
            return;
        }
    c->items = xrealloc(c->items, c->count + 1, sizeof(*c->items));
    c->items[c->count++] = (struct firewall_drop){c->table->family == NFPROTO_BRIDGE, xstrdup(why),
                                                  packets, schema_show_spoofing(c->table)};
}

static int take_rule(const struct nlmsghdr *answer, void *arg)
{
    struct counters *c = arg;
    uint64_t packets = 0;
    uint32_t size = 0;
    _cleanup_free_ char *why = NULL;
    struct nftnl_rule *r = nft_must(nftnl_rule_alloc());
    if (nftnl_rule_nlmsg_parse(answer, r) == 0 &&
        schema_counts_spoofing(c->table, nftnl_rule_get_str(r, NFTNL_RULE_CHAIN))) {
        (void)nftnl_expr_foreach(r, take_packets, &packets);
        const void *userdata = nftnl_rule_get_data(r, NFTNL_RULE_USERDATA, &size);
        if (userdata)
            (void)nftnl_udata_parse(userdata, size, take_comment, &why);
    }
    nftnl_rule_free(r);
    if (packets && why)
        note(c, why, packets);
    return MNL_CB_OK;
}

int ruleset_each_drop(struct nft *n, void (*each)(const struct firewall_drop *drop, void *arg),
                      void *arg)
{
    __attribute__((cleanup(counters_clear))) struct counters c = {0};
    int r = 0;
    for (size_t i = 0; r >= 0 && i < ARRAY_LEN(TABLES); i++) {
        _Alignas(struct nlmsghdr) char buffer[256];
        c.table = TABLES[i];
        struct nlmsghdr *request =
            nftnl_nlmsg_build_hdr(buffer, NFT_MSG_GETRULE, TABLES[i]->family, NLM_F_DUMP, 0);
        mnl_attr_put_strz(request, NFTA_RULE_TABLE, TABLES[i]->name);
        r = nft_request(n, request, take_rule, &c);
    }
    for (size_t i = 0; r >= 0 && i < c.count; i++)
        each(&c.items[i], arg);
    return r < 0 ? r : 0;
}
