/* Times as people read them. */
#include "cli.h"

#include <time.h>

char *time_utc(int64_t when)
{
    time_t t = (time_t)when;
    struct tm tm;
    char text[32] = "";
    /* What does not fit, in a year of ten digits, is no time. */
    if (!gmtime_r(&t, &tm) || !strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm))
        return xstrdup("");
    return xstrdup(text);
}

char *time_ago(int64_t when)
{
    static const struct {
        int64_t seconds;
        const char *one, *many;
    } units[] = {{86400, "day", "days"}, {3600, "hour", "hours"}, {60, "minute", "minutes"}};
    int64_t now = time(NULL);
    if (when <= 0)
        return xstrdup("");
    /* The clock was set back since: nothing has an age below zero. */
    int64_t age = now > when ? now - when : 0;
    for (size_t i = 0; i < ARRAY_LEN(units); i++)
        if (age >= units[i].seconds) {
            long n = (long)(age / units[i].seconds);
            return xasprintf("%ld %s", n, n == 1 ? units[i].one : units[i].many);
        }
    return age < 1 ? xstrdup("less than a second")
                   : xasprintf("%ld second%s", (long)age, age == 1 ? "" : "s");
}
