/* Makes and opens sandboxes that no process serves (apart.c).
 *
 * Made are: directory, lock → namespace → record with its cookie → pin. Before the pin it is dead, and sandboxes_sweep()
 * removes what there is of it.
 */
#include "sandbox.h"

#include <errno.h>
#include <string.h>

/* ---- made ------------------------------------------------------------------------------------*/

static int check_making(const struct sandbox_making *m, struct err *e)
{
    if (!valid_name(m->id))
        return err_say(e, -EINVAL, "`%s` is not an id of a sandbox: use " NAME_RULE, m->id);
    if (!valid_name(m->name))
        return err_say(e, -EINVAL, "`%s` is not a name: use " NAME_RULE, m->name);
    if (m->life != SANDBOX_PINNED && m->life != SANDBOX_FOREIGN)
        return err_say(e, -EINVAL, "sandbox %s: made by a monitor only", m->id);
    if (m->life == SANDBOX_FOREIGN && (!m->path || m->path[0] != '/'))
        return err_say(e, -EINVAL, "sandbox %s: the path of its namespace must be absolute", m->id);
    return 0;
}

static int take_locks(struct sandbox *sb, int all, struct err *e)
{
    sb->dir = openat(all, sb->id, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (sb->dir < 0)
        return err_set(e, errno, "open the directory of sandbox %s", sb->id);
    int r = sb->lock = life_open(sb->dir, true);
    if (r >= 0)
        r = life_take(sb->lock, F_RDLCK);
    if (r >= 0)
        r = sb->change = apart_lock_changes(sb->dir, false);
    return r < 0 ? err_set(e, r, "lock sandbox %s", sb->id) : 0;
}

/* What is dead under this id goes first. */
static int clear_former(struct sandboxes *s, const char *id, struct err *e)
{
    struct sandbox_record r = {.dir = -1};
    int code = sandbox_find(s, id, &r, e);
    bool there = code == 0 && r.state != SANDBOX_DEAD;
    if (there)
        code = err_say(e, -EEXIST, "there is a sandbox %s already", id);
    sandbox_record_clear(&r);
    if (code == -ENOENT)
        return 0;
    return code == 0 ? apart_remove(s, id, true, e) : code;
}

/* With the instance lock: a sweep would take a directory without a lock for a left-over. */
static int claim(struct sandbox *sb, struct err *e)
{
    _cleanup_close_ int instance = sandboxes_lock(sb->all, e);
    int all = instance < 0 ? instance : sandboxes_dir(sb->all, true, e);
    int r = all < 0 ? all : clear_former(sb->all, sb->id, e);
    if (r == 0 && mkdirat(all, sb->id, 0700) < 0)
        r = err_set(e, errno, "make the directory of sandbox %s", sb->id);
    return r < 0 ? r : take_locks(sb, all, e);
}

static int make_own(struct sandbox *sb, uint64_t *cookie, struct err *e)
{
    int r = owner_netns(sb, true, e);
    if (r == 0)
        r = rt_netns_cookie(sb->inside, cookie, e);
    if (r < 0)
        return r;
    _cleanup_rt_ struct rt *inside = take_ptr(sb->inside);
    _cleanup_rt_batch_ struct rt_batch *batch = rt_batch_new(inside);
    rt_set_up(batch, 1);
    return rt_commit(batch, e);
}

static int take_foreign(struct sandbox *sb, int given, uint64_t *cookie, struct err *e)
{
    uint64_t own = 0;
    sb->netns = sandbox_open_path(sb->path, e);
    int r = sb->netns < 0 ? sb->netns : netns_cookie(sb->netns, cookie, e);
    if (r == 0 && given >= 0)
        r = netns_cookie(given, &own, e);
    if (r == 0 && given >= 0 && own != *cookie)
        r = err_say(e, -ESTALE, "`%s` leads to another network namespace by now", sb->path);
    return r;
}

static int pin_own(struct sandbox *sb, struct err *e)
{
    struct pins *pins;
    int r = sandboxes_pins(sb->all, &pins, e);
    return r == 0 ? pins_add(pins, sb->id, sb->netns, e) : r;
}

static int make(struct sandbox *sb, const struct sandbox_making *m, struct err *e)
{
    uint64_t cookie;
    /* Before the locks: the process that makes it would have them as well, and could outlive this one by a moment. */
    int owner, r = owner_make(sb, &owner, e);
    if (r == 0)
        r = claim(sb, e);
    if (r < 0)
        return r;
    r = sb->life == SANDBOX_PINNED ? make_own(sb, &cookie, e)
                                   : take_foreign(sb, m->netns, &cookie, e);
    if (r == 0)
        r = record_save(sb, cookie, e);
    if (r == 0 && sb->life == SANDBOX_PINNED)
        r = pin_own(sb, e);
    if (r < 0) {
        _cleanup_err_ struct err ignored = ERR_INIT;
        sb->lock = close_fd(sb->lock);
        (void)apart_remove(sb->all, sb->id, false, &ignored);
    }
    return r;
}

static struct sandbox *new_apart(struct sandboxes *all, const char *id, const char *name)
{
    struct sandbox *sb = sandbox_new(all, &(struct sandbox_request){.id = id, .name = name});
    sb->born = BORN_UNKNOWN;
    return sb;
}

int sandbox_make(struct sandboxes *all, const struct sandbox_making *m, struct sandbox **out,
                 struct err *e)
{
    *out = NULL;
    int r = check_making(m, e);
    if (r < 0)
        return r;
    struct sandbox *sb = new_apart(all, m->id, m->name);
    if (m->owner && m->life == SANDBOX_PINNED)
        sb->ids = *m->owner;
    sb->life = m->life;
    sb->path = m->life == SANDBOX_FOREIGN ? xstrdup(m->path) : NULL;
    r = make(sb, m, e);
    if (r == 0)
        *out = take_ptr(sb);
    sandbox_free(sb);
    return r;
}

/* ---- opened ----------------------------------------------------------------------------------*/

static struct port_binding *add_binding(struct sandbox *sb, const struct endpoint *ep)
{
    struct port_binding *h = xcalloc(1, sizeof(*h));
    h->sandbox = sb;
    h->routed = ep->routed;
    for (size_t i = 0; i < ep->port_mappings.count; i++)
        port_mappings_append(&h->port_mappings, &ep->port_mappings.items[i]);
    h->next = sb->bindings;
    return sb->bindings = h;
}

/* Takes @ep over. */
static int restore_attachment(struct sandbox *sb, struct endpoint *ep, struct err *e)
{
    struct attachment *p = attachments_add(sb);
    p->endpoint = *ep;
    *ep = (struct endpoint){0};
    ep = &p->endpoint;
    p->wanted = (struct connect_request){.network = xstrdup(ep->network),
                                         .interface = xstrdup(ep->interface),
                                         .address4 = ep->address4,
                                         .address6 = ep->address6,
                                         .aliases = strv_copy(ep->aliases),
                                         .gateway4 = ep->gateway4,
                                         .gateway6 = ep->gateway6,
                                         .routes = strv_copy(ep->routes),
                                         .rate = ep->rate,
                                         .priority = ep->priority};
    memcpy(p->wanted.mac, ep->mac, 6);
    p->metric = ep->metric;
    p->attached = true;
    int r = network_load(sb->net, ep->network, &p->network, e);
    p->served = r == 0 && network_is_served(&p->network);
    if (ep->port_mappings.count)
        (void)add_binding(sb, ep);
    return r;
}

static int restore(struct sandbox *sb, struct sandbox_record *r, struct err *e)
{
    int code = r->endpoints.count ? sandboxes_net(sb->all, &sb->net, e) : 0;
    for (size_t i = 0; code == 0 && i < r->endpoints.count; i++)
        code = restore_attachment(sb, &r->endpoints.items[i], e);
    return code;
}

static int dead(const char *id, struct err *e)
{
    err_say(e, -ESRCH, "sandbox %s is dead: its network namespace is gone", id);
    err_hint(e, "`netctr gc` removes what is left of it");
    return -ESRCH;
}

/* Its locks first: what is read after that stays. */
static int lock_known(struct sandbox *sb, struct sandbox_record *r, struct err *e)
{
    sb->dir = fcntl(r->dir, F_DUPFD_CLOEXEC, 3);
    int code = sb->dir < 0 ? -errno : (sb->lock = life_open(sb->dir, false));
    if (code >= 0)
        code = life_take(sb->lock, F_RDLCK);
    if (code == -EWOULDBLOCK || code == -ENOENT) /* it is being destroyed */
        return apart_no_such(sb->id, e);
    if (code >= 0)
        code = sb->change = apart_lock_changes(sb->dir, true);
    return code < 0 ? err_set(e, code, "lock sandbox %s", sb->id) : 0;
}

static int reread(struct sandbox *sb, struct sandbox_record *r, struct err *e)
{
    sandbox_record_clear(r);
    int code = sandbox_find(sb->all, sb->id, r, e);
    if (code == -ENOENT)
        return apart_no_such(sb->id, e);
    if (code == 0 && apart_has_pending(r)) {
        code = apart_settle(sb->all, r, e);
        sandbox_record_clear(r);
        if (code == 0)
            code = sandbox_find(sb->all, sb->id, r, e);
    }
    if (code == 0 && r->ends)
        return apart_no_such(sb->id, e);
    if (code == 0 && r->damaged)
        code = err_say(e, -EBADMSG, "the records of sandbox %s are damaged", sb->id);
    return code;
}

static int open_known(struct sandbox *sb, struct sandbox_record *r, struct err *e)
{
    int code = lock_known(sb, r, e);
    if (code == 0)
        code = reread(sb, r, e);
    if (code == 0)
        code = sb->netns = apart_open_netns(sb->all, r, e);
    if (code == -ESRCH && !(e && e->code))
        return dead(sb->id, e);
    if (code < 0)
        return code;
    sb->life = r->life;
    sb->path = r->path ? xstrdup(r->path) : NULL;
    return restore(sb, r, e);
}

int sandbox_open(struct sandboxes *all, const char *id, struct sandbox **out, struct err *e)
{
    struct sandbox_record r = {.dir = -1};
    *out = NULL;
    int code = sandbox_find(all, id, &r, e);
    if (code == -ENOENT)
        code = apart_no_such(id, e);
    if (code == 0 && r.life == SANDBOX_MONITORED)
        code = err_say(e, -EINVAL, "sandbox %s belongs to the monitor of container `%s`", id,
                       r.name ? r.name : id);
    if (code == 0) {
        struct sandbox *sb = new_apart(all, id, r.name ? r.name : id);
        code = open_known(sb, &r, e);
        if (code == 0)
            *out = take_ptr(sb);
        sandbox_free(sb);
    }
    sandbox_record_clear(&r);
    return code;
}
