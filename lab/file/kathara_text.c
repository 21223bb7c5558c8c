/* The topology file that says what a lab.conf says, in Kathara's defaults: no management network, MTU 1500, no IPv6. */
#include "kathara.h"

#include <linux/openat2.h>
#include <stdarg.h>
#include <string.h>

__asm__(".section .rodata\n"
        "kathara_node_begin:\n"
        "\t.incbin \"" KATHARA_NODE "\"\n"
        "kathara_node_end:\n"
        "\t.previous\n");
extern const char kathara_node_begin[], kathara_node_end[];

#define BRIDGED "bridged" /* the network of machines with outside access */
#define BASE_IMAGE "kathara/base"

struct writer {
    const struct conf *c;
    FILE *out;
    struct kathara_text *text;
};

/* A line of the topology file for line @line of the lab.conf. */
__attribute__((format(printf, 3, 4))) static void put(struct writer *w, unsigned line,
                                                      const char *format, ...)
{
    struct kathara_text *t = w->text;
    va_list args;
    va_start(args, format);
    (void)vfprintf(w->out, format, args);
    va_end(args);
    (void)fputc('\n', w->out);
    if ((t->line_count & (t->line_count - 1)) == 0)
        t->lines = xrealloc(t->lines, t->line_count ? 2 * t->line_count : 1, sizeof(*t->lines));
    t->lines[t->line_count++] = line;
}

/* @text with each @what replaced. The caller frees. */
static char *replaced(const char *text, char what, const char *by)
{
    _cleanup_strv_ strv parts = strv_split(text, what);
    return strv_join(parts, by);
}

/* As a value in YAML, in which the loader finds no variables. The caller frees. */
static char *quoted(const char *text)
{
    _cleanup_free_ char *safe = replaced(text, '$', "$$");
    if (yaml_is_plain(safe))
        return take_ptr(safe);
    _cleanup_json_ json_t *j = json_string(safe);
    _cleanup_free_ char *dumped = json_dumps(j, JSON_ENCODE_ANY);
    return xstrdup(dumped ? dumped : "\"\"");
}

static char *shell_line(const char *command)
{
    _cleanup_free_ char *safe = replaced(command, '\'', "'\\''");
    return xasprintf("sh -c '%s'", safe);
}

/* ---- the folder ------------------------------------------------------------------------------*/

