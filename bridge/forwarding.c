/* Containers need a host that forwards packets. Turning forwarding on would make the host a router
 * for all of its neighbours. So netctr records which links exist at that moment, and its own chain drops what
 * would go from one of them to another. Links that are created later (docker0, wg0) belong to
 * software that knows that the host forwards; they stay open. If forwarding was on before, nothing
 * is closed.
 *
 * IPv4 has one switch (ip_forward). The global IPv6 switch would make the kernel drop default
 * routes that came from router advertisements, and ignore new advertisements. Since Linux 6.17,
 * single links can forward (force_forwarding) and new links inherit that. On older kernels, links
 * that accept advertisements are first set to keep accepting them (accept_ra=2).
 *
 * The closed links are stored in RUN/leases/.forwarding before anything is switched on, so that a
 * rebuilt firewall closes them again. If the file is lost, the elements of the firewall replace it.
 * The firewall knows only names; the file also has the links' indexes, so that the next start or
 * reload finds a renamed link.
 */
#include "forwarding.h"

#include <errno.h>
#include <string.h>
#include <sys/file.h>

#define LOCK_FILE ".forwarding.lock"

static const char *const names[FAMILIES] = {"ipv4", "ipv6"};
const char *const forwarding_titles[FAMILIES] = {"IPv4", "IPv6"};

void forwarding_clear(struct forwarding *s)
{
    for (int i = 0; i < FAMILIES; i++) {
        strv_free(s->families[i].from);
        strv_free(s->families[i].to);
    }
    strv_free(s->bridges);
    json_decref(s->indexes);
    *s = (struct forwarding){0};
}

static struct fw_closed as_elements(const struct forwarding *s, enum family f)
{
    return (struct fw_closed){.family = f == FOUR ? AF_INET : AF_INET6,
                              .from = s->families[f].from,
                              .to = s->families[f].to,
                              .bridges = s->bridges};
}

/* ---- the file --------------------------------------------------------------------------------*/

int forwarding_lock(struct net *net, struct err *e)
{
    int lock = lock_file_at(net->leases_fd, LOCK_FILE, LOCK_EX);
    return lock < 0 ? lock_failed(lock, net->leases_fd, LOCK_FILE, "forwarding", e) : lock;
}

static int state_save(struct net *net, const struct forwarding *s, struct err *e)
{
    _cleanup_json_ json_t *j = json_object();
    json_object_set_new(j, "schema", json_integer(1));
    for (int i = 0; i < FAMILIES; i++) {
        json_t *family = json_object();
        json_put_strv(family, "from", s->families[i].from);
        json_put_strv(family, "to", s->families[i].to);
        json_object_set_new(j, names[i], family);
    }
    json_put_strv(j, "bridges", s->bridges);
    if (s->indexes)
        json_object_set(j, "indexes", s->indexes);
    json_object_set_new(j, "opened", json_boolean(s->opened));
    return json_write_sealed_at(net->leases_fd, STATE_FILE, j, e);
}

/* -EBADMSG: the file is damaged. */
int forwarding_load(struct net *net, struct forwarding *out, struct err *e)
{
    _cleanup_json_ json_t *j = NULL;
    *out = (struct forwarding){0};
    int r = net->leases_fd < 0 ? -ENOENT : json_read_sealed_at(net->leases_fd, STATE_FILE, &j, e);
    if (r == -ENOENT) {
        err_clear(e);
        out->missing = true;
        return 0;
    }
    if (r < 0)
        return r;
    for (int i = 0; i < FAMILIES; i++) {
        const json_t *family = json_object_get(j, names[i]);
        out->families[i].from = json_strv(family, "from");
        out->families[i].to = json_strv(family, "to");
    }
    out->bridges = json_strv(j, "bridges");
    out->indexes = json_incref(json_object_get(j, "indexes"));
    out->opened = json_flag(j, "opened");
    return 0;
}

/* ---- sysctls ----------------------------------------------------------------------------------*/

static bool is_set_to(struct sysctls *s, const char *key, const char *value)
{
    _cleanup_free_ char *now = sysctls_read(s, key);
    return now && streq(now, value);
}

