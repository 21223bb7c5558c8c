/* Reads a topology: the file, its first level of keys, and then each part. */
#include "file.h"

#include <errno.h>
#include <string.h>

/* ---- the first two levels --------------------------------------------------------------------*/

/* Keeps the value; the parts are read later, in an order of their own. */
static void keep(struct reader *r, const struct key *key, const struct tree *value, void *to)
{
    (void)to;
    *(const struct tree **)((char *)r + key->offset) = value;
}

#define KEEP(name, shape, member, help, table)                                           \
    {                                                                                    \
        name, KEY_APPLY, shape, keep, help, offsetof(struct reader, member), table, NULL \
    }
#define ELSEWHERE(name, help)                                  \
    {                                                          \
        name, KEY_REFUSE, SHAPE_ANY, NULL, help, 0, NULL, NULL \
    }
#define TO_TOP(name) ELSEWHERE(name, "does not belong below `topology`; move it to the left margin")
#define TO_TOPOLOGY(name) ELSEWHERE(name, "belongs below `topology`; move it there")
static const struct key topology_keys[] = {
    KEEP("defaults", SHAPE_TABLE, defaults, "What all nodes inherit", &table_node),
    KEEP("kinds", SHAPE_TABLE_MAP, kinds, "What the nodes of a kind inherit", &table_node),
    KEEP("groups", SHAPE_TABLE_MAP, groups, "What the nodes of a group inherit", &table_node),
    KEEP("nodes", SHAPE_TABLE_MAP, nodes, "The nodes: NAME: {…}", &table_node),
    KEEP("links", SHAPE_TABLES, links, "The links between them", &table_link),
    TO_TOP("name"),
    TO_TOP("prefix"),
    TO_TOP("mgmt"),
    TO_TOP("networks"),
    TO_TOP("tests"),
};
TABLE(table_topology, "`topology`", topology_keys);

static const struct key file_keys[] = {
    KEEP("name", SHAPE_TEXT, name, "The lab's name", NULL),
    KEEP("prefix", SHAPE_TEXT, prefix, "First part of container names; \"\": none", NULL),
    KEEP("mgmt", SHAPE_FLAG_OR_TABLE, mgmt, "The management network; false: none", &table_mgmt),
    KEEP("topology", SHAPE_TABLE, topology, "Nodes and links", &table_topology),
    KEEP("networks", SHAPE_TABLE_MAP, networks, "Networks with outside access and DNS",
         &table_network),
    KEEP("images", SHAPE_TEXT_MAP, images, "PATTERN: a root directory, or host; what `image` means",
         NULL),
    KEEP("tests", SHAPE_TEXT_OR_TABLES, tests, "What must be reachable, and what must not",
         &table_test),
    {"settings", KEY_SILENT, SHAPE_ANY, NULL, "Accepted without effect", 0, NULL, NULL},
    TO_TOPOLOGY("defaults"),
    TO_TOPOLOGY("kinds"),
    TO_TOPOLOGY("groups"),
    TO_TOPOLOGY("nodes"),
    TO_TOPOLOGY("links"),
    {"debug", KEY_SILENT, SHAPE_ANY, NULL, "Accepted without effect", 0, NULL, NULL},
};
TABLE(table_file, "a lab's file", file_keys);

/* ---- names -----------------------------------------------------------------------------------*/

static void read_name(struct reader *r, struct place top)
{
    struct topology *t = r->t;
    struct place at = r->name ? r->name->place : top;
    const char *name = r->options->name ? r->options->name : r->name ? r->name->text : NULL;
    t->name = xstrdup(name ? name : "lab");
    t->prefix = xstrdup(r->prefix ? r->prefix->text : "clab");
    if (!name)
        fault(r, at, "the lab has no name; add `name: NAME`");
    else if (!valid_name(name))
        fault(r, at, "`%s` is not a name for a lab; use %s", name, NAME_RULE);
    if (*t->prefix && !streq(t->prefix, "__lab-name") && !valid_name(t->prefix))
        fault(r, r->prefix->place, "`%s` is not a prefix for names; use %s", t->prefix, NAME_RULE);
    r->lab_dir = xasprintf("%s/clab-%s", streq(t->dir, "/") ? "" : t->dir, t->name);
}

/* A directory is relative to the file. */
static void read_images(struct reader *r)
{
    for (size_t i = 0; r->images && i < r->images->count; i++) {
        const struct tree *to = r->images->items[i].value;
        _cleanup_free_ char *path =
            streq(to->text, "host") ? xstrdup(to->text) : path_resolve(r->t->dir, to->text);
        if (!*to->text)
            fault(r, to->place, "image `%s` has no root directory; write one, or host",
                  r->images->items[i].key->text);
        else
            strv_add_take(&r->t->images, xasprintf("%s=%s", r->images->items[i].key->text, path));
    }
}

/* ---- the parts -------------------------------------------------------------------------------*/

static void read_parts(struct reader *r, const struct tree *root)
{
    keys_read(r, &table_file, root, r);
    read_name(r, root->place);
    if (!r->topology && !r->faults.count)
        fault(r, root->place, "the lab has no `topology`; add it, with `nodes` below it");
    else if (r->topology)
        keys_read(r, &table_topology, r->topology, r);
    if (r->topology && tree_is_null(tree_get(r->topology, "nodes")))
        fault(r, r->topology->place, "the topology has no `nodes`; add them");
    read_images(r);
    networks_read(r);
    nodes_read(r);
    links_read(r);
    mgmt_read(r);
    tests_read(r);
    if (!r->t->nodes) /* the reason has been reported */
        return;
    check_nodes(r);
    check_links(r);
    check_mgmt(r);
    check_capacity(r);
    check_circles(r);
    check_sources(r);
}

