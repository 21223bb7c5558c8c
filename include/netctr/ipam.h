/* Leases: who has which address of a subnet.
 *
 * The leases of a network are a directory with one small text file for each address: address,
 * container, MAC, time, owner. So taking and releasing one costs the same however many there are. A
 * lease is an endpoint's record of intent: taken before the kernel is touched, released last.
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
    const char *network;            /**< names the directory of leases */
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
 *  container that just ended is used again last. @dirfd: RUN/leases. An owner that has a lease gets
 *  the same one again. -EADDRINUSE: the requested address or MAC is taken; then *@out is the lease
 *  that has it, for a caller that can tell whether its owner is dead, or empty (the gateway's, or
 *  damaged). -ENOSPC: the subnet is full; lease_each() names the owners. -EINVAL: the network has no
 *  such address. -ENOENT: there are no leases (lease_repair() makes them). All with a text. The
 *  caller clears *@out in any case. */
int lease_acquire(int dirfd, const struct pool *pool, const struct lease_request *request,
                  struct lease *out, struct err *e);
/** Would lease_acquire() grant @request now? Takes nothing and does not wait. A missing directory
 *  counts as empty. Errors as for lease_acquire(); *@holder (may be NULL) as its *@out. */
int lease_examine(int dirfd, const struct pool *pool, const struct lease_request *request,
                  struct lease *holder, struct err *e);
/** Releases the lease of @owner; it may hold none. The address cools down for half a second, as
 *  long as the container's veth may take to disappear. lease_acquire() waits for such an address if
 *  there is no other. -EBADMSG with a text: the lease is damaged, and stays. */
int lease_release(int dirfd, const char *network, const char *owner, struct err *e);
/** The lease of @owner, if it holds one, names @container from now on. One that is damaged stays as it is. */
int lease_rename(int dirfd, const char *network, const char *owner, const char *container,
                 struct err *e);
/** The lease of @owner, by one lookup. 1, 0: none, or -errno. The caller clears *@out. */
int lease_find(int dirfd, const char *network, const char *owner, struct lease *out, struct err *e);
/** Calls @each for every lease, ordered by address, without taking the lock. Leaves out those that
 *  are damaged. A negative result ends the walk and is returned. -EBADMSG with a text: the file of
 *  netctr 0.1 is damaged. */
int lease_each(int dirfd, const char *network, int (*each)(const struct lease *l, void *arg),
               void *arg, struct err *e);
/** Are there leases of this boot, to which lease_acquire() can add one? 1, 0 or -errno. */
int lease_exists(int dirfd, const char *network, struct err *e);

struct lease_repair {
    const struct lease *living; /**< the leases of all endpoints in use, … */
    size_t count;
    size_t
        ending; /**< so many at the end of the list may just be releasing theirs: one alone is not restored */
    bool complete; /**< … without exception: then what is damaged and not among them is removed */
    bool create;   /**< make the directory also if nothing lives */
    bool keep_old; /**< a netctr 0.1 that lives needs its lease file */
    bool dry_run;
    /** Called for each repair: "damaged lease 10.88.0.2 of network `blue`". May be NULL. */
    void (*tell)(const char *what, void *arg);
    void *arg;
};
/** Makes a missing directory, converts a file of netctr 0.1, and replaces leases that are lost or
 *  damaged. 1: something was repaired. 0: nothing, or what is missing must wait until @complete.
 *  -EBADMSG with a text: the same for a damaged lease. */
int lease_repair(int dirfd, const char *network, const struct lease_repair *how, struct err *e);
/** Removes what killed processes have left, and what has cooled down. */
int lease_tidy(int dirfd, const char *network, struct err *e);
/** Removes the directory and its lock. The network is being removed. */
int lease_remove(int dirfd, const char *network, struct err *e);
