/* Ports of containers that have lost their bridge. Private. */
#pragma once

#include <netctr/base.h>

struct rt;

struct strays {
    int socket; /* links that leave a bridge; POLLIN: call strays_run() */
    int timer;  /* when to look again at those that were brought down; POLLIN: the same */
    int *down;  /* their indexes */
    size_t down_count;
    struct rt *rt;
    const char *instance; /* whose ports */
};
#define STRAYS_INIT               \
    {                             \
        .socket = -1, .timer = -1 \
    }

/** Watches the calling thread's network namespace. Also finds ports of @instance that lost their bridge earlier. 0 or a
 *  negative errno. */
int strays_open(struct strays *s, const char *instance);
void strays_close(struct strays *s);
/** Brings down ports that have lost their bridge since. Does not wait for messages. */
void strays_run(struct strays *s);
