/* Values: texts of the file as numbers, times, addresses. */
#include "file.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <strings.h>

int flag_parse(const char *text, bool *out)
{
    static const char *const yes[] = {"true", "yes", "on"}, *const no[] = {"false", "no", "off"};
    for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
        *out = strcasecmp(text, yes[i]) == 0;
        if (*out || strcasecmp(text, no[i]) == 0)
            return 0;
    }
    return -EINVAL;
}

/* "12.5" and what follows it: at most nine digits before the dot, six behind it. */
static int decimal_parse(const char *text, double *out, const char **rest)
{
    size_t whole = strspn(text, "0123456789"), part = 0;
    *rest = text + whole;
    if (**rest == '.') {
        part = strspn(*rest + 1, "0123456789");
        *rest += 1 + part;
    }
    if (!whole || whole > 9 || part > 6 || text[whole + part] == '.')
        return -EINVAL;
    *out = strtod(text, NULL);
    return 0;
}

int duration_parse(const char *text, uint64_t unit_us, uint64_t *us)
{
    static const struct {
        const char *name;
        uint64_t us;
    } units[] = {{"us", 1},      {"µs", 1},       {"ms", 1000},
                 {"s", 1000000}, {"m", 60000000}, {"h", 3600000000}};
    double number;
    const char *unit;
    if (decimal_parse(text, &number, &unit) < 0)
        return -EINVAL;
    bool known = !*unit;
    for (size_t i = 0; i < ARRAY_LEN(units); i++)
        if (streq(unit, units[i].name)) {
            unit_us = units[i].us;
            known = true;
        }
    if (!known)
        return -EINVAL;
    if (number * (double)unit_us > 86400e6)
        return -ERANGE;
    *us = (uint64_t)llround(number * (double)unit_us);
    return 0;
}

int percent_parse(const char *text, double *out)
{
    const char *rest;
    int r = decimal_parse(text, out, &rest);
    if (r < 0 || (*rest && !streq(rest, "%")))
        return -EINVAL;
    return *out <= 100 ? 0 : -ERANGE;
}

int lab_address_parse(const char *text, struct lab_address *out, struct err *e)
{
    const char *slash = strchr(text, '/');
    _cleanup_free_ char *host = slash ? xstrndup(text, (size_t)(slash - text)) : xstrdup(text);
    uint64_t prefix;
    if (ip_parse(host, &out->ip) < 0)
        return err_say(e, -EINVAL,
                       "`%s` is not an address; write ADDRESS/PREFIX, as in 10.0.0.1/24", text);
    if (!slash)
        return err_say(e, -EINVAL, "address `%s` has no prefix; write %s/%s", text, text,
                       out->ip.family == AF_INET ? "24" : "64");
    if (parse_u64(slash + 1, 1, out->ip.family == AF_INET ? 32 : 128, &prefix) < 0)
        return err_say(e, -EINVAL, "address `%s` has a wrong prefix; 1 to %d is possible", text,
                       out->ip.family == AF_INET ? 32 : 128);
    if (ip_is_any(&out->ip))
        return err_say(e, -EINVAL, "`%s` is not the address of a host; choose another one", text);
    out->prefix = (uint8_t)prefix;
    return 0;
}

bool read_number(struct reader *r, const char *what, const struct tree *value, uint64_t min,
                 uint64_t max, uint64_t *out)
{
    if (parse_u64(value->text, min, max, out) == 0)
        return true;
    fault(r, value->place, "%s `%s` is not a number from %llu to %llu; correct it", what,
          value->text, (unsigned long long)min, (unsigned long long)max);
    return false;
}

bool read_duration(struct reader *r, const char *what, const struct tree *value, unsigned *ms)
{
    uint64_t us = 0;
    int code = duration_parse(value->text, 1000000, &us);
    if (code == 0) {
        *ms = (unsigned)(us / 1000);
        return true;
    }
    if (code == -ERANGE)
        fault(r, value->place, "%s `%s` is more than a day; choose a shorter time", what,
              value->text);
    else
        fault(r, value->place,
              "%s `%s` is not a time; write seconds, or a unit as in 500ms, 10s, 2m", what,
              value->text);
    return false;
}

bool read_words(struct reader *r, struct place at, const char *line, strv *out)
{
    _cleanup_err_ struct err e = ERR_INIT;
    if (words_split(line, out, &e) == 0)
        return true;
    fault(r, at, "%s in `%s`; add what is missing", e.text, line);
    return false;
}

const struct tree *tree_text_at(const struct tree *t, size_t i)
{
    return t->kind == TREE_TEXT ? t : t->items[i].value;
}

size_t tree_text_count(const struct tree *t)
{
    return t->kind == TREE_TEXT ? 1 : t->count;
}

bool yaml_is_plain(const char *s)
{
    static const char first[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_/";
    static const char rest[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_/.- ";
    static const char *const words[] = {"true", "false", "yes", "no", "on",
                                        "off",  "null",  "y",   "n"};
    if (!*s || !strchr(first, *s) || s[strspn(s, rest)] || s[strlen(s) - 1] == ' ')
        return false;
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strcasecmp(s, words[i]) == 0)
            return false;
    return true;
}
