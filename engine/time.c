/* Times as text, and back. */
#include "internal.h"

#include <errno.h>
#include <string.h>
#include <time.h>

char *time_utc(int64_t when)
{
    time_t t = (time_t)when;
    struct tm tm;
    char text[32] = "";
    /* Damaged state may hold any number: a year of ten digits does not fit. */
    if (!gmtime_r(&t, &tm) || !strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm))
        return xstrdup("");
    return xstrdup(text);
}

char *created_utc(const struct spec *s)
{
    _cleanup_free_ char *text = time_utc(s->created);
    size_t length = strlen(text);
    if (length == 0 || s->created_nsec <= 0 || s->created_nsec > 999999999)
        return take_ptr(text);
    return xasprintf("%.*s.%09dZ", (int)length - 1, text, (int)s->created_nsec);
}

/* ---- parse -----------------------------------------------------------------------------------*/

#define NS 1000000000LL

/* Seconds with an optional fraction, in nanoseconds. Moves *@p behind them. */
static int take_seconds(const char **p, int64_t *ns)
{
    size_t digits = strspn(*p, "0123456789");
    _cleanup_free_ char *whole = xstrndup(*p, digits);
    uint64_t n;
    if (parse_u64(whole, 0, INT64_MAX / NS - 1, &n) < 0)
        return -EINVAL;
    *ns = (int64_t)n * NS;
    *p += digits;
    if (**p != '.')
        return 0;
    ++*p;
    if (**p < '0' || **p > '9')
        return -EINVAL;
    for (int64_t unit = NS / 10; **p >= '0' && **p <= '9'; ++*p, unit /= 10)
        *ns += (**p - '0') * unit;
    return 0;
}

/* A duration as in Go: "1h30m". */
static int take_age(const char *p, int64_t *age)
{
    static const struct {
        const char *name;
        int64_t milli;
    } units[] = {{"ms", 1}, {"h", 3600000}, {"m", 60000}, {"s", 1000}};
    *age = 0;
    while (*p) {
        int64_t n, part;
        if (take_seconds(&p, &n) < 0)
            return -EINVAL;
        size_t i = 0;
        while (i < ARRAY_LEN(units) && !skip_prefix(p, units[i].name))
            i++;
        if (i == ARRAY_LEN(units) || __builtin_mul_overflow(n / 1000, units[i].milli, &part) ||
            __builtin_add_overflow(*age, part, age))
            return -EINVAL;
        p += strlen(units[i].name);
    }
    return 0;
}

/* "Z", "+02:00" or nothing. */
static int take_zone(const char *p, int64_t *ns)
{
    int hours, minutes, end = 0;
    if (!*p || streq(p, "Z") || streq(p, "z"))
        return 0;
    if ((*p != '+' && *p != '-') || sscanf(p + 1, "%2d:%2d%n", &hours, &minutes, &end) != 2 ||
        end != 5 || p[6])
        return -EINVAL;
    int64_t ahead = (*p == '+' ? 1 : -1) * (hours * 60LL + minutes) * 60 * NS;
    return __builtin_sub_overflow(*ns, ahead, ns) ? -EINVAL : 0;
}

static int take_date(const char *text, int64_t *ns)
{
    struct tm tm = {0};
    const char *p = strptime(text, "%Y-%m-%d", &tm);
    if (!p)
        return -EINVAL;
    int64_t fraction = 0;
    if (*p == 'T' || *p == 't' || *p == ' ') {
        const char *clock = strptime(p + 1, "%H:%M", &tm);
        if (!clock)
            return -EINVAL;
        p = clock;
        if (*p == ':' && (p++, take_seconds(&p, &fraction) < 0))
            return -EINVAL;
        if (fraction > 61 * NS)
            return -EINVAL;
    }
    /* 64 bits of nanoseconds end in 2262. */
    if (__builtin_mul_overflow((int64_t)timegm(&tm), NS, ns) ||
        __builtin_add_overflow(*ns, fraction, ns))
        return -EINVAL;
    return take_zone(p, ns);
}

int time_parse(const char *text, int64_t now, int64_t *out)
{
    const char *p = text;
    int64_t age;
    if (take_seconds(&p, out) == 0 && p > text && !*p)
        return 0;
    if (take_date(text, out) == 0)
        return 0;
    if (!*text || take_age(text, &age) < 0)
        return -EINVAL;
    *out = now - age;
    return 0;
}
