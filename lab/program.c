/* A node's program: a container in the node's sandbox. What the file does not say, the image does. */
#include "lab.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

/* ---- environment -----------------------------------------------------------------------------*/

static size_t count_links(const struct topology *t, size_t node)
{
    size_t count = 0;
    for (size_t i = 0; i < t->link_count; i++)
        for (int k = 0; k < 2; k++)
            count += t->links[i].ends[k].what == END_NODE && t->links[i].ends[k].node == node;
    return count;
}

static void add_label(struct spec *s, const char *key, const char *value)
{
    if (!value)
        return;
    strv_add_take(&s->labels, xasprintf("%s=%s", key, value));
    _cleanup_free_ char *name = xasprintf("CLAB_LABEL_%s", key);
    for (char *p = name; *p; p++)
        *p = isalnum((unsigned char)*p) ? (char)toupper((unsigned char)*p) : '_';
    strv_add_take(&s->env, xasprintf("%s=%s", name, value));
}

/* Containerlab's labels, and the variables that it makes of all labels. */
static void add_labels(const struct topology *t, const struct lab *l, size_t node, struct spec *s)
{
    const struct lab_node *n = &t->nodes[node];
    add_label(s, "containerlab", t->name);
    add_label(s, "clab-node-name", n->name);
    add_label(s, "clab-node-longname", l->members[node].long_name);
    add_label(s, "clab-node-kind", "linux");
    add_label(s, "clab-node-group", n->group);
    add_label(s, "clab-topo-file", t->file);
    strv_each (label, n->labels) {
        _cleanup_free_ char *key = xstrndup(label, strcspn(label, "="));
        add_label(s, key, label + strlen(key) + (label[strlen(key)] == '='));
    }
    strv_add_take(&s->labels, xasprintf("netctr.lab=%s", t->name));
    strv_add_take(&s->labels, xasprintf("netctr.lab.id=%s", l->id));
}

static int add_environment(const struct topology *t, size_t node, struct spec *s, struct err *e)
{
    const struct lab_node *n = &t->nodes[node];
    _cleanup_strv_ strv entries = NULL;
    strv_add_take(&entries, xasprintf("CLAB_INTFS=%zu", count_links(t, node)));
    for (size_t i = 0; i < n->env_file_count; i++) {
        int r = env_file_read(n->env_files[i].source, &entries, e);
        if (r < 0)
            return r;
    }
    strv_each (entry, n->env)
        strv_add(&entries, entry);
    strv_each (entry, s->env)
        strv_add(&entries, entry);
    strv_free(take_ptr(s->env));
    return env_compose(NULL, entries, &s->env, e);
}

/* ---- the request -----------------------------------------------------------------------------*/

static void add_command(const struct lab_node *n, const struct lab_image *image, struct spec *s)
{
    /* As in docker: an entrypoint drops what the image runs. */
    char *const *rest = n->has_cmd ? n->cmd : n->has_entrypoint ? NULL : image->cmd;
    strv_each (word, n->entrypoint)
        strv_add(&s->argv, word);
    strv_each (word, rest)
        strv_add(&s->argv, word);
}

static int add_volumes(const struct lab_node *n, const struct lab_image *image, struct spec *s,
                       struct err *e)
{
    _cleanup_strv_ strv mounts = NULL;
    for (size_t i = 0; i < n->bind_count; i++)
        strv_add_take(&mounts, xasprintf("type=bind,src=%s,dst=%s%s", n->binds[i].source,
                                         n->binds[i].target, n->binds[i].read_only ? ",ro" : ""));
    int r = volumes_parse(image->volumes, NULL, mounts, s, e);
    /* The host's programs: with ids mapped, root in the node would read what only root of the host may read. */
    for (size_t i = 0; r == 0 && i < s->volume_count; i++)
        strv_each (text, image->volumes)
            if (s->volumes[i].source && skip_prefix(text, s->volumes[i].target) &&
                skip_prefix(text, s->volumes[i].target)[0] == ':')
                s->volumes[i].host_ids = image->host;
    return r;
}

