/* Which ids of the host a container's user namespace has.
 *
 * A range is ID_RANGE_SIZE ids of users and of groups, and belongs to the definition of a container. ROOT/ranges/FIRST is
 * a symbolic link whose text is the container's id; it is made before the definition and removed after it. A search
 * begins at a place that the container's id names, so no command looks at other containers, and a range that has just
 * become free is seldom the next one.
 *
 * Containers of another ROOT must not live with the same ids. So a monitor locks those of its container for as long as it
 * lives (open file description locks: the kernel releases them when it is killed). A lock file has a byte for each id. The
 * kernel walks all locks of a file whenever a process closes it, so a range has its lock in one of many PARTs, by its first
 * id. Maps that a user gave are few, may be wide, and are all in RANGES_LOCK. Each side takes its own lock first and then
 * looks at the other file, so at least one of two sees the other.
 *
 * A container that shares a sandbox lives with the ids of another one, which may have ended: it locks a byte behind MEMBERS
 * in RANGES_LOCK, which stands for these ids and its ROOT. The owner of the sandbox may start at any time, so it ignores the
 * members of its own ROOT.
 */
#include "files.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <time.h>

#define RANGES "ranges"
#define RANGES_LOCK "/run/netctr.ranges"
#define PART_LOCK RANGES_LOCK ".%02" PRIx64
enum { PART_BITS = 24 }; /* of an id: 256 ranges in a file */

/* Behind MEMBERS, each id has as many bytes as there are hashes of a ROOT. */
#define MEMBERS (INT64_C(1) << 60)
enum { ROOT_BITS = 24 };

/* Above the ids that useradd gives away (SUB_UID_MAX), and within those that systemd leaves to containers. */
enum { POOL_FIRST = 0x40000000, POOL_END = 0x70000000 };

/* ---- locks -----------------------------------------------------------------------------------*/

static int open_lock_file(const char *path, struct err *e)
{
    struct stat st;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        return fd;
    int code = fd < 0 ? errno : EINVAL;
    close_fd(fd);
    if (code != EINVAL && code != ELOOP && code != EISDIR && code != ENXIO)
        return err_set(e, code, "open `%s`", path);
    return err_say(e, -code, "`%s` is not a regular file: remove it", path);
}

static int open_locks(struct err *e)
{
    return open_lock_file(RANGES_LOCK, e);
}

/* The file with the lock of the range that begins with @first. */
static int open_part(uint64_t first, struct err *e)
{
    _cleanup_free_ char *path = xasprintf(PART_LOCK, first >> PART_BITS);
    return open_lock_file(path, e);
}

/* -EAGAIN: another process has it. */
static int lock_ids(int fd, short type, int64_t begin, uint64_t count)
{
    struct flock lock = {
        .l_type = type, .l_whence = SEEK_SET, .l_start = begin, .l_len = (off_t)count};
    return fcntl(fd, F_OFD_SETLK, &lock) < 0 ? (errno == EACCES ? -EAGAIN : -errno) : 0;
}

/* Does any other process have a lock there? */
static bool is_locked(int fd, int64_t begin, uint64_t count)
{
    struct flock lock = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = begin, .l_len = (off_t)count};
    return fcntl(fd, F_OFD_GETLK, &lock) < 0 || lock.l_type != F_UNLCK;
}

static int64_t member_byte(uint64_t id, uint64_t root)
{
    return MEMBERS + (int64_t)((id << ROOT_BITS) + root);
}

