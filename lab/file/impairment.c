/* Impairments of a link as texts: in the file, on the command line, in a lab's record. */
#include "file.h"

#include <errno.h>
#include <string.h>

static int set_time(unsigned *out, const char *key, const char *value, struct err *e)
{
    enum { DELAY_MAX_US = 60000000 };
    const bool bare =
        strspn(value, "0.") != strlen(value) && strspn(value, "0123456789.") == strlen(value);
    uint64_t us = 0;
    if (bare || duration_parse(value, 0, &us) < 0)
        return err_say(e, -EINVAL,
                       "%s `%s` is not a time with a unit; write it as in 20ms, 1.5s or 100us", key,
                       value);
    if (us > DELAY_MAX_US)
        return err_say(e, -EINVAL, "%s `%s` is more than a minute; choose a shorter time", key,
                       value);
    *out = (unsigned)us;
    return 0;
}

static int set_percent(double *out, const char *key, const char *value, struct err *e)
{
    double number = 0;
    if (percent_parse(value, &number) < 0)
        return err_say(e, -EINVAL, "%s `%s` is not a part of 100%%; write it as in 1%% or 0.5%%",
                       key, value);
    *out = number;
    return 0;
}

static int set_rate(uint64_t *out, const char *value, struct err *e)
{
    enum { RATE_LEAST = 8000 };
    uint64_t rate;
    if (parse_rate(value, &rate) < 0 || (rate && rate < RATE_LEAST) || rate > 1000000000000)
        return err_say(e, -EINVAL,
                       "rate `%s` is not a rate from 8kbit on; write it as in 500kbit or 10mbit",
                       value);
    *out = rate;
    return 0;
}

int lab_impairment_set(struct lab_impairment *m, const char *key, const char *value, struct err *e)
{
    if (streq(key, "rate"))
        return set_rate(&m->rate, value, e);
    if (streq(key, "delay") || streq(key, "jitter"))
        return set_time(*key == 'd' ? &m->delay_us : &m->jitter_us, key, value, e);
    double *out = streq(key, "loss")        ? &m->loss
                  : streq(key, "corrupt")   ? &m->corrupt
                  : streq(key, "duplicate") ? &m->duplicate
                  : streq(key, "reorder")   ? &m->reorder
                                            : NULL;
    if (out)
        return set_percent(out, key, value, e);
    const char *near = nearest_word(key, lab_impairment_keys);
    err_say(e, -EINVAL, "`%s` is not an impairment", key);
    if (near)
        err_hint(e, "did you mean `%s`?", near);
    else
        err_hint(e, "there are delay, jitter, loss, corrupt, duplicate, reorder and rate");
    return -EINVAL;
}

const char *const lab_impairment_keys[] = {"delay",     "jitter",  "loss", "corrupt",
                                           "duplicate", "reorder", "rate", NULL};

int lab_impairment_check(const struct lab_impairment *m, struct err *e)
{
    if (m->jitter_us && !m->delay_us)
        return err_say(e, -EINVAL, "`jitter` needs a `delay`; add one");
    if (m->jitter_us > m->delay_us)
        return err_say(e, -EINVAL, "`jitter` is more than `delay`; choose less");
    if (m->reorder > 0 && !m->delay_us)
        return err_say(e, -EINVAL, "`reorder` needs a `delay`; add one");
    return 0;
}

bool lab_impairment_more_than_rate(const struct lab_impairment *m)
{
    return m->delay_us || m->jitter_us || m->loss > 0 || m->corrupt > 0 || m->duplicate > 0 ||
           m->reorder > 0;
}

bool lab_impairment_any(const struct lab_impairment *m)
{
    return m->rate || lab_impairment_more_than_rate(m);
}

/* ---- the inverse -----------------------------------------------------------------------------*/

static void put_time(json_t *j, const char *key, unsigned us)
{
    if (us)
        json_object_set_new(j, key,
                            us % 1000 ? json_sprintf("%uus", us) : json_sprintf("%ums", us / 1000));
}

/* As exact as percent_parse(): six digits behind the dot, and never an exponent. */
static void put_percent(json_t *j, const char *key, double part)
{
    _cleanup_free_ char *text = xasprintf("%.6f", part);
    size_t end = strlen(text);
    while (text[end - 1] == '0')
        end--;
    end -= text[end - 1] == '.';
    if (part > 0)
        json_object_set_new(j, key, json_sprintf("%.*s%%", (int)end, text));
}

json_t *lab_impairment_json(const struct lab_impairment *m)
{
    json_t *j = json_object();
    _cleanup_free_ char *rate = m->rate ? rate_text(m->rate) : NULL;
    put_time(j, "delay", m->delay_us);
    put_time(j, "jitter", m->jitter_us);
    put_percent(j, "loss", m->loss);
    put_percent(j, "corrupt", m->corrupt);
    put_percent(j, "duplicate", m->duplicate);
    put_percent(j, "reorder", m->reorder);
    json_put_str(j, "rate", rate);
    return j;
}

int lab_impairment_of_json(const json_t *j, struct lab_impairment *out, struct err *e)
{
    int r = 0;
    *out = (struct lab_impairment){0};
    for (size_t i = 0; r == 0 && lab_impairment_keys[i]; i++) {
        const char *value = json_str(j, lab_impairment_keys[i]);
        r = value ? lab_impairment_set(out, lab_impairment_keys[i], value, e) : 0;
    }
    return r == 0 ? lab_impairment_check(out, e) : r;
}
