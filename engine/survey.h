/* The endpoints of running containers, in the form that bridge/ takes. */
#pragma once

#include "internal.h"

/** Loads the endpoint records in a run directory that belong to this container (@id may be NULL). -EBADMSG: some are
 *  damaged or belong to another container; @out has the others. */
int endpoints_load(int run_dir, const char *name, const char *id, struct endpoint_list *out);

/** Adds them to @list. If some are damaged or belong to another container, *@unknown becomes a copy of @name unless it is
 *  set. The caller frees both. */
int endpoints_collect(int run_dir, const char *name, struct endpoint_list *list, char **unknown);

struct live_list {
    struct endpoint_list list;
    struct live_endpoint *live; /* beside them */
    int64_t *unchanged_ms;      /* beside them: time since the records of its container changed */
    struct bridge_view view;
    char *unknown; /* a container with a damaged record */
};
int live_list_read(struct engine *engine, struct live_list *out, struct err *e);
void live_list_clear(struct live_list *l);
#define _cleanup_live_list_ __attribute__((cleanup(live_list_clear)))
