/* Compares netctr's records with the state of the kernel. */
#include "doctor/doctor.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define RELOAD "netctr network reload"

enum { FIREWALL_MAX = 5 }; /* differences that get a line of their own */

/* ---- the firewall ----------------------------------------------------------------------------*/

int check_firewall(struct doctor *d, struct err *e)
{
    int r = net_check(d->bridge, e);
    if (r == -EBUSY || r == -EPROTONOSUPPORT) {
        doctor_say(d, PROBLEM, xstrdup(e->hint), "%s", e->text);
        err_clear(e);
        return 0;
    }
    size_t count = 0;
    for (size_t i = 0; i < d->container_count; i++)
        count += d->containers[i].endpoints.count > 0;
    if (r > 0 && count > 0)
        doctor_say(d, PROBLEM, xstrdup(RELOAD),
                   "netctr's firewall tables are missing, older than this netctr, or restored "
                   "from a file, and %zu containers run on networks",
                   count);
    return r < 0 ? r : 0;
}

/* ---- the networks ----------------------------------------------------------------------------*/

/* True for differences that other checks report in more detail. */
static bool is_reported_elsewhere(const struct network *n, const char *text)
{
    const char *missing = net_forwarding_missing(n);
    return skip_prefix(text, "firewall: the tables") || (missing && strstr(text, missing));
}

/* The command that repairs the difference. The text names it where `network reload` does not change
 * what a user may have set on purpose. */
static char *cure_of(const char *text)
{
    const char *open = strrchr(text, '('), *tick = open ? strchr(open + 2, '`') : NULL;
    if (tick && open[1] == '`' && (streq(tick, "` puts it back)") || streq(tick, "` removes it)")))
        return xstrndup(open + 2, (size_t)(tick - open - 2));
    return xstrdup(RELOAD);
}

static void say_difference(struct doctor *d, const struct network *n, const char *text)
{
    bool harmless = skip_prefix(text, "mtu: ") || skip_prefix(text, "mac: ") ||
                    strstr(text, " does not belong to the network");
    doctor_say(d, harmless ? WARNING : PROBLEM, cure_of(text), "network `%s`: %s", n->name, text);
}

/* @firewall: differences of the firewall, which every network lists. */
static int compare(struct doctor *d, const struct network *n, strv *firewall, struct err *e)
{
    _cleanup_json_ json_t *survey = NULL;
    int r = engine_survey(&d->engine, n, &survey, e);
    size_t i;
    json_t *difference;
    json_array_foreach (json_object_get(survey, "changed_inside"), i, difference) {
        doctor_say(d, NOTE, cure_of(json_string_value(difference)),
                   "network `%s`: %s; it may administer its network (CAP_NET_ADMIN)", n->name,
                   json_string_value(difference));
    }
    json_array_foreach (json_object_get(survey, "differences"), i, difference) {
        const char *text = json_string_value(difference), *of_all = skip_prefix(text, "firewall: ");
        if (is_reported_elsewhere(n, text))
            continue;
        if (!of_all)
            say_difference(d, n, text);
        else if (!strv_has(*firewall, of_all))
            strv_add(firewall, of_all);
    }
    return r;
}

/* "chain netctr forward", for a missing rule; caller frees; NULL: another kind of difference. */
static char *chain_that_lacks(const char *text)
{
    static const char missing[] = "` is missing";
    const char *rule = skip_prefix(text, "rule "), *end = rule ? strstr(rule, " `") : NULL;
    size_t length = strlen(text);
    if (!end || length < sizeof(missing) || !streq(text + length - (sizeof(missing) - 1), missing))
        return NULL;
    return xasprintf("chain %.*s", (int)(end - rule), rule);
}

static size_t count_missing_rules(char *const *texts, const char *chain)
{
    size_t count = 0;
    strv_each (text, texts) {
        _cleanup_free_ char *other = chain_that_lacks(text);
        count += streq(other, chain);
    }
    return count;
}

