/* netctr network connect, disconnect; publish, unpublish. */
#include "network.h"

#include <errno.h>
#include <string.h>

/* ---- networks --------------------------------------------------------------------------------*/

/* A flag, and the option of `--network` that it stands for. */
struct given {
    const char *flag, *key, *value;
    int family; /* of an address; 0: not an address */
};

static int take_flag(struct connect_request *request, const struct given *g, struct err *e)
{
    struct ip ip;
    if (!g->value)
        return 0;
    /* As in `--network`, where a comma would begin another option. */
    if (!*g->value || strchr(g->value, ','))
        return err_say(e, -EINVAL, "--%s `%s` is not one value", g->flag, g->value);
    if (g->family && (ip_parse(g->value, &ip) < 0 || ip.family != g->family))
        return err_say(e, -EINVAL, "--%s `%s` is not an %s address", g->flag, g->value,
                       g->family == AF_INET ? "IPv4" : "IPv6");
    int r = connect_request_set(request, g->key, g->value, e);
    if (r < 0)
        err_wrap(e, "network `%s`", request->network);
    return r;
}

static int take_list(struct connect_request *request, const char *key, char *const *values,
                     struct err *e)
{
    int r = 0;
    strv_each (value, values)
        if (r == 0)
            r = take_flag(request, &(struct given){key, key, value, 0}, e);
    return r;
}

static int connect_container(const struct cli *cli, const char *name,
                             const struct connect_request *request, struct err *e)
{
    _cleanup_engine_ struct engine engine = {0};
    int r = cli_engine(cli, &engine, e);
    return r < 0 ? r : engine_connect(&engine, name, request, e);
}

int network_connect(const struct cli *cli, const struct command *command, int argc, char **argv,
                    struct err *e)
{
    char *ip = NULL, *ip6 = NULL, *mac = NULL, *interface = NULL, *rate = NULL, *priority = NULL;
    _cleanup_strv_ strv aliases = NULL, routes = NULL, gateways = NULL;
    _cleanup_connect_request_ struct connect_request request = {0};
    const struct option options[] = {
        {"ip", 0, OPTION_TEXT, "ADDRESS", "IPv4 address of the container there", &ip},
        {"ip6", 0, OPTION_TEXT, "ADDRESS", "IPv6 address of the container there", &ip6},
        {"mac-address", 0, OPTION_TEXT, "MAC", "MAC address of the container there", &mac},
        {"interface", 0, OPTION_TEXT, "NAME", "name of the interface in the container", &interface},
        {"alias", 0, OPTION_LIST, "NAME", "another name of the container there", &aliases},
        {"rate", 0, OPTION_TEXT, "RATE", "limit each direction to this rate: 500kbit, 10mbit",
         &rate},
        {"gw-priority", 0, OPTION_TEXT, "N",
         "the network with the highest one gets the default route", &priority},
        {"gateway", 0, OPTION_LIST, "ADDRESS",
         "default route by this address instead of the host's, one for each family", &gateways},
        {"route", 0, OPTION_LIST, "CIDR@GATEWAY[@METRIC]", "another route of the container",
         &routes},
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
    int r = connect_request_parse(argv[first], &request, e);
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(given); i++)
        r = take_flag(&request, &given[i], e);
    if (r == 0)
        r = take_list(&request, "alias", aliases, e);
    if (r == 0)
        r = take_list(&request, "gateway", gateways, e);
    if (r == 0)
        r = take_list(&request, "route", routes, e);
    return r == 0 ? connect_container(cli, argv[first + 1], &request, e) : r;
}

int network_disconnect(const struct cli *cli, const struct command *command, int argc, char **argv,
                       struct err *e)
{
    bool force = false;
    const struct option options[] = {
        {"force", 'f', OPTION_FLAG, NULL,
         "accepted as in docker; a network that is gone needs no flag", &force},
        {0},
    };
    int first = command_options(command, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
    if (argc - first != 2)
        return err_say(e, -EINVAL, "usage: netctr %s %s", command->name, command->usage);
    _cleanup_engine_ struct engine engine = {0};
    _cleanup_strv_ strv warnings = NULL;
    int r = cli_engine(cli, &engine, e);
    if (r == 0)
        r = engine_disconnect(&engine, argv[first + 1], argv[first], &warnings, e);
    warn_each(warnings);
    return r;
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
    _cleanup_engine_ struct engine engine = {0};
    _cleanup_strv_ strv published = NULL;
    int r = cli_engine(cli, &engine, e);
    if (r == 0)
        r = engine_publish(&engine, argv[first], argv + first + 1, &published, e);
    strv_each (port, published)
        printf("%s\n", port);
    return r;
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
    _cleanup_engine_ struct engine engine = {0};
    int r = cli_engine(cli, &engine, e);
    return r < 0 ? r : engine_unpublish(&engine, argv[first], all ? NULL : argv + first + 1, e);
}

const struct command command_unpublish = {
    .name = "unpublish",
    .usage = "NAME HOSTPORT[/PROTOCOL]… | NAME --all",
    .summary = "Withdraw published ports of a running container",
    .example = "netctr unpublish web 8081\nnetctr unpublish web 5353/udp",
    .risky = true,
    .run = unpublish,
};
