/* Keys of a node that are texts, lists and maps of texts. */
#include "file.h"

#include <netctr/core.h>
#include <netctr/store.h>

#include <errno.h>
#include <string.h>

static struct lab_node *node_of(void *to)
{
    return ((struct draft *)to)->node;
}

static void set(char **to, const char *text)
{
    free(*to);
    *to = xstrdup(text);
}

/* Replaces the entry of @key, or appends one. */
static void set_pair(strv *v, const char *key, const char *value)
{
    size_t length = strlen(key), i = 0;
    for (; *v && (*v)[i]; i++)
        if (strncmp((*v)[i], key, length) == 0 && (*v)[i][length] == '=') {
            free((*v)[i]);
            (*v)[i] = xasprintf("%s=%s", key, value);
            return;
        }
    strv_add_take(v, xasprintf("%s=%s", key, value));
}

void node_image(struct reader *r, const struct key *key, const struct tree *value, void *to)
{
    (void)key;
    if (*value->text)
        set(&node_of(to)->image, value->text);
    else
        fault(r, value->place, "`image` is empty; name an image, write `host`, or remove it");
}

void node_kind(struct reader *r, const struct key *key, const struct tree *value, void *to)
{
    (void)r;
    (void)key;
    struct draft *d = to;
    set(&d->kind, value->text);
    d->kind_at = value->place;
}

void node_group(struct reader *r, const struct key *key, const struct tree *value, void *to)
{
    (void)r;
    (void)key;
    set(&node_of(to)->group, value->text);
}

void node_env(struct reader *r, const struct key *key, const struct tree *value, void *to)
{
    (void)key;
    for (size_t i = 0; i < value->count; i++) {
        const struct tree *name = value->items[i].key, *v = value->items[i].value;
        _cleanup_free_ char *text = magic_expand(r, to, tree_is_null(v) ? "" : v->text);
        if (!*name->text || strchr(name->text, '='))
            fault(r, name->place, "`%s` is not the name of a variable; remove the `=`", name->text);
        else
            set_pair(&node_of(to)->env, name->text, text);
    }
}

void node_labels(struct reader *r, const struct key *key, const struct tree *value, void *to)
{
    (void)key;
    for (size_t i = 0; i < value->count; i++) {
        const struct tree *name = value->items[i].key, *v = value->items[i].value;
        if (!*name->text || strchr(name->text, '='))
            fault(r, name->place, "`%s` is not the name of a label; remove the `=`", name->text);
        else
            set_pair(&node_of(to)->labels, name->text, tree_is_null(v) ? "" : v->text);
    }
}

/* `cmd` and `entrypoint`: a line, or a list of words. */
void node_words(struct reader *r, const struct key *key, const struct tree *value, void *to)
{
    bool cmd = streq(key->name, "cmd");
    struct lab_node *n = node_of(to);
    _cleanup_strv_ strv words = NULL;
    if (value->kind == TREE_TEXT) {
        _cleanup_free_ char *line = magic_expand(r, to, value->text);
        if (!read_words(r, value->place, line, &words))
            return;
    }
    for (size_t i = 0; value->kind == TREE_LIST && i < value->count; i++)
        strv_add_take(&words, magic_expand(r, to, value->items[i].value->text));
    strv *out = cmd ? &n->cmd : &n->entrypoint;
    strv_free(*out);
    *out = take_ptr(words);
    *(cmd ? &n->has_cmd : &n->has_entrypoint) = true;
}

/* As the engine has it: what belongs to the node's own namespaces. */
static bool is_own_sysctl(const char *path)
{
    static const char *const starts[] = {"net/",       "fs/mqueue/", "kernel/msg",
                                         "kernel/sem", "kernel/shm", "kernel/domainname"};
    for (size_t i = 0; i < ARRAY_LEN(starts); i++)
        if (skip_prefix(path, starts[i]))
            return true;
    return false;
}

void node_sysctls(struct reader *r, const struct key *key, const struct tree *value, void *to)
{
    (void)key;
    for (size_t i = 0; i < value->count; i++) {
        const struct tree *name = value->items[i].key, *v = value->items[i].value;
        _cleanup_free_ char *path = strchr(name->text, '=') ? NULL : sysctl_path(name->text);
        if (!path)
            fault(r, name->place,
                  "`%s` is not the name of a sysctl; write it as in net.ipv4.ip_forward",
                  name->text);
        else if (!is_own_sysctl(path))
            fault(r, name->place,
                  "sysctl `%s` is not a node's own; set it on the host, or remove it", name->text);
        else if (!*v->text || strchr(v->text, '\n'))
            fault(r, v->place, "sysctl `%s` needs a value of one line; give it one", name->text);
        else
            set_pair(&node_of(to)->sysctls, name->text, v->text);
    }
}

