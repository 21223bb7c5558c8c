/* The firewall on the kernel: what is loaded, how nft prints it, and what is refused.
 *
 * Each check runs in a process and a network namespace of its own. Needs root and nft.
 *
 *     test_firewall            all checks
 *     test_firewall --golden   prints the ruleset of the golden test, to be reviewed and checked in
 *     test_firewall --bench    prints what a commit costs
 */
#include "bridge/firewall/expiry.h"
#include "bridge/firewall/schema.h"

#include "apart.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libnftnl/table.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netlink.h>

#define OTHER "fedcba9876543210"

/* ---- nft as a witness ---------------------------------------------------------------------*/

/* Runs nft with @input on its stdin (or none) and returns what it prints. */
static char *nft(int *status, const char *input, const char *const *arguments)
{
    int out[2];
    FILE *in = tmpfile();
    require(in && pipe(out) == 0, "%s", strerror(errno));
    if (input)
        fputs(input, in);
    rewind(in);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(fileno(in), STDIN_FILENO);
        dup2(out[1], STDOUT_FILENO);
        execvp("nft", (char *const *)(uintptr_t)arguments);
        _exit(127);
    }
    close(out[1]);
    fclose(in);
    FILE *stream = fdopen(out[0], "r");
    char *text = NULL;
    size_t room = 0;
    if (getdelim(&text, &room, '\0', stream) < 0) {
        free(text);
        text = xstrdup("");
    }
    fclose(stream);
    require(waitpid(pid, status, 0) == pid, "%s", strerror(errno));
    return text;
}

static char *nft_ok(const char *input, const char *const *arguments)
{
    int status = 0;
    char *text = nft(&status, input, arguments);
    require(status == 0, "nft %s failed", arguments[1]);
    return text;
}

#define NFT(...) nft_ok(NULL, (const char *const[]){"nft", __VA_ARGS__, NULL})

static void nft_load(const char *text)
{
    free(nft_ok(text, (const char *const[]){"nft", "-f", "-", NULL}));
}

/* A stream that writes to memory; @text is complete when it is closed. */
static FILE *to_memory(char **text, size_t *size)
{
    FILE *stream = open_memstream(text, size);
    if (!stream)
        abort();
    return stream;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Prints the items between two braces in alphabetical order, because the kernel's order (by hash) differs
 * each time. @p is after the opening brace; returns what follows the closing one. */
static const char *sort_items(FILE *out, const char *p, const char *separator)
{
    _cleanup_strv_ strv items = NULL;
    char *item = NULL;
    size_t size = 0;
    FILE *stream = to_memory(&item, &size);
    bool quoted = false, gap = false, any = false;
    for (;; p++) {
        if (*p == '"')
            quoted = !quoted;
        if (!quoted && (*p == ',' || *p == '}' || *p == '\0')) {
            fclose(stream);
            strv_add_take(&items, item);
            if (*p != ',')
                break;
            stream = to_memory(&item, &size);
            gap = any = false;
        } else if (!quoted && (*p == ' ' || *p == '\t' || *p == '\n')) {
            gap = any;
        } else {
            fprintf(stream, gap ? " %c" : "%c", *p);
            gap = false;
            any = true;
        }
    }
    size_t count = strv_len(items);
    qsort(items, count, sizeof(*items), by_text);
    fprintf(out, " ");
    for (size_t i = 0; i < count; i++)
        fprintf(out, "%s%s", i ? separator : "", items[i]);
    fprintf(out, " }");
    return *p ? p + 1 : p;
}

static char *sorted(const char *listing)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = to_memory(&text, &size);
    for (const char *p = listing; *p;) {
        bool items = p[0] == '{' && p[1] == ' ';
        bool of_set = items && p - listing > 11 && strncmp(p - 11, "elements = ", 11) == 0;
        fputc(*p++, out);
        if (items)
            p = sort_items(out, p, of_set ? ",\n\t\t\t     " : ", ");
    }
    fclose(out);
    return text;
}

static char *listing(void)
{
    _cleanup_free_ char *raw = NFT("list", "ruleset");
    return sorted(raw);
}

/* Reports the first line in which two texts differ. */
static void require_same(const char *got, const char *want, const char *what)
{
    size_t line = 1, start = 0;
    for (size_t i = 0; got[i] && got[i] == want[i]; i++)
        if (got[i] == '\n') {
            line++;
            start = i + 1;
        }
    require(streq(got, want), "%s differs in line %zu:\n#   got  %.*s\n#   want %.*s", what, line,
            (int)strcspn(got + start, "\n"), got + start, (int)strcspn(want + start, "\n"),
            want + start);
}

static char *golden(const char *name)
{
    const char *source = getenv("SRCDIR");
    _cleanup_free_ char *path = xasprintf("%s/tests/golden/%s", source ? source : ".", name);
    char *text = NULL;
    int r = read_file_at(AT_FDCWD, path, 1 << 20, &text, NULL);
    require(r == 0, "read %s: %s", path, strerror(-r));
    return text;
}

/* ---- the example: three networks, four containers, four published ports --------------------*/

static struct in_addr ip4(const char *s)
{
    struct in_addr a;
    require(inet_pton(AF_INET, s, &a) == 1, "%s", s);
    return a;
}

static struct in6_addr ip6(const char *s)
{
    struct in6_addr a;
    require(inet_pton(AF_INET6, s, &a) == 1, "%s", s);
    return a;
}

static struct fw_network network(const char *bridge, const char *subnet4, const char *subnet6)
{
    return (struct fw_network){
        .bridge = bridge,
        .subnet4 = ip4(subnet4),
        .prefix4 = 24,
        .subnet6 = subnet6 ? ip6(subnet6) : in6addr_any,
        .prefix6 = subnet6 ? 64 : 0,
        .masquerade = true,
        .icc = true,
    };
}

