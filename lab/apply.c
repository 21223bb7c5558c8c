/* Changes a lab that is up into what a file says:
 *
 *     compare, look → record ("changing", what was and what shall be) → programs, sandboxes and links that go
 *       → sandboxes → links → programs, exec lines → routes → record ("up")
 *
 * A node whose program alone changes keeps its namespace, and with it its links. If a step fails, the same is done the other
 * way round. Where a change was interrupted, a node or link is kept only if all files that it may be made from agree.
 */
#include "diff.h"

#include "down.h"

#include <errno.h>
#include <string.h>

struct applying {
    struct engine *engine;
    const struct lab_options *o;
    struct lab *l;
    struct lab_diff changes;
    size_t next;
    int64_t began;
};

static void bases_clear(struct lab_bases *b)
{
    for (size_t i = 0; i < b->count; i++)
        topology_free(b->items[i]);
    free(b->items);
    *b = (struct lab_bases){0};
}

static int read_bases(const struct lab *l, struct lab_bases *out, struct err *e)
{
    _cleanup_strv_ strv texts = NULL;
    int r = lab_read_texts(l, &texts, e);
    out->items = xcalloc(strv_len(texts) + 1, sizeof(struct topology *));
    strv_each (text, texts)
        if (r == 0 && (r = lab_parse_text(l, text, &out->items[out->count], e)) == 0)
            out->count++;
    return r;
}

/* ---- members ---------------------------------------------------------------------------------*/

static char *new_sandbox_id(const struct lab *l, const struct lab_member *fresh, size_t count)
{
    for (size_t i = 0;; i++) {
        char *id = xasprintf("%s-%zu", l->id, i);
        bool used = false;
        for (size_t k = 0; k < l->member_count; k++)
            used = used || streq(l->members[k].sandbox, id);
        for (size_t k = 0; k < count; k++)
            used = used || streq(fresh[k].sandbox, id);
        if (!used)
            return id;
        free(id);
    }
}

/* @fresh[@count] for a node of the new file; what is there of it by now is taken out of the lab. */
static void plan_member(struct lab *l, const struct topology *t, size_t node,
                        struct lab_member *fresh)
{
    const struct lab_node *n = &t->nodes[node];
    struct lab_member *m = &fresh[node];
    for (size_t i = 0; node_has_sandbox(n) && !m->sandbox && i < l->member_count; i++)
        if (streq(l->members[i].name, n->name))
            m->sandbox = take_ptr(l->members[i].sandbox);
    if (node_has_sandbox(n) && !m->sandbox)
        m->sandbox = new_sandbox_id(l, fresh, node);
    m->name = xstrdup(n->name);
    m->long_name = topology_long_name(t, n->name);
    m->kind = n->kind;
}

/* The nodes of @t come first, in its order, because a member has its node's index; behind them, all that goes. */
static void plan_members(struct lab *l, const struct topology *t)
{
    struct lab_member *fresh = xcalloc(t->node_count + l->member_count + 1, sizeof(*fresh));
    size_t count = t->node_count;
    for (size_t i = 0; i < t->node_count; i++)
        plan_member(l, t, i, fresh);
    for (size_t i = 0; i < l->member_count; i++) {
        struct lab_member *old = &l->members[i];
        if (topology_find(t, old->name) == SIZE_MAX || old->sandbox)
            fresh[count++] = *old;
        else {
            free(old->name);
            free(old->long_name);
        }
    }
    free(l->members);
    l->members = fresh;
    l->member_count = count;
}

static void drop_members(struct lab *l, size_t keep)
{
    for (size_t i = keep; i < l->member_count; i++) {
        free(l->members[i].name);
        free(l->members[i].long_name);
        free(l->members[i].sandbox);
    }
    l->member_count = keep;
}

/* ---- what goes -------------------------------------------------------------------------------*/

static int remove_members(struct applying *x, struct err *e)
{
    const struct lab_diff *c = &x->changes;
    const size_t count = x->l->member_count;
    bool *programs = xcalloc(count + 1, sizeof(bool)),
         *sandboxes = xcalloc(count + 1, sizeof(bool));
    for (size_t i = 0; i < count; i++) {
        programs[i] = i >= c->t->node_count || c->nodes[i] >= NODE_AGAIN;
        sandboxes[i] = i >= c->t->node_count || c->nodes[i] == NODE_NEW;
    }
    int r = lab_take_members(x->engine, x->l, programs, sandboxes, NULL, e);
    free(programs);
    free(sandboxes);
    return r;
}

static bool stays(const struct lab_diff *c, const struct topology *old, const struct lab_link *link)
{
    const struct lab_link *same = lab_same_link(old, link, c->t);
    return same && c->links[same - c->t->links] != LINK_NEW;
}

