/* netctr info, netctr version. */
#include "view.h"

#include <errno.h>

static void print_helpers(const json_t *j)
{
    const json_t *servers = json_object_get(j, "name_servers");
    if (!json_flag(j, "work")) {
        printf("%-22s%s\n", "helpers", "none");
        return;
    }
    printf("%-22sprocess %d, standby %d; names on port %d by %d, %d\n", "helpers",
           (int)json_int(j, "helper", 0), (int)json_int(j, "standby", 0),
           (int)json_int(j, "names_port", 0), (int)json_integer_value(json_array_get(servers, 0)),
           (int)json_integer_value(json_array_get(servers, 1)));
}

static void print_user_namespaces(const json_t *j)
{
    const char *why = json_str(j, "why_not");
    int fallbacks = (int)json_int(j, "fallbacks", 0);
    printf("%-22s%s", "user_namespaces", why ? why : "possible");
    if (fallbacks)
        printf("; %d container%s in the host's by fallback", fallbacks, fallbacks == 1 ? "" : "s");
    printf("\n");
}

static void print_text(json_t *j)
{
    const char *key;
    json_t *value;
    json_object_foreach (j, key, value) {
        if (json_is_string(value))
            printf("%-22s%s\n", key, json_string_value(value));
        else if (json_is_integer(value))
            printf("%-22s%" JSON_INTEGER_FORMAT "\n", key, json_integer_value(value));
        else if (streq(key, "helpers"))
            print_helpers(value);
        else if (streq(key, "user_namespaces"))
            print_user_namespaces(value);
        else if (streq(key, "forwarding"))
            print_forwarding(value);
    }
}

static int info(const struct cli *cli, int argc, char **argv, struct err *e)
{
    char *format = NULL;
    const struct option options[] = {
        {"format", 'f', OPTION_TEXT, "FORMAT", "json, or a template: '{{.ServerVersion}}'",
         &format},
        {0},
    };
    int first = command_options(&command_info, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
    if (first < argc)
        return err_say(e, -EINVAL, "`info` takes no names");
    _cleanup_format_ struct format f = {0};
    int r = format_parse(format, "info", &f, e);
    _cleanup_engine_ struct engine engine = {0};
    _cleanup_json_ json_t *j = NULL;
    if (r == 0)
        r = cli_engine_to_read(cli, &engine, e);
    if (r == 0)
        r = engine_info(&engine, &j, e);
    if (r == 0 && f.template)
        view_info(j);
    if (r == 0 && f.template)
        r = print_view(&f, j, e);
    else if (r == 0 && format)
        print_json(j);
    else if (r == 0)
        print_text(j);
    return r;
}

const struct command command_info = {
    .name = "info",
    .usage = "[--format FORMAT]",
    .summary = "Show this host and the state of netctr",
    .example = "netctr info\nnetctr info --format json | jq -r .kernel",
    .run = info,
};

static int version(const struct cli *cli, int argc, char **argv, struct err *e)
{
    (void)cli;
    char *format = NULL;
    const struct option options[] = {
        {"format", 'f', OPTION_TEXT, "FORMAT", "json, or a template: '{{.Server.Version}}'",
         &format},
        {0},
    };
    int first = command_options(&command_version, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
    if (first < argc)
        return err_say(e, -EINVAL, "`version` takes no names");
    _cleanup_format_ struct format f = {0};
    int r = format_parse(format, "version", &f, e);
    if (r < 0)
        return r;
    _cleanup_json_ json_t *j =
        f.template ? json_pack("{s:s, s:{s:s}, s:{s:s}}", "Version", NETCTR_VERSION, "Client",
                               "Version", NETCTR_VERSION, "Server", "Version", NETCTR_VERSION)
                   : json_pack("{s:s}", "version", NETCTR_VERSION);
    if (f.template)
        return print_view(&f, j, e);
    if (format)
        print_json(j);
    else
        printf("netctr %s\n", NETCTR_VERSION);
    return 0;
}

const struct command command_version = {
    .name = "version",
    .usage = "[--format FORMAT]",
    .summary = "Show the version",
    .example = "netctr version\nnetctr --version",
    .unprivileged = true,
    .run = version,
};
