/* Which user of this host is the peer at [::1], and how much of a limited resource each user holds.
 * Asked only when there is no room left: a question costs two system calls on a sock_diag socket.
 *
 * Subordinate ids (/etc/subuid) count as the first id of their range. Otherwise one user could pose
 * as 65,536.
 */
#pragma once

#include <netctr/base.h>

#include <netinet/in.h>

struct user {
    int64_t id;
    size_t held;
    struct user *next;
};

/** The user cannot be found: the socket is gone, or the kernel does not answer. */
#define USER_UNKNOWN (-1)

struct users {
    int diag;        /* sock_diag netlink socket; -1: not open */
    bool diag_works; /* the kernel has answered */
    bool diag_fails; /* the kernel does not answer: all clients count as one user */
    int64_t ms;      /* when the ranges were read */
    struct subid_range *ranges;
    size_t range_count;
    struct user *all;
};

/** Opens the netlink socket while fds are available. May be called again. */
void users_prepare(struct users *u);
void users_clear(struct users *u);

/** The user whose socket connects [::1]:@client to [::1]:@here (ports in network byte order), where
 *  this program has a listening socket of @protocol. Counts one more for that user. Never NULL. */
struct user *user_of(struct users *u, int protocol, in_port_t client, in_port_t here);
/** Counts one less. Accepts NULL. */
void user_leave(struct users *u, struct user *user);
