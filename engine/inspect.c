/* Everything about a container, as JSON. */
#include "internal.h"
#include "unmapped.h"

#include <errno.h>

static json_t *endpoint_json(const struct endpoint *ep)
{
    _cleanup_free_ char *address = ip_text(&ep->address4), *address6 = ip_text(&ep->address6),
                        *mac = mac_text(ep->mac);
    json_t *j = json_object();
    json_put_str(j, "network", ep->network);
    json_put_str(j, "bridge", ep->bridge);
    json_put_str(j, "port", ep->host_veth);
    json_put_str(j, "interface", ep->interface);
    json_put_str(j, "address", *address ? address : NULL);
    json_put_str(j, "address6", *address6 ? address6 : NULL);
    json_put_str(j, "mac", mac);
    if (ep->rate)
        json_object_set_new(j, "rate", json_integer((json_int_t)ep->rate));
    json_put_strv(j, "aliases", ep->aliases);
    return j;
}

static json_t *endpoints_json(struct engine *engine, const struct record *r)
{
    json_t *list = json_array();
    _cleanup_endpoints_ struct endpoint_list all = {0};
    engine_endpoints(engine, r, &all);
    for (size_t i = 0; i < all.count; i++)
        json_array_append_new(list, endpoint_json(&all.items[i]));
    return list;
}

static void put_time(json_t *j, const char *key, int64_t when)
{
    _cleanup_free_ char *text = when ? time_utc(when) : NULL;
    json_put_str(j, key, text);
}

static json_t *state_json(struct engine *engine, const struct record *r)
{
    bool runs = r->status == STATUS_RUNNING;
    uint64_t kills = runs ? container_oom_kills(&engine->store, &r->spec) : r->oom_kills;
    json_t *j = json_object();
    json_put_str(j, "status", engine_status_name(engine, r));
    json_object_set_new(j, "pid", json_integer(r->pid));
    json_object_set_new(j, "monitor", json_integer(r->monitor));
    put_time(j, "started", r->started);
    put_time(j, "finished", r->finished);
    if ((r->status == STATUS_EXITED && !r->never_ran) || r->status == STATUS_RESTARTING) {
        json_object_set_new(j, "exit_status", json_integer(r->exit_status));
        json_object_set_new(j, "oom_killed", json_boolean(r->oom_killed));
    }
    json_put_str(j, "failure", r->failure);
    if (r->status == STATUS_EXITED && !r->never_ran) {
        json_object_set_new(j, "lost", json_boolean(r->lost));
        _cleanup_free_ char *hint = r->ended_early ? spec_early_hint(&r->spec) : NULL;
        json_put_str(j, "hint", hint);
    }
    if (runs || r->status == STATUS_EXITED)
        json_object_set_new(j, "oom_kills", json_integer((json_int_t)kills));
    json_object_set_new(j, "restarts", json_integer(r->restarts));
    return j;
}

/* The user namespace, in podman's words. */
static void put_userns(struct engine *engine, const struct record *r, json_t *j)
{
    const struct spec *s = &r->spec;
    static const char *const keys[] = {"userns", "uids", "gids"};
    const struct id_range *lists[] = {s->ids.uids, s->ids.gids};
    const unsigned counts[] = {s->ids.uid_count, s->ids.gid_count};
    json_t *maps = json_object();
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        _cleanup_free_ char *text = id_ranges_text(lists[i], counts[i]);
        _cleanup_strv_ strv ranges = counts[i] ? strv_split(text, ',') : NULL;
        json_put_strv(maps, i ? "gid_map" : "uid_map", ranges);
    }
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        json_object_del(j, keys[i]);
    json_put_str(j, "userns_mode", userns_name(s->userns));
    json_put_str(j, "userns_why", s->userns_why);
    json_object_set_new(j, "id_mappings", maps);
    json_t *found = unmapped_found(&engine->store, s);
    if (found)
        json_object_set_new(j, "unmapped_files", found);
}

json_t *engine_inspect(struct engine *engine, const struct record *r)
{
    json_t *j = spec_to_json(&r->spec);
    _cleanup_strv_ strv caps = caps_names(r->spec.caps);
    json_put_strv(j, "caps", caps);
    _cleanup_strv_ strv ambient = caps_names(r->spec.ambient_caps);
    json_put_strv(j, "ambient_caps", ambient);
    json_put_strv(j, "published", record_ports(r));
    _cleanup_free_ char *created = r->spec.created ? created_utc(&r->spec) : NULL;
    json_object_del(j, "created_nsec");
    json_object_del(j, "created");
    json_put_str(j, "created", created);
    put_userns(engine, r, j);
    json_object_set_new(j, "state", state_json(engine, r));
    json_object_set_new(j, "endpoints", endpoints_json(engine, r));
    return j;
}
