/* Transport for rtnetlink: batches of messages. Private to netns/. */
#pragma once

#include <netctr/netns.h>

#include <netlink/handlers.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>

/* By default, bridges do not forward frames to 01:80:c2:00:00:0x (STP, LLDP, 802.1X …) but hand
 * them to the host as received by the *port*, which bypasses every bridge hook. With this mask they
 * are forwarded like other frames and so pass the guard. Pause frames (bit 1) are always dropped,
 * and the kernel refuses that bit. */
#define RESERVED_GROUPS 0xfffd

struct rt {
    struct nl_sock *socket;
};

struct rt_verb {
    struct nl_msg *message;
    char *label;  /* "add link `nc-default`" */
    bool deletes; /* "already gone" counts as success */
};

struct rt_batch {
    struct rt *rt;
    struct rt_verb *verbs;
    size_t count;
    size_t failed; /* building a message failed: index of the first such verb + 1 */
    int failure;
};

/** Discards answers that were not read. Call it after a failed exchange, or the next request would
 *  read them. */
void rt_drain(struct rt *rt);
/** Adds a message, which the batch then owns. NULL marks the batch as failed (out of memory). */
void rt_push(struct rt_batch *b, struct nl_msg *message, bool deletes, char *label);
/** Sends a request for a dump, and calls @parse for each message. A negative libnl error. */
int rt_dump_request(struct rt *rt, int type, void *request, size_t size, nl_recvmsg_msg_cb_t parse,
                    void *d);
