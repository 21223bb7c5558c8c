/* Deleting elements by giving them a short lifetime. Private.
 *
 * After a transaction that deletes, closing a netlink socket waits for a grace period of 6-20 ms; after one that gives
 * elements a lifetime it does not. So fw_commit() ends the elements of containers in that way where the kernel can:
 * 6.12 and 6.18 do, 6.1 answers success and changes nothing. Hence a probe, whose answer holds until the next boot.
 */
#pragma once

#include "firewall.h"

/** How long an element that was deleted in this way may stay. Three ticks where HZ is 250. */
enum { EXPIRY_MS = 12 };

/** What is known, from this process or from the file in the directory of fw_set_directory(). Asks nobody. */
enum fw_expiry expiry_known(struct fw *fw);
/** The same, but finds it out if it is not known. Whatever fails counts as "no": deleting works everywhere. */
bool expiry_works(struct fw *fw);
/** Finds out whether elements can be given a lifetime. Needs the tables. */
int expiry_probe(struct fw *fw, bool *works, struct err *e);
