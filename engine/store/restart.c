/* Whether and when a program is restarted after it ended. The rules are docker's; the monitor applies them,
 * because there is no daemon. After a reboot `netctr boot` does. */
#include <netctr/store.h>

#include <errno.h>

static const char *const names[] = {
    [RESTART_NO] = "no",
    [RESTART_ON_FAILURE] = "on-failure",
    [RESTART_ALWAYS] = "always",
    [RESTART_UNLESS_STOPPED] = "unless-stopped",
};

int restart_parse(const char *text, struct restart *out, struct err *e)
{
    *out = (struct restart){0};
    uint64_t max = 0;
    const char *limit = skip_prefix(text, "on-failure:");
    if (limit) {
        if (parse_u64(limit, 1, 1000000, &max) < 0)
            return err_say(e, -EINVAL, "restart policy `%s`: `%s` is not a number of times", text,
                           limit);
        *out = (struct restart){RESTART_ON_FAILURE, (unsigned)max};
        return 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (streq(text, names[i])) {
            out->policy = (enum restart_policy)i;
            return 0;
        }
    err_say(e, -EINVAL, "unknown restart policy `%s`", text);
    err_hint(e, "no, on-failure[:N], always or unless-stopped");
    return -EINVAL;
}

char *restart_text(const struct restart *r)
{
    return r->max ? xasprintf("%s:%u", names[r->policy], r->max) : xstrdup(names[r->policy]);
}

bool restart_wanted(const struct restart *r, int exit_status, unsigned times)
{
    switch (r->policy) {
    case RESTART_NO: return false;
    case RESTART_ON_FAILURE: return exit_status != 0 && (r->max == 0 || times < r->max);
    case RESTART_ALWAYS:
    case RESTART_UNLESS_STOPPED: return true;
    }
    return false;
}

int restart_delay_ms(unsigned times)
{
    return times < 10 ? 100 << times : 60000;
}
