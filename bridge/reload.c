/* Rebuilds the firewall from what is known: the tables, what forwarding keeps closed, all defined
 * networks, and the endpoints that the caller says are in use. All of it is one batch, so that no
 * packet meets half a firewall. */
#include "bridge.h"

struct reloading {
    struct fw_batch *batch;
    uint16_t names_port;
    strv known; /* networks with a readable definition */
};

void network_add(struct fw_batch *batch, const struct network *n, uint16_t names_port)
{
    struct fw_network elements = network_elements(n);
    fw_add_network(batch, &elements);
    dns_redirect_add(batch, n, names_port);
}

static int reload_network(const struct network *n, void *arg)
{
    struct reloading *r = arg;
    strv_add(&r->known, n->name);
    network_add(r->batch, n, r->names_port);
    return 0;
}

/* Unpublished ports must stay unreachable, even of a network of which nothing but the bridge is
 * known. */
void network_add_closed(struct fw_batch *batch, const struct endpoint *ep)
{
    struct fw_network elements = {.bridge = ep->bridge, .icc = true};
    fw_add_network(batch, &elements);
}

int net_reload(struct net *net, const struct endpoint *live, size_t count, uint16_t names_port,
               struct err *e)
{
    _cleanup_fw_batch_ struct fw_batch *batch = fw_batch_new(net->fw);
    struct reloading reloading = {batch, names_port, NULL};
    _cleanup_close_ int lock = forwarding_lock(net, e);
    if (lock < 0)
        return lock;
    fw_add_tables(batch);
    int r = forwarding_add(net, batch, e);
    if (r == 0)
        r = network_each(net, reload_network, &reloading, e);
    for (size_t i = 0; r == 0 && i < count; i++)
        if (!strv_has(reloading.known, live[i].network)) {
            network_add_closed(batch, &live[i]);
            strv_add(&reloading.known, live[i].network);
        }
    strv_free(reloading.known);
    for (int unheld = 1; unheld >= 0;
         unheld--) /* of two claims the first counts: see fw_add_publish() */
        for (size_t i = 0; r == 0 && i < count; i++)
            if (live[i].unheld == unheld)
                endpoint_add(batch, &live[i]);
    return r == 0 ? fw_commit(batch, e) : r;
}
