/* Links of a lab that runs: what they are like, and what changes while it runs. A change is in the record before it is made,
 * so that `inspect`, `save`, a relay that starts again, and the lab after a reboot know of it.
 */
#include "relay.h"

#include <errno.h>
#include <string.h>

/* ---- up and down -----------------------------------------------------------------------------*/

/* The kernel drops static routes and addresses of IPv6 with the interface, and brings neither back. */
int lab_interface_down(int netns, struct rt *rt, const struct link *link, strv *routes,
                       struct err *e)
{
    _cleanup_free_ char *key = xasprintf("net/ipv6/conf/%s/keep_addr_on_down", link->name);
    const struct sysctl keep[] = {{key, "1"}, {NULL, NULL}};
    (void)netns_sysctls(netns, keep, NULL);
    int r = lab_routes(rt, link->index, routes, e);
    if (r < 0)
        return r;
    _cleanup_rt_batch_ struct rt_batch *b = rt_batch_new(rt);
    rt_set_down(b, link->index);
    return rt_commit(b, e);
}

int lab_interface_up(int netns, struct rt *rt, int index, char *const *routes, struct err *e)
{
    struct iproute *ip = NULL;
    int status;
    _cleanup_rt_batch_ struct rt_batch *b = rt_batch_new(rt);
    rt_set_up(b, index);
    int r = rt_commit(b, e);
    if (r == 0 && routes)
        r = iproute_open(netns, &ip, e);
    strv_each (line, routes) {
        _cleanup_strv_ strv argv = NULL;
        _cleanup_free_ char *output = NULL;
        if (r == 0)
            r = words_split(line, &argv, e);
        if (r == 0 && iproute_line(ip, argv, &status, &output, e) < 0)
            r = e->code;
    }
    iproute_close(ip);
    return r;
}

/* ---- which ends are meant --------------------------------------------------------------------*/

/* One end of a link, or both. */
struct choice {
    const struct lab_link *link;
    int ends[2];
    size_t count;
};

static bool is_end(const struct lab *l, const struct topology *t, const struct lab_endpoint *end,
                   const char *word)
{
    _cleanup_free_ char *text = lab_end_text(t, end);
    if (end->what == END_NOTHING || end->what == END_MACVLAN)
        return false;
    if (streq(text, word))
        return true;
    _cleanup_free_ char *other =
        end->what == END_NODE ? xasprintf("%s:%s", l->members[end->node].long_name, end->interface)
                              : NULL;
    return other && streq(other, word);
}

static int no_link(const struct lab *l, const char *word, struct err *e)
{
    if (!strchr(word, ':'))
        return err_say(e, -EINVAL, "`%s` is not NODE:INTERFACE; write it as in h1:eth1", word);
    err_say(e, -ENOENT, "lab `%s` has no link at `%s`", l->name, word);
    err_hint(e, "`netctr lab link ls -n %s` lists the links", l->name);
    return -ENOENT;
}

static int add_end(const struct lab *l, const struct topology *t, const char *word,
                   struct choice *out, struct err *e)
{
    for (size_t i = 0; i < 2 * t->link_count; i++) {
        const struct lab_link *link = &t->links[i / 2];
        if (!is_end(l, t, &link->ends[i % 2], word))
            continue;
        if (out->count && (out->link != link || out->ends[0] == (int)(i % 2)))
            return err_say(e, -EINVAL, "`%s` is not the other end of that link", word);
        out->link = link;
        out->ends[out->count++] = i % 2;
        return 0;
    }
    return no_link(l, word, e);
}

static int choose(const struct lab *l, const struct topology *t, const char *text,
                  struct choice *out, struct err *e)
{
    const char *comma = strchr(text, ',');
    _cleanup_free_ char *first = xstrndup(text, comma ? (size_t)(comma - text) : strlen(text));
    *out = (struct choice){0};
    int r = add_end(l, t, first, out, e);
    return r == 0 && comma ? add_end(l, t, comma + 1, out, e) : r;
}

/* ---- a change --------------------------------------------------------------------------------*/

struct change {
    struct engine *engine;
    struct topology *t;
    struct lab l; /* claimed */
    struct choice choice;
    struct spots *spots;
};

static void change_end(struct change *x)
{
    if (x->spots)
        spots_free(x->spots);
    topology_free(x->t);
    lab_clear(&x->l);
}

static int change_begin(struct change *x, struct engine *engine, const char *lab, const char *link,
                        struct err *e)
{
    *x = (struct change){.engine = engine, .l = {.dir = -1, .lock = -1}};
    _cleanup_lab_ struct lab found = {.dir = -1, .lock = -1};
    bool existed = false;
    int r = lab_find(engine, lab, &found, e);
    if (r == 0)
        r = lab_claim(engine, lab, &x->l, &existed, e);
    if (r == 0 && (!existed || !lab_lives(engine, &x->l))) {
        err_say(e, -ESRCH, "lab `%s` is down", lab);
        err_hint(e, "`netctr lab up` brings it up");
        return -ESRCH;
    }
    if (r == 0)
        r = lab_topology(&x->l, &x->t, e);
    if (r == 0)
        r = choose(&x->l, x->t, link, &x->choice, e);
    if (r == 0)
        x->spots = spots_new(engine, x->t, &x->l);
    return r;
}

