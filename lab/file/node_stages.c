/* Keys of a node about order: stages, wait-for, the health check. */
#include "file.h"

#include <string.h>

static const char *const stage_names[] = {
    [STAGE_CREATE] = "create",       [STAGE_CREATE_LINKS] = "create-links",
    [STAGE_CONFIGURE] = "configure", [STAGE_HEALTHY] = "healthy",
    [STAGE_EXIT] = "exit",           [STAGES] = NULL};

static enum lab_stage stage_of(const char *name)
{
    enum lab_stage s = STAGE_CREATE;
    while (s < STAGES && !streq(stage_names[s], name))
        s++;
    return s;
}

/* Where a stage's keys go. */
struct target {
    struct draft *draft;
    enum lab_stage stage;
    bool on_exit;
};

static struct lab_stage_plan *plan_of(const struct target *t)
{
    return &t->draft->node->stages[t->stage];
}

static void add_wait(struct lab_stage_plan *p, const char *node, enum lab_stage stage,
                     struct place at)
{
    for (size_t i = 0; i < p->wait_count; i++)
        if (streq(p->waits[i].node, node) && p->waits[i].stage == stage)
            return;
    p->waits = xrealloc(p->waits, p->wait_count + 1, sizeof(*p->waits));
    p->waits[p->wait_count++] = (struct lab_wait){xstrdup(node), SIZE_MAX, stage, at};
}

/* ---- wait-for --------------------------------------------------------------------------------*/

struct wait_texts {
    char *node, *stage;
};

static void stage_waits(struct reader *r, const struct key *key, const struct tree *value, void *to)
{
    const struct target *t = to;
    for (size_t i = 0; i < value->count; i++) {
        const struct tree *v = value->items[i].value;
        struct wait_texts w = {0};
        if (!want_map(r, "an entry of `wait-for`", v))
            continue;
        keys_read(r, key->table, v, &w);
        enum lab_stage stage = w.stage ? stage_of(w.stage) : STAGES;
        if (!tree_get(v, "node"))
            fault(r, v->place,
                  "this entry of `wait-for` has no node; write {node: NAME, stage: STAGE}");
        else if (!tree_get(v, "stage"))
            fault(r, v->place,
                  "this entry of `wait-for` has no stage; write {node: NAME, stage: STAGE}");
        else if (w.node && stage < STAGES && spend(r, v->place, 1))
            add_wait(plan_of(t), w.node, stage, v->place);
        free(w.node);
        free(w.stage);
    }
}

/* The old form: names of nodes that must have been created. */
void node_wait_for(struct reader *r, const struct key *key, const struct tree *value, void *to)
{
    struct draft *d = to;
    (void)r;
    (void)key;
    for (size_t i = 0; i < tree_text_count(value); i++) {
        const struct tree *v = tree_text_at(value, i);
        add_wait(&d->node->stages[STAGE_CREATE], v->text, STAGE_CREATE, v->place);
    }
}

static const struct key wait_keys[] = {
    {"node", KEY_APPLY, SHAPE_TEXT, read_text, "Name of the node to wait for",
     offsetof(struct wait_texts, node), NULL, NULL},
    {"stage", KEY_APPLY, SHAPE_TEXT, read_text, "The stage that it must have finished",
     offsetof(struct wait_texts, stage), NULL, stage_names},
};
static TABLE(table_wait, "an entry of `wait-for`", wait_keys);

/* ---- exec ------------------------------------------------------------------------------------*/

struct exec_texts {
    char *command, *target, *phase;
};

static void add_exec(struct reader *r, const struct target *t, const struct tree *at,
                     const char *line, bool on_exit, bool on_host)
{
    struct lab_stage_plan *p = plan_of(t);
    strv argv = NULL;
    if (!read_words(r, at->place, line, &argv))
        return;
    if (!argv) {
        fault(r, at->place, "this line of `exec` is empty; remove it");
        return;
    }
    p->execs = xrealloc(p->execs, p->exec_count + 1, sizeof(*p->execs));
    p->execs[p->exec_count++] =
        (struct lab_stage_exec){.exec = {magic_expand(r, t->draft, line), argv, at->place},
                                .on_exit = on_exit,
                                .on_host = on_host};
}

