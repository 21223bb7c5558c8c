/* Connects a sandbox to one more network while it lives, and takes it off one. */
#include "sandbox.h"

#include <errno.h>
#include <string.h>

static struct attachment *find_attachment(const struct sandbox *sb, const char *network)
{
    network = connect_request_network(network);
    for (size_t i = 0; i < sb->attachment_count; i++)
        if (streq(sb->attachments[i].network.name, network))
            return &sb->attachments[i];
    return NULL;
}

bool sandbox_is_on(const struct sandbox *sb, const char *network)
{
    return find_attachment(sb, network);
}

/* ---- connect ---------------------------------------------------------------------------------*/

static int attach_new(struct sandbox *sb, struct attachment *p, struct port_binding **fresh,
                      struct err *e)
{
    _cleanup_rt_ struct rt *inside = NULL;
    int r = sandboxes_net(sb->all, &sb->net, e);
    if (r == 0)
        r = network_load(sb->net, p->wanted.network, &p->network, e);
    if (r == 0)
        r = attachment_check(sb, p, e);
    if (r == 0)
        r = netns_open_rt(sb->netns, &inside, e);
    if (r == 0)
        r = ports_prepare(sb, p, fresh, e);
    if (r == 0)
        r = attachment_rank(sb, p, inside, e);
    return r == 0 ? attachment_connect(sb, p, inside, NULL, e) : r;
}

/* The name goes first, because the address may be given to another sandbox at once. The lock excludes a reload between
 * the deletion of the guard's elements and that of the record, which would bring the elements back. */
static int leave_network(struct sandbox *sb, struct attachment *p, bool anyway, struct err *e)
{
    _cleanup_close_ int lock = sandboxes_lock(sb->all, e);
    int r = lock < 0 ? lock : attachment_unname(sb, p, e);
    if (lock >= 0 && anyway)
        r = 0;
    return r < 0 ? r : endpoint_detach(sb->net, &p->endpoint, false, sb->dir, e);
}

static void tell_left(struct sandbox *sb, const struct attachment *p)
{
    sandboxes_event(sb->all, &(struct sandbox_event){.what = "disconnect",
                                                     .id = sb->id,
                                                     .name = sb->name,
                                                     .endpoint = &p->endpoint});
}

static void undo_connect(struct sandbox *sb, struct attachment *p, struct port_binding *fresh)
{
    _cleanup_err_ struct err ignored = ERR_INIT;
    if (leave_network(sb, p, true, &ignored) < 0)
        return; /* the record and the sockets stay, so that a later cleanup finds them */
    tell_left(sb, p);
    attachments_remove(sb, p);
    if (fresh)
        binding_close(sb, fresh);
    (void)ports_settle(sb, &ignored);
    (void)sandbox_rewrite_files(sb, &ignored);
}

static void copy_request(const struct connect_request *from, struct connect_request *to)
{
    *to = *from;
    to->network = xstrdup(from->network);
    to->interface = from->interface ? xstrdup(from->interface) : NULL;
    to->aliases = strv_copy(from->aliases);
    to->routes = strv_copy(from->routes);
}

int sandbox_connect(struct sandbox *sb, const struct connect_request *request, struct err *e)
{
    struct port_binding *fresh = NULL; /* ports that waited for a network like this */
    if (sandbox_is_on(sb, request->network))
        return err_say(e, -EEXIST, "container `%s` is on network `%s` already", sb->name,
                       request->network);
    struct attachment *p = attachments_add(sb);
    copy_request(request, &p->wanted);
    sb->born = BORN_UNKNOWN;
    _cleanup_free_ char *network = xstrdup(connect_request_network(request->network));
    int r = apart_note_pending(sb, network, e);
    if (r == 0)
        r = attach_new(sb, p, &fresh, e);
    if (r == 0)
        r = sandbox_rewrite_files(sb, e);
    if (r == 0)
        watch_names(sb);
    if (r == 0)
        r = ports_move(sb, &fresh, e);
    if (r < 0 && p->attached) {
        undo_connect(sb, p, fresh);
    } else if (r < 0) {
        attachments_remove(sb, p);
        if (fresh)
            binding_close(sb, fresh);
    }
    bindings_let_go(sb);
    apart_forget_pending(sb, network);
    return r;
}

