/* Nodes: which levels each inherits, and in which order they are read into it. */
#include "file.h"

#include <string.h>
#include <strings.h>

/* ---- kinds -----------------------------------------------------------------------------------*/

static const struct tree *kind_level(const struct reader *r, const char *kind)
{
    for (size_t i = 0; r->kinds && r->kinds->kind == TREE_MAP && i < r->kinds->count; i++)
        if (strcasecmp(r->kinds->items[i].key->text, kind) == 0)
            return r->kinds->items[i].value;
    return NULL;
}

static void refuse_kind(struct reader *r, struct place at, const char *kind)
{
    static const char *const words[] = {"linux", "bridge", "frr", NULL};
    if (strcasecmp(kind, "ovs-bridge") == 0) {
        fault(
            r, at,
            "kind `%s` needs Open vSwitch, which netctr does not run; use --ovs-as-bridge to run it as "
            "a plain switch",
            kind);
    } else if (strcasecmp(kind, "k8s-kind") == 0 || strcasecmp(kind, "ext-container") == 0) {
        fault(r, at,
              "kind `%s` is a container of another tool; only linux and bridge are run, remove it",
              kind);
    } else {
        _cleanup_free_ char *hint = nearest_hint(r, kind, words, "only linux and bridge are run");
        fault(r, at, "kind `%s` is not run by netctr; %s", kind, hint);
    }
}

static void take_kind(struct reader *r, struct draft *d, const char *kind)
{
    static const struct {
        const char *name;
        enum lab_kind kind;
    } kinds[] = {
        {"linux", LAB_LINUX}, {"frr", LAB_LINUX}, {"frrouting", LAB_LINUX}, {"bridge", LAB_BRIDGE}};
    struct place at = d->kind_at.line ? d->kind_at : d->node->place;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (strcasecmp(kind, kinds[i].name) == 0) {
            d->node->kind = kinds[i].kind;
            d->node->frr = skip_prefix(kinds[i].name, "frr");
            return;
        }
    if (strcasecmp(kind, "ovs-bridge") == 0 && r->options->ovs_as_bridge) {
        d->node->kind = LAB_BRIDGE;
        note(r, at, "kind `%s` is run as a plain switch, without Open vSwitch", kind);
        return;
    }
    refuse_kind(r, at, kind);
}

/* ---- levels ----------------------------------------------------------------------------------*/

static const char *text_at(const struct tree *level, const char *key)
{
    const struct tree *t = tree_get(level, key);
    return t && t->kind == TREE_TEXT && !tree_is_null(t) ? t->text : NULL;
}

static void read_level(struct reader *r, struct draft *d, const struct tree *level)
{
    if (level && level->kind == TREE_MAP)
        keys_read(r, &table_node, level, d);
}

/* Containerlab wants both: the name, and the mode that says the same. */
static void check_inner_mode(struct reader *r, const struct draft *d)
{
    const struct lab_node *n = d->node;
    const char *in = strstr(n->name, BRIDGE_IN) + strlen(BRIDGE_IN);
    if (n->network != NODE_CONTAINER || !streq(n->network_of, in))
        fault(r, d->mode_at.line ? d->mode_at : n->place,
              "`%s` is a bridge inside node `%s`; give it `network-mode: container:%s`", n->name,
              in, in);
}