static void exec_of_table(struct reader *r, const struct key *key, const struct tree *v,
                          const struct target *t)
{
    struct exec_texts x = {0};
    keys_read(r, key->table, v, &x);
    _cleanup_free_ char *line = x.command ? magic_expand(r, t->draft, x.command) : NULL;
    if (!line)
        fault(r, v->place, "this entry of `exec` has no command; write {command: LINE}");
    else
        add_exec(r, t, v, line, x.phase ? streq(x.phase, "on-exit") : t->on_exit,
                 x.target && streq(x.target, "host"));
    free(x.command);
    free(x.target);
    free(x.phase);
}

static void exec_list(struct reader *r, const struct key *key, const struct tree *value, void *to)
{
    const struct target *t = to;
    for (size_t i = 0; i < value->count; i++) {
        const struct tree *v = value->items[i].value;
        if (v->kind == TREE_TEXT) {
            _cleanup_free_ char *line = magic_expand(r, t->draft, v->text);
            add_exec(r, t, v, line, t->on_exit, false);
        } else if (want_map(r, "an entry of `exec`", v)) {
            exec_of_table(r, key, v, t);
        }
    }
}

static void phase_list(struct reader *r, const struct key *key, const struct tree *value, void *to)
{
    struct target t = *(struct target *)to;
    t.on_exit = streq(key->name, "on-exit");
    exec_list(r, key, value, &t);
}

static const char *const targets[] = {"container", "host", NULL};
static const char *const phases[] = {"on-enter", "on-exit", NULL};
static const struct key exec_keys[] = {
    {"command", KEY_APPLY, SHAPE_TEXT, read_text, "The line; no shell reads it",
     offsetof(struct exec_texts, command), NULL, NULL},
    {"target", KEY_APPLY, SHAPE_TEXT, read_text, "Where it runs",
     offsetof(struct exec_texts, target), NULL, targets},
    {"phase", KEY_APPLY, SHAPE_TEXT, read_text, "When it runs", offsetof(struct exec_texts, phase),
     NULL, phases},
};
static TABLE(table_stage_exec, "an entry of `exec`", exec_keys);
static const struct key phase_keys[] = {
    {"on-enter", KEY_APPLY, SHAPE_TEXT_OR_TABLES, phase_list, "Lines at the beginning of the stage",
     0, &table_stage_exec, NULL},
    {"on-exit", KEY_APPLY, SHAPE_TEXT_OR_TABLES, phase_list, "Lines at the end of the stage", 0,
     &table_stage_exec, NULL},
};
static TABLE(table_phases, "`exec` of a stage", phase_keys);

/* A list of lines, or a map with a list for each phase. */
static void stage_execs(struct reader *r, const struct key *key, const struct tree *value, void *to)
{
    struct key list = *key;
    list.table = &table_stage_exec;
    if (value->kind == TREE_MAP)
        keys_read(r, &table_phases, value, to);
    else
        exec_list(r, &list, value, to);
}

/* ---- stages ----------------------------------------------------------------------------------*/

static const struct key stage_keys[] = {
    {"wait-for", KEY_APPLY, SHAPE_TABLES, stage_waits, "Stages of other nodes to wait for", 0,
     &table_wait, NULL},
    {"exec", KEY_APPLY, SHAPE_LINES, stage_execs, "Lines to run in this stage", 0,
     &table_stage_exec, NULL},
};
static TABLE(table_stage, "a stage", stage_keys);

static void stage_read(struct reader *r, const struct key *key, const struct tree *value, void *to)
{
    struct target t = {.draft = to, .stage = stage_of(key->name)};
    keys_read(r, key->table, value, &t);
}