bool forwarding_sysctl_is(const char *key, const char *value)
{
    return is_set_to(NULL, key, value);
}

/* Does this kernel have force_forwarding (Linux 6.17)? */
bool forwarding_can_force(void)
{
    return forwarding_sysctl_is(IPV6_FORCE, "0") || forwarding_sysctl_is(IPV6_FORCE, "1");
}

/* 1, 0 or -errno. On a kernel without IPv6 there is nothing to switch on, so the answer is 1. */
static int is_on(struct sysctls *s, enum family f, struct err *e)
{
    if (f == SIX && is_set_to(s, IPV6_FORCE, "1"))
        return 1;
    const char *key = f == FOUR ? IPV4 : IPV6;
    _cleanup_free_ char *now = sysctls_read(s, key);
    if (!now && errno != ENOENT)
        return err_set(e, errno, "read sysctl `%s`", key);
    return !now || !streq(now, "0");
}

int forwarding_is_on(enum family f, struct err *e)
{
    return is_on(NULL, f, e);
}

static bool needs(const struct network *n, enum family f)
{
    return network_has_gateway(n) && (f == FOUR ? n->subnet4.prefix : n->subnet6.prefix);
}

const char *net_forwarding_missing(const struct network *n)
{
    static const char *const keys[FAMILIES] = {IPV4, IPV6};
    for (int f = 0; f < FAMILIES; f++)
        if (needs(n, (enum family)f) && forwarding_is_on((enum family)f, NULL) == 0)
            return f == SIX && forwarding_can_force() ? IPV6_FORCE : keys[f];
    return NULL;
}

/* ---- the links -------------------------------------------------------------------------------*/

/* netctr's links are recognised by their alias, of this instance or another. Any link may be called
 * nc-lan. */
bool forwarding_is_foreign(const struct link *link)
{
    return !(link->flags & IFF_LOOPBACK) && !skip_prefix(link->alias, "netctr ");
}

char *forwarding_sysctl(const char *link, const char *leaf, enum family f)
{
    return xasprintf("net/%s/conf/%s/%s", names[f], link, leaf);
}

struct links {
    struct strings all;
    strv bridges; /* few */
    json_t *indexes;
};

static int note_link(const struct link *link, void *arg)
{
    struct links *links = arg;
    if (!forwarding_is_foreign(link))
        return 0;
    strings_add(&links->all, link->name);
    json_object_set_new(links->indexes, link->name, json_integer(link->index));
    if (link->is_bridge && !strv_has(links->bridges, link->name))
        strv_add(&links->bridges, link->name);
    return 0;
}

/* Records which links exist and which of them do not forward @f now. With @all, all of them are
 * closed. */
static int note_links(struct net *net, enum family f, bool all, struct forwarding *s, struct err *e)
{
    struct closed *c = &s->families[f];
    strv_free(take_ptr(c->from));
    strv_free(take_ptr(c->to));
    if (!s->indexes)
        s->indexes = json_object();
    struct links links = {.indexes = s->indexes};
    links.bridges = take_ptr(s->bridges);
    int r = rt_each_link(net->rt, note_link, &links, e);
    s->bridges = links.bridges;
    c->to = strings_take(&links.all);
    /* Before 6.17, the per-link switch said nothing about forwarding IPv6. */
    const char *leaf = f == FOUR                ? "forwarding"
                       : forwarding_can_force() ? "force_forwarding"
                                                : NULL;
    if (all)
        leaf = NULL;
    struct strings from = {0};
    strv_each (link, c->to) {
        _cleanup_free_ char *key = leaf ? forwarding_sysctl(link, leaf, f) : NULL;
        if (!key || !forwarding_sysctl_is(key, "1"))
            strings_add(&from, link);
    }
    c->from = strings_take(&from);
    return r;
}

/* The file is lost, with the run directory or alone. The firewall's present elements tell what it
 * said. */
