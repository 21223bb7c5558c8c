/* The lease file as it is in memory. Private to ipam/. */
#pragma once

#include <netctr/ipam.h>

struct lease_file {
    struct lease *leases; /* those that rest included */
    size_t count;
    struct ip last; /* given out most recently */
};
void lease_file_clear(struct lease_file *f);
#define _cleanup_lease_file_ __attribute__((cleanup(lease_file_clear)))

/** The lock of a network's leases; an fd. @operation is LOCK_EX or LOCK_SH. */
int lease_file_lock(int dirfd, const char *network, int operation, struct err *e);
/** The leases of this boot: 1, or 0 when there is no file. -EBADMSG with a text when a line cannot be read. */
int lease_file_read(int dirfd, const char *network, struct lease_file *out, struct err *e);
int lease_file_write(int dirfd, const char *network, const struct lease_file *f, struct err *e);

struct lease lease_copy(const struct lease *l);
/** Nobody's any more, and nobody's yet. */
bool lease_is_cooling(const struct lease *l);
void lease_start_cooling(struct lease *l);
