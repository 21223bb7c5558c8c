/* What is recorded of forwarding that netctr has switched on. Private to forwarding*.c. */
#pragma once

#include "bridge.h"

#define STATE_FILE ".forwarding"
#define IPV4 "net/ipv4/ip_forward"
#define IPV6 "net/ipv6/conf/all/forwarding"
/* `lo` shows whether netctr's setting is still in effect: any write to conf/all/forwarding, even of
 * the present value, clears force_forwarding on every link, but not in `default`. */
#define IPV6_FORCE "net/ipv6/conf/lo/force_forwarding"

enum family { FOUR, SIX, FAMILIES };

struct closed {
    strv from; /* links that did not forward before */
    strv to;   /* all links that existed then */
};

struct forwarding {
    struct closed families[FAMILIES];
    strv bridges;
    json_t *indexes; /* index of each of these links, by name; NULL: not recorded */
    bool opened;
    bool missing; /* there is no file */
};
extern const char *const forwarding_titles[FAMILIES];

void forwarding_clear(struct forwarding *s);
#define _cleanup_state_ __attribute__((cleanup(forwarding_clear)))
/** Reads the record. -EBADMSG: it is damaged. */
int forwarding_load(struct net *net, struct forwarding *out, struct err *e);

bool forwarding_sysctl_is(const char *key, const char *value);
/** "net/ipv4/conf/LINK/LEAF"; the caller frees. */
char *forwarding_sysctl(const char *link, const char *leaf, enum family f);
/** Does this kernel have force_forwarding (Linux 6.17)? */
bool forwarding_can_force(void);
/** 1, 0 or -errno. On a kernel without IPv6 there is nothing to switch on, so the answer is 1. */
int forwarding_is_on(enum family f, struct err *e);
/** Is it a link of the host, neither netctr's nor lo? */
bool forwarding_is_foreign(const struct link *link);
/** Writes @now where the value is @was: for all of @links, and `default`, which new links inherit. */
int forwarding_replace(char *const *links, const char *leaf, const char *was, const char *now,
                       struct err *e);
