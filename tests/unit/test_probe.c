/* Tests of labs: probes between namespaces, retries, events, commands; and their reports.
 *
 * Each check about probes has two namespaces of its own, h1 (node 0) and h2 (node 1), on a link: 10.0.0.1 and .2,
 * fd00::1 and ::2. Needs root, iproute2 and nft.
 */
#include "cli/lab_report.h"
#include <netctr/probe.h>

#include "apart.h"

#include <errno.h>
#include <signal.h>

enum { PATIENCE_MS = 400 };

/* ---- two nodes -------------------------------------------------------------------------------*/

static int nodes[2] = {-1, -1};

static __attribute__((format(printf, 1, 2))) void sh(const char *format, ...)
{
    _cleanup_free_ char *line = NULL;
    va_list args;
    va_start(args, format);
    require(vasprintf(&line, format, args) > 0, "%s", format);
    va_end(args);
    fflush(stdout);
    require(system(line) == 0, "%s", line);
}

/* A command's beginning, in a node. */
static const char *in(int node)
{
    static char text[2][64];
    snprintf(text[node], sizeof(text[node]), "nsenter --net=/proc/%d/fd/%d", getpid(), nodes[node]);
    return text[node];
}

static void make_nodes(void)
{
    _cleanup_err_ struct err e = ERR_INIT;
    sh("ip link add h0 type veth peer name h1");
    for (int i = 0; i < 2; i++) {
        _cleanup_rt_ struct rt *rt = NULL;
        require(netns_create(-1, &nodes[i], &rt, NULL, NULL, &e) == 0, "%s", e.text);
        sh("ip link set h%d netns /proc/%d/fd/%d", i, getpid(), nodes[i]);
        sh("%s sh -c 'ip link set lo up; ip link set h%d up; ip addr add 10.0.0.%d/24 dev h%d; "
           "ip addr add fd00::%d/64 dev h%d nodad'",
           in(i), i, i + 1, i, i + 1, i);
    }
}

static int listen_on(int node, int family, uint16_t port)
{
    _cleanup_err_ struct err e = ERR_INIT;
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = netns_socket(nodes[node], family, SOCK_STREAM, 0, &e);
    require(fd >= 0, "%s", e.text);
    require((family == AF_INET ? bind(fd, (struct sockaddr *)&four, sizeof(four))
                               : bind(fd, (struct sockaddr *)&six, sizeof(six))) == 0 &&
                listen(fd, 64) == 0,
            "%s", strerror(errno));
    return fd;
}

/* A child that answers datagrams, or with @mute only reads them. */
static pid_t udp_server(uint16_t port, bool mute)
{
    int fd = netns_socket(nodes[1], AF_INET6, SOCK_DGRAM, 0, NULL);
    struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(port)}, peer;
    require(bind(fd, (struct sockaddr *)&any, sizeof(any)) == 0, "%s", strerror(errno));
    pid_t pid = fork();
    while (pid == 0) {
        char text[256];
        socklen_t size = sizeof(peer);
        ssize_t n = recvfrom(fd, text, sizeof(text), 0, (struct sockaddr *)&peer, &size);
        if (n < 0)
            _exit(0);
        if (!mute)
            (void)sendto(fd, text, (size_t)n, 0, (struct sockaddr *)&peer, size);
    }
    close(fd);
    return pid;
}

