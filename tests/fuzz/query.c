/* The kernel's messages about links, routes, neighbours. The input is one message; its
 * length is corrected, because libnl has checked that before. */
#include "fuzz.h"

#include "netns/query.c"

static volatile unsigned used; /* keeps the compiler from removing reads */

static void neighbours_message(struct nl_msg *m)
{
    struct neighbours n = {0};
    unsigned permanent = 0;
    (void)on_table(m, &n);
    (void)on_neighbour(m, &permanent);
    used = permanent + n.entries + n.soft + n.hard;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < sizeof(struct nlmsghdr) || size > 32768)
        return 0;
    _cleanup_free_ struct nlmsghdr *h = xcalloc(size, 1);
    memcpy(h, data, size);
    h->nlmsg_len = (uint32_t)size;
    struct nl_msg *m = nlmsg_convert(h);
    must(m);
    _cleanup_dumped_ struct dumped links = {0}, routes = {0};
    struct link link;
    (void)on_link(m, &links);
    (void)on_route(m, &routes);
    neighbours_message(m);
    (void)parse_link(h, &link);
    nlmsg_free(m);
    for (size_t i = 0; i < routes.count; i++) {
        _cleanup_free_ char *text = ip_text(&routes.routes[i].destination);
        must(text);
    }
    return 0;
}
