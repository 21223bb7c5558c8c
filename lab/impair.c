/* What is done to the packets that an end of a link sends. A rate alone is a token bucket. Everything else is netem's, where
 * the kernel has it, and a relay's (relay.h) where it has not.
 *
 * A relay's frames do not pass the token bucket of the interface, so the TAP device has a bucket of its
 * own. That of the interface stays: it limits a link whose relay has died.
 */
#include "relay.h"

#include <errno.h>
#include <netctr/nft.h>
#include <string.h>

struct spots {
    struct engine *engine;
    const struct topology *t;
    const struct lab *l;
    struct spot *all; /* one for each node; the last is the host's */
    struct opened opened;
    int netem;    /* does the kernel have it? -1: not known yet */
    int relay;    /* a connection; -1: none yet */
    bool started; /* the relay, just now */
};

/* ---- where an end is -------------------------------------------------------------------------*/

struct spots *spots_new(struct engine *engine, const struct topology *t, const struct lab *l)
{
    struct spots *s = xcalloc(1, sizeof(*s));
    *s = (struct spots){.engine = engine, .t = t, .l = l, .netem = -1, .relay = -1};
    s->all = xcalloc(t->node_count + 1, sizeof(*s->all));
    for (size_t i = 0; i <= t->node_count; i++)
        s->all[i].netns = -1;
    opened_begin(&s->opened, 2);
    return s;
}

static void close_all(struct spots *s)
{
    for (size_t i = 0; i <= s->t->node_count; i++) {
        rt_close(s->all[i].rt);
        close_fd(s->all[i].netns);
        s->all[i] = (struct spot){.netns = -1};
    }
    s->opened.count = 0;
}

void spots_free(struct spots *s)
{
    close_all(s);
    opened_end(&s->opened);
    close_fd(s->relay);
    free(s->all);
    free(s);
}

void spots_cleanup(struct spots **s)
{
    if (*s)
        spots_free(*s);
}

int spot_find(struct spots *s, const struct lab_endpoint *end, struct spot *out, struct err *e)
{
    const bool node = end->what == END_NODE;
    struct spot *at = &s->all[node ? end->node : s->t->node_count];
    int r = 0;
    if (at->netns < 0 && !opened_has_room(&s->opened, 1))
        close_all(s);
    s->opened.count += at->netns < 0;
    if (at->netns < 0)
        at->netns = node ? lab_netns(s->engine, &s->l->members[end->node], e) : netns_self();
    if (at->netns < 0)
        return node ? at->netns : err_set(e, at->netns, "open this network namespace");
    if (!at->rt)
        r = netns_open_rt(at->netns, &at->rt, e);
    if (r == 0 && (r = rt_get_link(at->rt, end->interface, &at->link)) < 0) {
        _cleanup_free_ char *text = lab_end_text(s->t, end);
        err_set(e, r, "find interface `%s`", text);
    }
    *out = *at;
    return r;
}

bool lab_end_sends(const struct lab_link *link, int end)
{
    const enum lab_end what = link->ends[end].what;
    return (what == END_NODE || what == END_HOST || what == END_MGMT) &&
           link->ends[!end].what != END_NOTHING;
}

/* ---- in the kernel ---------------------------------------------------------------------------*/

/* Bits per second to a token bucket: at least a frame, or 20 ms, may leave at once; 200 ms may wait. */
static void add_rate(struct rt_batch *b, int index, uint64_t bits, bool netem)
{
    enum { BURST_MIN = 10000 };
    uint64_t bytes = bits / 8, burst = bytes / 50;
    if (!bytes)
        return;
    if (bytes > UINT32_MAX)
        bytes = UINT32_MAX;
    burst = burst < BURST_MIN ? BURST_MIN : burst > (8 << 20) ? 8 << 20 : burst;
    uint64_t limit = burst + bytes / 5;
    (netem ? rt_set_rate_behind_netem
           : rt_set_rate)(b, index, (uint32_t)bytes, (uint32_t)burst,
                          (uint32_t)(limit > INT32_MAX ? INT32_MAX : limit));
}

static uint32_t part(double percent)
{
    return (uint32_t)(percent / 100 * UINT32_MAX);
}

