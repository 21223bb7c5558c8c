/* Keys of a node about files and lines: binds, files, exec. */
#include "file.h"

#include <string.h>

/* @path of the host, relative to the file; `~` is the user's home. NULL after a fault. */
static char *source_path(struct reader *r, struct place at, const char *path)
{
    const char *tail = path[0] == '~' && (!path[1] || path[1] == '/') ? path + 1 : NULL;
    const char *home = tail ? vars_find(r, "HOME", 4) : NULL;
    if (tail && (!home || home[0] != '/')) {
        fault(r, at, "`%s` needs the variable HOME; write the path in full", path);
        return NULL;
    }
    _cleanup_free_ char *whole = tail ? xasprintf("%s/%s", home, tail) : xstrdup(path);
    return path_resolve(r->t->dir, whole);
}

/* Replaces the entry with the same target, or appends. */
static void put_bind(struct lab_bind **binds, size_t *count, struct lab_bind b)
{
    for (size_t i = 0; i < *count; i++)
        if (streq((*binds)[i].target, b.target)) {
            free((*binds)[i].source);
            free((*binds)[i].target);
            (*binds)[i] = b;
            return;
        }
    *binds = xrealloc(*binds, *count + 1, sizeof(**binds));
    (*binds)[(*count)++] = b;
}

/* The target, without a slash at its end. NULL after a fault. */
static char *target_path(struct reader *r, struct place at, const char *text)
{
    _cleanup_free_ char *clean = path_resolve("/", text);
    if (text[0] != '/') {
        fault(r, at, "`%s` is not an absolute path in the node; begin it with `/`", text);
        return NULL;
    }
    if (streq(clean, "/")) {
        fault(r, at, "`%s` would cover the node's whole tree; name a path below it", text);
        return NULL;
    }
    return take_ptr(clean);
}

/* Options of docker. What is not about reading and writing has no meaning for a lab. */
static bool bind_options(struct reader *r, struct place at, const char *text, bool *read_only)
{
    static const char *const known[] = {
        "ro", "rw", "z", "Z", "shared", "slave", "rshared", "rslave", "private", "rprivate", NULL};
    _cleanup_strv_ strv words = strv_split(text, ',');
    strv_each (word, words) {
        if (!strv_has((char *const *)known, word)) {
            fault(r, at, "bind option `%s` is unknown; write ro or rw", word);
            return false;
        }
        if (streq(word, "ro"))
            *read_only = true;
    }
    return true;
}

static void read_bind(struct reader *r, struct draft *d, const struct tree *v)
{
    _cleanup_free_ char *text = magic_expand(r, d, v->text);
    _cleanup_strv_ strv parts = strv_split(text, ':');
    size_t count = strv_len(parts);
    struct lab_bind b = {.place = v->place};
    if (count < 2 || count > 3 || !*parts[0] || !*parts[1]) {
        fault(r, v->place, "`%s` is not a bind; write SOURCE:TARGET or SOURCE:TARGET:ro", v->text);
        return;
    }
    if (count == 3 && !bind_options(r, v->place, parts[2], &b.read_only))
        return;
    b.target = target_path(r, v->place, parts[1]);
    b.source = b.target ? source_path(r, v->place, parts[0]) : NULL;
    if (b.source)
        put_bind(&d->node->binds, &d->node->bind_count, b);
    else
        free(b.target);
    if (b.source && streq(b.source, "/var/run/docker.sock"))
        note(r, v->place,
             "`%s`: the node can speak to docker there, which knows nothing of this lab", b.source);
}

void node_binds(struct reader *r, const struct key *key, const struct tree *value, void *to)
{
    (void)key;
    for (size_t i = 0; i < tree_text_count(value); i++)
        read_bind(r, to, tree_text_at(value, i));
}

/* As in `cp`: DIRECTORY/. is what is in it. */
static bool is_contents(const char *source)
{
    size_t length = strlen(source);
    return length > 1 && streq(source + length - 2, "/.");
}

