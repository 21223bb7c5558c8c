/* Changes to a running container: connect, disconnect, publish, unpublish, update, rename. Its monitor makes them, when it
 * is asked over the control socket (control.h). The definition is saved after each, so that the next start has the same
 * networks and ports.
 */
#include "monitor.h"

#include <errno.h>

/* ---- the definition ----------------------------------------------------------------------------*/

static void describe_networks(struct monitor *m)
{
    struct spec *s = &m->container.spec;
    strv_free(take_ptr(s->networks));
    sandbox_networks(m->sandbox, &s->networks);
    free(s->network);
    s->network = connect_request_names(s->networks);
}

static int keep(struct monitor *m, struct err *e)
{
    describe_networks(m);
    describe_ports(m);
    int r = container_save_definition(&m->container, e);
    m->unsaved = r < 0;
    return r;
}

/* What has been removed stays removed even if a later step failed (@r), so the definition is saved in any case. If that
 * fails now, it is tried again when the same is asked for once more: retry_keep(). */
static int keep_anyway(struct monitor *m, int r, struct err *e)
{
    int kept = keep(m, r == 0 ? e : NULL);
    return r < 0 ? r : kept;
}

static void retry_keep(struct monitor *m)
{
    if (m->unsaved)
        (void)keep(m, NULL);
}

static void redescribe_publish(struct monitor *m)
{
    struct spec *s = &m->container.spec;
    strv_free(take_ptr(s->publish));
    sandbox_ports(m->sandbox, NULL, NULL, &s->publish);
}

/* ---- connect, disconnect -----------------------------------------------------------------------*/

/* A change that cannot be saved is undone. */
static int connect_network(struct monitor *m, const char *text, struct err *e)
{
    struct net *net;
    struct sandbox *sb = m->sandbox;
    _cleanup_connect_request_ struct connect_request request = {0};
    int r = connect_request_parse(text, &request, e);
    if (r == 0)
        r = engine_net(m->engine, &net, e); /* not opened yet if it was run without a network */
    if (r == 0)
        r = helpers_prepare(m->engine, &m->seed, e);
    if (r < 0)
        return r;
    sandbox_set_names_port(sb, m->seed.port);
    r = sandbox_connect(sb, &request, e);
    if (r < 0) {
        (void)keep(m, NULL); /* it may have had to set ports aside */
        return r;
    }
    r = seed_watch(m, e);
    if (r == 0)
        r = keep(m, e);
    if (r < 0) {
        (void)sandbox_disconnect(sb, request.network, true, NULL);
        (void)keep(m, NULL);
    }
    return r;
}

static int disconnect_network(struct monitor *m, const char *name, struct err *e)
{
    bool was_on = sandbox_is_on(m->sandbox, name);
    int r = sandbox_disconnect(m->sandbox, name, false, e);
    if (!was_on)
        retry_keep(m);
    return was_on && !sandbox_is_on(m->sandbox, name) ? keep_anyway(m, r, e) : r;
}

/* ---- publish, unpublish ------------------------------------------------------------------------*/

static int parse_ports(char *const *words, struct port_mappings *list, struct err *e)
{
    int r = 0;
    strv_each (word, words)
        if (r == 0)
            r = port_mapping_parse(word, list, e);
    return r;
}

static json_t *port_texts(struct monitor *m, const struct port_mappings *list)
{
    _cleanup_strv_ strv ports = NULL;
    json_t *j = json_object();
    sandbox_describe(m->sandbox, list, &ports);
    json_put_strv(j, "ports", ports);
    return j;
}

static void undo_publish(struct monitor *m, const struct port_mappings *list)
{
    bool changed;
    (void)sandbox_unpublish(m->sandbox, list, NULL, &changed, NULL);
    redescribe_publish(m);
    describe_ports(m);
}

static int publish_ports(struct monitor *m, char *const *words, json_t **answer, struct err *e)
{
    _cleanup_port_mappings_ struct port_mappings list = {0};
    int r = parse_ports(words, &list, e);
    if (r == 0)
        r = sandbox_publish(m->sandbox, &list, e);
    if (r < 0)
        return r;
    /* The definition has each port once, also one that waited until now. */
    if (r > 0)
        redescribe_publish(m);
    else
        strv_each (word, words)
            strv_add(&m->container.spec.publish, word);
    r = keep(m, e);
    if (r < 0)
        undo_publish(m, &list);
    else
        *answer = port_texts(m, &list);
    return r;
}

static int unpublish_ports(struct monitor *m, char *const *words, struct err *e)
{
    _cleanup_port_mappings_ struct port_mappings wanted = {0};
    bool all = !words || !words[0] || streq(words[0], "--all"), changed;
    int r = all ? 0 : parse_ports(words, &wanted, e);
    if (r < 0)
        return r;
    r = sandbox_unpublish(m->sandbox, all ? NULL : &wanted, all ? NULL : words[0], &changed, e);
    if (!changed) {
        retry_keep(m);
        return r;
    }
    redescribe_publish(m);
    return keep_anyway(m, r, e);
}

/* ---- update ------------------------------------------------------------------------------------*/

static void set_limits(struct container *c, const struct limits *limits,
                       const struct restart *restart)
{
    c->spec.limits = c->process.plan.limits = *limits;
    c->spec.restart = *restart;
}

/* The cgroup first: the kernel may refuse. Between two runs there is none. */
static int update(struct monitor *m, char *const *words, struct err *e)
{
    struct container *c = &m->container;
    const struct limits limits = c->spec.limits;
    const struct restart restart = c->spec.restart;
    struct limits wanted;
    struct restart policy;
    int r = update_apply(&c->spec, words, &wanted, &policy, e);
    if (r == 0 && !c->restarting)
        r = plan_change_limits(&c->process.plan, &wanted, e);
    if (r < 0)
        return r;
    set_limits(c, &wanted, &policy);
    r = container_save_definition(c, e);
    if (r == 0)
        return 0;
    if (!c->restarting)
        (void)plan_change_limits(&c->process.plan, &limits, NULL);
    set_limits(c, &limits, &restart);
    return r;
}

/* ---- the request -------------------------------------------------------------------------------*/

int change_running(void *monitor, const char *what, char *const *words, json_t **answer,
                   struct err *e)
{
    struct monitor *m = monitor;
    if (streq(what, "publish") && words && words[0])
        return publish_ports(m, words, answer, e);
    if (streq(what, "unpublish"))
        return unpublish_ports(m, words, e);
    if (streq(what, "connect") && words && words[0])
        return connect_network(m, words[0], e);
    if (streq(what, "disconnect") && words && words[0])
        return disconnect_network(m, words[0], e);
    if (streq(what, "update") && words)
        return update(m, words, e);
    if (streq(what, "rename") && strv_len(words) == 2)
        return rename_running(m, words[0], words[1], e);
    err_say(e, -EOPNOTSUPP, "the monitor of container `%s` does not know the request `%s`",
            m->container.spec.name, what);
    err_hint(e, "it was started by another version of netctr: restart the container");
    return -EOPNOTSUPP;
}
