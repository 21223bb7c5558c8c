/* Containers that share the network of another one (`--network container:NAME`). The namespace belongs to its owner:
 * its addresses are released when the owner ends, and a restarted owner has a new namespace.
 */
#include "internal.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

enum { CHAIN_MAX = 16 };

enum network_word network_word(const char *text, const char **rest)
{
    const char *after = NULL;
    enum network_word word = NETWORK_NAME;
    if (streq(text, "host"))
        word = NETWORK_WORD_HOST;
    else if (streq(text, "none"))
        word = NETWORK_WORD_NONE;
    else if ((after = skip_prefix(text, "container:")))
        word = NETWORK_WORD_CONTAINER;
    else if ((after = skip_prefix(text, "ns:")))
        word = NETWORK_WORD_NS;
    if (rest)
        *rest = after;
    return word;
}

const char *network_owner(const struct spec *s)
{
    const char *rest;
    return network_word(s->network, &rest) == NETWORK_WORD_CONTAINER ? rest : NULL;
}

/* ---- has it lost the network? ----------------------------------------------------------------*/

/* -ESRCH: its program has ended since. */
static int netns_of(const struct record *r, struct stat *out)
{
    _cleanup_close_ int fd = netns_of_process(r->pid, r->pid_start);
    if (fd < 0)
        return fd;
    return fstat(fd, out) < 0 ? -errno : 0;
}

static int differs(const struct record *a, const struct record *b)
{
    struct stat x, y;
    int r = netns_of(a, &x);
    if (r == 0)
        r = netns_of(b, &y);
    return r < 0 ? r : x.st_ino != y.st_ino || x.st_dev != y.st_dev;
}

/* The owner's namespace stays between two runs of its program. */
static int lost(struct engine *engine, const struct record *r, int depth, struct err *e)
{
    const char *name = network_owner(&r->spec);
    if (!name || r->status != STATUS_RUNNING || depth == CHAIN_MAX)
        return 0;
    _cleanup_record_ struct record owner = {0};
    int code = engine_find(engine, name, &owner, e);
    if (code == -ENOENT || code == -EBADMSG) {
        err_clear(e);
        return 1;
    }
    if (code < 0 || owner.status == STATUS_RESTARTING)
        return code;
    code = owner.status == STATUS_RUNNING ? differs(r, &owner) : 1;
    if (code < 0 && code != -ESRCH)
        return err_set(e, code, "look at the network of container `%s`", r->spec.name);
    if (code == -ESRCH) /* one of the two has just ended */
        return 0;
    return code ? code : lost(engine, &owner, depth + 1, e);
}

int engine_network_lost(struct engine *engine, const struct record *r, struct err *e)
{
    return lost(engine, r, 0, e);
}

/* ---- in order --------------------------------------------------------------------------------*/

/* Matches as store_find() does. */
static bool is_meant(const struct record *r, const char *name_or_id)
{
    return r->spec.name && (streq(r->spec.name, name_or_id) ||
                            (strlen(name_or_id) >= 4 && skip_prefix(r->spec.id, name_or_id)));
}

/* Its index, or @count. */
static size_t find_meant(const struct record *all, size_t count, const char *name_or_id)
{
    size_t i = 0;
    while (i < count && !is_meant(&all[i], name_or_id))
        i++;
    return i;
}

size_t *owners_first(const struct record *all, size_t count)
{
    size_t *order = xcalloc(count + 1, sizeof(*order)), placed_count = 0;
    _cleanup_free_ bool *placed = xcalloc(count + 1, sizeof(*placed));
    /* From a container to its owner, to the owner's owner …: each goes before the one that led there. In a circle, the
     * first one given comes last. */
    for (size_t i = 0; i < count; i++) {
        size_t first = placed_count, k = i;
        while (k < count && !placed[k]) {
            placed[k] = true;
            memmove(order + first + 1, order + first, (placed_count - first) * sizeof(*order));
            order[first] = k;
            placed_count++;
            const char *owner = all[k].spec.name ? network_owner(&all[k].spec) : NULL;
            k = owner ? find_meant(all, count, owner) : count;
        }
    }
    return order;
}

/* ---- whose network was lost by the end of others ---------------------------------------------*/

static int add_sharer(const struct record *r, void *names)
{
    if (r->status == STATUS_RUNNING && network_owner(&r->spec))
        strv_add(names, r->spec.name);
    return 0;
}

/* The owner may share the network of another one itself. */
static bool depends_on(struct engine *engine, const struct record *r, const struct record *ended,
                       size_t count, int depth)
{
    const char *owner = network_owner(&r->spec);
    _cleanup_record_ struct record next = {0};
    if (!owner || depth == CHAIN_MAX)
        return false;
    return find_meant(ended, count, owner) < count ||
           (engine_find(engine, owner, &next, NULL) == 0 &&
            depends_on(engine, &next, ended, count, depth + 1));
}

void engine_lost_networks(struct engine *engine, const struct record *ended, size_t count,
                          void (*each)(const struct lost_network *lost, void *arg), void *arg)
{
    _cleanup_strv_ strv names = NULL;
    if (engine_each(engine, add_sharer, &names, NULL) < 0)
        return;
    strv_each (name, names) {
        _cleanup_record_ struct record r = {0}, owner = {0};
        if (engine_find(engine, name, &r, NULL) < 0 || !depends_on(engine, &r, ended, count, 0) ||
            engine_network_lost(engine, &r, NULL) <= 0)
            continue;
        struct lost_network found = {.name = name, .owner = network_owner(&r.spec)};
        found.owner_gone = engine_find(engine, found.owner, &owner, NULL) < 0;
        found.owner_ended = !found.owner_gone && owner.status == STATUS_EXITED;
        each(&found, arg);
    }
}
