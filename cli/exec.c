/* netctr exec: another command in a running container. */
#include "cli.h"

#include <errno.h>

static int run(const struct cli *cli, int argc, char **argv, struct err *e)
{
    struct exec_request q = {0};
    char *user = NULL, *workdir = NULL, *keys = NULL;
    bool privileged = false; /* a lab's node has all rights in its own namespaces, anyway */
    _cleanup_strv_ strv given = NULL, files = NULL, env = NULL;
    const struct option options[] = {
        {"detach", 'd', OPTION_FLAG, NULL, "do not wait until the command ends", &q.detached},
        {"interactive", 'i', OPTION_FLAG, NULL, "keep stdin open", &q.interactive},
        {"tty", 't', OPTION_FLAG, NULL, "give the command a terminal (-it for a shell)", &q.tty},
        {"detach-keys", 0, OPTION_TEXT, "KEYS", DETACH_KEYS_HELP, &keys},
        {"env", 'e', OPTION_LIST, "K=V",
         "set a variable, or pass one through from your environment (K)", &given},
        {"env-file", 0, OPTION_LIST, "FILE", "set variables from the lines of a file", &files},
        {"workdir", 'w', OPTION_TEXT, "DIR", "working directory in the container", &workdir},
        {"user", 'u', OPTION_TEXT, "USER[:GROUP]", "run as this user of the container", &user},
        {cli->docker ? "privileged" : NULL, 0, OPTION_FLAG, NULL, "no effect", &privileged},
        {0},
    };
    int first = command_options(&command_exec, options, false, &argc, argv, e);
    if (first <= 0)
        return first;
    if (argc - first < 2)
        return err_say(e, -EINVAL, "usage: netctr exec [FLAGS] NAME COMMAND [ARG…]");
    if (workdir && workdir[0] != '/')
        return err_say(e, -EINVAL, "working directory `%s` is not an absolute path", workdir);
    if (cli->docker && !isatty(STDIN_FILENO)) /* scripts with `exec -it` also run without one */
        q.tty = false;
    int code = check_command(argv[first + 1], "NAME", e);
    if (code == 0)
        code = detach_keys_parse(keys, &q.keys, e);
    if (code == 0 && !q.detached)
        code = check_terminal(q.tty, q.interactive, e);
    if (code == 0)
        code = env_compose(files, given, &env, e);
    if (code < 0)
        return code;
    q.env = env;
    q.argv = argv + first + 1;
    q.user = user;
    q.workdir = workdir;
    _cleanup_engine_ struct engine engine = {0};
    _cleanup_record_ struct record r = {0};
    code = cli_open_find(cli, argv[first], &engine, &r, e);
    return code < 0 ? code : show_detached(engine_exec(&engine, &r, &q, e), r.spec.name);
}

const struct command command_exec = {
    .name = "exec",
    .usage = "[FLAGS] NAME COMMAND [ARG…]",
    .summary = "Run another command in a running container",
    .example = "netctr exec web ls /etc\nnetctr exec -it web sh",
    .sealed = true,
    .run = run,
};
