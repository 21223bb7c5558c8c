/* netctr lab save: the topology as it is now, as YAML. */
#include "lab.h"

#include <errno.h>

static void print_scalar(const json_t *j)
{
    if (json_is_string(j) && yaml_is_plain(json_string_value(j))) {
        fputs(json_string_value(j), stdout);
        return;
    }
    _cleanup_free_ char *text = json_dumps(j, JSON_ENCODE_ANY | JSON_COMPACT);
    fputs(text ? text : "null", stdout);
}

static bool is_flat(const json_t *j)
{
    const json_t *item;
    size_t i;
    if (!json_is_array(j))
        return !json_is_object(j);
    json_array_foreach (j, i, item) {
        if (json_is_object(item) || json_is_array(item))
            return false;
    }
    return json_array_size(j) <= 2;
}

static void print_flat(const json_t *j)
{
    const json_t *item;
    size_t i;
    if (!json_is_array(j)) {
        print_scalar(j);
        return;
    }
    putchar('[');
    json_array_foreach (j, i, item) {
        fputs(i ? ", " : "", stdout);
        print_scalar(item);
    }
    putchar(']');
}

/* @first: the cursor is behind "- ". */
static void print_block(const json_t *j, int indent, bool first)
{
    const char *key;
    const json_t *value;
    size_t i;
    if (json_is_array(j)) {
        json_array_foreach (j, i, value) {
            printf("%*s- ", indent, "");
            if (is_flat(value)) {
                print_flat(value);
                putchar('\n');
            } else {
                print_block(value, indent + 2, true);
            }
        }
        return;
    }
    json_object_foreach ((json_t *)j, key, value) {
        _cleanup_json_ json_t *name = json_string(key);
        printf("%*s", first ? 0 : indent, "");
        first = false;
        print_scalar(name);
        putchar(':');
        if (is_flat(value)) {
            putchar(' ');
            print_flat(value);
            putchar('\n');
        } else {
            putchar('\n');
            print_block(value, indent + 2, false);
        }
    }
}

int lab_save_command(const struct cli *cli, const struct command *command, int argc, char **argv,
                     struct err *e)
{
    struct lab_choice choice = {0};
    const struct option options[] = {LAB_CHOICE_OPTIONS(choice), {0}};
    int first = command_options(command, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
    if (argc - first > 1)
        return err_say(e, -EINVAL, "usage: netctr %s %s", command->name, command->usage);
    _cleanup_engine_ struct engine engine = {0};
    _cleanup_lab_ struct lab l = {.dir = -1, .lock = -1};
    _cleanup_json_ json_t *json = NULL;
    int r = cli_engine_to_read(cli, &engine, e);
    if (r == 0)
        r = lab_choose(&engine, &choice, first < argc ? argv[first] : NULL, &l, e);
    if (r == 0)
        r = lab_save_live(&engine, &l, &json, e);
    if (r == 0)
        print_block(json, 0, false);
    return r;
}
