/* What is written down of a sandbox:
 *
 *     RUN/sandboxes/ID/  lock                    held by its monitors (lock.c)
 *                        sandbox.json            what it is
 *                        endpoint.NETWORK.json   an endpoint (bridge/record.c)
 *                        member.ID.json          a process that keeps it alive, and its fd of the namespace
 *
 * The directory with its lock is made before anything else is, and removed last. ID is the lease owner and part of the
 * names of its links, so all that a killed process has left can be found by it.
 */
#include "sandbox.h"

#include <errno.h>
#include <string.h>
#include <sys/pidfd.h>

static const char *const lives[] = {"monitored", "pinned", "foreign"};

/* Older netctr wrote "host" for every sandbox. */
static void put_owner(json_t *j, const struct sandbox *sb)
{
    bool own = !id_map_is_host(&sb->ids);
    json_put_str(j, "owner", own ? "ids" : "host");
    if (!own)
        return;
    _cleanup_free_ char *uids = id_ranges_text(sb->ids.uids, sb->ids.uid_count),
                        *gids = id_ranges_text(sb->ids.gids, sb->ids.gid_count);
    json_put_str(j, "uids", uids);
    json_put_str(j, "gids", gids);
}

static int parse_owner(const json_t *j, struct id_map *out)
{
    const char *owner = json_str(j, "owner"), *uids = json_str(j, "uids"),
               *gids = json_str(j, "gids");
    if (!owner || streq(owner, "host"))
        return 0;
    bool good = streq(owner, "ids") && uids && gids &&
                id_ranges_parse(uids, out->uids, &out->uid_count, NULL) == 0 &&
                id_ranges_parse(gids, out->gids, &out->gid_count, NULL) == 0;
    return good ? 0 : -EBADMSG;
}

int record_save(const struct sandbox *sb, uint64_t cookie, struct err *e)
{
    _cleanup_json_ json_t *j = json_object();
    json_object_set_new(j, "schema", json_integer(1));
    json_put_str(j, "version", NETCTR_VERSION);
    json_object_set_new(j, "network_schema", json_integer(NETCTR_SCHEMA));
    json_put_str(j, "id", sb->id);
    json_put_str(j, "name", sb->name);
    json_put_str(j, "life", lives[sb->life]);
    put_owner(j, sb);
    json_put_str(j, "path", sb->path);
    json_object_set_new(j, "cookie", json_integer((json_int_t)cookie));
    json_object_set_new(j, "inode", json_integer((json_int_t)netns_inode(sb->netns)));
    return json_write_sealed_at(sb->dir, "sandbox.json", j, e);
}

static int parse_record(const json_t *j, const char *id, struct sandbox_record *out)
{
    const char *life = json_str(j, "life");
    size_t i = 0;
    while (i < ARRAY_LEN(lives) && !streq(life, lives[i]))
        i++;
    if (json_int(j, "schema", 0) != 1 || !streq(json_str(j, "id"), id) || i == ARRAY_LEN(lives) ||
        !valid_name(json_str(j, "name")) || parse_owner(j, &out->owner) < 0)
        return -EBADMSG;
    out->life = (enum sandbox_life)i;
    out->name = xstrdup(json_str(j, "name"));
    out->cookie = (uint64_t)json_int(j, "cookie", 0);
    out->inode = (uint64_t)json_int(j, "inode", 0);
    out->version = xstrdup(json_str(j, "version"));
    out->network_schema = (int)json_int(j, "network_schema", 0);
    out->path = xstrdup(json_str(j, "path"));
    out->ends = json_flag(j, "ends");
    return 0;
}

int record_read(int dir, const char *id, struct sandbox_record *out, struct err *e)
{
    _cleanup_json_ json_t *j = NULL;
    int r = json_read_sealed_at(dir, "sandbox.json", &j, e);
    if (r == 0 && (r = parse_record(j, id, out)) < 0)
        err_say(e, r, "the record `sandbox.json` is damaged, or written by a newer netctr");
    if (r < 0)
        err_wrap(e, "sandbox %s", id);
    return r;
}

int record_note_end(const struct sandbox_record *r, struct err *e)
{
    _cleanup_json_ json_t *j = NULL;
    if (r->ends || !r->cookie || json_read_sealed_at(r->dir, "sandbox.json", &j, NULL) < 0)
        return 0; /* it is dead */
    json_object_set_new(j, "ends", json_true());
    return json_write_sealed_at(r->dir, "sandbox.json", j, e);
}

/* The member NAME of @file; 0 also if there is no such file. */
static int put_name(int dir, const char *file, const char *name, struct err *e)
{
    _cleanup_json_ json_t *j = NULL;
    int r = json_read_sealed_at(dir, file, &j, e);
    if (r == -ENOENT) {
        err_clear(e);
        return 0;
    }
    if (r < 0 || streq(json_str(j, "name"), name))
        return r;
    json_put_str(j, "name", name);
    return json_write_sealed_at(dir, file, j, e);
}

