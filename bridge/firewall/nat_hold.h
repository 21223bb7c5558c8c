/* The keeper: connections that are open live through a flush of the rules.
 *
 * The kernel translates the packets of a connection only while some NAT chain exists. `nft flush
 * ruleset` takes ours away for the milliseconds until they are back, and every packet in between goes
 * out with the wrong address and comes back as a reset. So the process that listens (listener.h) also
 * owns a table with empty NAT chains: a table with an owner is passed over when somebody else flushes
 * (NFT_TABLE_F_OWNER, Linux 5.12; firewalld protects its own in the same way), and goes when its owner
 * ends. It decides nothing; it is the reason for the kernel to go on tracking and translating.
 */
#pragma once

#include <netctr/nft.h>

/** Makes the table, owned by the connection @n and gone with it. Once a connection. -EPERM: another
 *  process owns it. */
int nat_hold_create(struct nft *n, struct err *e);
