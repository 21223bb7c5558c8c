/* Builds descriptions of packets: writes what a caller knows to the headers, where rules look for
 * it. */
#include <netctr/nft.h>

#include <arpa/inet.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <string.h>

enum { IPV4_HEADER = 20, IPV6_HEADER = 40, ARP_HEADER = 28, ETHERNET_HEADER = 14 };

static void put(struct nft_header *h, size_t at, const void *data, size_t size)
{
    memcpy(h->value + at, data, size);
    memset(h->known + at, 0xff, size);
}

static void forget(struct nft_header *h, size_t at, size_t size)
{
    memset(h->value + at, 0, size);
    memset(h->known + at, 0, size);
}

static void put_number(struct nft_header *h, size_t at, uint16_t number)
{
    const uint16_t wire = htons(number);
    put(h, at, &wire, sizeof(wire));
}

void nft_packet_ip(struct nft_packet *p, int family)
{
    const uint8_t version = family == AF_INET ? 0x45 : 0x60;
    p->nfproto = family == AF_INET ? NFPROTO_IPV4 : NFPROTO_IPV6;
    p->network = (struct nft_header){.size = family == AF_INET ? IPV4_HEADER : IPV6_HEADER};
    p->network.value[0] = version;
    p->network.known[0] = family == AF_INET ? 0xff : 0xf0;
    if (p->link.size)
        put_number(&p->link, 12, family == AF_INET ? ETH_P_IP : ETH_P_IPV6);
}

static void put_address(struct nft_packet *p, const struct ip *a, size_t at4, size_t at6)
{
    const bool four = p->nfproto == NFPROTO_IPV4;
    const size_t at = four ? at4 : at6;
    if (a->family)
        put(&p->network, at, a->bytes, ip_size(a));
    else
        forget(&p->network, at, four ? 4 : 16);
}

void nft_packet_source(struct nft_packet *p, const struct ip *a)
{
    put_address(p, a, 12, 8);
}

void nft_packet_destination(struct nft_packet *p, const struct ip *a)
{
    put_address(p, a, 16, 24);
}

void nft_packet_protocol(struct nft_packet *p, uint8_t protocol)
{
    p->protocol = protocol;
    put(&p->network, p->nfproto == NFPROTO_IPV4 ? 9 : 6, &protocol, 1);
    p->transport = (struct nft_header){.size = protocol == IPPROTO_TCP    ? 20
                                               : protocol == IPPROTO_SCTP ? 12
                                                                          : 8};
}

void nft_packet_ports(struct nft_packet *p, uint16_t source, uint16_t destination)
{
    forget(&p->transport, 0, 4);
    if (source)
        put_number(&p->transport, 0, source);
    if (destination)
        put_number(&p->transport, 2, destination);
}

void nft_packet_icmp_type(struct nft_packet *p, uint8_t type)
{
    put(&p->transport, 0, &type, 1);
}

void nft_packet_ethernet(struct nft_packet *p, const uint8_t *source, const uint8_t *destination)
{
    p->link = (struct nft_header){.size = ETHERNET_HEADER};
    if (destination)
        put(&p->link, 0, destination, ETH_ALEN);
    if (source)
        put(&p->link, ETH_ALEN, source, ETH_ALEN);
    if (p->nfproto)
        put_number(&p->link, 12,
                   p->nfproto == NFPROTO_IPV4  ? ETH_P_IP
                   : p->nfproto == NFPROTO_ARP ? ETH_P_ARP
                                               : ETH_P_IPV6);
}

void nft_packet_arp(struct nft_packet *p, uint16_t operation, const struct ip *source,
                    const struct ip *destination)
{
    const uint8_t sizes[] = {ETH_ALEN, 4};
    p->nfproto = NFPROTO_ARP;
    p->protocol = 0;
    p->transport = (struct nft_header){0};
    p->network = (struct nft_header){.size = ARP_HEADER};
    put_number(&p->network, 0, ARPHRD_ETHER);
    put_number(&p->network, 2, ETH_P_IP);
    put(&p->network, 4, sizes, sizeof(sizes));
    put_number(&p->network, 6, operation);
    if (source->family)
        put(&p->network, 14, source->bytes, 4);
    if (destination->family)
        put(&p->network, 24, destination->bytes, 4);
    if (p->link.size)
        put_number(&p->link, 12, ETH_P_ARP);
}
