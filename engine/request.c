/* A request to run a container: checks all of it and fills in what is not given, before anything is created. */
#include "internal.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>
#include <time.h>

void run_request_clear(struct run_request *q)
{
    spec_clear(&q->spec);
    strv_free(q->cap_add);
    strv_free(q->cap_drop);
    port_mappings_clear(&q->port_mappings);
    free(q->waits);
    *q = (struct run_request){0};
}

/* ---- root directory, name --------------------------------------------------------------------*/

/* Users of docker write the name of an image here. */
static int no_such_root(const char *path, struct err *e)
{
    err_say(e, -ENOENT, "root directory `%s` does not exist", path);
    if (path[0] != '/' && path[0] != '.')
        err_hint(e, "netctr runs directories, not images: `scripts/mkrootfs %s` makes one",
                 strpbrk(path, "/:") ? "DIR" : path);
    return -ENOENT;
}

static int complete_rootfs(struct spec *s, struct err *e)
{
    struct stat st;
    if (!s->rootfs) {
        err_say(e, -EINVAL, "ROOTFS is missing");
        err_hint(e, "netctr run [FLAGS] ROOTFS COMMAND [ARG…]");
        return -EINVAL;
    }
    if (!*s->rootfs)
        return err_say(e, -EINVAL, "ROOTFS is empty");
    _cleanup_free_ char *path = s->rootfs;
    s->rootfs = realpath(path, NULL);
    if (!s->rootfs && errno == ENOENT)
        return no_such_root(path, e);
    if (!s->rootfs || stat(s->rootfs, &st) < 0)
        return err_set(e, errno, "root directory `%s`", path);
    if (!S_ISDIR(st.st_mode))
        return err_say(e, -ENOTDIR, "root directory `%s` is not a directory", path);
    if (streq(s->rootfs, "/"))
        return err_say(e, -EINVAL, "the host's own `/` cannot be a container's root directory");
    if (strv_len(s->argv))
        return 0;
    err_say(e, -EINVAL, "COMMAND is missing");
    err_hint(e, "say what to run in it: netctr run %s COMMAND [ARG…], as in `netctr run %s nginx`",
             path, path);
    return -EINVAL;
}

static bool is_below(const char *path, const char *dir)
{
    const char *rest = skip_prefix(path, dir);
    return rest && *rest == '/';
}

/* Links are resolved once, here: later, a container may be able to make some on the way. */
static int complete_pid_file(struct spec *s, struct err *e)
{
    struct stat st;
    _cleanup_free_ char *given = take_ptr(s->pid_file);
    if (!given)
        return 0;
    const char *slash = strrchr(given, '/'), *name = slash ? slash + 1 : given;
    _cleanup_free_ char *parent = slash ? xstrndup(given, (size_t)(name - given)) : xstrdup(".");
    _cleanup_free_ char *dir = realpath(parent, NULL);
    if (!dir)
        return err_set(e, errno, "pid file `%s`", given);
    if (!*name || streq(name, ".") || streq(name, ".."))
        return err_say(e, -EISDIR, "pid file `%s` is a directory", given);
    s->pid_file = xasprintf("%s/%s", streq(dir, "/") ? "" : dir, name);
    if (is_below(s->pid_file, s->rootfs))
        return err_say(e, -EINVAL, "pid file `%s` is in the root directory", given);
    if (lstat(s->pid_file, &st) == 0 && !S_ISREG(st.st_mode))
        return err_say(e, -EEXIST, "pid file `%s` exists, and is not a regular file", given);
    return 0;
}

static int check_command(const struct spec *s, struct err *e)
{
    return *s->argv[0] ? 0 : err_say(e, -EINVAL, "COMMAND is empty");
}

