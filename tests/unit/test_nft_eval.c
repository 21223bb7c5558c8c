/* The evaluator of nf_tables rules against the kernel.
 *
 * Each round loads random rules (several hooks and chains, jumps, sets, maps, verdict maps, intervals, concatenations,
 * marks), sends a packet through them, and takes the kernel's verdict from nf_tables' trace. The evaluator has to come to
 * the same verdict, by the same rule, if it knows the whole packet; of a packet that it knows in part, whatever it
 * is certain of has to be so.
 *
 * The packet comes in by `port`, a port of the bridge `host`, and ends in an input chain behind all others.
 *
 *   NETCTR_EVAL_ROUNDS   how many rounds (2000)
 *   NETCTR_EVAL_FIRST    the first of them (0): a round does not depend on those before it
 *   NETCTR_EVAL_SEED     of the random numbers (1)
 */
#include "nft_rules.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <libnftnl/trace.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/mman.h>

enum {
    ROUNDS = 2000,
    WORKERS = 6,
    PARTIAL = 3, /* packets that are known in part, of each round */
};

/* ---- a host ----------------------------------------------------------------------------------*/

static void set_up_links(struct rt *rt)
{
    _cleanup_err_ struct err e = ERR_INIT;
    struct link l;
    struct ip own4 = ip("192.0.2.2"), own6 = ip("2001:db8::2");
    _cleanup_rt_batch_ struct rt_batch *b = rt_batch_new(rt);
    rt_add_bridge(b, "host", world.host_mac, 1500);
    require(rt_commit(b, &e) == 0, "%s", e.text);
    require(rt_get_link(rt, "host", &l) == 0, "no bridge");
    world.host = (uint32_t)l.index;
    struct veth v = {.host = "port",
                     .peer = "wire",
                     .mtu = 1500,
                     .host_mac = {2, 0, 0, 0, 0, 3},
                     .master = l.index,
                     .peer_netns = netns_self()};
    memcpy(v.peer_mac, world.wire_mac, 6);
    rt_add_veth(b, &v);
    require(rt_commit(b, &e) == 0, "%s", e.text);
    close(v.peer_netns);
    require(rt_get_link(rt, "port", &l) == 0, "no port");
    world.port = (uint32_t)l.index;
    require(rt_get_link(rt, "wire", &l) == 0, "no wire");
    world.wire = (uint32_t)l.index;
    /* What it sends of its own accord would be taken for the packet of a round. */
    require(sysctl_write("net/ipv6/conf/wire/disable_ipv6", "1", &e) == 0, "%s", e.text);
    rt_set_up(b, 1);
    rt_set_up(b, (int)world.host);
    rt_set_up(b, (int)world.port);
    rt_set_up(b, (int)world.wire);
    rt_add_address(b, (int)world.host, &own4, 24);
    rt_add_address(b, (int)world.host, &own6, 64);
    require(rt_commit(b, &e) == 0, "%s", e.text);
}

static void open_sockets(void)
{
    _cleanup_err_ struct err e = ERR_INIT;
    const int group = NFNLGRP_NFTRACE, room = 4 << 20;
    require(nft_open(&world.nft, &e) == 0, "%s", e.text);
    world.trace = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC | SOCK_NONBLOCK);
    require(world.trace && mnl_socket_bind(world.trace, 0, MNL_SOCKET_AUTOPID) == 0, "%s",
            strerror(errno));
    (void)setsockopt(mnl_socket_get_fd(world.trace), SOL_SOCKET, SO_RCVBUFFORCE, &room,
                     sizeof(room));
    require(mnl_socket_setsockopt(world.trace, NETLINK_ADD_MEMBERSHIP, (void *)&group,
                                  sizeof(group)) == 0,
            "%s", strerror(errno));
    world.frames = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    require(world.frames >= 0, "%s", strerror(errno));
}

/* ---- what the evaluator knows --------------------------------------------------------------*/