/* What a switch can have of its own. */
static void read_bridge(struct reader *r, struct draft *d, const struct tree *own)
{
    static const char *const kept[] = {"kind",     "group", "labels", "type",
                                       "position", "image", NULL};
    struct lab_node *n = d->node;
    const bool inner = strstr(n->name, BRIDGE_IN);
    for (size_t i = 0; own && own->kind == TREE_MAP && i < own->count; i++) {
        const struct tree *key = own->items[i].key;
        if (streq(key->text, "ports"))
            fault(r, key->place, "a bridge runs no program, so it has no `ports`; remove them");
        else if (streq(key->text, "network-mode") && !inner)
            fault(r, key->place,
                  "a bridge has no `network-mode`, unless it is inside a node; write it as "
                  "`BRIDGE|NODE: {kind: bridge, network-mode: container:NODE}`");
        else if (streq(key->text, "network-mode"))
            continue;
        else if (!strv_has((char *const *)kept, key->text) && !tree_is_null(own->items[i].value))
            note(r, key->place, "a bridge is a plain switch; `%s` has no effect on it", key->text);
    }
    read_level(r, d, own);
    struct lab_node switch_ = {
        .place = n->place, .kind = LAB_BRIDGE, .network = NODE_NONE, .network_of_index = SIZE_MAX};
    if (inner) {
        switch_.network = NODE_CONTAINER;
        switch_.network_of = xstrdup(strstr(n->name, BRIDGE_IN) + strlen(BRIDGE_IN));
        check_inner_mode(r, d);
    }
    switch_.name = take_ptr(n->name);
    switch_.group = take_ptr(n->group);
    switch_.labels = take_ptr(n->labels);
    lab_node_clear(n);
    *n = switch_;
}

static void add_frr_config(struct reader *r, struct draft *d)
{
    struct lab_node *n = d->node;
    if (!d->startup_config)
        return;
    if (!n->frr) {
        note(r, d->startup_at,
             "`startup-config` has no effect on kind `linux`; use kind: frr, or `files`");
        return;
    }
    for (size_t i = 0; i < n->file_count; i++)
        if (streq(n->files[i].target, "/etc/frr/frr.conf"))
            return;
    n->files = xrealloc(n->files, n->file_count + 1, sizeof(*n->files));
    struct lab_bind *config = &n->files[n->file_count++];
    *config = (struct lab_bind){.target = xstrdup("/etc/frr/frr.conf"), .place = d->startup_at};
    config->source = take_ptr(d->startup_config);
}

static size_t depth_of(const char *path)
{
    size_t depth = 0;
    for (; *path; path++)
        depth += *path == '/';
    return depth;
}

/* A directory is mounted before what is mounted in it. */
static int by_depth(const void *a, const void *b)
{
    const struct lab_bind *x = a, *y = b;
    size_t p = depth_of(x->target), q = depth_of(y->target);
    if (p != q)
        return p < q ? -1 : 1;
    return strcmp(x->target, y->target);
}

static void finish_node(struct reader *r, struct draft *d)
{
    struct lab_node *n = d->node;
    add_frr_config(r, d);
    if (n->bind_count)
        qsort(n->binds, n->bind_count, sizeof(*n->binds), by_depth);
    for (size_t i = 0; i < d->port_count; i++)
        strv_add(&n->ports, d->ports[i].text);
    for (size_t i = 0; i < d->network_count; i++)
        strv_add(&n->networks, d->networks[i].text);
}

/* @level becomes that of its group; NULL: none. */
static const char *kind_of(const struct reader *r, const struct tree *own,
                           const struct tree **level)
{
    const char *group = text_at(own, "group");
    if (!group)
        group = text_at(r->defaults, "group");
    *level = group ? tree_get(r->groups, group) : NULL;
    const char *kind = text_at(own, "kind");
    kind = kind ? kind : text_at(*level, "kind");
    kind = kind ? kind : text_at(r->defaults, "kind");
    return kind ? kind : "linux";
}

/* `kind: host` is this host under another name, for the ends of links. */
static bool read_host(struct reader *r, const struct tree *key, const struct tree *own)
{
    const struct tree *level;
    if (strcasecmp(kind_of(r, own, &level), "host") != 0)
        return false;
    strv_add(&r->hosts, key->text);
    for (size_t i = 0; own && own->kind == TREE_MAP && i < own->count; i++)
        if (!streq(own->items[i].key->text, "kind") && !tree_is_null(own->items[i].value))
            note(r, own->items[i].key->place, "`%s` is this host; `%s` has no effect on it",
                 key->text, own->items[i].key->text);
    return true;
}

