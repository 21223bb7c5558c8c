/* What the files of bridge/ share. Private. */
#pragma once

#include "firewall.h"

#include <netctr/bridge.h>

struct bridge {
    int networks_fd; /* ROOT/networks: definitions */
    int leases_fd;   /* RUNROOT/leases */
    char *instance;
    struct rt *rt; /* the host's */
    struct fw *fw;
};

/* bridge.c */
/** Finds out, once a boot, whether this kernel lets elements expire (firewall.h), before the first
 *  element has to end. */
void bridge_learn_expiry(struct bridge *b);

/* device.c */
/** Makes the bridge device if it is missing. Returns its interface index. */
int device_up(struct bridge *b, const struct network *n, struct err *e);
/** The MTU of the link that the default route leaves by; 1500 when there is none. */
unsigned device_default_mtu(struct bridge *b);

/* network.c */
struct pool network_pool(const struct network *n);
int network_save(struct bridge *b, const struct network *n, struct err *e);
struct fw_network network_elements(const struct network *n);

/* resolver.c */
void resolver_add(struct fw_batch *batch, const struct network *n, const struct resolver *r);

/* endpoint.c, record.c */
char *endpoint_port_name(const char *id, const char *network); /* caller frees */
struct fw_guard endpoint_guard(const struct endpoint *ep);
/** One element per published port and family that the container has; caller frees. */
struct fw_publish *endpoint_elements(const struct endpoint *ep, size_t *count);
int endpoint_save(const struct endpoint *ep, int record_dir, struct err *e);
char *endpoint_record_name(const char *network); /* "endpoint.NETWORK.json"; caller frees */
