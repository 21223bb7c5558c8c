/* Leases: who has which address of a subnet.
 *
 * The leases of a network are in one small text file: address, container, MAC, time, owner. It is
 * replaced in one step under a lock, so readers see all of a change or none of it. A lease is an
 * endpoint's record of intent: taken before the kernel is touched, released last.
 */
#pragma once

#include <netctr/base.h>

struct lease {
    struct ip address4, address6; /**< family 0: none; at least one is set */
    uint8_t mac[6];  /**< 02:42 and the last four bytes of the address, or what was requested */
    char *container; /**< name, for people */
    char *owner;     /**< container id */
    int64_t since;   /**< seconds since the epoch */
};
void lease_clear(struct lease *l);
#define _cleanup_lease_ __attribute__((cleanup(lease_clear)))

/** What a network can allocate. */
struct pool {
    const char *network;            /**< names the lease file */
    struct subnet subnet4, subnet6; /**< prefix 0: none */
    struct subnet range4, range6;   /**< allocate from here; prefix 0: from the whole subnet */
    struct ip gateway4, gateway6;   /**< never leased */
};
struct lease_request {
    struct ip address4, address6; /**< family 0: any */
    uint8_t mac[6];               /**< all zero: any */
    const char *container, *owner;
};
/** Allocates addresses of @pool, next-fit after the last one allocated, so that the address of a
 *  container that just ended is used again last. @dirfd: directory of the lease files. An owner
 *  that has a lease gets the same one again. -EADDRINUSE: the requested address or MAC is taken.
 *  -ENOSPC: the subnet is full. -EINVAL: the network has no such address. -ENOENT: there is no
 *  lease file (lease_restore() writes it). All with a text. */
int lease_acquire(int dirfd, const struct pool *pool, const struct lease_request *request,
                  struct lease *out, struct err *e);
/** Would lease_acquire() grant @request now? Takes nothing and does not wait. A missing lease file
 *  counts as empty. Other errors as for lease_acquire(). */
int lease_examine(int dirfd, const struct pool *pool, const struct lease_request *request,
                  struct err *e);
/** Releases the lease of @owner; it may hold none. The address cools down for half a second, as
 *  long as the container's veth may take to disappear. lease_acquire() waits for such an address if
 *  there is no other. */
int lease_release(int dirfd, const char *network, const char *owner, struct err *e);
/** 1: the file is readable. 0: there is none. -EBADMSG with a text: it is damaged. */
int lease_check(int dirfd, const char *network, struct err *e);
/** If the file is damaged or missing, writes it with the leases @living, which must be all that are
 *  in use, and returns 1. Otherwise returns 0. */
int lease_restore(int dirfd, const char *network, const struct lease *living, size_t count,
                  struct err *e);
/** Calls @each for every lease, without taking the lock, since the file is replaced in one step. A
 *  negative result ends the walk and is returned. */
int lease_each(int dirfd, const char *network, int (*each)(const struct lease *l, void *arg),
               void *arg, struct err *e);
/** Removes what a killed writer has left beside the lease file. */
int lease_tidy(int dirfd, const char *network, struct err *e);
/** Removes the file and its lock. The network is being removed. */
int lease_remove(int dirfd, const char *network, struct err *e);
