/* What is on disk of a lab: ROOT/labs/NAME. lab.json names everything that belongs to it, and is written before any of it is
 * made.
 */
#include "lab.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>

#define RECORD "lab.json"
enum { LAB_SCHEMA = 1, TEXT_MAX = 8 << 20 };

static const char *const states[] = {"starting", "up", "ending", "changing"};

void lab_clear(struct lab *l)
{
    free(l->name);
    free(l->id);
    free(l->file);
    free(l->mgmt);
    strv_free(l->networks);
    strv_free(l->host_links);
    for (size_t i = 0; i < l->member_count; i++) {
        struct lab_member *m = &l->members[i];
        free(m->name);
        free(m->long_name);
        free(m->sandbox);
    }
    free(l->members);
    lab_changes_clear(l);
    close_fd(l->dir);
    close_fd(l->lock);
    *l = (struct lab){.dir = -1, .lock = -1};
}

char *lab_range_id(const struct lab *l)
{
    return xasprintf(RANGE_KEPT "%s", l->id);
}

/* ---- planned ---------------------------------------------------------------------------------*/

bool node_has_sandbox(const struct lab_node *n)
{
    return n->network == NODE_OWN || n->network == NODE_NONE;
}

void lab_plan(struct lab *l, const struct topology *t)
{
    free(l->name);
    free(l->file);
    l->name = xstrdup(t->name);
    l->file = xstrdup(t->file);
    l->created = time(NULL);
    l->member_count = t->node_count;
    l->members = xcalloc(t->node_count + 1, sizeof(*l->members));
    for (size_t i = 0; i < t->node_count; i++) {
        const struct lab_node *n = &t->nodes[i];
        struct lab_member *m = &l->members[i];
        m->name = xstrdup(n->name);
        m->long_name = topology_long_name(t, n->name);
        m->kind = n->kind;
        if (node_has_sandbox(n))
            m->sandbox = xasprintf("%s-%zu", l->id, i);
    }
}

const struct lab_member *lab_member(const struct lab *l, const char *name)
{
    for (size_t i = 0; i < l->member_count; i++)
        if (streq(l->members[i].name, name))
            return &l->members[i];
    for (size_t i = 0; i < l->member_count; i++)
        if (streq(l->members[i].long_name, name))
            return &l->members[i];
    return NULL;
}

/* ---- written and read ------------------------------------------------------------------------*/

static json_t *member_json(const struct lab_member *m)
{
    json_t *j = json_object();
    json_put_str(j, "name", m->name);
    json_put_str(j, "container", m->long_name);
    json_put_str(j, "kind", m->kind == LAB_BRIDGE ? "bridge" : "linux");
    json_put_str(j, "sandbox", m->sandbox);
    return j;
}

int lab_save(const struct lab *l, struct err *e)
{
    _cleanup_json_ json_t *j = json_object();
    json_t *nodes = json_array();
    json_object_set_new(j, "schema", json_integer(LAB_SCHEMA));
    json_put_str(j, "name", l->name);
    json_put_str(j, "id", l->id);
    json_put_str(j, "file", l->file);
    json_put_str(j, "state", states[l->state]);
    json_object_set_new(j, "created", json_integer(l->created));
    if (l->ids.uid_count)
        json_object_set_new(j, "ids", json_integer(l->ids.uids[0].outside));
    json_put_str(j, "mgmt", l->mgmt);
    json_put_strv(j, "networks", l->networks);
    json_put_strv(j, "host_links", l->host_links);
    for (size_t i = 0; i < l->member_count; i++)
        json_array_append_new(nodes, member_json(&l->members[i]));
    json_object_set_new(j, "nodes", nodes);
    if (l->change_count)
        json_object_set_new(j, "changes", lab_changes_json(l));
    return json_write_sealed_at(l->dir, RECORD, j, e);
}

static int bad(const char *name, struct err *e)
{
    err_say(e, -EBADMSG, "the record of lab `%s` is damaged", name);
    err_hint(e, "`netctr lab down %s` removes what can be found of it", name);
    return -EBADMSG;
}

