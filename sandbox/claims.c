/* Which sandbox publishes a port.
 *
 * Sockets show the ports of monitored ones. A sandbox without a monitor claims its host ports by files, so that one port is
 * looked up without reading the records of all:
 *
 *     RUN/sandboxes/.ports/PROTOCOL.PORT/ID   sandbox ID may publish it: its records say whether it does
 *                   ID/port.PROTOCOL.PORT     the same, for the end of the sandbox; written first and removed last
 *
 * A claim is written while the port's sockets are bound, and these are closed after the record is written. So a process
 * that has bound a port, and reads the claims then, misses none.
 */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#define CLAIMS ".ports"
#define OWN "port."

struct port_search {
    const struct port_mapping *wanted;
    char *owner;
    char *id; /* of its sandbox */
    enum sandbox_life life;
    enum sandbox_state state;
};

static void port_search_clear(struct port_search *s)
{
    free(s->owner);
    free(s->id);
}
#define _cleanup_port_search_ __attribute__((cleanup(port_search_clear)))

static int look_for_port(struct sandbox_record *r, void *arg)
{
    struct port_search *s = arg;
    for (size_t k = 0; k < r->endpoints.count; k++) {
        const struct endpoint *ep = &r->endpoints.items[k];
        for (size_t i = 0; i < ep->port_mappings.count && !s->owner; i++)
            if (!ep->routed && port_mapping_collides(&ep->port_mappings.items[i], s->wanted)) {
                s->owner = xstrdup(ep->container);
                s->id = xstrdup(r->id);
                s->life = r->life;
                s->state = r->state;
            }
    }
    return 0;
}

char *sandboxes_publisher(struct sandboxes *s, const struct port_mapping *wanted)
{
    _cleanup_port_search_ struct port_search search = {.wanted = wanted};
    (void)sandbox_each(s, look_for_port, &search, NULL);
    return take_ptr(search.owner);
}

int sandboxes_require_free(struct sandboxes *s, const struct port_mapping *wanted, struct err *e)
{
    for (;;) {
        _cleanup_port_search_ struct port_search search = {.wanted = wanted};
        int r = sandbox_each(s, look_for_port, &search, e);
        if (r < 0 || !search.owner)
            return r;
        if (search.state != SANDBOX_DEAD || search.life == SANDBOX_MONITORED) {
            (void)port_mapping_in_use(wanted, e);
            return search.state == SANDBOX_DEAD
                       ? err_hint(e, "`netctr gc` removes container `%s`, which is dead",
                                  search.owner)
                       : err_hint(e, "container `%s` publishes it", search.owner);
        }
        r = apart_remove(s, search.id, false, e);
        if (r < 0)
            return r;
    }
}

/* ---- claims ----------------------------------------------------------------------------------*/

static char *claim_word(const struct port_mapping *p)
{
    return xasprintf("%u.%u", p->protocol, p->host_port);
}

