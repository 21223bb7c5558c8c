/* Takes back the forwarding that netctr has switched on, for `netctr reset`. */
#include "forwarding.h"

#include <errno.h>
#include <string.h>

struct newer {
    char *const *known;
    char name[IFNAMSIZ];
};

static int find_newer(const struct link *link, void *arg)
{
    struct newer *n = arg;
    if (forwarding_is_foreign(link) && !strv_has(n->known, link->name) && !*n->name)
        memcpy(n->name, link->name, sizeof(n->name));
    return 0;
}

/* ip_forward=0 also resets the links that forwarded before. */
static int switch_off(enum family f, const struct forwarding *s, struct err *e)
{
    const struct closed *c = &s->families[f];
    if (f == SIX && forwarding_can_force()) {
        int r = forwarding_replace(c->from, "force_forwarding", "1", "0", e);
        return r == 0 ? sysctl_write(IPV6_FORCE, "0", e) : r;
    }
    int r = sysctl_write(f == FOUR ? IPV4 : IPV6, "0", e);
    strv_each (link, c->to) {
        _cleanup_free_ char *key = forwarding_sysctl(link, "forwarding", f);
        if (r == 0 && f == FOUR && !strv_has(c->from, link) && forwarding_sysctl_is(key, "0"))
            r = sysctl_write(key, "1", e);
    }
    return r;
}

/* A link that is newer than the record (docker0, wg0) belongs to a program that found the host forwarding, and may need
 * that. */
static int family_reset(struct net *net, enum family f, const struct forwarding *s,
                        const struct gc *gc, struct err *e)
{
    struct newer newer = {.known = s->families[f].to};
    const char *key = f == FOUR ? IPV4 : forwarding_can_force() ? IPV6_FORCE : IPV6;
    if (!newer.known || forwarding_is_on(f, NULL) != 1)
        return 0;
    int r = rt_each_link(net->rt, find_newer, &newer, e);
    if (r < 0)
        return r;
    if (s->opened || *newer.name) {
        gc_tell(gc, GC_LEAVE, "sysctl %s, %s%s: the host forwards %s between all its links", key,
                s->opened ? "forwarding was opened by command" : "newer link ", newer.name,
                forwarding_titles[f]);
        return 0;
    }
    r = gc->dry_run ? 0 : switch_off(f, s, e);
    if (r == 0)
        gc_tell(gc, GC_RESTORE, "sysctl %s to 0", key);
    return r;
}

int forwarding_reset(struct net *net, const struct gc *gc, struct err *e)
{
    _cleanup_state_ struct forwarding s = {0};
    _cleanup_err_ struct err step = ERR_INIT;
    int first = 0, r = forwarding_load(net, &s, e);
    for (int f = 0; r == 0 && s.missing && f < FAMILIES; f++)
        r = fw_read_closed(net->fw, f == FOUR ? AF_INET : AF_INET6, &s.families[f].from,
                           &s.families[f].to, e);
    if (r == -EBADMSG) {
        err_clear(e);
        gc_tell(gc, GC_LEAVE, "forwarding, whose record `%s` is damaged", STATE_FILE);
        return 0;
    }
    if (r < 0)
        return r;
    for (int f = 0; f < FAMILIES; f++)
        err_note(&first, family_reset(net, (enum family)f, &s, gc, &step), e, &step);
    return first;
}
