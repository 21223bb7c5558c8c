/* Brings a lab up:
 *
 *     claim, record → ids → networks → sandboxes (workers) → links → programs, exec lines, health (workers) → "up"
 *
 * After a failure, or a signal, everything that the record names is taken down again. A lab that a reboot has ended is taken
 * up again if the file is the same: its containers keep their files, all else is made again.
 */
#include "down.h"

#include <errno.h>
#include <string.h>

struct raising {
    struct engine *engine;
    const struct topology *t;
    const struct lab_options *o;
    struct lab *l;
    bool again; /* after a reboot */
    size_t next;
    int64_t began;
};

static void tell(const struct raising *x, const char *what)
{
    const struct lab_news news = {.what = what, .ms = monotonic_ms() - x->began};
    if (x->o->tell)
        x->o->tell(&news, x->o->arg);
}

/* ---- before anything is made -----------------------------------------------------------------*/

int lab_check_name(struct engine *engine, const struct lab_member *m, struct err *e)
{
    _cleanup_record_ struct record r = {0};
    if (m->kind == LAB_BRIDGE ||
        store_find_named(&engine->store, m->long_name, &r, NULL) == -ENOENT)
        return 0;
    err_say(e, -EEXIST, "node `%s`: there is a container `%s` already", m->name, m->long_name);
    strv_each (label, r.spec.labels)
        if (skip_prefix(label, "netctr.lab="))
            err_hint(e, "it belongs to lab `%s`: use another `prefix` or `name`",
                     skip_prefix(label, "netctr.lab="));
    if (!e->hint)
        err_hint(e, "`netctr rm -f %s` removes it", m->long_name);
    return -EEXIST;
}

static int check_names(struct raising *x, struct err *e)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < x->l->member_count; i++)
        r = lab_check_name(x->engine, &x->l->members[i], e);
    return r;
}

int lab_check_images(const struct topology *t, const struct lab_options *o, struct err *e)
{
    int r = lab_images_check(o, e);
    for (size_t i = 0; r == 0 && i < t->node_count; i++) {
        _cleanup_lab_image_ struct lab_image image = {0};
        if (t->nodes[i].kind == LAB_LINUX)
            r = lab_image_find(t, &t->nodes[i], o, "/", &image, e);
    }
    return r;
}

void lab_plan_host_links(struct lab *l, const struct topology *t)
{
    for (size_t i = 0; i < t->link_count; i++)
        for (int k = 0; k < 2; k++) {
            const struct lab_endpoint *end = &t->links[i].ends[k];
            if ((end->what == END_HOST || end->what == END_MGMT) &&
                !strv_has(l->host_links, end->interface))
                strv_add(&l->host_links, end->interface);
        }
}

/* ---- steps -----------------------------------------------------------------------------------*/

/* One range for all nodes: they are one experiment, and each has a user namespace of its own. */
static int take_ids(struct raising *x, struct err *e)
{
    _cleanup_err_ struct err why = ERR_INIT;
    if (x->l->ids.uid_count)
        return 0;
    int r = userns_possible(NULL, &why);
    if (r == -ENOTSUP) {
        err_say(e, r, "a lab needs user namespaces: %s", why.text);
        return r;
    }
    _cleanup_free_ char *id = lab_range_id(x->l);
    _cleanup_close_ int lock = range_allocate(&x->engine->store, id, &x->l->ids, e);
    return lock < 0 ? lock : lab_save(x->l, e);
}

static int make_one(struct engine *engine, size_t job, void *arg, strv *notes, struct err *e)
{
    const struct raising *x = arg;
    (void)notes;
    return node_make(engine, x->t, x->l, job, e);
}

static long next(void *arg)
{
    struct raising *x = arg;
    return x->next < x->t->node_count ? (long)x->next++ : CREW_NO_MORE;
}

static int make_nodes(struct raising *x, struct err *e)
{
    const struct crew crew = {.root = x->engine->store.root,
                              .run = x->engine->store.run,
                              .workers = crew_size(x->t->node_count),
                              .work = make_one,
                              .next = next,
                              .arg = x};
    return crew_run(&crew, false, e);
}

static int make_tree(struct raising *x, struct err *e)
{
    return lab_uses_host(x->t, x->o) ? host_tree_make(x->l->dir, HOST_TREE, e) : 0;
}

static int make(struct raising *x, struct err *e)
{
    int r = take_ids(x, e);
    if (r == 0)
        r = make_tree(x, e);
    if (r == 0 && !x->again)
        r = lab_networks_make(x->engine, x->t, x->l, e);
    if (r == 0)
        r = make_nodes(x, e);
    if (r == 0)
        r = wires_make(x->engine, x->t, x->l, NULL, e);
    if (r == 0)
        r = lab_impair_all(x->engine, x->t, x->l, false, e);
    if (r < 0)
        return r;
    tell(x, "links");
    return steps_run(x->engine, x->t, x->l, x->o, NULL, x->began, e);
}