static struct fw_guard guard(const char *port, const char *v4, const char *v6, const char *local)
{
    struct fw_guard g = {
        .host_veth = port,
        .mac = {2, 0x42},
        .ip4 = ip4(v4),
        .ip6 = v6 ? ip6(v6) : in6addr_any,
        .link_local = local ? ip6(local) : in6addr_any,
    };
    memcpy(g.mac + 2, &g.ip4, 4);
    return g;
}

static struct fw_publish publish(uint8_t protocol, uint16_t host_port, uint16_t to_port)
{
    return (struct fw_publish){
        .family = AF_INET,
        .protocol = protocol,
        .any_address = true,
        .host_port = host_port,
        .to4 = ip4("10.88.1.2"),
        .to_port = to_port,
        .comment = "web",
    };
}

static void add_example(struct fw_batch *b)
{
    struct fw_network blue = network("nc-blue", "10.88.1.0", "fd88:1::");
    struct fw_network red = network("nc-red", "10.88.2.0", "fd88:2::");
    struct fw_network vault = network("nc-vault", "10.88.3.0", NULL);
    vault.internal = vault.isolated = true;
    vault.masquerade = false;
    static char *to_red[] = {"nc-red", NULL};
    blue.links = to_red;
    blue.unisolated = red.unisolated = true;
    fw_add_network(b, &blue);
    fw_add_network(b, &red);
    fw_add_network(b, &vault);
    struct fw_network lab = network("nc-lab", "10.88.4.0", "fd88:4::");
    lab.masquerade = false;
    lab.routed = true;
    fw_add_network(b, &lab);
    const struct fw_guard guards[] = {
        guard("vc-web", "10.88.1.2", "fd88:1::2", "fe80::42:aff:fe58:102"),
        guard("vc-peer", "10.88.1.3", "fd88:1::3", "fe80::42:aff:fe58:103"),
        guard("vc-red", "10.88.2.2", "fd88:2::2", "fe80::42:aff:fe58:202"),
        guard("vc-vault", "10.88.3.2", NULL, NULL),
        {.host_veth = "vc-free", .unguarded = true},
    };
    for (size_t i = 0; i < ARRAY_LEN(guards); i++)
        fw_add_guard(b, &guards[i]);
    struct fw_publish web = publish(IPPROTO_TCP, 8080, 80), dns = publish(IPPROTO_UDP, 5353, 53);
    struct fw_publish local = publish(IPPROTO_TCP, 9090, 80), web6 = web;
    local.any_address = false;
    local.host4 = ip4("127.0.0.1");
    web6.family = AF_INET6;
    web6.to6 = ip6("fd88:1::2");
    fw_add_publish(b, &web);
    fw_add_publish(b, &dns);
    fw_add_publish(b, &local);
    fw_add_publish(b, &web6);
    struct fw_dns_redirect names = {.bridge = "nc-blue",
                                    .family = AF_INET,
                                    .gateway4 = ip4("10.88.1.1"),
                                    .protocol = IPPROTO_UDP,
                                    .to_port = 1023};
    struct fw_dns_redirect names6 = names, tcp = names;
    names6.family = AF_INET6;
    names6.gateway6 = ip6("fd88:1::1");
    tcp.protocol = IPPROTO_TCP;
    static char *from[] = {"eth1", "eth2", NULL}, *to[] = {"eth0", "eth1", "eth2", NULL},
                *bridges[] = {"eth2", NULL};
    fw_add_closed(b, &(struct fw_closed){AF_INET, from, to, bridges});
    fw_add_closed(b, &(struct fw_closed){AF_INET6, to, to, bridges});
    fw_add_dns_redirect(b, &names);
    fw_add_dns_listen(b, 1023);
    fw_add_dns_redirect(b, &names6);
    fw_add_dns_redirect(b, &tcp);
}

static struct fw *open_fw(void)
{
    struct fw *fw = NULL;
    struct err e = ERR_INIT;
    require(fw_open(INSTANCE, &fw, &e) == 0, "%s", e.text);
    return fw;
}

static void commit(struct fw_batch *b)
{
    _cleanup_err_ struct err e = ERR_INIT;
    int r = fw_commit(b, &e);
    require(r == 0, "%s", e.text);
}

/* A firewall with empty tables. */
static struct fw *with_tables(void)
{
    struct fw *fw = open_fw();
    _cleanup_fw_batch_ struct fw_batch *b = fw_batch_new(fw);
    fw_add_tables(b);
    commit(b);
    return fw;
}

static struct fw *with_example(void)
{
    struct fw *fw = with_tables();
    _cleanup_fw_batch_ struct fw_batch *b = fw_batch_new(fw);
    add_example(b);
    commit(b);
    return fw;
}

/* ---- what is loaded -----------------------------------------------------------------------*/

static void check_golden(void)
{
    fw_close(with_example());
    _cleanup_free_ char *got = listing(), *want = golden("firewall.nft");
    require_same(got, want, "the ruleset");
}

static void check_golden_empty(void)
{
    fw_close(with_tables());
    _cleanup_free_ char *got = listing(), *want = golden("firewall.empty.nft");
    require_same(got, want, "the empty ruleset");
}

/* Only the lines of expressions: object handles depend on the order of creation. */
static char *expressions(void)
{
    _cleanup_free_ char *all = NFT("--debug=netlink", "list", "ruleset");
    _cleanup_strv_ strv lines = strv_split(all, '\n');
    char *text = NULL;
    size_t size = 0;
    FILE *out = to_memory(&text, &size);
    strv_each (line, lines) {
        if (skip_prefix(line, "  ["))
            fprintf(out, "%s\n", line);
    }
    fclose(out);
    return text;
}

static void check_texts_are_the_rules(void)
{
    fw_close(with_tables());
    _cleanup_free_ char *ours = listing(), *our_steps = expressions(), *text = ruleset_text();
    free(NFT("flush", "ruleset"));
    nft_load(text);
    _cleanup_free_ char *theirs = listing(), *their_steps = expressions();
    require_same(ours, theirs, "what the steps make, against the texts,");
    require(strlen(our_steps) > 4000, "%zu", strlen(our_steps));
    require_same(our_steps, their_steps, "the expressions");
}