static int remove_links(struct applying *x, struct err *e)
{
    const struct lab_diff *c = &x->changes;
    int r = 0;
    for (size_t k = 0; k < c->bases->count; k++) {
        const struct topology *old = c->bases->items[k];
        for (size_t i = 0; r == 0 && i < old->link_count; i++)
            if (!stays(c, old, &old->links[i]))
                r = wire_remove(x->engine, x->l, old, &old->links[i], e);
    }
    for (size_t i = 0; r == 0 && i < c->t->link_count; i++)
        if (c->links[i] == LINK_NEW)
            r = wire_remove(x->engine, x->l, c->t, &c->t->links[i], e);
    return r;
}

/* ---- what comes ------------------------------------------------------------------------------*/

static long next(void *arg)
{
    struct applying *x = arg;
    while (x->next < x->changes.t->node_count && x->changes.nodes[x->next] != NODE_NEW)
        x->next++;
    return x->next < x->changes.t->node_count ? (long)x->next++ : CREW_NO_MORE;
}

static int make_one(struct engine *engine, size_t job, void *arg, strv *notes, struct err *e)
{
    const struct applying *x = arg;
    (void)notes;
    return node_make(engine, x->changes.t, x->l, job, e);
}

static int make_nodes(struct applying *x, struct err *e)
{
    const struct crew crew = {.root = x->engine->store.root,
                              .run = x->engine->store.run,
                              .workers = crew_size(x->changes.t->node_count),
                              .work = make_one,
                              .next = next,
                              .arg = x};
    x->next = 0;
    return crew_run(&crew, false, e);
}

static int make_links(struct applying *x, struct err *e)
{
    const struct lab_diff *c = &x->changes;
    bool *which = xcalloc(c->t->link_count + 1, sizeof(bool)), any = false;
    for (size_t i = 0; i < c->t->link_count; i++)
        any |= which[i] = c->links[i] == LINK_NEW;
    int r = any ? wires_make(x->engine, c->t, x->l, which, e) : 0;
    for (size_t i = 0; r == 0 && i < c->t->link_count; i++)
        if (c->links[i] == LINK_CHANGE)
            r = wire_change(x->engine, x->l, c, &c->t->links[i], e);
    free(which);
    return r;
}

/* What `lab set` and `lab link` changed is the file's again. */
static int impair_links(struct applying *x, struct err *e)
{
    const struct lab_diff *c = &x->changes;
    _cleanup_spots_ struct spots *s = spots_new(x->engine, c->t, x->l);
    int r = 0;
    for (size_t i = 0; r == 0 && i < c->t->link_count; i++)
        for (int k = 0; r == 0 && k < 2; k++)
            if (c->links[i] != LINK_KEEP && lab_end_sends(&c->t->links[i], k))
                r = lab_end_impair(s, &c->t->links[i].ends[k], &c->t->links[i].ends[k].impairment,
                                   e);
    return r == 0 && spots_started_relay(s) ? lab_impair_all(x->engine, c->t, x->l, true, e) : r;
}

static int run_steps(struct applying *x, struct err *e)
{
    const struct lab_diff *c = &x->changes;
    enum step_part *parts = xcalloc(c->t->node_count + 1, sizeof(*parts));
    for (size_t i = 0; i < c->t->node_count; i++)
        parts[i] = c->nodes[i] >= NODE_AGAIN   ? STEPS_ALL
                   : c->nodes[i] == NODE_START ? STEPS_START
                                               : STEPS_NONE;
    int r = steps_run(x->engine, c->t, x->l, x->o, parts, x->began, e);
    free(parts);
    return r;
}

/* ---- nodes that stay -------------------------------------------------------------------------*/

static bool was_there(const struct lab_diff *c, const struct lab_node *n, const char *line)
{
    for (size_t k = 0; k < c->bases->count; k++) {
        size_t at = topology_find(c->bases->items[k], n->name);
        const struct lab_node *old = at == SIZE_MAX ? NULL : &c->bases->items[k]->nodes[at];
        bool found = false;
        for (size_t i = 0; old && i < old->exec_count; i++)
            found = found || streq(old->execs[i].line, line);
        if (!found)
            return false;
    }
    return true;
}

/* @name itself, or a VLAN of it, as in eth1.20. */
static bool has_interface(char *const *argv, const char *name)
{
    strv_each (word, argv) {
        const char *rest = skip_prefix(word, name);
        if (rest && (!*rest || *rest == '.'))
            return true;
    }
    return false;
}

