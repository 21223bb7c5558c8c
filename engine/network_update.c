/* Changes a network while containers are on it: its routes and labels.
 *
 * The definition is the intent, and it is stored first. Then each living sandbox on the network gets the routes that the
 * definition has now, by comparing them with those in its namespace; so it does no harm to do that twice, and a reload
 * finishes what was killed.
 */
#include "internal.h"

#include <errno.h>
#include <string.h>

/* Removes those words of @v for which @matches is true. False: there are none. */
static bool drop(strv v, const char *wanted, bool (*matches)(const char *word, const char *wanted))
{
    size_t kept = 0, before = strv_len(v);
    strv_each (word, v)
        if (matches(word, wanted))
            free(*word_i);
        else
            v[kept++] = word;
    if (v)
        v[kept] = NULL;
    return kept < before;
}

/* ---- routes ----------------------------------------------------------------------------------*/

static bool is_route(const char *word, const char *wanted)
{
    const char *rest = skip_prefix(word, wanted);
    return rest && (!*rest || (*rest == ',' && !strchr(wanted, ',')));
}

static int drop_route(struct network *n, const char *text, struct err *e)
{
    struct network_route route;
    _cleanup_free_ char *canonical = NULL;
    if (strpbrk(text, ",@")) {
        int r = network_route_parse(text, &route, e);
        if (r < 0)
            return r;
        canonical = network_route_text(&route, ',');
    }
    if (drop(n->routes, canonical ? canonical : text, is_route))
        return 0;
    return err_say(e, -ENOENT, "it has no route `%s`", text);
}

/* A route that is there already is no error: the command may be repeated. */
static int add_route(struct network *n, const char *text, struct err *e)
{
    struct network_route route;
    int r = network_route_parse(text, &route, e);
    if (r < 0)
        return r;
    _cleanup_free_ char *canonical = network_route_text(&route, ',');
    if (!strv_has(n->routes, canonical))
        strv_add(&n->routes, canonical);
    return 0;
}

/* ---- labels ----------------------------------------------------------------------------------*/

static bool is_label(const char *word, const char *wanted)
{
    size_t size = strcspn(wanted, "=");
    return strncmp(word, wanted, size) == 0 && (!word[size] || word[size] == '=');
}

static int drop_label(struct network *n, const char *key, struct err *e)
{
    return drop(n->labels, key, is_label) ? 0 : err_say(e, -ENOENT, "it has no label `%s`", key);
}

static int add_label(struct network *n, const char *label, struct err *e)
{
    int r = label_check(label, e);
    if (r < 0)
        return r;
    (void)drop(n->labels, label, is_label);
    strv_add(&n->labels, label);
    return 0;
}

/* ---- the command -----------------------------------------------------------------------------*/

static int change(struct network *n, void *arg, struct err *e)
{
    const struct network_changes *c = arg;
    const struct {
        char *const *words;
        int (*take)(struct network *n, const char *word, struct err *e);
    } steps[] = {
        {c->drop_routes, drop_route},
        {c->add_routes, add_route},
        {c->drop_labels, drop_label},
        {c->add_labels, add_label},
    };
    int r = 0;
    if (n->no_addresses && c->add_routes)
        return err_say(e, -EINVAL, "it has no addresses, and so no routes");
    for (size_t i = 0; i < ARRAY_LEN(steps); i++)
        strv_each (word, steps[i].words)
            if (r == 0)
                r = steps[i].take(n, word, e);
    return r;
}

int engine_network_update(struct engine *engine, const char *name,
                          const struct network_changes *changes, struct err *e)
{
    struct net *net;
    if (!valid_name(name))
        return err_say(e, -EINVAL, "invalid network name `%s`", name);
    int r = engine_net(engine, &net, e);
    if (r == 0)
        r = sandboxes_upgrade_tables(engine_sandboxes(engine), e);
    if (r == 0)
        r = network_change(net, name, change, (void *)changes, e);
    if (r < 0)
        return r;
    engine_defined_event(engine, "update", name);
    if (!changes->add_routes && !changes->drop_routes)
        return 0;
    r = sandboxes_settle_routes(engine_sandboxes(engine), name, e);
    if (r < 0)
        err_hint(e, "the network is changed; `netctr network reload` tries again");
    return r;
}
