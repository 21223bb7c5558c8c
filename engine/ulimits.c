/* --ulimit NAME=SOFT[:HARD]. */
#include "internal.h"

#include <errno.h>
#include <string.h>

static int parse_number(const char *text, rlim_t *out)
{
    uint64_t n;
    if (streq(text, "-1") || streq(text, "unlimited")) {
        *out = RLIM_INFINITY;
        return 0;
    }
    int r = parse_u64(text, 0, INT64_MAX, &n);
    *out = n;
    return r;
}

static int parse_pair(const char *text, struct rlimit *out)
{
    _cleanup_strv_ strv parts = strv_split(text, ':');
    const size_t n = strv_len(parts);
    int r = n == 1 || n == 2 ? parse_number(parts[0], &out->rlim_cur) : -EINVAL;
    out->rlim_max = out->rlim_cur;
    return r == 0 && n == 2 ? parse_number(parts[1], &out->rlim_max) : r;
}

static int unknown(const char *text, struct err *e)
{
    strv names = NULL;
    for (size_t i = 0; i < ULIMITS; i++)
        strv_add(&names, ulimit_name(i));
    _cleanup_free_ char *all = strv_join(names, ", ");
    strv_free(names);
    err_say(e, -EINVAL, "ulimit `%s`: there is no such limit", text);
    err_hint(e, "%s", all);
    return -EINVAL;
}

/* No process of this host may have more. */
static int check_files(const char *text, const struct rlimit *limit, struct err *e)
{
    _cleanup_free_ char *most = NULL;
    uint64_t n;
    if (read_file_at(AT_FDCWD, "/proc/sys/fs/nr_open", 64, &most, NULL) < 0)
        return 0;
    most[strcspn(most, "\n")] = '\0';
    return parse_u64(most, 1, INT64_MAX, &n) < 0 || limit->rlim_max <= n
               ? 0
               : err_say(e, -EINVAL, "ulimit `%s`: this host permits %s open files (fs.nr_open)",
                         text, most);
}

static int take(const char *text, struct ulimits *out, struct err *e)
{
    size_t size = strcspn(text, "="), i = 0;
    _cleanup_free_ char *name = xstrndup(text, size);
    struct rlimit limit = {0};
    while (i < ULIMITS && !streq(name, ulimit_name(i)))
        i++;
    if (!text[size] || (i < ULIMITS && parse_pair(text + size + 1, &limit) < 0))
        return err_say(e, -EINVAL, "ulimit `%s` is not NAME=SOFT[:HARD] (-1: no limit)", text);
    if (i == ULIMITS)
        return unknown(text, e);
    if (limit.rlim_cur > limit.rlim_max)
        return err_say(e, -EINVAL, "ulimit `%s`: the soft limit is above the hard limit", text);
    out->items[i] = limit;
    out->set |= 1U << i;
    return i == ULIMIT_NOFILE ? check_files(text, &limit, e) : 0;
}

int ulimits_parse(char *const *texts, struct ulimits *out, struct err *e)
{
    int r = 0;
    strv_each (text, texts)
        if (r == 0)
            r = take(text, out, e);
    return r;
}