/* The source keeps the "/." that path_resolve() takes away. NULL after a fault. */
static char *file_source(struct reader *r, struct place at, const char *text)
{
    _cleanup_free_ char *path = source_path(r, at, text);
    return path && is_contents(text) ? xasprintf("%s/.", path) : take_ptr(path);
}

/* TARGET: SOURCE */
void node_files(struct reader *r, const struct key *key, const struct tree *value, void *to)
{
    struct draft *d = to;
    (void)key;
    for (size_t i = 0; i < value->count; i++) {
        const struct tree *target = value->items[i].key, *source = value->items[i].value;
        _cleanup_free_ char *there = magic_expand(r, d, target->text),
                            *here = magic_expand(r, d, source->text);
        struct lab_bind b = {.place = source->place};
        if (!*here) {
            fault(r, source->place, "file `%s` has no source; write TARGET: SOURCE", target->text);
            continue;
        }
        b.target = streq(there, "/") && is_contents(here) ? xstrdup("/")
                                                          : target_path(r, target->place, there);
        b.source = b.target ? file_source(r, source->place, here) : NULL;
        if (b.source)
            put_bind(&d->node->files, &d->node->file_count, b);
        else
            free(b.target);
    }
}

/* Not kept twice; the order of the first mention counts. */
void node_env_files(struct reader *r, const struct key *key, const struct tree *value, void *to)
{
    struct draft *d = to;
    (void)key;
    for (size_t i = 0; i < tree_text_count(value); i++) {
        const struct tree *v = tree_text_at(value, i);
        _cleanup_free_ char *path = magic_expand(r, d, v->text);
        struct lab_bind b = {.place = v->place};
        b.source = *path ? source_path(r, v->place, path) : NULL;
        b.target = xstrdup(b.source);
        if (b.source)
            put_bind(&d->node->env_files, &d->node->env_file_count, b);
        else if (!*path)
            fault(r, v->place, "this entry of `env-files` is empty; name a file");
    }
}

void node_startup_config(struct reader *r, const struct key *key, const struct tree *value,
                         void *to)
{
    struct draft *d = to;
    (void)key;
    _cleanup_free_ char *path = magic_expand(r, d, value->text);
    free(d->startup_config);
    d->startup_config = source_path(r, value->place, path);
    d->startup_at = value->place;
}

/* A shell's sign as a word of its own means that a shell was expected. */
static void hint_shell(struct reader *r, const struct tree *v, char *const *argv)
{
    static const char *const signs[] = {"&&", "||", "|", ";", ">", ">>", "<", "&", "2>&1", NULL};
    strv_each (word, argv)
        if (strv_has((char *const *)signs, word)) {
            note(r, v->place, "no shell reads `%s`, so `%s` is an argument; write sh -c '…'",
                 v->text, word);
            return;
        }
}

static bool has_line(const struct lab_node *n, const char *line)
{
    for (size_t i = 0; i < n->exec_count; i++)
        if (streq(n->execs[i].line, line))
            return true;
    return false;
}

void node_exec(struct reader *r, const struct key *key, const struct tree *value, void *to)
{
    struct draft *d = to;
    struct lab_node *n = d->node;
    (void)key;
    n->execs = xrealloc(n->execs, n->exec_count + tree_text_count(value) + 1, sizeof(*n->execs));
    for (size_t i = 0; i < tree_text_count(value); i++) {
        const struct tree *v = tree_text_at(value, i);
        _cleanup_free_ char *line = magic_expand(r, d, v->text);
        strv argv = NULL;
        if (has_line(n, line) || !read_words(r, v->place, line, &argv))
            continue;
        if (!argv) {
            fault(r, v->place, "this line of `exec` is empty; remove it");
            continue;
        }
        hint_shell(r, v, argv);
        n->execs[n->exec_count] = (struct lab_exec){.argv = argv, .place = v->place};
        n->execs[n->exec_count++].line = take_ptr(line);
    }
}
