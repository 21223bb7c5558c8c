/* The firewall watch: it notices what others do to netctr's tables, and ignores what netctr does.
 *
 * Each check runs in a process and a network namespace of its own. Needs root and nft.
 */
#include "bridge/firewall/firewall.h"

#include "apart.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netlink.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>

/* ---- the firewall ----------------------------------------------------------------------------*/

static void replace_tables(void)
{
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_fw_ struct fw *fw = NULL;
    require(fw_open(INSTANCE, &fw, &e) == 0, "%s", e.text);
    _cleanup_fw_batch_ struct fw_batch *b = fw_batch_new(fw);
    fw_add_tables(b);
    require(fw_commit(b, &e) == 0, "%s", e.text);
}

static bool tables_are_whole(void)
{
    return system("nft list table inet netctr | grep -q 'ct status dnat' && "
                  "nft list table bridge netctr_guard | grep -q 'not its MAC'") == 0;
}

static void nft(const char *command)
{
    _cleanup_free_ char *line = xasprintf("nft '%s'", command);
    require(system(line) == 0, "%s", command);
}

static struct fw_publish publish(uint16_t port)
{
    struct fw_publish p = {.family = AF_INET,
                           .protocol = IPPROTO_TCP,
                           .any_address = true,
                           .host_port = port,
                           .to_port = 80,
                           .comment = "web"};
    p.to4.s_addr = htonl(0x0a580002);
    return p;
}

/* ---- listeners -------------------------------------------------------------------------------*/

/* A process with a firewall watch, which reports each time that it has restored the tables. */
struct process {
    pid_t pid;
    int said;
};

/* The callback's argument: where to report its calls, and how often it is to fail. */
struct task {
    int say, failures;
};

static int put_back(void *arg)
{
    struct task *task = arg;
    bool fails = task->failures > 0;
    if (fails)
        task->failures--;
    else
        replace_tables();
    require(write(task->say, "x", 1) == 1, "%s", strerror(errno));
    return fails ? -EAGAIN : 0;
}

static void live(struct task *task)
{
    _cleanup_err_ struct err e = ERR_INIT;
    struct firewall_watch *l = NULL;
    struct loop *loop = NULL;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    require(loop_new(&loop, &e) == 0, "%s", e.text);
    require(firewall_watch_new(INSTANCE, loop, put_back, task, &l, &e) == 0, "%s", e.text);
    require(loop_run(loop, &e) == 0, "%s", e.text);
}

static struct process begin_failing(int failures)
{
    int pipe_fds[2];
    require(pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK) == 0, "%s", strerror(errno));
    struct process p = {fork(), pipe_fds[0]};
    if (p.pid == 0)
        live(&(struct task){pipe_fds[1], failures});
    close(pipe_fds[1]);
    return p;
}

static struct process begin(void)
{
    return begin_failing(0);
}

static void end(const struct process *p)
{
    (void)kill(p->pid, SIGKILL);
    (void)waitpid(p->pid, NULL, 0);
}

/* How often it restored the tables since the last call; gives it time to do so, and after the first time to
 * do it once too often. */
static int said(const struct process *p)
{
    char text[1024];
    const char *slowness = getenv("TEST_SLOWNESS");
    struct pollfd first = {.fd = p->said, .events = POLLIN};
    (void)poll(&first, 1, 150 * (slowness ? atoi(slowness) : 1));
    pause_ms(150);
    ssize_t got = read(p->said, text, sizeof(text));
    return got < 0 ? 0 : (int)got;
}

/* Subscribers of nf_tables' notifications in this namespace, and what was dropped for them. */
static int subscribers(int *drops)
{
    enum { NFTABLES_GROUP = 1 << 6 };
    _cleanup_file_ FILE *f = fopen("/proc/thread-self/net/netlink", "re");
    char line[256];
    int count = 0;
    while (f && fgets(line, sizeof(line), f)) {
        unsigned protocol, groups, dropped;
        if (sscanf(line, "%*s %u %*d %x %*d %*d %*d %*d %u", &protocol, &groups, &dropped) == 3 &&
            protocol == NETLINK_NETFILTER && (groups & NFTABLES_GROUP)) {
            count++;
            if (drops)
                *drops = (int)dropped;
        }
    }
    return count;
}

