/* Networks as a whole: create, remove, prune, list, inspect, link; and the networks and ports of one container.
 *
 * What removes a network decides under the store's lock. A container that is being started on it either has its name
 * already and is found, or finds the network gone.
 */
#include "control.h"

#include <errno.h>
#include <string.h>

/* ---- list ------------------------------------------------------------------------------------*/

static int add_name(const struct network *n, void *names)
{
    strv_add(names, n->name);
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int engine_network_names(struct engine *engine, strv *names, struct err *e)
{
    struct net *net;
    int r = engine_net(engine, &net, e);
    if (r == 0)
        r = network_each(net, add_name, names, e);
    if (*names)
        qsort(*names, strv_len(*names), sizeof(char *), by_name);
    return r;
}

int engine_network_each(struct engine *engine, int (*each)(const struct network *n, void *arg),
                        void *arg, struct err *e)
{
    _cleanup_strv_ strv names = NULL;
    int r = engine_network_names(engine, &names, e);
    strv_each (name, names) {
        _cleanup_network_ struct network n = {0};
        if (r == 0)
            r = network_load(engine->net, name, &n, e);
        if (r == -ENOENT) { /* removed since the list was read */
            err_clear(e);
            r = 0;
        } else if (r == 0) {
            r = each(&n, arg);
        }
    }
    return r;
}

json_t *network_definition(const struct network *n)
{
    json_t *j = network_to_json(n);
    _cleanup_free_ char *created = n->created ? time_utc(n->created) : NULL;
    json_object_del(j, "schema");
    json_object_del(j, "created");
    json_put_str(j, "created", created);
    return j;
}

int engine_network_inspect(struct engine *engine, const char *name, json_t **out, struct err *e)
{
    static const char *const of_network[] = {"containers", "differences", "changed_inside"};
    struct net *net;
    json_t *live = NULL;
    _cleanup_network_ struct network n = {0};
    int r = engine_net(engine, &net, e);
    if (r == 0)
        r = network_load(net, name, &n, e);
    if (r == 0)
        r = engine_survey(engine, &n, &live, e);
    if (r < 0)
        return r;
    json_t *j = network_definition(&n);
    for (size_t i = 0; i < ARRAY_LEN(of_network); i++) {
        json_object_set(j, of_network[i], json_object_get(live, of_network[i]));
        json_object_del(live, of_network[i]);
    }
    json_object_set_new(j, "live", live);
    *out = j;
    return 0;
}

/* ---- who uses it -----------------------------------------------------------------------------*/

struct users {
    struct engine *engine;
    const char *network;
    strv names;
    strv texts; /* the same names, as the error shows them */
};

static void users_clear(struct users *u)
{
    strv_free(u->names);
    strv_free(u->texts);
}
#define _cleanup_users_ __attribute__((cleanup(users_clear)))

bool record_names_network(const struct record *r, const char *network)
{
    strv_each (text, r->spec.networks) {
        const char *rest = skip_prefix(text, network);
        if (rest && (!*rest || *rest == ':'))
            return true;
    }
    return false;
}

/* A container that does not run counts as well: without the network it could not start again. */
static int find_user(const struct record *r, void *arg)
{
    struct users *u = arg;
    bool alive = r->status != STATUS_EXITED;
    _cleanup_endpoint_ struct endpoint ep = {0};
    _cleanup_close_ int dir = alive ? store_live_dir(&u->engine->store, r->spec.name) : -1;
    /* An endpoint whose record is damaged is an endpoint. */
    bool on_it = dir >= 0 && endpoint_load(dir, u->network, &ep, NULL) != -ENOENT;
    if (!on_it && !record_names_network(r, u->network))
        return 0;
    strv_add(&u->names, r->spec.name);
    strv_add_take(&u->texts, xasprintf("`%s`%s", r->spec.name, alive ? "" : " (stopped)"));
    return 0;
}

void engine_endpoints(struct engine *engine, const struct record *r, struct endpoint_list *out)
{
    *out = (struct endpoint_list){0};
    if (!r->spec.networks)
        return;
    _cleanup_close_ int dir = store_live_dir(&engine->store, r->spec.name);
    if (dir >= 0)
        (void)endpoint_load_all(dir, out, NULL);
}

bool engine_is_on_network(struct engine *engine, const struct record *r, const char *network)
{
    _cleanup_endpoint_ struct endpoint ep = {0};
    _cleanup_close_ int dir = store_live_dir(&engine->store, r->spec.name);
    if (streq(r->spec.network, network))
        return true;
    if (r->status == STATUS_EXITED || !valid_name(network) || dir < 0)
        return record_names_network(r, network);
    return endpoint_load(dir, network, &ep, NULL) == 0;
}

/* ---- create, remove --------------------------------------------------------------------------*/

int engine_network_create(struct engine *engine, struct network *n, bool dual, struct err *e)
{
    struct net *net;
    int r = engine_net(engine, &net, e);
    if (r == 0)
        r = engine_upgrade_tables(engine, e);
    if (r == 0)
        r = network_create(net, n, dual, e);
    if (r == 0)
        engine_defined_event(engine, "create", n->name);
    return r;
}

/* With the store locked, and no container on it. */
static int remove_unused(struct engine *engine, const char *name, struct err *e)
{
    int r = engine_forget_network(engine, name, e);
    if (r == 0)
        r = network_remove(engine->net, name, e);
    if (r == 0)
        engine_defined_event(engine, "remove", name);
    return r;
}

/* A network whose definition is damaged can be removed. */
static int require_network(struct engine *engine, const char *name, struct err *e)
{
    _cleanup_network_ struct network n = {0};
    int r = network_load(engine->net, name, &n, e);
    if (r < 0 && r != -ENOENT) {
        err_clear(e);
        r = 0;
    }
    return r;
}

/* Removes the network if no container uses it; otherwise fills @users. */
static int try_remove(bool force, struct users *users, struct err *e)
{
    struct engine *engine = users->engine;
    _cleanup_close_ int lock = store_lock(&engine->store, e);
    int r = lock < 0 ? lock : force ? 0 : require_network(engine, users->network, e);
    if (r == 0)
        r = store_each(&engine->store, find_user, users, e);
    if (r == 0 && !users->names)
        r = remove_unused(engine, users->network, e);
    return r;
}

static int refuse_used(const struct users *u, struct err *e)
{
    bool many = u->names[1] != NULL;
    _cleanup_free_ char *text = strv_join(u->texts, ", ");
    err_say(e, -EBUSY, "network `%s` is used by container%s %s", u->network, many ? "s" : "", text);
    return err_hint(e, "`netctr network rm -f %s` disconnects %s first", u->network,
                    many ? "them" : "it");
}

static int disconnect_user(struct engine *engine, const char *name, const char *network,
                           strv *warnings, struct err *e)
{
    int r = engine_disconnect(engine, name, network, warnings, e);
    if (r == -ENOENT) { /* the container is gone, or not on the network any more */
        err_clear(e);
        r = 0;
    }
    return r;
}

int engine_network_remove(struct engine *engine, const char *name, bool force, strv *warnings,
                          struct err *e)
{
    enum { TRIES_MAX = 200 };
    struct net *net;
    if (!valid_name(name))
        return err_say(e, -EINVAL, "invalid network name `%s`", name);
    if (streq(name, DEFAULT_NETWORK))
        return err_say(e, -EINVAL, "the default network cannot be removed");
    int r = engine_net(engine, &net, e);
    if (r == 0)
        r = engine_upgrade_tables(engine, e);
    /* Others may connect containers at the same time. */
    for (int tries = 1; r == 0; tries++) {
        _cleanup_users_ struct users users = {.engine = engine, .network = name};
        r = try_remove(force, &users, e);
        if (r < 0 || !users.names)
            break;
        if (!force || tries == TRIES_MAX)
            return refuse_used(&users, e);
        strv_each (user, users.names)
            if (r == 0)
                r = disconnect_user(engine, user, name, warnings, e);
    }
    return r;
}

struct pruning {
    struct engine *engine;
    bool (*wanted)(const struct network *n, void *arg);
    void *arg;
    strv *removed;
    struct err *e;
};

static int prune_one(const struct network *n, void *arg)
{
    struct pruning *p = arg;
    _cleanup_users_ struct users u = {.engine = p->engine, .network = n->name};
    if (streq(n->name, DEFAULT_NETWORK) || !p->wanted(n, p->arg))
        return 0;
    int r = store_each(&p->engine->store, find_user, &u, p->e);
    if (r < 0 || u.names)
        return r;
    r = remove_unused(p->engine, n->name, p->e);
    if (r == 0)
        strv_add(p->removed, n->name);
    return r;
}

int engine_network_prune(struct engine *engine, bool (*wanted)(const struct network *n, void *arg),
                         void *arg, strv *removed, struct err *e)
{
    struct pruning p = {engine, wanted, arg, removed, e};
    int r = engine_upgrade_tables(engine, e);
    _cleanup_close_ int lock = r < 0 ? r : store_lock(&engine->store, e);
    return lock < 0 ? lock : engine_network_each(engine, prune_one, &p, e);
}

/* ---- between networks ------------------------------------------------------------------------*/

int engine_network_link(struct engine *engine, const char *from, const char *to, bool allow,
                        struct err *e)
{
    const char *const names[] = {from, to};
    struct net *net;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (!valid_name(names[i]))
            return err_say(e, -EINVAL, "invalid network name `%s`", names[i]);
    int r = engine_net(engine, &net, e);
    if (r == 0)
        r = engine_upgrade_tables(engine, e);
    _cleanup_close_ int lock = r < 0 ? r : store_lock(&engine->store, e);
    return lock < 0 ? lock : network_link(net, from, to, allow, e);
}

int engine_network_forwarding(struct engine *engine, bool open, struct err *e)
{
    struct net *net;
    int r = engine_net(engine, &net, e);
    if (r == 0)
        r = engine_upgrade_tables(engine, e);
    return r == 0 ? net_open_forwarding(net, open, e) : r;
}

/* ---- one container ---------------------------------------------------------------------------*/

int engine_connect(struct engine *engine, const char *container,
                   const struct connect_request *request, struct err *e)
{
    _cleanup_json_ json_t *answer = NULL;
    _cleanup_free_ char *text = connect_request_text(request);
    char *const words[] = {text, NULL};
    return engine_change_network(engine, container, "connect", words, &answer, e);
}

/* Ports that waited for a network before were not lost by this. */
static void warn_of_lost_ports(struct engine *engine, const struct record *before, strv *warnings)
{
    const char *name = before->spec.name;
    _cleanup_record_ struct record now = {0};
    _cleanup_strv_ strv lost = NULL;
    if (engine_find(engine, name, &now, NULL) < 0 || now.status == STATUS_EXITED)
        return;
    strv_each (port, now.spec.unpublished)
        if (!strv_has(before->spec.unpublished, port))
            strv_add(&lost, port);
    _cleanup_free_ char *ports = strv_join(lost, ", ");
    if (lost)
        strv_add_take(warnings, xasprintf("container `%s` does not publish %s any more: none of "
                                          "its networks can publish them",
                                          name, ports));
}

int engine_disconnect(struct engine *engine, const char *container, const char *network,
                      strv *warnings, struct err *e)
{
    _cleanup_json_ json_t *answer = NULL;
    _cleanup_record_ struct record before = {0};
    _cleanup_free_ char *word = xstrdup(network);
    char *const words[] = {word, NULL};
    if (!valid_name(network))
        return err_say(e, -EINVAL, "invalid network name `%s`", network);
    int r = engine_find(engine, container, &before, e);
    if (r == 0)
        r = engine_change_network(engine, before.spec.name, "disconnect", words, &answer, e);
    if (r == 0)
        warn_of_lost_ports(engine, &before, warnings);
    return r;
}

int engine_publish(struct engine *engine, const char *container, char *const *ports,
                   strv *published, struct err *e)
{
    _cleanup_json_ json_t *answer = NULL;
    int r = engine_change_network(engine, container, "publish", ports, &answer, e);
    if (r == 0)
        *published = json_strv(answer, "ports");
    return r;
}

int engine_unpublish(struct engine *engine, const char *container, char *const *ports,
                     struct err *e)
{
    static char *const all[] = {"--all", NULL};
    _cleanup_json_ json_t *answer = NULL;
    return engine_change_network(engine, container, "unpublish", ports ? ports : all, &answer, e);
}
