/* Ports of containers that have lost their bridge. Private. */
#pragma once

#include <netctr/base.h>

struct rt;

struct strays {
    int socket; /* what links leave a bridge; POLLIN: call strays_run() */
    struct rt *rt;
};
#define STRAYS_INIT  \
    {                \
        .socket = -1 \
    }

/** Listens in the calling thread's network namespace. Ports that lost their bridge before are found too.
 *  Returns 0 or a negative errno. */
int strays_open(struct strays *s);
void strays_close(struct strays *s);
/** Brings down what has lost its bridge since. Does not wait for messages. */
void strays_run(struct strays *s);
