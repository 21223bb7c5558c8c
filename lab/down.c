/* Takes a lab down: programs first, then sandboxes (with them go the links), networks, ids, and last the record. Each step
 * accepts "already gone", so the next `lab down`, or gc, goes on after a kill.
 */
#include "down.h"
#include "relay.h"

#include <errno.h>

struct taking {
    const struct lab *l;
    const struct lab_options *o;
    size_t next;
    bool keep_containers, sandboxes;
    const bool *programs_of, *sandboxes_of; /* one for each member; NULL: all */
    int64_t began;
};

/* ---- in a worker -----------------------------------------------------------------------------*/

static bool is_ours(const struct lab *l, const struct record *r)
{
    _cleanup_free_ char *label = xasprintf("netctr.lab.id=%s", l->id);
    return strv_has(r->spec.labels, label);
}

/* Each worker empties its own part of the trash. Emptied as a whole, they would all work at the same directories. */
static int remove_program(struct engine *engine, const struct record *r, struct err *e)
{
    engine->keeps_trash = true;
    int code = engine_force_remove(engine, r, e);
    store_empty_trash_of(&engine->store, r->spec.id);
    return code;
}

static int stop_program(struct engine *engine, const struct taking *x, const struct lab_member *m,
                        struct err *e)
{
    _cleanup_record_ struct record r = {0};
    int code = engine_find(engine, m->long_name, &r, e);
    if (code == -ENOENT)
        err_clear(e);
    if (code == -EBADMSG) { /* its files are damaged; its name alone says that it is the lab's */
        err_clear(e);
        return x->keep_containers ? 0 : engine_remove_damaged(engine, m->long_name, e);
    }
    if (code < 0 || !is_ours(x->l, &r))
        return code == -ENOENT ? 0 : code;
    if (!x->keep_containers)
        return remove_program(engine, &r, e);
    return r.status == STATUS_EXITED ? 0 : engine_stop(engine, &r, MARK_END_ASKED, 0, e);
}

/* ---- guests ----------------------------------------------------------------------------------*/

/* Containers that may be in the network of a node without being the lab's. */
struct guests {
    const struct lab *l;
    strv names;
};

static int collect_guest(const struct record *r, void *arg)
{
    struct guests *g = arg;
    if (r->status == STATUS_RUNNING && !is_ours(g->l, r) && r->spec.network &&
        (skip_prefix(r->spec.network, NETWORK_OF_SANDBOX) ||
         skip_prefix(r->spec.network, NETWORK_OF)))
        strv_add(&g->names, r->spec.name);
    return 0;
}

/* Both are held open, so the inode says it. */
static bool is_same_netns(int a, int b)
{
    struct stat x, y;
    return a >= 0 && b >= 0 && fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_dev == y.st_dev &&
           x.st_ino == y.st_ino;
}

static int refuse_guest(struct engine *engine, const struct lab_member *m, const char *name,
                        struct err *e)
{
    _cleanup_record_ struct record r = {0};
    if (!m->sandbox || engine_find(engine, name, &r, NULL) < 0) /* it has ended meanwhile */
        return 0;
    _cleanup_close_ int its = netns_of_process(r.pid, r.pid_start),
                        own = its < 0 ? -1 : lab_netns(engine, m, NULL);
    if (!is_same_netns(its, own))
        return 0;
    err_say(e, -EBUSY, "node `%s`: container `%s`, which is not the lab's, uses its network",
            m->name, name);
    err_hint(e, "`netctr rm -f %s` removes it", name);
    return -EBUSY;
}

/* -EBUSY with a text: there is one. The walk holds a lock, so containers are looked at after it. */
static int refuse_guests(struct engine *engine, const struct lab *l, struct err *e)
{
    struct guests g = {.l = l};
    int r = engine_each(engine, collect_guest, &g, e);
    strv_each (name, g.names)
        for (size_t i = 0; r == 0 && i < l->member_count; i++)
            r = refuse_guest(engine, &l->members[i], name, e);
    strv_free(g.names);
    return r;
}