static int state_from_firewall(struct net *net, struct forwarding *s, struct err *e)
{
    bool any = false;
    for (int f = 0; f < FAMILIES; f++) {
        struct closed *c = &s->families[f];
        int r = fw_read_closed(net->fw, f == FOUR ? AF_INET : AF_INET6, &c->from, &c->to, e);
        if (r < 0)
            return r;
        any = any || c->to;
    }
    if (!any)
        return 0;
    /* Indexes and bridges are taken from the links that have these names now. A link that is not a
     * bridge has no bridged frames to lose. */
    struct links links = {.indexes = json_object()};
    s->indexes = links.indexes;
    int r = rt_each_link(net->rt, note_link, &links, e);
    strings_clear(&links.all);
    s->bridges = links.bridges;
    return r < 0 ? r : state_save(net, s, e);
}

/* If the file is damaged, all present links are closed: the file exists only if netctr has switched
 * something on. The caller holds the lock. */
static int state_load_or_rebuild(struct net *net, struct forwarding *s, struct err *e)
{
    int r = forwarding_load(net, s, e);
    if (r == 0 && s->missing)
        return state_from_firewall(net, s, e);
    if (r != -EBADMSG)
        return r;
    err_clear(e);
    forwarding_clear(s);
    for (int f = 0; f < FAMILIES; f++)
        if (forwarding_is_on((enum family)f, NULL) == 1 &&
            (r = note_links(net, (enum family)f, true, s, e)) < 0)
            return r;
    warn("`%s` was damaged: this host forwards only for containers now (`netctr network forwarding "
         "--open` allows the rest)",
         STATE_FILE);
    return state_save(net, s, e);
}

/* Writes @now if the value is @was. The link may be gone. */
static int replace_sysctl(const char *link, const char *leaf, const char *was, const char *now,
                          struct err *e)
{
    _cleanup_free_ char *key = forwarding_sysctl(link, leaf, SIX);
    int r = forwarding_sysctl_is(key, was) ? sysctl_write(key, now, e) : 0;
    if (r != -ENOENT)
        return r;
    err_clear(e);
    return 0;
}

/* All of @links, and `default`, which new links inherit. */
int forwarding_replace(char *const *links, const char *leaf, const char *was, const char *now,
                       struct err *e)
{
    int r = 0;
    strv_each (link, links)
        if (r == 0)
            r = replace_sysctl(link, leaf, was, now, e);
    return r == 0 ? replace_sysctl("default", leaf, was, now, e) : r;
}

static int switch_on(enum family f, const struct forwarding *s, struct err *e)
{
    if (f == FOUR)
        return sysctl_write(IPV4, "1", e);
    char *const *links = s->families[SIX].to;
    int r;
    if (forwarding_can_force()) {
        r = forwarding_replace(links, "force_forwarding", "0", "1", e);
        return r == 0 ? sysctl_write(IPV6_FORCE, "1", e) : r;
    }
    r = forwarding_replace(links, "accept_ra", "1", "2", e);
    return r == 0 ? sysctl_write(IPV6, "1", e) : r;
}

/* ---- switching on -----------------------------------------------------------------------------*/

static int close_links(struct net *net, const struct forwarding *s, enum family f, struct err *e)
{
    _cleanup_fw_batch_ struct fw_batch *batch = fw_batch_new(net->fw);
    struct fw_closed closed = as_elements(s, f);
    fw_add_closed(batch, &closed);
    return fw_commit(batch, e);
}

static int open_links(struct net *net, const struct fw_closed *closed, struct err *e)
{
    _cleanup_fw_batch_ struct fw_batch *batch = fw_batch_new(net->fw);
    fw_del_closed(batch, closed);
    return fw_commit(batch, e);
}

/* ---- renamed links ---------------------------------------------------------------------------*/

/* The present name of a recorded link; its old name if no link has its index. */
static const char *name_now(const struct forwarding *s, const char *was, char buffer[IFNAMSIZ])
{
    unsigned index = (unsigned)json_integer_value(json_object_get(s->indexes, was));
    return index && if_indextoname(index, buffer) ? buffer : was;
}

static bool any_renamed(const struct forwarding *s)
{
    char buffer[IFNAMSIZ];
    const char *name;
    json_t *index;
    json_object_foreach (s->indexes, name, index) {
        if (!streq(name_now(s, name, buffer), name))
            return true;
    }
    return false;
}

