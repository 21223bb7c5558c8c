/* netctr run: from words to a spec that is checked whole, before anything is touched. */
#include "cli.h"
#include "engine/connect_request.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>
#include <time.h>

struct run_flags {
    char *name, *workdir, *user, *hostname, *memory, *cpus, *pids, *restart, *ip, *ip6, *mac;
    char *log_driver;
    strv log_options;
    strv env, env_files, volumes, tmpfs, publish, cap_add, cap_drop, networks, aliases;
    strv dns, dns_search, dns_options, add_hosts;
    bool detach, remove, interactive, in_place, read_only;
};

static void run_flags_clear(struct run_flags *f)
{
    strv_free(f->env);
    strv_free(f->env_files);
    strv_free(f->volumes);
    strv_free(f->tmpfs);
    strv_free(f->publish);
    strv_free(f->cap_add);
    strv_free(f->cap_drop);
    strv_free(f->networks);
    strv_free(f->aliases);
    strv_free(f->dns);
    strv_free(f->dns_search);
    strv_free(f->dns_options);
    strv_free(f->add_hosts);
    strv_free(f->log_options);
}

/* ---- pieces ----------------------------------------------------------------------------------*/

/* Docker users write the name of an image here. */
static int no_such_root(const char *path, struct err *e)
{
    err_say(e, -ENOENT, "root directory `%s` does not exist", path);
    if (path[0] == '/' || path[0] == '.')
        return e->code;
    return err_hint(e, "netctr runs directories, not images: `scripts/mkrootfs %s` makes one",
                    strpbrk(path, "/:") ? "DIR" : path);
}

static int take_rootfs(const char *path, struct spec *s, struct err *e)
{
    struct stat st;
    if (!*path)
        return err_say(e, -EINVAL, "ROOTFS is empty");
    s->rootfs = realpath(path, NULL);
    if (!s->rootfs && errno == ENOENT)
        return no_such_root(path, e);
    if (!s->rootfs || stat(s->rootfs, &st) < 0)
        return err_set(e, errno, "root directory `%s`", path);
    if (!S_ISDIR(st.st_mode))
        return err_say(e, -ENOTDIR, "root directory `%s` is not a directory", path);
    if (streq(s->rootfs, "/"))
        return err_say(e, -EINVAL, "the host's own `/` cannot be a container's root directory");
    return 0;
}

/* The program's name and the id's first digits: "nginx-4f1c". */
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

static int take_name(const struct run_flags *f, struct spec *s, struct err *e)
{
    s->name = f->name ? xstrdup(f->name) : make_name(s);
    if (valid_name(s->name))
        return 0;
    err_say(e, -EINVAL, "invalid container name `%s`", s->name);
    return err_hint(e, NAME_RULE);
}

static int take_hostname(const struct run_flags *f, struct spec *s, struct err *e)
{
    s->hostname = xstrdup(f->hostname ? f->hostname : s->id);
    if (valid_host_name(s->hostname, NAME_LENGTH_MAX))
        return 0;
    err_say(e, -EINVAL, "invalid hostname `%s`", s->hostname);
    return err_hint(e,
                    "letters, digits, `_`, `-` and `.`, at most %d, no `-` or `.` at the beginning "
                    "or end",
                    NAME_LENGTH_MAX);
}

/* In the host's network it has the host's name, as with docker, unless that is none. */
static void take_host_name(struct spec *s)
{
    char name[HOST_NAME_MAX + 1] = "";
    if (gethostname(name, sizeof(name) - 1) < 0 || !valid_host_name(name, NAME_LENGTH_MAX))
        return;
    free(s->hostname);
    s->hostname = xstrdup(name);
}

static int take_log(const struct run_flags *f, struct spec *s, struct err *e)
{
    s->log = LOG_OPTIONS_DEFAULT;
    int r = f->log_driver ? log_driver_parse(f->log_driver, &s->log, e) : 0;
    strv_each (text, f->log_options)
        if (r == 0)
            r = log_option_parse(text, &s->log, e);
    return r;
}

