/* `tests`: "h1 -> web:80", "client !-> db:5432", "h1 -> h2 icmp", and maps. */
#include "file.h"

#include <string.h>

struct test_draft {
    char *from, *to, *proto, *family, *after, *node, *contains;
    const struct tree *port, *within, *exec, *status;
    bool negative;
};

static void keep_tree(struct reader *r, const struct key *key, const struct tree *value, void *to)
{
    (void)r;
    *(const struct tree **)((char *)to + key->offset) = value;
}

static const char *const protocols[] = {"icmp", "tcp", "udp", NULL};
static const char *const families[] = {"ipv4", "ipv6", NULL};
#define TEXT(name, member, help, words)                                                          \
    {                                                                                            \
        name, KEY_APPLY, SHAPE_TEXT, read_text, help, offsetof(struct test_draft, member), NULL, \
            words                                                                                \
    }
#define TREE(name, shape, member, help)                                                          \
    {                                                                                            \
        name, KEY_APPLY, shape, keep_tree, help, offsetof(struct test_draft, member), NULL, NULL \
    }
static const struct key keys[] = {
    TEXT("from", from, "The node that sends", NULL),
    TEXT("to", to, "A node, an address or a name", NULL),
    TEXT("proto", proto, "icmp, tcp or udp", protocols),
    TEXT("family", family, "ipv4 or ipv6; either if not given", families),
    TREE("port", SHAPE_NUMBER, port, "The port, for tcp and udp"),
    TREE("within", SHAPE_TEXT, within, "How long it may take until the test passes"),
    TEXT("after", after, "What is done before: link down|up NODE:INTERFACE, stop|start NODE", NULL),
    {"not", KEY_APPLY, SHAPE_FLAG, read_flag, "true: it must not be reached, or must fail",
     offsetof(struct test_draft, negative), NULL, NULL},
    TEXT("node", node, "The node that runs `exec`", NULL),
    TREE("exec", SHAPE_TEXT, exec, "A line that is run; no shell"),
    TREE("status", SHAPE_NUMBER, status, "The exit status that it must have; 0 if not given"),
    TEXT("contains", contains, "What its output must contain", NULL),
};
TABLE(table_test, "a test", keys);

/* ---- nodes -----------------------------------------------------------------------------------*/

/* A node that has addresses and runs programs. SIZE_MAX after a fault. */
static size_t runner(struct reader *r, struct place at, const char *name)
{
    size_t index = node_wanted(r, at, name);
    if (index != SIZE_MAX && r->t->nodes[index].kind == LAB_BRIDGE) {
        fault(r, at,
              "`%s` is a switch, which runs no program; test from and to the nodes beside it",
              name);
        return SIZE_MAX;
    }
    return index;
}

/* A node, an address, or a name with a dot that is looked up from the node. */
static bool set_target(struct reader *r, struct place at, const char *name, struct lab_test *t)
{
    struct ip ip;
    t->to_name = xstrdup(name);
    t->to = SIZE_MAX;
    if (ip_parse(name, &ip) == 0) {
        if (t->family && t->family != ip.family)
            fault(r, at, "`%s` is not of the family that the test asks for; correct one", name);
        t->family = ip.family;
        return true;
    }
    if (node_index(r, name) == SIZE_MAX && strchr(name, '.') && valid_host_name(name, 253))
        return true;
    t->to = runner(r, at, name);
    return t->to != SIZE_MAX;
}

/* ---- what is done before ---------------------------------------------------------------------*/

static bool has_interface(const struct reader *r, size_t node, const char *name)
{
    for (size_t i = 0; i < r->t->link_count; i++)
        for (size_t k = 0; k < 2; k++) {
            const struct lab_endpoint *end = &r->t->links[i].ends[k];
            if (end->what == END_NODE && end->node == node && streq(end->interface, name))
                return true;
        }
    return false;
}

static void after_link(struct reader *r, struct place at, const char *text, struct lab_test *t)
{
    const char *colon = strchr(text, ':');
    _cleanup_free_ char *node = colon ? xstrndup(text, (size_t)(colon - text)) : NULL;
    if (!colon || !colon[1]) {
        fault(r, at, "`%s` is not NODE:INTERFACE; write it as in l1:eth1", text);
        return;
    }
    t->after_node = node_wanted(r, at, node);
    if (t->after_node != SIZE_MAX && !has_interface(r, t->after_node, colon + 1))
        fault(r, at, "node `%s` has no link at interface `%s`; name one of its links", node,
              colon + 1);
    t->after_interface = xstrdup(colon + 1);
}

