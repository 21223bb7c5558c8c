/* netctr run: from flags and words to a request. What is wrong is refused before anything is created. */
#include "cli.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

/* The flags. Lists and switches go into the request directly; texts point into argv. */
struct run_flags {
    struct run_request request;
    char *name, *workdir, *user, *hostname, *memory, *cpus, *pids, *restart, *ip, *ip6, *mac;
    char *log_driver, *userns, *detach_keys, *entrypoint, *stop_signal, *stop_timeout, *pid_file,
        *id_file, *umask, *oom_score, *shm_size;
    bool publish_all;
    strv exposed;
    strv log_options, env, env_files, labels, label_files, ulimits, volumes, mounts, tmpfs, aliases,
        uids, gids;
};

static void run_flags_clear(struct run_flags *f)
{
    run_request_clear(&f->request);
    strv_free(f->log_options);
    strv_free(f->exposed);
    strv_free(f->env);
    strv_free(f->env_files);
    strv_free(f->labels);
    strv_free(f->ulimits);
    strv_free(f->label_files);
    strv_free(f->volumes);
    strv_free(f->mounts);
    strv_free(f->tmpfs);
    strv_free(f->aliases);
    strv_free(f->uids);
    strv_free(f->gids);
}

/* Targets are offsets here: options_of() adds the address of the flags. */
#define AT(member) ((void *)offsetof(struct run_flags, member))
#define SPEC(member) AT(request.spec.member)
static const struct option table[] = {
    {"detach", 'd', OPTION_FLAG, NULL, "run in the background and print the id", SPEC(detached)},
    {"name", 0, OPTION_TEXT, "NAME", "name of the container", AT(name)},
    {"rm", 0, OPTION_FLAG, NULL, "remove the container when it has ended", SPEC(auto_remove)},
    {"interactive", 'i', OPTION_FLAG, NULL, "keep stdin open", SPEC(interactive)},
    {"tty", 't', OPTION_FLAG, NULL, "give the program a terminal (-it for a shell)", SPEC(tty)},
    {"detach-keys", 0, OPTION_TEXT, "KEYS", DETACH_KEYS_HELP, AT(detach_keys)},
    {"init", 0, OPTION_FLAG, NULL, "run the program below a small init, which reaps processes",
     SPEC(init)},
    {"restart", 0, OPTION_TEXT, "POLICY",
     "when to run it again: no, on-failure[:N], always or unless-stopped", AT(restart)},
    {"pid-file", 0, OPTION_TEXT, "FILE", "write the pid of the program there while it runs",
     AT(pid_file)},
    {"pidfile", 0, OPTION_TEXT, "FILE", "the same as --pid-file", AT(pid_file)},
    {"cidfile", 0, OPTION_TEXT, "FILE", "write the id of the container to a new file", AT(id_file)},
    {"stop-signal", 0, OPTION_TEXT, "SIGNAL", "what `stop` sends first (SIGTERM)", AT(stop_signal)},
    {"stop-timeout", 0, OPTION_TEXT, "SECONDS",
     "when `stop` kills it (10; -1: never); -t of `stop` comes first", AT(stop_timeout)},
    {"env", 'e', OPTION_LIST, "K=V",
     "set a variable, or pass one through from your environment (K)", AT(env)},
    {"env-file", 0, OPTION_LIST, "FILE", "set variables from the lines of a file", AT(env_files)},
    {"label", 'l', OPTION_LIST, "KEY=VALUE", "add a label, for `ps --filter label=`", AT(labels)},
    {"label-file", 0, OPTION_LIST, "FILE", "add labels from the lines of a file", AT(label_files)},
    {"workdir", 'w', OPTION_TEXT, "DIR", "working directory in the container", AT(workdir)},
    {"user", 'u', OPTION_TEXT, "USER[:GROUP]", "run as this user of the container", AT(user)},
    {"group-add", 0, OPTION_LIST, "GROUP",
     "one more group of the user: a name in the container, or an id", SPEC(groups)},
    {"umask", 0, OPTION_TEXT, "MODE", "file mode mask (0022)", AT(umask)},
    {"entrypoint", 0, OPTION_TEXT, "PROGRAM",
     "the program, and COMMAND its arguments; also [\"PROGRAM\", \"ARG\", …]", AT(entrypoint)},
    {"hostname", 'h', OPTION_TEXT, "NAME", "hostname (default: the id)", AT(hostname)},
    {"publish", 'p', OPTION_LIST, "PORT", "[HOSTIP:][HOSTPORT:]PORT[/tcp|udp|sctp], as in 8080:80",
     SPEC(publish)},
    {"publish-all", 'P', OPTION_FLAG, NULL, "publish all ports of --expose, at free host ports",
     AT(publish_all)},
    {"expose", 0, OPTION_LIST, "PORT[/PROTOCOL]", "a port for --publish-all", AT(exposed)},
    {"network", 0, OPTION_LIST, "NETWORK",
     "NAME[:KEY=VALUE,…] with ip=, ip6=, mac=, name=, alias=, rate=, gw-priority=; or none, host, container:NAME, ns:PATH",
     SPEC(networks)},
    {"net", 0, OPTION_LIST, "NAME[:…]", "the same as --network", SPEC(networks)},
    {"ip", 0, OPTION_TEXT, "ADDRESS", "IPv4 address on the first network", AT(ip)},
    {"ip6", 0, OPTION_TEXT, "ADDRESS", "IPv6 address on the first network", AT(ip6)},
    {"mac-address", 0, OPTION_TEXT, "MAC", "MAC address on the first network", AT(mac)},
    {"network-alias", 0, OPTION_LIST, "NAME", "another name on the first network", AT(aliases)},
    {"dns", 0, OPTION_LIST, "ADDRESS", "DNS server for names outside (default: the host's)",
     SPEC(dns)},
    {"dns-search", 0, OPTION_LIST, "DOMAIN", "search domain; `.`: none", SPEC(dns_search)},
    {"dns-option", 0, OPTION_LIST, "OPTION", "option of resolv.conf", SPEC(dns_options)},
    {"dns-opt", 0, OPTION_LIST, "OPTION", "the same as --dns-option", SPEC(dns_options)},
    {"add-host", 0, OPTION_LIST, "NAME:IP", "a line of /etc/hosts; IP may be host-gateway",
     SPEC(add_hosts)},
    {"sysctl", 0, OPTION_LIST, "NAME=VALUE", "set a sysctl of its network or IPC namespace",
     SPEC(sysctls)},
    {"volume", 'v', OPTION_LIST, "SRC:DST[:ro]", "mount a file or directory", AT(volumes)},
    {"mount", 0, OPTION_LIST, "KEY=VALUE,…",
     "type=bind,src=SRC,dst=DST[,ro], or type=tmpfs,dst=DST[,tmpfs-size=64m]", AT(mounts)},
    {"shm-size", 0, OPTION_TEXT, "SIZE", "size of /dev/shm (64m)", AT(shm_size)},
    {"tmpfs", 0, OPTION_LIST, "DST[:OPTION,…]",
     "mount an empty tmpfs (size=64m, mode=, uid=, gid=, nr_inodes=, ro, exec, suid)", AT(tmpfs)},
    {"in-place", 0, OPTION_FLAG, NULL, "write to ROOTFS itself instead of a layer over it",
     SPEC(in_place)},
    {"read-only", 0, OPTION_FLAG, NULL, "mount the root directory read-only", SPEC(read_only)},
    {"memory", 'm', OPTION_TEXT, "SIZE", "memory limit (64m, 1.5g); 0: no limit", AT(memory)},
    {"cpus", 0, OPTION_TEXT, "N", "processor time (0.5, 2); 0: no limit", AT(cpus)},
    {"pids-limit", 0, OPTION_TEXT, "N", "number of processes and threads (2048); 0: no limit",
     AT(pids)},
    {"ulimit", 0, OPTION_LIST, "NAME=SOFT[:HARD]",
     "a resource limit, as nofile=1024:4096; -1: none", AT(ulimits)},
    {"oom-score-adj", 0, OPTION_TEXT, "N", "how soon the OOM killer chooses it (-1000 to 1000; 0)",
     AT(oom_score)},
    {"log-driver", 0, OPTION_TEXT, "DRIVER", "k8s-file (the default), or none: keep no log",
     AT(log_driver)},
    {"log-opt", 0, OPTION_LIST, "KEY=VALUE",
     "max-size=10m (-1: no limit) for each log file, max-file=3", AT(log_options)},
    {"userns", 0, OPTION_TEXT, "auto|host",
     "a user namespace of its own (the default), or the host's", AT(userns)},
    {"uidmap", 0, OPTION_LIST, "ID:HOSTID:COUNT", "its own, with this map of user ids", AT(uids)},
    {"gidmap", 0, OPTION_LIST, "ID:HOSTID:COUNT", "the same of groups (default: as --uidmap)",
     AT(gids)},
    {"cap-add", 0, OPTION_LIST, "CAP", "add a capability (or ALL)", AT(request.cap_add)},
    {"cap-drop", 0, OPTION_LIST, "CAP", "drop a capability (or ALL)", AT(request.cap_drop)},
};

