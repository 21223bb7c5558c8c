/* What conntrack remembers, and has to forget when a published port gains or loses its container.
 *
 * NAT is decided once for each flow, by its first packet. A client that talks UDP all the time keeps
 * its flow alive for ever: begun before the port was published it never reaches the container, begun
 * before the container ended it never reaches the next one.
 */
#pragma once

#include <netctr/bridge.h>

/** Right after the endpoint's ports were published: ends the flows to these ports of the host, but
 *  for TCP, whose next SYN begins anew by itself. Flows to the same port of another host, or to
 *  another port, are not touched. Costs next to nothing if there are no such ports, or no flows. */
int conntrack_forget_ports(const struct endpoint *ep, struct err *e);

/** Right after the ports were unpublished: ends every flow of a protocol with ports that the
 *  container is an end of: those forwarded to it, those to its own address and those that it began. */
int conntrack_forget_addresses(const struct endpoint *ep, struct err *e);