static int set_queues(struct spots *s, const struct spot *at, const struct lab_impairment *m,
                      struct err *e)
{
    const bool more = lab_impairment_more_than_rate(m);
    if (more && s->netem < 0)
        s->netem = rt_knows_qdisc(at->rt, "netem") == 1;
    const bool netem = more && s->netem;
    const struct netem n = {m->delay_us,        m->jitter_us,     part(m->loss),
                            part(m->duplicate), part(m->corrupt), part(m->reorder)};
    _cleanup_rt_batch_ struct rt_batch *b = rt_batch_new(at->rt);
    rt_clear_qdisc(b, at->link.index);
    if (netem)
        rt_set_netem(b, at->link.index, &n);
    add_rate(b, at->link.index, m->rate, netem);
    int r = rt_commit(b, e);
    return r < 0 ? r : netem;
}

/* ---- by a relay ------------------------------------------------------------------------------*/

enum { RELAY_MARK = 0x6e637472 }; /* of the frames that it sends, which need not go to it again */

struct rule {
    const char *device;
    char *table;
    int to;
};

/* In the node's namespace. Returns the socket that the rule lives as long as. */
static int make_rule(void *arg, struct err *e)
{
    const struct rule *x = arg;
    struct nft *n = NULL;
    int r = nft_open(&n, e);
    if (r == 0)
        r = nft_forward(n, x->table, x->device, x->to, RELAY_MARK, e);
    if (r == 0 && (r = nft_socket(n)) < 0)
        err_set(e, r, "keep a netlink socket");
    nft_close(n);
    return r;
}

static char *tap_alias(const struct spot *at)
{
    return xasprintf(LAB_TAP_ALIAS "%s", at->link.name);
}

static int hand_over(struct spots *s, const struct spot *at, struct relay_message *m, struct err *e)
{
    struct link tap;
    _cleanup_free_ char *alias = tap_alias(at),
                        *table = xasprintf("netctr_relay_%d", at->link.index);
    _cleanup_close_ int tap_fd = tap_open(at->netns, at->rt, alias, &tap, e);
    if (tap_fd < 0)
        return tap_fd;
    _cleanup_close_ int sender = sender_open(at->netns, at->link.index, RELAY_MARK, e);
    if (sender < 0)
        return sender;
    struct rule rule = {at->link.name, table, tap.index};
    _cleanup_close_ int owner = netns_run(at->netns, make_rule, &rule, e);
    if (owner < 0)
        return owner;
    int r = relay_ask(s->relay, m, (int[]){tap_fd, sender, owner});
    return r < 0 ? err_set(e, r, "hand a link over to the relay") : 0;
}

struct tap_search {
    const char *alias;
    int index;
};

static int look_at_link(const struct link *link, void *arg)
{
    struct tap_search *s = arg;
    if (streq(link->alias, s->alias))
        s->index = link->index;
    return 0;
}

/* The token bucket of the TAP device. */
static int set_tap_rate(const struct spot *at, uint64_t bits, struct err *e)
{
    _cleanup_free_ char *alias = tap_alias(at);
    struct tap_search s = {.alias = alias};
    int r = rt_each_link(at->rt, look_at_link, &s, e);
    if (r < 0 || !s.index)
        return r;
    _cleanup_rt_batch_ struct rt_batch *b = rt_batch_new(at->rt);
    rt_clear_qdisc(b, s.index);
    add_rate(b, s.index, bits, false);
    return rt_commit(b, e);
}

static int set_relay(struct spots *s, const struct lab_endpoint *end, const struct spot *at,
                     const struct lab_impairment *m, struct err *e)
{
    _cleanup_free_ char *text = lab_end_text(s->t, end);
    struct relay_message message = {.op = RELAY_SET, .impairment = *m};
    if (strlen(text) >= sizeof(message.end))
        return err_say(e, -ENAMETOOLONG, "`%s` is too long a name for a link with a relay", text);
    memcpy(message.end, text, strlen(text));
    if (s->relay < 0)
        s->relay = relay_connect_or_start(s->engine, s->l, &s->started, e);
    if (s->relay < 0)
        return s->relay;
    int r = relay_ask(s->relay, &message, NULL);
    if (r < 0 && r != -ENOENT)
        return err_set(e, r, "talk to the relay of lab `%s`", s->l->name);
    message.op = RELAY_SET;
    if (r == -ENOENT)
        r = hand_over(s, at, &message, e);
    return r == 0 ? set_tap_rate(at, m->rate, e) : r;
}

