/* Keeps the kernel's NAT working across a flush of the rules, so that open connections survive it.
 *
 * The kernel translates the packets of a connection only while a NAT chain exists. `nft flush
 * ruleset` removes netctr's chains until they are restored a few milliseconds later. Every packet
 * in between would leave with the wrong address, and the peer would reset the connection. So the
 * process that watches the firewall (watch.c) also owns a table with empty NAT chains. A flush by
 * another process skips a table that has an owner (NFT_TABLE_F_OWNER, Linux 5.12; firewalld
 * protects its tables in the same way), and the kernel removes the table when its owner exits. The
 * chains decide nothing.
 */
#pragma once

#include <netctr/nft.h>

/** Creates the table, which exists as long as the connection @n. To be called once for each
 *  connection. -EPERM: another process owns the table. */
int nat_hold_create(struct nft *n, struct err *e);
