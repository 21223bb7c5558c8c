/* netctr: parses the global flags, finds the command, prints its error. Nothing else. */
#include "cli.h"

#include "core/seal.h"

#include <errno.h>
#include <linux/close_range.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>

static const struct command *const commands[] = {
    &command_run,    &command_exec,    &command_ps,      &command_logs,      &command_inspect,
    &command_start,  &command_restart, &command_boot,    &command_stop,      &command_kill,
    &command_rm,     &command_port,    &command_publish, &command_unpublish, &command_network,
    &command_gc,     &command_doctor,  &command_events,  &command_info,      &command_version,
    &command_helper,
};

static void print_usage(FILE *out, const struct option *globals)
{
    fprintf(out, "usage: netctr [FLAGS] COMMAND [ARG…]\n\ncommands:\n");
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (!commands[i]->hidden)
            fprintf(out, "  %-9s %s\n", commands[i]->name, commands[i]->summary);
    fprintf(out, "\nflags:\n");
    options_print(out, globals);
    fprintf(out, "\n`netctr COMMAND --help` tells about a command.\n");
}

static const struct command *find_command(const char *name, struct err *e)
{
    const char *names[ARRAY_LEN(commands) + 1] = {NULL};
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        if (streq(commands[i]->name, name))
            return commands[i];
        names[i] = commands[i]->hidden ? "" : commands[i]->name;
    }
    const char *near = nearest_word(name, names);
    err_say(e, -EINVAL, "unknown command `%s`", name);
    if (near)
        err_hint(e, "did you mean `netctr %s`?", near);
    else
        err_hint(e, "`netctr --help` lists them");
    return NULL;
}

void command_help(FILE *out, const struct command *command, const struct option *options)
{
    fprintf(out, "usage: netctr %s%s%s\n\n%s\n", command->name, *command->usage ? " " : "",
            command->usage, command->summary);
    if (options->name) {
        fprintf(out, "\nflags:\n");
        options_print(out, options);
    }
}

int command_options(const struct command *command, const struct option *options, bool intermixed,
                    int *argc, char **argv, struct err *e)
{
    bool help = false;
    int first = options_parse(options, intermixed, *argc, argv, &help, e);
    if (first < 0 || !help)
        return first;
    command_help(stdout, command, options);
    return 0;
}

int cli_world(const struct cli *cli, struct world *out, struct err *e)
{
    return world_open(cli->root, cli->run_root, out, e);
}

int cli_bridge(const struct cli *cli, struct world *out, struct bridge **bridge, struct err *e)
{
    int r = cli_world(cli, out, e);
    return r == 0 ? world_bridge(out, bridge, e) : r;
}

int cli_world_to_read(const struct cli *cli, struct world *out, struct err *e)
{
    return world_open_to_read(cli->root, cli->run_root, out, e);
}

int cli_bridge_to_read(const struct cli *cli, struct world *out, struct bridge **bridge,
                       struct err *e)
{
    int r = cli_world_to_read(cli, out, e);
    return r == 0 ? world_bridge(out, bridge, e) : r;
}

/* Descriptors that the caller left open are no business of a container's, and the three streams must
 * be open, or a socket of ours would take their place. Who writes to one that was closed hears so (EBADF). */
static int tidy_descriptors(struct err *e)
{
    int fd;
    do {
        fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            return err_set(e, errno, "open /dev/null");
    } while (fd <= STDERR_FILENO && fcntl(fd, F_SETFD, 0) == 0);
    close(fd);
    return close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) < 0
               ? err_set(e, errno, "mark the inherited descriptors")
               : 0;
}

/* Which command, and nothing of what it was told. */
static void hide_arguments(const char *command)
{
    _cleanup_free_ char *title = xasprintf("netctr %s", command);
    proc_set_title(title);
}

static int dispatch(int argc, char **argv, struct err *e)
{
    char **all = argv;
    char *root = "/var/lib/netctr", *run_root = "/run/netctr";
    bool help = false, version = false;
    const struct option globals[] = {
        {"root", 0, OPTION_TEXT, "DIR", "state that survives a reboot (/var/lib/netctr)", &root},
        {"run-root", 0, OPTION_TEXT, "DIR", "state that does not (/run/netctr)", &run_root},
        {"version", 'v', OPTION_FLAG, NULL, "print the version", &version},
        {0},
    };
    int first = options_parse(globals, false, argc, argv, &help, e);
    if (first < 0)
        return first;
    if (version)
        return command_version.run(NULL, 1, argv, e);
    if (help || first >= argc || streq(argv[first], "help")) {
        if (!help && first + 1 < argc) {
            const struct command *about = find_command(argv[first + 1], e);
            char *ask[] = {argv[first + 1], "--help", NULL};
            struct cli none = {root, run_root};
            return about ? about->run(&none, 2, ask, e) : -EINVAL;
        }
        print_usage(help || first < argc ? stdout : stderr, globals);
        return help || first < argc ? 0 : EXIT_NETCTR;
    }
    const struct command *command = find_command(argv[first], e);
    if (!command)
        return -EINVAL;
    bool asks_help =
        first + 1 < argc && (streq(argv[first + 1], "--help") || streq(argv[first + 1], "-h"));
    if (!command->unprivileged && !asks_help && geteuid() != 0) {
        err_say(e, -EPERM, "`%s` needs root", command->name);
        return err_hint(e, "try `sudo netctr %s …`", command->name);
    }
    if (command->sealed && !asks_help) {
        int r = seal_self(all, e);
        if (r < 0)
            return r;
        (void)prctl(PR_SET_NAME, "netctr");
    }
    const struct cli cli = {root, run_root};
    hide_arguments(command->name);
    return command->run(&cli, argc - first, argv + first, e);
}

/* What an interrupted write has not taken is still in the buffer. */
static int flush(FILE *f)
{
    int r;
    while ((r = fflush(f)) != 0 && errno == EINTR)
        clearerr(f);
    return r;
}

int main(int argc, char **argv)
{
    struct err e = ERR_INIT;
    (void)signal(SIGCHLD, SIG_DFL); /* ignored, it would take our children's exit statuses away */
    (void)signal(SIGXFSZ, SIG_IGN); /* a limit of file size is an error, not an end */
    /* Who parses them moves them about. */
    _cleanup_strv_ strv copy = strv_copy(argv);
    _cleanup_free_ char **arguments = xcalloc((size_t)argc + 1, sizeof(*arguments));
    memcpy(arguments, copy, (size_t)argc * sizeof(*arguments));
    proc_set_title("netctr");
    int r = tidy_descriptors(&e);
    (void)prctl(PR_SET_NAME, "netctr");
    if (r == 0)
        r = dispatch(argc, arguments, &e);
    if (r == 0 && flush(stdout) != 0)
        r = err_set(&e, errno, "write to stdout");
    if (r >= 0)
        return r;
    _cleanup_free_ char *line = e.text ? err_line(&e) : xstrdup(strerror(-r));
    fprintf(stderr, "netctr: %s\n", line);
    r = e.status ? e.status : EXIT_NETCTR;
    err_clear(&e);
    return r;
}
