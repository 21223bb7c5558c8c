/* netctr network connect, disconnect; publish, unpublish: what its monitor changes for us. */
#include "life/attach.h"
#include "life/control.h"
#include "network.h"

#include <errno.h>
#include <string.h>

static int ask(const struct cli *cli, const char *name, const char *what, char *const *words,
               struct err *e)
{
    _cleanup_world_ struct world w = {0};
    _cleanup_record_ struct record r = {0};
    int code = cli_world(cli, &w, e);
    if (code == 0)
        code = world_find(&w, name, &r, e);
    return code < 0 ? code : control_ask(&w, &r, what, words, e);
}

/* ---- networks --------------------------------------------------------------------------------*/

int network_connect(const struct cli *cli, const struct command *command, int argc, char **argv,
                    struct err *e)
{
    char *ip = NULL, *ip6 = NULL, *mac = NULL, *interface = NULL, *rate = NULL, *priority = NULL;
    strv aliases = NULL;
    const struct option options[] = {
        {"ip", 0, OPTION_TEXT, "ADDRESS", "IPv4 address there", &ip},
        {"ip6", 0, OPTION_TEXT, "ADDRESS", "IPv6 address there", &ip6},
        {"mac-address", 0, OPTION_TEXT, "MAC", "MAC address there", &mac},
        {"interface", 0, OPTION_TEXT, "NAME", "name of the interface", &interface},
        {"alias", 0, OPTION_LIST, "NAME", "another name there", &aliases},
        {"rate", 0, OPTION_TEXT, "RATE", "at most so much each way: 500kbit, 10mbit", &rate},
        {"gw-priority", 0, OPTION_TEXT, "N", "the highest is the way out", &priority},
        {0},
    };
    int first = command_options(command, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
    if (argc - first != 2)
        return err_say(e, -EINVAL, "usage: netctr %s %s", command->name, command->usage);
    char *text = xstrdup(argv[first]);
    attachment_add_option(&text, "ip", ip);
    attachment_add_option(&text, "ip6", ip6);
    attachment_add_option(&text, "mac", mac);
    attachment_add_option(&text, "name", interface);
    attachment_add_option(&text, "rate", rate);
    attachment_add_option(&text, "gw-priority", priority);
    strv_each (alias, aliases)
        attachment_add_option(&text, "alias", alias);
    strv_free(aliases);
    char *const request[] = {text, NULL};
    int r = ask(cli, argv[first + 1], "connect", request, e);
    free(text);
    return r;
}

int network_disconnect(const struct cli *cli, const struct command *command, int argc, char **argv,
                       struct err *e)
{
    const struct option options[] = {{0}};
    int first = command_options(command, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
    if (argc - first != 2)
        return err_say(e, -EINVAL, "usage: netctr %s %s", command->name, command->usage);
    char *const request[] = {argv[first], NULL};
    return ask(cli, argv[first + 1], "disconnect", request, e);
}

/* ---- ports -----------------------------------------------------------------------------------*/

static int publish(const struct cli *cli, int argc, char **argv, struct err *e)
{
    const struct option options[] = {{0}};
    int first = command_options(&command_publish, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
    if (argc - first < 2)
        return err_say(e, -EINVAL, "usage: netctr publish %s", command_publish.usage);
    return ask(cli, argv[first], "publish", argv + first + 1, e);
}

const struct command command_publish = {
    .name = "publish",
    .usage = "NAME [HOSTIP:][HOSTPORT:]PORT[/PROTOCOL]…",
    .summary = "Publish more ports of a running container",
    .run = publish,
};

static int unpublish(const struct cli *cli, int argc, char **argv, struct err *e)
{
    static char *const everything[] = {"--all", NULL};
    bool all = false;
    const struct option options[] = {
        {"all", 'a', OPTION_FLAG, NULL, "every port of the container", &all},
        {0},
    };
    int first = command_options(&command_unpublish, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
    if (argc - first < 1 || (argc - first == 1) != all)
        return err_say(e, -EINVAL, "usage: netctr unpublish %s", command_unpublish.usage);
    return ask(cli, argv[first], "unpublish", all ? everything : argv + first + 1, e);
}

const struct command command_unpublish = {
    .name = "unpublish",
    .usage = "NAME HOSTPORT[/PROTOCOL]… | NAME --all",
    .summary = "Withdraw published ports of a running container",
    .run = unpublish,
};