static int work(struct engine *engine, size_t job, void *arg, strv *notes, struct err *e)
{
    const struct taking *x = arg;
    const struct lab_member *m = &x->l->members[job];
    (void)notes;
    int r = 0;
    if (x->sandboxes && m->sandbox) {
        r = sandbox_destroy(engine_sandboxes(engine), m->sandbox, e);
    } else if (!x->sandboxes && m->kind == LAB_LINUX)
        r = stop_program(engine, x, m, e);
    if (r < 0)
        err_wrap(e, "node `%s`", m->name);
    return r;
}

/* ---- in the master ---------------------------------------------------------------------------*/

static long next(void *arg)
{
    struct taking *x = arg;
    const bool *which = x->sandboxes ? x->sandboxes_of : x->programs_of;
    while (which && x->next < x->l->member_count && !which[x->next])
        x->next++;
    return x->next < x->l->member_count ? (long)x->next++ : CREW_NO_MORE;
}

static void done(size_t job, bool failed, strv notes, void *arg)
{
    const struct taking *x = arg;
    (void)notes;
    const struct lab_news news = {.node = x->l->members[job].name,
                                  .what = failed ? "failed" : "removed",
                                  .ms = monotonic_ms() - x->began};
    if (x->sandboxes && x->o && x->o->tell)
        x->o->tell(&news, x->o->arg);
}

static int each_member(struct engine *engine, struct taking *x, bool sandboxes, struct err *e)
{
    const struct crew crew = {.root = engine->store.root,
                              .run = engine->store.run,
                              .workers = crew_size(x->l->member_count),
                              .work = work,
                              .next = next,
                              .done = done,
                              .arg = x};
    x->next = 0;
    x->sandboxes = sandboxes;
    return x->l->member_count ? crew_run(&crew, true, e) : 0;
}

int lab_take_members(struct engine *engine, const struct lab *l, const bool *programs,
                     const bool *sandboxes, const struct lab_options *o, struct err *e)
{
    struct taking x = {.l = l,
                       .o = o,
                       .programs_of = programs,
                       .sandboxes_of = sandboxes,
                       .began = monotonic_ms()};
    int r = each_member(engine, &x, false, e);
    return r == 0 ? each_member(engine, &x, true, e) : r;
}

/* Containers that have another name by now. */
struct others {
    const struct lab *l;
    bool running;
    strv names;
};

static int look_for_others(const struct record *r, void *arg)
{
    struct others *o = arg;
    if (is_ours(o->l, r) && !(o->running && r->status == STATUS_EXITED))
        strv_add(&o->names, r->spec.name);
    return 0;
}

static int stop_others(struct engine *engine, const struct lab *l, bool keep_containers,
                       struct err *e)
{
    struct others o = {.l = l, .running = keep_containers};
    int r = engine_each(engine, look_for_others, &o, e);
    strv_each (name, o.names) {
        _cleanup_record_ struct record record = {0};
        if (r < 0 || (r = engine_find(engine, name, &record, e)) < 0)
            break;
        r = keep_containers ? engine_stop(engine, &record, MARK_END_ASKED, 0, e)
                            : engine_force_remove(engine, &record, e);
    }
    strv_free(o.names);
    return r;
}

/* A link of the host goes with its peer's namespace, soon. Only one that bears the lab's id is deleted here. */
static int remove_host_links(const struct lab *l, struct err *e)
{
    _cleanup_rt_ struct rt *rt = NULL;
    int r = l->host_links ? rt_open(&rt, e) : 0;
    strv_each (name, l->host_links) {
        struct link link;
        if (r < 0 || rt_get_link(rt, name, &link) < 0 || !streq(link.alias, l->id))
            continue;
        _cleanup_rt_batch_ struct rt_batch *b = rt_batch_new(rt);
        rt_delete_link(b, name);
        r = rt_commit(b, e);
    }
    return r;
}

