/* --filter of `netctr ps`: which containers it lists. As in docker, one value of each key must match, but all labels. */
#include "ps_filter.h"

#include <errno.h>
#include <regex.h>
#include <string.h>

void ps_filters_clear(struct ps_filters *f)
{
    const strv all[] = {f->names,     f->ids,        f->statuses,  f->networks,
                        f->labels,    f->not_labels, f->ancestors, f->volumes,
                        f->published, f->exited,     f->before,    f->since};
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        strv_free(all[i]);
    *f = (struct ps_filters){0};
}

/* ---- parsing ---------------------------------------------------------------------------------*/

static bool is_status(const char *word)
{
    for (enum status s = STATUS_CREATING; s <= STATUS_EXITED; s++)
        if (streq(word, status_name(s)))
            return true;
    return streq(word, STATUS_PAUSED) || streq(word, STATUS_CREATED);
}

/* A regular expression. In docker, names begin with a slash, so a pattern may match with or without one. */
static bool name_matches(const char *pattern, const char *name, bool *valid)
{
    regex_t regex;
    _cleanup_free_ char *slashed = xasprintf("/%s", name);
    *valid = regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB) == 0;
    if (!*valid)
        return false;
    bool matches =
        regexec(&regex, name, 0, NULL, 0) == 0 || regexec(&regex, slashed, 0, NULL, 0) == 0;
    regfree(&regex);
    return matches;
}

static int check_values(const struct ps_filters *f, struct err *e)
{
    bool valid = true;
    uint64_t number;
    strv_each (pattern, f->names)
        if ((void)name_matches(pattern, "", &valid), !valid)
            return err_say(e, -EINVAL, "filter `name=%s` is not a regular expression", pattern);
    strv_each (status, f->statuses)
        if (!is_status(status)) {
            err_say(e, -EINVAL, "filter `status=%s`: unknown status", status);
            err_hint(e, "created, creating, running, paused, restarting, exited or dead");
            return -EINVAL;
        }
    strv_each (text, f->exited)
        if (parse_u64(text, 0, 255, &number) < 0)
            return err_say(e, -EINVAL, "filter `exited=%s` is not an exit status from 0 to 255",
                           text);
    strv_each (text, f->published)
        if (!port_filter_valid(text)) {
            err_say(e, -EINVAL, "filter `publish=%s` is not a port", text);
            err_hint(e, "PORT or PORT/PROTOCOL: publish=80/tcp");
            return -EINVAL;
        }
    return 0;
}

int ps_filters_parse(char *const *texts, struct ps_filters *f, struct err *e)
{
    const struct filter_key known[] = {{"name=", &f->names},
                                       {"id=", &f->ids},
                                       {"status=", &f->statuses},
                                       {"network=", &f->networks},
                                       {"label=", &f->labels},
                                       {"label!=", &f->not_labels},
                                       {"ancestor=", &f->ancestors},
                                       {"volume=", &f->volumes},
                                       {"publish=", &f->published},
                                       {"exited=", &f->exited},
                                       {"before=", &f->before},
                                       {"since=", &f->since},
                                       {0}};
    strv_each (text, texts) {
        if (!filter_take(text, known)) {
            err_say(e, -EINVAL, "unknown filter `%s`", text);
            err_hint(e, PS_FILTERS);
            return -EINVAL;
        }
    }
    return check_values(f, e);
}

/* ---- matching --------------------------------------------------------------------------------*/

/* Nanoseconds since the epoch. */
static int64_t created_at(const struct record *r)
{
    return r->spec.created * INT64_C(1000000000) + r->spec.created_nsec;
}

int ps_filters_resolve(struct engine *engine, struct ps_filters *f, struct err *e)
{
    f->made_before = INT64_MIN;
    f->made_after = INT64_MAX;
    strv_each (name, f->before) {
        _cleanup_record_ struct record r = {0};
        int code = cli_find(engine, name, &r, e);
        if (code < 0)
            return code;
        if (created_at(&r) > f->made_before)
            f->made_before = created_at(&r);
    }
    strv_each (name, f->since) {
        _cleanup_record_ struct record r = {0};
        int code = cli_find(engine, name, &r, e);
        if (code < 0)
            return code;
        if (created_at(&r) < f->made_after)
            f->made_after = created_at(&r);
    }
    return 0;
}

static bool labels_match(const struct ps_filters *f, char *const *labels)
{
    strv_each (wanted, f->labels)
        if (!has_label(labels, wanted))
            return false;
    strv_each (unwanted, f->not_labels)
        if (has_label(labels, unwanted))
            return false;
    return true;
}

/* The root directory: its path, or the last component of that. */
static bool is_of_rootfs(const struct record *r, const char *wanted)
{
    const char *slash = r->spec.rootfs ? strrchr(r->spec.rootfs, '/') : NULL;
    return r->spec.rootfs && (streq(r->spec.rootfs, wanted) || (slash && streq(slash + 1, wanted)));
}

static bool has_volume(const struct record *r, const char *wanted)
{
    for (size_t i = 0; i < r->spec.volume_count; i++) {
        const struct volume *v = &r->spec.volumes[i];
        if (streq(v->target, wanted) || (v->source && streq(v->source, wanted)))
            return true;
    }
    return false;
}

static bool ended_with(const struct record *r, const char *status)
{
    return r->status == STATUS_EXITED && !r->never_ran && r->exit_status == atoi(status);
}

bool ps_filters_match(struct engine *engine, const struct ps_filters *f, const struct record *r)
{
    bool name = !f->names, id = !f->ids, status = !f->statuses, network = !f->networks;
    bool rootfs = !f->ancestors, volume = !f->volumes, port = !f->published, exited = !f->exited;
    bool before = !f->before || created_at(r) < f->made_before;
    bool since = !f->since || created_at(r) > f->made_after, valid;
    strv_each (pattern, f->names)
        name = name || name_matches(pattern, r->spec.name, &valid);
    strv_each (prefix, f->ids)
        id = id || skip_prefix(r->spec.id, prefix);
    strv_each (word, f->statuses)
        status = status || streq(word, engine_status_name(engine, r));
    strv_each (word, f->networks)
        network = network || engine_is_on_network(engine, r, word);
    strv_each (word, f->ancestors)
        rootfs = rootfs || is_of_rootfs(r, word);
    strv_each (word, f->volumes)
        volume = volume || has_volume(r, word);
    strv_each (word, f->published)
        port = port || ports_have(record_ports(r), word);
    strv_each (word, f->exited)
        exited = exited || ended_with(r, word);
    return name && id && status && network && rootfs && volume && port && exited && before &&
           since && labels_match(f, r->spec.labels);
}
