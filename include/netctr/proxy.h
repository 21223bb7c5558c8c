/* What reaches the sockets that hold published ports: [::1] is proxied, the rest is refused.
 *
 * Linux cannot route the answer to ::1 back in from a bridge, so nf_tables leaves connections to ::1
 * alone, and they reach the socket that holds the port. Everything else that reaches it does so
 * because the rules are gone for a moment: it is reset at once, so that the client sees a refusal
 * instead of a hang.
 *
 *   struct proxy *p;  proxy_new(&held, &ep.address4, &ep.address6, &p, e);
 *   watch proxy_fd(p) for POLLIN, then proxy_run(p);
 *
 * No threads; nothing waits; the container sees the host's address as the source.
 *
 * Connections are bounded. When there are no more, whoever has the most makes room: that of his which has been
 * idle longest is reset. Nobody loses one to a user who has as many, so no user closes a port to others.
 */
#pragma once

#include <netctr/bridge.h>

struct proxy;

/** Serves all sockets of @held, which stay the caller's and must outlive the result. [::1] leads to
 *  @address6, or to @address4 if there is none (family 0). UDP sockets of @held begin to receive what
 *  comes from ::1 to ::1, and nothing else. Connections are made in the network namespace that the
 *  caller of proxy_run() is in; SIGPIPE must be ignored. */
int proxy_new(const struct bound_ports *held, const struct ip *address4, const struct ip *address6,
              struct proxy **out, struct err *e);
/** Resets what is open. Accepts NULL. */
void proxy_free(struct proxy *p);
void proxy_cleanup(struct proxy **p);
#define _cleanup_proxy_ __attribute__((cleanup(proxy_cleanup)))

int proxy_fd(const struct proxy *p);
/** Does what can be done without waiting, and no more than a few milliseconds' worth of it: what is
 *  left makes proxy_fd() readable again. */
void proxy_run(struct proxy *p);

/** What became of clients when there was no room for all. */
struct proxy_crowd {
    uint64_t closed, refused;
    int64_t user; /**< who had the most, or -1: cannot be told */
    size_t held;  /**< and how many */
};
/** Whether that was ever so. */
bool proxy_crowded(const struct proxy *p, struct proxy_crowd *out);

