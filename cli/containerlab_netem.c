/* netctr containerlab tools netem: impairments of links in containerlab's words. `set` says everything: what it does not name
 * ends.
 */
#include "containerlab.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct request {
    struct clab_common common;
    char *node, *interface;
    char *delay, *jitter, *loss, *rate, *corruption, *format;
};

/* ---- which -----------------------------------------------------------------------------------*/

struct search {
    const char *node;
    char *lab; /* NULL: not found */
};

static int look_in(struct lab *l, void *arg)
{
    struct search *s = arg;
    for (size_t i = 0; i < l->member_count && !s->lab; i++)
        if (streq(l->members[i].long_name, s->node))
            s->lab = xstrdup(l->name);
    return 0;
}

/* The lab of the container @q->node; with --topo or --name, a node's name in that lab will do. */
static int find_lab(struct engine *engine, const struct request *q, struct lab *out,
                    const struct lab_member **member, struct err *e)
{
    struct search s = {q->node, NULL};
    const bool given = q->common.choice.topo || q->common.choice.name;
    int r = given ? clab_name(&q->common.choice, &s.lab, e) : lab_each(engine, look_in, &s, e);
    if (r == 0 && s.lab)
        r = lab_find(engine, s.lab, out, e);
    free(s.lab);
    *member = r == 0 && out->name ? lab_member(out, q->node) : NULL;
    return r == 0 && !*member ? err_say(e, -ENOENT, "no lab has the node `%s`", q->node) : r;
}

/* ---- show ------------------------------------------------------------------------------------*/

/* "0.5%" */
static double number_of(const char *text)
{
    return text ? strtod(text, NULL) : 0;
}

static json_t *interface_json(const json_t *end)
{
    const json_t *impairments = json_object_get(end, "impairments");
    const char *delay = json_str(impairments, "delay"), *jitter = json_str(impairments, "jitter"),
               *rate = json_str(impairments, "rate");
    uint64_t bits = 0;
    if (rate && parse_rate(rate, &bits) < 0)
        bits = 0;
    return json_pack("{s:s, s:s, s:s, s:f, s:I, s:f}", "interface", json_str(end, "interface"),
                     "delay", delay ? delay : "", "jitter", jitter ? jitter : "", "packet_loss",
                     number_of(json_str(impairments, "loss")), "rate", (json_int_t)(bits / 1000),
                     "corruption", number_of(json_str(impairments, "corrupt")));
}

static json_t *interfaces_of(const json_t *links, const char *node)
{
    json_t *out = json_array(), *link, *end;
    size_t i, k;
    json_array_foreach ((json_t *)links, i, link)
        json_array_foreach (json_object_get(link, "ends"), k, end)
            if (streq(json_str(end, "node"), node))
                json_array_append_new(out, interface_json(end));
    return out;
}

static void print_interfaces(const json_t *all)
{
    static const char *const titles[] = {"Interface",   "Delay",         "Jitter",
                                         "Packet Loss", "Rate (Kbit/s)", "Corruption"};
    _cleanup_strings_ struct strings cells = {0};
    json_t *x;
    size_t i;
    for (i = 0; i < ARRAY_LEN(titles); i++)
        strings_add(&cells, titles[i]);
    json_array_foreach ((json_t *)all, i, x) {
        const char *delay = json_str(x, "delay"), *jitter = json_str(x, "jitter");
        const double loss = json_number_value(json_object_get(x, "packet_loss")),
                     corruption = json_number_value(json_object_get(x, "corruption"));
        strings_add(&cells, json_str(x, "interface"));
        strings_add(&cells, *delay ? delay : "0s");
        strings_add(&cells, *jitter ? jitter : "0s");
        strings_add_take(&cells, xasprintf("%.2f%%", loss));
        strings_add_take(&cells, xasprintf("%lld", (long long)json_int(x, "rate", 0)));
        strings_add_take(&cells, xasprintf("%.2f%%", corruption));
    }
    print_table(cells.items, ARRAY_LEN(titles));
}

