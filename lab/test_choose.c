/* Which address of a node a test probes. */
#include <netctr/probe.h>

#include <string.h>

static bool is_usable(const struct ip *a)
{
    if (ip_is_any(a))
        return false;
    if (a->family == AF_INET)
        return a->bytes[0] != 127 && !(a->bytes[0] == 169 && a->bytes[1] == 254);
    return !IN6_IS_ADDR_LOOPBACK(&a->v6) && !IN6_IS_ADDR_LINKLOCAL(&a->v6) &&
           !IN6_IS_ADDR_MULTICAST(&a->v6);
}

/* Has the sender an address in the subnet of @a, on an interface that is not for management? */
static bool is_shared(const struct lab_interfaces *from, const struct lab_address *a)
{
    struct subnet subnet = {subnet_base(&a->ip, a->prefix), a->prefix};
    for (size_t i = 0; i < from->count; i++)
        for (size_t k = 0; !from->items[i].mgmt && k < from->items[i].address_count; k++)
            if (subnet_contains(&subnet, &from->items[i].addresses[k].ip))
                return true;
    return false;
}

static int rank(const struct lab_interfaces *from, const struct lab_interface *i,
                const struct lab_address *a)
{
    int where = i->mgmt ? 0 : is_shared(from, a) ? 4 : 2;
    return 1 + where + (a->ip.family == AF_INET);
}

bool lab_test_choose(const struct lab_interfaces *from, const struct lab_interfaces *to, int family,
                     struct ip *out)
{
    int best = 0;
    for (size_t i = 0; i < to->count; i++) {
        for (size_t k = 0; k < to->items[i].address_count; k++) {
            const struct lab_address *a = &to->items[i].addresses[k];
            if (!is_usable(&a->ip) || (family && a->ip.family != family))
                continue;
            int r = rank(from, &to->items[i], a);
            if (r > best) {
                best = r;
                *out = a->ip;
            }
        }
    }
    return best > 0;
}
