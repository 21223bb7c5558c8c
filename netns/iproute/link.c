/* ip link set [dev] DEVICE [up|down] [mtu N] [address MAC] [master BRIDGE|nomaster] [name NEW]
 * ip link add [name] NAME [the same] type bridge
 */
#include "line.h"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>

struct link_order {
    const char *device, *name; /* the same word if the line has only one */
    unsigned flags, change;
    bool has_mtu, has_mac, has_master, is_bridge;
    uint32_t mtu, master;
    uint8_t mac[6];
};

/* All that ip takes for a keyword. A link whose name abbreviates one is set with `dev`, or not by us. */
static const char *const KEYWORDS[] = {
    "up",
    "down",
    "name",
    "index",
    "link",
    "address",
    "broadcast",
    "brd",
    "txqueuelen",
    "qlen",
    "txqlen",
    "mtu",
    "xdpgeneric",
    "xdpdrv",
    "xdpoffload",
    "netns",
    "multicast",
    "allmulticast",
    "promisc",
    "trailers",
    "arp",
    "carrier",
    "vf",
    "master",
    "vrf",
    "nomaster",
    "dynamic",
    "type",
    "alias",
    "group",
    "mode",
    "state",
    "numtxqueues",
    "numrxqueues",
    "addrgenmode",
    "link-netnsid",
    "protodown_reason",
    "gso_max_size",
    "gso_max_segs",
    "gro_max_size",
    "parentdev",
    "help",
    "dev",
    NULL,
};

static void read_mtu(struct line *l, struct link_order *o)
{
    const char *value = line_value(l);
    if (value && (o->has_mtu || !number_read(value, &o->mtu) || o->mtu > INT32_MAX))
        line_hand_over(l);
    o->has_mtu = true;
}

static void read_mac(struct line *l, struct link_order *o)
{
    const char *value = line_value(l);
    if (value && (o->has_mac || mac_parse(value, o->mac) < 0))
        line_hand_over(l);
    o->has_mac = true;
}

static void read_master(struct line *l, struct link_order *o)
{
    const char *name = line_device(l);
    if (o->has_master)
        line_hand_over(l);
    o->master = name ? (uint32_t)line_find_link(l, name, NULL) : 0;
    o->has_master = true;
    if (!o->master)
        line_finish(l, IP_EXIT, "Error: argument \"%s\" is wrong: Device does not exist\n\n", name);
}

static void read_name(struct line *l, struct link_order *o)
{
    const char *name = line_value(l);
    if (name && (o->name || !interface_name_valid(name)))
        line_hand_over(l);
    o->name = name;
    if (!o->device)
        o->device = name;
}

static void read_device(struct line *l, struct link_order *o, const char *word)
{
    if (!streq(word, "dev")) {
        if (abbreviates_any(word, KEYWORDS))
            line_hand_over(l);
        l->words--;
    }
    if (o->device != o->name) /* the second one: what ip calls garbage */
        line_hand_over(l);
    o->device = line_device(l);
}

static void read_kind(struct line *l, struct link_order *o)
{
    const char *kind = line_value(l);
    if (kind && (!streq(kind, "bridge") || *l->words))
        line_hand_over(l);
    o->is_bridge = true;
}

static void read_order(struct line *l, struct link_order *o, bool creates)
{
    const char *word;
    while ((word = line_next(l))) {
        if (streq(word, "up") || streq(word, "down")) {
            o->change |= IFF_UP;
            o->flags = streq(word, "up") ? IFF_UP : 0;
        } else if (streq(word, "name")) {
            read_name(l, o);
        } else if (abbreviates(word, "address")) {
            read_mac(l, o);
        } else if (streq(word, "mtu")) {
            read_mtu(l, o);
        } else if (abbreviates(word, "master")) {
            read_master(l, o);
        } else if (abbreviates(word, "nomaster")) {
            if (o->has_master)
                line_hand_over(l);
            o->has_master = true;
        } else if (creates && abbreviates(word, "type") && !streq(word, "t")) {
            read_kind(l, o);
        } else {
            read_device(l, o, word);
        }
    }
}

static void put_order(struct request *r, struct ifinfomsg *m, const struct link_order *o)
{
    m->ifi_flags = o->flags;
    m->ifi_change = o->change;
    if (o->has_mac)
        request_put(r, IFLA_ADDRESS, o->mac, sizeof(o->mac));
    if (o->has_mtu)
        request_put_u32(r, IFLA_MTU, o->mtu);
    if (o->has_master)
        request_put_u32(r, IFLA_MASTER, o->master);
}

static void set(struct line *l, const struct link_order *o)
{
    struct request r;
    struct ifinfomsg *m = request_start(&r, RTM_NEWLINK, 0, sizeof(*m));
    size_t mac_size = 0;
    put_order(&r, m, o);
    m->ifi_family = (uint8_t)l->family;
    m->ifi_index = line_find_link(l, o->device, &mac_size);
    if (m->ifi_index && o->has_mac && mac_size != sizeof(o->mac))
        line_finish(l, IP_MISTAKE, "Invalid address length %zu - must be %zu bytes\n",
                    sizeof(o->mac), mac_size);
    if (!m->ifi_index)
        line_finish(l, IP_MISTAKE, "Cannot find device \"%s\"\n", o->device);
    if (o->name && !streq(o->name, o->device))
        request_put(&r, IFLA_IFNAME, o->name, strlen(o->name) + 1);
    line_send(l, &r);
}

static void add(struct line *l, const struct link_order *o)
{
    struct request r;
    struct ifinfomsg *m = request_start(&r, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sizeof(*m));
    struct {
        struct nlattr head;
        char kind[8];
    } info = {{sizeof(info.head) + strlen("bridge"), IFLA_INFO_KIND}, "bridge"};
    put_order(&r, m, o);
    m->ifi_family = (uint8_t)l->family;
    request_put(&r, IFLA_IFNAME, o->device, strlen(o->device) + 1);
    request_put(&r, IFLA_LINKINFO, &info, sizeof(info));
    line_send(l, &r);
}

void link_line(struct line *l)
{
    const char *verb = line_next(l);
    bool creates = verb && abbreviates(verb, "add");
    struct link_order o = {0};
    if (!creates && !(verb && abbreviates(verb, "set")))
        line_hand_over(l);
    read_order(l, &o, creates);
    if (line_reading(l) && creates &&
        (!o.device || !o.is_bridge || (o.name && !streq(o.name, o.device))))
        line_hand_over(l);
    if (line_reading(l) && !o.device)
        line_finish(l, IP_EXIT, "Not enough information: \"dev\" argument is required.\n");
    if (line_reading(l))
        (creates ? add : set)(l, &o);
}
