/* The common start of all commands: its flags and its help, and opening the engine. */
#include "cli.h"

void command_help(FILE *out, const struct command *command, const struct option *options)
{
    fprintf(out, "usage: netctr %s%s%s\n\n%s\n", command->name, *command->usage ? " " : "",
            command->usage, command->summary);
    if (options->name) {
        fprintf(out, "\nflags:\n");
        options_print(out, options);
    }
    _cleanup_strv_ strv lines = strv_split(command->example ? command->example : "", '\n');
    fprintf(out, "\nexample%s:\n", lines[0] && lines[1] ? "s" : "");
    strv_each (line, lines)
        fprintf(out, "  %s\n", line);
}

int command_options(const struct command *command, const struct option *options, bool intermixed,
                    int *argc, char **argv, struct err *e)
{
    bool help = false;
    int first =
        options_parse(options, absent_flags(command->name), intermixed, *argc, argv, &help, e);
    if (first < 0 || !help)
        return first;
    command_help(stdout, command, options);
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