static void check_listing_reloads(void)
{
    fw_close(with_example());
    _cleanup_free_ char *before = listing(), *raw = NFT("list", "ruleset");
    free(NFT("flush", "ruleset"));
    nft_load(raw);
    _cleanup_free_ char *after = listing();
    require_same(after, before, "the reloaded ruleset");
}

static void check_tables_replace(void)
{
    _cleanup_fw_ struct fw *fw = with_example();
    _cleanup_fw_batch_ struct fw_batch *b = fw_batch_new(fw);
    fw_add_tables(b);
    add_example(b);
    commit(b);
    _cleanup_free_ char *got = listing(), *want = golden("firewall.nft");
    require_same(got, want, "the replaced ruleset");
}

/* ---- networks -----------------------------------------------------------------------------*/

static void check_network_again(void)
{
    _cleanup_fw_ struct fw *fw = with_example();
    _cleanup_free_ char *before = listing();
    _cleanup_fw_batch_ struct fw_batch *b = fw_batch_new(fw);
    struct fw_network blue = network("nc-blue", "10.88.1.77", "fd88:1::77");
    fw_add_network(b, &blue); /* host bits do not belong to a subnet */
    commit(b);
    _cleanup_free_ char *after = listing();
    require_same(after, before, "the ruleset");
}

/* Deletes all of these in one batch. */
static int end(struct fw *fw, enum fw_expiry expiry, const struct fw_network *n,
               const struct fw_guard *g, const struct fw_publish *p, size_t count, struct err *e)
{
    _cleanup_fw_batch_ struct fw_batch *b = fw_batch_new(fw);
    fw->expiry = expiry;
    for (size_t i = 0; i < count; i++)
        fw_del_publish(b, &p[i]);
    if (g)
        fw_del_guard(b, g);
    if (n)
        fw_del_network(b, n);
    return fw_commit(b, e);
}

static void check_network_between_others(void)
{
    _cleanup_fw_ struct fw *fw = with_example();
    _cleanup_free_ char *before = listing();
    _cleanup_fw_batch_ struct fw_batch *b = fw_batch_new(fw);
    struct fw_network red = network("nc-red", "10.88.2.0", "fd88:2::");
    _cleanup_err_ struct err e = ERR_INIT;
    require(end(fw, FW_EXPIRY_NO, &red, NULL, NULL, 0, &e) == 0, "%s", e.text);
    _cleanup_free_ char *subnets = NFT("list", "set", "inet", "netctr", "subnets4");
    require(!strstr(subnets, "10.88.2.0/24") && strstr(subnets, "10.88.1.0/24") &&
                strstr(subnets, "10.88.3.0/24"),
            "%s", subnets);
    fw_add_network(b, &red);
    commit(b);
    _cleanup_free_ char *after = listing();
    require_same(after, before, "the ruleset");
}

static void check_many_networks(void)
{
    _cleanup_fw_ struct fw *fw = with_tables();
    _cleanup_fw_batch_ struct fw_batch *b = fw_batch_new(fw);
    for (int i = 0; i < 200; i++) {
        _cleanup_free_ char *bridge = xasprintf("nc-%d", i);
        _cleanup_free_ char *subnet4 = xasprintf("10.90.%d.0", (i * 77) % 256);
        _cleanup_free_ char *subnet6 = xasprintf("fd88:%x::", (i * 77) % 256);
        struct fw_network n = network(bridge, subnet4, subnet6);
        fw_add_network(b, &n);
        commit(b); /* each in its own transaction, in no order */
    }
    _cleanup_free_ char *subnets = NFT("list", "set", "inet", "netctr", "subnets4");
    size_t count = 0;
    for (const char *p = subnets; (p = strstr(p, ".0/24")); p++)
        count++;
    require(count == 200, "%zu of 200:\n%s", count, subnets);
}

static void check_network_overlap(void)
{
    static const char *const overlapping[] = {"10.88.0.0", "10.88.1.0"};
    _cleanup_fw_ struct fw *fw = with_example();
    _cleanup_free_ char *before = listing();
    _cleanup_fw_batch_ struct fw_batch *b = fw_batch_new(fw);
    for (size_t i = 0; i < ARRAY_LEN(overlapping); i++) {
        _cleanup_err_ struct err e = ERR_INIT;
        struct fw_network wide = network("nc-wide", overlapping[i], NULL);
        wide.prefix4 = i == 0 ? 16 : 25;
        fw_add_network(b, &wide);
        int r = fw_commit(b, &e);
        require(r == -EEXIST || r == -ENOTEMPTY, "%s/%u: %d %s", overlapping[i], wide.prefix4, r,
                e.text ? e.text : "");
        require(strstr(e.text, "nc-wide"), "%s", e.text);
    }
    _cleanup_free_ char *after = listing();
    require_same(after, before, "the ruleset");
}

/* ---- published ports ----------------------------------------------------------------------*/

static void check_double_publish(void)
{
    _cleanup_fw_ struct fw *fw = with_example();
    _cleanup_free_ char *before = listing();
    _cleanup_fw_batch_ struct fw_batch *b = fw_batch_new(fw);
    _cleanup_err_ struct err e = ERR_INIT;
    struct fw_publish fresh = publish(IPPROTO_TCP, 81, 80), twice = publish(IPPROTO_TCP, 8080, 80);
    fw_add_publish(b, &fresh);
    fw_add_publish(b, &twice);
    int r = fw_commit(b, &e);
    require(r == -EEXIST, "%d", r);
    require(streq(e.text, "add published port tcp 8080: File exists"), "%s", e.text);
    _cleanup_free_ char *after = listing();
    require_same(after, before, "the ruleset");
    commit(b); /* a failed batch is empty, too */
}