static uint64_t root_hash(const struct store *s)
{
    struct stat st = {0};
    (void)fstat(s->root_fd, &st);
    _cleanup_free_ char *text = xasprintf("%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
    return hash64(text) & ((1U << ROOT_BITS) - 1);
}

/* Do members live with these ids, @others: those of another ROOT? */
static bool has_members(int fd, const struct store *s, uint64_t first, uint64_t count, bool others)
{
    int64_t begin = member_byte(first, 0), end = member_byte(first + count, 0);
    int64_t own = member_byte(first, root_hash(s));
    if (!others)
        return is_locked(fd, begin, (uint64_t)(end - begin));
    return (own > begin && is_locked(fd, begin, (uint64_t)(own - begin))) ||
           is_locked(fd, own + 1, (uint64_t)(end - own - 1));
}

enum { NO_PART = UINT32_MAX };

/* Does another container have one of these ids in a range? One that begins before them may be in the part before. */
static bool is_in_ranges(uint64_t begin, uint64_t count, uint64_t except)
{
    const uint64_t from = begin < ID_RANGE_SIZE ? 0 : begin - ID_RANGE_SIZE + 1;
    const uint64_t end = (begin + count + (1U << PART_BITS) - 1) >> PART_BITS;
    bool locked = false;
    for (uint64_t part = from >> PART_BITS; !locked && part < end; part++) {
        if (part == except)
            continue;
        _cleanup_free_ char *path = xasprintf(PART_LOCK, part);
        _cleanup_close_ int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        locked = fd < 0 ? errno != ENOENT : is_locked(fd, (int64_t)begin, count);
    }
    return locked;
}

/* @given: RANGES_LOCK. Returns the fd that has the lock. -EAGAIN: another container has one of these ids, or lives with
 * one; with @others, only members of another ROOT count. */
static int lock_range(int given, const struct store *s, uint64_t first, bool others, struct err *e)
{
    _cleanup_close_ int fd = open_part(first, e);
    int r = fd < 0 ? fd : lock_ids(fd, F_WRLCK, (int64_t)first, ID_RANGE_SIZE);
    if (r < 0)
        return fd < 0 || r == -EAGAIN ? r
                                      : err_set(e, r, "lock the ids from %" PRIu64 " on", first);
    bool taken = is_locked(given, (int64_t)first, ID_RANGE_SIZE) ||
                 has_members(given, s, first, ID_RANGE_SIZE, others) ||
                 is_in_ranges(first, ID_RANGE_SIZE, first >> PART_BITS);
    return taken ? -EAGAIN : take_fd(fd);
}

/* ---- the pool --------------------------------------------------------------------------------*/

/* The ids of the user `netctr` of /etc/subuid and /etc/subgid, if there is one; else those between POOL_FIRST and POOL_END.
 * Never those of other users. */
struct pool {
    struct subid_range *uids, *gids; /* of `netctr` */
    struct subid_range *taken[2];    /* of all */
    size_t uid_count, gid_count, taken_count[2];
};

static void pool_clear(struct pool *p)
{
    free(p->uids);
    free(p->gids);
    free(p->taken[0]);
    free(p->taken[1]);
}

static int read_subids(const char *path, const char *user, struct subid_range **out, size_t *count,
                       struct err *e)
{
    int r = subids_read(path, user, out, count);
    return r == 0 || r == -ENOENT ? 0 : err_set(e, r, "read `%s`", path);
}

static int pool_read(struct pool *p, struct err *e)
{
    static const char *const files[] = {"/etc/subuid", "/etc/subgid"};
    int r = 0;
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(files); i++)
        r = read_subids(files[i], NULL, &p->taken[i], &p->taken_count[i], e);
    if (r == 0 && p->taken_count[0] && p->taken_count[1])
        r = read_subids(files[0], "netctr", &p->uids, &p->uid_count, e);
    return r == 0 && p->uid_count ? read_subids(files[1], "netctr", &p->gids, &p->gid_count, e) : r;
}

static bool has_own(const struct pool *p)
{
    return p->uid_count && p->gid_count;
}

static uint64_t pool_size(const struct pool *p)
{
    uint64_t size = 0;
    for (size_t i = 0; has_own(p) && i < p->uid_count; i++)
        size += p->uids[i].count / ID_RANGE_SIZE;
    return has_own(p) ? size : (POOL_END - POOL_FIRST) / ID_RANGE_SIZE;
}

static uint64_t pool_at(const struct pool *p, uint64_t index)
{
    for (size_t i = 0; has_own(p) && i < p->uid_count; i++) {
        uint64_t here = p->uids[i].count / ID_RANGE_SIZE;
        if (index < here)
            return p->uids[i].first + index * ID_RANGE_SIZE;
        index -= here;
    }
    return POOL_FIRST + index * ID_RANGE_SIZE;
}

static size_t times_listed(const struct subid_range *r, const struct subid_range *list,
                           size_t count)
{
    size_t times = 0;
    for (size_t i = 0; i < count; i++)
        times += list[i].first == r->first && list[i].count == r->count;
    return times;
}

