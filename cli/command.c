/* The common start of all commands: its flags and its help, and opening the engine. */
#include "cli.h"

void list_command(FILE *out, const char *name, size_t width, const char *summary)
{
    fputs("  ", out);
    print_padded(out, name, width);
    fputc(' ', out);
    print_wrapped(out, summary, width + 3, OPTIONS_COLUMNS);
}

static size_t count_flags(const struct option *options)
{
    size_t count = 0;
    while (options[count].name)
        count++;
    return count;
}

void command_help(FILE *out, const struct command *command, const struct option *options, bool all)
{
    const char *const *only = all ? NULL : command->common;
    fprintf(out, "usage: netctr %s%s%s\n\n", command->name, *command->usage ? " " : "",
            command->usage);
    print_wrapped(out, command->summary, 0, OPTIONS_COLUMNS);
    if (options->name) {
        fprintf(out, "\n%sflags:\n", only ? "common " : "");
        options_print(out, options, only);
    }
    if (only)
        fprintf(out, "  `netctr help %s --all` shows all %zu flags.\n", command->name,
                count_flags(options));
    _cleanup_strv_ strv lines = strv_split(command->example ? command->example : "", '\n');
    fprintf(out, "\nexamples:\n");
    strv_each (line, lines)
        fprintf(out, "  %s\n", line);
}

/* `--help --all`, and nothing else. */
static bool asks_for_all(int argc, char **argv)
{
    return argc == 3 && streq(argv[1], "--help") && streq(argv[2], "--all");
}

int command_options(const struct command *command, const struct option *options, bool intermixed,
                    int *argc, char **argv, struct err *e)
{
    bool help = false, all = asks_for_all(*argc, argv);
    _cleanup_free_ struct absent *absent = absent_flags(command->name);
    int first = all ? 0 : options_parse(options, absent, intermixed, *argc, argv, &help, e);
    if (!all && (first < 0 || !help))
        return first;
    command_help(stdout, command, options, all);
    return 0;
}

int cli_engine(const struct cli *cli, struct engine *out, struct err *e)
{
    return engine_open(cli->root, cli->run_root, out, e);
}

int cli_engine_and_repair(const struct cli *cli, struct engine *out, struct err *e)
{
    int r = cli_engine(cli, out, e);
    return r < 0 ? r : engine_repair_all(out, e);
}

int cli_engine_to_read(const struct cli *cli, struct engine *out, struct err *e)
{
    return engine_open_to_read(cli->root, cli->run_root, out, e);
}
