/* Kathara's labs: a folder with a lab.conf, which is read here, and files for the machines that it names. It becomes the text
 * of a topology file (kathara_text.c). Links in the folder lead anywhere: where a file or directory is
 * wanted, a link is a fault.
 */
#include "kathara.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define DIGITS "0123456789"
#define WORD DIGITS "abcdefghijklmnopqrstuvwxyz_"
#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

const struct conf_key conf_keys[CONF_KEYS] = {
    {"image", "image", CONF_TEXT},
    {"mem", "memory", CONF_TEXT},
    {"cpus", "cpu", CONF_TEXT},
    {"entrypoint", "entrypoint", CONF_TEXT},
    {"args", "cmd", CONF_TEXT},
    {"env", "env", CONF_MAP},
    {"sysctl", "sysctls", CONF_MAP},
    {"port", "ports", CONF_ITEM},
    {"volume", "binds", CONF_ITEM},
    {"exec", "exec", CONF_ITEM},
    {"ipv6", NULL, CONF_OWN},
    {"bridged", NULL, CONF_OWN},
    {"num_terms", "no terminals are opened; `netctr lab exec -it MACHINE bash` is one", CONF_NOTED},
    {"shell", "no terminals are opened; `netctr lab exec -it MACHINE SHELL` is one", CONF_NOTED},
};
/* Without effect, too, but of another kind. */
static const struct conf_key other_keys[] = {
    {"privileged",
     "a machine is never privileged; it has NET_ADMIN, NET_RAW and SYS_ADMIN in namespaces of its own",
     CONF_NOTED},
    {"ulimit", "accepted without effect", CONF_NOTED},
};

static struct place at_line(unsigned line)
{
    return (struct place){.line = line};
}

size_t conf_machine(const struct conf *c, const char *name)
{
    for (size_t i = c->machine_count; i-- > 0;)
        if (streq(c->machines[i].name, name))
            return i;
    return SIZE_MAX;
}

/* SIZE_MAX after a fault. */
static size_t add_machine(struct conf *c, const char *name, unsigned line)
{
    size_t i = conf_machine(c, name), length = strlen(name);
    if (i != SIZE_MAX)
        return i;
    if (!length || length > 30 || name[strspn(name, WORD)] || streq(name, "shared")) {
        fault(c->r, at_line(line),
              streq(name, "shared") ? "`%s` is the folder for all machines; choose another name"
                                    : "`%s` is not a name for a machine; use at most 30 of a-z, "
                                      "0-9 and _",
              name);
        return SIZE_MAX;
    }
    if (c->machine_count == CONF_MACHINES_MAX) {
        fault(c->r, at_line(line), "the lab has more than %d machines; split it",
              CONF_MACHINES_MAX);
        return SIZE_MAX;
    }
    c->machines = xrealloc(c->machines, c->machine_count + 1, sizeof(*c->machines));
    c->machines[c->machine_count] = (struct conf_machine){.name = xstrdup(name), .line = line};
    return c->machine_count++;
}

/* ---- interfaces ------------------------------------------------------------------------------*/

static size_t add_domain(struct conf *c, const char *name)
{
    for (size_t i = c->domain_count; i-- > 0;)
        if (streq(c->domains[i], name))
            return i;
    if ((c->domain_count & (c->domain_count - 1)) == 0)
        c->domains =
            xrealloc(c->domains, c->domain_count ? 2 * c->domain_count + 1 : 2, sizeof(char *));
    c->domains[c->domain_count++] = xstrdup(name);
    c->domains[c->domain_count] = NULL;
    return c->domain_count - 1;
}

/* DOMAIN or DOMAIN/MAC */
static void read_interface(struct conf *c, size_t machine, const char *number, const char *value,
                           unsigned line)
{
    struct conf_machine *m = &c->machines[machine];
    const char *slash = strchr(value, '/');
    _cleanup_free_ char *domain = xstrndup(value, slash ? (size_t)(slash - value) : strlen(value));
    if (strlen(number) > 4) {
        fault(c->r, at_line(line), "an interface has a number of at most 4 digits; choose one");
        return;
    }
    if (!*domain || strlen(domain) > 40 || domain[strspn(domain, WORD LETTERS)] ||
        (slash && !slash[1])) {
        fault(c->r, at_line(line),
              "`%s` is not a collision domain; write DOMAIN or DOMAIN/MAC, with letters, digits "
              "and _",
              value);
        return;
    }
    struct conf_port p = {machine, add_domain(c, domain), (unsigned)atoi(number), line,
                          xstrdup(slash ? slash + 1 : NULL)};
    for (size_t i = 0; i < c->port_count; i++)
        if (c->ports[i].machine == machine && c->ports[i].domain == p.domain)
            fault(c->r, at_line(line),
                  "machine `%s` is in collision domain `%s` already, by line %u; choose another",
                  m->name, domain, c->ports[i].line);
    if (p.number >= m->free)
        m->free = p.number + 1;
    c->ports = xrealloc(c->ports, c->port_count + 1, sizeof(*c->ports));
    c->ports[c->port_count++] = p;
}

