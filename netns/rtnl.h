/* The transport below the verbs: a batch of rtnetlink messages, sent at once. Private to netns/. */
#pragma once

#include <netctr/netns.h>

#include <netlink/msg.h>
#include <netlink/netlink.h>

/* Bridges keep frames to 01:80:c2:00:00:0x (STP, LLDP, 802.1X …) from other ports and hand them to the
 * host as received by the *port*, past every bridge hook. With this mask they take the way of all
 * other frames, and so pass the guard. Pause frames (bit 1) are always dropped; the kernel refuses
 * that bit. */
#define RESERVED_GROUPS 0xfffd

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