static int take_member(const json_t *j, struct lab_member *m)
{
    const char *name = json_str(j, "name"), *long_name = json_str(j, "container"),
               *sandbox = json_str(j, "sandbox");
    const bool bridge = streq(json_str(j, "kind"), "bridge");
    /* A bridge inside a node is named BRIDGE|NODE, and nothing on the host is named so. */
    if (!name || !long_name || (!valid_name(long_name) && !(bridge && !sandbox)) ||
        (sandbox && !valid_name(sandbox)))
        return -EBADMSG;
    *m = (struct lab_member){.name = xstrdup(name),
                             .long_name = xstrdup(long_name),
                             .sandbox = xstrdup(sandbox),
                             .kind = bridge ? LAB_BRIDGE : LAB_LINUX};
    return 0;
}

static int take_record(const json_t *j, const char *name, struct lab *out)
{
    const char *state = json_str(j, "state"), *id = json_str(j, "id");
    const json_t *nodes = json_object_get(j, "nodes"), *node;
    size_t i;
    if (json_int(j, "schema", 0) != LAB_SCHEMA || !id || !valid_name(id) || !state ||
        !streq(json_str(j, "name"), name))
        return -EBADMSG;
    out->id = xstrdup(id);
    out->file = xstrdup(json_str(j, "file"));
    out->created = json_int(j, "created", 0);
    out->mgmt = xstrdup(json_str(j, "mgmt"));
    out->networks = json_strv(j, "networks");
    out->host_links = json_strv(j, "host_links");
    for (i = 0; i < ARRAY_LEN(states); i++)
        if (streq(state, states[i]))
            out->state = (enum lab_state)i;
    int64_t first = json_int(j, "ids", 0);
    if (first > 0 && first < UINT32_MAX - ID_RANGE_SIZE)
        out->ids = id_map_of_range((uint32_t)first);
    out->members = xcalloc(json_array_size(nodes) + 1, sizeof(*out->members));
    json_array_foreach (nodes, i, node) {
        if (take_member(node, &out->members[i]) < 0)
            return -EBADMSG;
        out->member_count = i + 1;
    }
    return lab_changes_take(out, json_object_get(j, "changes"));
}

static int load(int dir, const char *name, struct lab *out, struct err *e)
{
    _cleanup_json_ json_t *j = NULL;
    int r = json_read_sealed_at(dir, RECORD, &j, NULL);
    if (r == 0)
        r = take_record(j, name, out);
    if (r == -ENOENT)
        return r;
    return r < 0 ? bad(name, e) : 0;
}

/* ---- found -----------------------------------------------------------------------------------*/

static int no_such(const char *name, struct err *e)
{
    err_say(e, -ENOENT, "there is no lab `%s`", name);
    err_hint(e, "`netctr lab ls` lists the labs");
    return -ENOENT;
}

/* Not `damaged`: there is nothing to be lost yet. */
static int no_record(const char *name, struct err *e)
{
    err_say(e, -EBADMSG, "lab `%s` has no record: it is being brought up, or that was killed",
            name);
    err_hint(e, "`netctr lab down %s` removes what is left of it", name);
    return -EBADMSG;
}

