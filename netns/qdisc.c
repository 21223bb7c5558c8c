/* Queueing disciplines of a link: a token bucket for its rate, netem for what else it does to packets. netem's message is
 * built by hand: libnl 3.7 knows neither times of 64 bits nor a change of one value alone.
 */
#include "rtnl.h"

#include <errno.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/route/qdisc.h>
#include <netlink/route/qdisc/tbf.h>
#include <string.h>

enum {
    NETEM_HANDLE = 0x10000, /* 1: */
    NETEM_CLASS = 0x10001,  /* 1:1, where a rate belongs */
    NETEM_PACKETS =
        50000, /* that may wait: the default, 1,000, is too few for a fast link that is long */
};

/* ---- rates -----------------------------------------------------------------------------------*/

static void push_rate(struct rt_batch *b, int index, uint32_t parent, uint32_t rate, uint32_t burst,
                      uint32_t limit)
{
    struct rtnl_qdisc *q = rtnl_qdisc_alloc();
    struct nl_msg *m = NULL;
    if (q && rtnl_tc_set_kind(TC_CAST(q), "tbf") == 0) {
        rtnl_tc_set_ifindex(TC_CAST(q), index);
        rtnl_tc_set_parent(TC_CAST(q), parent);
        rtnl_qdisc_tbf_set_rate(q, (int)rate, (int)burst, 0); /* libnl reads them back as 32 bits */
        rtnl_qdisc_tbf_set_limit(q, (int)limit);
        rtnl_qdisc_build_add_request(q, NLM_F_CREATE | NLM_F_REPLACE, &m);
    }
    if (q)
        rtnl_qdisc_put(q);
    rt_push(b, m, false, xasprintf("limit the rate of interface %d", index));
}

void rt_set_rate(struct rt_batch *b, int index, uint32_t rate, uint32_t burst, uint32_t limit)
{
    push_rate(b, index, TC_H_ROOT, rate, burst, limit);
}

void rt_set_rate_behind_netem(struct rt_batch *b, int index, uint32_t rate, uint32_t burst,
                              uint32_t limit)
{
    push_rate(b, index, NETEM_CLASS, rate, burst, limit);
}

/* ---- netem -----------------------------------------------------------------------------------*/

static bool put_netem(struct nl_msg *m, const struct netem *n)
{
    const struct tc_netem_qopt options = {.limit = NETEM_PACKETS,
                                          .gap = n->reorder ? 1 : 0,
                                          .loss = n->loss,
                                          .duplicate = n->duplicate};
    const struct tc_netem_reorder reorder = {.probability = n->reorder};
    const struct tc_netem_corrupt corrupt = {.probability = n->corrupt};
    const int64_t latency = n->delay_us * INT64_C(1000), jitter = n->jitter_us * INT64_C(1000);
    struct nlattr *all = nla_nest_start(m, TCA_OPTIONS);
    if (!all || nlmsg_append(m, (void *)&options, sizeof(options), NLMSG_ALIGNTO) < 0 ||
        nla_put(m, TCA_NETEM_LATENCY64, sizeof(latency), &latency) < 0 ||
        nla_put(m, TCA_NETEM_JITTER64, sizeof(jitter), &jitter) < 0 ||
        (n->reorder && nla_put(m, TCA_NETEM_REORDER, sizeof(reorder), &reorder) < 0) ||
        (n->corrupt && nla_put(m, TCA_NETEM_CORRUPT, sizeof(corrupt), &corrupt) < 0))
        return false;
    nla_nest_end(m, all);
    return true;
}

void rt_set_netem(struct rt_batch *b, int index, const struct netem *n)
{
    struct nl_msg *m = nlmsg_alloc_simple(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE);
    struct tcmsg head = {.tcm_ifindex = index, .tcm_parent = TC_H_ROOT, .tcm_handle = NETEM_HANDLE};
    if (m && (nlmsg_append(m, &head, sizeof(head), NLMSG_ALIGNTO) < 0 ||
              nla_put_string(m, TCA_KIND, "netem") < 0 || !put_netem(m, n))) {
        nlmsg_free(m);
        m = NULL;
    }
    rt_push(b, m, false, xasprintf("delay what interface %d sends", index));
}

void rt_clear_qdisc(struct rt_batch *b, int index)
{
    struct nl_msg *m = nlmsg_alloc_simple(RTM_DELQDISC, 0);
    struct tcmsg head = {.tcm_ifindex = index, .tcm_parent = TC_H_ROOT};
    if (m && nlmsg_append(m, &head, sizeof(head), NLMSG_ALIGNTO) < 0) {
        nlmsg_free(m);
        m = NULL;
    }
    rt_push(b, m, true, xasprintf("remove the queueing discipline of interface %d", index));
}

/* ---- what there is ---------------------------------------------------------------------------*/

static const struct nla_policy qdisc_policy[TCA_MAX + 1] = {
    [TCA_KIND] = {.type = NLA_STRING},
};
static const struct nla_policy tbf_policy[TCA_TBF_MAX + 1] = {
    [TCA_TBF_PARMS] = {.minlen = sizeof(struct tc_tbf_qopt)},
};

struct search {
    int index;
    uint32_t rate;
    bool netem;
};

static uint32_t rate_of(struct nlattr *options)
{
    struct nlattr *tbf[TCA_TBF_MAX + 1];
    struct tc_tbf_qopt parameters;
    if (!options || nla_parse_nested(tbf, TCA_TBF_MAX, options, tbf_policy) < 0 ||
        !tbf[TCA_TBF_PARMS])
        return 0;
    memcpy(&parameters, nla_data(tbf[TCA_TBF_PARMS]), sizeof(parameters));
    return parameters.rate.rate;
}

static int on_qdisc(struct nl_msg *m, void *arg)
{
    struct search *s = arg;
    struct nlattr *a[TCA_MAX + 1];
    struct nlmsghdr *h = nlmsg_hdr(m);
    if (h->nlmsg_type != RTM_NEWQDISC ||
        nlmsg_parse(h, sizeof(struct tcmsg), a, TCA_MAX, qdisc_policy) < 0)
        return NL_OK;
    const struct tcmsg *tcm = nlmsg_data(h);
    if (tcm->tcm_ifindex != s->index || !a[TCA_KIND])
        return NL_OK;
    const char *kind = nla_get_string(a[TCA_KIND]);
    if (tcm->tcm_parent == TC_H_ROOT && streq(kind, "netem"))
        s->netem = true;
    if ((tcm->tcm_parent == TC_H_ROOT || tcm->tcm_parent == NETEM_CLASS) && streq(kind, "tbf"))
        s->rate = rate_of(a[TCA_OPTIONS]);
    return NL_OK;
}

static int look(struct rt *rt, struct search *s, struct err *e)
{
    struct tcmsg request = {.tcm_ifindex = s->index};
    int r = -NLE_DUMP_INTR;
    for (int tries = 0; r == -NLE_DUMP_INTR && tries < 100; tries++) {
        s->rate = 0;
        s->netem = false;
        r = rt_dump_request(rt, RTM_GETQDISC, &request, sizeof(request), on_qdisc, s);
    }
    return r < 0 ? err_say(e, -EIO, "read the kernel's queues: %s", nl_geterror(r)) : 0;
}

int rt_get_rate(struct rt *rt, int index, uint32_t *rate, struct err *e)
{
    struct search s = {.index = index};
    int r = look(rt, &s, e);
    *rate = s.rate;
    return r;
}

int rt_has_netem(struct rt *rt, int index, struct err *e)
{
    struct search s = {.index = index};
    int r = look(rt, &s, e);
    return r < 0 ? r : s.netem;
}
