/* Hearing that names of networks have changed. inotify tells; but its instances are few (fs.inotify, 128 a user),
 * and host and containers share them: whoever takes them all must not make others deaf. While there is none, the
 * files are looked at, twice a second, and each time it is tried again. */
#pragma once

#include "hub.h"
#include "internal.h"

struct names_watch;
/** From now on @changed is called when the names of a network have changed that @concerns (NULL: any). 0; 1: there
 *  is no inotify yet, and @e tells why not; or -errno. */
int names_watch_new(struct engine *engine, struct hub *hub,
                    bool (*concerns)(void *arg, const char *network), void (*changed)(void *arg),
                    void *arg, struct names_watch **out, struct err *e);
void names_watch_free(struct names_watch *n); /**< accepts NULL */
