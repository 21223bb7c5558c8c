/* Runs the tests of a lab: gives lab_tests_run() the lab's namespaces, interfaces and commands, and does what a test's `after`
 * says. What was done is undone after the test: addresses and static routes of an interface that was down come back.
 */
#include "lab.h"

#include <errno.h>
#include <netctr/probe.h>
#include <string.h>

struct testing {
    struct engine *engine;
    const struct lab *l;
    const struct topology *t;
    int *netns;     /* of each node; -1: not open */
    strv routes;    /* lines that bring the routes of the interface back that is down */
    bool unchanged; /* what `after` asks for was so already: nothing is undone */
};

/* ---- what the tests ask for ------------------------------------------------------------------*/

/* The namespace may be another node's. */
static const struct lab_member *owner_of(const struct testing *x, size_t node)
{
    size_t owner = topology_network_owner(x->t, node);
    return &x->l->members[owner == SIZE_MAX ? node : owner];
}

static int open_node(size_t node, void *arg, struct err *e)
{
    struct testing *x = arg;
    if (x->netns[node] < 0)
        x->netns[node] = lab_netns(x->engine, owner_of(x, node), e);
    return x->netns[node];
}

static int list_interfaces(size_t node, struct lab_interfaces *out, void *arg, struct err *e)
{
    struct testing *x = arg;
    return lab_interfaces(x->engine, x->l, owner_of(x, node), out, e);
}

static int run_command(const struct lab_test *test, int *status, char **output, void *arg,
                       struct err *e)
{
    enum { COMMAND_MS = 60000 };
    struct testing *x = arg;
    int r = lab_command(x->engine, &x->l->members[test->from], test->argv, output, COMMAND_MS, e);
    *status = r;
    return r < 0 ? r : 0;
}

/* ---- events ----------------------------------------------------------------------------------*/

static int set_link(struct testing *x, const struct lab_test *test, bool up, bool undo,
                    struct err *e)
{
    _cleanup_rt_ struct rt *rt = NULL;
    struct link link;
    int netns = open_node(test->after_node, x, e);
    int r = netns < 0 ? netns : netns_open_rt(netns, &rt, e);
    if (r == 0 && (r = rt_get_link(rt, test->after_interface, &link)) < 0)
        return err_set(e, r, "find interface `%s` of node `%s`", test->after_interface,
                       x->t->nodes[test->after_node].name);
    if (r < 0)
        return r;
    if (!undo)
        x->unchanged = !(link.flags & IFF_UP) == !up;
    if (x->unchanged)
        return 0;
    if (up)
        return lab_interface_up(netns, rt, link.index, x->routes, e);
    strv_free(take_ptr(x->routes));
    return lab_interface_down(netns, rt, &link, &x->routes, e);
}

static int set_program(struct testing *x, const struct lab_test *test, bool runs, bool undo,
                       struct err *e)
{
    _cleanup_record_ struct record r = {0};
    int code = lab_container(x->engine, &x->l->members[test->after_node], &r, e);
    if (code < 0)
        return code;
    if (!undo)
        x->unchanged = (r.status != STATUS_EXITED) == runs;
    if (x->unchanged)
        return 0;
    return runs ? engine_start(x->engine, &r, e) : engine_stop(x->engine, &r, MARK_END_ASKED, 0, e);
}

static int do_event(const struct lab_test *test, bool undo, void *arg, struct err *e)
{
    struct testing *x = arg;
    const enum lab_event what = test->after;
    if (!undo)
        x->unchanged = false;
    if (undo && x->unchanged)
        return 0;
    if (what == AFTER_STOP || what == AFTER_START)
        return set_program(x, test, (what == AFTER_START) != undo, undo, e);
    return set_link(x, test, (what == AFTER_LINK_UP) != undo, undo, e);
}

/* ---- the run ---------------------------------------------------------------------------------*/

size_t lab_test(struct engine *engine, const struct lab *l, const struct topology *t,
                struct lab_test_result **results)
{
    struct testing x = {.engine = engine, .l = l, .t = t};
    x.netns = xcalloc(t->node_count + 1, sizeof(int));
    for (size_t i = 0; i < t->node_count; i++)
        x.netns[i] = -1;
    const struct lab_tester tester = {.tests = t->tests,
                                      .count = t->test_count,
                                      .netns = open_node,
                                      .interfaces = list_interfaces,
                                      .event = do_event,
                                      .exec = run_command,
                                      .stopped = lab_stopped,
                                      .arg = &x};
    lab_catch_signals(); /* what a test has done is undone first */
    size_t failed = lab_tests_run(&tester, results);
    lab_release_signals();
    for (size_t i = 0; i < t->node_count; i++)
        close_fd(x.netns[i]);
    free(x.netns);
    strv_free(x.routes);
    return failed;
}