/* `create` has no -d. */
static void options_of(struct run_flags *f, bool creates,
                       struct option options[ARRAY_LEN(table) + 1])
{
    size_t count = 0;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        if (creates && (table[i].letter == 'd' || streq(table[i].name, "detach-keys")))
            continue;
        options[count] = table[i];
        options[count++].target = (char *)f + (uintptr_t)table[i].target;
    }
    options[count] = (struct option){0};
}

/* ---- flags -----------------------------------------------------------------------------------*/

static int take_log(const struct run_flags *f, struct spec *s, struct err *e)
{
    int r = f->log_driver ? log_driver_parse(f->log_driver, &s->log, e) : 0;
    strv_each (text, f->log_options)
        if (r == 0)
            r = log_option_parse(text, &s->log, e);
    return r;
}

static int take_address(const char *flag, const char *text, int family, struct ip *out,
                        struct err *e)
{
    struct ip ip;
    if (!text)
        return 0;
    if (ip_parse(text, &ip) < 0 || ip.family != family || ip_is_any(&ip))
        return err_say(e, -EINVAL, "%s `%s` is not an IPv%d address", flag, text,
                       family == AF_INET ? 4 : 6);
    *out = ip;
    return 0;
}

static int take_aliases(const struct run_flags *f, struct connect_request *a, struct err *e)
{
    strv_each (alias, f->aliases) {
        if (!valid_name(alias)) {
            err_say(e, -EINVAL, "--network-alias `%s` is not a name", alias);
            err_hint(e, NAME_RULE);
            return -EINVAL;
        }
        strv_add(&a->aliases, alias);
    }
    return 0;
}

