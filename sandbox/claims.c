/* Which sandbox publishes a port: by the records of all of them, or of those who claim it (port_claims.c). */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>

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

static int refuse(const struct port_search *found, const struct port_mapping *wanted, struct err *e)
{
    int r = port_mapping_in_use(wanted, e);
    if (found->state == SANDBOX_DEAD)
        err_hint(e, "`netctr gc` removes container `%s`, which is dead", found->owner);
    else
        err_hint(e, "container `%s` publishes it", found->owner);
    return r;
}

int sandboxes_require_free(struct sandboxes *s, const struct port_mapping *wanted, struct err *e)
{
    for (;;) {
        _cleanup_port_search_ struct port_search search = {.wanted = wanted};
        int r = sandbox_each(s, look_for_port, &search, e);
        if (r < 0 || !search.owner)
            return r;
        if (search.state != SANDBOX_DEAD || search.life == SANDBOX_MONITORED)
            return refuse(&search, wanted, e);
        r = apart_remove(s, search.id, false, e);
        if (r < 0)
            return r;
    }
}

/* ---- claims ----------------------------------------------------------------------------------*/

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
    return refuse(&search, wanted, e);
}

static int look_at_claims(struct sandboxes *s, int claims, const struct port_mapping *wanted,
                          bool apart, struct err *e)
{
    _cleanup_free_ char *word = claims_word(wanted);
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
    _cleanup_close_ int claims = openat(all, PORT_CLAIMS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (claims < 0)
        return errno == ENOENT ? 0 : err_set(e, errno, "read the claims of ports");
    int r = 0;
    for (size_t i = 0; r == 0 && i < wanted->count; i++)
        r = look_at_claims(s, claims, &wanted->items[i], apart, e);
    return r;
}