/* Daemons that route need these; they are those of the node's own user namespace. */
static void add_caps(const struct lab_node *n, struct run_request *q)
{
    static const char *const caps[] = {"NET_ADMIN", "NET_RAW", "SYS_ADMIN"};
    for (size_t i = 0; i < ARRAY_LEN(caps); i++)
        strv_add(&q->cap_add, caps[i]);
    strv_each (cap, n->cap_add)
        if (!strv_has(q->cap_add, cap))
            strv_add(&q->cap_add, cap);
}

static void add_sysctls(const struct lab_node *n, struct spec *s)
{
    strv_each (text, n->sysctls) {
        _cleanup_free_ char *name = xstrndup(text, strcspn(text, "="));
        _cleanup_free_ char *path = sysctl_path(name);
        if (path && !skip_prefix(path, "net/")) /* those are the sandbox's: node.c */
            strv_add(&s->sysctls, text);
    }
}

static char *network_of(const struct topology *t, const struct lab *l, size_t node)
{
    const struct lab_node *n = &t->nodes[node];
    size_t owner = topology_network_owner(t, node);
    if (owner != SIZE_MAX)
        return xasprintf(NETWORK_OF_SANDBOX "%s", l->members[owner].sandbox);
    while (n->network == NODE_CONTAINER && n->network_of_index != SIZE_MAX)
        n = &t->nodes[n->network_of_index];
    return n->network == NODE_HOST ? xstrdup("host") : xasprintf(NETWORK_OF "%s", n->network_of);
}

static int take_limits(const struct lab_node *n, struct spec *s, struct err *e)
{
    if (n->restart) {
        int r = restart_parse(n->restart, &s->restart, e);
        if (r < 0)
            return r;
    }
    if (!n->memory && !n->cpu)
        return 0;
    struct limits limits = {0};
    int r = limits_parse(n->memory, n->cpu, NULL, &limits, e);
    if (r == 0) {
        s->limits.memory = limits.memory;
        s->limits.cpu_milli = limits.cpu_milli;
    }
    return r;
}

static int compose(const struct topology *t, const struct lab *l, size_t node,
                   const struct lab_image *image, struct run_request *q, struct err *e)
{
    const struct lab_node *n = &t->nodes[node];
    struct spec *s = &q->spec;
    s->name = xstrdup(l->members[node].long_name);
    _cleanup_free_ char *network = network_of(t, l, node);
    s->hostname = streq(network, "host") ? NULL : xstrdup(n->hostname ? n->hostname : n->name);
    s->rootfs = xstrdup(image->root);
    s->user = xstrdup(n->user);
    s->detached = true;
    /* A shell as the program ends without a terminal; the host's tree runs none by default. */
    s->tty = s->interactive = n->tty && !(image->host && !n->has_cmd);
    s->init = image->host && !n->has_cmd && !n->has_entrypoint;
    s->stop = (struct stop_rule){.signal = SIGKILL};
    s->dns = strv_copy(n->dns);
    s->dns_search = strv_copy(n->dns_search);
    s->dns_options = strv_copy(n->dns_options);
    strv_add(&s->networks, network);
    add_command(n, image, s);
    add_labels(t, l, node, s);
    add_caps(n, q);
    add_sysctls(n, s);
    int r = add_environment(t, node, s, e);
    if (r == 0)
        r = add_volumes(n, image, s, e);
    if (r == 0)
        r = take_limits(n, s, e);
    return r == 0 ? run_request_complete(q, e) : r;
}

/* ---- started ---------------------------------------------------------------------------------*/

/* `files`: before the program starts, so that it finds them. SOURCE/. is what is in that directory. */
static int copy_file(struct engine *engine, const struct record *r, const char *source,
                     const char *target, struct err *e)
{
    const char *slash = strrchr(source, '/'), *name = slash ? slash + 1 : source;
    const struct copy_request copy = {.lock = -1,
                                      .in = true,
                                      .inside = target,
                                      .outside = source,
                                      .name = streq(name, ".") ? NULL : name,
                                      .parents = true};
    int code = engine_copy(engine, r, &copy, e);
    if (code < 0)
        err_wrap(e, "file `%s`", target);
    return code;
}