/* An interface that was made again lost what these lines had given it. */
static bool names_new_link(const struct lab_diff *c, size_t node, const struct lab_exec *line)
{
    for (size_t i = 0; i < c->t->link_count; i++)
        for (int k = 0; k < 2; k++) {
            const struct lab_endpoint *end = &c->t->links[i].ends[k];
            if (c->links[i] == LINK_NEW && end->what == END_NODE && end->node == node &&
                has_interface(line->argv, end->interface))
                return true;
        }
    return false;
}

static bool has_changed_link(const struct lab_diff *c, size_t node)
{
    for (size_t i = 0; i < c->t->link_count; i++)
        for (int k = 0; k < 2; k++)
            if (c->links[i] != LINK_KEEP && c->t->links[i].ends[k].what == END_NODE &&
                c->t->links[i].ends[k].node == node)
                return true;
    return false;
}

static void drop_gateway(struct iproute *ip, const struct ip *old, const struct ip *now)
{
    if (!old->family || now->family)
        return;
    _cleanup_free_ char *text = ip_text(old), *output = NULL;
    char *const line[] = {"ip", "route", "del", "default", "via", text, NULL};
    int status;
    (void)iproute_line(ip, line, &status, &output, NULL);
}

static int drop_gateways(struct applying *x, size_t node, struct err *e)
{
    const struct lab_diff *c = &x->changes;
    const struct lab_node *n = &c->t->nodes[node];
    struct iproute *ip = NULL;
    _cleanup_close_ int netns =
        x->l->members[node].sandbox ? lab_netns(x->engine, &x->l->members[node], e) : -1;
    if (netns < 0)
        return x->l->members[node].sandbox ? netns : 0;
    int r = iproute_open(netns, &ip, e);
    for (size_t k = 0; r == 0 && k < c->bases->count; k++) {
        size_t at = topology_find(c->bases->items[k], n->name);
        if (at == SIZE_MAX)
            continue;
        drop_gateway(ip, &c->bases->items[k]->nodes[at].gateway4, &n->gateway4);
        drop_gateway(ip, &c->bases->items[k]->nodes[at].gateway6, &n->gateway6);
    }
    iproute_close(ip);
    return r;
}

static int touch_up_node(struct applying *x, size_t node, strv *notes, struct err *e)
{
    const struct lab_diff *c = &x->changes;
    const struct lab_node *n = &c->t->nodes[node];
    struct iproute *native = NULL;
    int r = c->nodes[node] == NODE_LINES ? drop_gateways(x, node, e) : 0;
    if (r == 0)
        r = node_settle(x->engine, c->t, x->l, node, e);
    for (size_t i = 0; r >= 0 && i < n->exec_count; i++)
        if (!was_there(c, n, n->execs[i].line) || names_new_link(c, node, &n->execs[i]))
            r = lab_line(x->engine, &x->l->members[node], &native, &n->execs[i], notes, e);
    iproute_close(native);
    return r < 0 ? r : 0;
}

static int touch_up(struct applying *x, struct err *e)
{
    const struct lab_diff *c = &x->changes;
    int r = 0;
    for (size_t i = 0; r == 0 && i < c->t->node_count; i++) {
        _cleanup_strv_ strv notes = NULL;
        if (c->nodes[i] >= NODE_AGAIN || c->t->nodes[i].kind == LAB_BRIDGE ||
            (c->nodes[i] != NODE_LINES && !has_changed_link(c, i)))
            continue;
        r = touch_up_node(x, i, &notes, e);
        const struct lab_news news = {.node = c->t->nodes[i].name,
                                      .what = r < 0 ? "failed" : "changed",
                                      .ms = monotonic_ms() - x->began,
                                      .notes = notes};
        if (x->o->tell)
            x->o->tell(&news, x->o->arg);
    }
    return r;
}

/* ---- the transaction -------------------------------------------------------------------------*/

static int change(struct applying *x, struct err *e)
{
    int r = remove_members(x, e);
    if (r == 0)
        r = remove_links(x, e);
    if (r == 0)
        r = lab_mgmt_make(x->engine, x->changes.t, x->l, e);
    if (r == 0 && lab_uses_host(x->changes.t, x->o))
        r = host_tree_make(x->l->dir, HOST_TREE, e);
    if (r == 0)
        r = make_nodes(x, e);
    if (r == 0)
        r = make_links(x, e);
    if (r == 0)
        r = impair_links(x, e);
    if (r == 0)
        r = run_steps(x, e);
    return r == 0 ? touch_up(x, e) : r;
}

static int begin(struct applying *x, const char *text, size_t size, struct err *e)
{
    int r = lab_keep_text(x->l, e);
    if (r < 0)
        return r;
    plan_members(x->l, x->changes.t);
    lab_changes_clear(x->l);
    lab_plan_host_links(x->l, x->changes.t);
    free(x->l->file);
    x->l->file = xstrdup(x->changes.t->file);
    x->l->state = LAB_CHANGES;
    r = lab_save(x->l, e);
    return r == 0 ? lab_save_text(x->l, x->changes.t, text, size, e) : r;
}

