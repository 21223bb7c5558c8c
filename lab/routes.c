/* Static routes of a node, as lines of ip(8) that bring them back. */
#include "lab.h"

#include <errno.h>
#include <linux/rtnetlink.h>

struct routes {
    int index;
    strv *lines;
};

/* By a gateway, and static: those of daemons come back by themselves, those of links with the addresses. */
static int add_route(const struct route *r, void *arg)
{
    enum { METRIC_DEFAULT6 = 1024 };
    struct routes *x = arg;
    const bool six = r->family == AF_INET6;
    if (r->on_link || !r->gateway.family || (x->index && r->oif != x->index) ||
        (r->protocol != RTPROT_BOOT && r->protocol != RTPROT_STATIC))
        return 0;
    _cleanup_free_ char *to = ip_text(&r->destination), *via = ip_text(&r->gateway);
    _cleanup_free_ char *where = r->prefix ? xasprintf("%s/%u", to, r->prefix) : xstrdup("default");
    _cleanup_free_ char *metric = r->metric && !(six && r->metric == METRIC_DEFAULT6)
                                      ? xasprintf(" metric %u", r->metric)
                                      : xstrdup("");
    strv_add_take(x->lines, xasprintf("ip %sroute replace %s via %s%s", six ? "-6 " : "", where,
                                      via, metric));
    return 0;
}

int lab_routes(struct rt *rt, int index, strv *lines, struct err *e)
{
    struct routes x = {index, lines};
    return rt_each_route(rt, add_route, &x, e);
}
