/* netctr's own state: is what it has recorded what the kernel has? */
#include "doctor.h"

#include <errno.h>
#include <string.h>

#define RELOAD "netctr network reload"

/* ---- the firewall ----------------------------------------------------------------------------*/

int check_firewall(struct doctor *d, struct err *e)
{
    int r = bridge_check(d->bridge, e);
    if (r == -EBUSY) {
        doctor_say(d, PROBLEM, xstrdup(e->hint), "%s", e->text);
        err_clear(e);
        return 0;
    }
    size_t count = 0;
    for (size_t i = 0; i < d->container_count; i++)
        count += d->containers[i].endpoints.count > 0;
    if (r > 0 && count > 0)
        doctor_say(d, PROBLEM, xstrdup(RELOAD),
                   "the firewall is not there, or not netctr's, and %zu containers run on networks",
                   count);
    return r < 0 ? r : 0;
}

/* ---- the networks ----------------------------------------------------------------------------*/

/* What other checks report, with more about it. */
static bool is_told_elsewhere(const struct network *n, const char *text)
{
    const char *missing = bridge_forwarding_missing(n);
    return skip_prefix(text, "firewall: the tables") || (missing && strstr(text, missing));
}

/* What `network reload` does not change, because somebody may have wanted it so: the text then names the command. */
static char *cure_of(const char *text)
{
    const char *open = strrchr(text, '('), *tick = open ? strchr(open + 2, '`') : NULL;
    if (tick && open[1] == '`' && (streq(tick, "` puts it back)") || streq(tick, "` removes it)")))
        return xstrndup(open + 2, (size_t)(tick - open - 2));
    return xstrdup(RELOAD);
}

static bool is_said(const struct doctor *d, const char *text)
{
    size_t i;
    json_t *finding;
    json_array_foreach (d->findings, i, finding)
        if (streq(json_str(finding, "text"), text))
            return true;
    return false;
}

/* Every network names what the firewall lacks for all of them. */
static void say_difference(struct doctor *d, const struct network *n, const char *text)
{
    _cleanup_free_ char *told = skip_prefix(text, "firewall: ")
                                    ? xasprintf("the firewall: %s", skip_prefix(text, "firewall: "))
                                    : xasprintf("network `%s`: %s", n->name, text);
    bool harmless = skip_prefix(text, "mtu: ") || skip_prefix(text, "mac: ") ||
                    strstr(text, " is not the network's");
    if (!is_told_elsewhere(n, text) && !is_said(d, told))
        doctor_say(d, harmless ? WARNING : PROBLEM, cure_of(text), "%s", told);
}

static int compare(struct doctor *d, const struct network *n, struct err *e)
{
    _cleanup_json_ json_t *survey = NULL;
    int r = world_survey(&d->world, n, &survey, e);
    size_t i;
    json_t *text;
    json_array_foreach (json_object_get(survey, "differences"), i, text)
        say_difference(d, n, json_string_value(text));
    return r;
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
