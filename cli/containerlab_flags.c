/* What the flags of netctr containerlab's subcommands have in common. */
#include "containerlab.h"

#include <errno.h>

int clab_name(const struct lab_choice *c, char **out, struct err *e)
{
    _cleanup_topology_ struct topology *t = NULL;
    _cleanup_free_ char *text = NULL;
    size_t size;
    const struct topology_options o = {.environ = environ, .skip_binds = true};
    if (c->name) {
        *out = xstrdup(c->name);
        return 0;
    }
    int r = lab_read(c, NULL, &o, &text, &size, &t, e);
    if (r == 0)
        *out = xstrdup(t->name);
    return r;
}

int clab_no_words(const struct command *command, int first, int argc, struct err *e)
{
    return first < argc ? err_say(e, -EINVAL, "usage: netctr %s %s", command->name, command->usage)
                        : 0;
}

int clab_format(const char *format, bool *json, struct err *e)
{
    *json = streq(format, "json");
    return *json || !format || streq(format, "table")
               ? 0
               : err_say(e, -EINVAL, "unknown format `%s`: there are table and json", format);
}