static int touch(int dir, const char *file)
{
    _cleanup_close_ int fd = openat(dir, file, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    return fd < 0 ? -errno : 0;
}

static int make_claim(int all, const char *word, const char *id)
{
    _cleanup_free_ char *port = xasprintf(CLAIMS "/%s", word), *file = xasprintf("%s/%s", port, id);
    int r = -ENOENT;
    /* Another process may remove an empty directory in between. */
    for (int tries = 0; r == -ENOENT && tries < 100; tries++) {
        if ((mkdirat(all, CLAIMS, 0700) < 0 && errno != EEXIST) ||
            (mkdirat(all, port, 0700) < 0 && errno != EEXIST && errno != ENOENT))
            return -errno;
        r = touch(all, file);
    }
    return r;
}

int claims_add(struct sandbox *sb, const struct port_mapping *p, struct err *e)
{
    _cleanup_free_ char *word = claim_word(p), *own = xasprintf(OWN "%s", word);
    int all = sandboxes_dir(sb->all, true, e);
    if (all < 0)
        return all;
    int r = touch(sb->dir, own);
    if (r == 0)
        r = make_claim(all, word, sb->id);
    return r < 0 ? err_set(e, r, "claim port %u", p->host_port) : 0;
}

static int remove_claim(int all, int dir, const char *id, const char *own)
{
    const char *word = skip_prefix(own, OWN);
    _cleanup_free_ char *port = xasprintf(CLAIMS "/%s", word), *file = xasprintf("%s/%s", port, id);
    if (unlinkat(all, file, 0) < 0 && errno != ENOENT)
        return -errno;
    /* Not empty: others have claims. */
    if (unlinkat(all, port, AT_REMOVEDIR) == 0)
        (void)unlinkat(all, CLAIMS, AT_REMOVEDIR);
    return unlinkat(dir, own, 0) < 0 && errno != ENOENT ? -errno : 0;
}

int claims_remove_all(struct sandboxes *s, int dir, const char *id, struct err *e)
{
    int all = sandboxes_dir(s, false, e), r = 0;
    _cleanup_dir_ DIR *d = all < 0 ? NULL : open_listing(dir, ".");
    if (!d)
        return all < 0 ? all : err_set(e, errno, "list the directory of sandbox %s", id);
    for (struct dirent *entry; r == 0 && (entry = next_entry(d, &r));)
        if (skip_prefix(entry->d_name, OWN))
            r = remove_claim(all, dir, id, entry->d_name);
    return r < 0 ? err_set(e, r, "remove the claims of sandbox %s", id) : 0;
}

/* A claim of a sandbox that is gone is removed. */
static int look_at_claim(struct sandboxes *s, int port, const char *id, bool apart,
                         const struct port_mapping *wanted, struct err *e)
{
    _cleanup_port_search_ struct port_search search = {.wanted = wanted};
    struct sandbox_record r = {.dir = -1};
    int code = sandbox_find(s, id, &r, e);
    if (code == 0)
        (void)look_for_port(&r, &search);
    sandbox_record_clear(&r);
    if (code == -ENOENT) {
        (void)unlinkat(port, id, 0);
        return 0;
    }
    if (code < 0 || !search.owner)
        return code;
    if (search.state == SANDBOX_DEAD && apart)
        return apart_remove(s, search.id, false, e);
    (void)port_mapping_in_use(wanted, e);
    return search.state == SANDBOX_DEAD
               ? err_hint(e, "`netctr gc` removes sandbox `%s`, which is dead", search.owner)
               : err_hint(e, "container `%s` publishes it", search.owner);
}

static int look_at_claims(struct sandboxes *s, int claims, const struct port_mapping *wanted,
                          bool apart, struct err *e)
{
    _cleanup_free_ char *word = claim_word(wanted);
    _cleanup_dir_ DIR *d = open_listing(claims, word);
    int r = 0;
    if (!d)
        return errno == ENOENT ? 0
                               : err_set(e, errno, "read who claims port %u", wanted->host_port);
    for (struct dirent *entry; r == 0 && (entry = next_entry(d, &r));)
        if (valid_name(entry->d_name))
            r = look_at_claim(s, dirfd(d), entry->d_name, apart, wanted, e);
    return r;
}

int claims_require_none(struct sandboxes *s, const struct port_mappings *wanted, bool apart,
                        struct err *e)
{
    int all = sandboxes_dir(s, false, e);
    if (all < 0 && all != -ENOENT)
        return all;
    if (all < 0) {
        err_clear(e);
        return 0;
    }
    _cleanup_close_ int claims = openat(all, CLAIMS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (claims < 0)
        return errno == ENOENT ? 0 : err_set(e, errno, "read the claims of ports");
    int r = 0;
    for (size_t i = 0; r == 0 && i < wanted->count; i++)
        r = look_at_claims(s, claims, &wanted->items[i], apart, e);
    return r;
}
