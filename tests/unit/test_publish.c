/* Published ports: every notation, the errors for wrong ones, and that held ports really are held.
 * The sockets are in a network namespace of the test's own. */
#include "check.h"

#include <netctr/sandbox.h>

#include <arpa/inet.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>

/* ---- notation ---------------------------------------------------------------------------------*/

/* A port that was parsed is written in the definition's notation, which parses to the same port. */
static const struct {
    const char *text, *parsed; /* the ports, or the error */
} notation[] = {
    {"80", "80/tcp"},
    {"8080:80", "8080:80/tcp"},
    {"8080:80/tcp", "8080:80/tcp"},
    {"53:53/udp", "53:53/udp"},
    {"53:53/UDP", "53:53/udp"},
    {"9:9/sctp", "9:9/sctp"},
    {":80", "80/tcp"},
    {"0:80", "80/tcp"},
    {"0:7-8", "7/tcp 8/tcp"},
    {"127.0.0.1:0:80/udp", "127.0.0.1::80/udp"},
    {"1-2:3-4", "1:3/tcp 2:4/tcp"},
    {"7-8", "7/tcp 8/tcp"},
    {"65535:65535", "65535:65535/tcp"},
    {"5-5:6", "5:6/tcp"},
    {"1-2:4", "1-2:4/tcp"},
    {"127.0.0.1:1-2:4/udp", "127.0.0.1:1-2:4/udp"},
    {"127.0.0.1:8080:80", "127.0.0.1:8080:80/tcp"},
    {"127.0.0.1::80", "127.0.0.1::80/tcp"},
    {"0.0.0.0:8080:80", "0.0.0.0:8080:80/tcp"},
    {"0.0.0.0::80", "0.0.0.0::80/tcp"},
    {"0.0.0.0:1-2:3-4/udp", "0.0.0.0:1:3/udp 0.0.0.0:2:4/udp"},
    {"0.0.0.0:9:9/sctp", "0.0.0.0:9:9/sctp"},
    {"10.0.0.1:1-2:3-4/udp", "10.0.0.1:1:3/udp 10.0.0.1:2:4/udp"},
    {"[::1]:8080:80", "[::1]:8080:80/tcp"},
    {"[::1]::80", "[::1]::80/tcp"},
    {"[::]:8080:80", "[::]:8080:80/tcp"},
    {"[::]::80", "[::]::80/tcp"},
    {"[fd00::2]:53:53/udp", "[fd00::2]:53:53/udp"},
    {"", "publish ``: the container's port is missing"},
    {"8080:", "publish `8080:`: the container's port is missing"},
    {"/tcp", "publish `/tcp`: the container's port is missing"},
    {"0", "publish `0`: `0` is not a port (1-65535) or a range of ports"},
    {"65536", "publish `65536`: `65536` is not a port (1-65535) or a range of ports"},
    {"0-1:80-81", "publish `0-1:80-81`: `0-1` is not a port (1-65535) or a range of ports"},
    {"http", "publish `http`: `http` is not a port (1-65535) or a range of ports"},
    {"-80", "publish `-80`: `-80` is not a port (1-65535) or a range of ports"},
    {"80-", "publish `80-`: `80-` is not a port (1-65535) or a range of ports"},
    {"90-80", "publish `90-80`: `90-80` is not a port (1-65535) or a range of ports"},
    {"1-2-3", "publish `1-2-3`: `1-2-3` is not a port (1-65535) or a range of ports"},
    {"80 ", "publish `80 `: `80 ` is not a port (1-65535) or a range of ports"},
    {"+80", "publish `+80`: `+80` is not a port (1-65535) or a range of ports"},
    {"80:http", "publish `80:http`: `http` is not a port (1-65535) or a range of ports"},
    {"127.0.0.1:80",
     "publish `127.0.0.1:80`: `127.0.0.1` is not a port (1-65535) or a range of ports"},
    {"1-3:4-5", "publish `1-3:4-5`: the two ranges differ in length"},
    {"1-2:4-6", "publish `1-2:4-6`: the two ranges differ in length"},
    {"80/", "publish `80/`: protocol `` is not tcp, udp or sctp"},
    {"80/icmp", "publish `80/icmp`: protocol `icmp` is not tcp, udp or sctp"},
    {"80/tcp/udp", "publish `80/tcp/udp`: `80/tcp` is not a port (1-65535) or a range of ports"},
    {"256.0.0.1:1:1", "publish `256.0.0.1:1:1`: `256.0.0.1` is not an address"},
    {"localhost:1:1", "publish `localhost:1:1`: `localhost` is not an address"},
    {"::1:8080:80", "publish `::1:8080:80`: `::1` is not an address (write IPv6 as [ADDRESS])"},
    {"224.0.0.1:1:1", "publish `224.0.0.1:1:1`: `224.0.0.1` is a multicast address, not a host's"},
    {"239.9.9.9::1", "publish `239.9.9.9::1`: `239.9.9.9` is a multicast address, not a host's"},
    {"[ff02::1]:1:1", "publish `[ff02::1]:1:1`: `[ff02::1]` is a multicast address, not a host's"},
    {"[::ffff:192.0.2.2]:1:1", "publish `[::ffff:192.0.2.2]:1:1`: `[::ffff:192.0.2.2]` is an IPv4 "
                               "address: write it as 192.0.2.2"},
    {"[127.0.0.1]:80:80",
     "publish `[127.0.0.1]:80:80`: `[127.0.0.1]` is not an address (brackets are for IPv6)"},
    {"[0.0.0.0]::80",
     "publish `[0.0.0.0]::80`: `[0.0.0.0]` is not an address (brackets are for IPv6)"},
    {"[::1]:80:80/sctp", "publish `[::1]:80:80/sctp`: [::1] is proxied for TCP and UDP only"},
    {"fd00::2:1:1", "publish `fd00::2:1:1`: `fd00::2` is not an address (write IPv6 as [ADDRESS])"},
};