/* ---- disconnect ------------------------------------------------------------------------------*/

int sandbox_disconnect(struct sandbox *sb, const char *network, bool anyway, struct err *e)
{
    struct attachment *p = find_attachment(sb, network);
    if (!p)
        return err_say(e, -ENOENT, "container `%s` is not on network `%s`", sb->name,
                       connect_request_network(network));
    bool carried = p == attachments_publisher(sb);
    _cleanup_free_ char *left = xstrdup(p->network.name);
    int r = apart_note_pending(sb, left, e);
    if (r == 0)
        r = leave_network(sb, p, anyway, e);
    if (r < 0)
        return r;
    apart_forget_pending(sb, left);
    tell_left(sb, p);
    attachments_remove(sb, p);
    if (carried && (r = ports_settle(sb, e)) < 0) {
        err_wrap(
            e,
            "container `%s` is disconnected from network `%s`, but does not publish all of its ports",
            sb->name, connect_request_network(network));
        err_hint(e, "`netctr publish %s PORT` tries again", sb->name);
    }
    bindings_let_go(sb);
    int written = sandbox_rewrite_files(sb, r == 0 ? e : NULL);
    return r < 0 ? r : written;
}

/* ---- before it exists ------------------------------------------------------------------------*/

/* A network that it has already, as far as that can conflict with a new one. One that is gone or damaged does not keep the
 * sandbox from another. */
static int add_defined(struct sandbox *sb, const char *text, const char *wanted, struct err *e)
{
    struct attachment *p = attachments_add(sb);
    int r = connect_request_parse(text, &p->wanted, e);
    if (r < 0)
        return r;
    p->network.name = xstrdup(p->wanted.network);
    if (streq(p->network.name, wanted))
        return err_say(e, -EEXIST, "container `%s` is on network `%s` already", sb->name, wanted);
    (void)attachment_name_interface(sb, p, NULL);
    return 0;
}

/* Nothing is reserved: an address that is free now may be taken when the sandbox starts. */
static int examine_addresses(struct sandbox *sb, struct attachment *p, struct err *e)
{
    static const uint8_t none[6];
    const struct connect_request *a = &p->wanted;
    struct endpoint_request request = {
        .container = sb->name,
        .id = sb->id,
        .address4 = a->address4,
        .address6 = a->address6,
    };
    memcpy(request.mac, a->mac, 6);
    if (!a->address4.family && !a->address6.family && memcmp(a->mac, none, 6) == 0)
        return 0;
    return endpoint_examine(sb->net, &p->network, &request, e);
}

/* The same checks as for one that lives. */
static int examine(struct sandbox *sb, char *const *networks, const struct connect_request *wanted,
                   struct err *e)
{
    int r = sandboxes_net(sb->all, &sb->net, e);
    strv_each (text, networks)
        if (r == 0)
            r = add_defined(sb, text, wanted->network, e);
    if (r < 0)
        return r;
    struct attachment *p = attachments_add(sb);
    copy_request(wanted, &p->wanted);
    r = network_load(sb->net, wanted->network, &p->network, e);
    if (r == 0)
        r = attachment_check(sb, p, e);
    return r == 0 ? examine_addresses(sb, p, e) : r;
}

int sandbox_examine(struct sandboxes *all, const char *id, const char *name, char *const *networks,
                    const struct connect_request *wanted, struct err *e)
{
    struct sandbox *sb = sandbox_new(all, &(struct sandbox_request){.id = id, .name = name});
    int r = examine(sb, networks, wanted, e);
    sandbox_free(sb);
    return r;
}