static void send_frame(const struct frame *f)
{
    struct sockaddr_ll to = {
        .sll_family = AF_PACKET, .sll_ifindex = (int)world.wire, .sll_halen = ETH_ALEN};
    require(sendto(world.frames, f->bytes, f->size, 0, (struct sockaddr *)&to, sizeof(to)) ==
                (ssize_t)f->size,
            "%s", strerror(errno));
}

static struct nft_header header_of(const struct frame *f, size_t from, size_t to)
{
    struct nft_header h = {.size = to - from};
    memcpy(h.value, f->bytes + from, h.size);
    memset(h.known, 0xff, h.size);
    return h;
}

/* What the evaluator knows. Marks and headers stay as the last place has left them. */
static void describe(const struct frame *f, struct nft_packet *p)
{
    *p = (struct nft_packet){
        .nfproto = f->six ? NFPROTO_IPV6 : NFPROTO_IPV4,
        .protocol = f->protocol,
        .complete = true,
        .out = {.name = ""},
        .bridge_out = {.name = ""},
        .link = header_of(f, 0, ETH_HLEN),
        .network = header_of(f, f->network, f->transport),
        .transport = header_of(f, f->transport, f->size),
        .length = nft_known((uint32_t)(f->size - ETH_HLEN)),
        .mark = nft_known(0),
        .ct_mark = nft_known(0),
        .ct_status = nft_known(0),
        .ct_direction = nft_known(0),
        .ct_state = nft_known(f->invalid ? NF_CT_STATE_INVALID_BIT : NF_CT_STATE_BIT(IP_CT_NEW))};
}

static void arrive_at(size_t place, struct nft_packet *p, struct nft_place *at,
                      const struct frame *f)
{
    bool by_port = place < 3;
    *at = (struct nft_place){.family = spots[place].family, .hook = spots[place].hook};
    if (at->family == NFPROTO_IPV4 && f->six)
        at->family = NFPROTO_IPV6;
    p->in = by_port ? (struct nft_device){.name = "port", .index = world.port}
                    : (struct nft_device){.name = "host", .index = world.host};
    p->bridge_in.name = by_port ? "host" : "";
    p->packet_type = nft_known(place == 0 ? PACKET_OTHERHOST : PACKET_HOST);
}

/* ---- the frame of all rounds -----------------------------------------------------------------*/

/* The first chain switches the trace on, the last one ends every packet that has come so far. Its question for a
 * state makes conntrack work. */
static void add_first_and_last(void)
{
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_nft_batch_ struct nft_batch *batch = nft_batch_new();
    const struct base first = {NF_NETDEV_INGRESS, -500, "port", NF_ACCEPT},
                      last = {NF_INET_LOCAL_IN, 1000, NULL, NF_ACCEPT};
    const uint8_t on = 1;
    const uint32_t none = 0;
    add_table(batch, NFPROTO_NETDEV, "first");
    add_chain(batch, NFPROTO_NETDEV, "first", "first", &first);
    struct nftnl_rule *r = new_rule("first", "first");
    struct nftnl_expr *x = add(r, "immediate");
    nftnl_expr_set_u32(x, NFTNL_EXPR_IMM_DREG, REG);
    nftnl_expr_set(x, NFTNL_EXPR_IMM_DATA, &on, sizeof(on));
    x = add(r, "meta");
    nftnl_expr_set_u32(x, NFTNL_EXPR_META_KEY, NFT_META_NFTRACE);
    nftnl_expr_set_u32(x, NFTNL_EXPR_META_SREG, REG);
    add_rule(batch, NFPROTO_NETDEV, r);
    add_table(batch, NFPROTO_INET, "last");
    add_chain(batch, NFPROTO_INET, "last", "last", &last);
    r = new_rule("last", "last");
    expr_ct(r, NFT_CT_STATE, REG);
    expr_cmp(r, NFT_CMP_NEQ, REG, &none, sizeof(none));
    expr_verdict(r, NF_DROP, NULL);
    add_rule(batch, NFPROTO_INET, r);
    require(nft_batch_commit(world.nft, batch, &e) == 0, "%s", e.text);
}

