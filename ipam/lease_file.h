/* The lease file as it is in memory. Private to ipam/. */
#pragma once

#include <netctr/ipam.h>

struct book {
    struct lease *leases; /* those that rest included */
    size_t count;
    struct ip last; /* given out most recently */
};
void book_clear(struct book *b);
#define _cleanup_book_ __attribute__((cleanup(book_clear)))

/** The lock of a network's leases; an fd. @operation is LOCK_EX or LOCK_SH. */
int book_lock(int dirfd, const char *network, int operation, struct err *e);
/** The leases of this boot: 1, or 0 when there is no file. -EBADMSG with a text when a line cannot be read. */
int book_read(int dirfd, const char *network, struct book *out, struct err *e);
int book_write(int dirfd, const char *network, const struct book *b, struct err *e);

struct lease lease_copy(const struct lease *l);
/** Nobody's any more, and nobody's yet. */
bool lease_rests(const struct lease *l);
void lease_lay_to_rest(struct lease *l);
