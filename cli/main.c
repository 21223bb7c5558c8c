/* netctr: parses the global flags, runs the command, and prints its error. */
#include "cli.h"

#include <errno.h>
#include <linux/close_range.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>

static const struct {
    const char *title; /* NULL: not listed */
    const struct command *commands[32];
} groups[] = {
    {"containers",
     {&command_run,  &command_create,  &command_exec,    &command_attach, &command_ps,
      &command_logs, &command_inspect, &command_top,     &command_stats,  &command_diff,
      &command_cp,   &command_start,   &command_restart, &command_stop,   &command_kill,
      &command_wait, &command_update,  &command_rename,  &command_pause,  &command_unpause,
      &command_rm}},
    {"networks, ports, labs",
     {&command_network, &command_port, &command_publish, &command_unpublish, &command_lab}},
    {"this host",
     {&command_doctor, &command_events, &command_info, &command_gc, &command_boot, &command_reset,
      &command_version}},
    {NULL, {&command_docker, &command_containerlab, &command_helper, &command_relay}},
};

static const struct command *command_at(size_t group, size_t i)
{
    return i < ARRAY_LEN(groups[group].commands) ? groups[group].commands[i] : NULL;
}

static void print_usage(FILE *out, const struct option *globals)
{
    const struct command *c;
    fprintf(out, "usage: netctr [FLAGS] COMMAND [ARG…]\n");
    for (size_t g = 0; g < ARRAY_LEN(groups) && groups[g].title; g++) {
        fprintf(out, "\n%s:\n", groups[g].title);
        for (size_t i = 0; (c = command_at(g, i)); i++)
            list_command(out, c->name, 9, c->summary);
    }
    fprintf(out, "\nflags:\n");
    options_print(out, globals, NULL);
    fprintf(out, "\n`netctr COMMAND --help` or `netctr help COMMAND` describes a command.\n"
                 "To begin: `netctr run --rm -it ROOTFS sh`, where ROOTFS is a directory.\n");
}

/* The command that may have been meant. Commands that end or remove something are never suggested. */
static const char *nearest_command(const char *name)
{
    const char *names[ARRAY_LEN(groups) * ARRAY_LEN(groups[0].commands) + 1] = {NULL};
    size_t count = 0;
    const struct command *c;
    for (size_t g = 0; g < ARRAY_LEN(groups); g++)
        for (size_t i = 0; (c = command_at(g, i)); i++)
            if (!c->hidden)
                names[count++] = c->name;
    const char *near = nearest_word(name, names);
    for (size_t g = 0; near && g < ARRAY_LEN(groups); g++)
        for (size_t i = 0; (c = command_at(g, i)); i++)
            if (c->risky && streq(c->name, near))
                return NULL;
    return near;
}

static const struct command *find_command(const char *name, struct err *e)
{
    const struct command *c;
    for (size_t g = 0; g < ARRAY_LEN(groups); g++)
        for (size_t i = 0; (c = command_at(g, i)); i++)
            if (streq(c->name, name))
                return c;
    const char *absent = absent_command(name), *near = absent ? NULL : nearest_command(name);
    err_say(e, -EINVAL, "unknown command `%s`", name);
    if (absent)
        err_hint(e, "%s", absent);
    else if (near)
        err_hint(e, "did you mean `netctr %s`?", near);
    else
        err_hint(e, "`netctr --help` lists the commands");
    return NULL;
}

/* A container must not inherit descriptors that the caller left open. The three standard streams must be open, or a socket
 * would get one of their numbers; what was closed becomes /dev/null, read-only, so that writing to it fails (EBADF). */
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

/* The arguments may hold secrets: let `ps` on the host show only the command. */
static void hide_arguments(const char *command)
{
    _cleanup_free_ char *title = xasprintf("netctr %s", command);
    proc_set_title(title);
}

/* Help needs no root. */
static bool asks_help(const struct command *command, int argc, char **argv)
{
    int at = command->group && argc > 2 && argv[1][0] != '-' ? 2 : 1;
    return argc > at && (streq(argv[at], "--help") || (streq(argv[at], "-h") && argc == at + 1));
}

/* `netctr help COMMAND [--all]`: the same as `netctr COMMAND --help [--all]`. @words begins with COMMAND. */
static int help_about(const struct cli *cli, int count, char **words, struct err *e)
{
    const struct command *about = find_command(words[0], e);
    if (!about)
        return -EINVAL;
    bool all = count > 1 && streq(words[count - 1], "--all");
    count -= all;
    int known = about->group && count > 1 ? 2 : 1;
    if (count > known) {
        _cleanup_free_ char *command =
            known == 2 ? xasprintf("%s %s", words[0], words[1]) : xstrdup(words[0]);
        err_say(e, -EINVAL, "unknown command `%s %s`", command, words[known]);
        err_hint(e, "`netctr help %s` describes `%s`", command, command);
        return -EINVAL;
    }
    char *ask[5] = {words[0], words[1]};
    ask[known] = "--help";
    ask[known + 1] = all ? "--all" : NULL;
    return about->run(cli, known + 1 + all, ask, e);
}

