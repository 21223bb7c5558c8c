/* What the files of the firewall share. Private. */
#pragma once

#include "ruleset.h"

struct fw {
    struct nft *nft;
    char *instance;
    int directory; /* where the file `.expiry` is; belongs to the caller; -1: none */
    enum fw_expiry expiry;
    int64_t
        ends_ms; /* CLOCK_MONOTONIC: until then, deleted ports of UDP and SCTP may still exist */
};
/** Waits until all ports of UDP and SCTP that were deleted through this connection are gone. */
void fw_await_ports(struct fw *fw);

struct fw_batch {
    struct fw *fw;
    struct nft_batch *nft;
    /* The same deletions by lifetimes; NULL: none yet. Sent instead of @nft if the batch holds
     * nothing else. */
    struct nft_batch *expiring;
    bool only_expiring;
    bool rebuilds;   /* it starts with creating the tables, so there are no leftovers */
    bool ends_ports; /* it deletes ports of UDP or SCTP */
    /* Deletes leftovers that may have the keys of published ports; NULL: none can. */
    struct nft_batch *leftovers;
};
