/* The lease file in memory. Private to ipam/. */
#pragma once

#include <netctr/ipam.h>

struct lease_file {
    struct lease *leases; /* those that are cooling down included */
    size_t count;
    struct ip last; /* allocated most recently */
};
void lease_file_clear(struct lease_file *f);
#define _cleanup_lease_file_ __attribute__((cleanup(lease_file_clear)))

/** Locks the leases of a network. @operation: LOCK_EX or LOCK_SH. Returns an fd or -errno with a
 *  text. */
int lease_file_lock(int dirfd, const char *network, int operation, struct err *e);
/** Reads the leases of this boot. 1, or 0 if there is no file. -EBADMSG with a text: it is
 *  damaged. */
int lease_file_read(int dirfd, const char *network, struct lease_file *out, struct err *e);
int lease_file_write(int dirfd, const char *network, const struct lease_file *f, struct err *e);

struct lease lease_copy(const struct lease *l);
/** Released, but not yet available again. */
bool lease_is_cooling(const struct lease *l);
void lease_start_cooling(struct lease *l);