static int take_env(const struct run_flags *f, struct spec *s, struct err *e)
{
    int r = env_compose(f->env_files, f->env, &s->env, e);
    if (r < 0)
        return r;
    const char *const defaults[] = {"PATH=" DEFAULT_PATH, "HOSTNAME="};
    for (size_t i = 0; i < ARRAY_LEN(defaults); i++) {
        size_t key = strcspn(defaults[i], "=") + 1;
        bool given = false;
        strv_each (entry, s->env)
            given = given || strncmp(entry, defaults[i], key) == 0;
        if (!given)
            strv_add_take(&s->env,
                          xasprintf("%s%s", defaults[i], defaults[i][key] ? "" : s->hostname));
    }
    return 0;
}

/* --ip, --mac-address and --network-alias speak of the first network. */
static int first_network(const struct run_flags *f, const char *text, char **out, struct err *e)
{
    _cleanup_connect_request_ struct connect_request a = {0};
    struct ip ip;
    int r = connect_request_parse(text, &a, e);
    if (r < 0)
        return r;
    if (f->ip && (ip_parse(f->ip, &ip) < 0 || ip.family != AF_INET || ip_is_any(&ip)))
        return err_say(e, -EINVAL, "--ip `%s` is not an IPv4 address", f->ip);
    if (f->ip)
        a.address4 = ip;
    if (f->ip6 && (ip_parse(f->ip6, &ip) < 0 || ip.family != AF_INET6 || ip_is_any(&ip)))
        return err_say(e, -EINVAL, "--ip6 `%s` is not an IPv6 address", f->ip6);
    if (f->ip6)
        a.address6 = ip;
    if (f->mac && (mac_parse(f->mac, a.mac) < 0 || a.mac[0] & 1))
        return err_say(e, -EINVAL, "--mac-address `%s` is not a host's MAC address", f->mac);
    strv_each (alias, f->aliases) {
        if (!valid_name(alias)) {
            err_say(e, -EINVAL, "--network-alias `%s` is not a name", alias);
            return err_hint(e, NAME_RULE);
        }
        strv_add(&a.aliases, alias);
    }
    *out = connect_request_text(&a);
    return 0;
}

/* Links are followed here, once, but for the last part of a path in /proc: that is a link of the kernel's
 * (/proc/PID/ns/net), whose text is no path. */
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

/* host, none, container:NAME, ns:PATH: there is no endpoint, hence nothing to be said of one. */
static int take_network_word(const struct run_flags *f, struct spec *s, struct err *e)
{
    const char *text = f->networks[0], *rest;
    enum network_word word = network_word(text, &rest);
    if (f->networks[1])
        return err_say(e, -EINVAL, "`--network %s` cannot be combined with another network", text);
    if (f->ip || f->ip6 || f->mac || f->aliases)
        return err_say(e, -EINVAL, "addresses and aliases cannot be given with `--network %s`",
                       text);
    if (f->publish)
        return err_say(e, -EINVAL, "ports cannot be published with `--network %s`", text);
    if (f->dns && word == NETWORK_WORD_CONTAINER)
        return err_say(e, -EINVAL,
                       "--dns cannot be given with `--network %s`: names are resolved as in that "
                       "container",
                       text);
    if (word == NETWORK_WORD_CONTAINER && !valid_name(rest))
        return err_say(e, -EINVAL, "invalid container name `%s`", rest);
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
    if (s->network_mode == NETWORK_HOST && !f->hostname)
        take_host_name(s);
    return 0;
}

