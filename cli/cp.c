/* netctr cp. */
#include "cli.h"

#include <errno.h>
#include <string.h>

/* As in docker, NAME:PATH is a container's, and what begins with `/` or `.` is the host's. The caller frees @name. */
static const char *container_path(const char *word, char **name)
{
    const char *colon = strchr(word, ':');
    if (word[0] == '/' || word[0] == '.' || !colon || colon == word)
        return NULL;
    *name = xstrndup(word, (size_t)(colon - word));
    if (strchr(*name, '/')) {
        free(take_ptr(*name));
        return NULL;
    }
    return colon[1] ? colon + 1 : "/";
}

/* The last name of a path: "." stands for its contents. The caller frees. */
static char *last_name(const char *path)
{
    _cleanup_strv_ strv parts = strv_split(path, '/');
    const char *last = "";
    strv_each (part, parts)
        if (*part)
            last = part;
    return xstrdup(*last ? last : ".");
}

static bool is_contents(const char *name)
{
    return streq(name, ".") || streq(name, "..");
}

static int copy(const struct cli *cli, char *const *words, struct copy_request *q, struct err *e)
{
    _cleanup_engine_ struct engine engine = {0};
    _cleanup_record_ struct record record = {0};
    _cleanup_free_ char *from_name = NULL, *to_name = NULL, *last = NULL;
    const char *from = container_path(words[0], &from_name),
               *to = container_path(words[1], &to_name);
    if (!from == !to) {
        err_say(e, -EINVAL,
                from ? "cp copies between a container and the host, not between two containers"
                     : "neither `%s` nor `%s` is NAME:PATH, a path in a container",
                words[0], words[1]);
        if (from)
            err_hint(e, "`netctr cp %s - | netctr cp - %s`", words[0], words[1]);
        return -EINVAL;
    }
    q->in = to;
    q->inside = to ? to : from;
    q->outside = to ? words[0] : words[1];
    last = last_name(to ? q->outside : q->inside);
    if (streq(q->outside, "-"))
        q->outside = NULL;
    q->as = streq(last, "..") ? "." : last;
    q->name = is_contents(last) ? NULL : last;
    if (!q->outside && !q->in && isatty(STDOUT_FILENO))
        return err_say(e, -EINVAL, "stdout is a terminal, and a tar archive is not for reading");
    int r = cli_open_find(cli, to ? to_name : from_name, &engine, &record, e);
    return r == 0 ? engine_copy(&engine, &record, q, e) : r;
}

static int run(const struct cli *cli, int argc, char **argv, struct err *e)
{
    struct copy_request q = {.lock = -1};
    const struct option options[] = {
        {"archive", 'a', OPTION_FLAG, NULL, "keep owners, set-user-ID bits, capabilities",
         &q.owners},
        {"follow-link", 'L', OPTION_FLAG, NULL, "if SRC is a link, copy what it leads to",
         &q.follow},
        {0},
    };
    int first = command_options(&command_cp, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
    if (argc - first != 2)
        return err_say(e, -EINVAL, "usage: netctr cp %s", command_cp.usage);
    return copy(cli, argv + first, &q, e);
}

const struct command command_cp = {
    .name = "cp",
    .usage = "[FLAGS] NAME:SRC DEST | SRC NAME:DEST",
    .summary = "Copy files between a container and the host (- is a tar archive)",
    .example = "netctr cp web:/etc/nginx/nginx.conf .\nnetctr cp site/. web:/var/www\n"
               "netctr cp web:/var/log - | tar tv",
    .run = run,
};
