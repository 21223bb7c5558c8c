/* What the files of the firewall share. Private. */
#pragma once

#include "ruleset.h"

struct fw {
    struct nft *nft;
    char *instance;
    int directory; /* where the file `.expiry` is; belongs to the caller; -1: none */
    enum fw_expiry expiry;
    /* CLOCK_MONOTONIC: until then, deleted ports may still exist: any, or those of UDP and SCTP. */
    int64_t ports_ms, flow_ports_ms;
};
/** Returns when all ports that were deleted through this connection are gone. */
void fw_await_ports(struct fw *fw);
/** The same for ports of UDP and SCTP. */
void fw_await_flow_ports(struct fw *fw);

/* Ports of the host, each once. What the items point to is the caller's. */
struct port_set {
    struct fw_publish *items;
    size_t count;
    size_t *slots, slot_count;
};
/** False: it is there already. */
bool port_set_add(struct port_set *s, const struct fw_publish *p);
void port_set_clear(struct port_set *s);

struct fw_batch {
    struct fw *fw;
    struct nft_batch *nft;
    /* The same deletions by lifetimes; NULL: none yet. Sent instead of @nft if the batch holds
     * nothing else. */
    struct nft_batch *expiring;
    bool only_expiring;
    bool expires, has_asked;          /* whether lifetimes work here; asked at the first deletion */
    bool rebuilds;                    /* it begins with the tables, which have no leftovers */
    bool ends_ports, ends_flow_ports; /* flow ports: of UDP or SCTP */
    /* Deletes what may be in the way of published ports; NULL: nothing may. */
    struct nft_batch *leftovers;
    struct port_set ports; /* the published ports that it adds */
    bool has_unheld;       /* one of them is fw_publish.unheld */
};
