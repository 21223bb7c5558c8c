/* Connections: an input that starts with "ipv" is lines of /proc, any other a netlink message. In a network
 * namespace of its own, because matching entries are deleted.
 */
#include "fuzz.h"

#include "netns/nft/conntrack.c"

#include "bridge/firewall/stale_flows.c"

static struct plan *the_plan(void)
{
    static struct port ports[2];
    static struct ip addresses[2];
    static struct address locals[] = {{.prefix = 255}, {.prefix = 7}};
    static struct plan plan;
    struct fw_publish udp = {.family = AF_INET,
                             .any_address = true,
                             .host_port = 53,
                             .to_port = 53,
                             .protocol = IPPROTO_UDP};
    if (plan.ports)
        return &plan;
    must(unshare(CLONE_NEWNET) == 0);
    must(ip_parse("10.88.0.2", &addresses[0]) == 0 && ip_parse("fd4c::2", &addresses[1]) == 0);
    must(ip_parse("127.0.0.0", &locals[0].ip) == 0 && ip_parse("fd4c::", &locals[1].ip) == 0);
    plan = (struct plan){.ports = ports,
                         .addresses = addresses,
                         .address_count = 2,
                         .locals = locals,
                         .local_count = 2,
                         .locals_known = true};
    udp.to4 = addresses[0].v4;
    add_port(&plan, &udp);
    udp.family = AF_INET6;
    udp.to6 = addresses[1].v6;
    add_port(&plan, &udp);
    return &plan;
}

static void lines_of_proc(struct plan *p, const uint8_t *data, size_t size)
{
    _cleanup_free_ char *text = input_text(data, size);
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        struct ct_flow flow;
        if (parse_line(line, &flow))
            judge(&flow, p);
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
    struct reader reader = {judge, p};
    (void)take_flow(h, &reader);
    (void)take_count(h, &count);
    return 0;
}
