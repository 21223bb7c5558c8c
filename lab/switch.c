/* A bridge: that of a switch, which has a namespace of its own, or one inside a node. */
#include "lab.h"

#include <errno.h>
#include <string.h>

/* Frames that a switch forwards are none of iptables' business. Some kernels begin with 1 in each new namespace. */
static const struct sysctl of_bridges[] = {
    {"net/bridge/bridge-nf-call-iptables", "0"},
    {"net/bridge/bridge-nf-call-ip6tables", "0"},
    {"net/bridge/bridge-nf-call-arptables", "0"},
    {NULL, NULL},
};

int bridge_make(const struct lab *l, const struct lab_node *n, const char *name, int netns,
                struct err *e)
{
    _cleanup_rt_ struct rt *rt = NULL;
    struct link link;
    uint8_t mac[6] = {0xaa, 0xc1, 0xab};
    _cleanup_free_ char *seed = xasprintf("%s/%s", l->name, n->name);
    uint64_t hash = hash64(seed);
    memcpy(mac + 3, &hash, 3);
    int r = netns_sysctls(netns, of_bridges, e);
    if (r == 0)
        r = netns_open_rt(netns, &rt, e);
    if (r < 0)
        return r;
    _cleanup_rt_batch_ struct rt_batch *b = rt_batch_new(rt);
    rt_add_bridge(b, name, mac, 9500);
    r = rt_commit(b, e);
    if (r == 0 && (r = rt_get_link(rt, name, &link)) < 0)
        return err_set(e, r, "find the bridge of switch `%s`", n->name);
    if (r == 0) {
        rt_set_up(b, link.index);
        r = rt_commit(b, e);
    }
    return r;
}
