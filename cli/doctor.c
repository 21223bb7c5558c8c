/* netctr doctor: what keeps containers from working, each with its cure. The checks are doctor/'s. */
#include "cli.h"

#include <netctr/doctor.h>

#include <errno.h>

static void print_text(const json_t *findings)
{
    static const char *const order[] = {"problem", "warning", "note"};
    size_t i;
    json_t *f;
    for (size_t s = 0; s < ARRAY_LEN(order); s++)
        json_array_foreach (findings, i, f) {
            if (streq(json_str(f, "severity"), order[s]))
                printf("%s: %s\n    cure: %s\n", order[s], json_str(f, "text"),
                       json_str(f, "cure"));
        }
    if (json_array_size(findings) == 0)
        printf("no problems found\n");
}

static bool has_problem(const json_t *findings)
{
    size_t i;
    json_t *f;
    json_array_foreach (findings, i, f) {
        if (streq(json_str(f, "severity"), "problem"))
            return true;
    }
    return false;
}

static int run(const struct cli *cli, int argc, char **argv, struct err *e)
{
    char *format = NULL;
    const struct option options[] = {
        {"format", 0, OPTION_TEXT, "json", "print JSON", &format},
        {0},
    };
    int first = command_options(&command_doctor, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
    if (first < argc)
        return err_say(e, -EINVAL, "`doctor` takes no names");
    int r = format_check(format, "doctor", e);
    if (r < 0)
        return r;
    _cleanup_json_ json_t *findings = NULL;
    r = doctor_examine(cli->root, cli->run_root, &findings, e);
    if (format) {
        json_dumpf(findings, stdout, JSON_INDENT(2));
        putchar('\n');
    } else if (r == 0 || json_array_size(findings)) {
        print_text(findings);
    }
    return r < 0 ? r : has_problem(findings);
}

const struct command command_doctor = {
    .name = "doctor",
    .example = "netctr doctor\nnetctr doctor --format json | jq -r '.[].cure'",
    .usage = "[--format json]",
    .summary = "Check this host for problems and suggest fixes",
    .run = run,
};