static void read_node(struct reader *r, struct draft *d, const struct tree *own)
{
    const struct tree *level;
    const char *kind = kind_of(r, own, &level);
    const struct tree *of_kind = kind_level(r, kind);
    if (!text_at(own, "group") && text_at(of_kind, "group"))
        level = tree_get(r->groups, text_at(of_kind, "group"));
    if (!tree_is_null(own) && own->kind != TREE_MAP) {
        fault(r, own->place, "node `%s` must be a map; write KEY: VALUE", d->node->name);
        return;
    }
    bool bridge = strcasecmp(kind, "bridge") == 0 || strcasecmp(kind, "ovs-bridge") == 0;
    if (!bridge && strstr(d->node->name, BRIDGE_IN))
        fault(r, d->node->place, "`%s` is a name for a bridge inside a node; write kind: bridge",
              d->node->name);
    if (!bridge) {
        read_level(r, d, r->defaults);
        read_level(r, d, of_kind);
        read_level(r, d, level);
        read_level(r, d, own);
        take_kind(r, d, kind);
        finish_node(r, d);
    } else {
        read_bridge(r, d, own);
        take_kind(r, d, kind);
    }
}

/* Reads a level that perhaps no node inherits, to find its faults. */
static void try_level(struct reader *r, const char *what, const struct tree *level)
{
    struct lab_node scratch = {.name = xstrdup("node"), .tty = true};
    struct draft d = {.node = &scratch};
    _cleanup_free_ char *name = xasprintf("`%s`", what);
    if (want_map(r, name, level))
        read_level(r, &d, level);
    draft_clear(&d);
    lab_node_clear(&scratch);
}

static void try_levels(struct reader *r, const char *what, const struct tree *levels)
{
    _cleanup_free_ char *name = xasprintf("`%s`", what);
    if (!want_map(r, name, levels))
        return;
    for (size_t i = 0; i < levels->count; i++)
        try_level(r, levels->items[i].key->text, levels->items[i].value);
}

/* ---- all -------------------------------------------------------------------------------------*/

static void check_name(struct reader *r, const struct tree *key)
{
    _cleanup_free_ char *long_name = topology_long_name(r->t, key->text);
    if (strchr(key->text, '/') || !*key->text)
        fault(r, key->place, "node `%s` is named like a path; choose a name without `/`",
              key->text);
    else if (strstr(key->text, BRIDGE_IN)) /* check_inner() */
        return;
    else if (valid_name(key->text) && valid_name(r->t->name) && strlen(long_name) > NAME_LENGTH_MAX)
        fault(r, key->place,
              "the container `%s` would have a name of %zu characters; %d are possible, "
              "shorten the node's or the lab's name",
              long_name, strlen(long_name), NAME_LENGTH_MAX);
    else if (!valid_name(key->text))
        fault(r, key->place, "`%s` is not a name for a node; use %s", key->text, NAME_RULE);
}

void nodes_read(struct reader *r)
{
    struct topology *t = r->t;
    try_level(r, "defaults", r->defaults);
    try_levels(r, "kinds", r->kinds);
    try_levels(r, "groups", r->groups);
    if (!want_map(r, "`nodes`", r->nodes))
        return;
    if (r->nodes->count > NODES_MAX) {
        fault(r, r->nodes->place, "the lab has more than %d nodes; split it", NODES_MAX);
        return;
    }
    t->nodes = xcalloc(r->nodes->count + 1, sizeof(*t->nodes));
    r->drafts = xcalloc(r->nodes->count + 1, sizeof(*r->drafts));
    for (size_t i = 0; i < r->nodes->count; i++) {
        const struct tree *key = r->nodes->items[i].key, *own = r->nodes->items[i].value;
        struct lab_node *n = &t->nodes[t->node_count];
        if (read_host(r, key, own))
            continue;
        *n = (struct lab_node){.name = xstrdup(key->text),
                               .place = key->place,
                               .network_of_index = SIZE_MAX,
                               .tty = true};
        struct draft *d = &r->drafts[t->node_count++];
        d->node = n;
        check_name(r, key);
        read_node(r, d, own);
    }
    names_sort(r);
}