static void check_comments(void)
{
    _cleanup_fw_ struct fw *fw = with_tables();
    _cleanup_fw_batch_ struct fw_batch *b = fw_batch_new(fw);
    char hostile[301];
    memset(hostile, 'x', sizeof(hostile));
    memcpy(hostile, "a\" : 6.6.6.6 . 66\n\\}; flush ruleset\x7f\x1b\xc3\xa4#$", 42);
    hostile[300] = '\0';
    const char *const comments[] = {hostile, "", NULL, "\"", "plain"};
    for (uint16_t i = 0; i < ARRAY_LEN(comments); i++) {
        struct fw_publish p = publish(IPPROTO_SCTP, (uint16_t)(100 + i), 80);
        p.comment = comments[i];
        fw_add_publish(b, &p);
    }
    commit(b);
    _cleanup_free_ char *before = listing(), *raw = NFT("list", "ruleset");
    require(strstr(before, "comment \"a_ : 6.6.6.6 . 66__}; flush ruleset"), "%s", before);
    require(strstr(before, "comment \"plain\"") && strstr(before, "comment \"_\""), "%s", before);
    free(NFT("flush", "ruleset"));
    nft_load(raw);
    _cleanup_free_ char *after = listing();
    require_same(after, before, "the reloaded ruleset");
}

static void check_large_batch(void)
{
    enum { PORT_COUNT = 20000 };
    _cleanup_fw_ struct fw *fw = with_tables();
    _cleanup_fw_batch_ struct fw_batch *b = fw_batch_new(fw);
    struct fw_publish *ports = xcalloc(PORT_COUNT, sizeof(*ports));
    for (int i = 0; i < PORT_COUNT; i++) {
        ports[i] = publish(IPPROTO_TCP, (uint16_t)(10000 + i), 80);
        fw_add_publish(b, &ports[i]);
    }
    commit(b);
    _cleanup_free_ char *map = NFT("list", "map", "inet", "netctr", "publish4");
    size_t count = 0;
    for (const char *p = map; (p = strstr(p, "tcp . ")); p++)
        count++;
    require(count == PORT_COUNT, "%zu", count);
    /* All of it again: every message is refused, and the first one is named. */
    _cleanup_err_ struct err e = ERR_INIT;
    for (int i = 0; i < PORT_COUNT; i++)
        fw_add_publish(b, &ports[i]);
    int r = fw_commit(b, &e);
    require(r == -EEXIST && strstr(e.text, "tcp 10000:"), "%d %s", r, e.text);
    /* Half of it, then all of it, then nothing. */
    require(end(fw, FW_EXPIRY_NO, NULL, NULL, ports, PORT_COUNT / 2, &e) == 0, "%s", e.text);
    require(end(fw, FW_EXPIRY_NO, NULL, NULL, ports, PORT_COUNT, &e) == 0, "%s", e.text);
    require(end(fw, FW_EXPIRY_NO, NULL, NULL, ports, PORT_COUNT, &e) == 0, "%s", e.text);
    free(map);
    map = NFT("list", "map", "inet", "netctr", "publish4");
    require(!strstr(map, "tcp"), "elements are left");
    free(ports);
}

/* ---- endings ------------------------------------------------------------------------------*/

static void check_undo(void)
{
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_fw_ struct fw *fw = with_tables();
    _cleanup_free_ char *empty = listing();
    struct fw_network n = network("nc-blue", "10.88.1.0", "fd88:1::");
    struct fw_guard g = guard("vc-web", "10.88.1.2", "fd88:1::2", "fe80::42:aff:fe58:102");
    struct fw_publish p[] = {publish(IPPROTO_TCP, 80, 80), publish(IPPROTO_UDP, 80, 80)};
    require(end(fw, FW_EXPIRY_NO, NULL, NULL, NULL, 0, &e) == 0, "nothing: %s", e.text);
    require(end(fw, FW_EXPIRY_NO, &n, &g, p, 2, &e) == 0, "absent: %s", e.text);
    _cleanup_fw_batch_ struct fw_batch *b = fw_batch_new(fw);
    fw_add_network(b, &n);
    fw_add_guard(b, &g);
    fw_add_publish(b, &p[1]);
    commit(b);
    require(end(fw, FW_EXPIRY_NO, &n, &g, p, 2, &e) == 0, "partly there: %s", e.text);
    _cleanup_free_ char *after = listing();
    require_same(after, empty, "the ruleset");
    free(NFT("flush", "ruleset"));
    require(end(fw, FW_EXPIRY_NO, &n, &g, p, 2, &e) == 0, "no tables: %s", e.text);
    require(end(fw, FW_EXPIRY_YES, NULL, &g, p, 2, &e) == 0, "no tables: %s", e.text);
}

static void check_expire(bool works)
{
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_fw_ struct fw *fw = with_tables();
    _cleanup_free_ char *empty = listing();
    _cleanup_fw_batch_ struct fw_batch *b = fw_batch_new(fw);
    struct fw_guard g = guard("vc-web", "10.88.1.2", "fd88:1::2", "fe80::42:aff:fe58:102");
    struct fw_publish p[] = {publish(IPPROTO_TCP, 80, 80), publish(IPPROTO_TCP, 81, 80),
                             publish(IPPROTO_TCP, 82, 80)};
    struct fw_publish others = p[1];
    others.to4 = ip4("10.88.1.3");
    fw_add_guard(b, &g);
    fw_add_publish(b, &p[0]); /* [1] is published to another container, [2] is gone already */
    if (works)
        fw_add_publish(b, &others);
    commit(b);
    enum fw_expiry expiry = works ? FW_EXPIRY_YES : FW_EXPIRY_NO;
    require(end(fw, expiry, NULL, &g, p, 3, &e) == 0, "%s", e.text);
    pause_ms(100);
    if (works) {
        _cleanup_free_ char *map = NFT("list", "map", "inet", "netctr", "publish4");
        require(strstr(map, "10.88.1.3") && !strstr(map, "10.88.1.2"), "%s", map);
        require(end(fw, FW_EXPIRY_NO, NULL, NULL, &others, 1, &e) == 0, "%s", e.text);
    }
    _cleanup_free_ char *after = listing();
    require_same(after, empty, "the ruleset");
    fw_add_guard(b, &g);
    fw_add_publish(b, &p[0]);
    commit(b); /* the keys are free again */
}

