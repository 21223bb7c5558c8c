/* Which sandboxes there are: RUN/sandboxes has a directory for each. It is the one list of what is on a network. */
#include "sandbox.h"

#include <errno.h>

void sandbox_record_clear(struct sandbox_record *r)
{
    free(r->id);
    free(r->name);
    free(r->version);
    free(r->path);
    endpoint_list_clear(&r->endpoints);
    close_fd(r->dir);
    *r = (struct sandbox_record){.dir = -1};
}

/* A directory without a lock is being made or removed just now, or was left by a killed process. */
static int state_of(int dir, enum sandbox_state *out)
{
    _cleanup_close_ int life = life_open(dir, false);
    *out = SANDBOX_DEAD;
    if (life == -ENOENT)
        return 0;
    int held = life < 0 ? life : life_of(life);
    if (held == F_RDLCK)
        *out = SANDBOX_LIVES;
    else if (held == F_WRLCK)
        *out = SANDBOX_ENDS;
    return held < 0 ? held : 0;
}

/* Not a directory, or removed since it was listed. */
static bool is_nothing(int code)
{
    return code == -ENOENT || code == -ENOTDIR || code == -ELOOP;
}

static int load(struct sandboxes *s, int all, const char *id, struct sandbox_record *out,
                struct err *e)
{
    *out = (struct sandbox_record){.id = xstrdup(id), .all = s};
    out->dir = openat(all, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (out->dir < 0) {
        int r = -errno;
        return is_nothing(r) ? -ENOENT : err_set(e, r, "open the directory of sandbox %s", id);
    }
    int r = state_of(out->dir, &out->state);
    if (r < 0)
        return err_set(e, r, "look at the lock of sandbox %s", id);
    r = record_read(out->dir, id, out, NULL);
    out->damaged = r == -EBADMSG;
    if (r < 0 && r != -EBADMSG &&
        r != -ENOENT) /* for want of memory, for example: nothing is known then */
        return err_set(e, r, "read the record of sandbox %s", id);
    apart_look(s, out);
    r = endpoints_of(out->dir, ".", id, &out->endpoints);
    out->damaged = out->damaged || r == -EBADMSG;
    if (r < 0 && r != -EBADMSG)
        return err_set(e, r, "read the endpoints of sandbox %s", id);
    if (!out->name && out->endpoints.count)
        out->name = xstrdup(out->endpoints.items[0].container);
    return 0;
}

int sandbox_find(struct sandboxes *s, const char *id, struct sandbox_record *out, struct err *e)
{
    *out = (struct sandbox_record){.dir = -1};
    int all = sandboxes_dir(s, false, e);
    if (all == -ENOENT)
        err_clear(e);
    int r = all < 0 ? all : valid_name(id) ? load(s, all, id, out, e) : -ENOENT;
    if (r < 0)
        sandbox_record_clear(out);
    return r;
}

int sandbox_each(struct sandboxes *s, int (*each)(struct sandbox_record *r, void *arg), void *arg,
                 struct err *e)
{
    int all = sandboxes_dir(s, false, e), r = 0;
    if (all == -ENOENT) {
        err_clear(e);
        return 0;
    }
    _cleanup_dir_ DIR *d = all < 0 ? NULL : open_listing(all, ".");
    if (!d)
        return all < 0 ? all : err_set(e, errno, "list the sandboxes");
    for (struct dirent *entry; (entry = next_entry(d, &r));) {
        struct sandbox_record record = {.dir = -1};
        if (!valid_name(entry->d_name))
            continue;
        r = load(s, all, entry->d_name, &record, e);
        if (r == 0)
            r = each(&record, arg);
        else if (r == -ENOENT)
            r = 0;
        sandbox_record_clear(&record);
        if (r < 0)
            return e && e->code ? r : err_set(e, r, "look at sandbox %s", entry->d_name);
    }
    return r < 0 ? err_set(e, r, "list the sandboxes") : 0;
}

void sandbox_endpoints(struct sandboxes *s, const char *id, struct endpoint_list *out)
{
    int all = sandboxes_dir(s, false, NULL);
    *out = (struct endpoint_list){0};
    if (all >= 0)
        (void)endpoints_of(all, id, id, out);
}

/* ---- its members -----------------------------------------------------------------------------*/

static int add_name(const struct member *m, void *names)
{
    strv_add(names, m->name ? m->name : m->id);
    return 0;
}

void sandbox_members(const struct sandbox_record *r, strv *names)
{
    (void)members_each(r->dir, add_name, names);
}

static int is_member(const struct member *m, void *id)
{
    return streq(m->id, id);
}

bool sandbox_has_member(const struct sandbox_record *r, const char *id)
{
    _cleanup_free_ char *copy = xstrdup(id);
    return members_each(r->dir, is_member, copy) != 0;
}

static int may_change(const struct member *m, void *arg)
{
    (void)arg;
    return m->net_admin;
}

bool sandbox_is_open_inside(const struct sandbox_record *r)
{
    return r->life != SANDBOX_MONITORED || members_each(r->dir, may_change, NULL) != 0;
}

int sandbox_open_netns(const struct sandbox_record *r)
{
    return r->life == SANDBOX_MONITORED ? members_netns(r->dir, r->cookie)
                                        : apart_open_netns(r->all, r, NULL);
}