static bool is_frame(uint32_t family, const char *table, void *arg)
{
    (void)family, (void)arg;
    return streq(table, "first") || streq(table, "last");
}

static int drop_table(const struct nlmsghdr *answer, void *arg)
{
    struct nftnl_table *t = nft_must(nftnl_table_alloc());
    if (nftnl_table_nlmsg_parse(answer, t) == 0) {
        const char *name = nftnl_table_get_str(t, NFTNL_TABLE_NAME);
        if (!is_frame(0, name, NULL))
            delete_table(arg, (uint8_t)nftnl_table_get_u32(t, NFTNL_TABLE_FAMILY), name);
    }
    nftnl_table_free(t);
    return MNL_CB_OK;
}

/* Replaces the rules. False if the kernel refuses them: not everything that is random is a ruleset. */
static bool load_rules(const struct frame *f)
{
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_nft_batch_ struct nft_batch *batch = nft_batch_new();
    _Alignas(struct nlmsghdr) char buffer[64];
    require(
        nft_request(world.nft,
                    nftnl_nlmsg_build_hdr(buffer, NFT_MSG_GETTABLE, NFPROTO_UNSPEC, NLM_F_DUMP, 0),
                    drop_table, batch) == 0,
        "cannot list the tables");
    for (size_t place = 0; place < PLACES; place++) {
        if (one_in(2))
            add_random_table(batch, f, place, false);
        if (place > 0 && one_in(5))
            add_random_table(batch, f, place, true);
    }
    return nft_batch_commit(world.nft, batch, &e) == 0;
}

/* ---- the kernel's verdict --------------------------------------------------------------------*/

struct truth {
    bool heard;
    bool dropped;
    size_t place;  /* that dropped it */
    uint64_t rule; /* 0: a policy */
};

static int take_trace(const struct nlmsghdr *message, void *arg)
{
    struct truth *t = arg;
    struct nftnl_trace *trace = nft_must(nftnl_trace_alloc());
    if (nftnl_trace_nlmsg_parse(message, trace) == 0 && !t->heard) {
        const char *table = nftnl_trace_get_str(trace, NFTNL_TRACE_TABLE),
                   *chain = nftnl_trace_get_str(trace, NFTNL_TRACE_CHAIN);
        uint32_t type = nftnl_trace_get_u32(trace, NFTNL_TRACE_TYPE);
        bool policy = type == NFT_TRACETYPE_POLICY;
        uint32_t verdict =
            nftnl_trace_get_u32(trace, policy ? NFTNL_TRACE_POLICY : NFTNL_TRACE_VERDICT);
        t->heard = streq(table, "last");
        if (!t->heard && verdict == NF_DROP && (policy || type == NFT_TRACETYPE_RULE)) {
            t->heard = t->dropped = true;
            t->place = (size_t)(chain[1] - '0');
            t->rule = policy ? 0 : nftnl_trace_get_u64(trace, NFTNL_TRACE_RULE_HANDLE);
        }
    }
    nftnl_trace_free(trace);
    return MNL_CB_OK;
}

static struct truth ask_kernel(const struct frame *f)
{
    struct truth t = {0};
    char buffer[16 * 1024];
    const int fd = mnl_socket_get_fd(world.trace);
    while (recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT) > 0) /* of the last round */
        continue;
    send_frame(f);
    for (int64_t until = monotonic_ms() + 5000; !t.heard && monotonic_ms() < until;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        (void)poll(&p, 1, 100);
        for (ssize_t got; (got = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT)) > 0;)
            (void)mnl_cb_run(buffer, (size_t)got, 0, 0, take_trace, &t);
    }
    return t;
}

/* ---- the evaluator's -------------------------------------------------------------------------*/

struct opinion {
    enum nft_verdict verdicts[PLACES];
    uint64_t rules[PLACES]; /* of the first step that drops */
};

