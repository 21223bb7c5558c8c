/* Is a network as it should be? Collects the endpoints of living sandboxes with their network namespaces, and has
 * bridge/ compare them with the kernel. */
#include "survey.h"

#include <errno.h>
#include <time.h>

/* ---- endpoints -------------------------------------------------------------------------------*/

void endpoints_append(struct endpoint_list *to, struct endpoint_list *from)
{
    to->items = xrealloc(to->items, to->count + from->count + 1, sizeof(*to->items));
    for (size_t i = 0; i < from->count; i++)
        to->items[to->count++] = from->items[i];
    from->count = 0;
}

/* A sandbox is complete once it has a member, or if it needs none. */
static bool is_complete(const struct sandbox_record *r)
{
    _cleanup_strv_ strv members = NULL;
    if (r->life != SANDBOX_MONITORED)
        return !apart_has_pending(r);
    sandbox_members(r, &members);
    return members;
}

static int add_endpoints(struct sandbox_record *r, void *arg)
{
    struct live_list *l = arg;
    size_t before = l->list.count;
    if (r->damaged && !l->unknown)
        l->unknown = xstrdup(r->name ? r->name : r->id);
    if (!r->endpoints.count)
        return 0;
    bool settled = r->state == SANDBOX_LIVES && is_complete(r);
    endpoints_append(&l->list, &r->endpoints);
    l->live = xrealloc(l->live, l->list.count + 1, sizeof(*l->live));
    l->unchanged_ms = xrealloc(l->unchanged_ms, l->list.count + 1, sizeof(*l->unchanged_ms));
    for (size_t i = before; i < l->list.count; i++) {
        int netns = settled ? sandbox_open_netns(r) : -1;
        l->live[i] = (struct live_endpoint){.netns = netns < 0 ? -1 : netns,
                                            .settled = settled,
                                            .own_end = settled && sandbox_is_open_inside(r)};
        l->unchanged_ms[i] = file_age_ms(r->dir);
    }
    return 0;
}

int live_list_read(struct sandboxes *s, struct live_list *out, struct err *e)
{
    *out = (struct live_list){0};
    int r = sandbox_each(s, add_endpoints, out, e);
    for (size_t i = 0; i < out->list.count; i++)
        out->live[i].endpoint = &out->list.items[i];
    out->view = (struct bridge_view){out->live, out->list.count, sandboxes_names_port(s)};
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

static int survey_once(struct sandboxes *s, const struct network *n, json_t **out, bool *moving,
                       struct err *e)
{
    struct net *net;
    _cleanup_live_list_ struct live_list living = {0};
    int r = sandboxes_net(s, &net, e);
    if (r == 0)
        r = live_list_read(s, &living, e);
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
int sandboxes_survey(struct sandboxes *s, const struct network *n, json_t **out, struct err *e)
{
    enum { LOOKS_MAX = 12 };
    const struct timespec moment = {.tv_nsec = 30000000};
    _cleanup_json_ json_t *found = NULL;
    bool again = true, moving;
    for (int looks = 0; again && looks < LOOKS_MAX; looks++) {
        _cleanup_json_ json_t *before = take_ptr(found);
        if (before)
            nanosleep(&moment, NULL);
        int r = survey_once(s, n, &found, &moving, e);
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
    struct sandboxes *all;
    void (*left)(const char *network, const char *what, void *arg);
    void *arg;
    struct err *e;
};

static int tell_remaining(const struct network *n, void *arg)
{
    struct remaining *rest = arg;
    _cleanup_json_ json_t *found = NULL;
    int r = sandboxes_survey(rest->all, n, &found, rest->e);
    size_t i;
    json_t *text;
    json_array_foreach (json_object_get(found, "differences"), i, text) {
        rest->left(n->name, json_string_value(text), rest->arg);
    }
    return r;
}

int sandboxes_survey_each(struct sandboxes *s,
                          void (*found)(const char *network, const char *what, void *arg),
                          void *arg, struct err *e)
{
    struct net *net;
    struct remaining rest = {s, found, arg, e};
    int r = sandboxes_net(s, &net, e);
    return r < 0 ? r : network_each(net, tell_remaining, &rest, e);
}
