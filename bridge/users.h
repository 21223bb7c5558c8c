/* Which user of this host speaks from [::1], and how much each of them holds of what there is
 * only so much of. Who is full asks, nobody else: a question is one system call to the kernel's socket
 * diagnosis and one for its answer.
 *
 * Subordinate ids (/etc/subuid) count as those of their owner's one range: else one user would be 65,536.
 */
#pragma once

#include <netctr/base.h>

#include <netinet/in.h>

struct user {
    int64_t id;
    size_t held;
    struct user *next;
};

/** Whoever cannot be told: his socket is gone already, or the kernel does not answer. */
#define USER_UNKNOWN (-1)

struct users {
    int diag;        /* netlink, or -1: not opened */
    bool diag_works; /* it has told something */
    bool diag_fails; /* this kernel does not tell: all are one */
    int64_t ms;      /* when the ranges were read */
    struct id_range *ranges;
    size_t range_count;
    struct user *all;
};

/** Opens what is asked later, while there still are descriptors. Idempotent. */
void users_prepare(struct users *u);
void users_clear(struct users *u);

/** The user whose socket of @protocol speaks from [::1]:@client to [::1]:@here (both in network order), where
 *  this program has a socket that waits for clients. He holds one more from now on. Never NULL. */
struct user *user_of(struct users *u, int protocol, in_port_t client, in_port_t here);
/** And one less; accepts NULL. */
void user_leave(struct users *u, struct user *user);