/* --ip, --ip6, --mac-address and --network-alias belong to the first network. */
static int take_first_network(const struct run_flags *f, struct spec *s, struct err *e)
{
    _cleanup_connect_request_ struct connect_request a = {0};
    if (!f->ip && !f->ip6 && !f->mac && !f->aliases)
        return 0;
    if (!s->networks)
        strv_add(&s->networks, DEFAULT_NETWORK);
    if (network_word(s->networks[0], NULL) != NETWORK_NAME)
        return err_say(e, -EINVAL, "addresses and aliases cannot be given with `--network %s`",
                       s->networks[0]);
    int r = connect_request_parse(s->networks[0], &a, e);
    if (r == 0)
        r = take_address("--ip", f->ip, AF_INET, &a.address4, e);
    if (r == 0)
        r = take_address("--ip6", f->ip6, AF_INET6, &a.address6, e);
    if (r == 0 && f->mac && (mac_parse(f->mac, a.mac) < 0 || a.mac[0] & 1))
        r = err_say(e, -EINVAL, "--mac-address `%s` is not a host's MAC address", f->mac);
    if (r == 0)
        r = take_aliases(f, &a, e);
    if (r == 0) {
        free(s->networks[0]);
        s->networks[0] = connect_request_text(&a);
    }
    return r;
}

static int take_stop(const struct run_flags *f, struct stop_rule *stop, struct err *e)
{
    stop->signal = f->stop_signal ? parse_signal(f->stop_signal) : 0;
    if (stop->signal < 0)
        return err_say(e, -EINVAL, "unknown signal `%s`", f->stop_signal);
    stop->timed = f->stop_timeout != NULL;
    return patience_parse(f->stop_timeout, &stop->seconds, e);
}

