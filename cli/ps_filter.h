/* --filter of `netctr ps`. */
#pragma once

#include "ports.h"

#define PS_FILTERS                                                                                   \
    "name=REGEX, id=PREFIX, status=STATUS, network=NETWORK, label=KEY[=VALUE], label!=KEY[=VALUE], " \
    "ancestor=ROOTFS, volume=PATH, publish=PORT[/PROTOCOL], exited=STATUS, before=NAME or since=NAME"

struct ps_filters {
    strv names, ids, statuses, networks, labels, not_labels;
    strv ancestors, volumes, published, exited;
    strv before, since;              /* names of containers */
    int64_t made_before, made_after; /* their times, by ps_filters_resolve(): nanoseconds */
};

/** Parses KEY=VALUE. -EINVAL with a text. Clear @out also after an error. */
int ps_filters_parse(char *const *texts, struct ps_filters *out, struct err *e);
/** Finds the containers that before= and since= name. -ENOENT with a text. */
int ps_filters_resolve(struct engine *engine, struct ps_filters *f, struct err *e);
bool ps_filters_match(struct engine *engine, const struct ps_filters *f, const struct record *r);
void ps_filters_clear(struct ps_filters *f);