/* All ports of @text, or the error. */
static char *parse(const char *text, struct port_mappings *list)
{
    _cleanup_err_ struct err e = ERR_INIT;
    int r = port_mapping_parse(text, list, &e);
    if (r < 0)
        return xstrdup(e.code == r ? text_of(&e) : "another code");
    char *all = xstrdup("");
    for (size_t i = 0; i < list->count; i++) {
        _cleanup_free_ char *before = all, *one = port_mapping_word(&list->items[i]);
        all = xasprintf("%s%s%s", before, *before ? " " : "", one);
    }
    return all;
}

static bool comes_back(const struct port_mapping *p)
{
    _cleanup_free_ char *word = port_mapping_word(p);
    _cleanup_port_mappings_ struct port_mappings again = {0};
    return port_mapping_parse(word, &again, NULL) == 0 && again.count == 1 &&
           port_mapping_equal(p, &again.items[0]) && p->port == again.items[0].port;
}

static void test_notation(void)
{
    for (size_t i = 0; i < ARRAY_LEN(notation); i++) {
        _cleanup_port_mappings_ struct port_mappings list = {0};
        _cleanup_free_ char *got = parse(notation[i].text, &list);
        _cleanup_free_ char *name = xasprintf("publish \"%s\"", notation[i].text);
        check(streq(got, notation[i].parsed), name, got);
        for (size_t k = 0; k < list.count; k++)
            check(comes_back(&list.items[k]), name, "does not come back");
    }
    static const char *const wrong[] = {"[::1]:80",    "[::1:80:80", "::1]:80:80", "[]:80:80",
                                        "[::g]:80:80", ":::",        "::::",       "[",
                                        "1:2:3:4",     ":80:80"};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        _cleanup_port_mappings_ struct port_mappings list = {0};
        _cleanup_free_ char *got = parse(wrong[i], &list);
        _cleanup_free_ char *start = xasprintf("publish `%s`: ", wrong[i]);
        check(skip_prefix(got, start) && list.count == 0, wrong[i], got);
    }
}

static void test_many(void)
{
    _cleanup_port_mappings_ struct port_mappings list = {0};
    _cleanup_free_ char *more = NULL;
    free(parse("1:1", &list));
    free(parse("2-4096:2-4096", &list));
    check(list.count == 4096, "4,096 ports, in two steps", "refused");
    more = parse("5000:5000", &list);
    check(streq(more, "publish `5000:5000`: more than 4096 ports for one container") &&
              list.count == 4096,
          "one more is refused", more);
    _cleanup_port_mappings_ struct port_mappings all = {0};
    free(more);
    more = parse("1-65535:1-65535", &all);
    check(strstr(more, "more than 4096 ports") && all.count == 0, "all ports are refused", more);
}

