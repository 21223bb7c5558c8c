/* Read-only checks of what the kernel offers for the firewall. */
#include "bridge.h"

#include <netctr/nft.h>

#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnftnl/common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

int firewall_dry_run(struct err *e)
{
    _cleanup_fw_ struct fw *fw = NULL;
    int r = fw_open("0000000000000000", &fw, e);
    return r < 0 ? r : fw_dry_run(fw, e);
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
