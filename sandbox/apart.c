/* Sandboxes that no process serves: pinned ones, which are netctr's own, and foreign ones, whose namespace another
 * program has made. Whether they live is a question to the kernel: does the pin, or the path, still lead to the namespace with
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

/* As the caller's mount namespace shows it, or that of process 1. Whatever is there is compared by its cookie. */
static int open_foreign(const char *path, bool of_first)
{
    _cleanup_free_ char *there = of_first ? xasprintf("/proc/1/root%s", path) : NULL;
    _cleanup_close_ int fd =
        there ? open(there, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : sandbox_open_path(path, NULL);
    return fd >= 0 && netns_is(fd) ? take_fd(fd) : -ENOENT;
}

static int require_cookie(int netns, uint64_t cookie, struct err *e)
{
    uint64_t is;
    _cleanup_close_ int fd = netns;
    int r = netns_cookie(fd, &is, e);
    if (r < 0)
        return r;
    return cookie && is == cookie ? take_fd(fd) : -ESRCH;
}

int apart_open_netns(struct sandboxes *s, const struct sandbox_record *r, struct err *e)
{
    int fd = -ENOENT, found = -ESRCH;
    if (r->life == SANDBOX_PINNED)
        fd = open_pinned(s, r->id, e);
    if (fd == -ENOENT) {
        err_clear(e);
        fd = -ESRCH;
    }
    if (r->life == SANDBOX_PINNED)
        return fd < 0 ? fd : require_cookie(fd, r->cookie, e);
    for (int of_first = 0; found == -ESRCH && r->path && of_first < 2; of_first++) {
        fd = open_foreign(r->path, of_first);
        if (fd >= 0)
            found = require_cookie(fd, r->cookie, e);
    }
    return found;
}

void apart_look(struct sandboxes *s, struct sandbox_record *r)
{
    if (r->damaged &&
        !r->cookie) { /* its record cannot be read: what is pinned under its id stays */
        _cleanup_close_ int fd = open_pinned(s, r->id, NULL);
        if (fd < 0)
            return;
        r->life = SANDBOX_PINNED;
        r->state = r->state == SANDBOX_DEAD ? SANDBOX_LIVES : r->state;
        return;
    }
    if (r->life == SANDBOX_MONITORED || r->state == SANDBOX_ENDS)
        return;
    if (r->ends)
        r->state = SANDBOX_DEAD;
    if (r->ends || r->state == SANDBOX_LIVES) /* its lock is held: it is being made or changed */
        return;
    /* What cannot be found out is no death: the helper may not enter namespaces, and pins may be out of reach. */
    _cleanup_close_ int fd = apart_open_netns(s, r, NULL);
    if (fd != -ESRCH)
        r->state = SANDBOX_LIVES;
}

int apart_no_such(const char *id, struct err *e)
{
    return err_say(e, -ENOENT, "there is no sandbox %s", id);
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
    bool known = false;
    for (size_t i = 0; i < sb->attachment_count; i++)
        known = known || streq(sb->attachments[i].network.name, network);
    if (there != -ENOENT && !known)
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