/* ---- settings --------------------------------------------------------------------------------*/

static void keep(struct conf *c, size_t machine, size_t key, char *name, char *value, unsigned line)
{
    for (size_t i = 0; i < c->setting_count && conf_keys[key].use != CONF_ITEM; i++) {
        struct conf_setting *old = &c->settings[i];
        if (old->machine != machine || old->key != key || !streq(old->name, name) || old->dead)
            continue;
        old->dead = true;
        note(c->r, at_line(line), "`%s` of machine `%s` was given in line %u, too; this one counts",
             name ? name : conf_keys[key].name, c->machines[machine].name, old->line);
    }
    c->settings = xrealloc(c->settings, c->setting_count + 1, sizeof(*c->settings));
    c->settings[c->setting_count++] = (struct conf_setting){machine, key, name, value, line, false};
}

static void read_flag_of(struct conf *c, size_t machine, const char *key, const char *value,
                         unsigned line)
{
    struct conf_machine *m = &c->machines[machine];
    bool on =
        strcasecmp(value, "1") == 0 || strcasecmp(value, "y") == 0 || strcasecmp(value, "t") == 0;
    if (!on && strcmp(value, "0") != 0 && strcasecmp(value, "n") != 0 &&
        strcasecmp(value, "f") != 0 && flag_parse(value, &on) < 0)
        fault(c->r, at_line(line), "`%s` takes true or false, not `%s`; correct it", key, value);
    else
        *(streq(key, "ipv6") ? &m->ipv6 : &m->bridged) = on;
}

/* NAME=VALUE */
static void read_pair(struct conf *c, size_t machine, size_t key, const char *value, unsigned line)
{
    const bool sysctl = streq(conf_keys[key].name, "sysctl");
    const char *equals = strchr(value, '=');
    _cleanup_free_ char *name = equals ? xstrndup(value, (size_t)(equals - value)) : NULL;
    if (!name || !*name || (sysctl && !skip_prefix(name, "net.")))
        fault(c->r, at_line(line), "`%s` takes %s, not `%s`; correct it", conf_keys[key].name,
              sysctl ? "net.NAME=VALUE" : "NAME=VALUE", value);
    else
        keep(c, machine, key, take_ptr(name), xstrdup(equals + 1), line);
}

/* [HOST:]GUEST[/PROTOCOL], and HOST|GUEST[|MODE] as a bind. */
static void read_item(struct conf *c, size_t machine, size_t key, const char *value, unsigned line)
{
    const char *name = conf_keys[key].name;
    char *item = NULL;
    if (streq(name, "port")) {
        item = strchr(value, ':') ? xstrdup(value) : xasprintf("3000:%s", value);
    } else if (streq(name, "volume")) {
        _cleanup_strv_ strv parts = strv_split(value, '|');
        const size_t count = strv_len(parts);
        if (count == 2 || count == 3)
            item = xasprintf("%s:%s:%s", parts[0], parts[1],
                             count == 3 && streq(parts[2], "rw") ? "rw" : "ro");
        else
            fault(c->r, at_line(line), "`%s` is not a volume; write HOST|GUEST|MODE", value);
    } else {
        item = xstrdup(value);
    }
    if (item)
        keep(c, machine, key, NULL, item, line);
}

static void unknown_key(struct conf *c, const char *key, unsigned line)
{
    const char *words[CONF_KEYS + ARRAY_LEN(other_keys) + 1] = {NULL};
    for (size_t i = 0; i < CONF_KEYS; i++)
        words[i] = conf_keys[i].name;
    for (size_t i = 0; i < ARRAY_LEN(other_keys); i++)
        words[CONF_KEYS + i] = other_keys[i].name;
    _cleanup_free_ char *hint = nearest_hint(c->r, key, words, "remove it");
    fault(c->r, at_line(line), "unknown key `%s` of a machine; %s", key, hint);
}

static void note_once(struct conf *c, const struct conf_key *key, unsigned line)
{
    if (strv_has(c->r->said, key->name))
        return;
    strv_add(&c->r->said, key->name);
    note(c->r, at_line(line), "`%s`: %s", key->name, key->as);
}

static void read_key(struct conf *c, size_t machine, const char *key, const char *value,
                     unsigned line)
{
    for (size_t i = 0; i < ARRAY_LEN(other_keys); i++)
        if (streq(other_keys[i].name, key)) {
            note_once(c, &other_keys[i], line);
            return;
        }
    for (size_t i = 0; i < CONF_KEYS; i++) {
        if (!streq(conf_keys[i].name, key))
            continue;
        switch (conf_keys[i].use) {
        case CONF_TEXT: keep(c, machine, i, NULL, xstrdup(value), line); break;
        case CONF_MAP: read_pair(c, machine, i, value, line); break;
        case CONF_ITEM: read_item(c, machine, i, value, line); break;
        case CONF_OWN: read_flag_of(c, machine, key, value, line); break;
        case CONF_NOTED: note_once(c, &conf_keys[i], line); break;
        }
        return;
    }
    unknown_key(c, key, line);
}