/* ---- impairments -----------------------------------------------------------------------------*/

static bool is_given(char *const *settings, const char *key)
{
    const size_t length = strlen(key);
    strv_each (setting, settings)
        if (strncmp(setting, key, length) == 0 && setting[length] == '=')
            return true;
    return false;
}

/* Without a delay there is no jitter, so that `delay=0` is enough to take both away. */
static int merge(struct lab_impairment *m, char *const *settings, struct err *e)
{
    int r = 0;
    strv_each (setting, settings) {
        const char *equals = strchr(setting, '=');
        _cleanup_free_ char *key = equals ? xstrndup(setting, (size_t)(equals - setting)) : NULL;
        if (streq(setting, "none"))
            *m = (struct lab_impairment){0};
        else if (!equals)
            return err_say(e, -EINVAL, "`%s` is not KEY=VALUE; write it as in delay=20ms", setting);
        else if ((r = lab_impairment_set(m, key, equals + 1, e)) < 0)
            return r;
    }
    if (!m->delay_us && !is_given(settings, "jitter"))
        m->jitter_us = 0;
    if (!m->delay_us && !is_given(settings, "reorder"))
        m->reorder = 0;
    return lab_impairment_check(m, e);
}

static int note_impairment(struct change *x, const struct lab_endpoint *end,
                           const struct lab_impairment *m, struct err *e)
{
    _cleanup_free_ char *text = lab_end_text(x->t, end);
    struct lab_change *c = lab_change_of(&x->l, text, true);
    c->impaired = true;
    c->impairment = *m;
    return lab_save(&x->l, e);
}

/* A relay that starts gets all links that it had before it died. */
static int apply(struct change *x, const struct lab_endpoint *end, const struct lab_impairment *m,
                 struct err *e)
{
    int r = lab_end_impair(x->spots, end, m, e);
    return r == 0 && spots_started_relay(x->spots) ? lab_impair_all(x->engine, x->t, &x->l, true, e)
                                                   : r;
}

/* After a failure the end is as it was before. */
static int impair(struct change *x, const struct lab_endpoint *end, const struct lab_impairment *to,
                  struct err *e)
{
    const struct lab_impairment before = lab_end_impairment(&x->l, x->t, end);
    int r = note_impairment(x, end, to, e);
    if (r == 0)
        r = apply(x, end, to, e);
    if (r < 0) {
        (void)note_impairment(x, end, &before, NULL);
        (void)lab_end_impair(x->spots, end, &before, NULL);
    }
    return r;
}

static int impair_chosen(struct change *x, char *const *settings, struct err *e)
{
    struct lab_impairment to[2];
    const struct choice *c = &x->choice;
    int r = 0;
    for (size_t i = 0; r == 0 && i < c->count; i++) {
        if (!lab_end_sends(c->link, c->ends[i]))
            return err_say(e, -EINVAL, "this link leads nowhere: it carries no packets");
        to[i] = lab_end_impairment(&x->l, x->t, &c->link->ends[c->ends[i]]);
        r = merge(&to[i], settings, e);
    }
    for (size_t i = 0; r == 0 && i < c->count; i++)
        r = impair(x, &c->link->ends[c->ends[i]], &to[i], e);
    return r;
}

int lab_impair(struct engine *engine, const char *lab, const char *link, char *const *settings,
               struct err *e)
{
    struct change x;
    int r = change_begin(&x, engine, lab, link, e);
    if (r == 0)
        r = impair_chosen(&x, settings, e);
    change_end(&x);
    return r;
}

/* ---- switched --------------------------------------------------------------------------------*/

static int switch_end(struct change *x, const struct lab_endpoint *end, bool up, struct err *e)
{
    struct spot at;
    _cleanup_free_ char *text = lab_end_text(x->t, end);
    int r = spot_find(x->spots, end, &at, e);
    if (r < 0)
        return r;
    struct lab_change *c = lab_change_of(&x->l, text, true);
    if (up) {
        r = lab_interface_up(at.netns, at.rt, at.link.index, c->routes, e);
        if (r == 0) {
            strv_free(take_ptr(c->routes));
            c->down = false;
            r = lab_save(&x->l, e);
        }
        return r;
    }
    if (!(at.link.flags & IFF_UP)) /* its routes have gone already */
        return 0;
    strv_free(take_ptr(c->routes));
    r = lab_routes(at.rt, at.link.index, &c->routes, e);
    c->down = true;
    if (r == 0)
        r = lab_save(&x->l, e);
    _cleanup_strv_ strv same = NULL;
    return r == 0 ? lab_interface_down(at.netns, at.rt, &at.link, &same, e) : r;
}

int lab_link_switch(struct engine *engine, const char *lab, const char *link, bool up,
                    struct err *e)
{
    struct change x;
    int r = change_begin(&x, engine, lab, link, e);
    for (size_t i = 0; r == 0 && i < x.choice.count; i++)
        r = switch_end(&x, &x.choice.link->ends[x.choice.ends[i]], up, e);
    change_end(&x);
    return r;
}

