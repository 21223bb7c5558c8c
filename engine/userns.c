/* Which user namespace a container gets: decided once, by `run`, and kept in its definition.
 *
 * A network namespace belongs to a user namespace, so a container that joins the network of another program or container
 * is in that one's. Any other gets its own, with a range of ids for itself. Where its files cannot be mapped, a container
 * with no more than docker's capabilities runs in the host's user namespace instead, as with docker, and a warning says
 * why. One with more is refused: in the host's user namespace these capabilities are the host's.
 */
#include "mappable.h"
#include "monitor.h"

#include <errno.h>
#include <inttypes.h>

/* ---- what the user asks for ------------------------------------------------------------------*/

static int take_ranges(char *const *texts, struct id_range *ranges, unsigned *count, struct err *e)
{
    int r = 0;
    strv_each (text, texts)
        if (r == 0)
            r = id_range_add(ranges, count, text, e);
    return r;
}

static int take_map(char *const *uids, char *const *gids, struct id_map *m, struct err *e)
{
    if (!uids) {
        err_say(e, -EINVAL, "--gidmap is given without --uidmap");
        err_hint(e, "--uidmap CONTAINER_ID:HOST_ID:COUNT");
        return -EINVAL;
    }
    int r = take_ranges(uids, m->uids, &m->uid_count, e);
    if (r == 0)
        r = take_ranges(gids ? gids : uids, m->gids, &m->gid_count, e);
    if (r == 0 && (id_map_root_uid(m) == ID_UNMAPPED || id_map_root_gid(m) == ID_UNMAPPED)) {
        err_say(e, -EINVAL, "the map of ids has no id 0: a container needs a root");
        err_hint(e, "--uidmap 0:100000:65536 --gidmap 0:100000:65536");
        return -EINVAL;
    }
    return r;
}

int userns_parse(const char *mode, char *const *uids, char *const *gids, struct run_request *q,
                 struct err *e)
{
    struct spec *s = &q->spec;
    bool mapped = uids || gids;
    q->userns_asked = mode || mapped;
    if (mode && !streq(mode, "auto") && !streq(mode, "host")) {
        err_say(e, -EINVAL, "unknown user namespace `%s`", mode);
        err_hint(e, "--userns=auto or --userns=host; --uidmap and --gidmap give a map of ids");
        return -EINVAL;
    }
    if (mode && mapped)
        return err_say(e, -EINVAL, "--userns=%s cannot be combined with a map of ids", mode);
    s->userns = mapped ? USERNS_MAP : streq(mode, "host") ? USERNS_HOST : USERNS_AUTO;
    return mapped ? take_map(uids, gids, &s->ids, e) : 0;
}

int userns_possible(const char *dir, struct err *e)
{
    int r = mappable_host(true, e);
    return r < 0 || !dir ? r : mappable_try(dir, e);
}

/* ---- a network of its own --------------------------------------------------------------------*/

/* What the user gave; the caller frees. */
static char *asked_for(const struct spec *s)
{
    return xasprintf(s->userns == USERNS_MAP ? "--uidmap" : "--userns=%s", userns_name(s->userns));
}

static int refuse_asked(const struct spec *s, struct err *why, struct err *e)
{
    _cleanup_free_ char *flag = asked_for(s);
    err_say(e, -ENOTSUP, "%s: %s", flag, why->text);
    err_hint(e, "`--userns=host` runs the container in the host's user namespace");
    return -ENOTSUP;
}

static int refuse_caps(const struct spec *s, struct err *why, struct err *e)
{
    _cleanup_strv_ strv names = caps_names(s->caps & ~CAPS_DEFAULT);
    _cleanup_free_ char *list = strv_join(names, ", ");
    err_say(e, -ENOTSUP, "a user namespace is needed for %s: %s", list, why->text);
    err_hint(e,
             "put the root directory and volumes on ext4, xfs or btrfs; or let these capabilities "
             "be the host's with `--userns=host`");
    return -ENOTSUP;
}

static int use_host(struct spec *s, struct err *why)
{
    warn("user namespace `host`: %s", why->text);
    s->userns = USERNS_HOST;
    s->ids = (struct id_map){0};
    s->userns_why = take_ptr(why->text);
    return 0;
}

static int cannot_map(struct run_request *q, struct err *why, struct err *e)
{
    struct spec *s = &q->spec;
    if (q->userns_asked)
        return refuse_asked(s, why, e);
    return s->caps & ~CAPS_DEFAULT ? refuse_caps(s, why, e) : use_host(s, why);
}

/* Files of /proc/sys and /sys that need no capability ask for uid 0 of the host only; one is the program that receives
 * core dumps. */
static void warn_about_root(const struct id_map *m)
{
    for (unsigned i = 0; i < m->uid_count; i++)
        if (m->uids[i].outside == 0)
            warn("user %" PRIu32
                 " of the container is root of the host: with SYS_ADMIN it can take over "
                 "the host",
                 m->uids[i].inside);
}

static int reserve(struct monitor *m, struct err *e)
{
    struct spec *s = &m->request->spec;
    _cleanup_err_ struct err why = ERR_INIT;
    if (mappable_host(!s->in_place, &why) < 0)
        return cannot_map(m->request, &why, e);
    if (s->userns == USERNS_MAP)
        m->ids_lock = range_hold(&m->engine->store, s, false, e);
    else
        m->ids_lock = range_allocate(&m->engine->store, s->id, &s->ids, e);
    if (m->ids_lock >= 0)
        m->reserved = xstrdup(s->id);
    if (m->ids_lock >= 0)
        warn_about_root(&s->ids);
    return m->ids_lock < 0 ? m->ids_lock : 0;
}