static int take_oom_score(const char *text, int *out, struct err *e)
{
    uint64_t n;
    const bool negative = text && *text == '-';
    if (!text)
        return 0;
    if (parse_u64(text + negative, 0, 1000, &n) < 0)
        return err_say(e, -EINVAL, "oom-score-adj `%s` is not a number from -1000 to 1000", text);
    *out = negative ? -(int)n : (int)n;
    return 0;
}

/* A directory, unlike an image, does not say which ports its program has. */
static int take_exposed(const struct run_flags *f, struct spec *s, struct err *e)
{
    if (f->publish_all && !f->exposed) {
        err_say(e, -EINVAL, "-P finds no ports");
        err_hint(e, "`--expose PORT` names them, or `-p PORT` publishes one at a free host port");
        return -EINVAL;
    }
    strv_each (port, f->exposed) {
        _cleanup_port_mappings_ struct port_mappings parsed = {0};
        if (strchr(port, ':'))
            return err_say(e, -EINVAL, "expose `%s` is not PORT[-END][/PROTOCOL]", port);
        int r = port_mapping_parse(port, &parsed, e);
        if (r < 0)
            return r;
        if (f->publish_all)
            strv_add(&s->publish, port);
    }
    return 0;
}

static int take_flags(struct run_flags *f, struct err *e)
{
    struct spec *s = &f->request.spec;
    s->name = xstrdup(f->name);
    s->hostname = xstrdup(f->hostname);
    s->user = xstrdup(f->user);
    s->workdir = xstrdup(f->workdir);
    s->pid_file = xstrdup(f->pid_file);
    s->umask = xstrdup(f->umask);
    int r = f->restart ? restart_parse(f->restart, &s->restart, e) : 0;
    if (r == 0)
        r = volumes_parse(f->volumes, f->tmpfs, f->mounts, s, e);
    if (r == 0 && f->shm_size &&
        (parse_size(f->shm_size, &s->shm_size) < 0 || s->shm_size < 4096 ||
         s->shm_size > INT64_MAX))
        r = err_say(e, -EINVAL, "shm-size `%s` is not a size (as in 64m)", f->shm_size);
    if (r == 0)
        r = limits_parse(f->memory, f->cpus, f->pids, &s->limits, e);
    if (r == 0)
        r = ulimits_parse(f->ulimits, &s->ulimits, e);
    if (r == 0)
        r = take_stop(f, &s->stop, e);
    if (r == 0)
        r = take_oom_score(f->oom_score, &s->oom_score, e);
    if (r == 0)
        r = take_exposed(f, s, e);
    if (r == 0)
        r = take_log(f, s, e);
    if (r == 0)
        r = take_first_network(f, s, e);
    if (r == 0)
        r = userns_parse(f->userns, f->uids, f->gids, &f->request, e);
    if (r == 0)
        r = labels_compose(f->label_files, f->labels, &s->labels, e);
    return r == 0 ? env_compose(f->env_files, f->env, &s->env, e) : r;
}

/* ---- words -----------------------------------------------------------------------------------*/

int check_command(const char *command, const char *before, struct err *e)
{
    if (!*command)
        return err_say(e, -EINVAL, "COMMAND is empty");
    if (*command != '-')
        return 0;
    err_say(e, -EINVAL, "COMMAND `%s` is a flag", command);
    err_hint(e, "flags go before %s", before);
    return -EINVAL;
}

/* A word as it can be typed into a shell; NULL: it would be too long a story. */
static char *shell_word(const char *word)
{
    const bool plain = *word && strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                             "0123456789_-./:=,@%+") == strlen(word);
    if (strchr(word, '\'') || !valid_utf8(word) || strpbrk(word, "\n\t\033"))
        return NULL;
    return plain ? xstrdup(word) : xasprintf("'%s'", word);
}

/* "ROOTFS -p 80:80 nginx" → "-p 80:80 ROOTFS nginx". NULL: these are no flags, or there is a variable, whose value
 * an error does not show. */