int lab_take_down(struct engine *engine, struct lab *l, const struct lab_options *o,
                  bool keep_containers, struct err *e)
{
    struct taking x = {.l = l, .o = o, .keep_containers = keep_containers, .began = monotonic_ms()};
    _cleanup_err_ struct err step = ERR_INIT;
    int first = 0;
    l->state = LAB_ENDS;
    /* Also on a full disk, which this makes room on. */
    if (!l->damaged && !keep_containers)
        (void)lab_save(l, NULL);
    err_note(&first, each_member(engine, &x, false, &step), e, &step);
    err_note(&first, stop_others(engine, l, keep_containers, &step), e, &step);
    if (!keep_containers) /* also what a killed `down` has moved there */
        store_empty_full_trash(&engine->store);
    /* Before the sandboxes: its descriptors keep their namespaces. */
    if (l->id)
        err_note(&first, relay_end(engine, l->id, &step), e, &step);
    err_note(&first, each_member(engine, &x, true, &step), e, &step);
    err_note(&first, remove_host_links(l, &step), e, &step);
    if (first == 0 && !keep_containers)
        err_note(&first, lab_networks_remove(engine, l, &step), e, &step);
    if (first < 0 || keep_containers)
        return first;
    _cleanup_free_ char *range = lab_range_id(l);
    range_free(&engine->store, range, &l->ids);
    return lab_forget(engine, l, e);
}

/* What names a member whose lab's record is lost: the sandboxes and containers that bear the lab's name. */
struct search {
    struct lab *l;
    char *label;
};

static struct lab_member *add_member(struct lab *l, const char *long_name)
{
    for (size_t i = 0; i < l->member_count; i++)
        if (streq(l->members[i].long_name, long_name))
            return &l->members[i];
    l->members = xrealloc(l->members, l->member_count + 1, sizeof(*l->members));
    l->members[l->member_count] =
        (struct lab_member){.name = xstrdup(long_name), .long_name = xstrdup(long_name)};
    return &l->members[l->member_count++];
}

static int look_at_container(const struct record *r, void *arg)
{
    struct search *s = arg;
    const char *sandbox = skip_prefix(r->spec.network, NETWORK_OF_SANDBOX);
    if (!strv_has(r->spec.labels, s->label))
        return 0;
    struct lab_member *m = add_member(s->l, r->spec.name);
    strv_each (label, r->spec.labels) {
        const char *id = skip_prefix(label, "netctr.lab.id=");
        if (id && !s->l->id)
            s->l->id = xstrdup(id);
    }
    if (sandbox && !m->sandbox)
        m->sandbox = xstrdup(sandbox);
    if (!s->l->ids.uid_count)
        s->l->ids = r->spec.ids;
    return 0;
}

static int look_at_network(const struct network *n, void *arg)
{
    struct search *s = arg;
    if (strv_has(n->labels, s->label))
        strv_add(&s->l->networks, n->name);
    return 0;
}

static int look_at_sandbox(struct sandbox_record *r, void *arg)
{
    struct search *s = arg;
    _cleanup_free_ char *prefix = s->l->id ? xasprintf("%s-", s->l->id) : NULL;
    if (r->life != SANDBOX_PINNED || !prefix || !skip_prefix(r->id, prefix))
        return 0;
    struct lab_member *m = add_member(s->l, r->name ? r->name : r->id);
    if (!m->sandbox)
        m->sandbox = xstrdup(r->id);
    return 0;
}

int lab_recover(struct engine *engine, struct lab *l, struct err *e)
{
    _cleanup_free_ char *label = xasprintf("netctr.lab=%s", l->name);
    struct search s = {l, label};
    int r = engine_each(engine, look_at_container, &s, e);
    if (r == 0 && !l->id)
        l->id = spec_new_id();
    if (r == 0)
        r = engine_network_each(engine, look_at_network, &s, e);
    return r == 0 ? sandbox_each(engine_sandboxes(engine), look_at_sandbox, &s, e) : r;
}

