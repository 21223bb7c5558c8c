/* Who lives, as bridge/ wants to know it. Between survey.c and reload.c. */
#pragma once

#include <netctr/life.h>

struct living_list {
    struct endpoint_list list;
    struct live_endpoint *live; /* beside them */
    struct bridge_view view;
    char *unknown; /* a container that has endpoints which cannot be told */
};
int living_list_read(struct world *w, struct living_list *out, struct err *e);
void living_list_clear(struct living_list *l);
#define _cleanup_living_list_ __attribute__((cleanup(living_list_clear)))
