/* ip route add|replace|append|del PREFIX [via ADDRESS] [dev DEVICE] [metric N] [src ADDRESS] [table N] [proto NAME] [onlink]
 *     [nexthop via ADDRESS dev DEVICE weight N]…
 */
#include "line.h"

#include <linux/rtnetlink.h>
#include <string.h>

struct route_order {
    bool has_destination, has_gateway, has_source, has_hops;
    struct prefix destination; /* ip.family 0: `default`, of a family that comes later */
    struct ip gateway, source;
    const char *device;
    bool has_metric;
    uint32_t metric, table;
    uint8_t protocol, type;
    unsigned flags;
};

static const char *const OTHERS[] = {
    "as",       "from",       "tos",           "dsfield",
    "expires",  "scope",      "mtu",           "hoplimit",
    "advmss",   "reordering", "rtt",           "rto_min",
    "window",   "cwnd",       "initcwnd",      "initrwnd",
    "features", "quickack",   "congctl",       "rttvar",
    "ssthresh", "realms",     "nhid",          "vrf",
    "pref",     "encap",      "ttl-propagate", "fastopen_no_cookie",
    "help",     NULL,
};

/* An address whose family becomes that of the route. `via inet6 ADDRESS` is handed over. */
static bool read_address(struct line *l, struct ip *out)
{
    const char *value = line_value(l);
    if (value && !looks_like_address(value))
        line_hand_over(l);
    if (!value || !line_reading(l) || !line_address(l, value, l->family, out))
        return false;
    l->family = out->family;
    return true;
}

static uint32_t read_number(struct line *l, uint32_t most)
{
    uint32_t number = 0;
    const char *value = line_value(l);
    if (value && (!number_read(value, &number) || number > most))
        line_hand_over(l);
    return number;
}

static void read_protocol(struct line *l, struct route_order *o)
{
    static const struct {
        const char *name;
        uint8_t number;
    } known[] = {
        {"kernel", RTPROT_KERNEL}, {"boot", RTPROT_BOOT},   {"static", RTPROT_STATIC},
        {"zebra", RTPROT_ZEBRA},   {"bird", RTPROT_BIRD},   {"dhcp", RTPROT_DHCP},
        {"bgp", RTPROT_BGP},       {"isis", RTPROT_ISIS},   {"ospf", RTPROT_OSPF},
        {"rip", RTPROT_RIP},       {"eigrp", RTPROT_EIGRP},
    };
    for (size_t i = 0; *l->words && i < ARRAY_LEN(known); i++) {
        if (streq(*l->words, known[i].name)) {
            o->protocol = known[i].number;
            l->words++;
            return;
        }
    }
    o->protocol = (uint8_t)read_number(l, UINT8_MAX);
}

static void read_table(struct line *l, struct route_order *o)
{
    static const struct {
        const char *name;
        uint32_t number;
    } known[] = {{"main", RT_TABLE_MAIN}, {"local", RT_TABLE_LOCAL}, {"default", RT_TABLE_DEFAULT}};
    for (size_t i = 0; *l->words && i < ARRAY_LEN(known); i++) {
        if (streq(*l->words, known[i].name)) {
            o->table = known[i].number;
            l->words++;
            return;
        }
    }
    o->table = read_number(l, UINT32_MAX);
}

/* Routes that lead nowhere. True: @word is such a type. */
static bool read_type(struct route_order *o, const char *word)
{
    uint8_t type = streq(word, "blackhole")     ? RTN_BLACKHOLE
                   : streq(word, "unreachable") ? RTN_UNREACHABLE
                   : streq(word, "prohibit")    ? RTN_PROHIBIT
                                                : 0;
    if (type)
        o->type = type;
    return type;
}

static void read_destination(struct line *l, struct route_order *o, const char *word)
{
    if (streq(word, "to") && !(word = line_value(l)))
        return;
    if (read_type(o, word) && !(word = line_value(l)))
        return;
    bool is_default = streq(word, "default");
    if (o->has_destination || (!is_default && !looks_like_address(word))) {
        line_hand_over(l);
        return;
    }
    o->has_destination = true;
    if (is_default)
        o->destination.ip.family = l->family;
    else if (line_prefix(l, word, l->family, &o->destination))
        l->family = o->destination.ip.family;
}

/* One option. False: @word is none, and is the destination. */
static bool read_option(struct line *l, struct route_order *o, const char *word)
{
    if (streq(word, "src")) {
        if (o->has_source)
            line_hand_over(l);
        o->has_source = read_address(l, &o->source);
    } else if (streq(word, "via")) {
        if (o->has_gateway)
            line_hand_over(l);
        o->has_gateway = read_address(l, &o->gateway);
    } else if (streq(word, "dev") || streq(word, "oif")) {
        o->device = line_device(l);
    } else if (abbreviates(word, "metric") || abbreviates(word, "priority") ||
               streq(word, "preference")) {
        if (o->has_metric)
            line_hand_over(l);
        o->metric = read_number(l, UINT32_MAX);
        o->has_metric = true;
    } else if (streq(word, "onlink")) {
        o->flags |= RTNH_F_ONLINK;
    } else if (streq(word, "nexthop")) {
        o->has_hops = true;
    } else if (abbreviates(word, "protocol")) {
        read_protocol(l, o);
    } else if (abbreviates(word, "table")) {
        read_table(l, o);
    } else {
        return false;
    }
    return true;
}

static void read_order(struct line *l, struct route_order *o)
{
    const char *word;
    while (!o->has_hops && (word = line_next(l))) {
        if (read_option(l, o, word))
            continue;
        if (!streq(word, "to") && abbreviates_any(word, OTHERS))
            line_hand_over(l);
        else
            read_destination(l, o, word);
    }
}

