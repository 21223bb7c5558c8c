/* The end of a sandbox, by its last monitor or by a process that finds it dead. Undo steps accept "already gone", because
 * another process may have done part of the work.
 */
#include "sandbox.h"

#include <errno.h>
#include <netctr/names.h>

static int forget_names(const struct ending *x, struct err *e)
{
    int names, r = sandboxes_names(x->all, &names, e);
    return r == 0 ? names_leave(names, NULL, x->id, e) : r;
}

static void tell_left(const struct ending *x, const struct endpoint *ep)
{
    sandboxes_event(x->all,
                    &(struct sandbox_event){
                        .what = "disconnect", .id = x->id, .name = ep->container, .endpoint = ep});
}

/* Goes on after a failure and returns the first. */
static int detach_all(const struct ending *x, struct net *net, const struct endpoint_list *all,
                      struct err *e)
{
    int result = 0;
    for (size_t i = 0; i < all->count; i++) {
        _cleanup_err_ struct err step = ERR_INIT;
        int r = endpoint_detach(net, &all->items[i], x->aside, x->dir, &step);
        if (r == 0)
            tell_left(x, &all->items[i]);
        err_note(&result, r, e, &step);
    }
    return result;
}

/* In tables with other names, the sandbox's elements would stay while its address is given to another one, whose ports they
 * would open. Tables without monitors of their version are replaced before any address is given out. */
static int require_tables(const struct ending *x, struct net *net, struct err *e)
{
    const struct sandbox_hooks *hooks = &x->all->hooks;
    if (net_is_outdated(net))
        return hooks->require_versions ? hooks->require_versions(hooks->arg, e) : 0;
    int r = net_check(net, e);
    if (r != -EBUSY)
        return r < 0 ? r : 0;
    err_clear(e); /* another instance's: they hold nothing of the sandbox */
    return 0;
}

/* The records, as far as they can be read. 1: some are damaged. */
static int load(const struct ending *x, struct endpoint_list *out, struct err *e)
{
    if (x->dir < 0)
        return 0;
    int r = endpoints_of(x->dir, ".", x->id, out);
    if (r == -EBADMSG)
        warn(
            "container `%s`: the record of an endpoint is damaged, or belongs to another container",
            x->name);
    else if (r < 0)
        return err_set(e, r, "read the endpoints of container `%s`", x->name);
    return r == -EBADMSG;
}

static int detach(const struct ending *x, const struct endpoint_list *all, bool damaged,
                  struct err *e)
{
    struct net *net;
    int r = sandboxes_net(x->all, &net, e);
    if (r == 0 && !x->aside && all->count)
        r = require_tables(x, net, e);
    if (r == 0)
        r = detach_all(x, net, all, e);
    /* Its monitor may have been killed before it wrote any record. */
    bool missing = !x->aside && all->count < x->expected;
    if (r == 0 && (damaged || !x->aside || !all->count))
        r = endpoint_forget(net, x->id, e);
    /* A damaged or missing record does not say which elements to delete: rebuild the firewall from the others. */
    if (r == 0 && (damaged || (missing && net_check(net, NULL) == 0)))
        r = x->locked ? sandboxes_reload_locked(x->all, e) : sandboxes_reload(x->all, false, e);
    return r;
}

int take_down(const struct ending *x, struct err *e)
{
    _cleanup_endpoints_ struct endpoint_list all = {0};
    _cleanup_err_ struct err why = ERR_INIT;
    int damaged = load(x, &all, e);
    if (damaged < 0)
        return damaged;
    /* Before the address can be given to another one. */
    int unnamed = forget_names(x, &why);
    bool networked = all.count || damaged || x->expected || !x->aside;
    int r = networked ? detach(x, &all, damaged, e) : 0;
    /* Reported only now: a name that could not be removed must not keep a port open. */
    if (r == 0 && unnamed < 0) {
        err_move(e, &why);
        r = unnamed;
    }
    return r;
}

int remove_sandbox(struct sandboxes *s, const char *id, struct err *e)
{
    int r = remove_tree_at(s->dir, id);
    return r < 0 ? err_set(e, r, "remove the directory of sandbox %s", id) : 0;
}

/* ---- one member of several -------------------------------------------------------------------*/

static int withdraw_ports(const struct ending *x, struct err *e)
{
    struct net *net;
    _cleanup_endpoints_ struct endpoint_list all = {0};
    int result = 0, damaged = load(x, &all, e);
    if (damaged < 0)
        return damaged;
    for (size_t i = 0; i < all.count; i++) {
        struct endpoint *ep = &all.items[i];
        _cleanup_err_ struct err step = ERR_INIT;
        _cleanup_port_mappings_ struct port_mappings ports = {0};
        for (size_t k = 0; k < ep->port_mappings.count; k++)
            port_mappings_append(&ports, &ep->port_mappings.items[k]);
        int r = ports.count ? sandboxes_net(x->all, &net, &step) : 0;
        if (r == 0 && ports.count)
            r = endpoint_unpublish(net, ep, &ports, x->dir, &step);
        err_note(&result, r, e, &step);
    }
    return result;
}

int withdraw_member(const struct ending *x, const char *member, struct err *e)
{
    int result = 0;
    _cleanup_err_ struct err step = ERR_INIT;
    if (streq(member, x->id)) {
        err_note(&result, withdraw_ports(x, &step), e, &step);
        err_note(&result, forget_names(x, &step), e, &step);
    }
    return result < 0 ? result : member_remove(x->dir, member, e);
}