static int run_command(const struct cli *cli, int argc, char **argv, char **all, struct err *e);

/* A command line of docker's. As with docker, the exit status of netctr's own failures is 1, and that of `run` 125. */
static int run_docker(const struct cli *cli, int argc, char **argv, char **all, struct err *e)
{
    _cleanup_strv_ strv words = NULL;
    const struct cli docker = {cli->root, cli->run_root, .docker = true};
    int r = docker_words(argc, argv, &words, e);
    if (r == 0 && words) {
        const size_t count = strv_len(words);
        _cleanup_free_ char **given = xcalloc(count + 1, sizeof(*given)); /* parsers change it */
        memcpy(given, words, count * sizeof(*given));
        r = run_command(&docker, (int)count, given, all, e);
    }
    if (r < 0 && !e->status && !(words && streq(words[0], "run")))
        err_status(e, 1);
    return r;
}

static int run_command(const struct cli *cli, int argc, char **argv, char **all, struct err *e)
{
    const struct command *command = find_command(argv[0], e);
    if (!command)
        return -EINVAL;
    bool help = asks_help(command, argc, argv);
    if (command == &command_docker && !help)
        return run_docker(cli, argc, argv, all, e);
    const bool version = command == &command_containerlab && argc > 1 && streq(argv[1], "version");
    if (!command->unprivileged && !help && !version && geteuid() != 0) {
        err_say(e, -EPERM, "`%s` needs root", command->name);
        err_hint(e, "try `sudo netctr %s …`", command->name);
        return -EPERM;
    }
    if (command->sealed && !help) {
        int r = seal_self(all, e);
        if (r < 0)
            return r;
        (void)prctl(PR_SET_NAME, "netctr");
    }
    hide_arguments(command->name);
    return command->run(cli, argc, argv, e);
}

static int dispatch(int argc, char **argv, struct err *e)
{
    char **all = argv;
    char *root = "/var/lib/netctr", *run_root = "/run/netctr";
    bool help = false, version = false;
    const struct option globals[] = {
        {"root", 0, OPTION_TEXT, "DIR", "state that survives a reboot (/var/lib/netctr)", &root},
        {"run-root", 0, OPTION_TEXT, "DIR", "state that does not survive a reboot (/run/netctr)",
         &run_root},
        {"version", 'v', OPTION_FLAG, NULL, "print the version", &version},
        {0},
    };
    _cleanup_free_ struct absent *absent = absent_flags("");
    int first = options_parse(globals, absent, false, argc, argv, &help, e);
    if (first < 0)
        return first;
    const struct cli cli = {root, run_root, false};
    if (version)
        return command_version.run(NULL, 1, argv, e);
    help = help || (first < argc && streq(argv[first], "help") &&
                    (first + 1 == argc || streq(argv[first + 1], "help") ||
                     streq(argv[first + 1], "--help") || streq(argv[first + 1], "-h")));
    if (help || first >= argc) {
        print_usage(help ? stdout : stderr, globals);
        return help ? 0 : EXIT_NETCTR;
    }
    if (streq(argv[first], "help"))
        return help_about(&cli, argc - first - 1, argv + first + 1, e);
    return run_command(&cli, argc - first, argv + first, all, e);
}

/* Called by one of these names, through a link, netctr is that command; NULL: by another name. */
static const char *command_of_name(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    if (streq(name, "docker"))
        return "docker";
    return streq(name, "containerlab") || streq(name, "clab") ? "containerlab" : NULL;
}

/* After an interrupted write, the rest is still in the buffer. */
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
    (void)signal(SIGCHLD,
                 SIG_DFL); /* if ignored, the kernel would discard the exit statuses of children */
    (void)signal(SIGXFSZ, SIG_IGN); /* make a file size limit an error (EFBIG) */
    /* The parser reorders the words; seal_self() needs them as they were. */
    _cleanup_strv_ strv copy = strv_copy(argv);
    _cleanup_free_ char **arguments = xcalloc((size_t)argc + 2, sizeof(*arguments));
    const char *name = argc > 0 ? command_of_name(copy[0]) : NULL;
    memcpy(arguments + (name != NULL), copy, (size_t)argc * sizeof(*arguments));
    if (name) { /* also for seal_self(), which runs these words again */
        arguments[0] = "netctr";
        arguments[1] = (char *)name;
        argc++;
    }
    proc_set_title("netctr");
    int r = tidy_descriptors(&e);
    (void)prctl(PR_SET_NAME, "netctr");
    if (r == 0)
        r = dispatch(argc, arguments, &e);
    if (r == 0 && flush(stdout) != 0)
        r = err_set(&e, errno, "write to stdout");
    if (r >= 0)
        return r;
    _cleanup_free_ char *text = e.text ? err_line(&e) : xstrdup(strerror(-r)),
                        *line = text_printable(text); /* it may quote user input */
    fprintf(stderr, "netctr: %s\n", line);
    r = e.status ? e.status : EXIT_NETCTR;
    err_clear(&e);
    return r;
}
