/* Random frames, and the hooks that they pass: they come in by `port`, a port of the bridge `host`, and are for that host. */
#pragma once

#include <netctr/nft.h>

#include "apart.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/if_ether.h>
#include <linux/netfilter/nf_tables.h>

/* ---- random numbers --------------------------------------------------------------------------*/

static uint64_t state;
static uint64_t next_random(void)
{
    uint64_t z = state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static unsigned below(unsigned n)
{
    return (unsigned)(next_random() % n);
}

static bool one_in(unsigned n)
{
    return below(n) == 0;
}

/* ---- where packets pass ----------------------------------------------------------------------*/

enum { PLACES = 6 };
static const struct spot {
    uint8_t family; /* NFPROTO_IPV4: of the packet's family */
    uint8_t hook;
    const char *device; /* netdev */
} spots[PLACES] = {
    {NFPROTO_NETDEV, NF_NETDEV_INGRESS, "port"}, {NFPROTO_BRIDGE, NF_INET_PRE_ROUTING, NULL},
    {NFPROTO_BRIDGE, NF_INET_LOCAL_IN, NULL},    {NFPROTO_NETDEV, NF_NETDEV_INGRESS, "host"},
    {NFPROTO_IPV4, NF_INET_PRE_ROUTING, NULL},   {NFPROTO_IPV4, NF_INET_LOCAL_IN, NULL},
};

static struct {
    uint32_t port, host, wire; /* indices */
    uint8_t host_mac[6], wire_mac[6];
    int frames; /* packet socket on the wire */
    struct mnl_socket *trace;
    struct nft *nft;
} world = {.host_mac = {2, 0, 0, 0, 0, 1}, .wire_mac = {2, 0, 0, 0, 0, 2}};

/* ---- packets ---------------------------------------------------------------------------------*/

struct frame {
    uint8_t bytes[ETH_HLEN + 40 + 40];
    size_t size, network, transport; /* network, transport: offsets */
    bool six, invalid;               /* invalid: conntrack says so, as its checksum is wrong */
    uint8_t protocol;
};

static uint16_t checksum(uint32_t sum, const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        sum += i % 2 ? data[i] : (uint32_t)data[i] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

static void put16(uint8_t *to, uint16_t value)
{
    to[0] = (uint8_t)(value >> 8);
    to[1] = (uint8_t)value;
}

static void fill_network(struct frame *f, size_t payload)
{
    uint8_t *h = f->bytes + f->network;
    if (f->six) {
        const struct ip from = ip("2001:db8::9"), to = ip("2001:db8::2");
        h[0] = 0x60;
        put16(h + 4, (uint16_t)payload);
        h[6] = f->protocol;
        h[7] = (uint8_t)(60 + below(8));
        memcpy(h + 8, from.bytes, 16);
        memcpy(h + 24, to.bytes, 16);
        h[23] = (uint8_t)(9 + below(4));
        return;
    }
    const struct ip from = ip("192.0.2.9"), to = ip("192.0.2.2");
    h[0] = 0x45;
    h[1] = (uint8_t)(below(8) << 2);
    put16(h + 2, (uint16_t)(20 + payload));
    put16(h + 4, (uint16_t)below(65536));
    h[8] = (uint8_t)(60 + below(8));
    h[9] = f->protocol;
    memcpy(h + 12, from.bytes, 4);
    memcpy(h + 16, to.bytes, 4);
    h[15] = (uint8_t)(9 + below(4));
    put16(h + 10, checksum(0, h, 20));
}

static void fill_transport(struct frame *f, size_t size)
{
    uint8_t *h = f->bytes + f->transport;
    size_t at = f->protocol == IPPROTO_TCP ? 16 : f->protocol == IPPROTO_UDP ? 6 : 2;
    put16(h, (uint16_t)(1000 + below(8)));
    put16(h + 2, (uint16_t)(80 + below(8)));
    for (size_t i = size - 8; i < size; i++)
        h[i] = (uint8_t)below(256);
    if (f->protocol == IPPROTO_TCP) {
        h[12] = 0x50;
        h[13] = 2; /* SYN */
        h[14] = 1; /* window */
    } else if (f->protocol == IPPROTO_UDP) {
        put16(h + 4, (uint16_t)size);
    } else {
        h[0] = f->six ? 128 : 8;
        h[1] = 0;
    }
    put16(h + at, 0);
    uint32_t pseudo = f->protocol == IPPROTO_ICMP ? 0 : (uint32_t)(f->protocol + size);
    const uint8_t *addresses = f->bytes + f->network + (f->six ? 8 : 12);
    for (size_t i = 0; pseudo && i < (f->six ? 32u : 8u); i++)
        pseudo += i % 2 ? addresses[i] : (uint32_t)addresses[i] << 8;
    put16(h + at, (uint16_t)(checksum(pseudo, h, size) ^ (f->invalid ? 0x5555 : 0)));
}

static void make_frame(struct frame *f)
{
    static const uint8_t protocols[] = {IPPROTO_UDP, IPPROTO_TCP, IPPROTO_ICMP};
    *f = (struct frame){.six = one_in(3), .invalid = one_in(8), .network = ETH_HLEN};
    f->protocol = protocols[below(3)];
    if (f->six && f->protocol == IPPROTO_ICMP)
        f->protocol = IPPROTO_ICMPV6;
    f->transport = f->network + (f->six ? 40 : 20);
    size_t size = (f->protocol == IPPROTO_TCP ? 20 : 8) + 8;
    f->size = f->transport + size;
    memcpy(f->bytes, world.host_mac, 6);
    memcpy(f->bytes + 6, world.wire_mac, 6);
    put16(f->bytes + 12, f->six ? ETH_P_IPV6 : ETH_P_IP);
    fill_network(f, size);
    fill_transport(f, size);
}
