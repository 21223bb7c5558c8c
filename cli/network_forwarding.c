/* netctr network forwarding. When netctr switches forwarding on for containers, it blocks forwarding between the host's own
 * links; this shows that, and opens or closes it. */
#include "network.h"

#include <errno.h>

static void print_closed(const json_t *closed)
{
    size_t i;
    const json_t *link;
    json_array_foreach (closed, i, link) {
        printf("%s%s", i ? ", " : "", json_string_value(link));
    }
}

void print_forwarding(const json_t *forwarding)
{
    static const char *const families[] = {"ipv4", "ipv6"};
    if (json_is_null(forwarding)) {
        printf("%-22sunknown: its record cannot be read (`netctr network reload` rebuilds it)\n",
               "forwarding");
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(families); i++) {
        const json_t *family = json_object_get(forwarding, families[i]);
        const json_t *closed = json_object_get(family, "closed");
        _cleanup_free_ char *key = xasprintf("forwarding_%s", families[i]);
        printf("%-22s%s", key, !json_flag(family, "on") ? "off" : "on");
        if (json_flag(family, "by_netctr"))
            printf(", switched on by netctr");
        if (json_array_size(closed) > 0) {
            printf(", for containers only: closed between ");
            print_closed(closed);
            printf(" (`netctr network forwarding --open` opens it)");
        }
        putchar('\n');
    }
}

static int show(struct engine *engine, const char *format, struct err *e)
{
    struct net *net;
    _cleanup_json_ json_t *j = NULL;
    int r = engine_net(engine, &net, e);
    if (r == 0)
        r = net_forwarding(net, &j, e);
    if (r == 0)
        (format ? print_json : print_forwarding)(j);
    return r;
}

int network_forwarding(const struct cli *cli, const struct command *command, int argc, char **argv,
                       struct err *e)
{
    bool open = false, closed = false;
    char *format = NULL;
    const struct option options[] = {
        {"open", 0, OPTION_FLAG, NULL, "forward packets between them, until the next boot", &open},
        {"close", 0, OPTION_FLAG, NULL, "stop forwarding packets between them", &closed},
        {"format", 0, OPTION_TEXT, "json", "print JSON", &format},
        {0},
    };
    int first = command_options(command, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
    if (first < argc)
        return err_say(e, -EINVAL, "`network forwarding` takes no names");
    if (open && closed)
        return err_say(e, -EINVAL, "--open and --close exclude each other");
    if (format && (open || closed))
        return err_say(e, -EINVAL, "--format and --%s exclude each other", open ? "open" : "close");
    int r = format_check(format, "network forwarding", e);
    _cleanup_engine_ struct engine engine = {0};
    bool change = open || closed;
    if (r == 0)
        r = change ? cli_engine(cli, &engine, e) : cli_engine_to_read(cli, &engine, e);
    if (r < 0)
        return r;
    return change ? engine_network_forwarding(&engine, open, e) : show(&engine, format, e);
}