static int show(struct engine *engine, const struct request *q, struct err *e)
{
    bool json;
    _cleanup_lab_ struct lab l = {.dir = -1, .lock = -1};
    _cleanup_json_ json_t *links = NULL, *interfaces = NULL;
    const struct lab_member *m;
    int r = clab_format(q->format, &json, e);
    if (r == 0)
        r = find_lab(engine, q, &l, &m, e);
    if (r == 0)
        r = lab_links(engine, &l, &links, NULL, e);
    if (r < 0)
        return r;
    interfaces = interfaces_of(links, m->name);
    if (!json) {
        print_interfaces(interfaces);
        return 0;
    }
    _cleanup_json_ json_t *out = json_object();
    json_object_set(out, m->long_name, interfaces);
    print_json(out);
    return 0;
}

/* ---- set, reset ------------------------------------------------------------------------------*/

static void add_setting(strv *words, const char *key, const char *value, const char *unit)
{
    const bool none = !value || strspn(value, "0.") == strlen(value);
    strv_add_take(words, xasprintf("%s=%s%s", key, none ? "0" : value, none ? "" : unit));
}

static int set(struct engine *engine, const struct request *q, bool reset, struct err *e)
{
    _cleanup_lab_ struct lab l = {.dir = -1, .lock = -1};
    _cleanup_strv_ strv words = NULL;
    const struct lab_member *m;
    if (!q->interface)
        return err_say(e, -EINVAL, "name the interface: `-i eth1`");
    int r = find_lab(engine, q, &l, &m, e);
    if (r < 0)
        return r;
    _cleanup_free_ char *end = xasprintf("%s:%s", m->name, q->interface);
    if (reset) {
        strv_add(&words, "none");
    } else {
        add_setting(&words, "delay", q->delay, "");
        add_setting(&words, "jitter", q->jitter, "");
        add_setting(&words, "loss", q->loss, "%");
        add_setting(&words, "rate", q->rate, "kbit");
        add_setting(&words, "corrupt", q->corruption, "%");
        add_setting(&words, "duplicate", NULL, "");
        add_setting(&words, "reorder", NULL, "");
    }
    r = lab_impair(engine, l.name, end, words, e);
    return r < 0 ? r : show(engine, q, e);
}

int clab_netem(const struct cli *cli, const struct command *command, int argc, char **argv,
               struct err *e)
{
    struct request q = {0};
    const struct option options[] = {
        CLAB_OPTIONS(q.common),
        {"node", 'n', OPTION_TEXT, "NODE", "name of the node's container", &q.node},
        {"interface", 'i', OPTION_TEXT, "NAME", "of the node", &q.interface},
        {"delay", 0, OPTION_TEXT, "TIME", "of each packet: 10ms", &q.delay},
        {"jitter", 0, OPTION_TEXT, "TIME", "how much the delay varies: 2ms", &q.jitter},
        {"loss", 0, OPTION_TEXT, "PERCENT", "packets that are lost: 1", &q.loss},
        {"rate", 0, OPTION_TEXT, "KBIT", "kbit per second: 1000", &q.rate},
        {"corruption", 0, OPTION_TEXT, "PERCENT", "packets with a bit turned: 0.1", &q.corruption},
        {"format", 'f', OPTION_TEXT, "FORMAT", "table or json", &q.format},
        {0},
    };
    int first = command_options(command, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
    const char *verb = first + 1 == argc ? argv[first] : "";
    const bool reset = streq(verb, "reset") || streq(verb, "delete") || streq(verb, "del");
    if (!q.node || (!reset && !streq(verb, "set") && !streq(verb, "show")))
        return err_say(e, -EINVAL, "usage: netctr %s %s", command->name, command->usage);
    _cleanup_engine_ struct engine engine = {0};
    int r = streq(verb, "show") ? cli_engine_to_read(cli, &engine, e) : cli_engine(cli, &engine, e);
    if (r < 0)
        return r;
    return streq(verb, "show") ? show(&engine, &q, e) : set(&engine, &q, reset, e);
}
