/* One operation on several containers: those that are named, or all that a command chooses. */
#include "cli.h"

#include <errno.h>

struct found {
    struct record *records;
    int *codes; /* of looking each one up */
    struct err *errors;
    size_t count;
};

static struct found look_up(struct engine *engine, char *const *names)
{
    size_t count = strv_len(names);
    struct found f = {xcalloc(count, sizeof(*f.records)), xcalloc(count, sizeof(*f.codes)),
                      xcalloc(count, sizeof(*f.errors)), count};
    for (size_t i = 0; i < count; i++)
        f.codes[i] = engine_find(engine, names[i], &f.records[i], &f.errors[i]);
    return f;
}

static void found_clear(struct found *f)
{
    for (size_t i = 0; i < f->count; i++) {
        record_clear(&f->records[i]);
        err_clear(&f->errors[i]);
    }
    free(f->records);
    free(f->codes);
    free(f->errors);
}

void warn_err(const struct err *e)
{
    _cleanup_free_ char *line = err_line(e);
    warn("%s", line);
}

void warn_each(strv warnings)
{
    strv_each (warning, warnings)
        warn("%s", warning);
}

void first_error(int *result, int code, struct err *e, struct err *why)
{
    if (code >= 0)
        return;
    if (*result == 0) {
        err_move(e, why);
        *result = code;
    } else {
        warn_err(why);
    }
}

/* The order given, or owners of shared networks first. */
static size_t *put_in_order(const struct found *f, const struct each *each)
{
    if (each->owners_first)
        return owners_first(f->records, f->count);
    size_t *order = xcalloc(f->count, sizeof(*order));
    for (size_t i = 0; i < f->count; i++)
        order[i] = i;
    return order;
}

/* What ends a container waits for its monitor, and those of different containers work at the same time. Hundreds at once
 * would only wait for each other's locks. */
enum { AHEAD = 16 };

static void go_ahead(struct engine *engine, const struct found *f, const size_t *order, size_t k,
                     const struct each *each)
{
    size_t from = k ? k + AHEAD : 0, to = k + AHEAD;
    for (size_t i = from; each->ahead && i <= to && i < f->count; i++)
        if (f->codes[order[i]] == 0)
            each->ahead(engine, &f->records[order[i]], each->arg);
}

static int do_each(struct engine *engine, char *const *names, const struct each *each,
                   struct err *e)
{
    int result = 0;
    __attribute__((cleanup(found_clear))) struct found f = look_up(engine, names);
    _cleanup_free_ size_t *order = put_in_order(&f, each);
    if (each->before)
        each->before(engine, f.records, f.count, each->arg);
    for (size_t k = 0; k < f.count; k++) {
        size_t i = order[k];
        int code = f.codes[i];
        struct err *why = &f.errors[i];
        go_ahead(engine, &f, order, k, each);
        if (code == 0)
            code = each->act(engine, &f.records[i], each->arg, why);
        else if (code == -EBADMSG && each->damaged)
            code = each->damaged(engine, names[i], why);
        if (code == 0 && !each->prints)
            printf("%s\n", names[i]);
        else if (code == 0)
            continue;
        else if (f.codes[i] != -ENOENT || !each->missing_is_fine)
            first_error(&result, code, e, why);
    }
    if (each->after)
        each->after(engine, f.records, f.count);
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

static int do_all(struct engine *engine, const struct each *each, struct err *e)
{
    struct choice choice = {.each = each};
    int r = engine_each(engine, choose, &choice, e);
    if (r == 0)
        r = do_each(engine, choice.names, each, e);
    strv_free(choice.names);
    return r;
}

int each_named(const struct cli *cli, const struct command *command, char **names,
               const struct each *each, struct err *e)
{
    if (names[0] && each->all)
        return err_say(e, -EINVAL, "--all and names exclude each other");
    if (!names[0] && !each->all)
        return err_say(e, -EINVAL, "usage: netctr %s %s", command->name, command->usage);
    _cleanup_engine_ struct engine engine = {0};
    int r = cli_engine(cli, &engine, e);
    if (r < 0)
        return r;
    return each->all ? do_all(&engine, each, e) : do_each(&engine, names, each, e);
}
