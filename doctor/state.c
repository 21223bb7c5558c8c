/* netctr's own state: is what it has recorded what the kernel has? */
#include "doctor.h"

#include "life/rates.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define RELOAD "netctr network reload"

/* ---- the firewall ----------------------------------------------------------------------------*/

struct endpoints {
    struct endpoint *items;
    size_t count;
};

/* Borrowed from the containers. */
static struct endpoints all_endpoints(const struct doctor *d)
{
    struct endpoints all = {0};
    for (size_t i = 0; i < d->container_count; i++) {
        const struct endpoint_list *own = &d->containers[i].endpoints;
        all.items = xrealloc(all.items, all.count + own->count + 1, sizeof(*all.items));
        for (size_t k = 0; k < own->count; k++)
            all.items[all.count++] = own->items[k];
    }
    return all;
}

static void say_lack(const char *what, void *arg)
{
    doctor_say(arg, PROBLEM, xstrdup(RELOAD), "the firewall lacks %s", what);
}

int check_firewall(struct doctor *d, struct err *e)
{
    int r = bridge_check(d->bridge, e);
    if (r == -EBUSY) {
        doctor_say(d, PROBLEM, xstrdup(e->hint), "%s", e->text);
        err_clear(e);
        return 0;
    }
    struct endpoints all = all_endpoints(d);
    if (r > 0 && all.count > 0)
        doctor_say(d, PROBLEM, xstrdup(RELOAD),
                   "the firewall is not there, or not netctr's, and %zu containers run on networks",
                   all.count);
    if (r == 0)
        r = bridge_verify(d->bridge, all.items, all.count, say_lack, d, e);
    free(all.items);
    return r < 0 ? r : 0;
}

/* ---- the networks ----------------------------------------------------------------------------*/

/* What other checks report, with more about it. */
static bool is_told_elsewhere(const struct network *n, const char *text)
{
    const char *missing = bridge_forwarding_missing(n);
    return skip_prefix(text, "firewall: the tables") || (missing && strstr(text, missing));
}

/* The container whose port no longer exists, if @text is about one. */
static const char *unplugged(const struct doctor *d, const json_t *containers, const char *text)
{
    size_t i;
    json_t *j;
    json_array_foreach (containers, i, j) {
        const char *name = json_str(j, "name"), *port = json_str(j, "port");
        _cleanup_free_ char *quoted = xasprintf("`%s`", name ? name : "");
        if (name && port && strstr(text, quoted) && !doctor_link(d, port))
            return name;
    }
    return NULL;
}

static const char *owner_of(const json_t *ports, const char *port)
{
    size_t i;
    json_t *j;
    json_array_foreach (ports, i, j)
        if (streq(json_str(j, "name"), port))
            return json_str(j, "container");
    return NULL;
}

/* What `network reload` does not change, because somebody may have wanted it so. */
static char *cure_by_hand(const struct network *n, const json_t *survey, const char *text)
{
    char word[64] = "";
    unsigned mtu;
    const json_t *ports = json_object_get(json_object_get(survey, "bridge"), "ports");
    if (sscanf(text, "mtu: defined %u,", &mtu) == 1 ||
        sscanf(text, "mtu: the default route's link has %u,", &mtu) == 1)
        return xasprintf("ip link set %s mtu %u", n->bridge, mtu);
    if (sscanf(text, "mtu: the bridge has %u, its port `%63[^`]`", &mtu, word) == 2) {
        const char *owner = owner_of(ports, word);
        return owner ? xasprintf("netctr restart %s", owner) : NULL;
    }
    if (sscanf(text, "mac: made with %63[0-9a-f:]", word) == 1)
        return xasprintf("ip link set %s address %s", n->bridge, word);
    if (sscanf(text, "address %63s", word) == 1 && strstr(text, " is not the network's"))
        return xasprintf("ip address del %s dev %s", word, n->bridge);
    if (strstr(text, " is a link that netctr has not made"))
        return xasprintf("rename or remove the link %s", n->bridge);
    return NULL;
}