static int open_lab(struct engine *engine, const char *name, struct lab *out)
{
    _cleanup_free_ char *path = xasprintf(LABS "/%s", name);
    *out = (struct lab){.name = xstrdup(name), .dir = -1, .lock = -1};
    if (engine->store.root_fd < 0 || !valid_name(name))
        return -ENOENT;
    out->dir = openat(engine->store.root_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    return out->dir < 0 ? -errno : 0;
}

int lab_find(struct engine *engine, const char *name, struct lab *out, struct err *e)
{
    int r = open_lab(engine, name, out);
    if (r == -ENOENT)
        return no_such(name, e);
    if (r == 0 && (r = load(out->dir, name, out, e)) == -ENOENT)
        return no_record(name, e);
    out->damaged = r == -EBADMSG;
    return r < 0 && !out->damaged ? err_set(e, r, "open lab `%s`", name) : r;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int lab_each(struct engine *engine, int (*each)(struct lab *l, void *arg), void *arg, struct err *e)
{
    _cleanup_strv_ strv names = NULL;
    int fd = engine->store.root_fd < 0 ? -1
                                       : openat(engine->store.root_fd, LABS,
                                                O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    _cleanup_close_ int dir = fd;
    if (dir < 0)
        return 0;
    int r = names_in(dir, &names);
    if (r < 0)
        return err_set(e, r, "list the labs");
    qsort(names, strv_len(names), sizeof(*names), by_name);
    strv_each (name, names) {
        _cleanup_lab_ struct lab l = {.dir = -1, .lock = -1};
        if (r < 0 || !valid_name(name))
            continue;
        int found = lab_find(engine, name, &l, NULL);
        if (found == 0 || found == -EBADMSG)
            r = each(&l, arg);
        else if (found != -ENOENT)
            warn("lab `%s` cannot be read", name);
    }
    return r;
}

/* ---- containers ------------------------------------------------------------------------------*/

struct search {
    const char *label;
    char *name;
};

static int look_at(const struct record *r, void *arg)
{
    struct search *s = arg;
    if (!s->name && strv_has(r->spec.labels, s->label))
        s->name = xstrdup(r->spec.name);
    return 0;
}

int lab_container(struct engine *engine, const struct lab_member *m, struct record *out,
                  struct err *e)
{
    _cleanup_free_ char *label = xasprintf("clab-node-longname=%s", m->long_name);
    struct search s = {.label = label};
    int r = engine_find(engine, m->long_name, out, NULL);
    if (r == -EBADMSG) /* again, for the text */
        return engine_find(engine, m->long_name, out, e);
    if (r == 0 && strv_has(out->spec.labels, label))
        return 0;
    r = engine_each(engine, look_at, &s, e);
    _cleanup_free_ char *name = s.name;
    if (r == 0 && name) {
        record_clear(out);
        return engine_find(engine, name, out, e);
    }
    if (r < 0)
        return r;
    err_say(e, -ENOENT, "the container of node `%s` was removed", m->name);
    err_hint(e, "`netctr lab up --reconfigure` makes the lab again");
    return -ENOENT;
}

bool lab_lives(struct engine *engine, const struct lab *l)
{
    for (size_t i = 0; i < l->member_count; i++) {
        _cleanup_sandbox_record_ struct sandbox_record r = {.dir = -1};
        if (!l->members[i].sandbox)
            continue;
        return sandbox_find(engine_sandboxes(engine), l->members[i].sandbox, &r, NULL) == 0 &&
               r.state == SANDBOX_LIVES;
    }
    return false;
}

/* ---- changed ---------------------------------------------------------------------------------*/

int lab_claim(struct engine *engine, const char *name, struct lab *out, bool *existed,
              struct err *e)
{
    _cleanup_free_ char *path = xasprintf(LABS "/%s", name);
    const int root = engine->store.root_fd;
    int made = -1;
    bool present = false;
    /* The last lab that goes takes the directory of all with it. */
    for (int tries = 0; made < 0 && tries < 3; tries++) {
        if (mkdirat(root, LABS, 0700) < 0 && errno != EEXIST)
            return err_set(e, errno, "make `%s/" LABS "`", engine->store.root);
        made = mkdirat(root, path, 0700);
        present = made < 0 && errno == EEXIST;
        made = present ? 0 : made;
        if (made < 0 && errno != ENOENT)
            break;
    }
    if (made < 0) {
        err_set(e, errno, "make the directory of lab `%s`", name);
        (void)unlinkat(root, LABS, AT_REMOVEDIR);
        return e->code;
    }
    int r = open_lab(engine, name, out);
    if (r < 0)
        return err_set(e, r, "open lab `%s`", name);
    r = out->lock = lock_file_at(out->dir, "lock", LOCK_EX | LOCK_NB);
    if (r == -EISDIR || r == -ELOOP) {
        err_say(e, r, "`%s/%s/lock` is not a regular file", engine->store.root, path);
        err_hint(e, "remove it");
        return r;
    }
    if (r == -EWOULDBLOCK)
        return err_say(e, -EBUSY, "another command changes lab `%s` just now", name);
    struct stat st;
    if (r >= 0 && (fstat(out->dir, &st) < 0 || st.st_nlink == 0)) /* removed in between */
        return err_say(e, -EBUSY, "another command has just removed lab `%s`", name);
    if (r < 0)
        return err_set(e, r, "lock lab `%s`", name);
    r = load(out->dir, name, out, e);
    *existed = r == 0;
    out->damaged = present && r == -ENOENT;
    if (r == -ENOENT && !present)
        out->id = spec_new_id();
    return r == -ENOENT ? 0 : r;
}

int lab_forget(struct engine *engine, struct lab *l, struct err *e)
{
    _cleanup_free_ char *path = xasprintf(LABS "/%s", l->name);
    int r = remove_tree_at(engine->store.root_fd, path);
    if (r == 0)
        (void)unlinkat(engine->store.root_fd, LABS, AT_REMOVEDIR);
    return r < 0 ? err_set(e, r, "remove the directory of lab `%s`", l->name) : 0;
}
