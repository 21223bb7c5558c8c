/* The rates of the endpoints that live: here, where an endpoint and the namespace of its container are
 * both known. */
#include "rates.h"

#include <errno.h>

struct walk {
    struct store *store;
    const char *network;
    rate_action act;
    void *arg;
    struct err *e;
};

/* -1: no process is in it just now. */
int record_netns(const struct record *r)
{
    int fd = r->status == STATUS_RUNNING ? netns_of_process(r->pid, r->pid_start) : -1;
    return fd < 0 ? -1 : fd;
}

static int visit(const struct record *r, void *arg)
{
    struct walk *w = arg;
    _cleanup_endpoints_ struct endpoint_list all = {0};
    _cleanup_close_ int dir = store_live_dir(w->store, r->spec.name), netns = record_netns(r);
    if (dir < 0 || container_marked(dir, MARK_LEAVING) > 0)
        return 0;
    (void)endpoint_load_all(dir, &all, NULL); /* damaged ones are others' business */
    int result = 0;
    for (size_t i = 0; result == 0 && i < all.count; i++)
        if (all.items[i].rate && (!w->network || streq(all.items[i].network, w->network)))
            result = w->act(&all.items[i], netns, w->arg, w->e);
    return result;
}

int rates_each(struct store *s, const char *network, rate_action act, void *arg, struct err *e)
{
    struct walk w = {s, network, act, arg, e};
    return store_each(s, visit, &w, e);
}
