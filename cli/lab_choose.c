/* Which lab, or which topology file, the subcommands of `netctr lab` mean. */
#include "lab.h"

#include <errno.h>
#include <glob.h>
#include <string.h>

/* ---- files -----------------------------------------------------------------------------------*/

static int no_file(struct err *e)
{
    err_say(e, -ENOENT, "there is no *.clab.yml and no " TOPOLOGY_KATHARA " here");
    err_hint(e, "name the topology file");
    return -ENOENT;
}

/* The lab.conf of a Kathara lab in @dir, or NULL. The caller frees. */
static char *kathara_in(const char *dir)
{
    struct stat st;
    char *path =
        streq(dir, ".") ? xstrdup(TOPOLOGY_KATHARA) : xasprintf("%s/" TOPOLOGY_KATHARA, dir);
    if (lstat(path, &st) == 0)
        return path;
    free(path);
    return NULL;
}

bool lab_is_kathara(const char *path)
{
    const char *slash = strrchr(path, '/');
    return streq(slash ? slash + 1 : path, TOPOLOGY_KATHARA);
}

/* A directory means its only topology file, or its lab.conf. */
static int find_file(const char *given, char **out, struct err *e)
{
    struct stat st;
    glob_t found = {0};
    const char *path = given ? given : ".";
    if (stat(path, &st) < 0)
        return err_set(e, errno, "topology file `%s`", path);
    if (!S_ISDIR(st.st_mode)) {
        *out = xstrdup(path);
        return 0;
    }
    _cleanup_free_ char *pattern = xasprintf("%s/*.clab.y*ml", path);
    int r = glob(pattern, 0, NULL, &found);
    size_t count = r == 0 ? found.gl_pathc : 0;
    if (count == 1)
        *out = xstrdup(skip_prefix(found.gl_pathv[0], "./") ? found.gl_pathv[0] + 2
                                                            : found.gl_pathv[0]);
    globfree(&found);
    if (count == 0)
        *out = kathara_in(path);
    if (*out)
        return 0;
    if (count == 0)
        return given ? err_say(e, -ENOENT,
                               "directory `%s` has no *.clab.yml and no " TOPOLOGY_KATHARA, given)
                     : no_file(e);
    return err_say(e, -EINVAL, "directory `%s` has several topology files: name one", path);
}

static int report(struct topology_faults *f, struct err *e)
{
    for (size_t i = 1; i < strv_len(f->lines); i++)
        fprintf(stderr, "netctr: %s\n", f->lines[i]);
    if (f->more)
        fprintf(stderr, "netctr: %zu more errors\n", f->more);
    return err_say(e, -EINVAL, "%s", f->lines ? f->lines[0] : "the topology file has errors");
}

enum { TEXT_MAX = 4 << 20 };

int lab_read(const struct lab_choice *c, const char *word, const struct topology_options *o,
             char **text, size_t *size, struct topology **out, struct err *e)
{
    _cleanup_free_ char *path = NULL;
    struct topology_faults faults = {0};
    *text = NULL;
    *out = NULL;
    int r = find_file(c->topo ? c->topo : word, &path, e);
    if (r < 0)
        return r;
    r = read_file_at(AT_FDCWD, path, TEXT_MAX, text, size);
    if (r == -EINVAL) /* a pipe, a socket, a device */
        return err_say(e, r, "topology file `%s` is not a regular file", path);
    if (r < 0)
        return err_set(e, r, "read topology file `%s`", path);
    r = lab_is_kathara(path) ? topology_import(text, size, path, o, out, &faults, e)
                             : topology_parse(*text, *size, path, o, out, &faults, e);
    if (r == -EINVAL && faults.lines)
        r = report(&faults, e);
    topology_faults_clear(&faults);
    return r;
}

/* ---- a lab that exists -----------------------------------------------------------------------*/

static int lab_of_file(struct engine *engine, const struct lab_choice *c, const char *word,
                       struct lab *out, struct err *e)
{
    _cleanup_topology_ struct topology *t = NULL;
    _cleanup_free_ char *text = NULL;
    size_t size;
    const struct topology_options o = {.environ = environ, .skip_binds = true};
    int r = lab_read(c, word, &o, &text, &size, &t, e);
    return r < 0 || !t ? r : lab_find(engine, c->name ? c->name : t->name, out, e);
}

struct only {
    char *name;
    size_t count;
};

static int count_lab(struct lab *l, void *arg)
{
    struct only *o = arg;
    free(o->name);
    o->name = xstrdup(l->name);
    o->count++;
    return 0;
}

static int only_lab(struct engine *engine, struct lab *out, struct err *e)
{
    struct only only = {0};
    int r = lab_each(engine, count_lab, &only, e);
    _cleanup_free_ char *name = only.name;
    if (r < 0)
        return r;
    if (only.count == 1)
        return lab_find(engine, name, out, e);
    err_say(e, -ENOENT, only.count ? "there are several labs" : "there is no lab");
    err_hint(e, only.count ? "name one: `netctr lab ls` lists them"
                           : "`netctr lab up FILE` brings one up");
    return -ENOENT;
}

void lab_hint_name(struct engine *engine, const struct lab_choice *c, const struct lab *l,
                   const char *word, const char *usage, struct err *e)
{
    _cleanup_lab_ struct lab named = {.dir = -1, .lock = -1};
    if (e->code != -ENOENT || !word || c->name || c->topo || lab_member(l, word) ||
        lab_find(engine, word, &named, NULL) < 0)
        return;
    err_say(e, -ENOENT, "`%s` is a lab, not a node", word);
    err_hint(e, "`netctr lab %s -n %s%s`", usage, word, streq(usage, "exec") ? " NODE …" : "");
}

int lab_choose(struct engine *engine, const struct lab_choice *c, const char *word, struct lab *out,
               struct err *e)
{
    struct stat st;
    *out = (struct lab){.dir = -1, .lock = -1};
    if (c->topo)
        return lab_of_file(engine, c, NULL, out, e);
    if (c->name)
        return lab_find(engine, c->name, out, e);
    if (word) {
        int r = lab_find(engine, word, out, e);
        if (r != -ENOENT || stat(word, &st) < 0)
            return r;
        err_clear(e);
        lab_clear(out);
        return lab_of_file(engine, c, word, out, e);
    }
    _cleanup_free_ char *path = NULL;
    if (find_file(NULL, &path, NULL) == 0)
        return lab_of_file(engine, c, path, out, e);
    return only_lab(engine, out, e);
}
