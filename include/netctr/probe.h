/* The tests of a lab: which node reaches which, and what a command in a node says.
 *
 * Probes are this process's own: a socket that belongs to the sender's network namespace, and no program of the node.
 *   - tcp: a connection is made. A port that refuses it is not reached.
 *   - icmp: an echo is answered.
 *   - udp: anything is answered. Silence is no proof, and counts as not reached; the detail says so. To port 53 a question
 *     to a DNS server is sent, else a line of text, which a server may ignore.
 */
#pragma once

#include <netctr/lab.h>

/** Chooses which address of a node is probed: one in a subnet that it shares with the sender, then any other, then one of
 *  the management network; IPv4 before IPv6 unless @family says which. Not 127.0.0.1, and no link-local address. False:
 *  there is none. */
bool lab_test_choose(const struct lab_interfaces *from, const struct lab_interfaces *to, int family,
                     struct ip *out);

struct lab_test_result {
    bool passed;
    char *detail;       /**< a short sentence for people; never NULL after lab_tests_run() */
    int64_t elapsed_ms; /**< until it was decided */
};
void lab_test_results_free(struct lab_test_result *results, size_t count);

/** How the tests get at the lab. Callbacks return 0 or a negative errno with a text, which is that test's failure. */
struct lab_tester {
    const struct lab_test *tests;
    size_t count;
    /** The network namespace of a node: an fd that stays the callback's, until lab_tests_run() has returned. */
    int (*netns)(size_t node, void *arg, struct err *e);
    /** Its interfaces as they are now. */
    int (*interfaces)(size_t node, struct lab_interfaces *out, void *arg, struct err *e);
    /** The addresses of what is no node of the lab (lab_test.to_name, if it is no address). At most one of each family.
     *  NULL: there are no such names. */
    int (*resolve)(size_t from, const char *name, struct ip *out4, struct ip *out6, void *arg,
                   struct err *e);
    /** Does what the test's `after` says; @undo: makes it undone. */
    int (*event)(const struct lab_test *t, bool undo, void *arg, struct err *e);
    /** Runs lab_test.argv in the node; *@output is the caller's. */
    int (*exec)(const struct lab_test *t, int *status, char **output, void *arg, struct err *e);
    /** Shall the tests end? What is not decided then fails, and each `after` is undone. NULL: they run to their end. */
    bool (*stopped)(void);
    /** Called when a test is decided; may be NULL. */
    void (*tell)(size_t test, const struct lab_test_result *result, void *arg);
    void *arg;
    unsigned patience_ms; /**< of one probe; 0: LAB_PATIENCE_MS */
};
#define LAB_PATIENCE_MS 2000
/** lab_tests_run() with the tests of @t and the nodes of @l, which are the same. */
size_t lab_test(struct engine *engine, const struct lab *l, const struct topology *t,
                struct lab_test_result **results);
/** Runs all tests: probes at once, commands one after the other, then those with an event, one after the other. The caller
 *  owns *@results, one for each test, and must be single-threaded. Returns how many failed. */
size_t lab_tests_run(const struct lab_tester *tester, struct lab_test_result **results);
