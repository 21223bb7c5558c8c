/* A node that is being read; and how topologies are freed. */
#include "file.h"

#include <string.h>

static void binds_free(struct lab_bind *binds, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(binds[i].source);
        free(binds[i].target);
    }
    free(binds);
}

static void exec_clear(struct lab_exec *x)
{
    free(x->line);
    strv_free(x->argv);
}

static void plan_clear(struct lab_stage_plan *p)
{
    for (size_t i = 0; i < p->wait_count; i++)
        free(p->waits[i].node);
    for (size_t i = 0; i < p->exec_count; i++)
        exec_clear(&p->execs[i].exec);
    free(p->waits);
    free(p->execs);
}

void lab_node_clear(struct lab_node *n)
{
    strv *vectors[] = {&n->env,     &n->cmd,     &n->entrypoint, &n->ports,      &n->networks,
                       &n->sysctls, &n->cap_add, &n->dns,        &n->dns_search, &n->dns_options,
                       &n->aliases, &n->daemons, &n->labels,     &n->health.argv};
    char *texts[] = {n->name,   n->image, n->group,   n->user,     n->network_of,
                     n->memory, n->cpu,   n->cpu_set, n->hostname, n->restart};
    for (size_t i = 0; i < ARRAY_LEN(vectors); i++)
        strv_cleanup(vectors[i]);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        free(texts[i]);
    binds_free(n->binds, n->bind_count);
    binds_free(n->files, n->file_count);
    binds_free(n->env_files, n->env_file_count);
    for (size_t i = 0; i < n->exec_count; i++)
        exec_clear(&n->execs[i]);
    free(n->execs);
    for (size_t i = 0; i < STAGES; i++)
        plan_clear(&n->stages[i]);
    *n = (struct lab_node){0};
}

void draft_clear(struct draft *d)
{
    free(d->kind);
    free(d->mode);
    free(d->startup_config);
    for (size_t i = 0; i < d->port_count; i++)
        free(d->ports[i].text);
    for (size_t i = 0; i < d->network_count; i++)
        free(d->networks[i].text);
    free(d->ports);
    free(d->networks);
    *d = (struct draft){0};
}

char *magic_expand(const struct reader *r, const struct draft *d, const char *text)
{
    _cleanup_free_ char *node_dir = xasprintf("%s/%s", r->lab_dir, d->node->name);
    const struct {
        const char *word, *value;
    } words[] = {{"__clabNodeName__", d->node->name},
                 {"__clabNodeDir__", node_dir},
                 {"__clabDir__", r->lab_dir}};
    if (!strstr(text, "__clab"))
        return xstrdup(text);
    char *result = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&result, &size);
    if (!out)
        abort();
    while (*text) {
        const char *rest = NULL;
        for (size_t i = 0; i < ARRAY_LEN(words) && !rest; i++)
            if ((rest = skip_prefix(text, words[i].word)))
                (void)fputs(words[i].value, out);
        if (!rest)
            (void)fputc(*text, out);
        text = rest ? rest : text + 1;
    }
    if (fclose(out) != 0)
        abort();
    return result;
}

static void link_clear(struct lab_link *l)
{
    for (size_t i = 0; i < 2; i++)
        free(l->ends[i].interface);
    free(l->vlans.tagged);
}

static void network_free(struct lab_network *n)
{
    free(n->name);
    strv_free(n->subnets);
    strv_free(n->gateways);
    strv_free(n->labels);
}

static void test_clear(struct lab_test *t)
{
    free(t->text);
    free(t->to_name);
    strv_free(t->argv);
    free(t->contains);
    free(t->after_interface);
}

void topology_free(struct topology *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->node_count; i++)
        lab_node_clear(&t->nodes[i]);
    for (size_t i = 0; i < t->link_count; i++)
        link_clear(&t->links[i]);
    for (size_t i = 0; i < t->network_count; i++)
        network_free(&t->networks[i]);
    for (size_t i = 0; i < t->test_count; i++)
        test_clear(&t->tests[i]);
    char *texts[] = {t->file, t->dir, t->name, t->prefix, t->mgmt.network, t->mgmt.bridge};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        free(texts[i]);
    strv_free(t->mgmt.subnets);
    strv_free(t->mgmt.gateways);
    strv_free(t->mgmt.ranges);
    free(t->nodes);
    free(t->links);
    free(t->networks);
    free(t->tests);
    strv_free(t->variables);
    strv_free(t->notes);
    strv_free(t->images);
    free(t);
}

void topology_cleanup(struct topology **t)
{
    topology_free(*t);
    *t = NULL;
}
