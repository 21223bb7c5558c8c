/* Looks at all leases of a network: lists them, sweeps up, and rebuilds what is lost or damaged from
 * the endpoints in use. Only gc, reload, inspect and the removal of a network come here, and a start
 * that finds no directory. */
#include "lease_dir.h"
#include "lease_old.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

/* ---- all of them -----------------------------------------------------------------------------*/

static int by_address(const void *a, const void *b)
{
    struct ip x = {0}, y = {0};
    (void)ip_parse(*(char *const *)a, &x);
    (void)ip_parse(*(char *const *)b, &y);
    return x.family != y.family ? x.family - y.family : memcmp(x.bytes, y.bytes, ip_size(&x));
}

/* Is @name an address as ip_text() writes it? */
static bool is_address(const char *name)
{
    struct ip a;
    _cleanup_free_ char *text = ip_parse(name, &a) == 0 ? ip_text(&a) : NULL;
    return text && streq(text, name);
}

/* The names in @path; only those that are addresses, in their order, with @addresses. */
static int list(const struct lease_dir *d, const char *path, bool addresses, struct strings *out)
{
    int r = 0;
    _cleanup_dir_ DIR *dir = open_listing(d->fd, path);
    if (!dir)
        return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
    for (struct dirent *entry; (entry = next_entry(dir, &r));)
        if (addresses ? is_address(entry->d_name) : *entry->d_name != '.')
            strings_add(out, entry->d_name);
    if (r == 0 && addresses && out->items)
        qsort(out->items, strv_len(out->items), sizeof(*out->items), by_address);
    return r;
}

