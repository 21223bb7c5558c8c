/* netctr network connect, disconnect; publish, unpublish. */
#include "engine/connect_request.h"
#include "engine/control.h"
#include "network.h"

#include <errno.h>
#include <string.h>

static int ask(const struct cli *cli, const char *name, const char *what, char *const *words,
               struct err *e)
{
    _cleanup_engine_ struct engine engine = {0};
    int code = cli_engine(cli, &engine, e);
    return code < 0 ? code : engine_change_network(&engine, name, what, words, e);
}

/* ---- networks --------------------------------------------------------------------------------*/

/* A flag, and the option of `--network` that it stands for. */
struct given {
    const char *flag, *key, *value;
    int family; /* of an address; 0: it is none */
};

/* A comma would begin another option. */
static int add_flag(char **text, const struct given *g, struct err *e)
{
    struct ip ip;
    if (!g->value)
        return 0;
    if (!*g->value || strchr(g->value, ','))
        return err_say(e, -EINVAL, "--%s `%s` is not one value", g->flag, g->value);
    if (g->family && (ip_parse(g->value, &ip) < 0 || ip.family != g->family))
        return err_say(e, -EINVAL, "--%s `%s` is not an %s address", g->flag, g->value,
                       g->family == AF_INET ? "IPv4" : "IPv6");
    connect_request_add_option(text, g->key, g->value);
    return 0;
}

int network_connect(const struct cli *cli, const struct command *command, int argc, char **argv,
                    struct err *e)
{
    char *ip = NULL, *ip6 = NULL, *mac = NULL, *interface = NULL, *rate = NULL, *priority = NULL;
    _cleanup_strv_ strv aliases = NULL;
    _cleanup_connect_request_ struct connect_request connect_request = {0};
    const struct option options[] = {
        {"ip", 0, OPTION_TEXT, "ADDRESS", "IPv4 address of the container there", &ip},
        {"ip6", 0, OPTION_TEXT, "ADDRESS", "IPv6 address of the container there", &ip6},
        {"mac-address", 0, OPTION_TEXT, "MAC", "MAC address of the container there", &mac},
        {"interface", 0, OPTION_TEXT, "NAME", "name of the interface in the container", &interface},
        {"alias", 0, OPTION_LIST, "NAME", "another name of the container there", &aliases},
        {"rate", 0, OPTION_TEXT, "RATE", "limit each direction to this rate: 500kbit, 10mbit",
         &rate},
        {"gw-priority", 0, OPTION_TEXT, "N",
         "the network with the highest one has the default route", &priority},
        {0},
    };
    int first = command_options(command, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
    if (argc - first != 2)
        return err_say(e, -EINVAL, "usage: netctr %s %s", command->name, command->usage);
    const struct given given[] = {
        {"ip", "ip", ip, AF_INET},      {"ip6", "ip6", ip6, AF_INET6},
        {"mac-address", "mac", mac, 0}, {"interface", "name", interface, 0},
        {"rate", "rate", rate, 0},      {"gw-priority", "gw-priority", priority, 0},
    };
    _cleanup_free_ char *text = xstrdup(argv[first]);
    int r = 0;
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(given); i++)
        r = add_flag(&text, &given[i], e);
    strv_each (alias, aliases)
        if (r == 0)
            r = add_flag(&text, &(struct given){"alias", "alias", alias, 0}, e);
    if (r == 0)
        r = connect_request_parse(text, &connect_request, e);
    if (r < 0)
        return r;
    char *const request[] = {text, NULL};
    return ask(cli, argv[first + 1], "connect", request, e);
}

/* Not of those that waited before. */
static void warn_of_lost_ports(struct engine *engine, const struct record *before)
{
    const char *name = before->spec.name;
    _cleanup_record_ struct record now = {0};
    _cleanup_strv_ strv lost = NULL;
    if (engine_find(engine, name, &now, NULL) < 0 || now.status == STATUS_EXITED)
        return;
    strv_each (port, now.spec.unpublished)
        if (!strv_has(before->spec.unpublished, port))
            strv_add(&lost, port);
    _cleanup_free_ char *ports = strv_join(lost, ", ");
    if (lost)
        warn("container `%s` does not publish %s any more: none of its networks can carry that",
             name, ports);
}

int disconnect_container(struct engine *engine, const char *name, const char *network,
                         struct err *e)
{
    _cleanup_record_ struct record before = {0};
    _cleanup_free_ char *word = xstrdup(network);
    char *const words[] = {word, NULL};
    int r = engine_find(engine, name, &before, e);
    if (r == 0)
        r = engine_change_network(engine, before.spec.name, "disconnect", words, e);
    if (r == 0)
        warn_of_lost_ports(engine, &before);
    return r;
}

int network_disconnect(const struct cli *cli, const struct command *command, int argc, char **argv,
                       struct err *e)
{
    bool force = false;
    const struct option options[] = {
        {"force", 'f', OPTION_FLAG, NULL, "as in docker; a network that is gone needs no flag",
         &force},
        {0},
    };
    int first = command_options(command, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
    if (argc - first != 2)
        return err_say(e, -EINVAL, "usage: netctr %s %s", command->name, command->usage);
    if (!valid_name(argv[first]))
        return err_say(e, -EINVAL, "invalid network name `%s`", argv[first]);
    _cleanup_engine_ struct engine engine = {0};
    int r = cli_engine(cli, &engine, e);
    return r < 0 ? r : disconnect_container(&engine, argv[first + 1], argv[first], e);
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
    .example = "netctr publish web 8081:80\nnetctr publish web 127.0.0.1:5353:53/udp",
    .run = publish,
};

static int unpublish(const struct cli *cli, int argc, char **argv, struct err *e)
{
    static char *const everything[] = {"--all", NULL};
    bool all = false;
    const struct option options[] = {
        {"all", 'a', OPTION_FLAG, NULL, "all ports of the container", &all},
        {0},
    };
    int first = command_options(&command_unpublish, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
    if (all && argc - first > 1)
        return err_say(e, -EINVAL, "--all and ports exclude each other");
    if (argc - first < (all ? 1 : 2))
        return err_say(e, -EINVAL, "usage: netctr unpublish %s", command_unpublish.usage);
    return ask(cli, argv[first], "unpublish", all ? everything : argv + first + 1, e);
}

const struct command command_unpublish = {
    .name = "unpublish",
    .usage = "NAME HOSTPORT[/PROTOCOL]… | NAME --all",
    .summary = "Withdraw published ports of a running container",
    .example = "netctr unpublish web 8081\nnetctr unpublish web 5353/udp",
    .risky = true,
    .run = unpublish,
};
