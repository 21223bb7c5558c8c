/* Deleting conntrack entries: which have to go, and which must not.
 *
 * Each check runs in a process and a network namespace of its own, with the real ruleset loaded (so that
 * connections are tracked at all) and a link to nowhere as its default route. Needs root.
 *
 *     test_conntrack           all checks
 *     test_conntrack --bench   prints what deleting costs
 */
#include "bridge/bridge.h"
#include <netctr/firewall.h>
#include <netctr/sandbox.h>

#include "apart.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>

static void show_entries(void)
{
    fflush(stdout);
    if (system("sed 's/^/# /; 20q' /proc/thread-self/net/nf_conntrack") != 0)
        printf("# nothing to show\n");
}

/* ---- a host ----------------------------------------------------------------------------------*/

static void set_up(struct rt *rt, int index)
{
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_rt_batch_ struct rt_batch *b = rt_batch_new(rt);
    rt_set_up(b, index);
    require(rt_commit(b, &e) == 0, "%s", e.text);
}

/* A veth from here to a namespace that only the fd, which stays open, keeps alive. Its MAC there is @mac.
 * Returns its index here. */
static int add_wire(struct rt *rt, uint8_t mac[6])
{
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_rt_ struct rt *inside = NULL;
    struct link wire;
    struct veth v = {
        .host = "wire0", .peer = "wire0", .mtu = 1500, .host_mac = {2, 1}, .peer_mac = {2, 2}};
    require(netns_create(-1, &v.peer_netns, &inside, NULL, NULL, &e) == 0, "%s", e.text);
    _cleanup_rt_batch_ struct rt_batch *b = rt_batch_new(rt);
    rt_add_veth(b, &v);
    require(rt_commit(b, &e) == 0, "%s", e.text);
    set_up(inside, 1);
    set_up(inside, 2);
    require(rt_get_link(rt, "wire0", &wire) == 0, "wire0 is missing");
    set_up(rt, wire.index);
    memcpy(mac, v.peer_mac, 6);
    return wire.index;
}

/* lo, and wire0 with 192.0.2.2 and 2001:db8::2, with the default route. */
static void make_host(void)
{
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_rt_ struct rt *rt = NULL;
    struct ip own4 = ip("192.0.2.2"), own6 = ip("2001:db8::2"), next4 = ip("192.0.2.1"),
              next6 = ip("2001:db8::1");
    uint8_t mac[6];
    require(rt_open(&rt, &e) == 0, "%s", e.text);
    set_up(rt, 1);
    int wire = add_wire(rt, mac);
    _cleanup_rt_batch_ struct rt_batch *b = rt_batch_new(rt);
    rt_add_address(b, wire, &own4, 24);
    rt_add_address(b, wire, &own6, 64);
    rt_add_neighbour(b, wire, &next4, mac);
    rt_add_neighbour(b, wire, &next6, mac);
    rt_add_default_route(b, wire, &next4, 0);
    rt_add_default_route(b, wire, &next6, 0);
    require(rt_commit(b, &e) == 0, "%s", e.text);
    wait_for_route("2001:db8::2");
}

static void load_ruleset(void)
{
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_fw_ struct fw *fw = NULL;
    require(fw_open(INSTANCE, &fw, &e) == 0, "%s", e.text);
    _cleanup_fw_batch_ struct fw_batch *b = fw_batch_new(fw);
    fw_add_tables(b);
    require(fw_commit(b, &e) == 0, "%s", e.text);
}

/* ---- flows -----------------------------------------------------------------------------------*/

static socklen_t address(const char *host, uint16_t port, struct sockaddr_storage *out)
{
    struct ip a = ip(host);
    struct sockaddr_in *in = (void *)out;
    struct sockaddr_in6 *in6 = (void *)out;
    *out = (struct sockaddr_storage){0};
    out->ss_family = (sa_family_t)a.family;
    if (a.family == AF_INET) {
        in->sin_addr = a.v4;
        in->sin_port = htons(port);
        return sizeof(*in);
    }
    in6->sin6_addr = a.v6;
    in6->sin6_port = htons(port);
    return sizeof(*in6);
}