static void rename_all(const struct forwarding *s, strv *links)
{
    char buffer[IFNAMSIZ];
    struct strings now = {0};
    strv_each (link, *links)
        strings_add(&now, name_now(s, link, buffer));
    strv_free(*links);
    *links = strings_take(&now);
}

/* Replaces renamed links in @s. Returns 1 if there were any. */
static int update_names(struct net *net, struct forwarding *s, struct err *e)
{
    if (!any_renamed(s))
        return 0;
    for (int f = 0; f < FAMILIES; f++) {
        rename_all(s, &s->families[f].from);
        rename_all(s, &s->families[f].to);
    }
    rename_all(s, &s->bridges);
    json_t *indexes = json_object(), *index;
    char buffer[IFNAMSIZ];
    const char *name;
    json_object_foreach (s->indexes, name, index) {
        json_object_set(indexes, name_now(s, name, buffer), index);
    }
    json_decref(s->indexes);
    s->indexes = indexes;
    int r = state_save(net, s, e);
    return r < 0 ? r : 1;
}

/* A link that now has the old name of a renamed link is newer, and so not closed. */
static int open_old_names(struct net *net, const struct forwarding *s, enum family f, struct err *e)
{
    _cleanup_strv_ strv from = NULL, to = NULL, old = NULL;
    struct fw_closed closed = as_elements(s, f);
    int r = fw_read_closed(net->fw, closed.family, &from, &to, e);
    strv_each (link, to)
        if (!strv_has(closed.to, link))
            strv_add(&old, link);
    closed = (struct fw_closed){.family = closed.family, .from = old, .to = old};
    return r == 0 && old ? open_links(net, &closed, e) : r;
}

static int close_renamed(struct net *net, struct forwarding *s, struct err *e)
{
    int r = update_names(net, s, e), renamed = r;
    for (int f = 0; r >= 0 && renamed && f < FAMILIES && !s->opened; f++) {
        r = close_links(net, s, (enum family)f, e);
        if (r == 0)
            r = open_old_names(net, s, (enum family)f, e);
    }
    return r < 0 ? r : 0;
}

/* Asked without the lock, since nearly every start asks; checked again under the lock. */
static bool has_renamed_links(struct net *net)
{
    _cleanup_state_ struct forwarding s = {0};
    return forwarding_load(net, &s, NULL) == 0 && any_renamed(&s);
}

/* ---- network up and reload --------------------------------------------------------------------*/

/* Returns 1 if forwarding had to be switched on. */
static int family_up(struct net *net, enum family f, struct forwarding *s, struct err *e)
{
    int r = forwarding_is_on(f, e);
    if (r != 0)
        return r < 0 ? r : 0;
    /* Forwarding may have been on, recorded, and switched off by another program since: then the
     * old record is void. */
    struct fw_closed before = as_elements(s, f);
    if (before.to && (r = open_links(net, &before, e)) < 0)
        return r;
    if ((r = note_links(net, f, false, s, e)) < 0 || (r = state_save(net, s, e)) < 0 ||
        (!s->opened && (r = close_links(net, s, f, e)) < 0) || (r = switch_on(f, s, e)) < 0)
        return r;
    return 1;
}

/* A single link has nowhere to forward to. */
static void warn_about_links(const struct forwarding *s, const bool switched[FAMILIES])
{
    const struct closed *c = &s->families[switched[FOUR] ? FOUR : SIX];
    size_t count = strv_len(c->to);
    if (s->opened || count < 2)
        return;
    _cleanup_strings_ struct strings first = {0};
    for (size_t i = 0; i < count && i < 4; i++)
        strings_add(&first, c->to[i]);
    _cleanup_free_ char *links = strv_join(first.items, ", ");
    warn("this host now forwards %s%s%s for containers; between its other links (%s%s) it still "
         "does not (`netctr network forwarding --open` allows that)",
         switched[FOUR] ? forwarding_titles[FOUR] : "",
         switched[FOUR] && switched[SIX] ? " and " : "",
         switched[SIX] ? forwarding_titles[SIX] : "", links, count > 4 ? ", …" : "");
}

