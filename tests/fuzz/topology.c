/* A lab's file: any text loads or has faults, each in one line of this file; a topology that loads is whole. */
#include "fuzz.h"

#include <netctr/topology.h>

static void check_whole(const struct topology *t)
{
    for (size_t i = 0; i < t->node_count; i++) {
        _cleanup_free_ char *long_name = topology_long_name(t, t->nodes[i].name);
        must(valid_name(long_name));
        must(topology_find(t, t->nodes[i].name) == i);
        for (size_t k = 0; k < t->nodes[i].exec_count; k++)
            must(t->nodes[i].execs[k].argv);
        for (size_t k = 0; k < t->nodes[i].bind_count; k++)
            must(t->nodes[i].binds[k].source[0] == '/' && t->nodes[i].binds[k].target[0] == '/');
        for (size_t s = 0; s < STAGES; s++)
            for (size_t k = 0; k < t->nodes[i].stages[s].wait_count; k++)
                must(t->nodes[i].stages[s].waits[k].index < t->node_count);
    }
    for (size_t i = 0; i < t->link_count; i++)
        for (size_t k = 0; k < 2; k++) {
            const struct lab_endpoint *end = &t->links[i].ends[k];
            must(end->what != END_NODE || end->node < t->node_count);
            must(end->what == END_NOTHING || interface_name_valid(end->interface));
        }
    for (size_t i = 0; i < t->test_count; i++)
        must(t->tests[i].text && t->tests[i].from < t->node_count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char *const environ_[] = {(char *)"HOME=/root", (char *)"A=b", NULL};
    const struct topology_options options = {.environ = environ_, .skip_binds = true};
    struct topology_faults faults = {0};
    _cleanup_topology_ struct topology *t = NULL;
    _cleanup_err_ struct err e = ERR_INIT;
    int r = topology_parse((const char *)data, size, "/lab/x.clab.yml", &options, &t, &faults, &e);
    must((r == 0) == (t != NULL) && (r == 0) == (faults.lines == NULL));
    strv_each (line, faults.lines)
        must(skip_prefix(line, "/lab/x.clab.yml:") && !strchr(line, '\n') && valid_utf8(line));
    if (t)
        check_whole(t);
    topology_faults_clear(&faults);
    return 0;
}