/* A UDP socket of @host's family that sends from @from (NULL: as the route says). */
static int talker(const char *host, const char *from)
{
    struct sockaddr_storage a;
    struct ip to = ip(host);
    int fd = socket(to.family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    require(fd >= 0, "%s", strerror(errno));
    if (from) {
        socklen_t size = address(from, 0, &a);
        require(bind(fd, (struct sockaddr *)&a, size) == 0, "%s", strerror(errno));
    }
    return fd;
}

static void say(int fd, const char *host, uint16_t port)
{
    struct sockaddr_storage a;
    socklen_t size = address(host, port, &a);
    /* The refusal of an earlier datagram is reported first. */
    for (int i = 0; i < 3; i++)
        if (sendto(fd, "x", 1, 0, (struct sockaddr *)&a, size) == 1)
            return;
    require(false, "say to %s:%d: %s", host, port, strerror(errno));
}

static void udp(const char *host, uint16_t port)
{
    _cleanup_close_ int fd = talker(host, NULL);
    say(fd, host, port);
}

/* A connection to a socket that listens there. (conntrack keeps no entry of a refused one.) */
static void tcp(const char *host, uint16_t port)
{
    struct sockaddr_storage a;
    socklen_t size = address(host, port, &a);
    _cleanup_close_ int listening = socket(a.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    _cleanup_close_ int fd = socket(a.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int one = 1;
    (void)setsockopt(listening, IPPROTO_IP, IP_FREEBIND, &one, sizeof(one));
    require(bind(listening, (struct sockaddr *)&a, size) == 0 && listen(listening, 1) == 0, "%s",
            strerror(errno));
    require(connect(fd, (struct sockaddr *)&a, size) == 0 || errno == EINPROGRESS, "%s",
            strerror(errno));
}

/* How many entries have @text in them, as /proc shows them. */
static size_t entries(const char *text)
{
    _cleanup_file_ FILE *f = fopen("/proc/thread-self/net/nf_conntrack", "re");
    if (!f)
        exit(SKIPPED); /* a kernel without the file */
    _cleanup_free_ char *line = NULL;
    size_t room = 0, count = 0;
    while (getline(&line, &room, f) > 0)
        count += strstr(line, text) != NULL;
    return count;
}

/* Adds @count flows to ports from 10000 on. */
static void fill(size_t count)
{
    _cleanup_close_ int fd = -1;
    for (size_t i = 0; i < count; i++) {
        if (i % 20000 == 0) {
            close_fd(fd);
            fd = talker("127.0.0.1", NULL);
        }
        say(fd, "127.0.0.1", (uint16_t)(10000 + i % 20000));
    }
}

/* ---- endpoints -------------------------------------------------------------------------------*/

static struct endpoint published(const char *const *texts)
{
    _cleanup_err_ struct err e = ERR_INIT;
    struct endpoint ep = {.address4 = ip("10.88.0.7"), .address6 = ip("fd00:1:2::7")};
    for (; *texts; texts++)
        require(port_mapping_parse(*texts, &ep.port_mappings, &e) == 0, "%s", e.text);
    return ep;
}
#define PUBLISHED(...) published((const char *const[]){__VA_ARGS__, NULL})

static int end_addresses(const struct endpoint *ep, struct err *e)
{
    _cleanup_fw_ struct fw *fw = NULL;
    const struct ip all[] = {ep->address4, ep->address6};
    int r = fw_open(INSTANCE, &fw, e);
    return r < 0 ? r : flows_end_addresses(fw, all, ep->address4.family ? 2 : 0, e);
}

static void forget_ports(struct endpoint *ep)
{
    _cleanup_err_ struct err e = ERR_INIT;
    int r = endpoints_end_stale_flows(ep, 1, &e);
    port_mappings_clear(&ep->port_mappings);
    require(r == 0, "%s", e.text);
}

/* ---- checks ----------------------------------------------------------------------------------*/

static void check_nothing(void)
{
    _cleanup_err_ struct err e = ERR_INIT;
    struct endpoint none = {0}, ep = PUBLISHED("80", "5353:53/udp");
    require(endpoints_end_stale_flows(&none, 1, &e) == 0, "%s", e.text);
    require(end_addresses(&none, &e) == 0, "%s", e.text);
    require(endpoints_end_stale_flows(&ep, 1, &e) == 0, "%s", e.text);
    require(end_addresses(&ep, &e) == 0, "%s", e.text);
    port_mappings_clear(&ep.port_mappings);
}

/* Flows to the port in every local way, and flows that only look like them. */
static void begin_flows(void)
{
    make_host();
    load_ruleset();
    udp("127.0.0.1", 5353);
    udp("127.0.1.1", 5353); /* the host's name in Debian's /etc/hosts */
    udp("192.0.2.2", 5353);
    udp("2001:db8::2", 5353);
    require(entries("dport=5353") == 4, "%zu", entries("dport=5353"));
    udp("198.51.100.9", 5353); /* another program's port */
    udp("2001:db8:9::9", 5353);
    udp("127.0.0.1", 5354); /* another port */
    udp("192.0.2.2", 53);   /* the container's port */
    tcp("127.0.0.1", 5353);
    /* A read while others, in other namespaces, change the one table may miss a line. */
    for (int i = 0; i < 100 && (entries("udp") != 8 || entries("tcp") != 1); i++)
        pause_ms(10);
    require(entries("udp") == 8 && entries("tcp") == 1, "%zu, %zu", entries("udp"), entries("tcp"));
}

static void require_only_others_left(void)
{
    require(entries("dport=5353") == 3, "%zu", entries("dport=5353"));
    require(entries("dst=198.51.100.9 ") == 1, "another host's port is forgotten");
    require(entries("2001:0db8:0009") == 1, "another host's port is forgotten");
    require(entries("dport=5354") == 1 && entries("dport=53 ") == 1, "another port is forgotten");
    require(entries("tcp") == 1, "another protocol is forgotten");
}

static void check_port(void)
{
    begin_flows();
    struct endpoint ep = PUBLISHED("5353:53/udp", "5353:53/tcp");
    forget_ports(&ep);
    require_only_others_left();
}

static void check_many_ports(void)
{
    begin_flows();
    struct endpoint ep = PUBLISHED("5353:53/udp", "20000-20500:1000-1500/udp");
    udp("192.0.2.2", 20250);
    udp("127.0.1.1", 20500);
    forget_ports(&ep);
    require_only_others_left();
    require(entries("dport=20") == 0, "a port of a range is still there");
}

/* So many entries that the table is dumped. */
static void check_large_table(void)
{
    begin_flows();
    fill(5000);
    size_t all = entries("");
    struct endpoint ep = PUBLISHED("5353:53/udp");
    forget_ports(&ep);
    require(all - entries("") == 4, "%zu of %zu left", entries(""), all);
    ep = PUBLISHED("12345:53/udp", "[2001:db8::2]:5354:80/udp");
    forget_ports(&ep);
    require(all - entries("") == 5, "%zu of %zu left", entries(""), all);
    require(entries("dport=12345") == 0, "still there");
    _cleanup_err_ struct err e = ERR_INIT;
    struct endpoint answers = {.address4 = ip("198.51.100.9"), .address6 = ip("2001:db8:9::9")};
    require(end_addresses(&answers, &e) == 0, "%s", e.text);
    require(all - entries("") == 7, "%zu of %zu left", entries(""), all);
}

static void check_host(void)
{
    make_host();
    load_ruleset();
    udp("127.0.0.1", 5353);
    udp("192.0.2.2", 5353);
    udp("2001:db8::2", 5353);
    struct endpoint ep = PUBLISHED("192.0.2.2:5353:53/udp");
    forget_ports(&ep);
    require(entries("dst=192.0.2.2 ") == 0, "still there");
    require(entries("dst=127.0.0.1 ") == 1 && entries("ipv6") == 1, "another address is forgotten");
    ep = PUBLISHED("[2001:db8::2]:5353:53/udp");
    forget_ports(&ep);
    require(entries("dst=127.0.0.1 ") == 1 && entries("ipv6") == 0, "still there");
}

/* One family of the container: flows of the other one stay with the host. */
static void check_family(void)
{
    make_host();
    load_ruleset();
    udp("192.0.2.2", 5353);
    udp("2001:db8::2", 5353);
    struct endpoint ep = PUBLISHED("5353:53/udp");
    ep.address6 = (struct ip){0};
    forget_ports(&ep);
    require(entries("ipv4") == 0 && entries("ipv6") == 1, "the other family is forgotten");
}

static void add_addresses(void)
{
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_rt_ struct rt *rt = NULL;
    struct ip a4 = ip("10.88.0.7"), a6 = ip("fd00:1:2::7");
    require(rt_open(&rt, &e) == 0, "%s", e.text);
    _cleanup_rt_batch_ struct rt_batch *b = rt_batch_new(rt);
    rt_add_address(b, 1, &a4, 32);
    rt_add_address(b, 1, &a6, 128);
    require(rt_commit(b, &e) == 0, "%s", e.text);
}

/* Flows from the container, to it, and between others; tcp as well as udp. */
static void check_addresses(void)
{
    _cleanup_err_ struct err e = ERR_INIT;
    struct endpoint ep = {.address4 = ip("10.88.0.7"), .address6 = ip("fd00:1:2::7")};
    make_host();
    load_ruleset();
    udp("10.88.0.7", 80);
    tcp("10.88.0.7", 80);
    udp("fd00:1:2::7", 80);
    udp("10.88.0.8", 80);
    udp("fd00:1:2::8", 80);
    add_addresses(); /* makes the container without one receive */
    _cleanup_close_ int from = talker("198.51.100.9", "10.88.0.7");
    say(from, "198.51.100.9", 53);
    _cleanup_close_ int from6 = talker("2001:db8:9::9", "fd00:1:2::7");
    say(from6, "2001:db8:9::9", 53);
    udp("198.51.100.9", 53);
    require(entries("") == 8, "%zu", entries(""));
    require(end_addresses(&ep, &e) == 0, "%s", e.text);
    require(entries("10.88.0.7") == 0, "still there");
    require(entries("0000:0007") == 0, "still there");
    require(entries("") == 3, "others are forgotten: %zu left", entries(""));
}

static void check_other_namespace(void)
{
    make_host();
    load_ruleset();
    udp("192.0.2.2", 5353);
    pid_t pid = fork();
    if (pid == 0) {
        require(unshare(CLONE_NEWNET) == 0, "%s", strerror(errno));
        make_host();
        load_ruleset();
        udp("192.0.2.2", 5353);
        struct endpoint ep = PUBLISHED("5353:53/udp");
        forget_ports(&ep);
        require(entries("dport=5353") == 0, "still there");
        exit(0);
    }
    int status;
    require(waitpid(pid, &status, 0) == pid && status == 0, "the other namespace");
    require(entries("dport=5353") == 1, "another host's flow is forgotten");
}

/* Other zones are separate, with the same addresses. */
static void check_zone(void)
{
    make_host();
    load_ruleset();
    if (system("nft 'table ip zones { chain c { type filter hook output priority raw; "
               "ip daddr 127.0.0.9 ct zone set 7; }; }'") != 0)
        exit(SKIPPED);
    udp("127.0.0.1", 5353);
    udp("127.0.0.9", 5353);
    struct endpoint ep = PUBLISHED("5353:53/udp");
    forget_ports(&ep);
    require(entries("zone=7") == 1 && entries("dport=5353") == 1, "another zone is forgotten");
    fill(5000);
    ep = PUBLISHED("5353:53/udp");
    forget_ports(&ep);
    require(entries("zone=7") == 1, "another zone is forgotten");
}

/* ---- the promise -----------------------------------------------------------------------------*/

/* Publishes port @host_port to the other end of wire0. */
static void publish_wire(uint8_t protocol, uint16_t host_port)
{
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_fw_ struct fw *fw = NULL;
    require(fw_open(INSTANCE, &fw, &e) == 0, "%s", e.text);
    _cleanup_fw_batch_ struct fw_batch *b = fw_batch_new(fw);
    struct fw_publish p = {.family = AF_INET,
                           .protocol = protocol,
                           .any_address = true,
                           .host_port = host_port,
                           .to4 = ip("192.0.2.1").v4,
                           .to_port = 53};
    fw_add_publish(b, &p);
    require(fw_commit(b, &e) == 0, "%s", e.text);
}

static struct endpoint at_wire(const char *publish)
{
    struct endpoint ep = PUBLISHED(publish);
    ep.address4 = ip("192.0.2.1");
    return ep;
}
#define REACHES_WIRE "src=192.0.2.1 dst=192.0.2.2 sport=53"

/* A client sends to a port before and after it is published, without pause, always from the same port. If the
 * entry is not deleted, its flow stays as it was at the start. */
static void talk(void)
{
    _cleanup_close_ int fd = talker("192.0.2.2", "192.0.2.2");
    for (int i = 0; i < 5; i++)
        say(fd, "192.0.2.2", 5353);
    publish_wire(IPPROTO_UDP, 5353);
    say(fd, "192.0.2.2", 5353);
    require(entries("dst=192.0.2.2 sport") == 1 && entries("src=192.0.2.1 ") == 0,
            "the flow was not stale to begin with");
    struct endpoint ep = at_wire("5353:53/udp");
    forget_ports(&ep);
    require(entries("dport=5353") == 0, "still there");
    say(fd, "192.0.2.2", 5353);
    require(entries(REACHES_WIRE) == 1, "it does not reach the container");
    ep = at_wire("5353:53/udp");
    forget_ports(&ep);
    require(entries(REACHES_WIRE) == 1, "a flow that leads to the container is forgotten");
    ep = at_wire("5353:54/udp");
    forget_ports(&ep);
    require(entries("dport=5353") == 0, "one that leads to another port of its is not");
}

static void check_talker(void)
{
    make_host();
    load_ruleset();
    talk();
}

static void check_talker_in_a_crowd(void)
{
    make_host();
    load_ruleset();
    fill(5000);
    talk();
}

static void connect_from(uint16_t port)
{
    struct sockaddr_storage a;
    struct linger at_once = {1, 0};
    int one = 1;
    _cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    socklen_t size = address("192.0.2.2", port, &a);
    require(bind(fd, (struct sockaddr *)&a, size) == 0, "%s", strerror(errno));
    size = address("192.0.2.2", 5353, &a);
    (void)connect(fd, (struct sockaddr *)&a, size);
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

/* TCP needs none of this: a SYN from the port of an earlier connection starts a new flow. */
static void check_tcp(void)
{
    struct sockaddr_storage a;
    make_host();
    load_ruleset();
    int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    socklen_t size = address("192.0.2.2", 5353, &a);
    require(bind(listening, (struct sockaddr *)&a, size) == 0 && listen(listening, 8) == 0, "%s",
            strerror(errno));
    connect_from(4711);
    require(entries("sport=4711 dport=5353") == 1, "there is no earlier flow");
    close(listening);
    publish_wire(IPPROTO_TCP, 5353);
    connect_from(4711);
    require(entries("src=192.0.2.1 dst=192.0.2.2 sport=53 dport=4711") == 1,
            "the SYN goes the old way");
}

/* ---- bench -----------------------------------------------------------------------------------*/

static int end_stale(const struct endpoint *ep, struct err *e)
{
    return endpoints_end_stale_flows(ep, 1, e);
}

static void bench_one(const char *what, int (*forget)(const struct endpoint *ep, struct err *e),
                      const char *publish)
{
    _cleanup_err_ struct err e = ERR_INIT;
    struct endpoint ep = PUBLISHED(publish);
    double best = 1e9;
    for (int i = 0; i < 20; i++) {
        double begin = now_us();
        require(forget(&ep, &e) == 0, "%s", e.text);
        double took = now_us() - begin;
        best = took < best ? took : best;
    }
    port_mappings_clear(&ep.port_mappings);
    printf("  %-28s %8.0f us\n", what, best);
}

static void bench(void)
{
    static const size_t counts[] = {0, 1, 100, 1000, 4000, 20000};
    make_host();
    load_ruleset();
    for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
        fill(counts[i] - entries(""));
        printf("%zu entries\n", entries(""));
        bench_one("tcp port", end_stale, "80:80");
        bench_one("udp port", end_stale, "5353:53/udp");
        bench_one("udp port of one address", end_stale, "192.0.2.2:5353:53/udp");
        bench_one("4096 udp ports", end_stale, "40000-44095:40000-44095/udp");
        bench_one("addresses", end_addresses, "80:80");
    }
}

/* ---- all -------------------------------------------------------------------------------------*/

static const struct apart checks[] = {
    {"nothing to forget", check_nothing},
    {"a published port is forgotten, and no other", check_port},
    {"hundreds of ports are forgotten at once", check_many_ports},
    {"the same in a large table", check_large_table},
    {"a port of one host address", check_host},
    {"a container with one family", check_family},
    {"what a container was an end of", check_addresses},
    {"other network namespaces are left alone", check_other_namespace},
    {"other zones are left alone", check_zone},
    {"a client that never pauses reaches the container", check_talker},
    {"the same in a large table", check_talker_in_a_crowd},
    {"a new connection from an old port reaches the container", check_tcp},
};

int main(int argc, char **argv)
{
    show_more = show_entries;
    if (argc > 1)
        return run_apart(NULL, streq(argv[1], "--bench") ? bench : check_nothing);
    return run_all_apart(NULL, checks, ARRAY_LEN(checks));
}
