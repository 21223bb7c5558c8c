/* Ports of containers that have lost their bridge. Private. */
#pragma once

#include <netctr/base.h>

struct rt;

struct strays {
    struct loop *loop;
    int socket;       /* which links leave a bridge */
    loop_timer timer; /* when to look again at those that were brought down */
    int *down;        /* their indexes */
    size_t down_count;
    struct rt *rt;
    const char *instance; /* whose ports */
};
#define STRAYS_INIT   \
    {                 \
        .socket = -1, \
    }

/** From now on, in turns of @loop, brings down ports of @instance that lose their bridge in the calling thread's
 *  network namespace. Ports that lost it before are brought down now. Returns 0 or a negative errno. */
int strays_open(struct strays *s, struct loop *loop, const char *instance);
/** Accepts one that strays_open() has failed to open, or that was never opened. */
void strays_close(struct strays *s);