/* ---- shown -----------------------------------------------------------------------------------*/

/* What a relay says of itself. */
struct report {
    bool alive;
    int pid;
    struct relay_message *items;
    size_t count;
};

static void read_relay(struct engine *engine, const struct lab *l, struct report *out)
{
    enum { MOST = 100000 };
    _cleanup_close_ int relay = relay_connect(engine, l, NULL);
    *out = (struct report){0};
    while (relay >= 0 && out->count < MOST) {
        struct relay_message m = {.op = RELAY_GET, .index = (uint32_t)out->count};
        int r = relay_ask(relay, &m, NULL);
        out->alive = out->alive || r == 0 || r == -ENOENT;
        out->pid = m.pid;
        if (r < 0)
            break;
        out->items = xrealloc(out->items, out->count + 1, sizeof(*out->items));
        out->items[out->count++] = m;
    }
}

static const struct relay_message *relayed(const struct report *report, const char *end)
{
    for (size_t i = 0; i < report->count; i++)
        if (streq(report->items[i].end, end))
            return &report->items[i];
    return NULL;
}

static void put_applied(json_t *j, const struct spot *at, const struct lab_impairment *m,
                        const struct relay_message *by)
{
    uint32_t rate = 0;
    const char *how = NULL;
    if (!lab_impairment_more_than_rate(m))
        how = rt_get_rate(at->rt, at->link.index, &rate, NULL) == 0 && rate ? "tbf" : NULL;
    else
        how = rt_has_netem(at->rt, at->link.index, NULL) == 1 ? "netem" : by ? "relay" : NULL;
    json_object_set_new(j, "applied", json_boolean(how));
    json_put_str(j, "applied_by", how);
    if (by && streq(how, "relay"))
        json_object_set_new(j, "frames",
                            json_pack("{s:I, s:I, s:I}", "sent", (json_int_t)by->sent, "lost",
                                      (json_int_t)by->lost, "overflowed",
                                      (json_int_t)by->overflowed));
}

static json_t *end_json(struct spots *spots, const struct lab *l, const struct topology *t,
                        const struct lab_link *link, int k, const struct report *report)
{
    const struct lab_endpoint *end = &link->ends[k];
    _cleanup_free_ char *text = lab_end_text(t, end);
    json_t *j = json_object();
    struct spot at = {.netns = -1};
    json_put_str(j, "end", *text ? text : NULL);
    if (end->what == END_NODE)
        json_put_str(j, "node", t->nodes[end->node].name);
    json_put_str(j, "interface", end->interface);
    if (end->what == END_NOTHING)
        return j;
    const bool there = spot_find(spots, end, &at, NULL) == 0;
    json_put_str(j, "state",
                 !there                      ? "missing"
                 : !(at.link.flags & IFF_UP) ? "down"
                 : at.link.carrier           ? "up"
                                             : "no carrier");
    const struct lab_impairment m = lab_end_impairment(l, t, end);
    if (!lab_end_sends(link, k) || !lab_impairment_any(&m))
        return j;
    json_object_set_new(j, "impairments", lab_impairment_json(&m));
    if (there)
        put_applied(j, &at, &m, relayed(report, text));
    else
        json_object_set_new(j, "applied", json_false());
    return j;
}

/* A relay is missed if a link needs one, because netem does nothing for it. */
static json_t *relay_json(const json_t *links, const struct report *report)
{
    bool missed = false;
    const json_t *link, *end;
    size_t i, k;
    json_array_foreach (links, i, link) {
        json_array_foreach (json_object_get(link, "ends"), k, end) {
            const json_t *m = json_object_get(end, "impairments");
            const size_t only_rate = json_object_get(m, "rate") ? 1 : 0;
            missed = missed || (json_object_size(m) > only_rate &&
                                !streq(json_str(end, "applied_by"), "netem"));
        }
    }
    if (!missed && !report->alive)
        return NULL;
    json_t *j = json_pack("{s:b}", "alive", report->alive);
    if (report->alive)
        json_object_set_new(j, "pid", json_integer(report->pid));
    return j;
}

int lab_links(struct engine *engine, const struct lab *l, json_t **out, json_t **relay,
              struct err *e)
{
    _cleanup_topology_ struct topology *t = NULL;
    struct report report;
    *out = NULL;
    if (relay)
        *relay = NULL;
    int r = lab_topology(l, &t, e);
    if (r < 0)
        return r;
    read_relay(engine, l, &report);
    _cleanup_spots_ struct spots *spots = spots_new(engine, t, l);
    *out = json_array();
    for (size_t i = 0; i < t->link_count; i++) {
        json_t *ends = json_array();
        for (int k = 0; k < 2; k++)
            json_array_append_new(ends, end_json(spots, l, t, &t->links[i], k, &report));
        json_array_append_new(*out, json_pack("{s:o}", "ends", ends));
    }
    json_t *how = relay_json(*out, &report);
    if (relay)
        *relay = how;
    else
        json_decref(how);
    free(report.items);
    return 0;
}