void node_caps(struct reader *r, const struct key *key, const struct tree *value, void *to)
{
    (void)key;
    for (size_t i = 0; i < tree_text_count(value); i++) {
        const struct tree *v = tree_text_at(value, i);
        char *add[] = {v->text, NULL};
        uint64_t mask;
        _cleanup_err_ struct err e = ERR_INIT;
        if (caps_resolve(add, NULL, false, UINT64_MAX, &mask, &e) < 0)
            fault_err(r, v->place, &e);
        else if (!strv_has(node_of(to)->cap_add, v->text))
            strv_add(&node_of(to)->cap_add, v->text);
    }
}

void node_memory(struct reader *r, const struct key *key, const struct tree *value, void *to)
{
    /* containerlab also takes 1Gb and 512MiB; the letter decides. */
    size_t digits = strspn(value->text, "0123456789."), length = strlen(value->text);
    _cleanup_free_ char *text = xstrdup(value->text);
    if (length > digits + 1 && strchr("kmgtKMGT", text[digits]) &&
        (strcasecmp(text + digits + 1, "b") == 0 || strcasecmp(text + digits + 1, "ib") == 0))
        text[digits + 1] = 0;
    uint64_t bytes;
    (void)key;
    if (parse_size(text, &bytes) < 0 || bytes > INT64_MAX / 2)
        fault(r, value->place, "memory `%s` is not a size; write it as in 512m or 1g", value->text);
    else if (bytes && bytes < 6 << 20)
        fault(r, value->place, "memory `%s` is less than 6m, the least for a node; give it more",
              value->text);
    else
        set(&node_of(to)->memory, text);
}

void node_cpu(struct reader *r, const struct key *key, const struct tree *value, void *to)
{
    size_t whole = strspn(value->text, "0123456789");
    const char *part = value->text[whole] == '.' ? value->text + whole + 1 : "";
    (void)key;
    if (!whole || whole > 4 || strspn(part, "0123456789") != strlen(part) || strlen(part) > 3 ||
        (value->text[whole] && value->text[whole] != '.') || strtod(value->text, NULL) < 0.01)
        fault(r, value->place, "cpu `%s` is not a number of processors; write it as in 0.5 or 2",
              value->text);
    else
        set(&node_of(to)->cpu, value->text);
}

/* "0-2,5" */
static bool cpu_list_valid(const char *s)
{
    for (;;) {
        char *end;
        unsigned long first = strtoul(s, &end, 10), last = first;
        if (end == s || end - s > 5 || strchr("+- \t", *s))
            return false;
        if (*end == '-') {
            s = end + 1;
            last = strtoul(s, &end, 10);
            if (end == s || end - s > 5 || strchr("+- \t", *s) || last < first)
                return false;
        }
        if (*end != ',')
            return !*end;
        s = end + 1;
    }
}

void node_cpu_set(struct reader *r, const struct key *key, const struct tree *value, void *to)
{
    (void)key;
    if (!*value->text || !cpu_list_valid(value->text))
        fault(r, value->place, "cpu-set `%s` is not a list of processors; write it as in 0-2,5",
              value->text);
    else
        set(&node_of(to)->cpu_set, value->text);
}

void node_aliases(struct reader *r, const struct key *key, const struct tree *value, void *to)
{
    (void)key;
    for (size_t i = 0; i < tree_text_count(value); i++) {
        const struct tree *v = tree_text_at(value, i);
        if (!valid_name(v->text))
            fault(r, v->place, "alias `%s` is not a name; use %s", v->text, NAME_RULE);
        else if (!strv_has(node_of(to)->aliases, v->text))
            strv_add(&node_of(to)->aliases, v->text);
    }
}

void node_hostname(struct reader *r, const struct key *key, const struct tree *value, void *to)
{
    (void)key;
    if (!valid_host_name(value->text, 63))
        fault(r, value->place,
              "hostname `%s` is not a host's name; use letters, digits, `-` and dots, at most 63",
              value->text);
    else
        set(&node_of(to)->hostname, value->text);
}

void node_user(struct reader *r, const struct key *key, const struct tree *value, void *to)
{
    (void)key;
    if (!*value->text || strpbrk(value->text, " \t\n/"))
        fault(r, value->place, "`%s` is not a user; write NAME, UID or USER:GROUP", value->text);
    else
        set(&node_of(to)->user, value->text);
}

void node_delay(struct reader *r, const struct key *key, const struct tree *value, void *to)
{
    (void)read_duration(r, key->name, value, &node_of(to)->startup_delay_ms);
}