/* Is every line with this range one of `netctr`? */
static bool is_own_alone(const struct pool *p, int kind, const struct subid_range *r)
{
    const struct subid_range *own = kind ? p->gids : p->uids;
    size_t times = times_listed(r, own, kind ? p->gid_count : p->uid_count);
    return has_own(p) && times == times_listed(r, p->taken[kind], p->taken_count[kind]);
}

/* Does it overlap a range of a user other than `netctr`? */
static bool is_of_user(const struct pool *p, int kind, uint64_t first)
{
    for (size_t i = 0; i < p->taken_count[kind]; i++) {
        const struct subid_range *r = &p->taken[kind][i];
        if (first < r->first + r->count && r->first < first + ID_RANGE_SIZE &&
            !is_own_alone(p, kind, r))
            return true;
    }
    return false;
}

static bool is_in_groups(const struct pool *p, uint64_t first)
{
    for (size_t i = 0; i < p->gid_count; i++)
        if (first >= p->gids[i].first &&
            first + ID_RANGE_SIZE <= p->gids[i].first + p->gids[i].count)
            return true;
    return !has_own(p);
}

static bool may_be_used(const struct pool *p, uint64_t first)
{
    return first && first + ID_RANGE_SIZE < UINT32_MAX && is_in_groups(p, first) &&
           !is_of_user(p, 0, first) && !is_of_user(p, 1, first);
}

/* ---- entries ---------------------------------------------------------------------------------*/

static char *entry_path(uint32_t first)
{
    return xasprintf(RANGES "/%" PRIu32, first);
}

/* The id of the container that has the range; NULL: none. The caller frees. */
static char *entry_owner(struct store *s, uint32_t first)
{
    char id[NAME_MAX + 1];
    _cleanup_free_ char *path = entry_path(first);
    ssize_t n = readlinkat(s->root_fd, path, id, sizeof(id) - 1);
    if (n < 0)
        return NULL;
    id[n] = '\0';
    return xstrdup(id);
}

/* Is it the id of a container that is defined, or of another owner? In doubt it is. */
static bool is_defined(struct store *s, const char *id)
{
    if (skip_prefix(id, RANGE_KEPT))
        return true;
    _cleanup_free_ char *name = id_is_whole(id) ? ids_name(s, id) : NULL;
    return name || file_exists_at(s->defined_fd, IDS) != 1;
}

static int make_entry(struct store *s, uint32_t first, const char *id)
{
    _cleanup_free_ char *path = entry_path(first);
    if (symlinkat(id, s->root_fd, path) == 0)
        return 0;
    if (errno == ENOENT || errno == ENOTDIR)
        (void)unlinkat(s->root_fd, RANGES, 0); /* damaged */
    else
        return -errno;
    (void)make_hidden_directory(s, IDS); /* without it, no entry counts as left behind */
    if (mkdirat(s->root_fd, RANGES, 0700) < 0 && errno != EEXIST)
        return -errno;
    return symlinkat(id, s->root_fd, path) < 0 ? -errno : 0;
}

/* Entries are links; a directory in the place of one is damage, and belongs to no container. */
static int remove_entry(int dir, const char *name)
{
    int r = unlinkat(dir, name, 0) == 0 || errno == ENOENT ? 0 : -errno;
    return r == -EISDIR ? remove_tree_at(dir, name) : r;
}

