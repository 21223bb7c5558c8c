/* --format json, --filter, and for users of docker's templates an example of jq. */
#include "cli.h"

#include <errno.h>
#include <string.h>

static const struct example {
    const char *command, *field, *words, *filter;
} examples[] = {
    /* The first one of a command is for fields that are not listed. */
    {"inspect", ".State.Pid", "inspect NAME", ".[0].state.pid"},
    {"inspect", ".State.Status", "inspect NAME", ".[0].state.status"},
    {"inspect", ".State.Running", "inspect NAME", ".[0].state.status == \"running\""},
    {"inspect", ".State.ExitCode", "inspect NAME", ".[0].state.exit_status"},
    {"inspect", ".RestartCount", "inspect NAME", ".[0].state.restarts"},
    {"inspect", "IPAddress", "inspect NAME", ".[0].endpoints[0].address"},
    {"inspect", "GlobalIPv6Address", "inspect NAME", ".[0].endpoints[0].address6"},
    {"inspect", "MacAddress", "inspect NAME", ".[0].endpoints[0].mac"},
    {"inspect", ".Id", "inspect NAME", ".[0].id"},
    {"inspect", ".Name", "inspect NAME", ".[0].name"},
    {"ps", ".Names", "ps -a", ".[].name"},
    {"ps", ".ID", "ps -a", ".[].id"},
    {"ps", ".Status", "ps -a", ".[].status"},
    {"ps", ".State", "ps -a", ".[].status"},
    {"ps", ".Ports", "ps -a", ".[].ports[]"},
    {"stats", NULL, "stats --no-stream", ".cpu_percent"},
    {"info", NULL, "info", ".kernel"},
    {"doctor", NULL, "doctor", ".[].text"},
    {"events", NULL, "events --no-stream", ".event"},
    {"network ls", NULL, "network ls", ".[].name"},
    {"network inspect", NULL, "network inspect NAME", ".[0].subnet"},
    {"network forwarding", NULL, "network forwarding", ".ipv4.on"},
};

/* inspect and events print nothing but JSON. */
static bool needs_flag(const char *command)
{
    return !streq(command, "inspect") && !streq(command, "network inspect") &&
           !streq(command, "events");
}

int format_check(const char *format, const char *command, struct err *e)
{
    const struct example *best = NULL;
    if (!format || streq(format, "json"))
        return 0;
    for (const struct example *x = examples; x < examples + ARRAY_LEN(examples); x++)
        if (streq(x->command, command) && (!best || (x->field && strstr(format, x->field))))
            best = x;
    int r = err_say(e, -EINVAL, "unknown format `%s`", format);
    if (best)
        err_hint(e, "the only one is json; pipe it to jq: netctr %s%s | jq -r '%s'", best->words,
                 needs_flag(command) ? " --format json" : "", best->filter);
    return r;
}

int format_check_quiet(const char *format, bool quiet, const char *command, struct err *e)
{
    if (format && quiet)
        return err_say(e, -EINVAL, "--format and --quiet exclude each other");
    return format_check(format, command, e);
}

void print_json(const json_t *j)
{
    json_dumpf(j, stdout, JSON_INDENT(2));
    putchar('\n');
}

bool filter_take(const char *text, const struct filter_key *keys)
{
    for (; keys->key; keys++) {
        const char *value = skip_prefix(text, keys->key);
        if (value && *value)
            strv_add(keys->values, value);
        if (value)
            return *value;
    }
    return false;
}

bool has_label(char *const *labels, const char *wanted)
{
    size_t length = strlen(wanted);
    strv_each (label, labels)
        if (strncmp(label, wanted, length) == 0 &&
            (!label[length] || (label[length] == '=' && !strchr(wanted, '='))))
            return true;
    return false;
}