/* A second address: a link to the lease that has it. */
static bool is_link(const struct lease_dir *d, const char *name)
{
    struct stat st;
    return strchr(name, ':') && fstatat(d->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISLNK(st.st_mode);
}

static int each_old(const struct old_leases *old, int (*each)(const struct lease *l, void *arg),
                    void *arg)
{
    int r = 0;
    for (size_t i = 0; r >= 0 && i < old->count; i++)
        r = each(&old->leases[i], arg);
    return r < 0 ? r : 0;
}

int lease_each(int dirfd, const char *network, int (*each)(const struct lease *l, void *arg),
               void *arg, struct err *e)
{
    _cleanup_old_leases_ struct old_leases old = {0};
    _cleanup_lease_dir_ struct lease_dir d = {-1, network};
    _cleanup_strings_ struct strings names = {0};
    int r = old_leases_read(dirfd, network, &old, e);
    if (r != 0)
        return r < 0 ? r : each_old(&old, each, arg);
    r = lease_dir_open(dirfd, network, &d, e);
    if (r <= 0)
        return r;
    if ((r = list(&d, ".", true, &names)) < 0)
        return err_set(e, r, "list the leases of network `%s`", network);
    strv_each (name, names.items) {
        _cleanup_lease_ struct lease l = {0};
        if (is_link(&d, name) || lease_verify(&d, name, &l) != 1 || !valid_name(l.owner))
            continue;
        if ((r = each(&l, arg)) < 0)
            return r;
    }
    return 0;
}

int lease_find(int dirfd, const char *network, const char *owner, struct lease *out, struct err *e)
{
    _cleanup_old_leases_ struct old_leases old = {0};
    _cleanup_lease_dir_ struct lease_dir d = {-1, network};
    int r = old_leases_read(dirfd, network, &old, e);
    for (size_t i = 0; r == 1 && i < old.count; i++)
        if (streq(old.leases[i].owner, owner)) {
            *out = lease_copy(&old.leases[i]);
            return 1;
        }
    if (r != 0)
        return r < 0 ? r : 0;
    if ((r = lease_dir_open(dirfd, network, &d, e)) <= 0)
        return r;
    r = lease_of_owner(&d, owner, out);
    return r < 0 ? err_set(e, r, "read the lease of `%s` on network `%s`", owner, network) : r;
}

/* ---- sweeping --------------------------------------------------------------------------------*/

static void tidy_addresses(const struct lease_dir *d, char *const *names)
{
    strv_each (name, names) {
        _cleanup_lease_ struct lease l = {0};
        struct ip a;
        (void)ip_parse(name, &a);
        int r = is_link(d, name) ? lease_of_address(d, &a, &l) : lease_entry(d, name, &l);
        if (r == 1 && lease_has_cooled(&l))
            (void)lease_drop(d, &l);
        if (r == 0)
            (void)unlinkat(d->fd, name, 0);
    }
}

/* Removes links that lead to no lease, or to one that does not name them. */
static void tidy_links(const struct lease_dir *d, const char *folder)
{
    _cleanup_strings_ struct strings names = {0};
    (void)list(d, folder, false, &names);
    strv_each (name, names.items) {
        _cleanup_lease_ struct lease l = {0};
        _cleanup_free_ char *path = xasprintf("%s/%s", folder, name);
        uint8_t mac[6];
        int r = 0;
        if (streq(folder, "owner"))
            r = lease_of_owner(d, name, &l);
        else if (mac_parse(name, mac) == 0)
            r = lease_of_mac(d, mac, &l);
        if (r == 0 && unlinkat(d->fd, path, 0) < 0 && errno == EISDIR)
            (void)remove_tree_at(d->fd, path);
    }
}

int lease_tidy(int dirfd, const char *network, struct err *e)
{
    _cleanup_free_ char *half = xasprintf("%s~", network);
    _cleanup_lease_dir_ struct lease_dir d = {-1, network};
    _cleanup_strings_ struct strings names = {0};
    _cleanup_close_ int lock = lease_lock(dirfd, network, e);
    if (lock < 0)
        return lock;
    (void)remove_tree_at(dirfd, half);
    int r = lease_dir_open(dirfd, network, &d, e);
    if (r <= 0)
        return r;
    if ((r = list(&d, ".", true, &names)) < 0)
        return err_set(e, r, "list the leases of network `%s`", network);
    (void)remove_tree_at(d.fd, "file~");
    (void)remove_tree_at(d.fd, "link~");
    tidy_addresses(&d, names.items);
    tidy_links(&d, "owner");
    tidy_links(&d, "mac");
    lease_reap(&d, INT_MAX); /* finds nothing but names */
    return 0;
}

int lease_remove(int dirfd, const char *network, struct err *e)
{
    _cleanup_close_ int lock = lease_lock(dirfd, network, e);
    if (lock < 0)
        return lock;
    _cleanup_free_ char *half = xasprintf("%s~", network),
                        *lock_file = xasprintf(".%s.lock", network);
    /* In one step, so that a kill leaves all leases or none. */
    int r = remove_tree_at(dirfd, half);
    if (r == 0 && renameat(dirfd, network, dirfd, half) < 0 && errno != ENOENT)
        r = -errno;
    if (r == 0)
        r = remove_tree_at(dirfd, half);
    if (r == 0 && unlinkat(dirfd, lock_file, 0) < 0)
        r = -errno;
    return r < 0 ? err_set(e, r, "remove the leases of network `%s`", network) : 0;
}

/* ---- rebuilding ------------------------------------------------------------------------------*/

int lease_exists(int dirfd, const char *network, struct err *e)
{
    _cleanup_lease_dir_ struct lease_dir d = {-1, network};
    return lease_dir_open(dirfd, network, &d, e);
}

static void tell(const struct lease_repair *how, const char *what, const char *network)
{
    _cleanup_free_ char *text = xasprintf("%s of network `%s`", what, network);
    if (how->tell)
        how->tell(text, how->arg);
}

static int cannot(int r, const char *network, struct err *e)
{
    return err_set(e, r, "rebuild the leases of network `%s`", network);
}

/* Gives the finished directory its name, whatever bears that now. */
static int publish(int dirfd, const char *half, const char *network)
{
    if (renameat(dirfd, half, dirfd, network) == 0)
        return 0;
    if (renameat2(dirfd, half, dirfd, network, RENAME_EXCHANGE) < 0)
        return -errno;
    return remove_tree_at(dirfd, half);
}

static int build(int dirfd, const char *network, const struct old_leases *old,
                 const struct lease_repair *how, struct err *e)
{
    _cleanup_free_ char *half = xasprintf("%s~", network);
    _cleanup_lease_dir_ struct lease_dir d = {-1, network};
    int r = remove_tree_at(dirfd, half);
    if (r < 0)
        return cannot(r, network, e);
    if ((r = lease_dir_make(dirfd, half, &d, e)) < 0)
        return r;
    for (size_t i = 0; r == 0 && i < old->count; i++)
        r = lease_put(&d, &old->leases[i], true);
    for (size_t i = 0; r == 0 && i < how->count; i++)
        r = lease_put(&d, &how->living[i], true);
    if (r == 0)
        r = publish(dirfd, half, network);
    return r < 0 ? cannot(r, network, e) : 0;
}

/* Without one of its folders, all leases lack links. */
static int restore_folders(const struct lease_dir *d, const struct lease_repair *how, bool *changed,
                           struct err *e)
{
    static const char *const folders[] = {"owner", "mac", "resting"};
    for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
        struct stat st;
        int r = fstatat(d->fd, folders[i], &st, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
        if (r == 0 && S_ISDIR(st.st_mode))
            continue;
        if (r < 0 && r != -ENOENT)
            return cannot(r, d->network, e);
        if (!how->dry_run && (r = remove_tree_at(d->fd, folders[i])) == 0 &&
            mkdirat(d->fd, folders[i], 0700) < 0)
            r = -errno;
        if (!how->dry_run && r < 0)
            return cannot(r, d->network, e);
        _cleanup_free_ char *what = xasprintf("damaged lease folder %s", folders[i]);
        tell(how, what, d->network);
        *changed = true;
    }
    return 0;
}

/* An endpoint in use that has no lease gets it back. One whose address has been given to another
 * container since cannot. */
static int restore_living(const struct lease_dir *d, const struct lease_repair *how, bool *changed,
                          struct err *e)
{
    for (size_t i = 0; i < how->count - how->ending; i++) {
        const struct lease *living = &how->living[i];
        _cleanup_free_ char *name = lease_name(living);
        _cleanup_lease_ struct lease there = {0};
        int r = lease_verify(d, name, &there);
        if (r == 1 && valid_name(there.owner))
            continue;
        _cleanup_free_ char *what =
            xasprintf("%s lease %s", r == -EBADMSG ? "damaged" : "lost", name);
        if (r < 0 && r != -EBADMSG)
            return cannot(r, d->network, e);
        if (!how->dry_run && (r = lease_put(d, living, true)) < 0)
            return cannot(r, d->network, e);
        tell(how, what, d->network);
        *changed = true;
    }
    return 0;
}

static bool is_living(const struct lease_repair *how, const char *name)
{
    for (size_t i = 0; i < how->count; i++) {
        _cleanup_free_ char *own = lease_name(&how->living[i]);
        if (streq(own, name))
            return true;
    }
    return false;
}

/* What cannot be read and is no living endpoint's. */
static int remove_damaged(const struct lease_dir *d, const struct lease_repair *how, bool *changed,
                          struct err *e)
{
    _cleanup_strings_ struct strings names = {0};
    int r = list(d, ".", true, &names);
    if (r < 0)
        return cannot(r, d->network, e);
    strv_each (name, names.items) {
        _cleanup_lease_ struct lease l = {0};
        struct ip a;
        (void)ip_parse(name, &a);
        r = is_link(d, name) ? lease_of_address(d, &a, &l) : lease_verify(d, name, &l);
        if (r != -EBADMSG || (how->dry_run && (is_living(how, name) || is_link(d, name))))
            continue;
        if (!how->complete && !how->dry_run) {
            err_say(e, -EBADMSG, "the lease %s of network `%s` is damaged", name, d->network);
            err_hint(e, "it may belong to a container whose record is damaged too");
            return -EBADMSG;
        }
        _cleanup_free_ char *what = xasprintf("damaged lease %s", name);
        if (!how->dry_run && (r = remove_tree_at(d->fd, name)) < 0)
            return cannot(r, d->network, e);
        tell(how, what, d->network);
        *changed = true;
    }
    return 0;
}

static int repair_missing(int dirfd, const char *network, const struct old_leases *old,
                          const char *what, const struct lease_repair *how, struct err *e)
{
    int r = how->dry_run ? 0 : build(dirfd, network, old, how, e);
    if (r < 0)
        return r;
    tell(how, what, network);
    return 1;
}

int lease_repair(int dirfd, const char *network, const struct lease_repair *how, struct err *e)
{
    _cleanup_old_leases_ struct old_leases old = {0};
    _cleanup_lease_dir_ struct lease_dir d = {-1, network};
    _cleanup_close_ int lock = lease_lock(dirfd, network, e);
    if (lock < 0)
        return lock;
    int r = old_leases_read(dirfd, network, &old, e);
    if (r == 1)
        return how->keep_old ? 0 : repair_missing(dirfd, network, &old, "0.1 lease file", how, e);
    const bool damaged = r == -EBADMSG;
    if (r < 0 && !damaged)
        return r;
    err_clear(e);
    if ((r = lease_dir_open(dirfd, network, &d, e)) < 0)
        return r;
    const bool unneeded = !damaged && how->count == 0 && !how->create;
    if (r == 0 && (!how->complete || unneeded || (damaged && how->keep_old)))
        return 0;
    if (r == 0)
        return repair_missing(dirfd, network, &old, damaged ? "damaged leases" : "lost leases", how,
                              e);
    bool changed = false;
    r = restore_folders(&d, how, &changed, e);
    if (r == 0)
        r = restore_living(&d, how, &changed, e);
    if (r == 0)
        r = remove_damaged(&d, how, &changed, e);
    return r < 0 ? r : changed;
}