static void check_expire_ignored(void)
{
    check_expire(false);
}

static bool can_expire(struct fw *fw)
{
    _cleanup_err_ struct err e = ERR_INIT;
    bool works = false;
    require(expiry_probe(fw, &works, &e) == 0, "%s", e.text);
    return works;
}

static void check_expire_works(void)
{
    _cleanup_fw_ struct fw *fw = with_tables();
    if (can_expire(fw))
        check_expire(true);
    else
        printf("# this kernel gives no lifetime to elements that are there\n");
}

static void check_expiry_probe(void)
{
    _cleanup_fw_ struct fw *fw = with_tables();
    _cleanup_free_ char *before = listing();
    printf("# elements can be given a lifetime: %s\n", can_expire(fw) ? "yes" : "no");
    pause_ms(600);
    _cleanup_free_ char *after = listing();
    require_same(after, before, "the ruleset after the probe");
}

/* A container that is started again at once: its guard must not be removed with the old one's. */
static void check_revive_expiring(void)
{
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_fw_ struct fw *fw = with_tables();
    _cleanup_fw_batch_ struct fw_batch *b = fw_batch_new(fw);
    struct fw_guard g = guard("vc-web", "10.88.1.2", "fd88:1::2", "fe80::42:aff:fe58:102");
    fw_add_guard(b, &g);
    commit(b);
    _cleanup_free_ char *before = listing();
    require(end(fw, FW_EXPIRY_YES, NULL, &g, NULL, 0, &e) == 0, "%s", e.text);
    fw_add_guard(b, &g);
    commit(b);
    pause_ms(600); /* the element of the probe must be gone, too */
    _cleanup_free_ char *after = listing();
    require_same(after, before, "the revived guard");
}

/* ---- both ways ----------------------------------------------------------------------------*/

/* Each kind once: @add or delete, in one batch. */
static void change_all(struct fw_batch *b, bool add)
{
    struct fw_network n = network("nc-sym", "10.99.1.0", "fd99:1::");
    struct fw_guard g = guard("vc-sym", "10.99.1.2", "fd99:1::2", "fe80::42:aff:fe63:102");
    struct fw_publish p = publish(IPPROTO_SCTP, 9999, 80);
    struct fw_dns_redirect r = {.bridge = "nc-sym",
                                .family = AF_INET,
                                .gateway4 = ip4("10.99.1.1"),
                                .protocol = IPPROTO_UDP,
                                .to_port = 1053};
    char *links[] = {"sym0", "sym1", NULL}, *bridges[] = {"sym0", NULL};
    struct fw_closed c = {.family = AF_INET6, .from = links, .to = links, .bridges = bridges};
    n.links = (char *[]){"nc-else", NULL};
    n.routed = n.masquerade = n.unisolated = n.isolated = true;
    (add ? fw_add_network : fw_del_network)(b, &n);
    (add ? fw_add_link : fw_del_link)(b, "nc-sym", "nc-other");
    (add ? fw_add_guard : fw_del_guard)(b, &g);
    (add ? fw_add_publish : fw_del_publish)(b, &p);
    (add ? fw_add_dns_redirect : fw_del_dns_redirect)(b, &r);
    (add ? fw_add_dns_listen : fw_del_dns_listen)(b, 1053);
    (add ? fw_add_closed : fw_del_closed)(b, &c);
}

static void check_symmetric(void)
{
    _cleanup_fw_ struct fw *fw = with_example();
    _cleanup_free_ char *before = listing();
    _cleanup_fw_batch_ struct fw_batch *b = fw_batch_new(fw);
    for (int times = 0; times < 2; times++) {
        change_all(b, true);
        commit(b);
        _cleanup_free_ char *between = listing();
        require(strstr(between, "nc-sym") && strstr(between, "vc-sym") && strstr(between, "sym0"),
                "%s", between);
        change_all(b, false);
        commit(b);
        _cleanup_free_ char *after = listing();
        require_same(after, before, "the ruleset");
        change_all(b, false);
        commit(b); /* what is already gone */
    }
    free(NFT("flush", "ruleset"));
    change_all(b, false);
    commit(b);
}

/* What is added needs the tables, also where deletions are left out that do not. */
static void check_mixed(void)
{
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_fw_ struct fw *fw = with_tables();
    _cleanup_fw_batch_ struct fw_batch *b = fw_batch_new(fw);
    struct fw_publish old = publish(IPPROTO_UDP, 80, 80), now = old,
                      absent = publish(IPPROTO_TCP, 81, 80);
    now.to4 = ip4("10.88.1.3");
    fw_add_publish(b, &old);
    commit(b);
    fw_del_publish(b, &absent);
    fw_del_publish(b, &old);
    fw_add_publish(b, &now);
    commit(b);
    _cleanup_free_ char *map = NFT("list", "map", "inet", "netctr", "publish4");
    require(strstr(map, "10.88.1.3") && !strstr(map, "10.88.1.2"), "%s", map);
    free(NFT("flush", "ruleset"));
    fw_del_publish(b, &absent);
    fw_add_publish(b, &old);
    int r = fw_commit(b, &e);
    require(r == -ENOENT && strstr(e.text, "add published port udp 80"), "%d %s", r, e.text);
}