/* ---- what is shown ----------------------------------------------------------------------------*/

static const struct port_mapping_reach on_both = {.ipv4 = true, .ipv6 = true, .loopback6 = true},
                                       on_four = {.ipv4 = true},
                                       on_four_and_loopback6 = {.ipv4 = true, .loopback6 = true},
                                       on_six = {.ipv6 = true, .loopback6 = true},
                                       on_routed = {.ipv4 = true, .ipv6 = true, .routed = true};

static const struct {
    const char *text;
    const struct port_mapping_reach *reach;
    const char *shown;
} shown[] = {
    {"8080:80", &on_both, "0.0.0.0:8080->80/tcp [::]:8080->80/tcp"},
    {"8080:80", &on_four, "0.0.0.0:8080->80/tcp"},
    {"8080:80", &on_four_and_loopback6, "0.0.0.0:8080->80/tcp [::1]:8080->80/tcp"},
    {"8080:80", &on_six, "[::]:8080->80/tcp"},
    {"8080:80/udp", &on_four_and_loopback6, "0.0.0.0:8080->80/udp [::1]:8080->80/udp"},
    {"8080:80/sctp", &on_four_and_loopback6, "0.0.0.0:8080->80/sctp"},
    {"8080:80/sctp", &on_both, "0.0.0.0:8080->80/sctp [::]:8080->80/sctp"},
    {"0.0.0.0:8080:80", &on_both, "0.0.0.0:8080->80/tcp"},
    {"0.0.0.0:8080:80", &on_four_and_loopback6, "0.0.0.0:8080->80/tcp"},
    {"[::]:8080:80", &on_both, "[::]:8080->80/tcp"},
    {"127.0.0.1:8080:80", &on_both, "127.0.0.1:8080->80/tcp"},
    {"[::1]:8080:80", &on_four_and_loopback6, "[::1]:8080->80/tcp"},
    {"[fd00::2]:53:53/udp", &on_both, "[fd00::2]:53->53/udp"},
    {"80:80", &on_routed, "80/tcp"},
};

static void test_shown(void)
{
    for (size_t i = 0; i < ARRAY_LEN(shown); i++) {
        _cleanup_port_mappings_ struct port_mappings list = {0};
        _cleanup_strv_ strv texts = NULL;
        free(parse(shown[i].text, &list));
        port_mapping_texts(&list.items[0], shown[i].reach, &texts);
        _cleanup_free_ char *got =
            xasprintf("%s%s%s", texts[0], texts[1] ? " " : "", texts[1] ? texts[1] : "");
        _cleanup_free_ char *name = xasprintf("%s is shown as %s", shown[i].text, shown[i].shown);
        check(streq(got, shown[i].shown), name, got);
    }
}

static const struct {
    const char *a, *b;
    bool collide;
} pairs[] = {
    {"8001:80", "8001:81", true},
    {"8001:80", "0.0.0.0:8001:80", true},
    {"8001:80", "[::]:8001:80", true},
    {"8001:80", "127.0.0.1:8001:80", true},
    {"8001:80", "[::1]:8001:80", true},
    {"0.0.0.0:8001:80", "0.0.0.0:8001:81", true},
    {"0.0.0.0:8001:80", "127.0.0.1:8001:80", true},
    {"[::]:8001:80", "[::1]:8001:80", true},
    {"0.0.0.0:8001:80", "[::]:8001:80", false},
    {"0.0.0.0:8001:80", "[::1]:8001:80", false},
    {"127.0.0.1:8001:80", "[::]:8001:80", false},
    {"127.0.0.1:8001:80", "127.0.0.2:8001:80", false},
    {"8001:80", "8002:80", false},
    {"8001:80", "8001:80/udp", false},
};

static void test_collide(void)
{
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        _cleanup_port_mappings_ struct port_mappings list = {0};
        free(parse(pairs[i].a, &list));
        free(parse(pairs[i].b, &list));
        _cleanup_free_ char *name = xasprintf("%s and %s %s", pairs[i].a, pairs[i].b,
                                              pairs[i].collide ? "collide" : "do not collide");
        check(port_mapping_collides(&list.items[0], &list.items[1]) == pairs[i].collide &&
                  port_mapping_collides(&list.items[1], &list.items[0]) == pairs[i].collide,
              name, "no");
    }
}

