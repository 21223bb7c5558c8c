/* The lease file of netctr 0.1. Private to ipam/. */
#pragma once

#include <netctr/ipam.h>

struct old_leases {
    struct lease *leases; /* without those that rest */
    size_t count;
};
void old_leases_clear(struct old_leases *o);
#define _cleanup_old_leases_ __attribute__((cleanup(old_leases_clear)))

/** 1: read; no leases if they are of another boot. 0: RUN/leases/NETWORK is no regular file.
 *  -EBADMSG with a text: it is damaged. */
int old_leases_read(int dirfd, const char *network, struct old_leases *out, struct err *e);
/** Removes the line of @owner, under the network's lock. As above. */
int old_leases_release(int dirfd, const char *network, const char *owner, struct err *e);