static bool has_text(const json_t *texts, const char *wanted)
{
    size_t i;
    json_t *text;
    json_array_foreach (texts, i, text)
        if (streq(json_string_value(text), wanted))
            return true;
    return false;
}

static void say_difference(struct doctor *d, const struct network *n, const json_t *survey,
                           const char *text)
{
    if (!text || is_told_elsewhere(n, text))
        return;
    const char *name = unplugged(d, json_object_get(survey, "containers"), text);
    char *cure = name ? xasprintf("netctr restart %s", name) : cure_by_hand(n, survey, text);
    bool harmless = skip_prefix(text, "mtu: ") || skip_prefix(text, "mac: ") ||
                    strstr(text, " is not the network's");
    doctor_say(d, harmless ? WARNING : PROBLEM, cure ? cure : xstrdup(RELOAD), "network `%s`: %s",
               n->name, text);
}

/* A container that is just being started or ended is not a difference for long: two looks must agree. */
static int compare(struct doctor *d, const struct network *n, struct err *e)
{
    const struct timespec moment = {.tv_nsec = 200000000};
    _cleanup_json_ json_t *survey = NULL, *again = NULL;
    int r = network_survey(d->bridge, n, &survey, e);
    const json_t *texts = json_object_get(survey, "differences");
    if (r < 0 || json_array_size(texts) == 0)
        return r;
    nanosleep(&moment, NULL);
    if ((r = network_survey(d->bridge, n, &again, e)) < 0)
        return r;
    size_t i;
    json_t *text;
    json_array_foreach (json_object_get(again, "differences"), i, text)
        if (has_text(texts, json_string_value(text)))
            say_difference(d, n, again, json_string_value(text));
    return 0;
}

/* What `netctr network inspect` calls differences. */
int check_differences(struct doctor *d, struct err *e)
{
    int first = 0;
    for (size_t i = 0; d->store && d->any_defined && i < d->network_count; i++) {
        _cleanup_err_ struct err why = ERR_INIT;
        int r = compare(d, &d->networks[i], &why);
        if (r == -EBADMSG)
            doctor_say_damaged(d, &why);
        else
            err_note(&first, r, e, &why);
    }
    return first;
}

static void say_rate(const char *what, void *arg)
{
    doctor_say(arg, WARNING, xstrdup(RELOAD), "%s", what);
}

static int check_rate(const struct endpoint *ep, int netns, void *arg, struct err *e)
{
    struct doctor *d = arg;
    return endpoint_verify_rate(d->bridge, ep, netns, say_rate, d, e);
}

int check_kept_rates(struct doctor *d, struct err *e)
{
    return d->store ? rates_each(d->store, NULL, check_rate, d, e) : 0;
}

/* ---- what is left ----------------------------------------------------------------------------*/

/* Links that bear another instance's mark: a run-root, a namespace or a boot that may be gone. */
int check_strange_links(struct doctor *d, struct err *e)
{
    (void)e;
    for (size_t i = 0; i < d->link_count; i++) {
        const char *mark = skip_prefix(d->links[i].alias, "netctr ");
        if (!skip_prefix(d->links[i].name, "vc-") || !mark ||
            (d->store && skip_prefix(mark, d->store->instance)))
            continue;
        doctor_say(d, WARNING, xasprintf("ip link del %s", d->links[i].name),
                   "link `%s` (%s) belongs to another instance of netctr", d->links[i].name,
                   d->links[i].alias);
    }
    return 0;
}

static void say_leftover(enum gc_deed deed, const char *what, void *arg)
{
    if (deed == GC_REPLACE)
        doctor_say(arg, WARNING, xstrdup("netctr gc"), "%s: it gives out no address", what);
    else
        doctor_say(arg, WARNING, xstrdup("netctr gc"), "a killed command has left something: %s",
                   what);
}

int check_leftovers(struct doctor *d, struct err *e)
{
    return d->store ? world_gc(&d->world,
                               &(struct gc){.dry_run = true, .tell = say_leftover, .arg = d}, e)
                    : 0;
}
