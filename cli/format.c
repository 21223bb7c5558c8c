/* --format json, --filter, and for users of docker's templates an example of jq. */
#include "cli.h"
#include "template.h"

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

static void hint_at_jq(const char *format, const char *command, struct err *e)
{
    const struct example *best = NULL;
    for (const struct example *x = examples; x < examples + ARRAY_LEN(examples); x++)
        if (streq(x->command, command) && (!best || (x->field && strstr(format, x->field))))
            best = x;
    if (best)
        err_hint(e, "json has everything; pipe it to jq: netctr %s%s | jq -r '%s'", best->words,
                 needs_flag(command) ? " --format json" : "", best->filter);
}

int format_check(const char *format, const char *command, struct err *e)
{
    if (!format || streq(format, "json"))
        return 0;
    int r = err_say(e, -EINVAL, "unknown format `%s`", format);
    hint_at_jq(format, command, e);
    return r;
}

static int explain(int code, const char *format, const char *command, struct err *e)
{
    if (code < 0) {
        err_wrap(e, "format `%s`", format);
        hint_at_jq(format, command, e);
    }
    return code;
}

int format_parse(const char *format, const char *command, struct format *out, struct err *e)
{
    *out = (struct format){.text = format, .command = command};
    if (!format || !(strstr(format, "{{") || skip_prefix(format, "table ")))
        return format_check(format, command, e);
    return explain(template_parse(format, &out->template, e), format, command, e);
}

void format_clear(struct format *f)
{
    template_free(take_ptr(f->template));
}

int view_text(const struct format *f, const json_t *view, char **out, struct err *e)
{
    return explain(template_text(f->template, view, out, e), f->text, f->command, e);
}

int print_view(const struct format *f, const json_t *view, struct err *e)
{
    _cleanup_free_ char *line = NULL;
    int r = view_text(f, view, &line, e);
    if (r == 0)
        puts(line);
    return r;
}

/* A line's cells; columns that it lacks are empty. */
static size_t add_cells(struct strings *cells, const char *line, size_t columns)
{
    _cleanup_strv_ strv parts = strv_split(line, '\t');
    const size_t count = strv_len(parts);
    columns = columns ? columns : count;
    for (size_t i = 0; i < columns; i++)
        strings_add(cells, i < count ? parts[i] : "");
    return columns;
}

int print_views(const struct format *f, const json_t *views, const char *id_title, struct err *e)
{
    int r = 0;
    size_t i;
    json_t *view;
    const bool table = template_is_table(f->template);
    _cleanup_free_ char *titles = template_titles(f->template, id_title);
    _cleanup_strings_ struct strings cells = {0};
    const size_t columns = table ? add_cells(&cells, titles, 0) : 0;
    if (f->no_titles)
        strings_clear(&cells);
    json_array_foreach ((json_t *)views, i, view) {
        _cleanup_free_ char *line = NULL;
        if (r == 0 && !table)
            r = print_view(f, view, e);
        else if (r == 0 && (r = view_text(f, view, &line, e)) == 0)
            (void)add_cells(&cells, line, columns);
    }
    if (r == 0 && columns)
        print_table(cells.items, columns);
    return r;
}

int format_check_quiet(const char *format, bool quiet, struct err *e)
{
    if (format && quiet)
        return err_say(e, -EINVAL, "--format and --quiet exclude each other");
    return 0;
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
