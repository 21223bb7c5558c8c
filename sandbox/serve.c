/* Serves a sandbox in the loop of its process. */
#include "sandbox.h"

int sandbox_serve(struct sandbox *sb, unsigned hosts_delay_ms, struct err *e)
{
    struct attachment *gateway = attachments_gateway(sb);
    for (struct port_binding *h = sb->bindings; h; h = h->next) {
        int r = h->proxy ? 0 : binding_serve(sb, h, &gateway->endpoint, e);
        if (r < 0)
            return r;
    }
    sb->hosts_delay_ms = hosts_delay_ms;
    watch_names(sb);
    later_begin(sb);
    return 0;
}

void sandbox_stop_serving(struct sandbox *sb)
{
    for (struct port_binding *h = sb->bindings; h; h = h->next)
        binding_stop(h);
    flows_unwatch(sb);
    later_cancel(sb);
    unwatch_names(sb);
}
