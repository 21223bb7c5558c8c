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
        r = sandboxes_survey(engine_sandboxes(engine), &n, &live, e);
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
    strv ids;   /* of all containers */
    strv
        orphans; /* sandboxes on it whose owners have been removed; those who share them are in names */
};

static void users_clear(struct users *u)
{
    strv_free(u->names);
    strv_free(u->texts);
    strv_free(u->ids);
    strv_free(u->orphans);
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

static void add_user(struct users *u, const char *name, const char *how)
{
    if (strv_has(u->names, name))
        return;
    strv_add(&u->names, name);
    strv_add_take(&u->texts, xasprintf("`%s`%s", name, how));
}

static bool is_alive(const struct record *r)
{
    return r->status != STATUS_EXITED;
}

/* A container that does not run counts as well: without the network it could not start again. The network that the sandbox
 * of a living one is on counts, whatever its definition says. */
static int find_user(const struct record *r, void *arg)
{
    struct users *u = arg;
    _cleanup_endpoint_ struct endpoint ep = {0};
    _cleanup_close_ int dir = is_alive(r) ? store_live_dir(&u->engine->store, r->spec.name) : -1;
    /* Of netctr 0.1. An endpoint whose record is damaged is an endpoint. */
    bool old = dir >= 0 && endpoint_load(dir, u->network, &ep, NULL) != -ENOENT;
    strv_add(&u->ids, r->spec.id);
    if (old || record_names_network(r, u->network))
        add_user(u, r->spec.name, is_alive(r) ? "" : " (stopped)");
    return 0;
}

static int find_sandbox(struct sandbox_record *r, void *arg)
{
    struct users *u = arg;
    _cleanup_endpoint_ struct endpoint ep = {0};
    _cleanup_strv_ strv members = NULL;
    if (endpoint_load(r->dir, u->network, &ep, NULL) == -ENOENT)
        return 0;
    if (strv_has(u->ids, r->id)) {
        if (r->name)
            add_user(u, r->name, "");
        return 0;
    }
    sandbox_members(r, &members);
    strv_each (name, members)
        add_user(u, name, "");
    if (r->life != SANDBOX_MONITORED)
        strv_add_take(&u->texts, xasprintf("`%s` (sandbox %s)", r->name ? r->name : "?", r->id));
    strv_add(&u->orphans, r->id);
    return 0;
}

static int find_users(struct users *u, struct err *e)
{
    int r = store_each(&u->engine->store, find_user, u, e);
    return r == 0 ? sandbox_each(engine_sandboxes(u->engine), find_sandbox, u, e) : r;
}

static bool is_used(const struct users *u)
{
    return u->names || u->orphans;
}

void engine_endpoints(struct engine *engine, const struct record *r, struct endpoint_list *out)
{
    const char *pinned = skip_prefix(r->spec.network, NETWORK_OF_SANDBOX);
    *out = (struct endpoint_list){0};
    if (pinned && is_alive(r))
        sandbox_endpoints(engine_sandboxes(engine), pinned, out);
    if (!is_alive(r) || !r->spec.networks)
        return;
    sandbox_endpoints(engine_sandboxes(engine), r->spec.id, out);
    _cleanup_close_ int dir = out->count ? -1 : store_live_dir(&engine->store, r->spec.name);
    if (dir >= 0) { /* of netctr 0.1 */
        endpoint_list_clear(out);
        (void)endpoint_load_all(dir, ".", out, NULL);
    }
}

bool engine_is_on_network(struct engine *engine, const struct record *r, const char *network)
{
    _cleanup_endpoints_ struct endpoint_list all = {0};
    if (streq(r->spec.network, network))
        return true;
    if (!is_alive(r) || !valid_name(network))
        return record_names_network(r, network);
    engine_endpoints(engine, r, &all);
    for (size_t i = 0; i < all.count; i++)
        if (streq(all.items[i].network, network))
            return true;
    return false;
}

/* ---- create, remove --------------------------------------------------------------------------*/

int engine_network_create(struct engine *engine, struct network *n, bool dual, struct err *e)
{
    struct net *net;
    int r = 0;
    strv_each (label, n->labels)
        if (r == 0)
            r = label_check(label, e);
    if (r == 0)
        r = engine_net(engine, &net, e);
    if (r == 0)
        r = sandboxes_upgrade_tables(engine_sandboxes(engine), e);
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
        r = find_users(users, e);
    if (force)
        strv_each (id, users->orphans)
            if (r == 0)
                r = sandboxes_detach(engine_sandboxes(engine), id, users->network, e);
    if (r == 0 && force && users->orphans) /* those who share them are not on it any more */
        return 0;
    if (r == 0 && !is_used(users))
        r = remove_unused(engine, users->network, e);
    return r;
}

static int refuse_used(const struct users *u, struct err *e)
{
    bool many = strv_len(u->names) > 1;
    _cleanup_free_ char *text = strv_join(u->texts, ", ");
    err_say(e, -EBUSY, "network `%s` is used by container%s %s", u->network, many ? "s" : "", text);
    err_hint(e, "`netctr network rm -f %s` disconnects %s first", u->network, many ? "them" : "it");
    return -EBUSY;
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
        r = sandboxes_upgrade_tables(engine_sandboxes(engine), e);
    /* Others may connect containers at the same time. */
    for (int tries = 1; r == 0; tries++) {
        _cleanup_users_ struct users users = {.engine = engine, .network = name};
        r = try_remove(force, &users, e);
        if (r < 0 || !is_used(&users))
            break;
        if (force && users.orphans && tries < TRIES_MAX)
            continue;
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
    strv used;
    struct err *e;
};

static int note_container(const struct record *r, void *pruning)
{
    struct pruning *p = pruning;
    strv_each (text, r->spec.networks) {
        _cleanup_free_ char *name = xstrndup(text, strcspn(text, ":"));
        if (!strv_has(p->used, name))
            strv_add(&p->used, name);
    }
    _cleanup_close_ int dir = is_alive(r) ? store_live_dir(&p->engine->store, r->spec.name) : -1;
    return dir < 0 ? 0 : endpoint_networks(dir, &p->used, p->e); /* of netctr 0.1 */
}

static int note_sandbox(struct sandbox_record *r, void *pruning)
{
    struct pruning *p = pruning;
    return endpoint_networks(r->dir, &p->used, p->e);
}

static int prune_one(const struct network *n, void *pruning)
{
    struct pruning *p = pruning;
    if (streq(n->name, DEFAULT_NETWORK) || strv_has(p->used, n->name) || !p->wanted(n, p->arg))
        return 0;
    int r = remove_unused(p->engine, n->name, p->e);
    if (r == 0)
        strv_add(p->removed, n->name);
    return r;
}

/* Containers and sandboxes are listed once, not for each network. */
int engine_network_prune(struct engine *engine, bool (*wanted)(const struct network *n, void *arg),
                         void *arg, strv *removed, struct err *e)
{
    struct pruning p = {engine, wanted, arg, removed, NULL, e};
    int r = sandboxes_upgrade_tables(engine_sandboxes(engine), e);
    _cleanup_close_ int lock = r < 0 ? r : store_lock(&engine->store, e);
    r = lock < 0 ? lock : store_each(&engine->store, note_container, &p, e);
    if (r == 0)
        r = sandbox_each(engine_sandboxes(engine), note_sandbox, &p, e);
    if (r == 0)
        r = engine_network_each(engine, prune_one, &p, e);
    strv_free(p.used);
    return r;
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
        r = sandboxes_upgrade_tables(engine_sandboxes(engine), e);
    _cleanup_close_ int lock = r < 0 ? r : store_lock(&engine->store, e);
    return lock < 0 ? lock : network_link(net, from, to, allow, e);
}

int engine_network_forwarding(struct engine *engine, bool open, struct err *e)
{
    struct net *net;
    int r = engine_net(engine, &net, e);
    if (r == 0)
        r = sandboxes_upgrade_tables(engine_sandboxes(engine), e);
    return r == 0 ? net_open_forwarding(net, open, e) : r;
}

/* ---- one container ---------------------------------------------------------------------------*/

int engine_connect(struct engine *engine, const char *container,
                   const struct connect_request *request, struct err *e)
{
    _cleanup_json_ json_t *answer = NULL;
    _cleanup_free_ char *text = connect_request_text(request);
    char *const words[] = {text, NULL};
    return engine_change(engine, container, "connect", words, &answer, e);
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
        strv_add_take(warnings, xasprintf("container `%s` does not publish %s any more: its "
                                          "networks cannot publish them",
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
        r = engine_change(engine, before.spec.name, "disconnect", words, &answer, e);
    if (r == 0)
        warn_of_lost_ports(engine, &before, warnings);
    return r;
}

int engine_publish(struct engine *engine, const char *container, char *const *ports,
                   strv *published, struct err *e)
{
    _cleanup_json_ json_t *answer = NULL;
    int r = engine_change(engine, container, "publish", ports, &answer, e);
    if (r == 0)
        *published = json_strv(answer, "ports");
    return r;
}

int engine_unpublish(struct engine *engine, const char *container, char *const *ports,
                     struct err *e)
{
    static char *const all[] = {"--all", NULL};
    _cleanup_json_ json_t *answer = NULL;
    return engine_change(engine, container, "unpublish", ports ? ports : all, &answer, e);
}
