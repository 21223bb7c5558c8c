/* Holds the kernel's NAT across a flush of the rules, so that open connections survive it.
 *
 * The kernel translates the packets of a connection only while some NAT chain exists. `nft flush ruleset` removes ours
 * for the milliseconds until they are restored; every packet in between would leave with the wrong address and be
 * answered by a reset. So the process that watches the firewall (watch.c) also owns a table with empty NAT chains. A
 * flush by another process skips a table that has an owner (NFT_TABLE_F_OWNER, Linux 5.12; firewalld protects its
 * tables in the same way), and the kernel removes it when its owner exits. It makes no decisions.
 */
#pragma once

#include <netctr/nft.h>

/** Creates the table, which exists as long as the connection @n. Once per connection. -EPERM: another process owns
 *  it. */
int nat_hold_create(struct nft *n, struct err *e);