struct first_drop {
    bool found;
    uint64_t rule;
};

static void note_step(const struct nft_step *step, void *arg)
{
    struct first_drop *first = arg;
    if (step->verdict == NFT_DROPS && !first->found)
        *first = (struct first_drop){true, step->rule};
}

static struct opinion evaluate(const struct nft_snapshot *s, const struct frame *f,
                               struct nft_packet p, bool partial)
{
    struct opinion o = {0};
    for (size_t i = 0; i < PLACES; i++) {
        struct nft_place at;
        struct first_drop first = {0};
        arrive_at(i, &p, &at, f);
        if (partial && one_in(4))
            p.in = (struct nft_device){0};
        if (partial && one_in(4))
            p.packet_type.known = 0;
        o.verdicts[i] = nft_walk(s, &at, &p, note_step, &first);
        o.rules[i] = first.rule;
    }
    return o;
}

static void forget_some(struct nft_header *h, unsigned n)
{
    for (size_t i = 0; i < sizeof(h->known); i++)
        h->known[i] &= one_in(n) ? (one_in(2) ? 0 : (uint8_t)below(256)) : 0xff;
}

/* Makes bits unknown; values there become others, which the evaluator must not use. */
static void forget(struct nft_packet *p)
{
    unsigned n = 1 + below(8);
    struct nft_header *const headers[] = {&p->link, &p->network, &p->transport};
    struct nft_bits *const bits[] = {&p->length,    &p->mark,    &p->ct_state,
                                     &p->ct_status, &p->ct_mark, &p->ct_direction};
    for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
        forget_some(headers[i], n);
        for (size_t k = 0; k < sizeof(headers[i]->value); k++)
            headers[i]->value[k] ^= (uint8_t)~headers[i]->known[k] & (uint8_t)below(256);
    }
    for (size_t i = 0; i < ARRAY_LEN(bits); i++)
        if (one_in(n)) {
            bits[i]->known = one_in(2) ? 0 : (uint32_t)next_random();
            bits[i]->value ^= ~bits[i]->known & (uint32_t)next_random();
        }
    p->complete = p->complete && !one_in(n);
    p->protocol = one_in(n) ? 0 : p->protocol;
    p->nfproto = one_in(n + 2) ? 0 : p->nfproto;
}

/* ---- a round ---------------------------------------------------------------------------------*/

static unsigned current; /* the number of the round */
static const char *const words[] = {[NFT_ACCEPTS] = "accepts",
                                    [NFT_MAY_DROP] = "may drop",
                                    [NFT_MAY_ACCEPT] = "may accept",
                                    [NFT_UNKNOWN] = "unknown",
                                    [NFT_DROPS] = "drops"};

static int show_rule(const struct nlmsghdr *answer, void *arg)
{
    (void)arg;
    char text[8192] = "";
    struct nftnl_rule *r = nft_must(nftnl_rule_alloc());
    if (nftnl_rule_nlmsg_parse(answer, r) == 0 &&
        nftnl_rule_snprintf(text, sizeof(text), r, NFTNL_OUTPUT_DEFAULT, 0) > 0)
        printf("# rule %llu: %s\n", (unsigned long long)nftnl_rule_get_u64(r, NFTNL_RULE_HANDLE),
               text);
    nftnl_rule_free(r);
    return MNL_CB_OK;
}

static int show_elements(const struct nlmsghdr *answer, void *arg)
{
    (void)arg;
    char text[8192] = "";
    struct nftnl_set *s = nft_must(nftnl_set_alloc());
    if (nftnl_set_elems_nlmsg_parse(answer, s) == 0 &&
        nftnl_set_snprintf(text, sizeof(text), s, NFTNL_OUTPUT_DEFAULT, 0) > 0)
        printf("# elements: %s\n", text);
    nftnl_set_free(s);
    return MNL_CB_OK;
}

