/* The topology files that a lab keeps. topology.yml is the one in force. While a change is under way, previous.N.yml are those
 * that it, or an interrupted one, began from.
 *
 * The last line of each, a comment, has the variables of the environment that the file used: who reads it later has others.
 */
#include "lab.h"

#include <errno.h>
#include <string.h>

#define TEXT "topology.yml"
#define VARIABLES "\n# variables: "
enum { TEXT_MAX = 8 << 20, TEXTS_MAX = 16 };

/* The last one: the user's file may be a copy of ours. */
static const char *find_variables(const char *text, size_t size)
{
    const char *found = NULL, *next = text;
    while ((next = memmem(next, size - (size_t)(next - text), VARIABLES, strlen(VARIABLES))))
        found = next++;
    return found;
}

int lab_save_text(const struct lab *l, const struct topology *t, const char *text, size_t size,
                  struct err *e)
{
    const char *before = find_variables(text, size);
    _cleanup_json_ json_t *j = json_array();
    strv_each (variable, t->variables)
        json_array_append_new(j, json_string(variable));
    _cleanup_free_ char *variables = json_dumps(j, JSON_COMPACT), *whole = NULL;
    whole = xasprintf("%.*s" VARIABLES "%s\n", (int)(before ? before - text : (long)size), text,
                      variables ? variables : "[]");
    int r = write_file_atomic(l->dir, TEXT, whole, strlen(whole), 0600);
    return r < 0 ? err_set(e, r, "write `" TEXT "` of lab `%s`", l->name) : 0;
}

static strv read_variables(const char *text)
{
    const char *at = find_variables(text, strlen(text));
    _cleanup_json_ json_t *j =
        at ? json_loads(at + strlen(VARIABLES), JSON_DISABLE_EOF_CHECK, NULL) : NULL;
    const json_t *one;
    size_t i;
    strv out = NULL;
    json_array_foreach (j, i, one)
        if (json_string_value(one))
            strv_add(&out, json_string_value(one));
    return out;
}

int lab_parse_text(const struct lab *l, const char *text, struct topology **out, struct err *e)
{
    struct topology_faults faults = {0};
    _cleanup_strv_ strv variables = read_variables(text);
    const struct topology_options o = {
        .name = l->name, .environ = variables, .ovs_as_bridge = true, .skip_binds = true};
    int r = topology_parse(text, strlen(text), l->file, &o, out, &faults, e);
    if (r == -EINVAL && faults.lines)
        err_say(e, r, "%s", faults.lines[0]);
    topology_faults_clear(&faults);
    return r;
}

int lab_topology(const struct lab *l, struct topology **out, struct err *e)
{
    _cleanup_free_ char *text = NULL;
    size_t size;
    *out = NULL;
    if (l->state == LAB_CHANGES) {
        err_say(e, -EBUSY, "lab `%s` was left half-way by a change", l->name);
        err_hint(e, "`netctr lab apply` goes on");
        return -EBUSY;
    }
    int r = read_state_at(l->dir, TEXT, TEXT_MAX, &text, &size);
    if (r == -EBADMSG) {
        err_say(e, r, "`" TEXT "` of lab `%s` is damaged: it is not a regular file", l->name);
        err_hint(e, "name the topology file, or remove the lab by `netctr lab down %s`", l->name);
        return r;
    }
    if (r < 0)
        return err_set(e, r, "read `" TEXT "` of lab `%s`", l->name);
    return lab_parse_text(l, text, out, e);
}

/* ---- earlier topologies ----------------------------------------------------------------------*/

static char *previous(size_t i)
{
    return xasprintf("previous.%zu.yml", i);
}

int lab_keep_text(const struct lab *l, struct err *e)
{
    _cleanup_free_ char *text = NULL;
    size_t size;
    int r = read_state_at(l->dir, TEXT, TEXT_MAX, &text, &size);
    if (r < 0)
        return err_set(e, r, "read `" TEXT "` of lab `%s`", l->name);
    for (size_t i = 0; i < TEXTS_MAX; i++) {
        _cleanup_free_ char *name = previous(i);
        if (file_exists_at(l->dir, name) != 0)
            continue;
        r = write_file_atomic(l->dir, name, text, size, 0600);
        return r < 0 ? err_set(e, r, "write `%s` of lab `%s`", name, l->name) : 0;
    }
    err_say(e, -E2BIG, "lab `%s` was left half-way %d times", l->name, TEXTS_MAX);
    err_hint(e, "`netctr lab up --reconfigure` makes it again");
    return -E2BIG;
}

int lab_read_texts(const struct lab *l, strv *out, struct err *e)
{
    for (size_t i = 0; i <= TEXTS_MAX; i++) {
        _cleanup_free_ char *name = i < TEXTS_MAX ? previous(i) : xstrdup(TEXT);
        char *text = NULL;
        size_t size;
        int r = read_state_at(l->dir, name, TEXT_MAX, &text, &size);
        if (r == 0)
            strv_add_take(out, text);
        else if (r != -ENOENT || i == TEXTS_MAX)
            return err_set(e, r, "read `%s` of lab `%s`", name, l->name);
    }
    return 0;
}

void lab_drop_texts(const struct lab *l)
{
    for (size_t i = 0; i < TEXTS_MAX; i++) {
        _cleanup_free_ char *name = previous(i);
        (void)unlinkat(l->dir, name, 0);
    }
}
