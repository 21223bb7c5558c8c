/* Leaves a sandbox. The last one to leave takes it down. */
#include "sandbox.h"

#include <errno.h>

/* ---- a living member -------------------------------------------------------------------------*/

struct links {
    struct link *items;
    size_t count;
};

/* The host ends, which links_retire() removes after the namespace is closed. */
static struct links find_links(struct sandbox *sb)
{
    _cleanup_endpoints_ struct endpoint_list all = {0};
    struct links links = {0};
    bool known = !sb->guest && !sb->joined;
    if (!known)
        (void)endpoints_of(sb->dir, ".", sb->id, &all);
    size_t count = known ? sb->attachment_count : all.count;
    if (!count || sandboxes_net(sb->all, &sb->net, NULL) < 0)
        return links;
    links.items = xcalloc(count, sizeof(*links.items));
    for (size_t i = 0; i < count; i++)
        if (endpoint_find_link(sb->net, known ? &sb->attachments[i].endpoint : &all.items[i],
                               &links.items[links.count]))
            links.count++;
    return links;
}

/* Is it the last one? A reload holds the instance lock from reading the records to committing the rules. It skips a
 * sandbox whose lock is held exclusively, so that elements which are deleted later do not come back. If others stay, what
 * is this member's goes under the same lock, for the same reason. */
static int leave_or_own(struct sandbox *sb, bool *last, struct err *e)
{
    /* Without networks there are no rules. */
    bool networked = sb->net || sb->guest;
    _cleanup_close_ int lock = networked ? sandbox_lock(sb, e) : -1;
    if (networked && lock < 0)
        return lock;
    int r = life_take(sb->lock, F_WRLCK);
    if (r == -EWOULDBLOCK && lock < 0) { /* others share it, and may leave now */
        lock = sandbox_lock(sb, e);
        if (lock < 0)
            return lock;
        r = life_take(sb->lock, F_WRLCK);
    }
    *last = r == 0;
    if (r != -EWOULDBLOCK)
        return r < 0 ? err_set(e, r, "lock sandbox %s", sb->id) : 0;
    const struct ending x = {.all = sb->all, .id = sb->id, .name = sb->name, .dir = sb->dir};
    r = withdraw_member(&x, sb->member, e);
    if (r < 0)
        return r;
    /* Under the same lock: one that leaves at the same time must see whether it is the last. */
    sb->netns = close_fd(sb->netns);
    sb->lock = close_fd(sb->lock);
    return 0;
}

/* Late: the kernel then dismantles the namespace under RTNL, and other netlink requests have to wait. */
static void close_namespace(struct sandbox *sb, const struct links *links, bool later)
{
    sb->netns = close_fd(sb->netns);
    if (links->count)
        links_retire(sb->net, links->items, links->count, later);
}

/* The sockets of the ports stay bound until their rules are gone. */
static int end(struct sandbox *sb, size_t expected, bool later, struct err *e)
{
    const struct ending ending = {.all = sb->all,
                                  .id = sb->id,
                                  .name = sb->name,
                                  .dir = sb->dir,
                                  .expected = expected,
                                  .aside = true};
    struct links links = find_links(sb);
    int r = take_down(&ending, e);
    if (r == 0)
        bindings_close(sb);
    close_namespace(sb, &links, later);
    free(links.items);
    return r == 0 ? remove_sandbox(sb->all, sb->id, e) : r;
}

int sandbox_leave(struct sandbox *sb, bool later, struct err *e)
{
    bool last = false;
    if (!sb)
        return 0;
    sandbox_stop_serving(sb);
    int r = sb->lock < 0 ? 0 : leave_or_own(sb, &last, e);
    if (r == 0 && last)
        r = end(sb, sb->attachment_count, later, e);
    if (r == 0)
        bindings_close(sb);
    sb->netns = close_fd(sb->netns);
    sb->lock = close_fd(sb->lock);
    sb->pinned_lock = close_fd(sb->pinned_lock);
    return r;
}

/* ---- a dead member ---------------------------------------------------------------------------*/

/* With the lock file of a sandbox that may live. *@x->dir is its directory. */
static int leave_for(const struct ending *x, const char *member, struct err *e)
{
    _cleanup_close_ int life = life_open(x->dir, true);
    int r = life < 0 ? life : life_take(life, F_WRLCK);
    if (r == -EWOULDBLOCK) { /* others live; or one of them takes it down just now */
        _cleanup_close_ int lock = x->locked ? -1 : sandboxes_lock(x->all, e);
        if (!x->locked && lock < 0)
            return lock;
        return life_of(life) == F_WRLCK ? 0 : withdraw_member(x, member, e);
    }
    if (r < 0)
        return err_set(e, r, "lock sandbox %s", x->id);
    r = take_down(x, e);
    return r == 0 ? remove_sandbox(x->all, x->id, e) : r;
}

int sandboxes_leave(struct sandboxes *s, const struct sandbox_leaving *leaving, struct err *e)
{
    struct ending x = {.all = s,
                       .id = leaving->id,
                       .name = leaving->name,
                       .dir = -1,
                       .expected = leaving->expected,
                       .locked = leaving->locked};
    int all = sandboxes_dir(s, false, e);
    if (all < 0 && all != -ENOENT)
        return all;
    err_clear(e);
    if (all >= 0)
        x.dir = openat(all, leaving->id, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    _cleanup_close_ int dir = x.dir;
    if (dir >= 0)
        return leave_for(&x, leaving->member, e);
    if (all >= 0 && errno != ENOENT && errno != ENOTDIR && errno != ELOOP)
        return err_set(e, errno, "open the directory of sandbox %s", leaving->id);
    /* A sandbox of which nothing was written down, or all of which is gone. */
    if (streq(leaving->member, leaving->id))
        return take_down(&x, e);
    return 0;
}

int sandboxes_undo_records(struct sandboxes *s, const struct sandbox_leaving *leaving, int records,
                           struct err *e)
{
    const struct ending x = {.all = s,
                             .id = leaving->id,
                             .name = leaving->name,
                             .dir = records,
                             .expected = leaving->expected,
                             .locked = leaving->locked};
    return take_down(&x, e);
}