static void set_after(struct reader *r, struct place at, const char *text, struct lab_test *t)
{
    static const struct {
        const char *text;
        enum lab_event event;
    } events[] = {{"link down ", AFTER_LINK_DOWN},
                  {"link up ", AFTER_LINK_UP},
                  {"stop ", AFTER_STOP},
                  {"start ", AFTER_START}};
    for (size_t i = 0; i < ARRAY_LEN(events); i++) {
        const char *rest = skip_prefix(text, events[i].text);
        if (!rest)
            continue;
        t->after = events[i].event;
        if (t->after == AFTER_LINK_DOWN || t->after == AFTER_LINK_UP)
            after_link(r, at, rest, t);
        else
            t->after_node = runner(r, at, rest);
        return;
    }
    fault(r, at,
          "`%s` is nothing that a test can do before; write link down NODE:INTERFACE, link up "
          "NODE:INTERFACE, stop NODE or start NODE",
          text);
}

/* ---- one line --------------------------------------------------------------------------------*/

static bool set_word(struct lab_test *t, const char *word, bool *given)
{
    for (int i = 0; protocols[i]; i++)
        if (streq(word, protocols[i])) {
            t->protocol = (enum lab_protocol)i;
            *given = true;
            return true;
        }
    for (int i = 0; families[i]; i++)
        if (streq(word, families[i])) {
            t->family = i == 0 ? AF_INET : AF_INET6;
            return true;
        }
    return false;
}

/* Cuts "/PROTOCOL" and ":PORT" off @target, "NAME", "NAME:PORT", "[IPV6]:PORT" or an address. */
static bool cut_port(char *target, struct lab_test *t, bool *given)
{
    char *slash = strrchr(target, '/'), *colon = strrchr(target, ':'),
         *bracket = strrchr(target, ']');
    struct ip ip;
    uint64_t port;
    if (slash) {
        *slash = 0;
        if (!set_word(t, slash + 1, given))
            return false;
        colon = strrchr(target, ':');
    }
    if (colon && bracket ? bracket < colon : colon && ip_parse(target, &ip) < 0) {
        *colon = 0;
        if (parse_u64(colon + 1, 1, 65535, &port) < 0)
            return false;
        t->port = (uint16_t)port;
        if (!*given)
            t->protocol = LAB_TCP;
        *given = true;
    }
    size_t length = strlen(target);
    if (target[0] == '[' && length > 2 && target[length - 1] == ']') {
        memmove(target, target + 1, length - 2);
        target[length - 2] = 0;
    }
    return *target;
}

static void check_protocol(struct reader *r, struct place at, const struct lab_test *t)
{
    if (t->protocol == LAB_ICMP && t->port)
        fault(r, at, "icmp has no ports; remove the port, or write tcp or udp");
    else if (t->protocol != LAB_ICMP && !t->port)
        fault(r, at, "a test with %s needs a port; add one",
              t->protocol == LAB_TCP ? "tcp" : "udp");
}

/* "FROM -> TO[:PORT][/PROTOCOL] [icmp|tcp|udp] [ipv4|ipv6]" */
static bool line_parse(struct reader *r, const struct tree *v, struct lab_test *t)
{
    _cleanup_strv_ strv words = NULL;
    bool given = false;
    if (words_split(v->text, &words, NULL) < 0 || strv_len(words) < 3 || strv_len(words) > 5 ||
        (!streq(words[1], "->") && !streq(words[1], "!->")))
        goto wrong;
    for (size_t i = 3; words[i]; i++)
        if (!set_word(t, words[i], &given))
            goto wrong;
    if (!cut_port(words[2], t, &given))
        goto wrong;
    t->fails = words[1][0] == '!';
    t->text = xstrdup(v->text);
    t->from = runner(r, v->place, words[0]);
    (void)set_target(r, v->place, words[2], t);
    check_protocol(r, v->place, t);
    return true;
wrong:
    fault(
        r, v->place,
        "`%s` is not a test; write it as in `h1 -> web:80`, `a !-> db:5432/tcp` or `h1 -> h2 icmp`",
        v->text);
    return false;
}

