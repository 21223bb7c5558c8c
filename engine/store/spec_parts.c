/* The parts of a spec that other folders have types for, as JSON: resource limits, labels, the log's options, and maps of ids. */
#include "files.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

/* ---- resource limits -------------------------------------------------------------------------*/

static json_t *number(rlim_t value)
{
    return json_integer(value == RLIM_INFINITY ? -1 : (json_int_t)value);
}

json_t *ulimits_to_json(const struct ulimits *u)
{
    json_t *j = json_object();
    for (size_t i = 0; i < ULIMITS; i++) {
        if (!(u->set & 1U << i))
            continue;
        json_t *pair = json_array();
        json_array_append_new(pair, number(u->items[i].rlim_cur));
        json_array_append_new(pair, number(u->items[i].rlim_max));
        json_object_set_new(j, ulimit_name(i), pair);
    }
    return j;
}

static bool read_number(const json_t *j, rlim_t *out)
{
    json_int_t n = json_integer_value(j);
    *out = n == -1 ? RLIM_INFINITY : (rlim_t)n;
    return json_is_integer(j) && n >= -1;
}

/* Definitions of older versions have some, or none. */
void ulimits_from_json(const json_t *j, struct ulimits *u)
{
    for (size_t i = 0; i < ULIMITS; i++) {
        const json_t *pair = json_object_get(j, ulimit_name(i));
        struct rlimit limit;
        if (!read_number(json_array_get(pair, 0), &limit.rlim_cur) ||
            !read_number(json_array_get(pair, 1), &limit.rlim_max) ||
            limit.rlim_cur > limit.rlim_max)
            continue;
        u->items[i] = limit;
        u->set |= 1U << i;
    }
}

/* ---- labels ----------------------------------------------------------------------------------*/

json_t *labels_to_json(char *const *labels)
{
    json_t *j = json_object();
    strv_each (label, labels) {
        const char *value = strchrnul(label, '=');
        _cleanup_free_ char *key = xstrndup(label, (size_t)(value - label));
        json_object_set_new(j, key, json_string(*value ? value + 1 : ""));
    }
    return j;
}

strv labels_from_json(json_t *j)
{
    strv labels = NULL;
    const char *key;
    json_t *value;
    json_object_foreach (j, key, value)
        if (json_is_string(value))
            strv_add_take(&labels, xasprintf("%s=%s", key, json_string_value(value)));
    return labels;
}

/* ---- the log ---------------------------------------------------------------------------------*/

json_t *log_options_to_json(const struct log_options *o)
{
    json_t *j = json_object();
    json_put_str(j, "driver", log_driver_name(o->driver));
    json_object_set_new(j, "max_size", json_integer(o->max_size));
    json_object_set_new(j, "max_file", json_integer(o->max_file));
    return j;
}

int log_options_from_json(const json_t *j, struct log_options *o, struct err *e)
{
    *o = LOG_OPTIONS_DEFAULT;
    if (!j)
        return 0;
    const char *driver = json_str(j, "driver");
    int64_t size = json_int(j, "max_size", o->max_size);
    int64_t files = json_int(j, "max_file", o->max_file);
    if ((driver && log_driver_parse(driver, o, NULL) < 0) || size < -1 || size == 0 || files < 1 ||
        files > LOG_FILES_MAX)
        return err_say(e, -EBADMSG, "damaged: unknown log driver, or log limits out of range");
    o->max_size = size;
    o->max_file = (unsigned)files;
    return 0;
}

/* ---- stop ------------------------------------------------------------------------------------*/

int spec_stop_signal(const struct spec *s)
{
    return s->stop.signal ? s->stop.signal : SIGTERM;
}

uint64_t spec_stop_seconds(const struct spec *s)
{
    return s->stop.timed ? s->stop.seconds : STOP_SECONDS;
}

void stop_to_json(const struct spec *s, json_t *j)
{
    _cleanup_free_ char *signal = signal_name(spec_stop_signal(s));
    uint64_t seconds = spec_stop_seconds(s);
    json_put_str(j, "stop_signal", signal);
    json_object_set_new(j, "stop_timeout",
                        json_integer(seconds == STOP_NEVER_KILLS ? -1 : (json_int_t)seconds));
}

int stop_from_json(const json_t *j, struct stop_rule *out, struct err *e)
{
    const char *name = json_str(j, "stop_signal");
    int64_t seconds = json_int(j, "stop_timeout", STOP_SECONDS);
    out->signal = name ? parse_signal(name) : 0;
    out->timed = seconds != STOP_SECONDS;
    out->seconds = seconds < 0 ? STOP_NEVER_KILLS : (uint64_t)seconds;
    return out->signal < 0 ? err_say(e, -EBADMSG, "damaged: unknown signal `%s`", name) : 0;
}

/* ---- the user namespace ----------------------------------------------------------------------*/

const char *userns_name(enum userns_mode mode)
{
    static const char *const names[] = {"host", "auto", "map"};
    return names[mode];
}

/* That of the network which the container joins at its first start. An older netctr takes it for damage, so it starts none in
 * the host's user namespace. */
#define LATER "later"

/* Definitions of older versions have none of this, and their containers are in the host's. */
void userns_to_json(const struct spec *s, json_t *j)
{
    _cleanup_free_ char *uids = id_ranges_text(s->ids.uids, s->ids.uid_count),
                        *gids = id_ranges_text(s->ids.gids, s->ids.gid_count);
    if (s->userns_why)
        json_put_str(j, "userns_why", s->userns_why);
    if (s->userns == USERNS_AUTO && id_map_is_host(&s->ids))
        json_put_str(j, "userns", LATER);
    if (s->userns == USERNS_HOST || id_map_is_host(&s->ids))
        return;
    json_put_str(j, "userns", userns_name(s->userns));
    json_put_str(j, "uids", uids);
    json_put_str(j, "gids", gids);
}

/* Falling back to the host's would start a program with more rights than it was made with. */
int userns_from_json(const json_t *j, struct spec *s, struct err *e)
{
    const char *mode = json_str(j, "userns"), *uids = json_str(j, "uids"),
               *gids = json_str(j, "gids");
    s->userns_why = xstrdup(json_str(j, "userns_why"));
    if (!json_object_get(j, "userns"))
        return 0;
    s->userns = streq(mode, "auto") || streq(mode, LATER) ? USERNS_AUTO : USERNS_MAP;
    if (streq(mode, LATER))
        return 0;
    if ((s->userns == USERNS_MAP && !streq(mode, "map")) || !uids || !gids ||
        id_ranges_parse(uids, s->ids.uids, &s->ids.uid_count, NULL) < 0 ||
        id_ranges_parse(gids, s->ids.gids, &s->ids.gid_count, NULL) < 0)
        return err_say(e, -EBADMSG, "damaged: the user namespace or its map of ids");
    return 0;
}
