/* Would this kernel accept netctr's firewall, and what has it dropped? Read-only. */
#include "bridge.h"

#include <netctr/nft.h>

#include <errno.h>

int firewall_dry_run(struct err *e)
{
    _cleanup_fw_ struct fw *fw = NULL;
    int r = fw_open("0000000000000000", &fw, e);
    return r < 0 ? r : fw_dry_run(fw, e);
}

int firewall_knows_conntrack(struct err *e)
{
    struct nft *nft;
    uint32_t count;
    int r = nft_open(&nft, e);
    if (r < 0)
        return r;
    r = conntrack_count(nft, &count);
    nft_close(nft);
    return r == -EOPNOTSUPP ? 0 : r < 0 ? err_set(e, r, "ask for conntrack") : 1;
}

int firewall_each_drop(struct net *net, void (*each)(const struct firewall_drop *drop, void *arg),
                       void *arg, struct err *e)
{
    int r = fw_each_drop(net->fw, each, arg);
    return r < 0 ? err_set(e, r, "read the firewall's counters") : 0;
}
