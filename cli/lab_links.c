/* netctr lab set, lab link; and the part of `lab inspect` that shows links. */
#include "lab.h"

#include <errno.h>
#include <string.h>

/* ---- shown -----------------------------------------------------------------------------------*/

/* "delay 20ms loss 1%" */
static char *impairment_words(const json_t *impairments)
{
    strv words = NULL;
    const char *key;
    const json_t *value;
    json_object_foreach ((json_t *)impairments, key, value) {
        strv_add_take(&words, xasprintf("%s %s", key, json_string_value(value)));
    }
    char *text = strv_join(words, " ");
    strv_free(words);
    return text;
}

static void add_row(const json_t *end, const json_t *other, strv *cells)
{
    const json_t *impairments = json_object_get(end, "impairments");
    const char *how = json_str(end, "applied_by"), *to = json_str(other, "end");
    _cleanup_free_ char *words = impairment_words(impairments);
    strv_add(cells, json_str(end, "end"));
    strv_add(cells, to ? to : "");
    strv_add(cells, json_str(end, "state"));
    strv_add(cells, words);
    strv_add(cells, !impairments ? "" : how ? how : "not applied");
}

bool lab_links_print(const json_t *links, bool all)
{
    static const char *const titles[] = {"FROM", "TO", "STATE", "IMPAIRMENTS", "BY"};
    _cleanup_strv_ strv cells = NULL;
    const json_t *link;
    size_t i;
    bool any = false;
    for (i = 0; i < ARRAY_LEN(titles); i++)
        strv_add(&cells, titles[i]);
    json_array_foreach (links, i, link) {
        for (size_t k = 0; k < 2; k++) {
            const json_t *ends = json_object_get(link, "ends"), *end = json_array_get(ends, k);
            if (!json_str(end, "state") || (!all && !json_object_get(end, "impairments")))
                continue;
            add_row(end, json_array_get(ends, 1 - k), &cells);
            any = true;
        }
    }
    if (any)
        print_table(cells, ARRAY_LEN(titles));
    return any;
}

void lab_relay_print(const json_t *relay, const char *lab)
{
    if (relay && !json_flag(relay, "alive"))
        printf(
            "\nThe relay that impairs these links has died: `netctr lab restart -n %s` starts it "
            "again.\n",
            lab);
}

/* ---- set -------------------------------------------------------------------------------------*/

int lab_set_command(const struct cli *cli, const struct command *command, int argc, char **argv,
                    struct err *e)
{
    struct lab_choice choice = {0};
    const struct option options[] = {LAB_CHOICE_OPTIONS(choice), {0}};
    int first = command_options(command, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
    if (argc - first < 2)
        return err_say(e, -EINVAL, "usage: netctr %s %s", command->name, command->usage);
    _cleanup_engine_ struct engine engine = {0};
    _cleanup_lab_ struct lab l = {.dir = -1, .lock = -1};
    int r = cli_engine(cli, &engine, e);
    if (r == 0)
        r = lab_choose(&engine, &choice, NULL, &l, e);
    return r == 0 ? lab_impair(&engine, l.name, argv[first], argv + first + 1, e) : r;
}

/* ---- link ------------------------------------------------------------------------------------*/

static int list(struct engine *engine, const struct lab *l, bool as_json, struct err *e)
{
    json_t *links = NULL, *relay = NULL;
    int r = lab_links(engine, l, &links, &relay, e);
    if (r == 0 && as_json) {
        print_json(links);
    } else if (r == 0) {
        (void)lab_links_print(links, true);
        lab_relay_print(relay, l->name);
    }
    json_decref(links);
    json_decref(relay);
    return r;
}

static int switch_links(struct engine *engine, const struct lab *l, char *const *links, bool up,
                        struct err *e)
{
    int r = 0;
    strv_each (link, links)
        if (r == 0)
            r = lab_link_switch(engine, l->name, link, up, e);
    return r;
}

int lab_link_command(const struct cli *cli, const struct command *command, int argc, char **argv,
                     struct err *e)
{
    struct lab_choice choice = {0};
    char *format = NULL;
    const struct option options[] = {
        LAB_CHOICE_OPTIONS(choice),
        {"format", 'f', OPTION_TEXT, "json", "of `ls`: print JSON", &format},
        {0},
    };
    int first = command_options(command, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
    const char *verb = first < argc ? argv[first] : "";
    const bool ls = streq(verb, "ls"), up = streq(verb, "up");
    if ((!ls && !up && !streq(verb, "down")) || (argc - first > 1) == ls)
        return err_say(e, -EINVAL, "usage: netctr %s %s", command->name, command->usage);
    int r = format_check(format, "lab link ls", e);
    _cleanup_engine_ struct engine engine = {0};
    _cleanup_lab_ struct lab l = {.dir = -1, .lock = -1};
    if (r == 0)
        r = ls ? cli_engine_to_read(cli, &engine, e) : cli_engine(cli, &engine, e);
    if (r == 0)
        r = lab_choose(&engine, &choice, NULL, &l, e);
    if (r < 0)
        return r;
    return ls ? list(&engine, &l, format, e) : switch_links(&engine, &l, argv + first + 1, up, e);
}