static void wait_for_subscriber(void)
{
    for (int i = 0; i < 2000 && subscribers(NULL) == 0; i++)
        pause_ms(1);
    require(subscribers(NULL) == 1, "%d", subscribers(NULL));
}

/* ---- checks ----------------------------------------------------------------------------------*/

static void check_damage(void)
{
    static const char *const damages[] = {
        "flush ruleset",
        "delete table inet netctr",
        "delete table bridge netctr_guard",
        "flush table inet netctr",
        "flush chain bridge netctr_guard guard_arp",
        "delete table inet netctr; add table inet netctr",
        "flush ruleset; table ip other { chain c { type filter hook input priority 0; }; }",
    };
    replace_tables();
    struct process p = begin();
    wait_for_subscriber();
    require(said(&p) == 0, "the tables were whole");
    for (size_t i = 0; i < ARRAY_LEN(damages); i++) {
        nft(damages[i]);
        int times = said(&p);
        require(times == 1, "after `%s`: %d times", damages[i], times);
        require(tables_are_whole(), "after `%s`", damages[i]);
    }
    end(&p);
}

static void check_elements(void)
{
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_fw_ struct fw *fw = NULL;
    struct fw_publish p = publish(8080);
    replace_tables();
    struct process process = begin();
    wait_for_subscriber();
    require(fw_open(INSTANCE, &fw, &e) == 0, "%s", e.text);
    _cleanup_fw_batch_ struct fw_batch *b = fw_batch_new(fw);
    fw_add_publish(b, &p);
    require(fw_commit(b, &e) == 0, "%s", e.text);
    nft("add element inet netctr publish4 { tcp . 9090 : 10.88.0.3 . 80 }");
    require(said(&process) == 0, "an element more hurts nobody");
    nft("delete element inet netctr publish4 { tcp . 8080 }");
    require(said(&process) == 1, "a port was closed by another program");
    end(&process);
}

static void check_own(void)
{
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_fw_ struct fw *fw = NULL;
    replace_tables();
    struct process process = begin();
    wait_for_subscriber();
    require(said(&process) == 0, "the tables were whole");
    require(fw_open(INSTANCE, &fw, &e) == 0, "%s", e.text);
    replace_tables();
    for (uint16_t i = 0; i < 20; i++) {
        _cleanup_fw_batch_ struct fw_batch *b = fw_batch_new(fw);
        struct fw_publish p = publish(8080), other = publish(9090);
        struct fw_guard g = {.host_veth = "vc-0", .mac = {2, 0x42, 10, 88, 0, 2}, .ip4 = p.to4};
        fw_add_publish(b, &p);
        fw_add_publish(b, &other);
        fw_add_guard(b, &g);
        require(fw_commit(b, &e) == 0, "%s", e.text);
        fw->expiry = FW_EXPIRY_NO;
        fw_del_guard(b, &g);
        fw_del_publish(b, &p);
        require(fw_commit(b, &e) == 0, "%s", e.text);
        fw->expiry = FW_EXPIRY_NOT_ASKED;
        fw_del_publish(b, &other);
        require(fw_commit(b, &e) == 0, "%s", e.text);
        pause_ms(30);
    }
    /* Elements that expire, and are collected a second later, belong to no process, and not to the next
     * transaction. */
    pause_ms(1200);
    nft("add table ip other");
    nft("delete table ip other");
    nft("add table inet netctr_guard; add table bridge netctr");
    nft("delete table inet netctr_guard; delete table bridge netctr");
    require(said(&process) == 0, "own changes are no damage");
    end(&process);
}

