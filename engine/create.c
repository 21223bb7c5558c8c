/* create: a container as a run leaves it, and that has never run. The next `start` does all the rest: addresses, ports, its
 * program. Its exit record says that it never ran; without this record, what a killed `create` has left is removed.
 */
#include "monitor.h"

#include <errno.h>

/* The network of another container or program is joined at the start, because that one need not run yet. With it comes the
 * user namespace. */
static int check_joined(struct monitor *m, struct err *e)
{
    const char *name;
    struct spec *s = &m->request->spec;
    _cleanup_record_ struct record other = {0};
    if (network_word(s->network, &name) != NETWORK_WORD_CONTAINER)
        return 0;
    int r = engine_find(m->engine, name, &other, e);
    if (r == 0)
        s->network_of = xstrdup(other.spec.id);
    return r;
}

/* A pinned sandbox is there, so the ids are known, and files can be copied into the container before its first start. */
static bool joins_later(const struct spec *s)
{
    return userns_comes_later(s) && network_word(s->network, NULL) != NETWORK_WORD_SANDBOX;
}

/* As before a run, except for what only counts while it runs: the caller's own limits, free ports. */
static int look_before(struct monitor *m, struct err *e)
{
    struct spec *s = &m->request->spec;
    int r = ulimits_read(&s->ulimits, e);
    if (r == 0 && joins_later(s))
        return check_joined(m, e);
    if (r == 0)
        r = userns_decide(m, e);
    return r == 0 ? sandbox_plan(m->sandbox, s->networks, false, e) : r;
}

/* Frees the name for the start. After a failure there is no container. */
static int settle(struct monitor *m, struct err *e)
{
    _cleanup_err_ struct err step = ERR_INIT;
    _cleanup_close_ int lock = store_lock(&m->engine->store, e);
    int r = lock < 0 ? lock : container_note_created(&m->container, e);
    int left = lock < 0 ? 0 : container_release_name(&m->container, r == 0, &step);
    err_note(&r, left, e, &step);
    return r;
}

int engine_create(struct engine *engine, struct run_request *request, struct err *e)
{
    struct monitor m = monitor_new(engine, request, NULL);
    int r = look_before(&m, e);
    if (r == 0)
        r = monitor_claim(&m, e);
    if (r < 0)
        userns_abandon(&m);
    else
        r = settle(&m, e);
    if (r < 0)
        engine_explain(engine, r, e);
    monitor_clear(&m);
    return r;
}