/* Is there @name in the folder, of this kind? A link or another kind is a fault. */
static bool folder_has(struct writer *w, unsigned line, const char *name, mode_t kind)
{
    struct stat st;
    if (fstatat(w->c->dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return false;
    if ((st.st_mode & S_IFMT) == kind)
        return true;
    fault(w->c->r, (struct place){.line = line}, "`%s` in this folder is not a %s; replace it",
          name, kind == S_IFDIR ? "directory" : "regular file");
    return false;
}

/* No link leads to it. */
static bool machine_has(struct writer *w, const char *path)
{
    struct stat st;
    _cleanup_close_ int fd =
        open_in_root(w->c->dir, path, O_PATH | O_NOFOLLOW, 0, RESOLVE_NO_SYMLINKS);
    return fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

static void note_unread(struct writer *w, unsigned line, const char *name, const char *why)
{
    struct stat st;
    if (fstatat(w->c->dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
        note(w->c->r, (struct place){.line = line}, "`%s` has no effect: %s", name, why);
}

/* ---- machines --------------------------------------------------------------------------------*/

/* The values of one key. A line each, below the key's, unless it has one value. */
static void put_key(struct writer *w, size_t machine, size_t key)
{
    const struct conf_key *k = &conf_keys[key];
    bool begun = k->use == CONF_TEXT;
    for (size_t i = 0; i < w->c->setting_count; i++) {
        const struct conf_setting *s = &w->c->settings[i];
        if (s->machine != machine || s->key != key || s->dead)
            continue;
        _cleanup_free_ char *value = quoted(s->value), *name = quoted(s->name ? s->name : "");
        if (!begun)
            put(w, s->line, "      %s:", k->as);
        begun = true;
        if (k->use == CONF_TEXT)
            put(w, s->line, "      %s: %s", k->as, value);
        else if (k->use == CONF_MAP)
            put(w, s->line, "        %s: %s", name, value);
        else
            put(w, s->line, "        - %s", value);
    }
}

static const struct conf_setting *first_of(const struct writer *w, size_t machine, const char *name)
{
    for (size_t i = 0; i < w->c->setting_count; i++) {
        const struct conf_setting *s = &w->c->settings[i];
        if (s->machine == machine && !s->dead && streq(conf_keys[s->key].name, name))
            return s;
    }
    return NULL;
}

static void put_keys(struct writer *w, size_t machine)
{
    const struct conf_machine *m = &w->c->machines[machine];
    const struct conf_setting *port = m->bridged ? NULL : first_of(w, machine, "port");
    for (size_t i = 0; i < CONF_KEYS; i++)
        if (conf_keys[i].use < CONF_OWN && !streq(conf_keys[i].name, "exec") &&
            !streq(conf_keys[i].name, "sysctl") && !(port && port->key == i))
            put_key(w, machine, i);
    if (port)
        note(
            w->c->r, (struct place){.line = port->line},
            "machine `%s` has no way to the outside, so `port` has no effect; add %s[bridged]=true",
            m->name, m->name);
    if (first_of(w, machine, "entrypoint") && !first_of(w, machine, "args"))
        put(w, m->line, "      cmd: []");
    if (m->bridged)
        put(w, m->line, "      networks: [\"" BRIDGED ":name=eth%u\"]", m->free);
}

static void put_sysctls(struct writer *w, size_t machine, size_t key)
{
    /* In the order of the file: what a machine says itself comes last. */
    static const char *const of_ipv6[] = {"all.disable_ipv6: 0", "default.disable_ipv6: 0",
                                          "all.forwarding: 1", "default.forwarding: 1",
                                          "all.accept_ra: 0"};
    const struct conf_machine *m = &w->c->machines[machine];
    bool begun = m->ipv6;
    if (begun)
        put(w, m->line, "      sysctls:");
    for (size_t i = 0; m->ipv6 && i < ARRAY_LEN(of_ipv6); i++) {
        _cleanup_free_ char *name =
            xasprintf("net.ipv6.conf.%.*s", (int)strcspn(of_ipv6[i], ":"), of_ipv6[i]);
        bool said = false;
        for (size_t s = 0; s < w->c->setting_count; s++)
            said = said || (w->c->settings[s].machine == machine && w->c->settings[s].key == key &&
                            streq(w->c->settings[s].name, name));
        if (!said)
            put(w, m->line, "        net.ipv6.conf.%s", of_ipv6[i]);
    }
    for (size_t i = 0; i < w->c->setting_count; i++) {
        const struct conf_setting *s = &w->c->settings[i];
        if (s->machine != machine || s->key != key || s->dead)
            continue;
        _cleanup_free_ char *value = quoted(s->value), *name = quoted(s->name);
        if (!begun)
            put(w, s->line, "      sysctls:");
        begun = true;
        put(w, s->line, "        %s: %s", name, value);
    }
}

static void put_files(struct writer *w, const struct conf_machine *m, bool shared, bool startup)
{
    /* netctr writes these when a node starts, and copies a file after that. */
    static const char *const written[] = {"etc/hosts", "etc/resolv.conf"};
    const bool own = folder_has(w, m->line, m->name, S_IFDIR);
    if (own || shared || startup)
        put(w, m->line, "      files:");
    if (own)
        put(w, m->line, "        /: %s/.", m->name);
    for (size_t i = 0; own && i < ARRAY_LEN(written); i++) {
        _cleanup_free_ char *path = xasprintf("%s/%s", m->name, written[i]);
        if (machine_has(w, path))
            put(w, m->line, "        /%s: %s", written[i], path);
    }
    if (shared)
        put(w, m->line, "        /hostlab/shared.startup: shared.startup");
    if (startup)
        put(w, m->line, "        /hostlab/%s.startup: %s.startup", m->name, m->name);
}

static void put_execs(struct writer *w, size_t machine, bool shared, bool startup)
{
    const struct conf_machine *m = &w->c->machines[machine];
    if (shared || startup || first_of(w, machine, "exec"))
        put(w, m->line, "      exec:");
    if (shared)
        put(w, m->line, "        - startup shared.startup");
    if (startup)
        put(w, m->line, "        - startup %s.startup", m->name);
    for (size_t i = 0; i < w->c->setting_count; i++) {
        const struct conf_setting *s = &w->c->settings[i];
        if (s->machine != machine || s->dead || !streq(conf_keys[s->key].name, "exec"))
            continue;
        _cleanup_free_ char *line = shell_line(s->value), *text = quoted(line);
        put(w, s->line, "        - %s", text);
    }
}

static void put_machine(struct writer *w, size_t machine, bool shared)
{
    const struct conf_machine *m = &w->c->machines[machine];
    _cleanup_free_ char *script = xasprintf("%s.startup", m->name),
                        *last = xasprintf("%s.shutdown", m->name);
    const bool startup = folder_has(w, m->line, script, S_IFREG);
    size_t sysctl = 0;
    while (!streq(conf_keys[sysctl].name, "sysctl"))
        sysctl++;
    put(w, m->line, "    \"%s\":", m->name);
    put_keys(w, machine);
    put_sysctls(w, machine, sysctl);
    put_files(w, m, shared, startup);
    put_execs(w, machine, shared, startup);
    note_unread(w, m->line, last, "no script runs before a lab goes down");
}

/* ---- collision domains -----------------------------------------------------------------------*/

/* The switch of a domain with other than two machines; names of machines have no "-". The caller frees. */
static char *switch_name(const struct conf *c, const char *domain)
{
    return valid_name(domain) && conf_machine(c, domain) == SIZE_MAX ? xstrdup(domain)
                                                                     : xasprintf("lan-%s", domain);
}

static size_t *count_members(const struct conf *c)
{
    size_t *members = xcalloc(c->domain_count + 1, sizeof(*members));
    for (size_t i = 0; i < c->port_count; i++)
        members[c->ports[i].domain]++;
    return members;
}

static void put_end(struct writer *w, const struct conf_port *p)
{
    _cleanup_free_ char *mac = p->mac ? quoted(p->mac) : NULL;
    put(w, p->line, "        - {node: \"%s\", interface: eth%u%s%s}",
        w->c->machines[p->machine].name, p->number, mac ? ", mac: " : "", mac ? mac : "");
}

static const struct conf_port *other_port(const struct conf *c, size_t i)
{
    for (size_t k = i + 1; k < c->port_count; k++)
        if (c->ports[k].domain == c->ports[i].domain)
            return &c->ports[k];
    return NULL;
}

static void put_links(struct writer *w, const size_t *members)
{
    const struct conf *c = w->c;
    _cleanup_free_ unsigned *used = xcalloc(c->domain_count + 1, sizeof(*used));
    if (c->port_count)
        put(w, 1, "  links:");
    for (size_t i = 0; i < c->port_count; i++) {
        const struct conf_port *p = &c->ports[i];
        const bool pair = members[p->domain] == 2;
        const struct conf_port *peer = pair ? other_port(c, i) : NULL;
        if (pair && !peer)
            continue;
        put(w, p->line, "    - mtu: 1500");
        put(w, p->line, "      endpoints:");
        put_end(w, p);
        if (peer) {
            put_end(w, peer);
            continue;
        }
        _cleanup_free_ char *lan = switch_name(c, c->domains[p->domain]);
        put(w, p->line, "        - {node: \"%s\", interface: p%u}", lan, ++used[p->domain]);
    }
}

/* ---- the whole -------------------------------------------------------------------------------*/

/* LAB_NAME, or the folder's, without what a name cannot have, and short enough for the names of containers. */
static char *lab_name(const struct conf *c)
{
    const char *slash = strrchr(c->r->t->dir, '/');
    const char *from = c->name && valid_name(c->name) ? c->name : slash ? slash + 1 : "";
    size_t longest = strlen("clab--");
    for (size_t i = 0; i < c->machine_count; i++)
        if (strlen(c->machines[i].name) + strlen("clab--") > longest)
            longest = strlen(c->machines[i].name) + strlen("clab--");
    char *name = xstrndup(from + strspn(from, "-_. "), NAME_LENGTH_MAX - longest);
    for (char *s = name; *s; s++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.", *s))
            *s = '-';
    if (valid_name(name))
        return name;
    free(name);
    return xstrdup("lab");
}

static void put_head(struct writer *w)
{
    const struct conf *c = w->c;
    _cleanup_free_ char *name = lab_name(c), *plain = quoted(name);
    bool bridged = false;
    for (size_t i = 0; i < c->machine_count; i++)
        bridged = bridged || c->machines[i].bridged;
    put(w, 1, "name: %s", plain);
    put(w, 1, "mgmt: false");
    put(w, 1, "images: {" BASE_IMAGE ": host}");
    if (bridged)
        put(w, 1, "networks: {" BRIDGED ": {}}");
}

/* The script of all nodes, as one line of `exec` in several lines of text. */
static void put_node_script(struct writer *w)
{
    _cleanup_free_ char *text = xstrndup(kathara_node_begin,
                                         (size_t)(kathara_node_end - kathara_node_begin)),
                        *line = shell_line(text), *safe = replaced(line, '$', "$$");
    _cleanup_strv_ strv lines = strv_split(safe, '\n');
    put(w, 1, "    exec:");
    put(w, 1, "      - |");
    strv_each (one, lines)
        put(w, 1, *one ? "        %s" : "%s", one);
}

static void put_defaults(struct writer *w)
{
    put(w, 1, "topology:");
    put(w, 1, "  defaults:");
    put(w, 1, "    image: " BASE_IMAGE);
    put(w, 1, "    cmd: [sh, -c, \"while :; do sleep 1000 & wait; done\"]");
    put(w, 1, "    tty: false");
    put(w, 1, "    env:");
    put(w, 1, "      PATH: %s",
        "\"/hostlab/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\"");
    put(w, 1, "    sysctls:");
    put(w, 1, "      net.ipv4.icmp_ratelimit: 0");
    put(w, 1, "      net.ipv6.icmp.ratelimit: 0");
    put(w, 1, "      net.ipv6.conf.all.disable_ipv6: 1");
    put(w, 1, "      net.ipv6.conf.default.disable_ipv6: 1");
    if (folder_has(w, 1, "shared", S_IFDIR))
        put(w, 1, "    binds: [\"shared:/shared\"]");
    put_node_script(w);
}

static void conf_write(const struct conf *c, struct kathara_text *out)
{
    struct writer w = {.c = c, .text = out, .out = open_memstream(&out->text, &out->size)};
    _cleanup_free_ size_t *members = count_members(c);
    if (!w.out)
        abort();
    put_head(&w);
    put_defaults(&w);
    const bool shared = folder_has(&w, 1, "shared.startup", S_IFREG);
    put(&w, 1, "  nodes:");
    for (size_t i = 0; i < c->machine_count; i++)
        put_machine(&w, i, shared);
    for (size_t i = 0; i < c->domain_count; i++) {
        _cleanup_free_ char *lan = switch_name(c, c->domains[i]);
        if (members[i] != 2 && members[i])
            put(&w, 1, "    \"%s\": {kind: bridge}", lan);
    }
    put_links(&w, members);
    note_unread(&w, 1, "shared.shutdown", "no script runs before a lab goes down");
    note_unread(&w, 1, "lab.dep", "all machines start at once");
    note_unread(&w, 1, "lab.ext", "no interface of the host is joined");
    if (fclose(w.out) != 0)
        abort();
}

void kathara_read(struct reader *r, const char *text, size_t size, struct kathara_text *out)
{
    struct conf c = {.r = r, .dir = open(r->t->dir, O_PATH | O_DIRECTORY | O_CLOEXEC)};
    if (conf_read(&c, text, size))
        conf_write(&c, out);
    conf_clear(&c);
}

void kathara_text_clear(struct kathara_text *t)
{
    free(t->text);
    free(t->lines);
    *t = (struct kathara_text){0};
}