/* Changes while no process subscribes are noticed by the next subscriber. */
static void check_gap(void)
{
    static const char *const damages[] = {"flush ruleset", "flush table bridge netctr_guard"};
    for (size_t i = 0; i < ARRAY_LEN(damages); i++) {
        replace_tables();
        struct process first = begin();
        wait_for_subscriber();
        end(&first);
        require(subscribers(NULL) == 0, "%d", subscribers(NULL));
        nft(damages[i]);
        struct process second = begin();
        require(said(&second) == 1, "`%s` was missed", damages[i]);
        require(tables_are_whole(), "`%s`", damages[i]);
        end(&second);
    }
}

/* Tables with another instance's stamp are not restored. */
static void check_foreign(void)
{
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_fw_ struct fw *fw = NULL;
    require(fw_open("fedcba9876543210", &fw, &e) == 0, "%s", e.text);
    _cleanup_fw_batch_ struct fw_batch *b = fw_batch_new(fw);
    fw_add_tables(b);
    require(fw_commit(b, &e) == 0, "%s", e.text);
    struct process p = begin();
    wait_for_subscriber();
    require(said(&p) == 0, "another's tables are taken over");
    end(&p);
}

/* Retries until it succeeds, and not after that. */
static void check_again(void)
{
    enum { FAILURES = 2 };
    replace_tables();
    struct process p = begin_failing(FAILURES);
    wait_for_subscriber();
    require(said(&p) == 0, "the tables were whole");
    nft("flush ruleset");
    int times = 0;
    for (int i = 0; i < 5 && times <= FAILURES; i++)
        times += said(&p);
    require(times == FAILURES + 1, "%d times", times);
    require(tables_are_whole(), "after %d failures", FAILURES);
    nft("flush ruleset");
    times = said(&p);
    require(times == 1, "%d times", times);
    end(&p);
}

static void check_storm(void)
{
    enum { STORM = 60 };
    replace_tables();
    struct process p = begin();
    wait_for_subscriber();
    int64_t begun = monotonic_us();
    for (int i = 0; i < STORM; i++)
        nft("flush ruleset");
    int ms = (int)(monotonic_us() - begun) / 1000, times = said(&p);
    require(times >= 1 && times <= ms / 20 + 2, "%d times in %d ms", times, ms);
    require(tables_are_whole(), "after the storm");
    end(&p);
}

/* Makes changes until the kernel has no room for more notifications. */
static void overflow(struct fw *fw)
{
    _cleanup_err_ struct err e = ERR_INIT;
    int before = 0, drops = 0;
    (void)subscribers(&before);
    for (int i = 0; i < 100 && drops <= before; i++) {
        _cleanup_fw_batch_ struct fw_batch *b = fw_batch_new(fw);
        for (uint16_t port = 1000; port < 6000; port++) {
            struct fw_publish one = publish(port);
            fw_add_publish(b, &one);
        }
        fw_add_tables(b);
        require(fw_commit(b, &e) == 0, "%s", e.text);
        (void)subscribers(&drops);
    }
    require(drops > before, "nothing was dropped");
}

/* More notifications than the kernel keeps: lost ones are replaced by a look at the tables. */
static void check_lost(void)
{
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_fw_ struct fw *fw = NULL;
    replace_tables();
    struct process p = begin();
    wait_for_subscriber();
    require(fw_open(INSTANCE, &fw, &e) == 0, "%s", e.text);
    for (int damage = 0; damage < 2; damage++) {
        (void)kill(p.pid, SIGSTOP);
        overflow(fw);
        if (damage)
            nft("flush table inet netctr");
        (void)kill(p.pid, SIGCONT);
        int times = said(&p);
        require(times == damage, "%d times", times);
    }
    end(&p);
}

/* ---- all -------------------------------------------------------------------------------------*/

static const struct apart checks[] = {
    {"damage is reported once", check_damage},
    {"so is an element that another program deletes", check_elements},
    {"netctr's own changes are not", check_own},
    {"changes while no process subscribes", check_gap},
    {"another netctr's tables are left alone", check_foreign},
    {"failures are retried", check_again},
    {"a burst is reported at intervals", check_storm},
    {"lost notifications are made up for", check_lost},
};

int main(void)
{
    return run_all_apart(NULL, checks, ARRAY_LEN(checks));
}