static const struct {
    const char *text;
    bool ipv6; /* the network has only IPv6, or only IPv4 */
    const char *refusal;
} checks[] = {
    {"8080:80", false, NULL},
    {"8080:80", true, NULL},
    {"0.0.0.0:8080:80", false, NULL},
    {"[::]:8080:80", true, NULL},
    {"[::1]:8080:80", false, NULL},
    {"0.0.0.0:8080:80", true, "publish `0.0.0.0:8080:80/tcp`: network `n` has no IPv4"},
    {"127.0.0.1::80", true, "publish `127.0.0.1::80/tcp`: network `n` has no IPv4"},
    {"[::]:8080:80", false, "publish `[::]:8080:80/tcp`: network `n` has no IPv6"},
};

static void test_check(void)
{
    for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
        _cleanup_err_ struct err e = ERR_INIT;
        _cleanup_port_mappings_ struct port_mappings list = {0};
        struct network n = {.name = (char[]){"n"}};
        *(checks[i].ipv6 ? &n.subnet6.prefix : &n.subnet4.prefix) = 24;
        free(parse(checks[i].text, &list));
        int r = port_mappings_check(&list, &n, &e);
        _cleanup_free_ char *name = xasprintf("%s on a network with IPv%c alone", checks[i].text,
                                              checks[i].ipv6 ? '6' : '4');
        check(checks[i].refusal ? r == -EAFNOSUPPORT && streq(text_of(&e), checks[i].refusal)
                                : r == 0,
              name, text_of(&e));
    }
}

/* ---- sockets ----------------------------------------------------------------------------------*/

static int hold(struct port_mappings *list, const char *text, struct bound_ports *held,
                struct err *e)
{
    port_mappings_clear(list);
    int r = port_mapping_parse(text, list, e);
    return r < 0 ? r : port_mappings_bind(list, true, held, NULL, e);
}

static uint16_t port_of(int fd)
{
    struct sockaddr_in6 a;
    socklen_t size = sizeof(a);
    return getsockname(fd, (struct sockaddr *)&a, &size) < 0 ? 0 : ntohs(a.sin6_port);
}

/* A socket that sends something to a port of the loopback. */
static int dial(int family, int type, uint16_t port)
{
    int fd = socket(family, type | SOCK_CLOEXEC, 0);
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(port)};
    four.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    struct sockaddr_in6 a6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    a6.sin6_addr = in6addr_loopback;
    const struct sockaddr *a = family == AF_INET ? (void *)&four : (void *)&a6;
    socklen_t size = family == AF_INET ? sizeof(four) : sizeof(a6);
    if (connect(fd, a, size) < 0 || send(fd, "x", 1, MSG_NOSIGNAL) < 0)
        return close_fd(fd);
    return fd;
}

