/* What a container uses: processor, memory, tasks, block devices, networks. */
#include "internal.h"

#include <errno.h>
#include <time.h>

static void add_traffic(struct engine *engine, const struct record *r, struct stats *out)
{
    struct net *net;
    _cleanup_endpoints_ struct endpoint_list all = {0};
    engine_endpoints(engine, r, &all);
    if (!all.count || engine_net(engine, &net, NULL) < 0)
        return;
    for (size_t i = 0; i < all.count; i++) {
        uint64_t received, sent;
        if (endpoint_traffic(net, &all.items[i], &received, &sent) < 0)
            continue; /* it is being disconnected, or ends */
        out->on_networks = true;
        out->received += received;
        out->sent += sent;
    }
}

int engine_stats(struct engine *engine, const struct record *r, struct stats *out, struct err *e)
{
    struct timespec now;
    const uint64_t tick = UINT64_C(1000000000) / (uint64_t)sysconf(_SC_CLK_TCK);
    *out = (struct stats){0};
    if (r->status != STATUS_RUNNING)
        return engine_not_running(r, e);
    int code = container_usage(&engine->store, &r->spec, &out->usage, e);
    if (code == -ENOENT || code == -ENODEV) {
        err_clear(e);
        return err_say(e, -ESRCH, "container `%s` has ended", r->spec.name);
    }
    if (code < 0)
        return code;
    clock_gettime(CLOCK_BOOTTIME, &now);
    out->at_ns = now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
    out->began_ns = (int64_t)(r->pid_start * tick);
    add_traffic(engine, r, out);
    return 0;
}
