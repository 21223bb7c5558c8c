/* netctr network: the networks themselves. netctr port: what is published. */
#include "world.h"

#include <errno.h>
#include <string.h>

static int reload(const struct cli *cli, int argc, char **argv, struct err *e)
{
    (void)argv;
    if (argc > 1)
        return err_say(e, -EINVAL, "`network reload` takes no names");
    _cleanup_world_ struct world w = {0};
    int r = world_open(cli, &w, e);
    return r < 0 ? r : world_restore(&w, e);
}

static int run(const struct cli *cli, int argc, char **argv, struct err *e)
{
    const struct option options[] = {{0}};
    bool help;
    int first = command_options(&command_network, options, false, &argc, argv, &help, e);
    if (first < 0 || help)
        return first < 0 ? first : 0;
    if (first < argc && streq(argv[first], "reload"))
        return reload(cli, argc - first, argv + first, e);
    if (first < argc && streq(argv[first], "connect"))
        return network_connect(cli, &command_network, argc - first, argv + first, e);
    if (first < argc && streq(argv[first], "disconnect"))
        return network_disconnect(cli, &command_network, argc - first, argv + first, e);
    return err_say(e, -EINVAL, "usage: netctr network connect | disconnect | reload");
}

const struct command command_network = {
    .name = "network",
    .usage = "connect | disconnect | reload",
    .summary = "Networks",
    .run = run,
};

/* ---- port ------------------------------------------------------------------------------------*/

/* "0.0.0.0:8080->80/tcp" as docker's port tells it: "80/tcp -> 0.0.0.0:8080". */
static bool print_port(const char *published, const char *wanted)
{
    const char *arrow = strstr(published, "->");
    _cleanup_free_ char *tcp = wanted && !strchr(wanted, '/') ? xasprintf("%s/tcp", wanted) : NULL;
    if (!arrow || (wanted && !streq(arrow + 2, tcp ? tcp : wanted)))
        return false;
    if (wanted)
        printf("%.*s\n", (int)(arrow - published), published);
    else
        printf("%s -> %.*s\n", arrow + 2, (int)(arrow - published), published);
    return true;
}

static int port(const struct cli *cli, int argc, char **argv, struct err *e)
{
    const struct option options[] = {{0}};
    bool help;
    int first = command_options(&command_port, options, true, &argc, argv, &help, e);
    if (first < 0 || help)
        return first < 0 ? first : 0;
    if (argc - first < 1 || argc - first > 2)
        return err_say(e, -EINVAL, "usage: netctr port %s", command_port.usage);
    _cleanup_world_ struct world w = {0};
    _cleanup_record_ struct record r = {0};
    int code = world_open(cli, &w, e);
    if (code == 0)
        code = world_find(&w, argv[first], &r, e);
    if (code < 0)
        return code;
    if (r.status != STATUS_RUNNING)
        return err_say(e, -ESRCH, "container `%s` is not running", r.spec.name);
    const char *wanted = argv[first + 1];
    bool any = false;
    strv_each (published, r.spec.published)
        any = print_port(published, wanted) || any;
    if (wanted && !any)
        return err_say(e, -ENOENT, "container `%s` does not publish port %s", r.spec.name, wanted);
    return 0;
}

const struct command command_port = {
    .name = "port",
    .usage = "NAME [PORT[/PROTOCOL]]",
    .summary = "Show where a container's ports are published",
    .run = port,
};