static void test_hold(void)
{
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_port_mappings_ struct port_mappings list = {0}, second = {0};
    _cleanup_bound_ struct bound_ports held = {0}, none = {0};
    const struct port_mapping *refused = NULL;
    int before = open_fds(), r = hold(&list, "8080-8081:80-81", &held, &e);
    check(r == 0 && held.count == 4 && port_mapping_equal(&held.items[0].publish, &list.items[0]) &&
              held.items[0].family == AF_INET && held.items[1].family == AF_INET6 &&
              port_of(held.items[2].fd) == 8081 && port_of(held.items[3].fd) == 8081,
          "a range is held in both families", text_of(&e));
    for (size_t i = 0; i < held.count; i++)
        if (fcntl(held.items[i].fd, F_GETFD) != FD_CLOEXEC ||
            !(fcntl(held.items[i].fd, F_GETFL) & O_NONBLOCK))
            check(false, "held sockets are CLOEXEC and NONBLOCK", "one is not");
    check(hold(&second, "8081:80", &none, &e) == -EADDRINUSE &&
              streq(text_of(&e), "port 8081/tcp is in use on this host") && none.count == 0,
          "a held port is in use", text_of(&e));
    int fds = open_fds();
    port_mappings_clear(&second);
    (void)port_mapping_parse("9000:9000", &second, NULL);
    (void)port_mapping_parse("127.0.0.1:8080:80", &second, NULL);
    r = port_mappings_bind(&second, true, &none, &refused, &e);
    check(r == -EADDRINUSE && streq(text_of(&e), "port 8080/tcp is in use on 127.0.0.1") &&
              refused == &second.items[1] && open_fds() == fds,
          "the refused port is named, the others are let go", text_of(&e));
    check(hold(&second, "[::1]:8080:80", &none, &e) == -EADDRINUSE &&
              streq(text_of(&e), "port 8080/tcp is in use on [::1]"),
          "in use on [::1]", text_of(&e));
    check(hold(&second, "0.0.0.0:8080:80", &none, &e) == -EADDRINUSE &&
              streq(text_of(&e), "port 8080/tcp is in use on 0.0.0.0"),
          "in use on 0.0.0.0", text_of(&e));
    r = hold(&second, "8080:80/udp", &none, &e);
    check(r == 0, "another protocol is another port", text_of(&e));
    bound_ports_clear(&none);
    check(hold(&second, "10.1.2.3:80:80", &none, &e) == -EADDRNOTAVAIL &&
              streq(text_of(&e), "this host has no address 10.1.2.3"),
          "an address that the host does not have", text_of(&e));
    bound_ports_clear(&held);
    check(open_fds() == before, "all are let go", "some are not");
    r = hold(&list, "8080:80", &held, &e);
    check(r == 0, "and can be had again", text_of(&e));
    port_mappings_clear(&second);
    check(port_mappings_bind(&second, true, &none, NULL, &e) == 0 && none.count == 0, "no ports",
          "some");
}

static void test_families(void)
{
    static const struct {
        const char *text;
        bool ipv6;
        int families[3];
    } rows[] = {
        {"7001:1", true, {AF_INET, AF_INET6}},     {"7002:1", false, {AF_INET}},
        {"127.0.0.1:7003:1", true, {AF_INET}},     {"[::1]:7004:1", true, {AF_INET6}},
        {"[::1]:7005:1", false, {AF_INET6}},       {"[::]:7006:1", true, {AF_INET6}},
        {"7007:1/udp", true, {AF_INET, AF_INET6}}, {"0.0.0.0:7008:1", true, {AF_INET}},
        {"0.0.0.0:7009:1/udp", true, {AF_INET}},   {"0.0.0.0::1", true, {AF_INET}},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_err_ struct err e = ERR_INIT;
        _cleanup_port_mappings_ struct port_mappings list = {0};
        _cleanup_bound_ struct bound_ports held = {0};
        (void)port_mapping_parse(rows[i].text, &list, &e);
        int r = port_mappings_bind(&list, rows[i].ipv6, &held, NULL, &e);
        size_t n = 0;
        while (n < held.count && held.items[n].family == rows[i].families[n])
            n++;
        _cleanup_free_ char *name =
            xasprintf("families of \"%s\"%s", rows[i].text, rows[i].ipv6 ? "" : " without IPv6");
        expect(r == 0 && n == held.count && rows[i].families[n] == 0, name, "%zu of %zu: %s", n,
               held.count, text_of(&e));
    }
}

/* 0.0.0.0 and [::] do not overlap. A port without an address is on both. */
static void test_side_by_side(void)
{
    static const char *const protocols[] = {"tcp", "udp"};
    for (size_t i = 0; i < ARRAY_LEN(protocols); i++) {
        _cleanup_err_ struct err e = ERR_INIT;
        _cleanup_port_mappings_ struct port_mappings four = {0}, six = {0}, every = {0}, one = {0};
        _cleanup_bound_ struct bound_ports held4 = {0}, held6 = {0}, none = {0};
        _cleanup_free_ char *text4 = xasprintf("0.0.0.0:7100:1/%s", protocols[i]),
                            *text6 = xasprintf("[::]:7100:1/%s", protocols[i]),
                            *text = xasprintf("7100:1/%s", protocols[i]);
        int r = hold(&four, text4, &held4, &e);
        r = r < 0 ? r : hold(&six, text6, &held6, &e);
        check(r == 0, "0.0.0.0 and [::] side by side", text_of(&e));
        bound_ports_clear(&held6);
        check(hold(&every, text, &none, &e) == -EADDRINUSE, "0.0.0.0 conflicts with both", "no");
        r = hold(&six, text6, &held6, &e);
        check(r == 0, "a refused request holds nothing", text_of(&e));
        bound_ports_clear(&held4);
        check(hold(&every, text, &none, &e) == -EADDRINUSE, "[::] conflicts with both", "no");
        (void)port_mapping_parse(text4, &one, NULL);
        (void)port_mapping_parse(text, &one, NULL);
        check(port_mappings_bind(&one, true, &none, NULL, &e) == -EINVAL &&
                  strstr(text_of(&e), "is published twice"),
              "both in one request", text_of(&e));
    }
}