static int show_set(const struct nlmsghdr *answer, void *arg)
{
    _Alignas(struct nlmsghdr) char buffer[1024];
    struct nftnl_set *s = nft_must(nftnl_set_alloc());
    _cleanup_err_ struct err e = ERR_INIT;
    struct nft *nft = NULL;
    (void)arg;
    if (nftnl_set_nlmsg_parse(answer, s) == 0 && nft_open(&nft, &e) == 0) {
        printf("# set %s (flags %x, %u elements)\n", nftnl_set_get_str(s, NFTNL_SET_NAME),
               nftnl_set_get_u32(s, NFTNL_SET_FLAGS), nftnl_set_get_u32(s, NFTNL_SET_KEY_LEN));
        struct nlmsghdr *h =
            nftnl_nlmsg_build_hdr(buffer, NFT_MSG_GETSETELEM,
                                  (uint16_t)nftnl_set_get_u32(s, NFTNL_SET_FAMILY), NLM_F_DUMP, 0);
        nftnl_set_elems_nlmsg_build_payload(h, s);
        (void)nft_request(nft, h, show_elements, NULL);
        nft_close(nft);
    }
    nftnl_set_free(s);
    return MNL_CB_OK;
}

/* nft itself cannot show rules without its notes about types. */
static void show_rules(void)
{
    _Alignas(struct nlmsghdr) char buffer[64];
    (void)nft_request(world.nft,
                      nftnl_nlmsg_build_hdr(buffer, NFT_MSG_GETSET, NFPROTO_UNSPEC, NLM_F_DUMP, 0),
                      show_set, NULL);
    printf("# round %u:\n", current);
    (void)nft_request(world.nft,
                      nftnl_nlmsg_build_hdr(buffer, NFT_MSG_GETRULE, NFPROTO_UNSPEC, NLM_F_DUMP, 0),
                      show_rule, NULL);
}

static void check_whole(const struct opinion *o, const struct truth *t)
{
    for (size_t i = 0; i < PLACES && !(t->dropped && i > t->place); i++) {
        bool drops = t->dropped && i == t->place;
        require(o->verdicts[i] == (drops ? NFT_DROPS : NFT_ACCEPTS),
                "place %zu: the kernel %s it, the evaluator says: %s", i,
                drops ? "drops" : "accepts", words[o->verdicts[i]]);
        require(!drops || o->rules[i] == t->rule,
                "place %zu: rule %llu drops it, the evaluator says: %llu", i,
                (unsigned long long)t->rule, (unsigned long long)o->rules[i]);
    }
}

static void check_partial(const struct opinion *o, const struct truth *t, unsigned counts[2])
{
    for (size_t i = 0; i < PLACES && !(t->dropped && i > t->place); i++) {
        bool drops = t->dropped && i == t->place;
        counts[o->verdicts[i] == NFT_ACCEPTS || o->verdicts[i] == NFT_DROPS]++;
        require(o->verdicts[i] != (drops ? NFT_ACCEPTS : NFT_DROPS),
                "place %zu: the kernel %s it, the evaluator is certain: %s", i,
                drops ? "drops" : "accepts", words[o->verdicts[i]]);
    }
}

/* Until the host knows that the addresses are its own, and the port forwards. */
static void wait_for_host(void)
{
    for (int six = 0; six < 2; six++) {
        struct truth t = {0};
        for (int i = 0; i < 200 && !t.heard; i++) {
            struct frame f;
            do
                make_frame(&f);
            while (f.six != six);
            send_frame(&f);
            pause_ms(10);
            char buffer[16 * 1024];
            ssize_t got;
            while ((got = recv(mnl_socket_get_fd(world.trace), buffer, sizeof(buffer),
                               MSG_DONTWAIT)) > 0)
                (void)mnl_cb_run(buffer, (size_t)got, 0, 0, take_trace, &t);
        }
        require(t.heard, "packets do not arrive (family %d)", six);
    }
}

