/* Ports of containers that have lost their bridge. Private. */
#pragma once

#include <netctr/base.h>

struct rt;

struct strays {
    int socket; /* what links leave a bridge; POLLIN: call strays_run() */
    int timer;  /* when to look again at those that were brought down; the same */
    int *down;  /* their indexes */
    size_t down_count;
    struct rt *rt;
    const char *instance; /* whose ports */
};
#define STRAYS_INIT               \
    {                             \
        .socket = -1, .timer = -1 \
    }

/** Listens in the calling thread's network namespace. Ports of @instance that lost their bridge before
 *  are found too. Returns 0 or a negative errno. */
int strays_open(struct strays *s, const char *instance);
void strays_close(struct strays *s);
/** Brings down what has lost its bridge since. Does not wait for messages. */
void strays_run(struct strays *s);