/* ---- lines -----------------------------------------------------------------------------------*/

/* Perhaps in quotes, and with a comment after it. NULL: it is not a value, or empty. The caller frees. */
static char *read_value(const char *text)
{
    const char quote = *text == '"' || *text == '\'' ? *text : 0;
    const char *end = quote ? strchr(text + 1, quote) : text + strlen(text);
    const char *comment = strstr(text, " #") ? strstr(text, " #") : strstr(text, "\t#");
    if (!end)
        return NULL;
    if (!quote && comment)
        end = comment;
    if (quote) {
        const char *rest = end + 1 + strspn(end + 1, " \t");
        if (*rest && *rest != '#')
            return NULL;
        text++;
    }
    while (!quote && end > text && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    return end > text ? xstrndup(text, (size_t)(end - text)) : NULL;
}

static void read_head(struct conf *c, const char *text, unsigned line)
{
    static const char *const words[] = {"LAB_NAME",  "LAB_DESCRIPTION", "LAB_VERSION", "LAB_AUTHOR",
                                        "LAB_EMAIL", "LAB_WEB",         NULL};
    const char *equals = strchr(text, '=');
    _cleanup_free_ char *key = xstrndup(text, equals ? (size_t)(equals - text) : strlen(text));
    if (!strv_has((char *const *)words, key)) {
        _cleanup_free_ char *hint = nearest_hint(c->r, key, words, "remove it");
        fault(c->r, at_line(line), "unknown key `%s` of a lab; %s", key, hint);
    } else if (streq(key, "LAB_NAME") && equals) {
        free(c->name);
        c->name = read_value(equals + 1);
    }
}

static void read_line(struct conf *c, char *text, unsigned line)
{
    size_t length = strlen(text);
    while (length && strchr(" \t\r", text[length - 1]))
        text[--length] = '\0';
    text += strspn(text, " \t");
    if (!*text || *text == '#')
        return;
    if (skip_prefix(text, "LAB_")) {
        read_head(c, text, line);
        return;
    }
    char *open = strchr(text, '['), *close = open ? strstr(open, "]=") : NULL;
    _cleanup_free_ char *value = close ? read_value(close + 2) : NULL;
    if (!value) {
        fault(c->r, at_line(line), "`%s` is not MACHINE[KEY]=VALUE; correct it", text);
        return;
    }
    *open = *close = '\0';
    const size_t machine = add_machine(c, text, line);
    const char *key = open + 1;
    if (machine == SIZE_MAX)
        return;
    if (*key && !key[strspn(key, DIGITS)])
        read_interface(c, machine, key, value, line);
    else
        read_key(c, machine, key, value, line);
}

/* Those that YAML takes for the end of a line, or not at all. */
static bool has_controls(const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    for (; *s; s++)
        if ((*s < ' ' && !strchr("\t\r\n", *s)) || *s == 0x7f || (s[0] == 0xc2 && s[1] < 0xa0) ||
            (s[0] == 0xe2 && s[1] == 0x80 && (s[2] & 0xfe) == 0xa8))
            return true;
    return false;
}

bool conf_read(struct conf *c, const char *text, size_t size)
{
    _cleanup_free_ char *copy = xstrndup(text, size);
    unsigned line = 0;
    if (size > CONF_MAX || strlen(copy) != size || !valid_utf8(copy)) {
        fault(c->r, at_line(1),
              size > CONF_MAX ? "this file has more than 256 KiB; it is no lab.conf"
                              : "this is not UTF-8 text; correct the file");
        return false;
    }
    if (has_controls(copy)) {
        fault(c->r, at_line(1), "this file has control characters; remove them");
        return false;
    }
    char *next = copy + (skip_prefix(copy, "\xef\xbb\xbf") ? 3 : 0);
    while (next && line < CONF_LINES_MAX) {
        char *start = next, *end = strchr(start, '\n');
        next = end ? end + 1 : NULL;
        if (end)
            *end = '\0';
        read_line(c, start, ++line);
    }
    if (next)
        fault(c->r, at_line(line), "the file has more than %d lines; split the lab",
              CONF_LINES_MAX);
    if (!c->machine_count && !c->r->faults.count)
        fault(c->r, at_line(1), "the lab has no machine; write MACHINE[0]=DOMAIN");
    return c->machine_count;
}

void conf_clear(struct conf *c)
{
    for (size_t i = 0; i < c->machine_count; i++)
        free(c->machines[i].name);
    for (size_t i = 0; i < c->setting_count; i++) {
        free(c->settings[i].name);
        free(c->settings[i].value);
    }
    for (size_t i = 0; i < c->port_count; i++)
        free(c->ports[i].mac);
    free(c->machines);
    free(c->settings);
    free(c->ports);
    free(c->name);
    strv_free(c->domains);
    close_fd(c->dir);
}
