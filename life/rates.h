/* The rates of the endpoints that live. */
#pragma once

#include <netctr/bridge.h>
#include <netctr/core.h>

/** The network namespace of a container that runs, an fd; -1: nobody is in it just now. */
int record_netns(const struct record *r);

/** @netns: the container's namespace, or -1 while nobody is in it. */
typedef int (*rate_action)(const struct endpoint *ep, int netns, void *arg, struct err *e);
/** Calls @act for every endpoint that has a rate, on @network or with NULL on any; a negative result ends
 *  the walk. */
int rates_each(struct store *s, const char *network, rate_action act, void *arg, struct err *e);