/* ---- a map -----------------------------------------------------------------------------------*/

static char *reach_text(const struct test_draft *d, const struct lab_test *t)
{
    _cleanup_free_ char *port = t->port ? xasprintf(":%u", t->port) : xstrdup("");
    bool bracket = t->port && strchr(d->to, ':');
    return xasprintf("%s %s-> %s%s%s%s%s%s%s%s", d->from, t->fails ? "!" : "", bracket ? "[" : "",
                     d->to, bracket ? "]" : "", port, t->protocol == LAB_UDP ? "/udp" : "",
                     t->protocol == LAB_ICMP ? " icmp" : "", d->after ? " after " : "",
                     d->after ? d->after : "");
}

static void read_reach(struct reader *r, const struct tree *v, const struct test_draft *d,
                       struct lab_test *t)
{
    bool given = false;
    uint64_t port;
    if (!d->from || !d->to) {
        fault(r, v->place,
              "this test has no `%s`; write {from: NODE, to: NODE}, or {node: NODE, exec: LINE}",
              d->from ? "to" : "from");
        return;
    }
    if (d->contains || d->status || d->node)
        fault(r, v->place,
              "`node`, `contains` and `status` are for a test with `exec`; remove them");
    if (d->port && read_number(r, "port", d->port, 1, 65535, &port))
        t->port = (uint16_t)port;
    t->protocol = t->port ? LAB_TCP : LAB_ICMP;
    if (d->proto)
        (void)set_word(t, d->proto, &given);
    if (d->family)
        (void)set_word(t, d->family, &given);
    t->text = reach_text(d, t);
    t->from = runner(r, tree_get(v, "from")->place, d->from);
    (void)set_target(r, tree_get(v, "to")->place, d->to, t);
    check_protocol(r, v->place, t);
}

static void read_exec(struct reader *r, const struct tree *v, const struct test_draft *d,
                      struct lab_test *t)
{
    uint64_t status = 0;
    t->what = TEST_EXEC;
    t->to = SIZE_MAX;
    if (!d->node) {
        fault(r, v->place, "this test has no `node` to run `exec` in; add it");
        return;
    }
    if (d->from || d->to || d->port || d->proto || d->family)
        fault(r, v->place,
              "`from`, `to`, `proto`, `family` and `port` are for a test without `exec`; "
              "remove them");
    if (d->status && read_number(r, "status", d->status, 0, 255, &status))
        t->status = (int)status;
    if (t->fails && d->status)
        fault(r, v->place, "`not` and `status` are two answers; remove one");
    t->contains = xstrdup(d->contains);
    t->text = xasprintf("%s: %s%s%s", d->node, d->exec->text, d->after ? " after " : "",
                        d->after ? d->after : "");
    if (read_words(r, d->exec->place, d->exec->text, &t->argv) && !t->argv)
        fault(r, d->exec->place, "`exec` of this test is empty; write a line");
    t->from = runner(r, tree_get(v, "node")->place, d->node);
}

static void read_map(struct reader *r, const struct tree *v, struct lab_test *t)
{
    struct test_draft d = {0};
    keys_read(r, &table_test, v, &d);
    t->fails = d.negative;
    if (d.exec)
        read_exec(r, v, &d, t);
    else
        read_reach(r, v, &d, t);
    if (d.within)
        (void)read_duration(r, "within", d.within, &t->within_ms);
    if (d.after)
        set_after(r, tree_get(v, "after")->place, d.after, t);
    char *texts[] = {d.from, d.to, d.proto, d.family, d.after, d.node, d.contains};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        free(texts[i]);
}

void tests_read(struct reader *r)
{
    enum { TESTS_MAX = 10000 };
    const struct tree *all = r->tests;
    if (!all || all->kind != TREE_LIST)
        return;
    if (all->count > TESTS_MAX) {
        fault(r, all->place, "the lab has more than %d tests; split it", TESTS_MAX);
        return;
    }
    r->t->tests = xcalloc(all->count + 1, sizeof(*r->t->tests));
    for (size_t i = 0; i < all->count; i++) {
        const struct tree *v = all->items[i].value;
        struct lab_test *t = &r->t->tests[r->t->test_count++];
        t->place = v->place;
        if (v->kind == TREE_TEXT)
            (void)line_parse(r, v, t);
        else if (want_map(r, "a test", v))
            read_map(r, v, t);
    }
}
