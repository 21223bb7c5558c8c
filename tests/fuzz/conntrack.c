/* Connections: an input that starts with "ipv" is lines of /proc, any other a netlink message. In a network
 * namespace of its own, because matching entries are deleted.
 */
#include "fuzz.h"

#include "bridge/firewall/stale_flows.c"

static struct plan *the_plan(void)
{
    static struct port ports[2];
    static struct plan plan;
    if (plan.ports)
        return &plan;
    must(unshare(CLONE_NEWNET) == 0);
    const struct port_mapping udp = {.host_port = 53, .port = 53, .protocol = IPPROTO_UDP};
    plan.ports = ports;
    plan.locals_known = true;
    must(ip_parse("10.88.0.2", &plan.addresses[plan.address_count++]) == 0);
    must(ip_parse("fd4c::2", &plan.addresses[plan.address_count++]) == 0);
    for (size_t i = 0; i < plan.address_count; i++)
        add_port(&plan, &udp, &plan.addresses[i]);
    return &plan;
}

static void lines_of_proc(struct plan *p, const uint8_t *data, size_t size)
{
    _cleanup_free_ char *text = input_text(data, size);
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        struct entry entry;
        if (parse_line(line, &entry))
            judge(p, &entry);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct plan *p = the_plan();
    uint32_t count = 0;
    if (size >= 3 && memcmp(data, "ipv", 3) == 0) {
        lines_of_proc(p, data, size);
        return 0;
    }
    if (size < sizeof(struct nlmsghdr) || size > 32768)
        return 0;
    /* libmnl expects padding after the last attribute, as the kernel sends it. */
    _cleanup_free_ struct nlmsghdr *h = xcalloc(NLMSG_ALIGN(size), 1);
    memcpy(h, data, size);
    h->nlmsg_len = (uint32_t)size;
    struct plan routes = {0};
    take_entry(h, p);
    take_count(h, &count);
    take_route(h, &routes);
    p->locals = routes.locals; /* the next entry is compared with this one */
    p->local_count = routes.local_count;
    take_entry(h, p);
    p->locals = NULL;
    p->local_count = 0;
    free(routes.locals);
    return 0;
}
