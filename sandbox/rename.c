/* Another name for the container of a sandbox. Everything belongs to its id, so a process that is killed on the way leaves a
 * sandbox that works and shows the name before in some places; its record gets the new one last, and the next start of the
 * container compares it.
 */
#include "sandbox.h"

#include <errno.h>

static int rename_endpoints(struct sandboxes *s, struct sandbox_record *r, const char *name,
                            struct err *e)
{
    struct net *net;
    int code = r->endpoints.count ? sandboxes_net(s, &net, e) : 0;
    for (size_t i = 0; code == 0 && i < r->endpoints.count; i++)
        code = endpoint_rename(net, &r->endpoints.items[i], name, r->dir, e);
    return code;
}

int sandboxes_rename(struct sandboxes *s, const char *id, const char *name, struct err *e)
{
    _cleanup_sandbox_record_ struct sandbox_record r = {.dir = -1};
    int code = sandbox_find(s, id, &r, e);
    if (code == -ENOENT || (code == 0 && r.state != SANDBOX_LIVES)) { /* nothing shows its name */
        err_clear(e);
        return 0;
    }
    if (code == 0)
        code = rename_endpoints(s, &r, name, e);
    if (code == 0)
        code = member_rename(r.dir, id, name, e);
    return code == 0 ? record_rename(r.dir, name, e) : code;
}

static void set(char **text, const char *to)
{
    free(*text);
    *text = xstrdup(to);
}

static int rename_own(struct sandbox *sb, const char *name, struct err *e)
{
    int r = sb->dir < 0 ? 0 : sandboxes_rename(sb->all, sb->id, name, e);
    if (r < 0)
        return r;
    set(&sb->name, name);
    for (size_t i = 0; i < sb->attachment_count; i++)
        if (sb->attachments[i].attached)
            set(&sb->attachments[i].endpoint.container, name);
    for (size_t i = 0; r == 0 && i < sb->attachment_count; i++)
        if (sb->attachments[i].attached)
            r = attachment_name(sb, &sb->attachments[i], e);
    return r;
}

int sandbox_rename(struct sandbox *sb, const char *name, struct err *e)
{
    int r = sb->guest && sb->dir >= 0 ? member_rename(sb->dir, sb->member, name, e) : 0;
    if (r == 0 && !sb->guest)
        r = rename_own(sb, name, e);
    if (r == 0)
        set(&sb->member_name, name);
    return r;
}

int rename_later(struct sandbox *sb, struct err *e)
{
    _cleanup_sandbox_record_ struct sandbox_record r = {.dir = -1};
    if (record_read(sb->dir, sb->id, &r, NULL) < 0 || streq(r.name, sb->name))
        return 0;
    _cleanup_close_ int lock = sandboxes_lock(sb->all, e);
    return lock < 0 ? lock : sandboxes_rename(sb->all, sb->id, sb->name, e);
}
