/* netctr inspect: all that is known of a container, as JSON. */
#include "cli.h"
#include "ports.h"

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
    _cleanup_close_ int dir = store_live_dir(&engine->store, r->spec.name);
    if (dir >= 0)
        (void)endpoint_load_all(dir, &all, NULL);
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
    json_put_str(j, "status", status_name(r->status));
    json_object_set_new(j, "pid", json_integer(r->pid));
    json_object_set_new(j, "monitor", json_integer(r->monitor));
    put_time(j, "started", r->started);
    put_time(j, "finished", r->finished);
    if (r->status == STATUS_EXITED || r->status == STATUS_RESTARTING) {
        json_object_set_new(j, "exit_status", json_integer(r->exit_status));
        json_object_set_new(j, "oom_killed", json_boolean(r->oom_killed));
    }
    json_put_str(j, "failure", r->failure);
    if (r->status == STATUS_EXITED) {
        json_object_set_new(j, "lost", json_boolean(r->lost));
        _cleanup_free_ char *hint = r->ended_early ? spec_early_hint(&r->spec) : NULL;
        json_put_str(j, "hint", hint);
    }
    if (runs || r->status == STATUS_EXITED)
        json_object_set_new(j, "oom_kills", json_integer((json_int_t)kills));
    json_object_set_new(j, "restarts", json_integer(r->restarts));
    int lost = r->status == STATUS_RUNNING && network_owner(&r->spec)
                   ? engine_network_lost(engine, r, NULL)
                   : -ENODATA;
    if (lost >= 0)
        json_object_set_new(j, "network_lost", json_boolean(lost));
    return j;
}

static json_t *record_json(struct engine *engine, const struct record *r)
{
    json_t *j = spec_to_json(&r->spec);
    _cleanup_strv_ strv caps = caps_names(r->spec.caps);
    json_put_strv(j, "caps", caps);
    _cleanup_strv_ strv ambient = caps_names(r->spec.ambient_caps);
    json_put_strv(j, "ambient_caps", ambient);
    json_put_strv(j, "published", ports_of(r));
    _cleanup_free_ char *created = r->spec.created ? created_utc(&r->spec) : NULL;
    json_object_del(j, "created_nsec");
    json_object_del(j, "created");
    json_put_str(j, "created", created);
    json_object_set_new(j, "state", state_json(engine, r));
    json_object_set_new(j, "endpoints", endpoints_json(engine, r));
    return j;
}

void inspect_failed(int *result, int code, struct err *e, struct err *why)
{
    if (*result == 0)
        err_move(e, why);
    else
        warn_err(why);
    *result = *result == 0 ? code : *result;
}

int inspect_print(const json_t *all, int result, struct err *e)
{
    if (result == 0 || json_array_size(all)) {
        json_dumpf(all, stdout, JSON_INDENT(2));
        putchar('\n');
    }
    return result < 0 && json_array_size(all) ? err_status(e, 1) : result;
}

static int run(const struct cli *cli, int argc, char **argv, struct err *e)
{
    char *format = NULL;
    const struct option options[] = {
        {"format", 'f', OPTION_TEXT, "json", "the default, and the only one", &format},
        {0},
    };
    int first = command_options(&command_inspect, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
    if (first == argc)
        return err_say(e, -EINVAL, "usage: netctr inspect NAME…");
    int code = format_check(format, "inspect", e);
    _cleanup_engine_ struct engine engine = {0};
    _cleanup_json_ json_t *all = json_array();
    int result = 0;
    if (code == 0)
        code = cli_engine_to_read(cli, &engine, e);
    for (int i = first; i < argc && code == 0; i++) {
        _cleanup_err_ struct err why = ERR_INIT;
        _cleanup_record_ struct record r = {0};
        int found = cli_find(&engine, argv[i], &r, &why);
        if (found == 0)
            json_array_append_new(all, record_json(&engine, &r));
        else
            inspect_failed(&result, found, e, &why);
    }
    if (code < 0)
        return code;
    return inspect_print(all, result, e);
}

const struct command command_inspect = {
    .name = "inspect",
    .usage = "NAME…",
    .summary = "Show all that is known of containers, as JSON",
    .example = "netctr inspect web\nnetctr inspect web | jq -r '.[0].state.pid'",
    .run = run,
};