/* With its socket held, a port is the caller's, whatever element is in the way. */
static void check_held(void)
{
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_fw_ struct fw *fw = with_tables();
    _cleanup_fw_batch_ struct fw_batch *b = fw_batch_new(fw);
    struct fw_publish p[2] = {publish(IPPROTO_TCP, 80, 80), publish(IPPROTO_TCP, 81, 80)};
    struct fw_publish mine[2] = {p[0], p[1]};
    mine[0].to4 = mine[1].to4 = ip4("10.88.1.9");
    fw_add_publish(b, &p[0]);
    commit(b);
    for (int i = 0; i < 2; i++)
        fw_add_publish(b, &mine[i]);
    require(fw_commit(b, &e) == -EEXIST, "%s", e.text);
    err_clear(&e);
    for (int i = 0; i < 2; i++) {
        mine[i].held = true;
        fw_add_publish(b, &mine[i]);
    }
    commit(b);
    _cleanup_free_ char *map = NFT("list", "map", "inet", "netctr", "publish4");
    require(strstr(map, "tcp . 80 comment \"web\" : 10.88.1.9") &&
                strstr(map, "tcp . 81 comment \"web\" : 10.88.1.9") && !strstr(map, "10.88.1.2"),
            "%s", map);
    /* And at once after its own end. */
    require(end(fw, FW_EXPIRY_NOT_ASKED, NULL, NULL, mine, 2, &e) == 0, "%s", e.text);
    for (int i = 0; i < 2; i++)
        fw_add_publish(b, &mine[i]);
    commit(b);
    pause_ms(100);
    free(map);
    map = NFT("list", "map", "inet", "netctr", "publish4");
    require(strstr(map, "10.88.1.9"), "%s", map);
}

/* A port without a socket is taken by its element alone: for the next of its kind, and for one that holds the socket. */
static void check_unheld(void)
{
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_fw_ struct fw *fw = with_tables();
    _cleanup_fw_batch_ struct fw_batch *b = fw_batch_new(fw);
    struct fw_publish lab = publish(IPPROTO_TCP, 80, 80), other = lab, at = lab;
    lab.unheld = true;
    lab.comment = "lab";
    other.to4 = ip4("10.88.1.9");
    at.any_address = false;
    at.host4 = ip4("192.0.2.2");
    fw_add_publish(b, &lab);
    commit(b);
    for (int i = 0; i < 3; i++) { /* its own kind, one with a socket, itself */
        struct fw_publish next = i == 2 ? lab : other;
        next.unheld = i != 1;
        next.held = i == 1;
        fw_add_publish(b, &next);
        int r = fw_commit(b, &e);
        require(r == -EADDRINUSE && strstr(e.text, "port 80/tcp is in use on this host") &&
                    strstr(e.hint, "container `lab` publishes it"),
                "%d: %d %s", i, r, e.text);
        err_clear(&e);
    }
    /* Another address of the host is another key, and a leftover of one with a socket is none of this kind. */
    at.held = true;
    fw_add_publish(b, &at);
    commit(b);
    at.unheld = true;
    at.to4 = ip4("10.88.1.9");
    fw_add_publish(b, &at);
    int r = fw_commit(b, &e);
    require(r == -EADDRINUSE && strstr(e.hint, "`web`"), "%d %s", r, e.text);
    err_clear(&e);
    _cleanup_free_ char *map = NFT("list", "map", "inet", "netctr", "publish4");
    require(strstr(map, "tcp . 80 comment \"lab\" : 10.88.1.2 . 80"), "%s", map);
    /* A rebuild leaves out a second claim. */
    struct fw_publish claim = other;
    claim.unheld = false;
    fw_add_tables(b);
    fw_add_publish(b, &lab);
    fw_add_publish(b, &claim);
    commit(b);
    free(map);
    map = NFT("list", "map", "inet", "netctr", "publish4");
    require(strstr(map, "tcp . 80 comment \"lab\" : 10.88.1.2 . 80"), "%s", map);
    /* It is free as soon as it has been withdrawn, for both kinds. */
    for (int i = 0; i < 2; i++) {
        require(end(fw, FW_EXPIRY_NOT_ASKED, NULL, NULL, &lab, 1, &e) == 0, "%s", e.text);
        other.unheld = i == 0;
        other.held = i == 1;
        fw_add_publish(b, &other);
        commit(b);
        lab = other;
    }
    pause_ms(100);
    free(map);
    map = NFT("list", "map", "inet", "netctr", "publish4");
    require(strstr(map, "tcp . 80 comment \"web\" : 10.88.1.9 . 80"), "%s", map);
}

/* The container of a port was killed, and another one has it. What cleans up after the first must not close it. */
static void check_taken_over(void)
{
    static const enum fw_expiry ways[] = {FW_EXPIRY_NO, FW_EXPIRY_NOT_ASKED, FW_EXPIRY_YES};
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_fw_ struct fw *fw = with_tables();
    _cleanup_fw_batch_ struct fw_batch *b = fw_batch_new(fw);
    struct fw_publish dead[3] = {publish(IPPROTO_TCP, 80, 80), publish(IPPROTO_TCP, 81, 80),
                                 publish(IPPROTO_UDP, 80, 80)};
    struct fw_publish next = dead[0], at = dead[0];
    dead[1].any_address = false;
    dead[1].host4 = ip4("192.0.2.2");
    at = dead[1];
    next.to4 = ip4("10.88.1.9");
    at.to_port = 8080;
    fw_add_publish(b, &next);
    fw_add_publish(b, &at);
    commit(b);
    _cleanup_free_ char *before = listing();
    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        fw_add_publish(b, &dead[2]);
        commit(b);
        require(end(fw, ways[i], NULL, NULL, dead, 3, &e) == 0, "%s", e.text);
        pause_ms(600); /* also the element of the probe must be gone */
        if (ways[i] == FW_EXPIRY_YES && !can_expire(fw))
            break;
        pause_ms(600);
        _cleanup_free_ char *after = listing();
        require_same(after, before, "the ruleset");
    }
}

