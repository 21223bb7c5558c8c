/* Removes names that are no longer needed: of removed networks, of ended containers, and what
 * killed processes have left half done. */
#include "names/record.h"

#include <errno.h>
#include <string.h>

/* Directories are listed before anything in them is removed. */
static int collect_valid(const char *name, void *arg)
{
    if (valid_name(name))
        strings_add(arg, name);
    return 0;
}

static int collect(const char *name, void *arg)
{
    strings_add(arg, name);
    return 0;
}

/* ---- networks --------------------------------------------------------------------------------*/

struct pruning {
    int dir;
    bool (*there)(const char *network, void *arg);
    void *arg;
};

static int prune_container(const struct pruning *p, const char *id)
{
    _cleanup_strings_ struct strings networks = {0};
    _cleanup_free_ char *path = xasprintf("container/%s", id);
    int r = record_list(p->dir, path, collect_valid, &networks);
    strv_each (network, networks.items)
        if (r == 0 && !p->there(network, p->arg))
            r = names_leave(p->dir, network, id, NULL);
    return r;
}

static int prune_network(const struct pruning *p, const char *network)
{
    _cleanup_free_ char *names = xasprintf("network/%s", network),
                        *bell = xasprintf(NAMES_BELL "/%s", network);
    if (p->there(network, p->arg))
        return 0;
    int r = remove_tree_at(p->dir, names);
    return r == 0 ? remove_tree_at(p->dir, bell) : r;
}

int names_prune(int dir, bool (*there)(const char *network, void *arg), void *arg, struct err *e)
{
    const struct pruning p = {dir, there, arg};
    _cleanup_strings_ struct strings ids = {0}, networks = {0};
    int r = record_list(dir, "container", collect_valid, &ids);
    strv_each (id, ids.items)
        if (r == 0)
            r = prune_container(&p, id);
    /* Most networks are in both; to prune one twice is harmless. */
    if (r == 0)
        r = record_list(dir, "network", collect_valid, &networks);
    if (r == 0)
        r = record_list(dir, NAMES_BELL, collect_valid, &networks);
    strv_each (network, networks.items)
        if (r == 0)
            r = prune_network(&p, network);
    return r < 0 ? err_set(e, r, "remove the names of a network") : 0;
}

/* ---- containers ------------------------------------------------------------------------------*/

struct sweeping {
    int dir;
    char *const *ids;
    const struct gc *gc;
    struct strings told;        /* ids that were reported */
    const char *network, *name; /* position in the index */
};

static void report(struct sweeping *s, const char *id)
{
    if (strv_has(s->told.items, id))
        return;
    strings_add(&s->told, id);
    gc_tell(s->gc, GC_REMOVE, "names of %s", id);
}

static int sweep_container(const char *id, void *arg)
{
    struct sweeping *s = arg;
    if (!valid_name(id) || strv_has(s->ids, id))
        return 0;
    int r = s->gc->dry_run ? 0 : names_leave(s->dir, NULL, id, NULL);
    if (r == 0)
        report(s, id);
    return r;
}

/* An entry is written before its index and removed after it. Where there is no entry, only a
 * running container may be about to write one, and it has no index yet. */
static bool has_entry(const struct sweeping *s, const char *network, const char *id)
{
    _cleanup_free_ char *entry = xasprintf("container/%s/%s", id, network);
    return strv_has(s->ids, id) && file_exists_at(s->dir, entry) != 0;
}

static int sweep_address(const char *address, void *arg)
{
    struct sweeping *s = arg;
    _cleanup_free_ char *path = xasprintf("address/%s", address),
                        *target = record_link(s->dir, path);
    if (!target && record_link_unknown(errno))
        return -errno;
    _cleanup_strv_ strv words = strv_split(target ? target : "", ' ');
    bool whole = strv_len(words) == 3 && valid_name(words[0]) && valid_name(words[1]);
    if (*address == '~' ? strv_has(s->ids, address + 1) : whole && has_entry(s, words[0], words[1]))
        return 0;
    report(s, *address == '~' ? address + 1 : whole ? words[1] : address);
    if (s->gc->dry_run)
        return 0;
    if (whole && *address != '~')
        return record_remove_address(s->dir, address, words[0], words[1]);
    return remove_tree_at(s->dir, path);
}

static int sweep_link(const char *id, void *arg)
{
    struct sweeping *s = arg;
    bool unfinished = *id == '~';
    const char *own = unfinished ? id + 1 : id;
    _cleanup_free_ char *path = xasprintf("network/%s/%s/%s", s->network, s->name, id);
    if (unfinished ? strv_has(s->ids, own) : has_entry(s, s->network, own))
        return 0;
    report(s, own);
    return s->gc->dry_run ? 0 : remove_tree_at(s->dir, path);
}

static int sweep_name(struct sweeping *s)
{
    _cleanup_free_ char *path = xasprintf("network/%s/%s", s->network, s->name);
    int r = record_list(s->dir, path, sweep_link, s);
    if (r == 0 && !s->gc->dry_run)
        (void)unlinkat(s->dir, path, AT_REMOVEDIR); /* succeeds only if it is empty */
    return r;
}

static int sweep_network(struct sweeping *s)
{
    _cleanup_strings_ struct strings names = {0};
    _cleanup_free_ char *path = xasprintf("network/%s", s->network);
    int r = record_list(s->dir, path, collect, &names);
    strv_each (name, names.items) {
        s->name = name;
        if (r == 0)
            r = sweep_name(s);
    }
    if (r == 0 && !s->gc->dry_run)
        (void)unlinkat(s->dir, path, AT_REMOVEDIR);
    return r;
}

int names_sweep(int dir, char *const *ids, const struct gc *gc, struct err *e)
{
    struct sweeping s = {.dir = dir, .ids = ids, .gc = gc};
    _cleanup_strings_ struct strings networks = {0};
    int r = record_list(dir, "container", sweep_container, &s);
    if (r == 0)
        r = record_list(dir, "address", sweep_address, &s);
    if (r == 0)
        r = record_list(dir, "network", collect, &networks);
    strv_each (network, networks.items) {
        s.network = network;
        if (r == 0)
            r = sweep_network(&s);
    }
    strings_clear(&s.told);
    return r < 0 ? err_set(e, r, "remove the names of ended containers") : 0;
}