/* ---- the transaction -------------------------------------------------------------------------*/

static int refuse_running(const struct lab *l, struct err *e)
{
    if (l->state == LAB_CHANGES)
        err_say(e, -EEXIST, "lab `%s` was left half-way by a change", l->name);
    else
        err_say(e, -EEXIST, "lab `%s` is up already", l->name);
    err_hint(
        e,
        "`netctr lab apply` makes it what the file says, `netctr lab up --reconfigure` takes it down first");
    return -EEXIST;
}

/* What is there of it already: nothing, a lab that runs, what a reboot or a killed command has left. */
static int look_before(struct raising *x, bool existed, struct err *e)
{
    struct lab *l = x->l;
    if (existed && (l->state == LAB_UP || l->state == LAB_CHANGES) && lab_lives(x->engine, l))
        return refuse_running(l, e);
    if (!existed && l->damaged) {
        int r = lab_recover(x->engine, l, e);
        if (r < 0)
            return r;
        existed = true;
    }
    x->again = existed && l->state == LAB_UP && lab_has_text(l, x->t, x->o->text, x->o->text_size);
    if (!existed || x->again)
        return 0;
    int r = lab_take_down(x->engine, l, NULL, false, e);
    if (r < 0)
        return r;
    const char *name = x->t->name;
    lab_clear(l);
    return lab_claim(x->engine, name, l, &existed, e);
}

static int begin(struct raising *x, struct err *e)
{
    if (x->again) {
        for (size_t i = 0; i < x->l->change_count; i++)
            x->l->changes[i].down = false;
        return lab_take_down(x->engine, x->l, NULL, true, e);
    }
    lab_plan(x->l, x->t);
    lab_plan_host_links(x->l, x->t);
    int r = check_names(x, e);
    if (r == 0)
        r = lab_save_text(x->l, x->t, x->o->text, x->o->text_size, e);
    x->l->state = LAB_STARTS;
    return r == 0 ? lab_save(x->l, e) : r;
}

static int bring_up(struct raising *x, struct err *e)
{
    _cleanup_err_ struct err ignored = ERR_INIT;
    int r = begin(x, e);
    if (r < 0) {
        if (!x->again)
            (void)lab_forget(x->engine, x->l, &ignored);
        return r;
    }
    r = make(x, e);
    if (r == 0) {
        x->l->state = LAB_UP;
        r = lab_save(x->l, e);
    }
    if (r < 0 && lab_take_down(x->engine, x->l, NULL, x->again, &ignored) < 0)
        warn("%s (`netctr lab down %s` tries again)", ignored.text, x->l->name);
    if (r < 0 && x->again) { /* as the reboot left it */
        x->l->state = LAB_UP;
        (void)lab_save(x->l, &ignored);
    }
    return r;
}

int lab_up(struct engine *engine, const struct topology *t, const struct lab_options *o,
           struct err *e)
{
    _cleanup_lab_ struct lab l = {.dir = -1, .lock = -1};
    struct raising x = {.engine = engine, .t = t, .o = o, .l = &l, .began = monotonic_ms()};
    sigset_t stopping, before;
    bool existed = false;
    int r = lab_check_images(t, o, e);
    if (r == 0)
        r = lab_claim(engine, t->name, &l, &existed, e);
    if (r < 0)
        return r;
    lab_block_signals(&stopping, &before);
    r = look_before(&x, existed, e);
    if (r == 0)
        r = bring_up(&x, e);
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    return r;
}

/* ---- restart ---------------------------------------------------------------------------------*/

int lab_restart(struct engine *engine, const struct lab *l, char *const *nodes, uint64_t seconds,
                struct err *e)
{
    strv_each (name, nodes)
        if (!lab_member(l, name))
            return err_say(e, -ENOENT, "lab `%s` has no node `%s`", l->name, name);
    int r = lab_relay_restore(engine, l, e);
    if (r == -EBUSY && l->state == LAB_CHANGES) { /* programs start without it */
        err_clear(e);
        r = 0;
    }
    for (size_t i = 0; r == 0 && i < l->member_count; i++) {
        _cleanup_record_ struct record record = {0};
        const struct lab_member *m = &l->members[i];
        if (nodes && !strv_has(nodes, m->name) && !strv_has(nodes, m->long_name))
            continue;
        if (m->kind == LAB_BRIDGE) {
            if (nodes)
                return err_say(e, -EINVAL, "node `%s` is a switch: it has no program", m->name);
            continue;
        }
        r = lab_container(engine, m, &record, e);
        if (r == 0)
            r = engine_restart(engine, &record, seconds, e);
    }
    return r;
}
