/* Which step of which node may begin. All links exist by now. A node's steps follow each other:
 *
 *     START      its program                     CONFIGURE   its exec lines
 *     HEALTHY    its health check succeeds       EXIT        its program has ended
 *
 * and each waits for those that `stages: … wait-for` names. The last two are done only if a node waits for them. A step is
 * one job of a worker.
 */
#include "lab.h"

#include <errno.h>
#include <string.h>
#include <time.h>

enum step { START, CONFIGURE, HEALTHY, EXIT, STEPS };
enum progress { UNWANTED, WAITING, RUNNING, DONE };
enum { WORKERS_MAX = 64 };

struct steps {
    const struct topology *t;
    const struct lab *l;
    const struct lab_options *o;
    enum progress *of; /* STEPS for each node */
    size_t left, busy, busy_max;
    int64_t began;
};

static enum progress *at(struct steps *s, size_t node, enum step step)
{
    return &s->of[node * STEPS + step];
}

/* The step that completes a stage. */
static enum step completes(enum lab_stage stage)
{
    switch (stage) {
    case STAGE_CREATE:
    case STAGE_CREATE_LINKS: return START;
    case STAGE_CONFIGURE: return CONFIGURE;
    case STAGE_HEALTHY: return HEALTHY;
    default: return EXIT;
    }
}

static bool has_container(const struct lab_node *n)
{
    return n->kind == LAB_LINUX;
}

/* ---- in the master ---------------------------------------------------------------------------*/

static void want(struct steps *s, size_t node, enum step step)
{
    enum progress *p = at(s, node, step);
    if (*p != UNWANTED || !has_container(&s->t->nodes[node]))
        return;
    *p = WAITING;
    s->left++;
}

static void skip(struct steps *s, enum step_part part, size_t node)
{
    for (int step = part == STEPS_START ? CONFIGURE : START; step < STEPS; step++)
        *at(s, node, (enum step)step) = DONE;
}

static void plan(struct steps *s, const enum step_part *parts)
{
    for (size_t i = 0; parts && i < s->t->node_count; i++)
        if (parts[i] != STEPS_ALL)
            skip(s, parts[i], i);
    for (size_t i = 0; i < s->t->node_count; i++) {
        const struct lab_node *n = &s->t->nodes[i];
        want(s, i, START);
        want(s, i, CONFIGURE);
        for (size_t stage = 0; stage < STAGES; stage++)
            for (size_t w = 0; w < n->stages[stage].wait_count; w++)
                want(s, n->stages[stage].waits[w].index,
                     completes(n->stages[stage].waits[w].stage));
        if (n->stages[STAGE_HEALTHY].exec_count)
            want(s, i, HEALTHY);
        if (n->stages[STAGE_EXIT].exec_count)
            want(s, i, EXIT);
    }
}

static bool waits_done(struct steps *s, const struct lab_stage_plan *plan)
{
    for (size_t w = 0; w < plan->wait_count; w++) {
        size_t node = plan->waits[w].index;
        if (has_container(&s->t->nodes[node]) &&
            *at(s, node, completes(plan->waits[w].stage)) != DONE)
            return false;
    }
    return true;
}

static bool may_begin(struct steps *s, size_t node, enum step step)
{
    const struct lab_node *n = &s->t->nodes[node];
    switch (step) {
    case START:
        if (n->network == NODE_CONTAINER && n->network_of_index != SIZE_MAX &&
            *at(s, n->network_of_index, START) != DONE)
            return false;
        return waits_done(s, &n->stages[STAGE_CREATE]) &&
               waits_done(s, &n->stages[STAGE_CREATE_LINKS]);
    case CONFIGURE:
        return *at(s, node, START) == DONE && waits_done(s, &n->stages[STAGE_CONFIGURE]);
    case HEALTHY:
        return *at(s, node, CONFIGURE) == DONE && waits_done(s, &n->stages[STAGE_HEALTHY]);
    default: return *at(s, node, CONFIGURE) == DONE && waits_done(s, &n->stages[STAGE_EXIT]);
    }
}

/* Does it wait most of the time, so that it needs no processor? */
static bool is_idle(const struct steps *s, size_t node, enum step step)
{
    return step == HEALTHY || step == EXIT || (step == START && s->t->nodes[node].startup_delay_ms);
}

static long next(void *arg)
{
    struct steps *s = arg;
    for (size_t i = 0; i < s->t->node_count * STEPS; i++) {
        const size_t node = i / STEPS;
        const enum step step = (enum step)(i % STEPS);
        if (s->of[i] != WAITING || !may_begin(s, node, step))
            continue;
        if (!is_idle(s, node, step) && s->busy >= s->busy_max)
            continue;
        s->busy += !is_idle(s, node, step);
        s->of[i] = RUNNING;
        return (long)i;
    }
    return s->left ? CREW_NONE_NOW : CREW_NO_MORE;
}

static void done(size_t job, bool failed, strv notes, void *arg)
{
    static const char *const words[] = {"started", "ready", "healthy", "ended"};
    struct steps *s = arg;
    const size_t node = job / STEPS;
    const enum step step = (enum step)(job % STEPS);
    s->of[job] = DONE;
    s->left--;
    s->busy -= !is_idle(s, node, step);
    const struct lab_news news = {.node = s->t->nodes[node].name,
                                  .what = failed ? "failed" : words[step],
                                  .ms = monotonic_ms() - s->began,
                                  .notes = notes};
    if (s->o->tell)
        s->o->tell(&news, s->o->arg);
}

/* ---- in a worker -----------------------------------------------------------------------------*/