static char *reorder(const struct command *command, char **words)
{
    __attribute__((cleanup(run_flags_clear))) struct run_flags f = {.request = RUN_REQUEST_INIT};
    struct option options[ARRAY_LEN(table) + 1];
    _cleanup_err_ struct err ignored = ERR_INIT;
    _cleanup_strv_ strv moved = NULL;
    const int count = (int)strv_len(words);
    bool help = false;
    options_of(&f, command == &command_create, options);
    const int end = options_parse(options, NULL, false, count, words, &help, &ignored);
    if (end < 0 || help || f.env)
        return NULL;
    for (int i = 1; i <= count; i++) {
        const char *word = i < end ? words[i] : i == end ? words[0] : words[i - 1];
        char *typed = shell_word(word);
        if (!typed)
            return NULL;
        strv_add_take(&moved, typed);
    }
    return strv_join(moved, " ");
}

/* Users of other programs write flags anywhere. */
static int check_words(const struct command *command, char **words, bool flags_before,
                       struct err *e)
{
    int r = check_command(words[1], "ROOTFS", e);
    _cleanup_free_ char *right = r < 0 && *words[1] ? reorder(command, words) : NULL;
    if (right)
        err_hint(e, "flags go before ROOTFS: netctr %s %s%s", command->name,
                 flags_before ? "… " : "", right);
    return r;
}

/* One word, or as with podman a JSON array of words. */
static int take_entrypoint(const char *text, strv *argv, struct err *e)
{
    _cleanup_json_ json_t *words = *text == '[' ? json_loads(text, 0, NULL) : NULL;
    for (size_t i = 0; i < json_array_size(words); i++) {
        const char *word = json_string_value(json_array_get(words, i));
        if (!word)
            return err_say(e, -EINVAL, "entrypoint `%s` is not an array of words", text);
        strv_add(argv, word);
    }
    if (!words)
        strv_add(argv, text);
    return 0;
}

/* ROOTFS COMMAND [ARG…]; run_request_complete() reports missing ones. Without an image there is no entrypoint that an
 * empty one could take away. */
static int take_words(const struct command *command, char **words, bool flags_before,
                      struct run_flags *f, struct err *e)
{
    struct spec *s = &f->request.spec;
    const bool program = f->entrypoint && *f->entrypoint;
    if (!words[0])
        return 0;
    s->rootfs = xstrdup(words[0]);
    int r = program ? take_entrypoint(f->entrypoint, &s->argv, e) : 0;
    for (char **word = words + 1; r == 0 && *word; word++)
        strv_add(&s->argv, *word);
    return r == 0 && words[1] && !program ? check_words(command, words, flags_before, e) : r;
}

/* ---- the command -----------------------------------------------------------------------------*/

/* If the id cannot be printed, the command fails, so the container is removed again. */
static int print_id(struct engine *engine, const char *id, struct err *e)
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
    return r == 0 ? print_id(engine, id, e) : r;
}

/* As with docker, it must not exist. */
static int write_id_file(const char *path, const char *id, struct err *e)
{
    if (!path)
        return 0;
    _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0 && errno == EEXIST) {
        err_say(e, -EEXIST, "id file `%s` exists", path);
        err_hint(e, "remove it if its container is gone, or name another file");
        return -EEXIST;
    }
    int r = fd < 0 ? -errno : write_all(fd, id, strlen(id));
    if (r < 0 && fd >= 0) /* an empty one would be in the way of the next command */
        (void)unlink(path);
    return r < 0 ? err_set(e, r, "write id file `%s`", path) : 0;
}

/* After a failure @r there may be no such container. */
static int keep_id_file(struct engine *engine, const char *path, const char *id, int r)
{
    _cleanup_err_ struct err ignored = ERR_INIT;
    _cleanup_record_ struct record record = {0};
    if (r < 0 && path && engine_find(engine, id, &record, &ignored) == -ENOENT)
        (void)unlink(path);
    return r;
}

void warn_oom_killed(const char *name, uint64_t limit)
{
    if (limit)
        warn("container `%s` was killed: it needed more memory than its limit (-m) of %.1f MiB",
             name, (double)limit / (1 << 20));
    else
        warn("container `%s` was killed: the host had no memory left", name);
}

static int run_attached(struct engine *engine, struct run_request *request, struct err *e)
{
    _cleanup_free_ char *name = xstrdup(request->spec.name);
    uint64_t limit = request->spec.limits.memory;
    int r = engine_run_attached(engine, request, e);
    if (r >= 0 && request->oom_killed)
        warn_oom_killed(name, limit);
    return show_detached(r, name);
}

