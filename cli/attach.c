/* netctr attach: the streams of a running container. */
#include "cli.h"

#include <errno.h>

static int check_input(const struct record *r, const struct attach_request *q, struct err *e)
{
    if (!r->spec.tty || !r->spec.interactive || !q->input || isatty(STDIN_FILENO))
        return 0;
    err_say(e, -ENOTTY, "container `%s` has a terminal, and stdin is none", r->spec.name);
    err_hint(e, "`--no-stdin` only shows its output");
    return -ENOTTY;
}

static int run(const struct cli *cli, int argc, char **argv, struct err *e)
{
    struct attach_request q = {.sig_proxy = true};
    bool no_stdin = false;
    char *keys = NULL;
    const struct option options[] = {
        {"no-stdin", 0, OPTION_FLAG, NULL, "only show the output", &no_stdin},
        {"sig-proxy", 0, OPTION_FLAG, NULL,
         "pass signals on to the program (the default); `=false`: they end this command",
         &q.sig_proxy},
        {"detach-keys", 0, OPTION_TEXT, "KEYS", DETACH_KEYS_HELP, &keys},
        {0},
    };
    int first = command_options(&command_attach, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
    if (argc - first != 1)
        return err_say(e, -EINVAL, "usage: netctr attach [FLAGS] NAME");
    int code = detach_keys_parse(keys, &q.keys, e);
    if (code < 0)
        return code;
    q.input = !no_stdin;
    _cleanup_engine_ struct engine engine = {0};
    _cleanup_record_ struct record r = {0};
    code = cli_open_find(cli, argv[first], &engine, &r, e);
    if (code == 0)
        code = check_input(&r, &q, e);
    return code < 0 ? code : show_detached(engine_attach(&engine, &r, q, e), r.spec.name);
}

const struct command command_attach = {
    .name = "attach",
    .usage = "[FLAGS] NAME",
    .summary = "Show what a running container writes, and type to it",
    .example = "netctr attach web\nnetctr attach --no-stdin web",
    .run = run,
};