static int take_networks(const struct run_flags *f, struct spec *s, struct err *e)
{
    static const char *const usual[] = {DEFAULT_NETWORK, NULL};
    char *const *texts = f->networks ? f->networks : (char *const *)usual;
    strv_each (text, texts)
        if (network_word(text, NULL) != NETWORK_NAME) {
            if (text != texts[0])
                return err_say(e, -EINVAL, "`--network %s` cannot be combined with another network",
                               text);
            return take_network_word(f, s, e);
        }
    int r = 0;
    for (size_t i = 0; r == 0 && texts[i]; i++) {
        _cleanup_connect_request_ struct connect_request a = {0};
        _cleanup_free_ char *first = NULL;
        r = i == 0 ? first_network(f, texts[i], &first, e) : 0;
        if (r == 0)
            r = connect_request_parse(texts[i], &a, e);
        strv_add(&s->networks, first ? first : texts[i]);
    }
    s->network = connect_request_names(s->networks);
    s->network_mode = NETWORK_OWN;
    return r;
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

static int take_resolvers(const struct run_flags *f, struct spec *s, struct err *e)
{
    struct ip ip;
    strv_each (server, f->dns)
        if (ip_parse(server, &ip) < 0)
            return err_say(e, -EINVAL, "--dns `%s` is not an address", server);
    char *const *const words[] = {f->dns_search, f->dns_options};
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        strv_each (word, words[i])
            if (!*word || strpbrk(word, " \t\n"))
                return err_say(e, -EINVAL, "--dns-%s `%s` is not one word", i ? "option" : "search",
                               word);
    strv_each (entry, f->add_hosts) {
        int r = check_host(entry, e);
        if (r < 0)
            return r;
    }
    s->dns = strv_copy(f->dns);
    s->dns_search = strv_copy(f->dns_search);
    s->dns_options = strv_copy(f->dns_options);
    s->add_hosts = strv_copy(f->add_hosts);
    return 0;
}

static int take_network(const struct run_flags *f, struct run_request *request, struct err *e)
{
    struct spec *s = &request->spec;
    s->publish = strv_copy(f->publish);
    int r = take_networks(f, s, e);
    if (r == 0)
        r = take_resolvers(f, s, e);
    strv_each (text, f->publish)
        if (r == 0)
            r = port_mapping_parse(text, &request->port_mappings, e);
    return r;
}

/* What the flags say, whatever the words after them are. */
static int take_flags(const struct run_flags *f, struct run_request *request, struct err *e)
{
    struct spec *s = &request->spec;
    if (f->restart && restart_parse(f->restart, &s->restart, e) < 0)
        return e->code;
    if (s->auto_remove && s->restart.policy != RESTART_NO)
        return err_say(e, -EINVAL,
                       "--rm and --restart exclude each other: a container that has ended is "
                       "either removed or restarted");
    if (s->workdir && s->workdir[0] != '/')
        return err_say(e, -EINVAL, "working directory `%s` is not an absolute path", s->workdir);
    int r;
    if ((r = take_hostname(f, s, e)) < 0 || (r = volumes_parse(f->volumes, f->tmpfs, s, e)) < 0 ||
        (r = limits_parse(f->memory, f->cpus, f->pids, &s->limits, e)) < 0 ||
        (r = take_log(f, s, e)) < 0 || (r = take_network(f, request, e)) < 0 ||
        (r = take_env(f, s, e)) < 0)
        return r;
    spec_bound_tmpfs(s);
    r = caps_resolve(f->cap_add, f->cap_drop, false, caps_held_of(caps_asked(f->cap_add, false)),
                     &s->caps, e);
    s->ambient_caps = caps_added(f->cap_add) & s->caps;
    return r;
}

/* ROOTFS COMMAND [ARG…] */
static int take_words(char **words, struct spec *s, struct err *e)
{
    if (!words[0]) {
        err_say(e, -EINVAL, "ROOTFS is missing");
        return err_hint(e, "netctr run [FLAGS] ROOTFS COMMAND [ARG…]");
    }
    int r = take_rootfs(words[0], s, e);
    if (r < 0)
        return r;
    if (!words[1]) {
        err_say(e, -EINVAL, "COMMAND is missing");
        return err_hint(
            e, "say what to run in it: netctr run %s COMMAND [ARG…], as in `netctr run %s nginx`",
            words[0], words[0]);
    }
    s->argv = strv_copy(words + 1);
    return check_command(s->argv[0], "ROOTFS", e);
}

/* The whole of it. */
static int compose(const struct run_flags *f, char **words, struct run_request *request,
                   struct err *e)
{
    struct spec *s = &request->spec;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    s->created = now.tv_sec;
    s->created_nsec = now.tv_nsec;
    s->id = spec_new_id();
    s->detached = f->detach;
    s->auto_remove = f->remove;
    s->interactive = f->interactive;
    s->in_place = f->in_place;
    s->read_only = f->read_only;
    s->user = xstrdup(f->user);
    s->workdir = xstrdup(f->workdir);
    int r = take_flags(f, request, e);
    if (r == 0)
        r = take_words(words, s, e);
    if (r == 0)
        r = take_name(f, s, e);
    return r == 0 ? spec_check_text(s, e) : r;
}

/* A container whose id could not be told is not left to run: the command says that it has failed. */
static int tell_id(struct engine *engine, const char *id, struct err *e)
{
    _cleanup_free_ char *line = xasprintf("%s\n", id);
    int r = write_all(STDOUT_FILENO, line, strlen(line));
    if (r == 0)
        return 0;
    _cleanup_err_ struct err ignored = ERR_INIT;
    _cleanup_record_ struct record record = {0};
    if (engine_find(engine, id, &record, &ignored) == 0)
        (void)engine_force_remove(engine, &record, &ignored);
    return err_set(e, r, "write to stdout");
}

static int run_detached(struct engine *engine, struct run_request *request, struct err *e)
{
    _cleanup_free_ char *id = xstrdup(request->spec.id);
    int r = engine_run_detached(engine, request, e);
    return r == 0 ? tell_id(engine, id, e) : r;
}

/* The exit status alone, 137, does not say why the program was killed. */
static int run_attached(struct engine *engine, struct run_request *request, struct err *e)
{
    _cleanup_free_ char *name = xstrdup(request->spec.name);
    uint64_t limit = request->spec.limits.memory;
    int r = engine_run(engine, request, e);
    if (r >= 0 && request->oom_killed && limit)
        warn("container `%s` was killed: it needed more memory than its limit (-m) of %.1f MiB",
             name, (double)limit / (1 << 20));
    else if (r >= 0 && request->oom_killed)
        warn("container `%s` was killed: the host had no memory left", name);
    return r;
}

/* ---- the command -----------------------------------------------------------------------------*/

static int run(const struct cli *cli, int argc, char **argv, struct err *e)
{
    __attribute__((cleanup(run_flags_clear))) struct run_flags f = {0};
    const struct option options[] = {
        {"detach", 'd', OPTION_FLAG, NULL, "run in the background and print the id", &f.detach},
        {"name", 0, OPTION_TEXT, "NAME", "name of the container", &f.name},
        {"rm", 0, OPTION_FLAG, NULL, "remove the container when it has ended", &f.remove},
        {"interactive", 'i', OPTION_FLAG, NULL, "keep stdin open", &f.interactive},
        {"restart", 0, OPTION_TEXT, "POLICY",
         "when to run it again: no, on-failure[:N], always or unless-stopped", &f.restart},
        {"env", 'e', OPTION_LIST, "K=V",
         "set a variable, or pass one through from your environment (K)", &f.env},
        {"env-file", 0, OPTION_LIST, "FILE", "set variables from the lines of a file",
         &f.env_files},
        {"workdir", 'w', OPTION_TEXT, "DIR", "working directory in the container", &f.workdir},
        {"user", 'u', OPTION_TEXT, "USER[:GROUP]", "run as this user of the container", &f.user},
        {"hostname", 'h', OPTION_TEXT, "NAME", "hostname (default: the id)", &f.hostname},
        {"publish", 'p', OPTION_LIST, "PORT",
         "[HOSTIP:][HOSTPORT:]PORT[/tcp|udp|sctp], as in 8080:80", &f.publish},
        {"network", 0, OPTION_LIST, "NETWORK",
         "NAME[:KEY=VALUE,…] with ip=, ip6=, mac=, name=, alias=, rate=, gw-priority=; or none, host, container:NAME, ns:PATH",
         &f.networks},
        {"net", 0, OPTION_LIST, "NAME[:…]", "the same as --network", &f.networks},
        {"ip", 0, OPTION_TEXT, "ADDRESS", "IPv4 address on the first network", &f.ip},
        {"ip6", 0, OPTION_TEXT, "ADDRESS", "IPv6 address on the first network", &f.ip6},
        {"mac-address", 0, OPTION_TEXT, "MAC", "MAC address on the first network", &f.mac},
        {"network-alias", 0, OPTION_LIST, "NAME", "another name on the first network", &f.aliases},
        {"dns", 0, OPTION_LIST, "ADDRESS", "DNS server for other names (default: the host's)",
         &f.dns},
        {"dns-search", 0, OPTION_LIST, "DOMAIN", "search domain; `.`: none", &f.dns_search},
        {"dns-option", 0, OPTION_LIST, "OPTION", "option of resolv.conf", &f.dns_options},
        {"add-host", 0, OPTION_LIST, "NAME:IP", "a line of /etc/hosts; IP may be host-gateway",
         &f.add_hosts},
        {"volume", 'v', OPTION_LIST, "SRC:DST[:ro]", "mount a file or directory", &f.volumes},
        {"tmpfs", 0, OPTION_LIST, "DST[:OPTION,…]",
         "mount an empty tmpfs (size=64m, mode=, uid=, gid=, nr_inodes=, ro, exec, suid)",
         &f.tmpfs},
        {"in-place", 0, OPTION_FLAG, NULL, "write to ROOTFS itself instead of a layer over it",
         &f.in_place},
        {"read-only", 0, OPTION_FLAG, NULL, "the root is read-only", &f.read_only},
        {"memory", 'm', OPTION_TEXT, "SIZE", "memory limit (64m, 1.5g); 0: no limit", &f.memory},
        {"cpus", 0, OPTION_TEXT, "N", "processor time (0.5, 2); 0: no limit", &f.cpus},
        {"pids-limit", 0, OPTION_TEXT, "N", "number of processes and threads (2048); 0: no limit",
         &f.pids},
        {"log-driver", 0, OPTION_TEXT, "DRIVER", "k8s-file (the default), or none: keep no log",
         &f.log_driver},
        {"log-opt", 0, OPTION_LIST, "KEY=VALUE",
         "max-size=10m (-1: no limit) of a file of the log, max-file=3", &f.log_options},
        {"cap-add", 0, OPTION_LIST, "CAP", "add a capability (or ALL)", &f.cap_add},
        {"cap-drop", 0, OPTION_LIST, "CAP", "drop a capability (or ALL)", &f.cap_drop},
        {0},
    };
    if (argc == 2 && streq(argv[1], "-h")) /* with more after it, docker's for --hostname */
        argv[1] = "--help";
    int first = command_options(&command_run, options, false, &argc, argv, e);
    if (first <= 0)
        return first;
    struct run_request request = {0};
    _cleanup_engine_ struct engine engine = {0};
    int r = compose(&f, argv + first, &request, e);
    if (r == 0)
        r = cli_engine(cli, &engine, e);
    if (r == 0)
        r = f.detach ? run_detached(&engine, &request, e) : run_attached(&engine, &request, e);
    spec_clear(&request.spec);
    port_mappings_clear(&request.port_mappings);
    return r;
}

const struct command command_run = {
    .name = "run",
    .usage = "[FLAGS] ROOTFS COMMAND [ARG…]",
    .summary = "Run a command in a new container made from a root directory",
    .example = "netctr run --rm -i ./rootfs sh\n"
               "netctr run -d --name web -p 8080:80 --network back:ip=10.1.0.5 ./rootfs nginx",
    .run = run,
};
