/* Whether the firewall's tables on this host are there, and whose they are. */
#include "bridge.h"

#include <errno.h>

int net_check(struct net *net, struct err *e)
{
    _cleanup_free_ char *owner = NULL;
    int state = fw_probe(net->fw, &owner, e);
    if (state < 0)
        return state;
    if (state == FW_TABLES_FOREIGN && owner) {
        err_say(e, -EBUSY, "this host's firewall tables belong to another netctr (instance %s)",
                owner);
        err_hint(e, "use its --run-root; if that is gone, `%s` deletes the tables",
                 fw_delete_command);
        return -EBUSY;
    }
    if (state == FW_TABLES_NEWER) {
        err_say(e, -EPROTONOSUPPORT,
                "this host's firewall tables were made by a newer netctr than %s", NETCTR_VERSION);
        err_hint(e, "use the newer netctr; if it runs no container, `%s` deletes its tables",
                 fw_delete_command);
        return -EPROTONOSUPPORT;
    }
    return state != FW_TABLES_OURS;
}

bool net_is_outdated(struct net *net)
{
    return fw_probe(net->fw, NULL, NULL) == FW_TABLES_OLDER;
}