/* An ephemeral port is the same in both families: if it is taken for IPv6, another one is
 * chosen. */
static void test_ephemeral(void)
{
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_port_mappings_ struct port_mappings list = {0}, half = {0};
    _cleanup_bound_ struct bound_ports held = {0}, taken = {0};
    /* with SO_REUSEADDR, the kernel tries the lower half of the range first */
    check(sysctl_write("net/ipv4/ip_local_port_range", "40000 40039", &e) == 0, "a narrow range",
          text_of(&e));
    (void)port_mapping_parse("[::]:40000-40015:1-16", &half, NULL);
    check(port_mappings_bind(&half, true, &taken, NULL, &e) == 0, "most of IPv6's are taken",
          text_of(&e));
    int r = hold(&list, "80-81", &held, &e);
    bool same = r == 0 && held.count == 4;
    for (size_t i = 0; same && i < held.count; i++)
        same = port_of(held.items[i].fd) == list.items[i / 2].host_port &&
               list.items[i / 2].host_port >= 40016;
    check(same && list.items[0].host_port != list.items[1].host_port,
          "an ephemeral port is free in both families", text_of(&e));
    _cleanup_free_ char *text = r == 0 ? port_mapping_word(&list.items[0]) : NULL;
    check(text && skip_prefix(text, "400"), "and is filled in", text ? text : text_of(&e));
    (void)sysctl_write("net/ipv4/ip_local_port_range", "32768 60999", NULL);
}

static void test_udp_drops(void)
{
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_port_mappings_ struct port_mappings list = {0};
    _cleanup_bound_ struct bound_ports held = {0};
    check(hold(&list, "5353:53/udp", &held, &e) == 0 && held.count == 2, "UDP is held",
          text_of(&e));
    for (size_t i = 0; i < held.count; i++) {
        for (int n = 0; n < 100; n++)
            close_fd(dial(held.items[i].family, SOCK_DGRAM, 5353));
        struct pollfd p = {.fd = held.items[i].fd, .events = POLLIN};
        char byte;
        check(poll(&p, 1, 50) == 0 && recv(held.items[i].fd, &byte, 1, MSG_DONTWAIT) < 0 &&
                  errno == EAGAIN,
              "no datagram is queued", "one is");
    }
}

static int test_too_few_fds(void *arg)
{
    (void)arg;
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_port_mappings_ struct port_mappings list = {0};
    _cleanup_bound_ struct bound_ports held = {0};
    struct rlimit soft = {100, 2000}, hard = {100, 100};
    setrlimit(RLIMIT_NOFILE, &soft);
    int r = hold(&list, "10000-10499:1-500", &held, &e);
    check(r == 0 && held.count == 1000, "the soft limit of fds is raised", text_of(&e));
    bound_ports_clear(&held);
    setrlimit(RLIMIT_NOFILE, &hard);
    int before = open_fds();
    r = hold(&list, "10000-10499:1-500", &held, &e);
    check(r == -EMFILE && e.hint && strstr(text_of(&e), "reserve port 10") && open_fds() == before,
          "the hard limit is reported", text_of(&e));
    return failures != 0;
}

int main(void)
{
    test_notation();
    test_many();
    test_shown();
    test_collide();
    test_check();
    if (!own_network()) {
        printf("skip - sockets: no network namespace of our own: not root?\n");
        return failures != 0;
    }
    test_hold();
    test_families();
    test_side_by_side();
    test_ephemeral();
    test_udp_drops();
    failures += in_child(test_too_few_fds, NULL) != 0;
    return failures != 0;
}
