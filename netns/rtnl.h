/* The transport below the verbs: a batch of rtnetlink messages, sent at once. Private to netns/. */
#pragma once

#include <netctr/netns.h>

#include <netlink/msg.h>
#include <netlink/netlink.h>

struct rt {
    struct nl_sock *socket;
};

struct rt_verb {
    struct nl_msg *message;
    char *label;  /* "add link `nc-default`" */
    bool deletes; /* "already gone" is success */
};

struct rt_batch {
    struct rt *rt;
    struct rt_verb *verbs;
    size_t count;
    size_t failed; /* building failed: number of the first verb + 1 */
    int failure;
};

/** Takes away what the kernel has answered and nobody has read. After a failure to hear it: the next
 *  question must not get the answer to this one. */
void rt_drain(struct rt *rt);
/** Adds a message that the batch owns from now on. NULL marks the batch as failed (no memory). */
void rt_push(struct rt_batch *b, struct nl_msg *message, bool deletes, char *label);
