/* netctr info, netctr version. */
#include "cli.h"

#include <errno.h>
#include <sys/utsname.h>

static int count_one(const struct record *r, void *arg)
{
    size_t *count = arg;
    count[r->status == STATUS_EXITED]++;
    return 0;
}

static const char *cgroup_name(void)
{
    static const char *const names[] = {"none", "v1", "v2"};
    enum cgroup_kind kind;
    return cgroups_survey(&kind, NULL, NULL) < 0 ? "none" : names[kind];
}

static const char *expiry_name(struct engine *engine)
{
    static const char *const names[] = {"not asked yet", "no", "yes"};
    struct net *net;
    return engine_net(engine, &net, NULL) < 0 ? "unknown" : names[net_expiry(net)];
}

static json_t *forwarding(struct engine *engine)
{
    struct net *net;
    json_t *j = NULL;
    return engine_net(engine, &net, NULL) < 0 || net_forwarding(net, &j, NULL) < 0 ? json_null()
                                                                                   : j;
}

static int gather(struct engine *engine, json_t *j, struct err *e)
{
    size_t count[2] = {0};
    struct utsname u;
    (void)uname(&u);
    int r = engine_each(engine, count_one, count, e);
    json_put_str(j, "version", NETCTR_VERSION);
    json_put_str(j, "kernel", u.release);
    json_put_str(j, "machine", u.machine);
    json_put_str(j, "cgroup", cgroup_name());
    json_put_str(j, "firewall_expiry", expiry_name(engine));
    json_object_set_new(j, "forwarding", forwarding(engine));
    json_put_str(j, "root", engine->store.root);
    json_put_str(j, "run_root", engine->store.run);
    json_put_str(j, "instance", engine->store.instance);
    json_object_set_new(j, "helpers", engine_helpers(engine));
    json_object_set_new(j, "running", json_integer((json_int_t)count[0]));
    json_object_set_new(j, "ended", json_integer((json_int_t)count[1]));
    _cleanup_strv_ strv lacking = caps_names(CAPS_DEFAULT & ~caps_held_of(CAPS_DEFAULT));
    json_put_strv(j, "capabilities_missing", lacking);
    return r;
}

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
        else if (streq(key, "forwarding"))
            print_forwarding(value);
    }
}

static int info(const struct cli *cli, int argc, char **argv, struct err *e)
{
    char *format = NULL;
    const struct option options[] = {
        {"format", 'f', OPTION_TEXT, "json", "print JSON", &format},
        {0},
    };
    int first = command_options(&command_info, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
    if (first < argc)
        return err_say(e, -EINVAL, "`info` takes no names");
    int r = format_check(format, "info", e);
    _cleanup_engine_ struct engine engine = {0};
    _cleanup_json_ json_t *j = json_object();
    if (r == 0)
        r = cli_engine_to_read(cli, &engine, e);
    if (r == 0)
        r = gather(&engine, j, e);
    if (r == 0 && format) {
        json_dumpf(j, stdout, JSON_INDENT(2));
        putchar('\n');
    } else if (r == 0) {
        print_text(j);
    }
    return r;
}

const struct command command_info = {
    .name = "info",
    .usage = "[--format json]",
    .summary = "Show what netctr finds on this host",
    .example = "netctr info\nnetctr info --format json | jq -r .kernel",
    .run = info,
};

static int version(const struct cli *cli, int argc, char **argv, struct err *e)
{
    (void)cli;
    const struct option options[] = {{0}};
    int first = command_options(&command_version, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
    if (first < argc)
        return err_say(e, -EINVAL, "`version` takes no names");
    printf("netctr %s\n", NETCTR_VERSION);
    return 0;
}

const struct command command_version = {
    .name = "version",
    .usage = "",
    .summary = "Show the version",
    .example = "netctr version",
    .unprivileged = true,
    .run = version,
};