/* ---- errors -------------------------------------------------------------------------------*/

static void check_flushed(void)
{
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_fw_ struct fw *fw = with_tables();
    _cleanup_fw_batch_ struct fw_batch *b = fw_batch_new(fw);
    free(NFT("flush", "ruleset"));
    struct fw_guard g = guard("vc-web", "10.88.1.2", NULL, NULL);
    fw_add_guard(b, &g);
    int r = fw_commit(b, &e);
    require(r == -ENOENT, "%d", r);
    require(strstr(e.text, "add guard of `vc-web`: No such file"), "%s", e.text);
    fw_add_tables(b);
    fw_add_guard(b, &g);
    commit(b);
}

static void check_bad_input(void)
{
    _cleanup_fw_ struct fw *fw = with_tables();
    _cleanup_free_ char *before = listing();
    _cleanup_fw_batch_ struct fw_batch *b = fw_batch_new(fw);
    for (int i = 0; i < 7; i++) {
        _cleanup_err_ struct err e = ERR_INIT;
        struct fw_network n = network("nc-blue", "10.88.1.0", NULL);
        struct fw_guard g = guard("vc-web", "10.88.1.2", NULL, NULL);
        struct fw_publish p = publish(IPPROTO_TCP, 80, 80);
        fw_add_network(b, &n);
        n.bridge = i == 0 ? "a-name-of-16-char" : n.bridge;
        n.prefix4 = i == 1 ? 33 : 24;
        g.host_veth = i == 2 ? "" : i == 3 ? NULL : g.host_veth;
        p.protocol = i == 4 ? IPPROTO_ICMP : IPPROTO_TCP;
        p.host_port = i == 5 ? 0 : 80;
        p.family = i == 6 ? AF_UNIX : AF_INET;
        fw_add_network(b, &n);
        fw_add_guard(b, &g);
        fw_add_publish(b, &p);
        int r = fw_commit(b, &e);
        require(r == -EINVAL && e.text, "%d: %d", i, r);
    }
    _cleanup_free_ char *after = listing();
    require_same(after, before, "the ruleset");
    struct fw *none = NULL;
    require(fw_open("not hex", &none, NULL) == -EINVAL && !none, "a bad instance was taken");
}

static void require_probe(struct fw *fw, enum fw_tables want, const char *want_owner)
{
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_free_ char *owner = NULL;
    int r = fw_probe(fw, &owner, &e);
    require(r == (int)want, "%d instead of %d", r, (int)want);
    require(streq(owner, want_owner), "%s", owner ? owner : "none");
}

static void check_instances(void)
{
    _cleanup_fw_ struct fw *fw = open_fw();
    require_probe(fw, FW_TABLES_MISSING, NULL);
    _cleanup_fw_batch_ struct fw_batch *b = fw_batch_new(fw);
    fw_add_tables(b);
    commit(b);
    require_probe(fw, FW_TABLES_OURS, NULL);
    _cleanup_free_ char *raw = NFT("list", "ruleset");
    free(NFT("delete", "table", "bridge", "netctr_guard"));
    require_probe(fw, FW_TABLES_MISSING, NULL);
    free(NFT("flush", "ruleset"));
    nft_load(raw);
    require_probe(fw, FW_TABLES_FOREIGN, NULL);
    _cleanup_fw_ struct fw *other = NULL;
    require(fw_open(OTHER, &other, NULL) == 0, "open");
    _cleanup_fw_batch_ struct fw_batch *theirs = fw_batch_new(other);
    fw_add_tables(theirs);
    commit(theirs);
    require_probe(fw, FW_TABLES_FOREIGN, OTHER);
    require_probe(other, FW_TABLES_OURS, NULL);
    free(NFT("delete", "table", "inet", "netctr"));
    require_probe(fw, FW_TABLES_FOREIGN, OTHER);
}

static void put_stamp(struct nft_batch *b, const struct table *t, uint8_t old_type,
                      const char *old_instance, uint8_t schema, const char *instance)
{
    uint8_t userdata[64] = {old_type, 16};
    memcpy(userdata + 2, old_instance, 16);
    memcpy(userdata + 18, (const uint8_t[]){0xc8, 1, schema, 0xc9, 16}, 5);
    memcpy(userdata + 23, instance, 16);
    struct nftnl_table *n = nftnl_table_alloc();
    nftnl_table_set_str(n, NFTNL_TABLE_NAME, t->name);
    nftnl_table_set_data(n, NFTNL_TABLE_USERDATA, userdata, 39);
    nftnl_table_nlmsg_build_payload(
        nft_batch_message(b, NFT_MSG_NEWTABLE, NLM_F_CREATE, t->family, xstrdup("stamp")), n);
    nftnl_table_free(n);
}

/* Both tables, the guard with @schema. */
static void stamp_tables(struct fw *fw, const char *old_instance, uint8_t schema,
                         const char *instance)
{
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_nft_batch_ struct nft_batch *b = nft_batch_new();
    free(NFT("flush", "ruleset"));
    put_stamp(b, TABLES[0], 0xc7, OTHER, NETCTR_SCHEMA, INSTANCE);
    put_stamp(b, TABLES[1], 0xc7, old_instance, schema, instance);
    require(nft_batch_commit(fw->nft, b, &e) == 0, "%s", e.text);
}

