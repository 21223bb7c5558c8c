/* netctr network rm, prune, link, unlink. */
#include "network.h"

#include <errno.h>

/* ---- rm --------------------------------------------------------------------------------------*/

int network_rm(const struct cli *cli, const struct command *command, int argc, char **argv,
               struct err *e)
{
    bool force = false;
    const struct option options[] = {
        {"force", 'f', OPTION_FLAG, NULL,
         "disconnect its containers first, also running ones; no error if it does not exist",
         &force},
        {0},
    };
    int first = command_options(command, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
    if (first == argc)
        return err_say(e, -EINVAL, "usage: netctr %s %s", command->name, command->usage);
    _cleanup_engine_ struct engine engine = {0};
    int result = cli_engine_and_repair(cli, &engine, e);
    if (result < 0)
        return result;
    for (int i = first; i < argc; i++) {
        _cleanup_err_ struct err why = ERR_INIT;
        _cleanup_strv_ strv warnings = NULL;
        int r = engine_network_remove(&engine, argv[i], force, &warnings, &why);
        warn_each(warnings);
        if (r == 0)
            printf("%s\n", argv[i]);
        else if (r != -ENOENT || !force)
            first_error(&result, r, e, &why);
    }
    return result;
}

/* ---- prune -----------------------------------------------------------------------------------*/

static bool confirmed(void)
{
    char answer[16] = "";
    fprintf(stderr, "Remove all networks that no container uses? [y/N] ");
    return fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

static bool is_wanted(const struct network *n, void *filters)
{
    return network_filters_match(*(strv *)filters, n);
}

static int prune(const struct cli *cli, strv filters, struct err *e)
{
    _cleanup_engine_ struct engine engine = {0};
    _cleanup_strv_ strv removed = NULL;
    int r = cli_engine_and_repair(cli, &engine, e);
    if (r == 0)
        r = engine_network_prune(&engine, is_wanted, &filters, &removed, e);
    strv_each (name, removed)
        printf("%s\n", name);
    return r;
}

int network_prune(const struct cli *cli, const struct command *command, int argc, char **argv,
                  struct err *e)
{
    bool force = false;
    _cleanup_strv_ strv filters = NULL;
    const struct option options[] = {
        {"force", 'f', OPTION_FLAG, NULL, "do not ask", &force},
        {"filter", 0, OPTION_LIST, "K=V", NETWORK_FILTERS, &filters},
        {0},
    };
    int first = command_options(command, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
    if (first < argc)
        return err_say(e, -EINVAL, "`network prune` takes no names");
    int r = network_filters_check(filters, e);
    if (r < 0)
        return r;
    return force || confirmed() ? prune(cli, filters, e) : 0;
}

/* ---- link, unlink ----------------------------------------------------------------------------*/

static int change_link(const struct cli *cli, const struct command *command, int argc, char **argv,
                       bool allow, struct err *e)
{
    const struct option options[] = {{0}};
    int first = command_options(command, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
    if (argc - first != 2)
        return err_say(e, -EINVAL, "usage: netctr %s %s", command->name, command->usage);
    _cleanup_engine_ struct engine engine = {0};
    int r = cli_engine(cli, &engine, e);
    return r < 0 ? r : engine_network_link(&engine, argv[first], argv[first + 1], allow, e);
}

int network_link_command(const struct cli *cli, const struct command *command, int argc,
                         char **argv, struct err *e)
{
    return change_link(cli, command, argc, argv, true, e);
}

int network_unlink_command(const struct cli *cli, const struct command *command, int argc,
                           char **argv, struct err *e)
{
    return change_link(cli, command, argc, argv, false, e);
}
