/* Handles what reaches the sockets that hold published ports: [::1] is proxied, everything else is
 * refused.
 *
 * Linux cannot route an answer to ::1 back in from a bridge. So nf_tables leaves connections to ::1
 * alone, and they reach the socket that holds the port. Anything else arrives there only while the
 * rules are missing, and is reset at once, so that the client sees a refusal and does not hang.
 *
 * It runs in its caller's loop, has no threads and never blocks. The container sees the host's address as the source.
 *
 * Connections are bounded. When none is left, the user with the most loses the one that was idle
 * longest. No user loses one to a user who has as many, so no user can close a port to others.
 */
#pragma once

#include <netctr/sandbox.h>

struct proxy;

/** What is known when there is no room for all for the first time. */
struct proxy_crowd {
    int64_t user; /**< the user with the most, or -1: unknown */
    size_t held;  /**< how many */
};
struct proxy_request {
    struct loop *loop;
    const struct bound_ports *held; /**< the caller's; must outlive the proxy */
    struct ip to4, to6;             /**< [::1] leads to @to6, or to @to4 if that has family 0 */
    void (*crowded)(const struct proxy_crowd *crowd, void *arg); /**< called once; may be NULL */
    void *arg;
};
/** Serves all sockets of @held in the loop. UDP sockets start to receive what comes from ::1 to ::1,
 *  and nothing else. Connections start in the network namespace in which the loop runs. SIGPIPE must
 *  be ignored. */
int proxy_new(const struct proxy_request *request, struct proxy **out, struct err *e);
/** Resets open connections. Accepts NULL. Before its loop is freed and before the sockets are
 *  closed. */
void proxy_free(struct proxy *p);
void proxy_cleanup(struct proxy **p);
#define _cleanup_proxy_ __attribute__((cleanup(proxy_cleanup)))
