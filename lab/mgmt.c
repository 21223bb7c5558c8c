/* Networks of a lab on the host: those of `networks:`, which are the lab's own, and the one for management, which labs share
 * by its name as containerlab's do.
 */
#include "lab.h"

#include <errno.h>
#include <sys/file.h>

#define MGMT_LABEL "netctr.lab.mgmt"
#define MGMT_NETWORK "clab"

char *lab_network_name(const struct topology *t, const char *name)
{
    return topology_long_name(t, name);
}

static bool needs_mgmt(const struct topology *t)
{
    for (size_t i = 0; i < t->node_count; i++)
        if (topology_is_managed(t, &t->nodes[i]))
            return true;
    for (size_t i = 0; i < t->link_count; i++)
        for (int k = 0; k < 2; k++)
            if (t->links[i].ends[k].what == END_MGMT)
                return true;
    return false;
}

/* Labs share the management network: one lab must not find it unused, and remove it, after another one has found it. The
 * directory of all labs stays as long as one of them holds this. */
static int lock_mgmt(struct engine *engine, struct err *e)
{
    _cleanup_close_ int dir =
        openat(engine->store.root_fd, LABS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = dir < 0 ? -errno : lock_fd(dir, LOCK_EX);
    return r < 0 ? err_set(e, r, "lock the management network of labs") : take_fd(dir);
}

/* ---- definitions -----------------------------------------------------------------------------*/

static int take_prefixes(char *const *texts, struct subnet *four, struct subnet *six, struct err *e)
{
    int r = 0;
    strv_each (text, texts) {
        struct subnet s;
        if (r == 0)
            r = subnet_parse(text, &s, e);
        if (r == 0)
            *(s.address.family == AF_INET ? four : six) = s;
    }
    return r;
}

static void take_gateways(char *const *texts, struct network *n)
{
    strv_each (text, texts) {
        struct ip ip;
        if (ip_parse(text, &ip) == 0)
            *(ip.family == AF_INET ? &n->gateway4 : &n->gateway6) = ip;
    }
}

static int make_network(struct engine *engine, const struct topology *t,
                        const struct lab_network *wanted, struct err *e)
{
    _cleanup_network_ struct network n = NETWORK_DEFAULTS;
    n.name = lab_network_name(t, wanted->name);
    n.internal = wanted->internal;
    n.icc = !wanted->isolated_ports;
    n.mtu = wanted->mtu;
    n.labels = strv_copy(wanted->labels);
    strv_add_take(&n.labels, xasprintf("netctr.lab=%s", t->name));
    int r = take_prefixes(wanted->subnets, &n.subnet4, &n.subnet6, e);
    take_gateways(wanted->gateways, &n);
    if (r == 0)
        r = engine_network_create(engine, &n, wanted->ipv6, e);
    if (r == -EEXIST) {
        err_say(e, r, "network `%s` exists already", n.name);
        err_hint(e, "`netctr network rm %s` removes it", n.name);
    }
    return r;
}

/* Containerlab's addresses, unless they are in use. */
static int make_default_mgmt(struct engine *engine, struct network *n, struct err *e)
{
    _cleanup_network_ struct network usual = {0};
    _cleanup_err_ struct err why = ERR_INIT;
    network_copy(n, &usual);
    if (subnet_parse("172.20.20.0/24", &usual.subnet4, e) < 0 ||
        subnet_parse("3fff:172:20:20::/64", &usual.subnet6, e) < 0)
        return e->code;
    int r = engine_network_create(engine, &usual, true, &why);
    if (r == -EADDRINUSE)
        return engine_network_create(engine, n, true, e);
    if (r < 0)
        err_move(e, &why);
    return r;
}

/* It is another lab's as well, or was there before. */
static int require_same(const struct network *wanted, const struct network *present, struct err *e)
{
    if ((!wanted->subnet4.prefix || subnet_equal(&wanted->subnet4, &present->subnet4)) &&
        (!wanted->subnet6.prefix || subnet_equal(&wanted->subnet6, &present->subnet6)))
        return 0;
    err_say(e, -EEXIST, "management network `%s` exists with other addresses", present->name);
    err_hint(e, "give it another name by `mgmt: {network: NAME}`");
    return -EEXIST;
}

static int make_mgmt(struct engine *engine, const struct topology *t, struct lab *l, struct err *e)
{
    const struct lab_mgmt *m = &t->mgmt;
    _cleanup_network_ struct network n = NETWORK_DEFAULTS;
    struct net *net;
    n.name = xstrdup(l->mgmt);
    n.no_default_route = true; /* node.c adds one that gives way to every other */
    n.internal = m->no_outside;
    n.mtu = m->mtu;
    n.bridge = xstrdup(m->bridge);
    strv_add(&n.labels, MGMT_LABEL "=1");
    int r = engine_net(engine, &net, e);
    if (r < 0)
        return r;
    _cleanup_network_ struct network present = {0};
    r = take_prefixes(m->subnets, &n.subnet4, &n.subnet6, e);
    if (r == 0)
        r = take_prefixes(m->ranges, &n.range4, &n.range6, e);
    if (r < 0)
        return r;
    take_gateways(m->gateways, &n);
    if (network_load(net, n.name, &present, NULL) == 0)
        return require_same(&n, &present, e);
    r = m->subnets ? engine_network_create(engine, &n, false, e) : make_default_mgmt(engine, &n, e);
    if (r == -EEXIST) { /* another lab was faster */
        err_clear(e);
        r = 0;
    }
    if (r < 0)
        err_wrap(e, "management network `%s`", n.name);
    return r;
}

/* From here on, its record tells other labs that it uses the network. */
static int claim_mgmt(struct engine *engine, const struct topology *t, struct lab *l, struct err *e)
{
    _cleanup_close_ int lock = lock_mgmt(engine, e);
    if (lock < 0)
        return lock;
    l->mgmt = xstrdup(t->mgmt.network ? t->mgmt.network : MGMT_NETWORK);
    int r = lab_save(l, e);
    return r == 0 ? make_mgmt(engine, t, l, e) : r;
}

int lab_networks_make(struct engine *engine, const struct topology *t, struct lab *l, struct err *e)
{
    int r = 0;
    for (size_t i = 0; i < t->network_count; i++)
        strv_add_take(&l->networks, lab_network_name(t, t->networks[i].name));
    r = needs_mgmt(t) ? claim_mgmt(engine, t, l, e) : lab_save(l, e);
    for (size_t i = 0; r == 0 && i < t->network_count; i++)
        r = make_network(engine, t, &t->networks[i], e);
    return r;
}

int lab_mgmt_make(struct engine *engine, const struct topology *t, struct lab *l, struct err *e)
{
    if (l->mgmt || !needs_mgmt(t))
        return 0;
    l->mgmt = xstrdup(t->mgmt.network ? t->mgmt.network : MGMT_NETWORK);
    int r = lab_save(l, e);
    return r == 0 ? make_mgmt(engine, t, l, e) : r;
}

/* ---- removed ---------------------------------------------------------------------------------*/

static int remove_network(struct engine *engine, const char *name, struct err *e)
{
    int r = engine_network_remove(engine, name, false, NULL, e);
    if (r == -ENOENT)
        err_clear(e);
    return r == -ENOENT ? 0 : r;
}

struct users {
    const struct lab *but;
    const char *network;
    bool used;
};

static int look_for_user(struct lab *l, void *arg)
{
    struct users *u = arg;
    if (!streq(l->name, u->but->name) && (l->damaged || streq(l->mgmt, u->network)))
        u->used = true;
    return 0;
}

/* Unless another lab, or a container, is on it; or it was there before. */
static int remove_mgmt(struct engine *engine, const struct lab *l, const char *name, struct err *e)
{
    struct users users = {.but = l, .network = name};
    struct net *net;
    _cleanup_network_ struct network n = {0};
    _cleanup_close_ int lock = lock_mgmt(engine, e);
    int r = lock < 0 ? lock : engine_net(engine, &net, e);
    if (r == 0)
        r = lab_each(engine, look_for_user, &users, e);
    if (r < 0 || users.used || network_load(net, name, &n, NULL) < 0 ||
        !strv_has(n.labels, MGMT_LABEL "=1"))
        return r;
    r = remove_network(engine, name, e);
    if (r == -EBUSY)
        err_clear(e);
    return r == -EBUSY ? 0 : r;
}

static int add_mgmt(const struct network *n, void *arg)
{
    strv *names = arg;
    if (strv_has(n->labels, MGMT_LABEL "=1"))
        strv_add(names, n->name);
    return 0;
}

int lab_networks_remove(struct engine *engine, const struct lab *l, struct err *e)
{
    int first = 0;
    _cleanup_err_ struct err step = ERR_INIT;
    strv_each (name, l->networks)
        err_note(&first, remove_network(engine, name, &step), e, &step);
    _cleanup_strv_ strv mgmt = NULL;
    if (l->mgmt)
        strv_add(&mgmt, l->mgmt);
    if (l->damaged) /* its record does not say which */
        err_note(&first, engine_network_each(engine, add_mgmt, &mgmt, &step), e, &step);
    strv_each (name, mgmt)
        err_note(&first, remove_mgmt(engine, l, name, &step), e, &step);
    return first;
}
