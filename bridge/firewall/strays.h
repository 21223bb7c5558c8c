/* Ports of containers that have lost their bridge. Private. */
#pragma once

#include <netctr/base.h>

struct rt;

struct strays {
    struct loop *loop;
    int socket;       /* reports links that leave a bridge */
    loop_timer timer; /* when to look again at the ports that were brought down */
    int *down;        /* the indexes of these ports */
    size_t down_count;
    struct rt *rt;
    const char *instance; /* whose ports to bring down */
};
#define STRAYS_INIT   \
    {                 \
        .socket = -1, \
    }

/** Brings down ports of @instance that lose their bridge, in the calling thread's network
 *  namespace: now those that have lost it before, and the others when it happens, in callbacks of
 *  @loop. Returns 0 or a negative errno. */
int strays_open(struct strays *s, struct loop *loop, const char *instance);
/** @s may also be one that strays_open() has failed to open, or that was never opened. */
void strays_close(struct strays *s);
