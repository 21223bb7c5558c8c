/* The endpoints of living containers, in the form that bridge/ takes. */
#pragma once

#include <netctr/engine.h>

/** The records in a run directory that are this container's (@id may be NULL). -EBADMSG: there are others,
 *  or damaged ones. */
int endpoints_load(int run_dir, const char *name, const char *id, struct endpoint_list *out);

/** Adds them to @list, although its definition may be damaged; with others among them or damaged ones, @unknown becomes
 *  @name unless it is set. The caller frees both. */
int endpoints_collect(int run_dir, const char *name, struct endpoint_list *list, char **unknown);

struct live_list {
    struct endpoint_list list;
    struct live_endpoint *live; /* beside them */
    int64_t
        *unchanged_ms; /* beside them: for how long its container's records have been as they are */
    struct bridge_view view;
    char *unknown; /* a container that has endpoints which cannot be told */
};
int live_list_read(struct engine *engine, struct live_list *out, struct err *e);
void live_list_clear(struct live_list *l);
#define _cleanup_live_list_ __attribute__((cleanup(live_list_clear)))
