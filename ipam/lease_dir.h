/* The directory of a network's leases. Private to ipam/. */
#pragma once

#include <netctr/ipam.h>

struct lease_dir {
    int fd; /* -1: there is none, and no address is in use */
    const char *network;
};
void lease_dir_close(struct lease_dir *d);
#define _cleanup_lease_dir_ __attribute__((cleanup(lease_dir_close)))

/** Locks the leases of a network. Returns an fd or -errno with a text. */
int lease_lock(int dirfd, const char *network, struct err *e);
/** 1: it is of this boot. 0: missing, of another boot, or no directory of leases. */
int lease_dir_open(int dirfd, const char *network, struct lease_dir *out, struct err *e);
/** Makes an empty directory NAME beneath @dirfd; it counts as soon as it is renamed. */
int lease_dir_make(int dirfd, const char *name, struct lease_dir *out, struct err *e);

/* Lookups. 1: found. 0: none. -EBADMSG: something is there that cannot be read, so the address or
 * MAC is taken. Leases that rest, or have rested, are found too. */
int lease_entry(const struct lease_dir *d, const char *name, struct lease *out);
int lease_of_address(const struct lease_dir *d, const struct ip *a, struct lease *out);
int lease_of_mac(const struct lease_dir *d, const uint8_t mac[6], struct lease *out);
int lease_of_owner(const struct lease_dir *d, const char *owner, struct lease *out);
/** As lease_entry(), and its links lead to it: -EBADMSG if not. */
int lease_verify(const struct lease_dir *d, const char *name, struct lease *out);

/* Changes, under the lock. 0 or -errno. */
/** -EEXIST: the name is taken. With @replace, whatever bears it is replaced. */
int lease_put(const struct lease_dir *d, const struct lease *l, bool replace);
/** Starts the pause of half a second before the address is allocated again. */
int lease_rest(const struct lease_dir *d, struct lease *l);
/** Removes a lease that has rested. */
int lease_drop(const struct lease_dir *d, const struct lease *l);
/** Removes leases that have rested. */
void lease_reap(const struct lease_dir *d, int at_most);

struct ip lease_last(const struct lease_dir *d);
int lease_set_last(const struct lease_dir *d, const struct ip *last);

/** The name of its file: the first address. Caller frees. */
char *lease_name(const struct lease *l);
struct lease lease_copy(const struct lease *l);
/** Released, and not yet available again. */
bool lease_is_cooling(const struct lease *l);
/** Released long enough ago: its address is free. */
bool lease_has_cooled(const struct lease *l);
/** Parses one line without its newline. -EBADMSG. */
int lease_parse(const char *line, struct lease *out);
