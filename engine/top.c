/* The processes of a container. */
#include "internal.h"

int engine_top(struct engine *engine, const struct record *r,
               void (*each)(const struct process_seen *p, void *arg), void *arg, struct err *e)
{
    return r->status == STATUS_RUNNING
               ? container_each_process(&engine->store, &r->spec, each, arg, e)
               : engine_not_running(r, e);
}