static void reader_clear(struct reader *r)
{
    for (size_t i = 0; r->drafts && i < r->t->node_count; i++)
        draft_clear(&r->drafts[i]);
    free(r->drafts);
    free(r->by_name);
    strv_free(r->hosts);
    free(r->lab_dir);
    findings_clear(r);
}

/* The directory in which @path is, absolute. */
static int find_dir(const char *path, struct topology *t, struct err *e)
{
    _cleanup_free_ char *here = getcwd(NULL, 0);
    if (!here && path[0] != '/')
        return err_set(e, errno, "find the current directory");
    t->file = path_resolve(here ? here : "/", path);
    t->dir = xstrdup(t->file);
    char *slash = strrchr(t->dir, '/');
    slash[slash == t->dir] = 0;
    return 0;
}

/* Reads the text into r->t, and finishes the reader. */
static int parse(struct reader *r, const char *text, size_t size, struct topology_faults *faults,
                 struct err *e)
{
    _cleanup_forest_ struct forest forest = {0};
    const struct tree *root = text ? tree_parse(r, &forest, text, size) : NULL;
    if (root && !r->broken && want_map(r, "a lab's file", root))
        read_parts(r, root);
    else if (root && !r->faults.count)
        fault(r, root->place, "the file is empty; a lab has `name` and `topology`");
    int code = r->faults.count ? -EINVAL : 0;
    findings_finish(r, faults);
    reader_clear(r);
    return code < 0 ? err_say(e, code, "`%s` has faults", r->path) : 0;
}

static const struct topology_options no_options = {0};

int topology_parse(const char *text, size_t size, const char *path,
                   const struct topology_options *options, struct topology **out,
                   struct topology_faults *faults, struct err *e)
{
    _cleanup_topology_ struct topology *t = xcalloc(1, sizeof(*t));
    struct reader r = {.path = path, .options = options ? options : &no_options, .t = t};
    *out = NULL;
    int code = find_dir(path, t, e);
    if (code == 0)
        code = parse(&r, text, size, faults, e);
    if (code == 0)
        *out = take_ptr(t);
    return code;
}

int topology_import(char **text, size_t *size, const char *path,
                    const struct topology_options *options, struct topology **out,
                    struct topology_faults *faults, struct err *e)
{
    _cleanup_topology_ struct topology *t = xcalloc(1, sizeof(*t));
    struct kathara_text written = {0};
    struct reader r = {
        .path = path, .options = options ? options : &no_options, .t = t, .from = &written};
    *out = NULL;
    int code = find_dir(path, t, e);
    if (code == 0) {
        kathara_read(&r, *text, *size, &written);
        code = parse(&r, written.text, written.size, faults, e);
    }
    if (code == 0) {
        free(*text);
        *text = take_ptr(written.text);
        *size = written.size;
        *out = take_ptr(t);
    }
    kathara_text_clear(&written);
    return code;
}

/* ---- the file --------------------------------------------------------------------------------*/

static bool is_topology_name(const char *name)
{
    static const char *const ends[] = {".clab.yml", ".clab.yaml"};
    size_t length = strlen(name);
    for (size_t i = 0; i < ARRAY_LEN(ends); i++)
        if (length > strlen(ends[i]) && streq(name + length - strlen(ends[i]), ends[i]))
            return true;
    return false;
}

/* The only topology in the directory @path. The caller frees *@file. */
static int find_in(const char *path, char **file, struct err *e)
{
    _cleanup_dir_ DIR *d = open_listing(AT_FDCWD, path);
    int r = 0;
    if (!d)
        return err_set(e, errno, "open `%s`", path);
    for (struct dirent *entry; (entry = next_entry(d, &r));) {
        if (!is_topology_name(entry->d_name))
            continue;
        if (*file) {
            err_say(e, -ENOTUNIQ, "`%s` has several files *.clab.yml", path);
            err_hint(e, "name one of them");
            return -ENOTUNIQ;
        }
        *file = xasprintf("%s/%s", path, entry->d_name);
    }
    if (r < 0)
        return err_set(e, r, "read `%s`", path);
    if (*file)
        return 0;
    err_say(e, -ENOENT, "`%s` has no file *.clab.yml", path);
    err_hint(e, "name the lab's file");
    return -ENOENT;
}

int topology_read(const char *path, const struct topology_options *options, struct topology **out,
                  struct topology_faults *faults, struct err *e)
{
    _cleanup_free_ char *found = NULL, *text = NULL;
    struct stat st;
    size_t size = 0;
    *out = NULL;
    if (stat(path, &st) < 0)
        return err_set(e, errno, "read the lab's file `%s`", path);
    int r = S_ISDIR(st.st_mode) ? find_in(path, &found, e) : 0;
    if (r < 0)
        return r;
    const char *file = found ? found : path;
    r = read_file_at(AT_FDCWD, file, TEXT_MAX, &text, &size);
    if (r == -EFBIG)
        return err_say(e, r, "`%s` has more than 4 MiB: that is no lab's file", file);
    if (r < 0)
        return err_set(e, r, "read the lab's file `%s`", file);
    return topology_parse(text, size, file, options, out, faults, e);
}
