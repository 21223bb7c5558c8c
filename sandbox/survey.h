/* The endpoints of living sandboxes, in the form that bridge/ takes. */
#pragma once

#include "sandbox.h"

/** Moves all of @from to @to. */
void endpoints_append(struct endpoint_list *to, struct endpoint_list *from);

struct live_list {
    struct endpoint_list list;
    struct live_endpoint *live; /* beside them */
    int64_t *unchanged_ms;      /* beside them: time since the records of its container changed */
    struct bridge_view view;
    char *unknown; /* a container with a damaged record */
};
int live_list_read(struct sandboxes *s, struct live_list *out, struct err *e);
void live_list_clear(struct live_list *l);
#define _cleanup_live_list_ __attribute__((cleanup(live_list_clear)))