static int end(struct applying *x, struct err *e)
{
    drop_members(x->l, x->changes.t->node_count);
    x->l->state = LAB_UP;
    int r = lab_save(x->l, e);
    if (r == 0)
        lab_drop_texts(x->l);
    return r;
}

static int compare(struct applying *x, const struct lab_bases *bases, const struct topology *t,
                   struct err *e)
{
    lab_diff_clear(&x->changes);
    int r = lab_compare(bases, t, x->o, &x->changes, e);
    if (r == 0)
        lab_look_live(x->engine, x->l, &x->changes);
    return r;
}

/* As the file says that was in force before. */
static void go_back(struct applying *x, const char *text, const char *file)
{
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_topology_ struct topology *t = NULL;
    struct lab_bases both = {0};
    free(x->l->file);
    x->l->file = xstrdup(file);
    int r = lab_parse_text(x->l, text, &t, &e);
    if (r == 0)
        r = read_bases(x->l, &both, &e);
    if (r == 0)
        r = compare(x, &both, t, &e);
    if (r == 0)
        r = begin(x, text, strlen(text), &e);
    if (r == 0)
        r = change(x, &e);
    if (r == 0)
        r = end(x, &e);
    lab_diff_clear(&x->changes);
    bases_clear(&both);
    if (r < 0)
        warn(
            "lab `%s` is left half-way: %s (`netctr lab apply` goes on, `netctr lab down %s` removes it)",
            x->l->name, e.text ? e.text : strerror(-r), x->l->name);
}

static int check(struct applying *x, struct err *e)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < x->changes.t->node_count; i++) {
        const struct lab_node *n = &x->changes.t->nodes[i];
        _cleanup_free_ char *long_name = topology_long_name(x->changes.t, n->name);
        const struct lab_member m = {.name = n->name, .long_name = long_name, .kind = n->kind};
        if (!lab_member(x->l, n->name))
            r = lab_check_name(x->engine, &m, e);
    }
    return r;
}

static int apply(struct applying *x, bool dry_run, void (*each)(const char *line, void *arg),
                 void *arg, struct err *e)
{
    _cleanup_strv_ strv texts = NULL;
    _cleanup_free_ char *file = xstrdup(x->l->file);
    int r = check(x, e);
    if (r == 0)
        r = lab_read_texts(x->l, &texts, e);
    if (r < 0)
        return r;
    strv_each (line, x->changes.lines)
        each(line, arg);
    if (dry_run)
        return 0;
    r = begin(x, x->o->text, x->o->text_size, e);
    if (r == 0)
        r = change(x, e);
    if (r == 0)
        return end(x, e);
    if (!lab_stopped() && texts)
        go_back(x, texts[strv_len(texts) - 1], file);
    else
        err_hint(e, "`netctr lab apply` goes on, `netctr lab down %s` removes it", x->l->name);
    return r;
}

static int apply_to(struct applying *x, const struct topology *t, bool dry_run,
                    void (*each)(const char *line, void *arg), void *arg, struct err *e)
{
    struct lab_bases bases = {0};
    sigset_t stopping, before;
    if (x->l->state == LAB_UP) /* a change that was complete was killed before it dropped them */
        lab_drop_texts(x->l);
    int r = read_bases(x->l, &bases, e);
    if (r == 0)
        r = compare(x, &bases, t, e);
    lab_block_signals(&stopping, &before);
    if (r == 0)
        r = apply(x, dry_run, each, arg, e);
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    lab_diff_clear(&x->changes);
    bases_clear(&bases);
    return r;
}

int lab_apply(struct engine *engine, const struct topology *t, const struct lab_options *o,
              bool dry_run, void (*each)(const char *line, void *arg), void *arg, struct err *e)
{
    _cleanup_lab_ struct lab found = {.dir = -1, .lock = -1}, l = {.dir = -1, .lock = -1};
    struct applying x = {.engine = engine, .o = o, .l = &l, .began = monotonic_ms()};
    bool existed;
    int r = lab_check_images(t, o, e);
    if (r < 0)
        return r;
    r = lab_find(engine, t->name, &found, e);
    if (r == -ENOENT || (r == 0 && (found.state == LAB_STARTS || found.state == LAB_ENDS ||
                                    !lab_lives(engine, &found)))) {
        err_clear(e);
        if (dry_run)
            each("+ lab", arg);
        return dry_run ? 0 : lab_up(engine, t, o, e);
    }
    if (r == 0)
        r = lab_claim(engine, t->name, &l, &existed, e);
    return r < 0 ? r : apply_to(&x, t, dry_run, each, arg, e);
}
