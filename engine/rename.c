/* rename: another name for a container. If it runs, its monitor makes the change, under the store's lock: it has the name in
 * memory, and serves what its neighbours know of it. If not, the command makes it under the same lock. engine/store/rename.c
 * has what a kill in between means.
 */
#include "control.h"
#include "monitor.h"

#include <errno.h>
#include <time.h>

static int check_name(const char *own, const char *name, struct err *e)
{
    if (!valid_name(name)) {
        err_say(e, -EINVAL, "invalid container name `%s`", name);
        err_hint(e, NAME_RULE);
        return -EINVAL;
    }
    return streq(own, name) ? err_say(e, -EINVAL, "it has this name already") : 0;
}

static void tell_renamed(struct engine *engine, const struct spec *s, const char *from,
                         const char *to)
{
    const struct event event = {"container", "rename", s->id, to, s->labels};
    event_emit(engine->store.run_fd, &event,
               (const struct event_attribute[]){{"old_name", from, 0}, {0}});
}

/* ---- the monitor's part ----------------------------------------------------------------------*/

/* In memory, and for others. */
static int take_name(struct monitor *m, const char *name, struct err *e)
{
    container_renamed(&m->container, name);
    pair_files(m);
    int r = sandbox_rename(m->sandbox, name, e);
    return r == 0 ? sandbox_rewrite_files(m->sandbox, e) : r;
}

static int rename_both(struct monitor *m, const char *from, const char *to, struct err *e)
{
    struct store *store = &m->engine->store;
    int r = container_rename(store, &m->container.spec, to, e);
    if (r < 0)
        return r;
    r = take_name(m, to, e);
    if (r == 0)
        return 0;
    /* If that fails, it has the new name, here as on disk. */
    if (container_rename(store, &m->container.spec, from, NULL) == 0)
        (void)take_name(m, from, NULL);
    else
        monitor_set_title(m);
    return r;
}

int rename_running(struct monitor *m, const char *name, const char *id, struct err *e)
{
    _cleanup_free_ char *from = xstrdup(m->container.spec.name), *to = xstrdup(name);
    _cleanup_close_ int lock = -1;
    if (!streq(id, m->container.spec.id)) /* another container had this name a moment ago */
        return err_say(e, -ESTALE, "no such container `%s`", id);
    int r = check_name(from, to, e);
    if (r == 0)
        r = lock = store_lock(&m->engine->store, e);
    if (r >= 0)
        r = rename_both(m, from, to, e);
    if (r < 0)
        return r;
    monitor_set_title(m);
    tell_renamed(m->engine, &m->container.spec, from, to);
    return 0;
}

/* ---- the command's part ----------------------------------------------------------------------*/

/* Others may keep its sandbox alive. */
static int rename_defined(struct engine *engine, const struct record *r, const char *name,
                          struct err *e)
{
    _cleanup_record_ struct record now = {0};
    _cleanup_close_ int lock = store_lock(&engine->store, e);
    int code = lock < 0 ? lock : engine_find_again_locked(engine, r, &now, e);
    if (code == 0 && !engine_is_only_defined(&now))
        code = err_say(e, -ESTALE, "it is being started");
    if (code == 0)
        code = container_rename(&engine->store, &now.spec, name, e);
    if (code < 0)
        return code;
    code = sandboxes_rename(engine_sandboxes(engine), now.spec.id, name, e);
    if (code < 0) {
        _cleanup_free_ char *from = now.spec.name;
        now.spec.name = xstrdup(name);
        (void)container_rename(&engine->store, &now.spec, from, NULL);
        (void)sandboxes_rename(engine_sandboxes(engine), now.spec.id, from, NULL);
        return code;
    }
    tell_renamed(engine, &now.spec, now.spec.name, name);
    return 0;
}

static int rename_once(struct engine *engine, const struct record *given, const char *name,
                       struct err *e)
{
    _cleanup_record_ struct record now = {0};
    _cleanup_json_ json_t *answer = NULL;
    int code = engine_find_again(engine, given, &now, e);
    if (code == 0 && now.status == STATUS_CREATING)
        code = engine_settle(engine, given, false, &now, e);
    else if (code == 0 && now.status == STATUS_DEAD) {
        record_clear(&now);
        code = engine_clear_dead(engine, given, &now, e);
    }
    /* Its monitor was killed when it had done it, or another command was faster. */
    if (code == 0 && streq(now.spec.name, name) && !streq(given->spec.name, name))
        return 0;
    if (code == 0)
        code = check_name(now.spec.name, name, e);
    if (code < 0 || engine_is_only_defined(&now))
        return code < 0 ? code : rename_defined(engine, &now, name, e);
    _cleanup_strv_ strv words = NULL;
    strv_add(&words, name);
    strv_add(&words, now.spec.id);
    return control_ask(engine, &now, "rename", words, &answer, e);
}

int engine_rename(struct engine *engine, const struct record *r, const char *name, struct err *e)
{
    const struct timespec pause = {.tv_nsec = 10000000};
    int code = rename_once(engine, r, name, e);
    /* It is just starting or ending: a moment later, the other way works. */
    for (int tries = 0; (code == -ESRCH || code == -ESTALE) && tries < 500; tries++) {
        err_clear(e);
        nanosleep(&pause, NULL);
        code = rename_once(engine, r, name, e);
    }
    if (code < 0)
        err_wrap(e, "rename container `%s`", r->spec.name);
    return code;
}
