/* Which user namespace a container gets. */
#include "internal.h"

#include <errno.h>

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