static void end(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

/* ---- running tests ---------------------------------------------------------------------------*/

static struct {
    char *log;      /* what the callbacks were asked to do */
    int fail_event; /* errno of the event */
    int status;     /* of exec */
    const char *says;
    int execs;
} fake;

static void note(const char *what)
{
    char *before = fake.log;
    fake.log = xasprintf("%s%s;", before ? before : "", what);
    free(before);
}

static int netns_of(size_t node, void *arg, struct err *e)
{
    (void)arg;
    return node < 2 ? nodes[node] : err_say(e, -ESRCH, "node %zu is gone", node);
}

static int interfaces_of(size_t node, struct lab_interfaces *out, void *arg, struct err *e)
{
    (void)arg;
    (void)e;
    out->items = xcalloc(1, sizeof(*out->items));
    out->count = 1;
    out->items[0].name = xstrdup("eth1");
    out->items[0].addresses = xcalloc(2, sizeof(struct lab_address));
    out->items[0].address_count = 2;
    out->items[0].addresses[0] = (struct lab_address){ip(node ? "fd00::2" : "fd00::1"), 64};
    out->items[0].addresses[1] = (struct lab_address){ip(node ? "10.0.0.2" : "10.0.0.1"), 24};
    return 0;
}

static int do_event(const struct lab_test *t, bool undo, void *arg, struct err *e)
{
    (void)arg;
    note(undo ? "undo" : t->after_interface);
    return fake.fail_event && !undo ? err_set(e, fake.fail_event, "link down") : 0;
}

static int do_exec(const struct lab_test *t, int *status, char **output, void *arg, struct err *e)
{
    (void)arg;
    (void)e;
    note(t->argv[0]);
    fake.execs++;
    *status = fake.execs > 2 ? 0 : fake.status;
    *output = xstrdup(fake.says);
    return 0;
}

static struct lab_test_result *results;
static size_t count, failed;

static void run(const struct lab_test *tests, size_t n)
{
    const struct lab_tester tester = {.tests = tests,
                                      .count = n,
                                      .netns = netns_of,
                                      .interfaces = interfaces_of,
                                      .event = do_event,
                                      .exec = do_exec,
                                      .patience_ms = PATIENCE_MS};
    lab_test_results_free(results, count);
    failed = lab_tests_run(&tester, &results);
    count = n;
    for (size_t i = 0; i < n; i++)
        printf("# %s %s: %s (%lld ms)\n", results[i].passed ? "ok" : "FAILED", tests[i].text,
               results[i].detail, (long long)results[i].elapsed_ms);
}

#define TEST(what, ...)                                                         \
    {                                                                           \
        .text = (char *)(what), .to = 1, .to_name = (char *)"h2", ##__VA_ARGS__ \
    }
#define OUTSIDE(what, name, ...)                                                         \
    {                                                                                    \
        .text = (char *)(what), .to = SIZE_MAX, .to_name = (char *)(name), ##__VA_ARGS__ \
    }
#define PASSES(i, part)                                                              \
    require(results[i].passed &&strstr(results[i].detail, part), "%d: %s", (int)(i), \
            results[i].detail)
#define FAILS(i, part)                                                                 \
    require(!results[i].passed && strstr(results[i].detail, part), "%d: %s", (int)(i), \
            results[i].detail)

/* ---- checks ----------------------------------------------------------------------------------*/

static void reaches(void)
{
    _cleanup_close_ int four = listen_on(1, AF_INET, 80), six = listen_on(1, AF_INET6, 81);
    pid_t server = udp_server(7, false);
    const struct lab_test tests[] = {
        TEST("tcp", .protocol = LAB_TCP, .port = 80),
        TEST("tcp, IPv6", .protocol = LAB_TCP, .port = 81, .family = AF_INET6),
        TEST("icmp", .protocol = LAB_ICMP),
        TEST("icmp, IPv6", .protocol = LAB_ICMP, .family = AF_INET6),
        TEST("udp", .protocol = LAB_UDP, .port = 7),
        TEST("udp, IPv6", .protocol = LAB_UDP, .port = 7, .family = AF_INET6),
        OUTSIDE("an address", "10.0.0.2"),
        TEST("itself", .from = 1),
        TEST("must not", .protocol = LAB_TCP, .port = 80, .fails = true),
    };
    run(tests, ARRAY_LEN(tests));
    end(server);
    for (size_t i = 0; i + 1 < ARRAY_LEN(tests); i++)
        PASSES(i, "answered in");
    PASSES(0, "10.0.0.2:80 ");
    PASSES(1, "[fd00::2]:81 ");
    PASSES(2, "10.0.0.2 ");
    FAILS(8, "answered in");
    require(failed == 1, "%zu", failed);
}

static void does_not_reach(void)
{
    pid_t mute = udp_server(9, true);
    sh("%s sh -c 'ip addr add 10.0.0.66/24 dev h1; ip addr add fd00::66/64 dev h1 nodad'", in(1));
    sh("%s nft 'add table inet t; add chain inet t c { type filter hook input priority 0; }; "
       "add rule inet t c ip daddr 10.0.0.66 reject with icmp type host-unreachable; add rule inet t c ip6 daddr fd00::66 icmpv6 type "
       "echo-request reject; add rule inet t c tcp dport 82 drop; add rule inet t c tcp dport 83 reject with icmpx type "
       "admin-prohibited; add rule inet t c udp dport 84 drop'",
       in(1));
    const struct lab_test tests[] = {
        TEST("refused", .protocol = LAB_TCP, .port = 80),
        TEST("refused as wanted", .protocol = LAB_TCP, .port = 80, .fails = true),
        TEST("dropped", .protocol = LAB_TCP, .port = 82),
        TEST("dropped as wanted", .protocol = LAB_TCP, .port = 82, .fails = true),
        TEST("prohibited", .protocol = LAB_TCP, .port = 83),
        TEST("udp, closed", .protocol = LAB_UDP, .port = 85),
        TEST("udp, dropped", .protocol = LAB_UDP, .port = 84),
        TEST("udp, mute", .protocol = LAB_UDP, .port = 9),
        OUTSIDE("no route", "203.0.113.1"),
        OUTSIDE("no host", "10.0.0.77"),
        OUTSIDE("no host as wanted", "10.0.0.77", .fails = true),
        OUTSIDE("no name", "web.example"),
        OUTSIDE("no name, not wanted", "web.example", .fails = true),
        TEST("no sender", .from = 5, .fails = true),
        OUTSIDE("rejected", "10.0.0.66"),
        OUTSIDE("rejected, IPv6", "fd00::66"),
    };
    run(tests, ARRAY_LEN(tests));
    end(mute);
    FAILS(0, "refused it");
    PASSES(1, "refused it");
    FAILS(2, "did not answer within 400 ms");
    PASSES(3, "did not answer");
    require(results[3].elapsed_ms >= PATIENCE_MS, "%lld", (long long)results[3].elapsed_ms);
    FAILS(4, "No route to host");
    FAILS(5, "refused it");
    FAILS(6, "a UDP server may be silent");
    FAILS(7, "a UDP server may be silent");
    FAILS(8, "Network is unreachable");
    FAILS(9, "did not answer");
    PASSES(10, "did not answer");
    FAILS(11, "is no node");
    FAILS(12, "is no node");
    FAILS(13, "node 5 is gone");
    FAILS(14, "No route to host");
    FAILS(15, "refused it");
}

/* Both sockets get all answers. The first echo to h2 is dropped, so its probe has to send another one. */
static void hears_its_own(void)
{
    sh("%s nft 'add table inet t; add chain inet t c { type filter hook input priority 0; }; "
       "add rule inet t c icmp type echo-request limit rate 1/day burst 1 packets drop'",
       in(1));
    const struct lab_test tests[] = {TEST("lost"), TEST("not lost")};
    run(tests, 2);
    PASSES(0, "answered");
    PASSES(1, "answered");
    require(results[0].elapsed_ms >= 250, "%lld", (long long)results[0].elapsed_ms);
}

/* A child listens on @port from @from_ms to @to_ms. */
static pid_t listener_between(uint16_t port, int from_ms, int to_ms)
{
    pid_t pid = fork();
    if (pid == 0) {
        pause_ms(from_ms);
        (void)listen_on(1, AF_INET, port);
        pause_ms(to_ms - from_ms);
        _exit(0);
    }
    return pid;
}

static void within(void)
{
    pid_t late = listener_between(80, 600, 60000), gone = listener_between(81, 0, 900),
          stays = listener_between(82, 0, 60000);
    pause_ms(200); /* 81 and 82 are there */
    const struct lab_test tests[] = {
        TEST("comes", .protocol = LAB_TCP, .port = 80, .within_ms = 20000),
        TEST("goes", .protocol = LAB_TCP, .port = 81, .within_ms = 20000, .fails = true),
        TEST("stays", .protocol = LAB_TCP, .port = 82, .within_ms = 1200, .fails = true),
        TEST("never comes", .protocol = LAB_TCP, .port = 84, .within_ms = 1200),
        TEST("not yet", .protocol = LAB_TCP, .port = 80),
        TEST("never there", .protocol = LAB_TCP, .port = 85, .within_ms = 20000, .fails = true),
    };
    run(tests, ARRAY_LEN(tests));
    PASSES(0, "answered");
    require(results[0].elapsed_ms >= 300, "%lld", (long long)results[0].elapsed_ms);
    PASSES(1, "refused");
    require(results[1].elapsed_ms >= 500 + PATIENCE_MS, "%lld", (long long)results[1].elapsed_ms);
    FAILS(2, "answered");
    require(results[2].elapsed_ms >= 1200, "%lld", (long long)results[2].elapsed_ms);
    FAILS(3, "refused");
    require(results[3].elapsed_ms >= 1200, "%lld", (long long)results[3].elapsed_ms);
    FAILS(4, "refused");
    PASSES(5, "refused"); /* and stays so for as long as a probe would wait */
    require(results[5].elapsed_ms >= PATIENCE_MS, "%lld", (long long)results[5].elapsed_ms);
    end(late);
    end(gone);
    end(stays);
}

static void events(void)
{
    _cleanup_close_ int web = listen_on(1, AF_INET, 80);
    const struct lab_test tests[] = {
        TEST("after A", .protocol = LAB_TCP, .port = 80, .after = AFTER_LINK_DOWN,
             .after_interface = (char *)"A"),
        TEST("exec", .what = TEST_EXEC, .argv = (char *[]){(char *)"run", NULL}),
        TEST("after B", .protocol = LAB_TCP, .port = 81, .after = AFTER_LINK_DOWN,
             .after_interface = (char *)"B"),
        TEST("plain", .protocol = LAB_TCP, .port = 80),
    };
    fake.says = "hello\n";
    run(tests, ARRAY_LEN(tests));
    require(streq(fake.log, "run;A;undo;B;undo;"), "%s", fake.log);
    require(failed == 1, "%zu", failed);
    FAILS(2, "refused");
    fake.fail_event = ENODEV;
    run(tests, 1);
    FAILS(0, "link down: No such device");
    require(streq(fake.log, "run;A;undo;B;undo;A;undo;"), "%s", fake.log);
}

static void commands(void)
{
    char *argv[] = {(char *)"run", NULL};
    const struct lab_test tests[] = {
        TEST("status", .what = TEST_EXEC, .argv = argv, .status = 3),
        TEST("wrong status", .what = TEST_EXEC, .argv = argv),
    };
    fake.says = "one two\n";
    fake.status = 3;
    run(tests, 2);
    PASSES(0, "exit status 3: one two");
    FAILS(1, "exit status 3: one two");
    const struct lab_test more[] = {
        TEST("status", .what = TEST_EXEC, .argv = argv, .contains = (char *)"two"),
        TEST("contains", .what = TEST_EXEC, .argv = argv, .contains = (char *)"three"),
        TEST("must fail", .what = TEST_EXEC, .argv = argv, .fails = true),
    };
    run(more, 3); /* the third call and later ones have status 0 */
    PASSES(0, "exit status 0");
    FAILS(1, "without `three`");
    FAILS(2, "exit status 0");
    fake.execs = 0;
    const struct lab_test later[] = {
        TEST("at last", .what = TEST_EXEC, .argv = argv, .within_ms = 20000)};
    run(later, 1);
    PASSES(0, "exit status 0");
    require(fake.execs == 3, "%d", fake.execs);
}

/* More than fit into one turn. */
static void many(void)
{
    enum { MANY = 450 };
    _cleanup_close_ int web = listen_on(1, AF_INET, 80); /* its queue holds 65 connections */
    struct lab_test *tests = xcalloc(MANY, sizeof(*tests));
    for (int i = 0; i < MANY; i++)
        tests[i] = (struct lab_test)TEST("tcp", .protocol = i % 8 ? LAB_ICMP : LAB_TCP,
                                         .port = i % 8 ? 0 : 80);
    const struct lab_tester tester = {.tests = tests,
                                      .count = MANY,
                                      .netns = netns_of,
                                      .interfaces = interfaces_of,
                                      .patience_ms = 8000};
    failed = lab_tests_run(&tester, &results);
    for (int i = 0; i < MANY; i++)
        PASSES(i, "answered");
    require(failed == 0, "%zu", failed);
    free(tests);
}

/* ---- without a kernel ------------------------------------------------------------------------*/

static struct lab_interface interface(const char *name, bool mgmt, const char *a, unsigned prefix,
                                      const char *b, unsigned prefix_b)
{
    struct lab_interface i = {.name = xstrdup(name), .mgmt = mgmt};
    i.addresses = xcalloc(2, sizeof(*i.addresses));
    if (a)
        i.addresses[i.address_count++] = (struct lab_address){ip(a), (uint8_t)prefix};
    if (b)
        i.addresses[i.address_count++] = (struct lab_address){ip(b), (uint8_t)prefix_b};
    return i;
}

static void chooses(void)
{
    struct lab_interface sender[] = {
        interface("eth0", true, "172.20.0.2", 24, NULL, 0),
        interface("eth1", false, "10.1.0.1", 24, "fd01::1", 64),
    };
    struct lab_interface all[] = {
        interface("eth0", true, "172.20.0.3", 24, "fd20::3", 64),
        interface("eth1", false, "fe80::1", 64, "10.3.0.1", 24),
        interface("eth2", false, "fd03::1", 64, NULL, 0),
        interface("eth3", false, "fd01::2", 64, NULL, 0),
        interface("eth4", false, "169.254.1.1", 16, "127.0.0.9", 8),
        interface("eth5", false, "10.1.0.9", 24, NULL, 0),
        interface("eth6", false, "10.9.0.1", 24, NULL, 0),
        interface("eth7", false, "172.20.0.77", 24, NULL, 0),
    };
    const struct {
        size_t first, count;
        int family;
        const char *expected;
    } rows[] = {
        {0, 6, 0, "10.1.0.9"},
        {0, 6, AF_INET6, "fd01::2"},
        {0, 5, AF_INET, "10.3.0.1"},
        {0, 4, 0, "fd01::2"},
        {0, 3, 0, "10.3.0.1"},
        {0, 3, AF_INET6, "fd03::1"},
        {0, 2, 0, "10.3.0.1"},
        {0, 1, 0, "172.20.0.3"},
        {0, 1, AF_INET6, "fd20::3"},
        {4, 1, 0, NULL},
        {0, 0, 0, NULL},
        {5, 1, AF_INET6, NULL},
        {6, 2, 0, "10.9.0.1"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct ip chosen = {0};
        const struct lab_interfaces from = {sender, 2}, to = {all + rows[i].first, rows[i].count};
        bool found = lab_test_choose(&from, &to, rows[i].family, &chosen);
        _cleanup_free_ char *text = ip_text(&chosen);
        require(found == (rows[i].expected != NULL) &&
                    streq(text, rows[i].expected ? rows[i].expected : ""),
                "row %zu: %s", i, text);
    }
}

static char *report(enum report_format format)
{
    static struct lab_test tests[] = {
        {.text = (char *)"h1 -> h2 # TODO \\ <&>\"'", .place = {3, 1}},
        {.text = (char *)"a\x01 \xff b\xef\xbf\xbf", .place = {4, 1}},
    };
    static const struct lab_test_result told[] = {
        {true, (char *)"10.0.0.2 answered", 12},
        {false, (char *)"]]> <b a=\"x\">\n\x1b[31m ü", 2345},
    };
    struct topology t = {.name = (char *)"two \"labs\"",
                         .file = (char *)"/x/<y>.yml",
                         .tests = tests,
                         .test_count = 2};
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    report_print(out, format, &t, told);
    fclose(out);
    return text;
}

static void reports(void)
{
    _cleanup_free_ char *lines = report(REPORT_LINES), *tap = report(REPORT_TAP),
                        *json = report(REPORT_JSON), *junit = report(REPORT_JUNIT);
    require(strstr(lines, "ok - h1 -> h2 # TODO") && strstr(lines, "\nFAILED - a\\x01") &&
                strstr(lines, "\n1 of 2 tests passed\n"),
            "%s", lines);
    require(strstr(tap, "TAP version 13\n1..2\nok 1 - h1 -> h2 \\# TODO \\\\ <") &&
                strstr(tap, "\nnot ok 2 - a") && strstr(tap, "\n  message: \"]]> <b a=\\\"x\\\">"),
            "%s", tap);
    _cleanup_json_ json_t *j = json_loads(json, 0, NULL);
    require(j && json_int(j, "failed", -1) == 1 && json_int(j, "passed", -1) == 1 &&
                json_flag(json_array_get(json_object_get(j, "tests"), 0), "passed"),
            "%s", json);
    _cleanup_free_ char *program = xasprintf(
        "python3 -c '\n"
        "import sys, xml.etree.ElementTree as tree\n"
        "s = tree.parse(sys.stdin).getroot()[0]\n"
        "assert s.attrib[\"tests\"] == \"2\" and s.attrib[\"failures\"] == \"1\" and len(s) == 2\n"
        "assert s.attrib[\"name\"] == \"two \\\"labs\\\"\", s.attrib\n"
        "assert s.attrib[\"time\"] == \"2.357\", s.attrib\n"
        "assert s[0].attrib[\"name\"].startswith(\"h1 -> h2 # TODO \\\\ <&>\\\"\"), s[0].attrib\n"
        "assert s[0].attrib[\"line\"] == \"3\" and s[0].attrib[\"file\"] == \"/x/<y>.yml\"\n"
        "assert len(s[0]) == 0 and s[1][0].tag == \"failure\"\n"
        "assert \"]]> <b a=\\\"x\\\">\" in s[1][0].attrib[\"message\"], s[1][0].attrib\n'");
    FILE *python = popen(program, "w");
    fputs(junit, python);
    require(pclose(python) == 0, "%s", junit);
    enum report_format format;
    require(report_format_parse("tap", stdout, &format, NULL) == 0 && format == REPORT_TAP &&
                report_format_parse("xml", stdout, &format, NULL) == -EINVAL,
            "formats");
}

int main(void)
{
    const struct apart with_nodes[] = {
        {"tcp, icmp and udp, IPv4 and IPv6", reaches},
        {"refused, dropped, prohibited, unreachable, mute", does_not_reach},
        {"a probe hears only its own answers", hears_its_own},
        {"what takes its time", within},
        {"tests with events run alone, and are undone", events},
        {"many at once", many},
    };
    const struct apart others[] = {
        {"commands", commands},
        {"which address is probed", chooses},
        {"reports", reports},
    };
    int a = run_all_apart(make_nodes, with_nodes, ARRAY_LEN(with_nodes));
    int b = run_all_apart(NULL, others, ARRAY_LEN(others));
    return a || b;
}