static const struct key stages_keys[] = {
    {"create", KEY_APPLY, SHAPE_TABLE, stage_read, "Before the node's program starts", 0,
     &table_stage, NULL},
    {"create-links", KEY_APPLY, SHAPE_TABLE, stage_read, "When its links exist", 0, &table_stage,
     NULL},
    {"configure", KEY_APPLY, SHAPE_TABLE, stage_read, "Its `exec` lines", 0, &table_stage, NULL},
    {"healthy", KEY_APPLY, SHAPE_TABLE, stage_read, "Its health check succeeds", 0, &table_stage,
     NULL},
    {"exit", KEY_APPLY, SHAPE_TABLE, stage_read, "Its program has ended", 0, &table_stage, NULL},
};
TABLE(table_stages, "`stages`", stages_keys);

void node_stages(struct reader *r, const struct key *key, const struct tree *value, void *to)
{
    keys_read(r, key->table, value, to);
}

/* ---- the health check ------------------------------------------------------------------------*/

static void health_test(struct reader *r, const struct key *key, const struct tree *value, void *to)
{
    struct lab_health *h = to;
    size_t count = tree_text_count(value);
    const char *first = count ? tree_text_at(value, 0)->text : "";
    bool shell = value->kind == TREE_TEXT || streq(first, "CMD-SHELL");
    (void)key;
    strv_free(h->argv);
    h->argv = NULL;
    h->given = !streq(first, "NONE");
    if (!h->given)
        return;
    size_t from = value->kind == TREE_TEXT ? 0 : 1;
    if ((!shell && !streq(first, "CMD")) || count <= from || (shell && count != from + 1)) {
        h->given = false;
        fault(
            r, value->place,
            "`test` of a health check is not a command; write [CMD, PROGRAM, ARG…], [CMD-SHELL, LINE] "
            "or [NONE]");
        return;
    }
    if (shell) {
        strv_add(&h->argv, "/bin/sh");
        strv_add(&h->argv, "-c");
    }
    for (size_t i = from; i < count; i++)
        strv_add(&h->argv, tree_text_at(value, i)->text);
}

static void health_time(struct reader *r, const struct key *key, const struct tree *value, void *to)
{
    (void)read_duration(r, key->name, value, (unsigned *)((char *)to + key->offset));
}

static void health_retries(struct reader *r, const struct key *key, const struct tree *value,
                           void *to)
{
    uint64_t n;
    if (read_number(r, key->name, value, 1, 100000, &n))
        ((struct lab_health *)to)->retries = (unsigned)n;
}

static const struct key health_keys[] = {
    {"test", KEY_APPLY, SHAPE_TEXT_OR_TEXTS, health_test,
     "[CMD, PROGRAM, ARG…], [CMD-SHELL, LINE] or [NONE]", 0, NULL, NULL},
    {"interval", KEY_APPLY, SHAPE_TEXT, health_time,
     "Between two checks, in seconds or with a unit", offsetof(struct lab_health, interval_ms),
     NULL, NULL},
    {"timeout", KEY_APPLY, SHAPE_TEXT, health_time, "How long one check may take",
     offsetof(struct lab_health, timeout_ms), NULL, NULL},
    {"start-period", KEY_APPLY, SHAPE_TEXT, health_time,
     "How long failures do not count after the start", offsetof(struct lab_health, start_period_ms),
     NULL, NULL},
    {"retries", KEY_APPLY, SHAPE_NUMBER, health_retries, "So many failures make the node unhealthy",
     0, NULL, NULL},
};
TABLE(table_health, "`healthcheck`", health_keys);

/* The most specific level's health check counts as a whole. */
void node_health(struct reader *r, const struct key *key, const struct tree *value, void *to)
{
    struct lab_health *h = &((struct draft *)to)->node->health;
    strv_free(h->argv);
    *h = (struct lab_health){.interval_ms = 30000, .timeout_ms = 30000, .retries = 3};
    keys_read(r, key->table, value, h);
    if (!tree_get(value, "test"))
        fault(r, value->place, "this health check has no `test`; add test: [CMD, PROGRAM, ARG…]");
    if (!h->interval_ms)
        h->interval_ms = 30000;
    if (!h->timeout_ms)
        h->timeout_ms = 30000;
}