struct job {
    struct engine *engine;
    const struct steps *s;
    size_t node;
    struct iproute *native;
    strv *notes;
};

static int run_stage(struct job *j, enum lab_stage stage, bool on_exit, struct err *e)
{
    const struct lab_stage_plan *p = &j->s->t->nodes[j->node].stages[stage];
    int r = 0;
    for (size_t i = 0; r >= 0 && i < p->exec_count; i++) {
        const struct lab_stage_exec *x = &p->execs[i];
        if (x->on_exit != on_exit)
            continue;
        r = x->on_host ? lab_host_line(j->s->t, &x->exec, j->notes, e)
                       : lab_line(j->engine, &j->s->l->members[j->node], &j->native, &x->exec,
                                  j->notes, e);
    }
    return r < 0 ? r : 0;
}

static int start(struct job *j, struct err *e)
{
    const struct lab_node *n = &j->s->t->nodes[j->node];
    int r = n->startup_delay_ms ? lab_sleep(n->startup_delay_ms, e) : 0;
    if (r == 0)
        r = run_stage(j, STAGE_CREATE, false, e);
    if (r == 0)
        r = node_settle(j->engine, j->s->t, j->s->l, j->node, e);
    if (r == 0)
        r = program_start(j->engine, j->s->t, j->s->l, j->node, j->s->o, e);
    if (r == 0)
        r = run_stage(j, STAGE_CREATE, true, e);
    if (r == 0)
        r = run_stage(j, STAGE_CREATE_LINKS, false, e);
    return r == 0 ? run_stage(j, STAGE_CREATE_LINKS, true, e) : r;
}

/* In their order, whatever comes of each. A node whose program has ended has no lines to run any more; that is reported. */
static int configure(struct job *j, struct err *e)
{
    const struct lab_node *n = &j->s->t->nodes[j->node];
    bool failed = false;
    int r = run_stage(j, STAGE_CONFIGURE, false, e);
    for (size_t i = 0; r >= 0 && i < n->exec_count; i++) {
        r = lab_line(j->engine, &j->s->l->members[j->node], &j->native, &n->execs[i], j->notes, e);
        failed = failed || r > 0;
    }
    if (r >= 0)
        r = run_stage(j, STAGE_CONFIGURE, true, e);
    if (r < 0)
        err_wrap(e, "node `%s`", n->name);
    if (r >= 0 && failed && j->s->o->strict)
        return err_say(e, -ECANCELED, "node `%s`: an exec line failed", n->name);
    return r < 0 ? r : 0;
}

static int is_healthy(struct job *j, const struct lab_health *h)
{
    _cleanup_free_ char *output = NULL;
    _cleanup_err_ struct err e = ERR_INIT;
    return lab_command(j->engine, &j->s->l->members[j->node], h->argv, &output,
                       h->timeout_ms ? h->timeout_ms : 30000, &e) == 0;
}

/* The start period does not count, as in docker. */
static int become_healthy(struct job *j, struct err *e)
{
    const struct lab_node *n = &j->s->t->nodes[j->node];
    const struct lab_health *h = &n->health;
    const unsigned interval = h->interval_ms ? h->interval_ms : 30000;
    const int64_t counts_from = monotonic_ms() + h->start_period_ms;
    unsigned failures = 0;
    if (!h->given)
        return err_say(e, -EINVAL, "node `%s` has no healthcheck to wait for", n->name);
    int r = run_stage(j, STAGE_HEALTHY, false, e);
    /* The first checks follow each other fast, so that a node that is ready soon delays no other. */
    unsigned pause = interval < 200 ? interval : 200;
    while (r == 0 && !is_healthy(j, h)) {
        failures += monotonic_ms() >= counts_from && pause >= interval;
        if (failures > (h->retries ? h->retries : 3))
            return err_say(e, -ETIMEDOUT, "node `%s` is unhealthy", n->name);
        if (lab_sleep(pause, e) < 0)
            return e->code;
        pause = pause * 2 < interval ? pause * 2 : interval;
    }
    return r == 0 ? run_stage(j, STAGE_HEALTHY, true, e) : r;
}

static int await_exit(struct job *j, struct err *e)
{
    int code = run_stage(j, STAGE_EXIT, false, e);
    if (code == 0)
        code = lab_wait_exit(j->engine, &j->s->l->members[j->node], e);
    return code == 0 ? run_stage(j, STAGE_EXIT, true, e) : code;
}

static int work(struct engine *engine, size_t index, void *arg, strv *notes, struct err *e)
{
    static int (*const all[])(struct job * j, struct err * e) = {start, configure, become_healthy,
                                                                 await_exit};
    struct job j = {.engine = engine, .s = arg, .node = index / STEPS, .notes = notes};
    int r = all[index % STEPS](&j, e);
    iproute_close(j.native);
    return r;
}

int steps_run(struct engine *engine, const struct topology *t, const struct lab *l,
              const struct lab_options *o, const enum step_part *parts, int64_t began,
              struct err *e)
{
    struct steps s = {.t = t, .l = l, .o = o, .began = began, .busy_max = crew_size(SIZE_MAX)};
    s.of = xcalloc(t->node_count + 1, STEPS * sizeof(*s.of));
    plan(&s, parts);
    const struct crew crew = {.root = engine->store.root,
                              .run = engine->store.run,
                              .workers = s.left < WORKERS_MAX ? s.left : WORKERS_MAX,
                              .work = work,
                              .next = next,
                              .done = done,
                              .arg = &s};
    int r = s.left ? crew_run(&crew, false, e) : 0;
    free(s.of);
    return r;
}