/* `extras: {frr: {daemons: […]}}` of `kind: frr`: the file by which FRR's start script knows what to start. */
static int copy_daemons(struct engine *engine, const struct lab *l, const struct lab_node *n,
                        const struct record *r, struct err *e)
{
    _cleanup_strv_ strv lines = NULL;
    strv_each (daemon, n->daemons)
        strv_add_take(&lines, xasprintf("%s=yes\n", daemon));
    strv_add(&lines, "vtysh_enable=yes\n");
    _cleanup_free_ char *text = strv_join(lines, ""), *file = xasprintf("daemons.%s", n->name),
                        *path = xasprintf("%s/labs/%s/%s", engine->store.root, l->name, file);
    int code = write_file_atomic(l->dir, file, text, strlen(text), 0644);
    if (code < 0)
        return err_set(e, code, "write `%s`", path);
    code = copy_file(engine, r, path, "/etc/frr/daemons", e);
    (void)unlinkat(l->dir, file, 0);
    return code;
}

/* netctr writes these at the start, so a copy made before would be covered. */
static bool is_written(const char *target)
{
    return streq(target, "/etc/hosts") || streq(target, "/etc/resolv.conf") ||
           streq(target, "/etc/hostname");
}

static int copy_files(struct engine *engine, const struct lab_node *n, const struct record *r,
                      bool written, struct err *e)
{
    int code = 0;
    for (size_t i = 0; code == 0 && i < n->file_count; i++)
        if (is_written(n->files[i].target) == written)
            code = copy_file(engine, r, n->files[i].source, n->files[i].target, e);
    return code;
}

static int start_with_files(struct engine *engine, const struct lab_node *n, const char *name,
                            struct record *r, struct err *e)
{
    bool again = false;
    int code = engine_start(engine, r, e);
    for (size_t i = 0; i < n->file_count; i++)
        again = again || is_written(n->files[i].target);
    if (code < 0 || !again)
        return code;
    record_clear(r);
    code = engine_find(engine, name, r, e);
    return code == 0 ? copy_files(engine, n, r, true, e) : code;
}

static int create_with_files(struct engine *engine, const struct lab *l, const struct lab_node *n,
                             struct run_request *q, struct err *e)
{
    _cleanup_record_ struct record r = {0};
    _cleanup_free_ char *name = xstrdup(q->spec.name);
    int code = engine_create(engine, q, e);
    if (code == 0)
        code = engine_find(engine, name, &r, e);
    if (code == 0)
        code = n->daemons ? copy_daemons(engine, l, n, &r, e) : 0;
    if (code == 0)
        code = copy_files(engine, n, &r, false, e);
    return code == 0 ? start_with_files(engine, n, name, &r, e) : code;
}

static int create(struct engine *engine, const struct topology *t, const struct lab *l, size_t node,
                  const struct lab_options *o, struct err *e)
{
    const struct lab_node *n = &t->nodes[node];
    _cleanup_lab_image_ struct lab_image image = {0};
    _cleanup_run_request_ struct run_request q = RUN_REQUEST_INIT;
    _cleanup_free_ char *tree = xasprintf("%s/labs/%s/" HOST_TREE, engine->store.root, l->name);
    int r = lab_image_find(t, n, o, tree, &image, e);
    if (r == 0)
        r = compose(t, l, node, &image, &q, e);
    if (r < 0)
        return r;
    return n->file_count || n->daemons ? create_with_files(engine, l, n, &q, e)
                                       : engine_run_detached(engine, &q, e);
}

int program_start(struct engine *engine, const struct topology *t, const struct lab *l, size_t node,
                  const struct lab_options *o, struct err *e)
{
    _cleanup_record_ struct record r = {0};
    const struct lab_member *m = &l->members[node];
    int code = engine_find(engine, m->long_name, &r, NULL);
    if (code == 0) /* after a reboot */
        code = engine_start(engine, &r, e);
    else
        code = create(engine, t, l, node, o, e);
    if (code < 0)
        err_wrap(e, "node `%s`", m->name);
    return code;
}