static int exclude_host(const struct run_request *q, struct err *e)
{
    _cleanup_free_ char *flag = asked_for(&q->spec);
    return err_say(e, -EINVAL,
                   "%s cannot be combined with `--network %s`: that network belongs to the host's "
                   "user namespace",
                   flag, q->spec.network);
}

bool userns_comes_later(const struct spec *s)
{
    enum network_word word = network_word(s->network, NULL);
    return word == NETWORK_WORD_CONTAINER || word == NETWORK_WORD_NS ||
           word == NETWORK_WORD_SANDBOX;
}

/* Of a new container with a network of its own. */
static int choose(struct monitor *m, struct err *e)
{
    struct run_request *q = m->request;
    struct spec *s = monitor_spec(m);
    int r = 0;
    if (!q->existing && s->userns != USERNS_HOST && !userns_comes_later(s)) {
        if (s->network_mode != NETWORK_HOST)
            r = reserve(m, e);
        else if (q->userns_asked)
            r = exclude_host(q, e);
        else
            s->userns = USERNS_HOST;
    }
    m->ids = s->ids;
    return r;
}

/* ---- the network of another one --------------------------------------------------------------*/

static int adopt_map(struct monitor *m, const struct id_map *map, int owner, struct err *e)
{
    struct run_request *q = m->request;
    struct spec *s = monitor_spec(m);
    const bool host = id_map_is_host(map);
    if (host && q->userns_asked && s->userns != USERNS_HOST)
        return exclude_host(q, e);
    if (!host &&
        (s->userns == USERNS_HOST || (s->userns == USERNS_MAP && !id_maps_equal(&s->ids, map)))) {
        _cleanup_free_ char *flag = asked_for(s);
        return err_say(e, -EINVAL,
                       "%s cannot be combined with `--network %s`: that network belongs to another "
                       "user namespace",
                       flag, s->network);
    }
    s->ids = *map;
    if (host) {
        s->userns = USERNS_HOST;
        return 0;
    }
    _cleanup_err_ struct err why = ERR_INIT;
    int r = mappable_check(&m->engine->store, s, map, owner, &why);
    if (r == 0)
        warn_about_root(map);
    if (r == -ENOTSUP)
        return err_say(e, r, "`--network %s` means the user namespace of that network: %s",
                       s->network, why.text);
    if (r < 0)
        err_move(e, &why);
    return r;
}

static int require_map(const struct spec *s, const struct id_map *map, struct err *e)
{
    if (id_maps_equal(&s->ids, map))
        return 0;
    err_say(e, -ESTALE, "`%s` belongs to another user namespace than when container `%s` was made",
            s->network, s->name);
    err_hint(e, "`netctr rm %s`, and run it again", s->name);
    return -ESTALE;
}

/* One that `create` has made joins its network for the first time. */
static bool is_decided(const struct spec *s)
{
    return s->userns == USERNS_HOST || !id_map_is_host(&s->ids);
}

static int join(struct monitor *m, struct err *e)
{
    struct spec *s = monitor_spec(m);
    struct id_map map;
    _cleanup_close_ int owner = sandbox_owner(m->sandbox, e);
    int r = owner < 0 ? owner : userns_read_map(owner, &map, e);
    if (r == 0)
        r = m->request->existing && is_decided(s) ? require_map(s, &map, e)
                                                  : adopt_map(m, &map, owner, e);
    m->ids = s->ids;
    return r;
}

/* ---- the user namespace ----------------------------------------------------------------------*/

void userns_abandon(struct monitor *m)
{
    if (m->reserved)
        range_free(&m->engine->store, m->reserved, &m->ids);
    free(take_ptr(m->reserved));
}

/* In a chroot, by a security module, or without the kernel's support. A limit that is reached is another matter: a
 * container that uses up user.max_user_namespaces must not bring the next one into the host's user namespace. */
static bool is_refused(int code)
{
    return code == -EPERM || code == -EACCES || code == -EINVAL || code == -ENOSYS;
}

/* It is made here, for the sandbox, so that a kernel which refuses it is found out as well. */
static int try_own(struct monitor *m, struct err *why)
{
    _cleanup_close_ int owner = sandbox_owner(m->sandbox, why);
    if (owner < 0)
        return is_refused(owner) ? -ENOTSUP : owner;
    return mappable_check(&m->engine->store, &m->request->spec, &m->ids, owner, why);
}

static int check_own(struct monitor *m, struct err *e)
{
    _cleanup_err_ struct err why = ERR_INIT;
    int r = try_own(m, &why);
    if (r < 0 && r != -ENOTSUP)
        err_move(e, &why);
    if (r != -ENOTSUP)
        return r;
    userns_abandon(m);
    m->ids_lock = close_fd(m->ids_lock);
    r = cannot_map(m->request, &why, e);
    m->ids = (struct id_map){0};
    return r < 0 ? r : pair_sandbox(m, e);
}

/* With the sandbox, which may belong to another container. */
static int match(struct monitor *m, struct err *e)
{
    const struct spec *s = monitor_spec(m);
    const bool joins = userns_comes_later(s);
    int r = joins ? join(m, e) : 0;
    if (r < 0 || id_map_is_host(&s->ids))
        return r;
    if (m->ids_lock >= 0)
        return check_own(m, e);
    m->ids_lock = range_hold(&m->engine->store, s, joins, e);
    return m->ids_lock < 0 ? m->ids_lock : 0;
}

int userns_decide(struct monitor *m, struct err *e)
{
    int r = choose(m, e);
    if (r == 0)
        r = pair_sandbox(m, e);
    return r == 0 ? match(m, e) : r;
}
