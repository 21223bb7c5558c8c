/* What compare.c and compare_rules.c share. Private. */
#pragma once

#include "ruleset.h"

/* compare_rules.c */
/** Compares the tables, chains and rules that @wanted would create with those of the kernel. @found owns the text. */
int compare_rules(struct nft *nft, struct nft_batch *wanted, void (*found)(char *text, void *arg),
                  void *arg);
