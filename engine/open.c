/* Opens an instance. A run directory that does not belong to it yet, after a reboot for example, is taken over first. Only
 * commands that look at all containers anyway clean up after every dead monitor; the others clean up what they meet.
 */
#include "helpers.h"
#include "internal.h"

#include <errno.h>

/* Containers of this instance that RUN does not list are ended, so that their addresses can be given out again. A failure
 * is only a warning: commands that show or remove something must work, and starts are refused elsewhere
 * (store_hold_binding()). */
static int take_over(struct engine *out, struct err *e)
{
    _cleanup_err_ struct err why = ERR_INIT;
    if (!out->store.fresh)
        return 0;
    _cleanup_close_ int lock = helpers_store_lock(out, e);
    int r = lock < 0 ? lock : store_claim_run_root(&out->store, false, e);
    if (r == 0 && out->store.fresh && engine_take_run_root(out, &gc_quietly, &why) < 0)
        warn("%s", why.text);
    return r;
}

static int opened(int r, struct engine *engine, struct err *e)
{
    if (r == 0 && (r = take_over(engine, e)) < 0)
        engine_explain(engine, r, e);
    return r;
}

int engine_open(const char *root, const char *run_root, struct engine *out, struct err *e)
{
    *out = (struct engine){0};
    return opened(store_open(root, run_root, &out->store, e), out, e);
}

int engine_open_to_read(const char *root, const char *run_root, struct engine *out, struct err *e)
{
    *out = (struct engine){0};
    return opened(store_open_to_read(root, run_root, &out->store, e), out, e);
}

int engine_open_to_clean(const char *root, const char *run_root, bool dry_run, struct engine *out,
                         struct err *e)
{
    *out = (struct engine){0};
    return (dry_run ? store_open_to_read : store_open)(root, run_root, &out->store, e);
}

int engine_repair_all(struct engine *engine, struct err *e)
{
    int lock = helpers_store_lock(engine, e);
    int r = lock < 0 ? lock : engine_repair(engine, &gc_quietly, e);
    close_fd(lock);
    if (r < 0)
        engine_explain(engine, r, e);
    else
        store_empty_trash(&engine->store);
    return r;
}