int show_detached(int status, const char *name)
{
    if (status != STATUS_DETACHED)
        return status;
    fprintf(stderr, "\nnetctr: detached from container `%s`\n", name);
    return 0;
}

int check_terminal(bool tty, bool interactive, struct err *e)
{
    if (!tty || !interactive || isatty(STDIN_FILENO))
        return 0;
    err_say(e, -ENOTTY, "the input device is not a TTY");
    err_hint(e, "-t needs a terminal on stdin; without it, -i alone passes stdin on");
    return -ENOTTY;
}

/* From the words of `run` or `create` to a complete request. 0: help has been printed. */
static int take_request(const struct command *command, int argc, char **argv, struct run_flags *f,
                        struct err *e)
{
    struct option options[ARRAY_LEN(table) + 1];
    options_of(f, command == &command_create, options);
    if (argc == 2 && streq(argv[1], "-h")) /* with more words, -h is docker's --hostname */
        argv[1] = "--help";
    int first = command_options(command, options, false, &argc, argv, e);
    if (first <= 0)
        return first;
    int r = take_flags(f, e);
    if (r == 0)
        r = take_words(command, argv + first, first > 1, f, e);
    if (r == 0)
        r = detach_keys_parse(f->detach_keys, &f->request.keys, e);
    const struct spec *s = &f->request.spec;
    if (r == 0 && command == &command_run && !s->detached)
        r = check_terminal(s->tty, s->interactive, e);
    if (r == 0)
        r = run_request_complete(&f->request, e);
    return r < 0 ? r : 1;
}

static int run(const struct cli *cli, int argc, char **argv, struct err *e)
{
    __attribute__((cleanup(run_flags_clear))) struct run_flags f = {.request = RUN_REQUEST_INIT};
    _cleanup_engine_ struct engine engine = {0};
    int r = take_request(&command_run, argc, argv, &f, e);
    if (r <= 0 || (r = cli_engine(cli, &engine, e)) < 0 ||
        (r = write_id_file(f.id_file, f.request.spec.id, e)) < 0)
        return r;
    _cleanup_free_ char *id = xstrdup(f.request.spec.id);
    r = f.request.spec.detached ? run_detached(&engine, &f.request, e)
                                : run_attached(&engine, &f.request, e);
    return keep_id_file(&engine, f.id_file, id, r);
}

/* What most people need; the others are in `--help --all`. */
static const char *const common[] = {"detach", "name",    "rm",      "interactive", "tty",
                                     "env",    "workdir", "user",    "publish",     "network",
                                     "dns",    "volume",  "tmpfs",   "read-only",   "memory",
                                     "cpus",   "restart", "cap-add", NULL};

const struct command command_run = {
    .name = "run",
    .usage = "[FLAGS] ROOTFS COMMAND [ARG…]",
    .summary = "Run a command in a new container made from a root directory",
    .example = "netctr run --rm -it ./rootfs sh\n"
               "netctr run -d --name web -p 8080:80 --network back:ip=10.1.0.5 ./rootfs nginx",
    .common = common,
    .run = run,
};

/* ---- create ----------------------------------------------------------------------------------*/

static int create(const struct cli *cli, int argc, char **argv, struct err *e)
{
    __attribute__((cleanup(run_flags_clear))) struct run_flags f = {.request = RUN_REQUEST_INIT};
    _cleanup_engine_ struct engine engine = {0};
    int r = take_request(&command_create, argc, argv, &f, e);
    if (r <= 0 || (r = cli_engine(cli, &engine, e)) < 0 ||
        (r = write_id_file(f.id_file, f.request.spec.id, e)) < 0)
        return r;
    _cleanup_free_ char *id = xstrdup(f.request.spec.id);
    r = engine_create(&engine, &f.request, e);
    return keep_id_file(&engine, f.id_file, id, r == 0 ? print_id(&engine, id, e) : r);
}

const struct command command_create = {
    .name = "create",
    .usage = "[FLAGS] ROOTFS COMMAND [ARG…]",
    .summary = "Make a container that `start` runs, and print its id",
    .example = "netctr create --name web -p 8080:80 ./rootfs nginx\nnetctr start web",
    .common = common,
    .run = create,
};