/* The name of the program and the first digits of the id: "nginx-4f1c". */
static char *make_name(const struct spec *s)
{
    _cleanup_free_ char *copy = xstrdup(s->argv[0]);
    char *base = basename(copy);
    for (char *p = base; *p; p++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-", *p))
            *p = '-';
    char *name = xasprintf("%.32s-%.4s", base, s->id);
    if (!valid_name(name)) {
        free(name);
        name = xasprintf("container-%.4s", s->id);
    }
    return name;
}

static int complete_name(struct spec *s, struct err *e)
{
    if (!s->name)
        s->name = make_name(s);
    if (valid_name(s->name))
        return 0;
    err_say(e, -EINVAL, "invalid container name `%s`", s->name);
    err_hint(e, NAME_RULE);
    return -EINVAL;
}

static int complete_hostname(struct spec *s, struct err *e)
{
    if (!s->hostname)
        s->hostname = xstrdup(s->id);
    if (valid_host_name(s->hostname, NAME_LENGTH_MAX))
        return 0;
    err_say(e, -EINVAL, "invalid hostname `%s`", s->hostname);
    err_hint(e,
             "letters, digits, `_`, `-` and `.`, at most %d, no `-` or `.` at the beginning "
             "or end",
             NAME_LENGTH_MAX);
    return -EINVAL;
}

static void add_default_variables(struct spec *s)
{
    _cleanup_free_ char *term = terminal_type(!s->detached);
    const char *const defaults[] = {"PATH=" DEFAULT_PATH, "HOSTNAME=", term};
    for (size_t i = 0; i < ARRAY_LEN(defaults) - (s->tty ? 0 : 1); i++) {
        size_t key = strcspn(defaults[i], "=") + 1;
        bool given = false;
        strv_each (entry, s->env)
            given = given || strncmp(entry, defaults[i], key) == 0;
        if (!given)
            strv_add_take(&s->env,
                          xasprintf("%s%s", defaults[i], defaults[i][key] ? "" : s->hostname));
    }
}

/* ---- network ---------------------------------------------------------------------------------*/

/* In the host's network the default hostname is the host's, as with docker, if that is a valid one. */
static void use_host_name(struct spec *s)
{
    char name[HOST_NAME_MAX + 1] = "";
    if (gethostname(name, sizeof(name) - 1) < 0 || !valid_host_name(name, NAME_LENGTH_MAX))
        return;
    free(s->hostname);
    s->hostname = xstrdup(name);
}

/* Symbolic links are resolved once, here. The last part of a path in /proc stays: /proc/PID/ns/net is a magic link, whose
 * text is not a path. */
static char *resolve_namespace(const char *path)
{
    struct statfs fs;
    const char *slash = strrchr(path, '/');
    _cleanup_free_ char *parent = xstrndup(path, (size_t)(slash - path) + 1),
                        *dir = realpath(parent, NULL);
    if (dir && statfs(dir, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC)
        return xasprintf("%s/%s", dir, slash + 1);
    return realpath(path, NULL);
}

static int exclude_network(const char *text, struct err *e)
{
    return err_say(e, -EINVAL, "`--network %s` cannot be combined with another network", text);
}

/* host, none, container:NAME, ns:PATH, sandbox:ID: there are no endpoints of its own. */
static int complete_network_word(struct spec *s, bool hostname_given, struct err *e)
{
    _cleanup_strv_ strv words = take_ptr(s->networks);
    const char *text = words[0], *rest;
    enum network_word word = network_word(text, &rest);
    if (words[1])
        return exclude_network(text, e);
    if (s->publish)
        return err_say(e, -EINVAL, "ports cannot be published with `--network %s`", text);
    if (s->dns && word == NETWORK_WORD_CONTAINER)
        return err_say(e, -EINVAL,
                       "--dns cannot be given with `--network %s`: names are resolved as in that "
                       "container",
                       text);
    if (word == NETWORK_WORD_CONTAINER && !valid_name(rest))
        return err_say(e, -EINVAL, "invalid container name `%s`", rest);
    if (word == NETWORK_WORD_SANDBOX && !valid_name(rest))
        return err_say(e, -EINVAL, "invalid sandbox id `%s`", rest);
    if (word == NETWORK_WORD_NS && *rest != '/')
        return err_say(e, -EINVAL, "namespace `%s` is not an absolute path", rest);
    if (word == NETWORK_WORD_NS) {
        _cleanup_free_ char *path = resolve_namespace(rest);
        if (!path)
            return err_set(e, errno, "open network namespace `%s`", rest);
        s->network = xasprintf("ns:%s", path);
    } else {
        s->network = xstrdup(text);
    }
    s->network_mode = word == NETWORK_WORD_HOST ? NETWORK_HOST : NETWORK_OWN;
    if (s->network_mode == NETWORK_HOST && !hostname_given)
        use_host_name(s);
    return 0;
}

static int complete_networks(struct spec *s, bool hostname_given, struct err *e)
{
    int r = 0;
    if (!s->networks)
        strv_add(&s->networks, DEFAULT_NETWORK);
    strv_each (text, s->networks)
        if (network_word(text, NULL) != NETWORK_NAME)
            return text == s->networks[0] ? complete_network_word(s, hostname_given, e)
                                          : exclude_network(text, e);
    for (char **text = s->networks; r == 0 && *text; text++) {
        _cleanup_connect_request_ struct connect_request a = {0};
        r = connect_request_parse(*text, &a, e);
        if (r == 0) { /* "bridge" becomes "default" */
            free(*text);
            *text = connect_request_text(&a);
        }
    }
    if (r < 0)
        return r;
    s->network = connect_request_names(s->networks);
    s->network_mode = NETWORK_OWN;
    return 0;
}

enum { DOMAIN_MAX = 253 };

/* NAME:ADDRESS, docker's newer NAME=ADDRESS, NAME:host-gateway. */
static int check_host(const char *text, struct err *e)
{
    struct ip ip;
    size_t n = strcspn(text, ":=");
    _cleanup_free_ char *name = xstrndup(text, n);
    if (!text[n] || !valid_host_name(name, DOMAIN_MAX) ||
        (!streq(text + n + 1, "host-gateway") && ip_parse(text + n + 1, &ip) < 0))
        return err_say(e, -EINVAL, "--add-host `%s` is not NAME:ADDRESS or NAME:host-gateway",
                       text);
    return 0;
}

static int check_dns(const struct spec *s, struct err *e)
{
    struct ip ip;
    strv_each (server, s->dns)
        if (ip_parse(server, &ip) < 0)
            return err_say(e, -EINVAL, "--dns `%s` is not an address", server);
    char *const *const words[] = {s->dns_search, s->dns_options};
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        strv_each (word, words[i])
            if (!*word || strpbrk(word, " \t\n"))
                return err_say(e, -EINVAL, "--dns-%s `%s` is not one word", i ? "option" : "search",
                               word);
    int r = 0;
    strv_each (entry, s->add_hosts)
        if (r == 0)
            r = check_host(entry, e);
    return r;
}

static int complete_network(struct run_request *q, bool hostname_given, struct err *e)
{
    struct spec *s = &q->spec;
    int r = complete_networks(s, hostname_given, e);
    if (r == 0)
        r = check_dns(s, e);
    if (r == 0)
        r = sysctls_check(s, e);
    strv_each (text, s->publish)
        if (r == 0)
            r = port_mapping_parse(text, &q->port_mappings, e);
    return r;
}

/* ---- text ------------------------------------------------------------------------------------*/

/* The definition is JSON, which holds only UTF-8. */
static int check(const char *what, const char *text, struct err *e)
{
    if (!text || valid_utf8(text))
        return 0;
    _cleanup_free_ char *shown = text_printable(text);
    return err_say(e, -EILSEQ, "%s `%s` is not UTF-8", what, shown);
}

static int check_each(const char *what, char *const *texts, struct err *e)
{
    int r = 0;
    strv_each (text, texts)
        if (r == 0)
            r = check(what, text, e);
    return r;
}

/* Errors never show the value of a variable. */
static int check_variable(const char *entry, struct err *e)
{
    if (valid_utf8(entry))
        return 0;
    _cleanup_free_ char *name = xstrndup(entry, strcspn(entry, "=")), *shown = text_printable(name);
    return err_say(e, -EILSEQ, "variable `%s` of the environment is not UTF-8", shown);
}

static int check_text(const struct spec *s, struct err *e)
{
    int r = check("root directory", s->rootfs, e);
    if (r == 0)
        r = check_each("argument", s->argv, e);
    if (r == 0)
        r = check("working directory", s->workdir, e);
    if (r == 0)
        r = check("user", s->user, e);
    if (r == 0)
        r = check("pid file", s->pid_file, e);
    if (r == 0)
        r = check("network", s->network, e);
    if (r == 0)
        r = check_each("search domain", s->dns_search, e);
    if (r == 0)
        r = check_each("option of resolv.conf", s->dns_options, e);
    for (size_t i = 0; r == 0 && i < s->volume_count; i++)
        if ((r = check("volume", s->volumes[i].source, e)) == 0)
            r = check("target of a volume", s->volumes[i].target, e);
    strv_each (entry, s->env)
        if (r == 0)
            r = check_variable(entry, e);
    return r;
}

/* ---- the whole -------------------------------------------------------------------------------*/

static int complete_caps(struct run_request *q, struct err *e)
{
    struct spec *s = &q->spec;
    int r = caps_resolve(q->cap_add, q->cap_drop, false,
                         caps_held_of(caps_asked(q->cap_add, false)), &s->caps, e);
    s->ambient_caps = caps_added(q->cap_add) & s->caps;
    return r;
}

static int check_groups(const struct spec *s, struct err *e)
{
    strv_each (group, s->groups) {
        if (!streq(group, "keep-groups"))
            continue;
        err_say(e, -EINVAL,
                "--group-add keep-groups: a container does not get the caller's groups");
        err_hint(e, "name each group of the container, or its id");
        return -EINVAL;
    }
    return check_each("group", s->groups, e);
}

static int check_flags(const struct spec *s, struct err *e)
{
    if (s->auto_remove && s->restart.policy != RESTART_NO)
        return err_say(e, -EINVAL,
                       "--rm and --restart exclude each other: a container that has ended is "
                       "either removed or restarted");
    if (s->workdir && s->workdir[0] != '/')
        return err_say(e, -EINVAL, "working directory `%s` is not an absolute path", s->workdir);
    size_t digits = s->umask ? strspn(s->umask, "01234567") : 0;
    if (s->umask &&
        (digits == 0 || digits > 4 || s->umask[digits] || strtoul(s->umask, NULL, 8) > 0777))
        return err_say(e, -EINVAL, "umask `%s` is not a mode (as in 0022)", s->umask);
    return check_groups(s, e);
}

int run_request_complete(struct run_request *q, struct err *e)
{
    struct spec *s = &q->spec;
    struct timespec now;
    bool hostname_given = s->hostname != NULL;
    clock_gettime(CLOCK_REALTIME, &now);
    s->created = now.tv_sec;
    s->created_nsec = now.tv_nsec;
    free(s->id);
    s->id = spec_new_id();
    int r = check_flags(s, e);
    if (r == 0)
        r = complete_hostname(s, e);
    if (r == 0)
        r = complete_network(q, hostname_given, e);
    if (r == 0) {
        add_default_variables(s);
        spec_bound_tmpfs(s);
        r = complete_caps(q, e);
    }
    if (r == 0)
        r = complete_rootfs(s, e);
    if (r == 0)
        r = complete_pid_file(s, e);
    if (r == 0)
        r = check_command(s, e);
    if (r == 0)
        r = complete_name(s, e);
    return r == 0 ? check_text(s, e) : r;
}
