/* Is the firewall as it should be, and would there be one? Looks only. */
#include "bridge.h"

#include "nft_batch.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnftnl/common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

int firewall_rehearse(struct err *e)
{
    _cleanup_fw_ struct fw *fw = NULL;
    int r = fw_open("0000000000000000", &fw, e);
    return r < 0 ? r : fw_rehearse(fw, e);
}

static int ignore(const struct nlmsghdr *answer, void *data)
{
    (void)answer;
    (void)data;
    return MNL_CB_OK;
}

int firewall_knows_conntrack(struct err *e)
{
    _Alignas(struct nlmsghdr) char buffer[256];
    struct nft *nft;
    int r = nft_open(&nft, e);
    if (r < 0)
        return r;
    struct nlmsghdr *h = nftnl_nlmsg_build_hdr(buffer, IPCTNL_MSG_CT_GET_STATS, AF_UNSPEC, 0, 0);
    h->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET_STATS;
    r = nft_request(nft, h, ignore, NULL);
    nft_close(nft);
    return r == -EINVAL || r == -EOPNOTSUPP ? 0 : r < 0 ? err_set(e, r, "ask for conntrack") : 1;
}

static int verify_endpoint(struct bridge *b, const struct endpoint *ep,
                           void (*found)(const char *what, void *arg), void *arg)
{
    struct fw_guard guard = endpoint_guard(ep);
    size_t count;
    _cleanup_free_ struct fw_publish *elements = endpoint_elements(ep, &count);
    int r = fw_has_guard(b->fw, &guard);
    if (r == 0) {
        _cleanup_free_ char *what = xasprintf("the guard of container `%s`", ep->container);
        found(what, arg);
    }
    for (size_t i = 0; r >= 0 && i < count; i++) {
        if ((r = fw_has_publish(b->fw, &elements[i])) != 0)
            continue;
        _cleanup_free_ char *what =
            xasprintf("published port %u of container `%s`", elements[i].host_port, ep->container);
        found(what, arg);
    }
    return r;
}

int bridge_verify(struct bridge *b, const struct endpoint *live, size_t count,
                  void (*found)(const char *what, void *arg), void *arg, struct err *e)
{
    int r = fw_has_rules(b->fw);
    if (r == 0)
        found("some of its rules", arg);
    for (size_t i = 0; r >= 0 && i < count; i++)
        r = verify_endpoint(b, &live[i], found, arg);
    return r < 0 ? err_set(e, r, "look at the firewall") : 0;
}