int record_rename(int dir, const char *name, struct err *e)
{
    return put_name(dir, "sandbox.json", name, e);
}

/* ---- endpoints -------------------------------------------------------------------------------*/

int endpoints_of(int dirfd, const char *path, const char *id, struct endpoint_list *out)
{
    int r = endpoint_load_all(dirfd, path, out, NULL);
    size_t kept = 0;
    for (size_t i = 0; i < out->count; i++) {
        struct endpoint *ep = &out->items[i];
        if (streq(ep->id, id)) {
            out->items[kept++] = *ep;
            continue;
        }
        endpoint_clear(ep);
        r = r < 0 ? r : -EBADMSG;
    }
    out->count = kept;
    return r;
}

/* ---- members ---------------------------------------------------------------------------------*/

static char *member_file(const char *id)
{
    return xasprintf("member.%s.json", id);
}

void member_clear(struct member *m)
{
    free(m->id);
    free(m->name);
    *m = (struct member){0};
}

int member_save(const struct sandbox *sb, struct err *e)
{
    _cleanup_json_ json_t *j = json_object();
    _cleanup_free_ char *file = member_file(sb->member);
    json_object_set_new(j, "schema", json_integer(1));
    json_put_str(j, "id", sb->member);
    json_put_str(j, "name", sb->member_name);
    json_object_set_new(j, "monitor", json_integer(getpid()));
    json_object_set_new(j, "monitor_start", json_integer((json_int_t)proc_start_time(getpid())));
    json_object_set_new(j, "netns", json_integer(sb->netns));
    json_object_set_new(j, "net_admin", json_boolean(sb->request.net_admin));
    return json_write_sealed_at(sb->dir, file, j, e);
}

int member_remove(int dir, const char *id, struct err *e)
{
    _cleanup_free_ char *file = member_file(id);
    if (unlinkat(dir, file, 0) < 0 && errno != ENOENT)
        return err_set(e, errno, "remove `%s`", file);
    return 0;
}

int member_rename(int dir, const char *id, const char *name, struct err *e)
{
    _cleanup_free_ char *file = member_file(id);
    return put_name(dir, file, name, e);
}

static int member_read(int dir, const char *file, struct member *out)
{
    _cleanup_json_ json_t *j = NULL;
    *out = (struct member){0};
    int r = json_read_sealed_at(dir, file, &j, NULL);
    if (r < 0)
        return r;
    int64_t monitor = json_int(j, "monitor", 0), netns = json_int(j, "netns", -1);
    if (json_int(j, "schema", 0) != 1 || !valid_name(json_str(j, "id")) || monitor <= 0 ||
        monitor > INT32_MAX || netns < 0 || netns > INT32_MAX)
        return -EBADMSG;
    *out = (struct member){.id = xstrdup(json_str(j, "id")),
                           .name = xstrdup(json_str(j, "name")),
                           .monitor = (pid_t)monitor,
                           .start = (uint64_t)json_int(j, "monitor_start", 0),
                           .netns = (int)netns,
                           .net_admin = json_flag(j, "net_admin")};
    return 0;
}

int members_each(int dir, int (*each)(const struct member *m, void *arg), void *arg)
{
    _cleanup_dir_ DIR *d = open_listing(dir, ".");
    int r = 0;
    for (struct dirent *entry; d && r == 0 && (entry = readdir(d));) {
        _cleanup_member_ struct member m = {0};
        const char *dot = strrchr(entry->d_name, '.');
        if (skip_prefix(entry->d_name, "member.") && streq(dot, ".json") &&
            member_read(dir, entry->d_name, &m) == 0)
            r = each(&m, arg);
    }
    return r;
}

struct netns_search {
    uint64_t cookie;
    int found;
};

/* Cookies are compared, because the number may be another fd's by now. */
static int take_netns(const struct member *m, void *arg)
{
    struct netns_search *s = arg;
    uint64_t cookie;
    _cleanup_close_ int pidfd = pidfd_of(m->monitor, m->start);
    _cleanup_close_ int fd = pidfd < 0                ? -1
                             : m->monitor == getpid() ? fcntl(m->netns, F_DUPFD_CLOEXEC, 0)
                                                      : pidfd_getfd(pidfd, m->netns, 0);
    if (fd < 0 || !netns_is(fd) || netns_cookie(fd, &cookie, NULL) < 0 ||
        (s->cookie && cookie != s->cookie))
        return 0;
    s->found = take_fd(fd);
    return 1;
}

int members_netns(int dir, uint64_t cookie)
{
    struct netns_search s = {cookie, -ESRCH};
    (void)members_each(dir, take_netns, &s);
    return s.found;
}
