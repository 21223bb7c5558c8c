/* One sandbox from its namespace to its end. */
#include "sandbox.h"

#include <errno.h>

struct sandbox *sandbox_new(struct sandboxes *all, const char *id, const char *name,
                            struct loop *loop, const struct sandbox_owner *owner,
                            const struct sandbox_files *files)
{
    struct sandbox *sb = xcalloc(1, sizeof(*sb));
    *sb = (struct sandbox){.all = all,
                           .id = xstrdup(id),
                           .name = xstrdup(name),
                           .loop = loop,
                           .files = files,
                           .record_dir = -1,
                           .shared_records = -1,
                           .netns = -1};
    if (owner)
        sb->owner = *owner;
    return sb;
}

void sandbox_free(struct sandbox *sb)
{
    if (!sb)
        return;
    sandbox_stop_serving(sb);
    sandbox_close_ports(sb);
    port_mappings_clear(&sb->waiting);
    attachments_clear(sb);
    rt_close(sb->inside);
    close_fd(sb->netns);
    close_fd(sb->shared_records);
    free(sb->links);
    free(sb->resolv);
    free(sb->id);
    free(sb->name);
    free(sb);
}

void sandbox_set_records(struct sandbox *sb, int record_dir)
{
    sb->record_dir = record_dir;
}

void sandbox_set_names_port(struct sandbox *sb, uint16_t port)
{
    sb->names_port = port;
}

int sandbox_netns(const struct sandbox *sb)
{
    return sb->netns;
}

bool sandbox_has_networks(const struct sandbox *sb)
{
    return sb && sb->attachment_count > 0;
}

bool sandbox_has_ports(const struct sandbox *sb)
{
    return sb && sb->bindings;
}

void sandbox_networks(const struct sandbox *sb, strv *out)
{
    for (size_t i = 0; i < sb->attachment_count; i++)
        strv_add_take(out, connect_request_text(&sb->attachments[i].wanted));
}

/* ---- start -----------------------------------------------------------------------------------*/

void sandbox_join(struct sandbox *sb, int netns, int records)
{
    close_fd(sb->netns);
    close_fd(sb->shared_records);
    sb->netns = netns;
    sb->shared_records = records;
}

int sandbox_create(struct sandbox *sb, struct err *e)
{
    bool ipv6 = attachments_ipv6(sb);
    sb->born = ipv6 ? BORN_WITH_IPV6 : BORN_WITHOUT_IPV6;
    return netns_create(&sb->netns, &sb->inside, network_sysctls(ipv6), e);
}

static int raise_loopback(struct rt *inside, struct err *e)
{
    _cleanup_rt_batch_ struct rt_batch *batch = rt_batch_new(inside);
    rt_set_up(batch, 1);
    return rt_commit(batch, e);
}

int sandbox_start(struct sandbox *sb, struct err *e)
{
    _cleanup_rt_ struct rt *inside = take_ptr(sb->inside);
    const struct attachment *gateway = attachments_gateway(sb);
    int r = 0;
    for (size_t i = 0; r == 0 && i < sb->attachment_count; i++) {
        struct attachment *p = &sb->attachments[i];
        r = attachment_connect(
            sb, p, inside, p == gateway && sb->bindings ? &sb->bindings->port_mappings : NULL, e);
    }
    return r == 0 && sb->attachment_count == 0 ? raise_loopback(inside, e) : r;
}

/* ---- serve -----------------------------------------------------------------------------------*/

int sandbox_serve(struct sandbox *sb, unsigned hosts_delay_ms, struct err *e)
{
    struct attachment *gateway = attachments_gateway(sb);
    for (struct port_binding *h = sb->bindings; h; h = h->next) {
        int r = binding_serve(sb, h, &gateway->endpoint, e);
        if (r < 0)
            return r;
    }
    sb->hosts_delay_ms = hosts_delay_ms;
    watch_names(sb);
    return 0;
}

void sandbox_stop_serving(struct sandbox *sb)
{
    for (struct port_binding *h = sb->bindings; h; h = h->next)
        binding_stop(h);
    flows_unwatch(sb);
    unwatch_names(sb);
}

/* ---- end -------------------------------------------------------------------------------------*/

void sandbox_note_links(struct sandbox *sb)
{
    free(sb->links);
    sb->links = xcalloc(sb->attachment_count + 1, sizeof(*sb->links));
    sb->link_count = 0;
    for (size_t i = 0; i < sb->attachment_count; i++)
        if (endpoint_find_link(sb->net, &sb->attachments[i].endpoint, &sb->links[sb->link_count]))
            sb->link_count++;
}

void sandbox_close_ports(struct sandbox *sb)
{
    while (sb->bindings)
        binding_close(sb, sb->bindings);
}

/* Late: the kernel then dismantles the namespace under RTNL, and other netlink requests have to wait. */
void sandbox_close(struct sandbox *sb, bool later)
{
    sb->netns = close_fd(sb->netns);
    if (sb->link_count)
        links_retire(sb->net, sb->links, sb->link_count, later);
    sb->link_count = 0;
}
