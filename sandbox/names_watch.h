/* Notices that names of networks have changed. Normally by inotify; its instances are few (fs.inotify, 128 a
 * user, shared by host and containers), and a container that takes them all must not block others. Without
 * one, the files are polled twice a second, and inotify is tried again each time. */
#pragma once

#include "sandbox.h"

struct names_watch;
/** Calls @changed from turns of @loop whenever names change on a network for which @concerns returns true
 *  (NULL: all networks). @arg is passed to both. Returns 0, or 1 if it polls because there is no inotify
 *  instance, with the reason in @e. Caller frees *@out. */
int names_watch_new(struct sandboxes *sandboxes, struct loop *loop,
                    bool (*concerns)(void *arg, const char *network), void (*changed)(void *arg),
                    void *arg, struct names_watch **out, struct err *e);
void names_watch_free(struct names_watch *n); /**< accepts NULL */