void node_restart(struct reader *r, const struct key *key, const struct tree *value, void *to)
{
    struct restart restart;
    _cleanup_err_ struct err e = ERR_INIT;
    (void)key;
    if (restart_parse(value->text, &restart, &e) < 0)
        fault_err(r, value->place, &e);
    else
        set(&node_of(to)->restart, value->text);
}

void node_tty(struct reader *r, const struct key *key, const struct tree *value, void *to)
{
    (void)r;
    (void)key;
    (void)flag_parse(value->text, &node_of(to)->tty);
}

/* ---- dns -------------------------------------------------------------------------------------*/

void node_dns(struct reader *r, const struct key *key, const struct tree *value, void *to)
{
    keys_read(r, key->table, value, to);
}

static void set_list(strv *out, const struct tree *value)
{
    strv_free(*out);
    *out = NULL;
    for (size_t i = 0; i < tree_text_count(value); i++)
        strv_add(out, tree_text_at(value, i)->text);
}

static void dns_servers(struct reader *r, const struct key *key, const struct tree *value, void *to)
{
    (void)key;
    for (size_t i = 0; i < tree_text_count(value); i++) {
        const struct tree *v = tree_text_at(value, i);
        struct ip ip;
        if (ip_parse(v->text, &ip) < 0 || ip_is_any(&ip)) {
            fault(r, v->place, "DNS server `%s` is not an address; write one", v->text);
            return;
        }
    }
    set_list(&node_of(to)->dns, value);
}

static void dns_search(struct reader *r, const struct key *key, const struct tree *value, void *to)
{
    (void)key;
    for (size_t i = 0; i < tree_text_count(value); i++) {
        const struct tree *v = tree_text_at(value, i);
        if (!streq(v->text, ".") && !valid_host_name(v->text, 253)) {
            fault(r, v->place, "search domain `%s` is not a domain; correct it", v->text);
            return;
        }
    }
    set_list(&node_of(to)->dns_search, value);
}

static void dns_options(struct reader *r, const struct key *key, const struct tree *value, void *to)
{
    (void)key;
    for (size_t i = 0; i < tree_text_count(value); i++) {
        const struct tree *v = tree_text_at(value, i);
        if (!*v->text || strpbrk(v->text, " \t\n")) {
            fault(r, v->place, "DNS option `%s` is not one word; write it as in ndots:1", v->text);
            return;
        }
    }
    set_list(&node_of(to)->dns_options, value);
}

static const struct key dns_keys[] = {
    {"servers", KEY_APPLY, SHAPE_TEXT_OR_TEXTS, dns_servers, "Addresses of DNS servers", 0, NULL,
     NULL},
    {"search", KEY_APPLY, SHAPE_TEXT_OR_TEXTS, dns_search,
     "Domains that short names are looked up in", 0, NULL, NULL},
    {"options", KEY_APPLY, SHAPE_TEXT_OR_TEXTS, dns_options,
     "Options of resolv.conf, as in ndots:1", 0, NULL, NULL},
};
TABLE(table_dns, "`dns`", dns_keys);

/* ---- extras ----------------------------------------------------------------------------------*/

void node_extras(struct reader *r, const struct key *key, const struct tree *value, void *to)
{
    keys_read(r, key->table, value, to);
}

/* Only those of FRR; other kinds have others. */
static void extras_frr(struct reader *r, const struct key *key, const struct tree *value, void *to)
{
    const struct tree *daemons = tree_get(value, "daemons");
    (void)key;
    if (tree_is_null(daemons))
        return;
    bool texts = daemons->kind != TREE_MAP;
    for (size_t i = 0; daemons->kind == TREE_LIST && i < daemons->count; i++)
        texts = texts && daemons->items[i].value->kind == TREE_TEXT;
    if (!texts) {
        fault(r, daemons->place, "`daemons` takes a list of texts; correct it");
        return;
    }
    set_list(&node_of(to)->daemons, daemons);
}

static const struct key extras_keys[] = {
    {"frr", KEY_APPLY, SHAPE_ANY, extras_frr, "daemons: those of FRR that run", 0, NULL, NULL},
    {"srl-agents", KEY_SILENT, SHAPE_ANY, NULL, "Accepted without effect", 0, NULL, NULL},
    {"mysocket-proxy", KEY_SILENT, SHAPE_ANY, NULL, "Accepted without effect", 0, NULL, NULL},
    {"ceos-copy-to-flash", KEY_SILENT, SHAPE_ANY, NULL, "Accepted without effect", 0, NULL, NULL},
    {"k8s_kind", KEY_SILENT, SHAPE_ANY, NULL, "Accepted without effect", 0, NULL, NULL},
};
TABLE(table_extras, "`extras`", extras_keys);
