/* What the files that compare the firewall share. Private. */
#pragma once

#include "ruleset.h"

/* compare_rules.c */
/** Compares the tables, chains and rules that @wanted would make with the kernel's. @found takes the text
 *  and frees it. */
int compare_rules(struct nft *nft, struct nft_batch *wanted, void (*found)(char *text, void *arg),
                  void *arg);
