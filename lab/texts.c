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

/* The variables in the last line of @text, if it is ours: a list in JSON, and nothing behind it. *@size becomes the size
 * of the user's file. NULL: an earlier version wrote the text. */
static json_t *read_variables(const char *text, size_t *size)
{
    const char *found = NULL, *next = text, *const end = text + *size;
    while ((next = memmem(next, (size_t)(end - next), VARIABLES, strlen(VARIABLES))))
        found = next++;
    const char *list = found ? found + strlen(VARIABLES) : end;
    const size_t length = (size_t)(end - list);
    if (!found || memchr(list, '\n', length) != end - 1)
        return NULL;
    json_t *j = json_loadb(list, length, 0, NULL);
    if (json_is_array(j)) {
        *size = (size_t)(found - text);
        return j;
    }
    json_decref(j);
    return NULL;
}

static json_t *variables_of(const struct topology *t)
{
    json_t *list = json_array();
    strv_each (variable, t->variables)
        json_array_append_new(list, json_string(variable));
    return list;
}

bool lab_has_text(const struct lab *l, const struct topology *t, const char *text, size_t size)
{
    _cleanup_free_ char *kept = NULL;
    size_t kept_size;
    if (read_state_at(l->dir, TEXT, TEXT_MAX, &kept, &kept_size) < 0)
        return false;
    _cleanup_json_ json_t *then = read_variables(kept, &kept_size),
                          *ignored = read_variables(text, &size), *now = variables_of(t);
    return kept_size == size && memcmp(kept, text, size) == 0 && (!then || json_equal(then, now));
}

int lab_save_text(const struct lab *l, const struct topology *t, const char *text, size_t size,
                  struct err *e)
{
    _cleanup_json_ json_t *before = read_variables(text, &size), *now = variables_of(t);
    _cleanup_free_ char *list = json_dumps(now, JSON_COMPACT), *line = NULL, *whole = NULL;
    line = xasprintf(VARIABLES "%s\n", list);
    const size_t length = strlen(line);
    whole = xcalloc(1, size + length + 1);
    memcpy(whole, text, size);
    memcpy(whole + size, line, length + 1);
    int r = write_file_atomic(l->dir, TEXT, whole, size + length, 0600);
    return r < 0 ? err_set(e, r, "write `" TEXT "` of lab `%s`", l->name) : 0;
}

int lab_parse_text(const struct lab *l, const char *text, struct topology **out, struct err *e)
{
    struct topology_faults faults = {0};
    size_t size = strlen(text), i;
    _cleanup_json_ json_t *list = read_variables(text, &size);
    const json_t *one;
    _cleanup_strv_ strv variables = NULL;
    json_array_foreach (list, i, one)
        if (json_string_value(one))
            strv_add(&variables, json_string_value(one));
    const struct topology_options o = {.name = l->name,
                                       .environ = list ? variables : environ,
                                       .ovs_as_bridge = true,
                                       .skip_binds = true};
    int r = topology_parse(text, size, l->file, &o, out, &faults, e);
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