/* @relay: a connection; -1: none. */
static int drop_from_relay(const struct lab *l, int *relay, const char *end, struct err *e)
{
    struct relay_message message = {.op = RELAY_DROP};
    if (*relay < 0 || strlen(end) >= sizeof(message.end))
        return 0;
    memcpy(message.end, end, strlen(end));
    int r = relay_ask(*relay, &message, NULL);
    if (r == -ESRCH || r == -EPIPE || r == -ECONNRESET) { /* it has just died */
        *relay = close_fd(*relay);
        return 0;
    }
    return r < 0 ? err_set(e, r, "talk to the relay of lab `%s`", l->name) : 0;
}

static int drop_end(struct spots *s, const struct lab_endpoint *end, struct err *e)
{
    _cleanup_err_ struct err ignored = ERR_INIT;
    _cleanup_free_ char *text = lab_end_text(s->t, end);
    if (s->relay < 0)
        s->relay = relay_connect(s->engine, s->l, &ignored);
    return drop_from_relay(s->l, &s->relay, text, e);
}

int lab_relay_forget(struct engine *engine, const struct lab *l, const struct topology *t,
                     const struct lab_link *link, struct err *e)
{
    _cleanup_err_ struct err ignored = ERR_INIT;
    int relay = relay_connect(engine, l, &ignored), r = 0;
    for (int k = 0; r == 0 && k < 2; k++) {
        _cleanup_free_ char *text = lab_end_text(t, &link->ends[k]);
        r = drop_from_relay(l, &relay, text, e);
    }
    close_fd(relay);
    return r;
}

/* ---- ends ------------------------------------------------------------------------------------*/

int lab_end_impair(struct spots *s, const struct lab_endpoint *end, const struct lab_impairment *m,
                   struct err *e)
{
    struct spot at;
    int r = spot_find(s, end, &at, e);
    if (r == 0)
        r = set_queues(s, &at, m, e);
    if (r < 0)
        return r;
    if (r || !lab_impairment_more_than_rate(m))
        return drop_end(s, end, e);
    r = set_relay(s, end, &at, m, e);
    if (r < 0) {
        _cleanup_free_ char *text = lab_end_text(s->t, end);
        err_wrap(e, "impair what `%s` sends without netem", text);
    }
    return r;
}

bool spots_started_relay(const struct spots *s)
{
    return s->started;
}

int lab_impair_all(struct engine *engine, const struct topology *t, const struct lab *l,
                   bool may_lack, struct err *e)
{
    _cleanup_spots_ struct spots *s = spots_new(engine, t, l);
    int r = 0;
    for (size_t i = 0; r == 0 && i < 2 * t->link_count; i++) {
        const struct lab_link *link = &t->links[i / 2];
        const struct lab_endpoint *end = &link->ends[i % 2];
        const struct lab_impairment m = lab_end_impairment(l, t, end);
        if (!lab_end_sends(link, i % 2) || !lab_impairment_any(&m))
            continue;
        r = lab_end_impair(s, end, &m, e);
        if (r == -ENODEV && may_lack) {
            err_clear(e);
            r = 0;
        } else if (r < 0) {
            err_wrap(e, "%s:%u: link", t->file, link->place.line);
        }
    }
    return r;
}

/* ---- a relay that has died -------------------------------------------------------------------*/

static bool has_more_than_rate(const struct topology *t, const struct lab *l)
{
    for (size_t i = 0; i < 2 * t->link_count; i++) {
        const struct lab_impairment m = lab_end_impairment(l, t, &t->links[i / 2].ends[i % 2]);
        if (lab_end_sends(&t->links[i / 2], i % 2) && lab_impairment_more_than_rate(&m))
            return true;
    }
    return false;
}

int lab_relay_restore(struct engine *engine, const struct lab *l, struct err *e)
{
    _cleanup_topology_ struct topology *t = NULL;
    _cleanup_lab_ struct lab own = {.dir = -1, .lock = -1};
    bool existed;
    int r = lab_topology(l, &t, e);
    if (r < 0 && r != -EBUSY) { /* programs start without it */
        err_clear(e);
        return 0;
    }
    if (r < 0 || !has_more_than_rate(t, l) || !lab_lives(engine, l))
        return r;
    r = lab_claim(engine, l->name, &own, &existed, e);
    topology_free(take_ptr(t)); /* a change may just have ended */
    if (r == 0 && existed)
        r = lab_topology(&own, &t, e);
    return r == 0 && t ? lab_impair_all(engine, t, &own, true, e) : r;
}
