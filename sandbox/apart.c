/* Sandboxes that no process serves: pinned ones, which are netctr's own, and foreign ones, whose namespace belongs to
 * somebody else. Whether they live is a question to the kernel: does the pin, or the path, still lead to the namespace with
 * the recorded cookie? An inode number would not do, as the next namespace may have it.
 *
 *     RUN/sandboxes/ID/  change            locked by the process that changes the sandbox
 *                        pending.NETWORK   it is being connected or disconnected; a process that finds it, and not the
 *                                          lock held, undoes the rest of that
 */
#include "sandbox.h"

#include <errno.h>
#include <netctr/names.h>
#include <sys/file.h>

#define PENDING "pending."

/* ---- the namespace ---------------------------------------------------------------------------*/

int sandboxes_pins(struct sandboxes *s, struct pins **out, struct err *e)
{
    int r = s->pins ? 0 : pins_open(s->run_fd, &s->pins, e);
    *out = s->pins;
    return r;
}

static int open_pinned(struct sandboxes *s, const char *id, struct err *e)
{
    struct pins *pins;
    int r = sandboxes_pins(s, &pins, e);
    return r == 0 ? pins_get(pins, id, e) : r;
}

/* Whatever is at the path, or nothing, is not the namespace. */
static int open_foreign(const char *path, struct err *e)
{
    int fd = path ? sandbox_open_path(path, e) : -ENOENT;
    if (fd == -EINVAL || fd == -ELOOP || fd == -ENOTDIR || fd == -ESRCH) {
        err_clear(e);
        return -ENOENT;
    }
    return fd;
}

int apart_open_netns(struct sandboxes *s, const struct sandbox_record *r, struct err *e)
{
    uint64_t cookie;
    _cleanup_close_ int fd =
        r->life == SANDBOX_PINNED ? open_pinned(s, r->id, e) : open_foreign(r->path, e);
    int code = fd < 0 ? fd : netns_cookie(fd, &cookie, e);
    if (code == -ENOENT) {
        err_clear(e);
        return -ESRCH;
    }
    if (code < 0)
        return code;
    return cookie == r->cookie && r->cookie ? take_fd(fd) : -ESRCH;
}

int apart_look(struct sandboxes *s, struct sandbox_record *r, struct err *e)
{
    if (r->state == SANDBOX_ENDS)
        return 0;
    if (r->ends || !r->cookie) {
        /* With its lock held, it is being made. */
        if (r->ends)
            r->state = SANDBOX_DEAD;
        return 0;
    }
    if (r->state == SANDBOX_LIVES)
        return 0;
    _cleanup_err_ struct err why = ERR_INIT;
    _cleanup_close_ int fd = apart_open_netns(s, r, &why);
    if (fd == -ESRCH)
        return 0;
    /* EPERM: the helper may not enter namespaces. It restores the rules of all, and removes none. */
    if (fd >= 0 || fd == -EPERM)
        r->state = SANDBOX_LIVES;
    else
        err_move(e, &why);
    return fd >= 0 || fd == -EPERM ? 0 : fd;
}

/* ---- changes ---------------------------------------------------------------------------------*/

int apart_lock_changes(int dir, bool wait)
{
    return lock_file_at(dir, "change", LOCK_EX | (wait ? 0 : LOCK_NB));
}

static char *pending_file(const char *network)
{
    return xasprintf(PENDING "%s", network);
}

int apart_note_pending(const struct sandbox *sb, const char *network, struct err *e)
{
    _cleanup_free_ char *file = pending_file(network);
    if (sb->life == SANDBOX_MONITORED)
        return 0;
    _cleanup_close_ int fd =
        openat(sb->dir, file, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    return fd < 0 ? err_set(e, errno, "write `%s`", file) : 0;
}

void apart_forget_pending(const struct sandbox *sb, const char *network)
{
    _cleanup_free_ char *file = pending_file(network);
    struct endpoint ep = {0};
    if (sb->life == SANDBOX_MONITORED)
        return;
    int there = endpoint_load(sb->dir, network, &ep, NULL);
    endpoint_clear(&ep);
    /* What could not be undone: the next process tries again. */
    if (there != -ENOENT && !sandbox_is_on(sb, network))
        return;
    (void)unlinkat(sb->dir, file, 0);
}

/* Names, lease, and what the record knows of. */
static int undo_network(struct sandboxes *s, const struct sandbox_record *r, const char *network,
                        struct err *e)
{
    struct net *net;
    int names;
    struct endpoint ep = {0};
    int code = sandboxes_net(s, &net, e);
    if (code == 0)
        code = sandboxes_names(s, &names, e);
    if (code == 0)
        code = names_leave(names, network, r->id, e);
    if (code < 0)
        return code;
    code = endpoint_load(r->dir, network, &ep, e);
    if (code == 0) {
        code = endpoint_detach(net, &ep, false, r->dir, e);
        endpoint_clear(&ep);
        return code;
    }
    if (code != -ENOENT)
        return code;
    err_clear(e);
    return endpoint_forget_lease(net, network, r->id, e);
}

int apart_settle(struct sandboxes *s, const struct sandbox_record *r, struct err *e)
{
    _cleanup_dir_ DIR *d = open_listing(r->dir, ".");
    int code = 0, result = 0;
    if (!d)
        return err_set(e, errno, "list the directory of sandbox %s", r->id);
    for (struct dirent *entry; (entry = next_entry(d, &code));) {
        const char *network = skip_prefix(entry->d_name, PENDING);
        _cleanup_err_ struct err step = ERR_INIT;
        if (!network || !valid_name(network))
            continue;
        int undone = undo_network(s, r, network, &step);
        if (undone == 0 && unlinkat(r->dir, entry->d_name, 0) < 0 && errno != ENOENT)
            undone = err_set(&step, errno, "remove `%s`", entry->d_name);
        err_note(&result, undone, e, &step);
    }
    return code < 0 ? err_set(e, code, "list the directory of sandbox %s", r->id) : result;
}

bool apart_has_pending(const struct sandbox_record *r)
{
    int code = 0;
    _cleanup_dir_ DIR *d = open_listing(r->dir, ".");
    for (struct dirent *entry; d && (entry = next_entry(d, &code));)
        if (skip_prefix(entry->d_name, PENDING))
            return true;
    return false;
}