static void prepare(void)
{
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_rt_ struct rt *rt = NULL;
    require(rt_open(&rt, &e) == 0, "%s", e.text);
    (void)sysctl_write("net/bridge/bridge-nf-call-iptables", "0", NULL);
    (void)sysctl_write("net/bridge/bridge-nf-call-ip6tables", "0", NULL);
    set_up_links(rt);
    open_sockets();
    add_first_and_last();
    wait_for_host();
}

/* What the rounds came to. Shared by the processes that run them. */
struct tally {
    unsigned rounds, refused, dropped;
    unsigned certain[2]; /* of packets known in part: not, and so */
};

static void run_round(const struct frame *f, struct tally *tally)
{
    _cleanup_err_ struct err e = ERR_INIT;
    struct nft_packet whole;
    struct nft_snapshot *s = NULL;
    const struct truth t = ask_kernel(f);
    require(t.heard, "the packet got lost");
    tally->dropped += t.dropped;
    require(nft_snapshot_read(-1, is_frame, NULL, &s, &e) == 0, "%s", e.text);
    describe(f, &whole);
    struct opinion o = evaluate(s, f, whole, false);
    check_whole(&o, &t);
    for (int i = 0; i < PARTIAL; i++) {
        struct nft_packet partial = whole;
        forget(&partial);
        o = evaluate(s, f, partial, true);
        check_partial(&o, &t, tally->certain);
    }
    nft_snapshot_free(s);
}

static unsigned number_from(const char *variable, unsigned otherwise)
{
    const char *text = getenv(variable);
    return text ? (unsigned)strtoul(text, NULL, 10) : otherwise;
}

static void run_rounds(unsigned from, struct tally *tally)
{
    const unsigned rounds = number_from("NETCTR_EVAL_ROUNDS", ROUNDS);
    const uint64_t seed = number_from("NETCTR_EVAL_SEED", 1);
    show_more = show_rules;
    for (current = from + number_from("NETCTR_EVAL_FIRST", 0); current < rounds;
         current += WORKERS) {
        struct frame f;
        state = seed * 1000003 + current;
        make_frame(&f);
        tally->rounds++;
        if (load_rules(&f))
            run_round(&f, tally);
        else
            tally->refused++;
    }
}

/* Several processes, each in a namespace of its own: loading rules is mostly waiting. */
static void test_random(void)
{
    struct tally *tallies = mmap(NULL, WORKERS * sizeof(*tallies), PROT_READ | PROT_WRITE,
                                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct tally all = {0};
    pid_t workers[WORKERS];
    require(tallies != MAP_FAILED, "%s", strerror(errno));
    for (unsigned i = 0; i < WORKERS; i++) {
        workers[i] = fork();
        require(workers[i] >= 0, "%s", strerror(errno));
        if (workers[i] > 0)
            continue;
        if (unshare(CLONE_NEWNET) < 0)
            _exit(SKIPPED);
        prepare();
        run_rounds(i, &tallies[i]);
        fflush(stdout);
        _exit(0);
    }
    bool failed = false;
    for (unsigned i = 0; i < WORKERS; i++) {
        int status = 1;
        failed = waitpid(workers[i], &status, 0) != workers[i] || status != 0 || failed;
        all.rounds += tallies[i].rounds;
        all.refused += tallies[i].refused;
        all.dropped += tallies[i].dropped;
        all.certain[0] += tallies[i].certain[0];
        all.certain[1] += tallies[i].certain[1];
    }
    printf("# %u rounds: %u dropped, %u refused; of packets known in part %u verdicts certain, "
           "%u not\n",
           all.rounds, all.dropped, all.refused, all.certain[1], all.certain[0]);
    require(!failed, "a round failed");
    require(all.refused < all.rounds / 5 + 1, "%u of %u rulesets refused", all.refused, all.rounds);
}

int main(void)
{
    const struct apart checks[] = {
        {"random rulesets: the evaluator comes to the kernel's verdict", test_random}};
    return run_all_apart(NULL, checks, ARRAY_LEN(checks));
}