static int replace_entry(struct store *s, uint32_t first, const char *id)
{
    _cleanup_free_ char *name = xasprintf("%" PRIu32, first);
    _cleanup_close_ int dir =
        openat(s->root_fd, RANGES, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int r = dir < 0 ? -errno : remove_entry(dir, name);
    return r < 0 ? r : make_entry(s, first, id);
}

/* With its lock held, so that no other process is about to define a container with it. -EEXIST: a container has it. */
static int take_entry(struct store *s, uint32_t first, const char *id)
{
    int r = make_entry(s, first, id);
    if (r != -EEXIST)
        return r;
    _cleanup_free_ char *owner = entry_owner(s, first);
    if (owner && is_defined(s, owner))
        return -EEXIST;
    return replace_entry(s, first, id); /* a killed command has left it */
}

/* ---- allocation ------------------------------------------------------------------------------*/

/* Returns its lock. */
static int try_range(struct store *s, int given, uint32_t first, const char *id, struct err *e)
{
    /* Looked at first, because a lock that is held for a moment would make a start of that container fail. */
    _cleanup_free_ char *owner = entry_owner(s, first);
    if (owner && is_defined(s, owner))
        return -EEXIST;
    _cleanup_close_ int lock = lock_range(given, s, first, false, e);
    int r = lock < 0 ? lock : take_entry(s, first, id);
    if (lock >= 0 && r < 0 && r != -EEXIST)
        return err_set(e, r, "write `%s/" RANGES "/%" PRIu32 "`", s->root, first);
    return r < 0 ? r : take_fd(lock);
}

static int say_none_is_free(const struct pool *p, bool locked, struct err *e)
{
    err_say(e, -EADDRNOTAVAIL, "no range of %d ids is free for a user namespace", ID_RANGE_SIZE);
    if (has_own(p))
        err_hint(e, "/etc/subuid and /etc/subgid give user `netctr` too few ids");
    else if (locked)
        err_hint(e,
                 "running containers use these ids: one with a wide `--uidmap` or `--gidmap` can "
                 "use all of them");
    return -EADDRNOTAVAIL;
}

static int search(struct store *s, const struct pool *p, int given, const char *id,
                  struct id_map *out, struct err *e)
{
    const uint64_t size = pool_size(p), begin = size ? strtoull(id, NULL, 16) % size : 0;
    bool locked = false; /* by a container for which no range was allocated */
    for (uint64_t i = 0; i < size; i++) {
        uint64_t first = pool_at(p, (begin + i) % size);
        int lock = may_be_used(p, first) ? try_range(s, given, (uint32_t)first, id, e) : -EEXIST;
        if (lock >= 0)
            *out = id_map_of_range((uint32_t)first);
        if (lock != -EAGAIN && lock != -EEXIST)
            return lock;
        locked |= lock == -EAGAIN;
    }
    return say_none_is_free(p, locked, e);
}

int range_allocate(struct store *s, const char *id, struct id_map *out, struct err *e)
{
    __attribute__((cleanup(pool_clear))) struct pool pool = {0};
    _cleanup_close_ int given = open_locks(e);
    int r = given < 0 ? given : pool_read(&pool, e);
    return r < 0 ? r : search(s, &pool, given, id, out, e);
}

void range_free(struct store *s, const char *id, const struct id_map *m)
{
    _cleanup_free_ char *owner = m->uid_count == 1 ? entry_owner(s, m->uids[0].outside) : NULL,
                        *path = owner ? entry_path(m->uids[0].outside) : NULL;
    /* A member of a sandbox has the range of another container. */
    if (owner && streq(owner, id))
        (void)unlinkat(s->root_fd, path, 0);
}

/* ---- living with ids -------------------------------------------------------------------------*/

static int lock_each(int fd, short type, const struct id_range *ranges, unsigned count)
{
    int r = 0;
    for (unsigned i = 0; r == 0 && i < count; i++)
        r = lock_ids(fd, type, ranges[i].outside, ranges[i].count);
    return r;
}

static int lock_as_member(int fd, const struct store *s, const struct id_map *m)
{
    int r = 0;
    for (unsigned i = 0; r == 0 && i < m->uid_count; i++)
        r = lock_ids(fd, F_RDLCK, member_byte(m->uids[i].outside, root_hash(s)), 1);
    return r;
}

/* Two containers may be given the same map. */
static int lock_given(int fd, const struct id_map *m)
{
    int r = lock_each(fd, F_RDLCK, m->uids, m->uid_count);
    if (r == 0)
        r = lock_each(fd, F_RDLCK, m->gids, m->gid_count);
    for (unsigned i = 0; r == 0 && i < m->uid_count; i++)
        r = is_in_ranges(m->uids[i].outside, m->uids[i].count, NO_PART) ? -EAGAIN : 0;
    for (unsigned i = 0; r == 0 && i < m->gid_count; i++)
        r = is_in_ranges(m->gids[i].outside, m->gids[i].count, NO_PART) ? -EAGAIN : 0;
    return r;
}

static int refuse(const struct spec *spec, const char *by, struct err *e)
{
    const struct id_range *r = &spec->ids.uids[0];
    err_say(e, -EBUSY, "container `%s` cannot have the ids %" PRIu32 "–%" PRIu32 ": %s has them",
            spec->name, r->outside, r->outside + r->count - 1, by);
    if (spec->userns == USERNS_MAP)
        err_hint(e, "use other ids, or stop that container");
    else
        err_hint(e, "stop that container; or remove this one and run it again with other ids");
    return -EBUSY;
}

/* The entry may have been lost with its directory. */
static int check_entry(struct store *s, const struct spec *spec, struct err *e)
{
    uint32_t first = spec->ids.uids[0].outside;
    int r = take_entry(s, first, spec->id);
    if (r != -EEXIST)
        return r < 0 ? err_set(e, r, "write `%s/" RANGES "/%" PRIu32 "`", s->root, first) : 0;
    _cleanup_free_ char *owner = entry_owner(s, first), *name = owner ? ids_name(s, owner) : NULL;
    _cleanup_free_ char *by = xasprintf("container `%s`", name ? name : owner);
    return streq(owner, spec->id) ? 0 : refuse(spec, by, e);
}

int range_hold(struct store *s, const struct spec *spec, bool member, struct err *e)
{
    const struct timespec moment = {.tv_nsec = 1000000};
    const bool own = spec->userns == USERNS_AUTO && !member;
    _cleanup_close_ int fd = open_locks(e), lock = -1;
    if (fd < 0)
        return fd;
    int r = -EAGAIN;
    /* A search for a free range holds a lock for a moment. */
    for (int tries = 0; r == -EAGAIN && tries < 20; tries++) {
        if (tries)
            nanosleep(&moment, NULL);
        if (own)
            r = lock = lock_range(fd, s, spec->ids.uids[0].outside, true, e);
        else
            r = member ? lock_as_member(fd, s, &spec->ids) : lock_given(fd, &spec->ids);
    }
    if (r == -EAGAIN)
        return refuse(spec, "another container", e);
    if (r < 0)
        return own ? r : err_set(e, r, "lock the ids of container `%s`", spec->name);
    if (own && (r = check_entry(s, spec, e)) < 0)
        return r;
    return own ? take_fd(lock) : take_fd(fd);
}

/* ---- gc --------------------------------------------------------------------------------------*/

/* Of a definition: the entry may be lost. */
void range_mend(struct store *s, const json_t *config)
{
    _cleanup_spec_ struct spec spec = {0};
    const char *network = json_str(config, "network");
    if (!streq(json_str(config, "userns"), "auto") || spec_from_json(config, &spec, NULL) < 0 ||
        !network || skip_prefix(network, NETWORK_OF) || skip_prefix(network, "ns:") ||
        skip_prefix(network, NETWORK_OF_SANDBOX))
        return;
    (void)make_entry(s, spec.ids.uids[0].outside, spec.id);
}

/* 1: it belongs to no container, and no process is about to define one with it, or will before @lock is closed. */
static int is_stale(struct store *s, const char *name, int *lock)
{
    uint64_t first;
    if (parse_u64(name, 1, UINT32_MAX, &first) < 0)
        return 1;
    _cleanup_free_ char *owner = entry_owner(s, (uint32_t)first);
    if (owner && is_defined(s, owner))
        return 0;
    *lock = open_part(first, NULL);
    return *lock >= 0 && lock_ids(*lock, F_WRLCK, (int64_t)first, ID_RANGE_SIZE) == 0;
}

static int sweep_entry(struct store *s, int dir, const char *name, const struct gc *gc,
                       struct err *e)
{
    _cleanup_close_ int lock = -1;
    if (!is_stale(s, name, &lock))
        return 0;
    int r = gc->dry_run ? 0 : remove_entry(dir, name);
    if (r < 0)
        return err_set(e, r, "remove `" RANGES "/%s`", name);
    gc_tell(gc, GC_REMOVE, "ids " RANGES "/%s", name);
    return 0;
}

int ranges_sweep(struct store *s, const struct gc *gc, struct err *e)
{
    int first = 0, listed = 0;
    _cleanup_err_ struct err step = ERR_INIT;
    _cleanup_dir_ DIR *d = open_listing(s->root_fd, RANGES);
    if (!d)
        return errno == ENOENT || errno == ENOTDIR ? 0 : err_set(e, errno, "list `" RANGES "`");
    for (struct dirent *entry; first == 0 && (entry = next_entry(d, &listed));) {
        if (streq(entry->d_name, ".") || streq(entry->d_name, ".."))
            continue;
        err_note(&first, sweep_entry(s, dirfd(d), entry->d_name, gc, &step), e, &step);
    }
    return listed < 0 && first == 0 ? err_set(e, listed, "list `" RANGES "`") : first;
}
