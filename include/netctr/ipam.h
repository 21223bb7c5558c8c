/* Subnets and leases.
 *
 * One small readable file a network holds its leases: address, container, MAC, since when, owner.
 * It is replaced in one step under a lock, so readers see all of a change or none. A lease is the
 * written intent of an endpoint: it is taken before the kernel is touched and released last.
 */
#pragma once

#include <netctr/netns.h>

/** An IPv4 or IPv6 prefix; address.family 0: none. */
struct subnet {
    struct ip address; /**< host bits are zero */
    uint8_t prefix;
};
/** Parses "10.88.0.0/16". Host bits that are set, or a prefix that leaves no room for hosts, are
 *  errors with a text. */
int subnet_parse(const char *s, struct subnet *out, struct err *e);
char *subnet_text(const struct subnet *s); /**< caller frees; "" when none */
bool subnet_contains(const struct subnet *s, const struct ip *a);
static inline bool subnet_equal(const struct subnet *a, const struct subnet *b)
{
    return a->prefix == b->prefix && ip_equal(&a->address, &b->address);
}
bool subnet_overlaps(const struct subnet *a, const struct subnet *b);
/** @a without its host bits. */
struct ip subnet_base(const struct ip *a, uint8_t prefix);
/** The address with host number @n (1 is the first); @n must fit. */
struct ip subnet_host(const struct subnet *s, uint32_t n);
/** Its host number, the inverse of subnet_host(). */
uint32_t subnet_host_number(const struct subnet *s, const struct ip *a);

struct lease {
    struct ip address4, address6; /**< family 0: none; one of them at least is there */
    uint8_t mac[6];  /**< 02:42 and the address' last four bytes: derived, so that it is the same
                           for the same address and differs between two; or the one asked for */
    char *container; /**< name, for people */
    char *owner;     /**< container id, for netctr */
    int64_t since;   /**< seconds since the epoch */
};
void lease_clear(struct lease *l);
#define _cleanup_lease_ __attribute__((cleanup(lease_clear)))

/** What a network gives out. */
struct pool {
    const char *network;            /**< the lease file's name */
    struct subnet subnet4, subnet6; /**< prefix 0: none */
    struct subnet range4, range6;   /**< the part that is given out unasked; prefix 0: all of it */
    struct ip gateway4, gateway6;   /**< never leased */
};
struct lease_request {
    struct ip address4, address6; /**< family 0: any */
    uint8_t mac[6];               /**< all zero: any */
    const char *container, *owner;
};
/** Takes addresses of @pool, next-fit after the last one given out: the address of a container that
 *  just died is the last to be used again. @dirfd is the directory of the lease files.
 *  -EADDRINUSE: what is asked for is taken; -ENOSPC: the subnet is full; -EINVAL: it is no address of
 *  the network; -ENOENT: there is no lease file, lease_restore() makes it; all with a text. An owner that has
 *  a lease already gets the same one. */
int lease_acquire(int dirfd, const struct pool *pool, const struct lease_request *request,
                  struct lease *out, struct err *e);
/** Would lease_acquire() grant the addresses and the MAC of @request now? Takes nothing and waits for nothing; a
 *  missing lease file holds nobody. Fails as lease_acquire() does. */
int lease_examine(int dirfd, const struct pool *pool, const struct lease_request *request,
                  struct err *e);
/** Releases what @owner holds; nothing held is success. The address rests for half a second before it
 *  is given out again: so long the container's veth may take to die. lease_acquire() waits for it if
 *  there is no other. */
int lease_release(int dirfd, const char *network, const char *owner, struct err *e);
/** 1: the file can be read; 0: there is none; -EBADMSG with a text: it is damaged. */
int lease_check(int dirfd, const char *network, struct err *e);
/** If the file is damaged or missing, it is written anew with the leases of those that live, and 1 returned;
 *  @living must be all of them. */
int lease_restore(int dirfd, const char *network, const struct lease *living, size_t count,
                  struct err *e);
/** Calls @each for every lease under a shared lock; a negative result ends the walk. */
int lease_each(int dirfd, const char *network, int (*each)(const struct lease *l, void *arg),
               void *arg, struct err *e);
/** Removes what a writer that was killed has left beside the lease file. */
int lease_tidy(int dirfd, const char *network, struct err *e);
/** Removes the file and its lock: there is no such network any more. */
int lease_remove(int dirfd, const char *network, struct err *e);
