/* netctr inspect: everything about a container, as JSON. */
#include "view.h"

#include <errno.h>

int inspect_print(const struct format *f, const json_t *all, int result, struct err *e)
{
    int printed = 0;
    if (f->template)
        printed = print_views(f, all, "ID", e);
    else if (result == 0 || json_array_size(all))
        print_json(all);
    if (printed < 0)
        return printed;
    if (result < 0 && json_array_size(all))
        err_status(e, 1);
    return result;
}

static int run(const struct cli *cli, int argc, char **argv, struct err *e)
{
    char *format = NULL, *type = NULL;
    const struct option options[] = {
        {"format", 'f', OPTION_TEXT, "FORMAT",
         "json (the default), or a template: '{{.State.Pid}}'", &format},
        {cli->docker ? "type" : NULL, 0, OPTION_TEXT, "container", "no effect", &type},
        {0},
    };
    int first = command_options(&command_inspect, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
    if (first == argc)
        return err_say(e, -EINVAL, "usage: netctr inspect NAME…");
    if (type && !streq(type, "container"))
        return err_say(e, -EINVAL, "`inspect --type %s`: there are only containers", type);
    _cleanup_format_ struct format f = {0};
    int code = format_parse(format, "inspect", &f, e);
    _cleanup_engine_ struct engine engine = {0};
    _cleanup_json_ json_t *all = json_array();
    int result = 0;
    if (code == 0)
        code = cli_engine_to_read(cli, &engine, e);
    for (int i = first; i < argc && code == 0; i++) {
        _cleanup_err_ struct err why = ERR_INIT;
        _cleanup_record_ struct record r = {0};
        int found = cli_find(&engine, argv[i], &r, &why);
        json_t *j = found == 0 ? engine_inspect(&engine, &r) : NULL;
        if (j && (f.template || cli->docker))
            view_container(j);
        if (j && cli->docker)
            view_only(j);
        if (j)
            json_array_append_new(all, j);
        first_error(&result, found, e, &why);
    }
    if (code < 0)
        return code;
    if (cli->docker && !f.template && json_array_size(all) == 0)
        print_json(all); /* `[]`, and the error */
    return inspect_print(&f, all, result, e);
}

const struct command command_inspect = {
    .name = "inspect",
    .usage = "NAME…",
    .summary = "Show everything about containers, as JSON",
    .example = "netctr inspect web\nnetctr inspect web | jq -r '.[0].state.pid'\n"
               "netctr inspect -f '{{.State.Pid}}' web",
    .run = run,
};
