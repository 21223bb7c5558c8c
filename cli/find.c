/* Finding the container that the user has named. */
#include "cli.h"

#include <errno.h>

static int add_name(const struct record *r, void *arg)
{
    strv_add(arg, r->spec.name);
    return 0;
}

int cli_find(struct engine *engine, const char *name, struct record *out, struct err *e)
{
    int r = engine_find(engine, name, out, e);
    _cleanup_strv_ strv names = NULL;
    if (r != -ENOENT || engine_each(engine, add_name, &names, NULL) < 0 || !names)
        return r;
    const char *near = nearest_word(name, (const char *const *)names);
    if (near)
        err_hint(e, "did you mean `%s`?", near);
    return r;
}

int cli_open_find(const struct cli *cli, const char *name, struct engine *engine,
                  struct record *out, struct err *e)
{
    int r = cli_engine(cli, engine, e);
    return r == 0 ? cli_find(engine, name, out, e) : r;
}

int cli_open_find_to_read(const struct cli *cli, const char *name, struct engine *engine,
                          struct record *out, struct err *e)
{
    int r = cli_engine_to_read(cli, engine, e);
    return r == 0 ? cli_find(engine, name, out, e) : r;
}