/* ---- several next hops -----------------------------------------------------------------------*/

struct hops {
    size_t size;
    char bytes[2048] __attribute__((aligned(4)));
};

static struct rtnexthop *add_hop(struct line *l, struct hops *h)
{
    if (h->size + 64 > sizeof(h->bytes)) {
        line_hand_over(l);
        return NULL;
    }
    struct rtnexthop *hop = (void *)(h->bytes + h->size);
    *hop = (struct rtnexthop){.rtnh_len = sizeof(*hop)};
    return hop;
}

static void add_gateway(struct rtnexthop *hop, const struct ip *gateway)
{
    struct rtattr *a = (void *)((char *)hop + hop->rtnh_len);
    *a =
        (struct rtattr){.rta_len = (uint16_t)RTA_LENGTH(ip_size(gateway)), .rta_type = RTA_GATEWAY};
    memcpy(RTA_DATA(a), gateway->bytes, ip_size(gateway));
    hop->rtnh_len = (uint16_t)(hop->rtnh_len + a->rta_len);
}

/* The options of one hop, up to the next `nexthop`. A link is looked for at once, as ip does. */
static void read_hop(struct line *l, struct rtnexthop *hop)
{
    bool has_gateway = false;
    const char *word;
    while ((word = line_next(l)) && !streq(word, "nexthop")) {
        struct ip gateway;
        if (streq(word, "via") && !has_gateway) {
            has_gateway = read_address(l, &gateway);
            if (has_gateway)
                add_gateway(hop, &gateway);
        } else if (streq(word, "dev")) {
            const char *name = line_device(l);
            hop->rtnh_ifindex = name ? line_find_link(l, name, NULL) : 0;
            if (!hop->rtnh_ifindex)
                line_finish(l, IP_EXIT, "Cannot find device \"%s\"\nError: cannot parse nexthop\n",
                            name);
        } else if (streq(word, "weight")) {
            uint32_t weight = read_number(l, 256);
            if (weight == 0)
                line_hand_over(l);
            hop->rtnh_hops = (uint8_t)(weight - 1);
        } else if (streq(word, "onlink")) {
            hop->rtnh_flags |= RTNH_F_ONLINK;
        } else {
            line_hand_over(l);
        }
    }
    if (word)
        l->words--;
}

static void put_hops(struct line *l, struct request *r)
{
    struct hops h = {0};
    l->words--; /* at the first `nexthop` */
    while (line_next(l)) {
        if (!*l->words)
            line_hand_over(l);
        struct rtnexthop *hop = add_hop(l, &h);
        if (hop) {
            read_hop(l, hop);
            h.size += RTNH_ALIGN(hop->rtnh_len);
        }
    }
    request_put(r, RTA_MULTIPATH, h.bytes, h.size);
}

/* ---- the request -----------------------------------------------------------------------------*/

/* A route without a gateway leads to addresses on the link. The scope of one to delete does not matter. */
static uint8_t scope_of(const struct route_order *o, int family, bool deletes)
{
    if (family == AF_INET6 || (o->type && !deletes))
        return RT_SCOPE_UNIVERSE;
    if (deletes)
        return RT_SCOPE_NOWHERE;
    return o->has_gateway || o->has_hops ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
}

static void send_order(struct line *l, uint16_t type, uint16_t flags, const struct route_order *o)
{
    struct request r;
    struct rtmsg *m = request_start(&r, type, flags, sizeof(*m));
    bool deletes = type == RTM_DELROUTE;
    m->rtm_dst_len = (uint8_t)o->destination.length;
    m->rtm_flags = o->flags;
    m->rtm_protocol = o->protocol;
    m->rtm_type = o->type ? o->type : deletes ? RTN_UNSPEC : RTN_UNICAST;
    m->rtm_table = o->table < 256 ? (uint8_t)o->table : RT_TABLE_UNSPEC;
    if (o->table >= 256)
        request_put_u32(&r, RTA_TABLE, o->table);
    if (o->destination.ip.family)
        request_put_ip(&r, RTA_DST, &o->destination.ip);
    if (o->has_gateway)
        request_put_ip(&r, RTA_GATEWAY, &o->gateway);
    if (o->has_source)
        request_put_ip(&r, RTA_PREFSRC, &o->source);
    if (o->has_metric)
        request_put_u32(&r, RTA_PRIORITY, o->metric);
    if (o->device)
        request_put_u32(&r, RTA_OIF, (uint32_t)line_need_link(l, o->device));
    if (o->has_hops)
        put_hops(l, &r);
    m->rtm_family = (uint8_t)(l->family ? l->family : AF_INET);
    m->rtm_scope = scope_of(o, m->rtm_family, deletes);
    line_send(l, &r);
}

void route_line(struct line *l)
{
    const char *verb = line_next(l);
    struct route_order o = {.table = RT_TABLE_MAIN, .protocol = RTPROT_BOOT};
    uint16_t type = RTM_NEWROUTE, flags = NLM_F_CREATE;
    if (verb && abbreviates(verb, "add"))
        flags |= NLM_F_EXCL;
    else if (verb && abbreviates(verb, "replace"))
        flags |= NLM_F_REPLACE;
    else if (verb && abbreviates(verb, "append"))
        flags |= NLM_F_APPEND;
    else if (verb && abbreviates(verb, "delete"))
        type = RTM_DELROUTE, flags = 0, o.protocol = RTPROT_UNSPEC;
    else
        line_hand_over(l);
    read_order(l, &o);
    if (!o.has_destination)
        line_hand_over(l);
    if (line_reading(l))
        send_order(l, type, flags, &o);
}