static void check_versions(void)
{
    _cleanup_fw_ struct fw *fw = open_fw();
    stamp_tables(fw, OTHER, NETCTR_SCHEMA, INSTANCE);
    require_probe(fw, FW_TABLES_OURS, NULL);
    stamp_tables(fw, OTHER, NETCTR_SCHEMA + 1, INSTANCE);
    require_probe(fw, FW_TABLES_NEWER, NULL);
    stamp_tables(fw, INSTANCE, 5, "----------------");
    require_probe(fw, FW_TABLES_OLDER, NULL);
    stamp_tables(fw, OTHER, 5, INSTANCE);
    require_probe(fw, FW_TABLES_FOREIGN, OTHER);
    stamp_tables(fw, INSTANCE, NETCTR_SCHEMA + 1, OTHER);
    require_probe(fw, FW_TABLES_FOREIGN, OTHER);
    free(NFT("delete", "table", "inet", "netctr"));
    stamp_tables(fw, OTHER, NETCTR_SCHEMA + 1, INSTANCE);
    free(NFT("delete", "table", "inet", "netctr"));
    require_probe(fw, FW_TABLES_NEWER, NULL);
}

static void check_own_tables(void)
{
    require(firewall_owns_table(NFPROTO_INET, "netctr") &&
                firewall_owns_table(NFPROTO_BRIDGE, "netctr_guard") &&
                firewall_owns_table(NFPROTO_INET, "netctr_nat_hold"),
            "one is missing");
    require(!firewall_owns_table(NFPROTO_IPV4, "netctr") &&
                !firewall_owns_table(NFPROTO_INET, "netctr_guard") &&
                !firewall_owns_table(NFPROTO_INET, "netctr2"),
            "another's table");
}

/* ---- costs --------------------------------------------------------------------------------*/

static void bench(void)
{
    enum { ROUNDS = 200, LARGE = 50000 };
    double start = now_us();
    _cleanup_fw_ struct fw *fw = with_tables();
    printf("open, build and commit both tables: %.0f us\n", now_us() - start);
    _cleanup_fw_batch_ struct fw_batch *b = fw_batch_new(fw);
    double total = 0;
    struct fw_publish p[ROUNDS];
    for (uint16_t i = 0; i < ROUNDS; i++) {
        p[i] = publish(IPPROTO_TCP, (uint16_t)(1 + i), 80);
        start = now_us();
        fw_add_publish(b, &p[i]);
        commit(b);
        total += now_us() - start;
    }
    printf("publish one port: %.1f us\n", total / ROUNDS);
    struct fw_guard g = guard("vc-web", "10.88.1.2", "fd88:1::2", "fe80::42:aff:fe58:102");
    start = now_us();
    for (int i = 0; i < ROUNDS; i++) {
        fw_add_guard(b, &g);
        commit(b);
    }
    printf("guard a container: %.1f us\n", (now_us() - start) / ROUNDS);
    start = now_us();
    bool works = can_expire(fw);
    printf("probe for expiry: %.0f us\n", now_us() - start);
    start = now_us();
    for (int i = 0; works && i < ROUNDS; i++)
        require(end(fw, FW_EXPIRY_YES, NULL, &g, &p[i], 1, NULL) == 0, "expire");
    printf("expire a guard and a port: %.1f us\n", (now_us() - start) / ROUNDS);
    start = now_us();
    for (int i = 0; i < ROUNDS; i++)
        require(end(fw, FW_EXPIRY_NO, NULL, NULL, &p[i], 1, NULL) == 0, "undo");
    printf("undo a port: %.1f us\n", (now_us() - start) / ROUNDS);
    start = now_us();
    for (int i = 0; i < ROUNDS; i++)
        require_probe(fw, FW_TABLES_OURS, NULL);
    printf("probe for the tables: %.1f us\n", (now_us() - start) / ROUNDS);
    start = now_us();
    for (int i = 0; i < LARGE; i++) {
        struct fw_publish one = publish(IPPROTO_TCP, (uint16_t)(1 + i), 80);
        fw_add_publish(b, &one);
    }
    double built = now_us();
    commit(b);
    printf("publish %d ports: %.0f ms to build, %.0f ms to commit\n", LARGE, (built - start) / 1e3,
           (now_us() - built) / 1e3);
}

static void print_golden(void)
{
    fw_close(with_example());
    _cleanup_free_ char *text = listing();
    fputs(text, stdout);
}

static void print_golden_empty(void)
{
    fw_close(with_tables());
    _cleanup_free_ char *text = listing();
    fputs(text, stdout);
}

/* ---- all of them --------------------------------------------------------------------------*/

static const struct apart checks[] = {
    {"the ruleset is the golden one", check_golden},
    {"the empty ruleset is the golden one", check_golden_empty},
    {"every rule does what its text says", check_texts_are_the_rules},
    {"a listing can be loaded and listed again", check_listing_reloads},
    {"tables replace what is there, and go", check_tables_replace},
    {"adding a network again changes nothing", check_network_again},
    {"a subnet comes and goes between its neighbours", check_network_between_others},
    {"200 networks, one by one", check_many_networks},
    {"overlapping subnets are refused", check_network_overlap},
    {"a port is published once", check_double_publish},
    {"comments cannot break out", check_comments},
    {"20000 ports in one batch", check_large_batch},
    {"undoing what does not exist", check_undo},
    {"expiry is probed by effect and leaves nothing", check_expiry_probe},
    {"elements expire", check_expire_works},
    {"elements are deleted where they cannot expire", check_expire_ignored},
    {"an expiring guard can be added again", check_revive_expiring},
    {"every addition is reversed by its deletion", check_symmetric},
    {"additions and deletions in one batch", check_mixed},
    {"a held port replaces what is in its way", check_held},
    {"but no port that is published without a socket", check_unheld},
    {"a port that another container has by now stays", check_taken_over},
    {"after a flush adding fails", check_flushed},
    {"bad input is refused before it is sent", check_bad_input},
    {"tables name their instance", check_instances},
    {"tables name the version that made them", check_versions},
    {"netctr's own tables", check_own_tables},
};

int main(int argc, char **argv)
{
    if (argc > 1)
        return run_apart(NULL, streq(argv[1], "--golden")         ? print_golden
                               : streq(argv[1], "--golden-empty") ? print_golden_empty
                                                                  : bench);
    return run_all_apart(NULL, checks, ARRAY_LEN(checks));
}
