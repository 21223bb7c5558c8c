/* Is a network as it should be? Collects the endpoints of running containers with their network namespaces, and has
 * bridge/ compare them with the kernel. */
#include "survey.h"

#include "helpers.h"

#include <errno.h>
#include <linux/capability.h>
#include <time.h>

/* ---- endpoints -------------------------------------------------------------------------------*/

int endpoints_load(int dir, const char *name, const char *id, struct endpoint_list *out)
{
    int r = endpoint_load_all(dir, out, NULL);
    size_t kept = 0;
    for (size_t i = 0; i < out->count; i++) {
        struct endpoint *ep = &out->items[i];
        if (streq(ep->container, name) && (!id || streq(ep->id, id))) {
            out->items[kept++] = *ep;
            continue;
        }
        endpoint_clear(ep);
        r = r < 0 ? r : -EBADMSG;
    }
    out->count = kept;
    return r;
}

int endpoints_collect(int dir, const char *name, struct endpoint_list *list, char **unknown)
{
    struct endpoint_list own;
    int r = endpoints_load(dir, name, NULL, &own);
    /* On an I/O error give up: without its endpoint, a reload would delete the rules of a running container. */
    if (r < 0 && r != -EBADMSG) {
        endpoint_list_clear(&own);
        return r;
    }
    if (r < 0 && !*unknown)
        *unknown = xstrdup(name);
    list->items = xrealloc(list->items, list->count + own.count + 1, sizeof(*own.items));
    for (size_t i = 0; i < own.count; i++)
        list->items[list->count++] = own.items[i];
    free(own.items);
    return 0;
}

static int add_endpoints(const char *name, int dir, void *arg)
{
    struct live_list *l = arg;
    size_t before = l->list.count;
    int r = endpoints_collect(dir, name, &l->list, &l->unknown);
    l->live = xrealloc(l->live, l->list.count + 1, sizeof(*l->live));
    l->unchanged_ms = xrealloc(l->unchanged_ms, l->list.count + 1, sizeof(*l->unchanged_ms));
    for (size_t i = before; i < l->list.count; i++) {
        l->live[i] = (struct live_endpoint){.netns = -1};
        l->unchanged_ms[i] = file_age_ms(dir);
    }
    return r;
}

struct settling {
    struct store *store;
    struct live_list *list;
};

/* An fd of the network namespace of a running container; -1: it has no process just now. */
static int record_netns(const struct record *r)
{
    int fd = r->status == STATUS_RUNNING ? netns_of_process(r->pid, r->pid_start) : -1;
    return fd < 0 ? -1 : fd;
}

static int settle(const struct record *r, void *arg)
{
    struct settling *s = arg;
    _cleanup_close_ int dir = store_live_dir(s->store, r->spec.name);
    if ((r->status != STATUS_RUNNING && r->status != STATUS_RESTARTING) || dir < 0 ||
        container_marked(dir, MARK_LEAVING) > 0)
        return 0;
    for (size_t i = 0; i < s->list->list.count; i++) {
        const struct endpoint *ep = &s->list->list.items[i];
        struct live_endpoint *live = &s->list->live[i];
        if (!streq(ep->container, r->spec.name) || !streq(ep->id, r->spec.id) || live->settled)
            continue;
        live->settled = true;
        live->netns = record_netns(r);
        live->own_end = r->spec.caps >> CAP_NET_ADMIN & 1;
    }
    return 0;
}

int live_list_read(struct engine *engine, struct live_list *out, struct err *e)
{
    *out = (struct live_list){0};
    int r = store_each_live(&engine->store, add_endpoints, out, e);
    struct settling s = {&engine->store, out};
    if (r == 0)
        r = store_each(&engine->store, settle, &s, e);
    for (size_t i = 0; i < out->list.count; i++)
        out->live[i].endpoint = &out->list.items[i];
    out->view = (struct bridge_view){out->live, out->list.count, helpers_port(engine)};
    return r;
}

void live_list_clear(struct live_list *l)
{
    for (size_t i = 0; i < l->list.count; i++)
        close_fd(l->live[i].netns);
    endpoint_list_clear(&l->list);
    free(l->live);
    free(l->unchanged_ms);
    free(l->unknown);
}

/* ---- the survey ------------------------------------------------------------------------------*/

/* Is a container just being connected or disconnected, or a network being created or removed? */
static bool is_moving(const struct net *net, const struct live_list *l, const struct network *n)
{
    enum { SETTLED_MS = 300 };
    if (net_networks_age_ms(net) < SETTLED_MS)
        return true;
    for (size_t i = 0; i < l->list.count; i++)
        if (streq(l->list.items[i].network, n->name) && l->unchanged_ms[i] < SETTLED_MS)
            return true;
    return false;
}

static int survey_once(struct engine *engine, const struct network *n, json_t **out, bool *moving,
                       struct err *e)
{
    struct net *net;
    _cleanup_live_list_ struct live_list living = {0};
    int r = engine_net(engine, &net, e);
    if (r == 0)
        r = live_list_read(engine, &living, e);
    *moving = r == 0 && is_moving(net, &living, n);
    return r < 0 ? r : network_survey(net, n, &living.view, out, e);
}

static bool has_text(const json_t *list, const json_t *text)
{
    size_t i;
    const json_t *j;
    json_array_foreach (list, i, j)
        if (json_equal(j, text))
            return true;
    return false;
}

/* Removes from @now what is not in @before. */
static void keep_common(json_t *now, const json_t *before)
{
    for (size_t i = json_array_size(now); i > 0; i--)
        if (!has_text(before, json_array_get(now, i - 1)))
            json_array_remove(now, i - 1);
}

/* Containers start and end during a survey. A difference counts if two surveys find it; while something is being changed,
 * if all surveys until the end of the change find it. */
int engine_survey(struct engine *engine, const struct network *n, json_t **out, struct err *e)
{
    enum { LOOKS_MAX = 12 };
    const struct timespec moment = {.tv_nsec = 30000000};
    _cleanup_json_ json_t *found = NULL;
    bool again = true, moving;
    for (int looks = 0; again && looks < LOOKS_MAX; looks++) {
        _cleanup_json_ json_t *before = take_ptr(found);
        if (before)
            nanosleep(&moment, NULL);
        int r = survey_once(engine, n, &found, &moving, e);
        if (r < 0)
            return r;
        static const char *const lists[] = {"differences", "changed_inside"};
        bool any = false;
        for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
            json_t *list = json_object_get(found, lists[i]);
            if (before)
                keep_common(list, json_object_get(before, lists[i]));
            any = any || json_array_size(list);
        }
        again = any && (!before || moving);
    }
    *out = take_ptr(found);
    return 0;
}

struct remaining {
    struct engine *engine;
    void (*left)(const char *network, const char *what, void *arg);
    void *arg;
    struct err *e;
};

static int tell_remaining(const struct network *n, void *arg)
{
    struct remaining *rest = arg;
    _cleanup_json_ json_t *found = NULL;
    int r = engine_survey(rest->engine, n, &found, rest->e);
    size_t i;
    json_t *text;
    json_array_foreach (json_object_get(found, "differences"), i, text) {
        rest->left(n->name, json_string_value(text), rest->arg);
    }
    return r;
}

int engine_survey_each(struct engine *engine,
                       void (*found)(const char *network, const char *what, void *arg), void *arg,
                       struct err *e)
{
    struct net *net;
    struct remaining rest = {engine, found, arg, e};
    int r = engine_net(engine, &net, e);
    return r < 0 ? r : network_each(net, tell_remaining, &rest, e);
}
