/* netctr docker, which is also what a link named `docker` runs: docker's command line and the shape of its output, for scripts
 * that call `docker exec` or parse `docker ps`. The commands are netctr's own; struct cli tells them.
 */
#include "cli.h"

#include <errno.h>
#include <string.h>

static const char ps_table[] = "table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t"
                               "{{.Status}}\t{{.Ports}}\t{{.Names}}";
static const char network_table[] = "table {{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}";

/* Do the flags of a listing contain --quiet? Values of other flags do not begin with a dash. */
static bool is_quiet(char *const *words)
{
    strv_each (word, words)
        if (streq(word, "--quiet") ||
            (word[0] == '-' && word[1] != '-' && strchr("aqnl", word[1]) && strchr(word, 'q')))
            return true;
    return false;
}

/* Adds docker's columns, and makes `--format json` a line for each. */
static void shape_listing(strv *words, const char *table)
{
    bool format = false;
    for (char **word = *words; *word; word++) {
        const bool separate = streq(*word, "--format") && word[1];
        char **value = separate ? word + 1 : word;
        format = format || separate || skip_prefix(*word, "--format=");
        if (streq(separate ? *value : skip_prefix(*word, "--format="), "json")) {
            free(*value);
            *value = xstrdup(separate ? "{{json .}}" : "--format={{json .}}");
        }
    }
    if (format || is_quiet(*words))
        return;
    strv_add(words, "--format");
    strv_add(words, table);
}

/* `container ls` is an old name of `ps`, and so on. */
static int take_command(char **argv, strv *out, struct err *e)
{
    const bool container = streq(argv[0], "container"), network = streq(argv[0], "network");
    char **rest = argv + container;
    if (container && !*rest)
        return err_say(e, -EINVAL,
                       "`docker container` needs a command, as in `docker container ls`");
    const bool list =
        streq(*rest, "ps") || (container && (streq(*rest, "ls") || streq(*rest, "list")));
    strv_add(out, list ? "ps" : *rest);
    for (rest++; *rest; rest++)
        strv_add(out, *rest);
    if (network && *out && (*out)[1] && streq((*out)[1], "list")) {
        free((*out)[1]);
        (*out)[1] = xstrdup("ls");
    }
    if (list)
        shape_listing(out, ps_table);
    if (network && streq((*out)[1], "ls"))
        shape_listing(out, network_table);
    return 0;
}

/* Flags in front of the command that change nothing here. */
struct globals {
    char *log_level, *config;
    bool debug, version;
};
#define GLOBALS(g)                                                                     \
    {"config", 0, OPTION_TEXT, "DIR", "no effect", &(g).config},                       \
        {"debug", 'D', OPTION_FLAG, NULL, "no effect", &(g).debug},                    \
        {"log-level", 'l', OPTION_TEXT, "LEVEL", "no effect", &(g).log_level},         \
    {                                                                                  \
        "version", 'v', OPTION_FLAG, NULL, "print the version of netctr", &(g).version \
    }

static int show_help(FILE *out)
{
    struct globals g = {0};
    const struct option options[] = {GLOBALS(g), {0}};
    command_help(out, &command_docker, options, true);
    return out == stdout ? 0 : 1;
}

int docker_words(int argc, char **argv, strv *out, struct err *e)
{
    struct globals g = {0};
    bool help = false;
    const struct option options[] = {GLOBALS(g), {0}};
    _cleanup_free_ struct absent *absent = absent_flags("");
    int first = options_parse(options, absent, false, argc, argv, &help, e);
    if (first < 0)
        return first;
    if (g.version) {
        strv_add(out, "version");
        return 0;
    }
    if (help || first >= argc)
        return show_help(help ? stdout : stderr);
    return take_command(argv + first, out, e);
}

static int run(const struct cli *cli, int argc, char **argv, struct err *e)
{
    (void)cli, (void)argc, (void)argv, (void)e;
    return show_help(stdout);
}

const struct command command_docker = {
    .name = "docker",
    .usage = "COMMAND [ARG…]",
    .summary = "Run COMMAND with docker's flags and output; a link to netctr named `docker` does "
               "the same",
    .example = "netctr docker exec -it clab-two-lans-h1 sh\n"
               "netctr docker ps --filter label=containerlab=two-lans --format '{{.Names}}'",
    .unprivileged = true,
    .hidden = true,
    .run = run,
};
