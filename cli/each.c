/* One thing done to several containers: those that are named, or all of a kind. */
#include "world.h"

#include <errno.h>

/* Goes on after a failure; the first is the command's, the others are warnings. */
static int do_each(struct world *w, char *const *names, const struct each *each, struct err *e)
{
    int result = 0;
    strv_each (name, names) {
        _cleanup_record_ struct record r = {0};
        _cleanup_err_ struct err why = ERR_INIT;
        int code = world_find(w, name, &r, &why);
        if (code == 0)
            code = each->act(w, &r, each->arg, &why);
        else if (code == -EBADMSG && each->damaged)
            code = each->damaged(w, name, &why);
        if (code == 0)
            printf("%s\n", name);
        else if (result == 0)
            err_move(e, &why), result = code;
        else
            warn("%s", why.text);
    }
    return result;
}

struct choice {
    const struct each *each;
    strv names;
};

static int choose(const struct record *r, void *arg)
{
    struct choice *c = arg;
    if (c->each->all(r))
        strv_add(&c->names, r->spec.name);
    return 0;
}

int each_chosen(struct world *w, const struct each *each, struct err *e)
{
    struct choice choice = {.each = each};
    int r = world_each(w, choose, &choice, e);
    if (r == 0)
        r = do_each(w, choice.names, each, e);
    strv_free(choice.names);
    return r;
}

int each_named(const struct cli *cli, const struct command *command, char **names,
               const struct each *each, struct err *e)
{
    if (!names[0] == !each->all)
        return err_say(e, -EINVAL, "usage: netctr %s %s", command->name, command->usage);
    _cleanup_world_ struct world w = {0};
    int r = world_open(cli, &w, e);
    if (r < 0)
        return r;
    return each->all ? each_chosen(&w, each, e) : do_each(&w, names, each, e);
}
