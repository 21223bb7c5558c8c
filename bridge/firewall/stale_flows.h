/* What conntrack remembers, and has to forget when a published port gains or loses its container.
 *
 * NAT is decided once for each flow, by its first packet. A client that talks UDP all the time keeps
 * its flow alive for ever: begun before the port was published it never reaches the container, begun
 * before the container ended it never reaches the next one.
 */
#pragma once

#include <netctr/bridge.h>

/** Ends the flows that go to a published port of one of @live, and lead past its container, but for TCP,
 *  whose next SYN begins anew by itself. Flows that lead there, to the same port of another host, or to
 *  another port, are not touched: it may be called at any time. Costs next to nothing if there are no such
 *  ports, or no flows. A packet that looked for the port before it was there, and is still on its way, comes
 *  after this: whoever must have it sure looks again a moment later. */
int conntrack_end_stale(const struct endpoint *live, size_t count, struct err *e);

/** Right after the ports of @ended were unpublished: ends the flows of UDP and SCTP that lead from them to its
 *  container. */
int conntrack_forget_ports(const struct endpoint *ended, struct err *e);

/** Ends the flows of questions for port 53 that are sent on to @port: who asks again from the same port is sent to
 *  where the server is now. */
int conntrack_forget_questions(uint16_t port, struct err *e);

/** Right after the ports were unpublished: ends every flow of a protocol with ports that the
 *  container is an end of: those forwarded to it, those to its own address and those that it began. */
int conntrack_forget_addresses(const struct endpoint *ep, struct err *e);