int forwarding_up(struct net *net, const struct network *n, struct err *e)
{
    bool switched[FAMILIES] = {false}, any = false;
    int r = 1;
    for (int f = 0; f < FAMILIES; f++)
        if (needs(n, (enum family)f) && (r = is_on(&net->sysctls, (enum family)f, e)) <= 0)
            break;
    if (r < 0 || (r != 0 && !has_renamed_links(net)))
        return r < 0 ? r : 0;
    _cleanup_state_ struct forwarding s = {0};
    _cleanup_close_ int lock = forwarding_lock(net, e);
    r = lock < 0 ? lock : state_load_or_rebuild(net, &s, e);
    if (r == 0)
        r = close_renamed(net, &s, e);
    for (int f = 0; r >= 0 && f < FAMILIES; f++)
        if (needs(n, (enum family)f)) {
            r = family_up(net, (enum family)f, &s, e);
            switched[f] = r == 1;
            any = any || r == 1;
        }
    if (any)
        warn_about_links(&s, switched);
    return r < 0 ? r : 0;
}

int forwarding_add(struct net *net, struct fw_batch *batch, struct err *e)
{
    _cleanup_state_ struct forwarding s = {0};
    int r = state_load_or_rebuild(net, &s, e);
    if (r == 0 && (r = update_names(net, &s, e)) > 0)
        r = 0;
    /* If the state cannot be written, the host must still get its firewall. */
    if (r < 0) {
        warn("%s", e->text ? e->text : strerror(-r));
        err_clear(e);
    }
    /* If it cannot be read, all links are closed rather than none. */
    for (int f = 0; r < 0 && f < FAMILIES && !s.opened; f++)
        if (!s.families[f].to && forwarding_is_on((enum family)f, NULL) == 1)
            (void)note_links(net, (enum family)f, true, &s, NULL);
    for (int f = 0; f < FAMILIES && !s.opened; f++) {
        struct fw_closed closed = as_elements(&s, (enum family)f);
        fw_add_closed(batch, &closed);
    }
    return 0;
}

bool forwarding_look(struct net *net, struct fw_batch *batch)
{
    _cleanup_state_ struct forwarding s = {0};
    if (forwarding_load(net, &s, NULL) < 0 || s.missing)
        return false;
    for (int f = 0; f < FAMILIES && !s.opened; f++) {
        struct fw_closed closed = as_elements(&s, (enum family)f);
        fw_add_closed(batch, &closed);
    }
    return true;
}

/* ---- commands ---------------------------------------------------------------------------------*/

int net_forwarding(struct net *net, json_t **out, struct err *e)
{
    _cleanup_state_ struct forwarding s = {0};
    int r = forwarding_load(net, &s, e);
    if (r < 0)
        return r;
    json_t *j = json_object();
    for (int f = 0; f < FAMILIES; f++) {
        json_t *family = json_object();
        bool on = forwarding_is_on((enum family)f, NULL) == 1, ours = on && s.families[f].to;
        json_object_set_new(family, "on", json_boolean(on));
        json_object_set_new(family, "by_netctr", json_boolean(ours));
        if (ours && !s.opened)
            json_put_strv(family, "closed", s.families[f].from);
        json_object_set_new(j, names[f], family);
    }
    json_object_set_new(j, "opened", json_boolean(s.opened));
    *out = j;
    return 0;
}

int net_open_forwarding(struct net *net, bool open, struct err *e)
{
    _cleanup_state_ struct forwarding s = {0};
    _cleanup_close_ int lock = forwarding_lock(net, e);
    int r = lock < 0 ? lock : state_load_or_rebuild(net, &s, e);
    if (r < 0)
        return r;
    if (!open && (r = update_names(net, &s, e)) < 0)
        return r;
    s.opened = open;
    r = state_save(net, &s, e);
    /* Without tables, netctr's rules neither forward nor drop. The command that creates the tables
     * reads this file. */
    int tables = r == 0 ? net_check(net, e) : r;
    for (int f = 0; tables == 0 && r == 0 && f < FAMILIES; f++) {
        struct fw_closed closed = as_elements(&s, (enum family)f);
        r = open ? open_links(net, &closed, e) : close_links(net, &s, (enum family)f, e);
    }
    return tables < 0 ? tables : r;
}