int lab_down(struct engine *engine, const char *name, const struct lab_options *o, struct err *e)
{
    _cleanup_lab_ struct lab found = {.dir = -1, .lock = -1}, l = {.dir = -1, .lock = -1};
    sigset_t stopping, before;
    bool existed;
    int r = lab_find(engine, name, &found, e);
    if (r < 0 && r != -EBADMSG)
        return r;
    err_clear(e);
    r = lab_claim(engine, name, &l, &existed, e);
    if (r == -EBADMSG) {
        err_clear(e);
        l.damaged = true;
        r = 0;
    }
    if (r == 0 && l.damaged)
        r = lab_recover(engine, &l, e);
    if (r == 0)
        r = refuse_guests(engine, &l, e);
    if (r < 0)
        return r;
    lab_block_signals(&stopping, &before);
    r = lab_take_down(engine, &l, o, false, e);
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    return r;
}

/* ---- gc --------------------------------------------------------------------------------------*/

struct cleaning {
    struct engine *engine;
    const struct gc *gc;
    struct err *e;
    int result;
};

/* The lock tells a lab that is being brought up from one whose `up` was killed. */
static int clean(struct lab *l, void *arg)
{
    struct cleaning *c = arg;
    _cleanup_err_ struct err step = ERR_INIT;
    _cleanup_lab_ struct lab own = {.dir = -1, .lock = -1};
    bool existed;
    if (l->damaged || l->state == LAB_UP || l->state == LAB_CHANGES)
        return 0;
    int r = lab_claim(c->engine, l->name, &own, &existed, &step);
    if (r < 0 || own.state == LAB_UP || own.state == LAB_CHANGES)
        return 0;
    r = own.damaged ? lab_recover(c->engine, &own, &step) : 0;
    if (r == 0 && !c->gc->dry_run)
        r = lab_take_down(c->engine, &own, NULL, false, &step);
    if (r == 0)
        gc_tell(c->gc, GC_REMOVE, "lab %s, which was left half-way", l->name);
    err_note(&c->result, r, c->e, &step);
    return 0;
}

struct owners {
    strv ids;
    bool unknown; /* a lab's record is damaged: any relay may be its */
};

static int note_id(struct lab *l, void *arg)
{
    struct owners *o = arg;
    o->unknown = o->unknown || l->damaged || !l->id;
    if (l->id)
        strv_add(&o->ids, l->id);
    return 0;
}

/* The relays are listed first: a lab has its record before it has a relay. */
static int end_relays(struct engine *engine, const struct gc *gc, struct err *e)
{
    _cleanup_strv_ strv relays = NULL;
    struct owners owners = {0};
    const int run = engine->store.run_fd;
    _cleanup_close_ int dir =
        run < 0 ? -1 : openat(run, LAB_RELAYS, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    int r = dir < 0 ? 0 : names_in(dir, &relays);
    if (relays && r == 0)
        r = lab_each(engine, note_id, &owners, e);
    strv_each (id, relays) {
        if (r < 0 || owners.unknown || strv_has(owners.ids, id) || !valid_name(id))
            continue;
        r = gc->dry_run ? 0 : relay_end(engine, id, e);
        if (r == 0)
            gc_tell(gc, GC_REMOVE, "relay %s of a lab that is gone", id);
    }
    strv_free(owners.ids);
    return r < 0 && !e->code ? err_set(e, r, "list the relays of labs") : r;
}

int lab_gc(struct engine *engine, const struct gc *gc, struct err *e)
{
    struct cleaning c = {.engine = engine, .gc = gc, .e = e};
    _cleanup_err_ struct err step = ERR_INIT;
    int r = lab_each(engine, clean, &c, e);
    err_note(&c.result, end_relays(engine, gc, &step), e, &step);
    return r < 0 ? r : c.result;
}
