/* Deletes elements by giving them a short lifetime. Private.
 *
 * After a transaction that deletes, closing a netlink socket waits for a grace period of 6-20 ms;
 * after one that gives elements a lifetime it does not. So fw_commit() deletes the elements of
 * containers in that way if the kernel supports it: 6.12 and 6.18 do, 6.1 reports success and
 * changes nothing. So the kernel is probed, and the answer is valid until the next boot.
 */
#pragma once

#include "firewall.h"

/** The lifetime of an element that is deleted in this way: three ticks where HZ is 250. */
enum { EXPIRY_MS = 12 };

/** What is known from this process, or from the file in the directory of fw_set_directory(). Does
 *  not probe. */
enum fw_expiry expiry_known(struct fw *fw);
/** The same, but probes the kernel if the answer is not known. Failures count as "no", because
 *  deleting always works. */
bool expiry_works(struct fw *fw);
/** Probes whether elements can be given a lifetime. Needs the tables. */
int expiry_probe(struct fw *fw, bool *works, struct err *e);
