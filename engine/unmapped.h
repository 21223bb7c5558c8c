/* Files that a container in a user namespace cannot own: found while it runs. Private to engine/. */
#pragma once

#include <netctr/store.h>

struct unmapped {
    loop_timer timer; /* begins the search */
    pid_t pid;        /* of the process that searches; 0: none */
    int fd;           /* it reports there; -1: none */
};
#define UNMAPPED_INIT ((struct unmapped){.fd = -1})
struct monitor;
/** The program runs: looks at its files a little later. */
void unmapped_watch(struct monitor *m);
/** Ends that. */
void unmapped_unwatch(struct monitor *m);
/** What has been found so far in the files of @s, since the host booted: [{"source", "count", "names"}]. NULL: nothing. The
 *  caller owns it. */
json_t *unmapped_found(struct store *store, const struct spec *s);