/* A flushed chain lacks many rules, and a flushed set many elements: these are merged into one
 * line. */
static void say_firewall(struct doctor *d, char *const *texts)
{
    _cleanup_strv_ strv lines = NULL;
    size_t more = 0;
    strv_each (text, texts) {
        _cleanup_free_ char *chain = chain_that_lacks(text);
        size_t rules = chain ? count_missing_rules(texts, chain) : 0;
        _cleanup_free_ char *line =
            rules > 1 ? xasprintf("%zu rules of %s are missing", rules, chain) : xstrdup(text);
        if (!strv_has(lines, line))
            strv_add(&lines, line);
    }
    strv_each (line, lines) {
        if (more++ < FIREWALL_MAX)
            doctor_say(d, PROBLEM, xstrdup(RELOAD), "the firewall: %s", line);
    }
    if (more > FIREWALL_MAX)
        doctor_say(d, PROBLEM, xstrdup(RELOAD),
                   "the firewall: %zu more differences, which `netctr network inspect` shows",
                   more - FIREWALL_MAX);
}

/* Reports the differences that `netctr network inspect` shows. */
int check_differences(struct doctor *d, struct err *e)
{
    int first = 0;
    _cleanup_strv_ strv firewall = NULL;
    for (size_t i = 0; d->store && d->any_defined && i < d->network_count; i++) {
        _cleanup_err_ struct err why = ERR_INIT;
        int r = compare(d, &d->networks[i], &firewall, &why);
        if (r == -EBADMSG)
            doctor_say_damaged(d, &why);
        else
            err_note(&first, r, e, &why);
    }
    say_firewall(d, firewall);
    return first;
}

/* ---- leftovers -------------------------------------------------------------------------------*/

/* Reports links with the mark of another instance: its run-root, namespace or boot may be gone. */
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

struct leftovers {
    strv replaced, removed;
};

static void leftovers_clear(struct leftovers *l)
{
    strv_free(l->replaced);
    strv_free(l->removed);
}
#define _cleanup_leftovers_ __attribute__((cleanup(leftovers_clear)))

static void take_leftover(enum gc_deed deed, const char *what, void *arg)
{
    struct leftovers *l = arg;
    strv_add(deed == GC_REPLACE ? &l->replaced : &l->removed, what);
}

static strv common_of(char *const *a, char *const *b)
{
    strv both = NULL;
    strv_each (text, a) {
        if (strv_has(b, text))
            strv_add(&both, text);
    }
    return both;
}

/* The unfinished work of a running command looks like a leftover, so only what is found every time
 * is reported. */
int check_leftovers(struct doctor *d, struct err *e)
{
    enum { LOOKS = 4 };
    const struct timespec moment = {.tv_nsec = 50000000};
    _cleanup_leftovers_ struct leftovers all = {0};
    for (int looks = 0; d->store && looks < LOOKS && (looks == 0 || all.replaced || all.removed);
         looks++) {
        if (looks)
            nanosleep(&moment, NULL);
        _cleanup_leftovers_ struct leftovers before = all;
        all = (struct leftovers){0};
        _cleanup_leftovers_ struct leftovers now = {0};
        int r = engine_gc(&d->engine,
                          &(struct gc){.dry_run = true, .tell = take_leftover, .arg = &now}, e);
        if (r < 0)
            return r;
        all.replaced = common_of(now.replaced, looks ? before.replaced : now.replaced);
        all.removed = common_of(now.removed, looks ? before.removed : now.removed);
    }
    strv_each (what, all.replaced)
        doctor_say(d, WARNING, xstrdup("netctr gc"),
                   "%s: addresses may be blocked or assigned twice", what);
    strv_each (what, all.removed)
        doctor_say(d, WARNING, xstrdup("netctr gc"), "a killed command has left: %s", what);
    return 0;
}
