/* Two name servers, asked over UDP and TCP from addresses of the loopback interface; killed and
 * stopped while they have questions, and flooded. */
#include "nameclient.h"

#include "names/queue.h"

#include <sys/mman.h>
#include <sys/resource.h>

enum { PATIENCE_MS = 15000 }; /* for an answer that comes */

static struct {
    char path[32];
    int dir, memory;
    uint16_t port;
    struct name_sockets sockets;
    struct names_shared *shared;
    pid_t pids[NAME_SERVERS];
} t;

/* ---- servers ----------------------------------------------------------------------------------*/

static void start(unsigned self)
{
    const struct name_server n = {t.dir, t.sockets, t.shared, self};
    pid_t pid = fork();
    if (pid == 0) {
        _cleanup_err_ struct err e = ERR_INIT;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)names_serve(&n, &e);
        fprintf(stderr, "# server %u: %s\n", self, e.text ? e.text : "?");
        _exit(1);
    }
    require(pid > 0, "%m");
    t.pids[self] = pid;
}

static void end(unsigned self)
{
    int status = 0;
    kill(t.pids[self], SIGKILL);
    require(waitpid(t.pids[self], &status, 0) == t.pids[self] && WIFSIGNALED(status) &&
                WTERMSIG(status) == SIGKILL,
            "server %u has ended by itself", self);
}

static void stop(unsigned self)
{
    int status;
    kill(t.pids[self], SIGSTOP);
    require(waitpid(t.pids[self], &status, WUNTRACED) == t.pids[self] && WIFSTOPPED(status),
            "server %u has ended by itself", self);
}

static void go_on(unsigned self)
{
    kill(t.pids[self], SIGCONT);
}

static void join(const char *network, const char *id, const char *four, const char *six,
                 const char *names, bool internal, const char *servers)
{
    _cleanup_free_ char *own = xstrdup(id);
    _cleanup_strv_ strv all = strv_split(names, ','),
                        asked = servers ? strv_split(servers, ',') : NULL;
    struct name_entry n = {.id = own, .names = all, .servers = asked, .internal = internal};
    n.address4 = ip(four);
    if (six)
        n.address6 = ip(six);
    require(names_join(t.dir, network, &n, NULL) == 0, "%s", id);
}

static void set_upstream(const char *text)
{
    _cleanup_strv_ strv servers = *text ? strv_split(text, ',') : NULL;
    require(names_set_upstream(t.dir, servers, NULL) == 0, "%s", text);
}

static void remove_tree(void)
{
    (void)remove_tree_at(AT_FDCWD, t.path);
}

/* The network namespace is new: gives its loopback interface addresses of both families. */
static void prepare(void)
{
    _cleanup_rt_ struct rt *rt = NULL;
    require(rt_open(&rt, NULL) == 0, "%m");
    _cleanup_rt_batch_ struct rt_batch *b = rt_batch_new(rt);
    const struct ip six[] = {ip("fd00::1"), ip("fd00::2"), ip("fd00::53")};
    rt_set_up(b, 1);
    for (size_t i = 0; i < ARRAY_LEN(six); i++)
        rt_add_address(b, 1, &six[i], 128);
    require(rt_commit(b, NULL) == 0, "no addresses");
    wait_for_route("fd00::1");
    wait_for_route("fd00::2");
    wait_for_route("fd00::53");
    strcpy(t.path, "/tmp/netctr-test.XXXXXX");
    require(mkdtemp(t.path), "%m");
    _cleanup_close_ int top = open(t.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    t.dir = names_open(top, NULL);
    t.memory = names_shared_new(NULL);
    t.shared = names_shared_map(t.memory, NULL);
    require(t.dir >= 0 && t.shared, "nothing to begin with");
    int port = name_sockets_open(0, NULL, NULL, &t.sockets, NULL);
    require(port > 0 && port < 1024, "%d", port);
    t.port = (uint16_t)port;
    join("red", "aaaa", "127.0.0.2", "fd00::2", "Web,aaaa", false, NULL);
    join("red", "bbbb", "127.0.0.3", NULL, "db,api", false, "127.0.0.54");
    join("red", "cccc", "127.0.0.4", NULL, "both,api", false, NULL);
    join("blue", "dddd", "127.0.0.5", NULL, "secret,db", false, NULL);
    join("closed", "eeee", "127.0.0.6", NULL, "shy", true, NULL);
    join("closed", "ffff", "127.0.0.7", NULL, "other", true, NULL);
    start(0);
    start(1);
}

static void done(void)
{
    end(0);
    end(1);
    remove_tree();
}

static struct reply ask(const char *from, const char *name, unsigned type)
{
    const struct asking a = {.from = from,
                             .to = strchr(from, ':') ? "fd00::1" : "127.0.0.1",
                             .port = t.port,
                             .ms = PATIENCE_MS};
    return ask_by(&a, name, type);
}

static bool tells(const struct reply *r, const char *address)
{
    const struct ip wanted = ip(address);
    for (size_t i = 0; i < r->count; i++)
        if (ip_equal(&r->addresses[i], &wanted))
            return r->code == DNS_NOERROR;
    return false;
}

/* ---- answers ----------------------------------------------------------------------------------*/

#define require_reply(r, wanted_code, wanted_count)                                           \
    require((r).code == (wanted_code) && (r).count == (wanted_count), "code %d, %zu records", \
            (r).code, (r).count)

static void answers(void)
{
    struct reply r = ask("127.0.0.3", "web", DNS_A);
    require(r.count == 1 && tells(&r, "127.0.0.2"), "code %d", r.code);
    r = ask("127.0.0.3", "wEB", DNS_AAAA);
    require(r.count == 1 && tells(&r, "fd00::2"), "code %d", r.code);
    r = ask("fd00::2", "db", DNS_A);
    require(r.count == 1 && tells(&r, "127.0.0.3"), "code %d: the neighbour's", r.code);
    r = ask("127.0.0.2", "db", DNS_AAAA);
    require_reply(r, DNS_NOERROR, 0);
    r = ask("127.0.0.2", "db", 65);
    require_reply(r, DNS_NOERROR, 0);
    r = ask("127.0.0.2", "api", DNS_A);
    require(r.count == 2 && tells(&r, "127.0.0.3") && tells(&r, "127.0.0.4"), "%zu", r.count);
    r = ask("127.0.0.2", "3.0.0.127.in-addr.ARPA", DNS_PTR);
    require(r.count == 1 && streq(r.name, "db"), "%s", r.name);
    r = ask("127.0.0.3", "2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.D.F.ip6.arpa",
            DNS_PTR);
    require(r.count == 1 && streq(r.name, "Web"), "%s", r.name);
    struct asking a = {.from = "127.0.0.2", .to = "127.1.2.3", .port = t.port, .ms = PATIENCE_MS};
    /* answered from the address that was asked */
    require_reply(ask_by(&a, "db", DNS_A), DNS_NOERROR, 1);
    a.from = "fd00::2";
    a.to = "fd00::53";
    require_reply(ask_by(&a, "db", DNS_A), DNS_NOERROR, 1);
    bool first[2] = {false, false};
    const struct ip one = ip("127.0.0.3");
    for (int i = 0; i < 200 && !(first[0] && first[1]); i++) {
        r = ask("127.0.0.2", "api", DNS_A);
        first[ip_equal(&r.addresses[0], &one)] = true;
    }
    require(first[0] && first[1], "always the same comes first");
    done();
}

static void refusals(void)
{
    require_reply(ask("127.0.0.9", "web", DNS_A), DNS_REFUSED, 0);
    require_reply(ask("127.0.0.6", "web", DNS_A), DNS_REFUSED, 0);
    require_reply(ask("127.0.0.6", "example.com", DNS_A), DNS_REFUSED, 0);
    require_reply(ask("127.0.0.6", "other", DNS_A), DNS_NOERROR, 1);
    /* there is no server to forward to */
    require_reply(ask("127.0.0.2", "secret", DNS_A), DNS_SERVFAIL, 0);
    require_reply(ask("127.0.0.6", "2.0.0.127.in-addr.arpa", DNS_PTR), DNS_REFUSED, 0);
    join("red", "dddd", "127.0.0.5", NULL, "secret", false, NULL);
    require_reply(ask("127.0.0.2", "secret", DNS_A), DNS_NOERROR, 1); /* effective at once */
    require(names_leave(t.dir, "red", "dddd", NULL) == 0, "dddd");
    require_reply(ask("127.0.0.2", "secret", DNS_A), DNS_SERVFAIL, 0);
    /* Bytes that are not a question. */
    static const struct {
        const char *data;
        size_t size;
        int code; /* -1: no answer */
    } rows[] = {
        {"\0\1\1\0\0\1\0\0\0\0\0", 11, -1},
        {"\0\1\x81\0\0\1\0\0\0\0\0\0\0\0\1\0\1", 17, -1},
        {"\0\1\x29\0\0\1\0\0\0\0\0\0\0\0\1\0\1", 17, DNS_NOTIMP},
        {"\0\1\1\0\0\2\0\0\0\0\0\0\0\0\1\0\1", 17, DNS_FORMERR},
        {"\0\1\1\0\0\1\0\0\0\0\0\0\xc0\x0c\0\1\0\1", 18, DNS_FORMERR},
        {"\0\1\1\0\0\1\0\0\0\0\0\0\0\0\1\0", 16, DNS_FORMERR},
    };
    _cleanup_close_ int fd = open_socket("127.0.0.2", "127.0.0.1", t.port, SOCK_DGRAM);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint8_t data[512];
        require(send(fd, rows[i].data, rows[i].size, 0) > 0, "%m");
        int code =
            wait_for(fd, rows[i].code < 0 ? 100 : PATIENCE_MS) && recv(fd, data, 512, 0) >= 12
                ? data[3] & 15
                : -1;
        require(code == rows[i].code, "row %zu: %d", i, code);
    }
    static const uint8_t huge[2000] = {0, 1, 1, 0, 0, 1};
    require(send(fd, huge, sizeof(huge), 0) > 0 && wait_for(fd, PATIENCE_MS),
            "a long one: no answer");
    done();
}

static void lengths(void)
{
    for (int i = 0; i < 100; i++) {
        _cleanup_free_ char *id = xasprintf("m%d", i), *four = xasprintf("127.0.1.%d", i);
        join("red", id, four, NULL, "many", false, NULL);
    }
    struct asking a = {.from = "127.0.0.2", .to = "127.0.0.1", .port = t.port, .ms = PATIENCE_MS};
    struct reply r = ask_by(&a, "many", DNS_A);
    require(r.cut && r.size <= 512 && r.count == (512 - 22) / 16, "%zu of %zu", r.count, r.size);
    a.payload = 1000;
    r = ask_by(&a, "many", DNS_A);
    require(r.cut && r.size <= 1000 && r.size > 960, "%zu of %zu", r.count, r.size);
    a.payload = 4096;
    r = ask_by(&a, "many", DNS_A);
    require(r.cut && r.size <= 1232 && r.size > 1200, "%zu of %zu", r.count, r.size);
    a.tcp = true;
    r = ask_by(&a, "many", DNS_A);
    require(!r.cut && r.count == 100, "%zu", r.count);
    a.payload = 0;
    a.from = "fd00::2";
    a.to = "fd00::1";
    r = ask_by(&a, "many", DNS_A);
    require(!r.cut && r.count == 100, "%zu", r.count);
    done();
}

/* ---- other servers ----------------------------------------------------------------------------*/

static const struct outside slow = {"127.0.0.53", 30, 0, "192.0.2.1"},
                            second = {"127.0.0.54", 0, 0, "192.0.2.2"},
                            silent = {"127.0.0.55", -1, 0, "192.0.2.3"},
                            sick = {"127.0.0.56", 0, DNS_SERVFAIL, "192.0.2.4"},
                            six = {"fd00::53", 0, 0, "192.0.2.5"},
                            late = {"127.0.0.57", 1500, 0, "192.0.2.6"};

static void forwards(void)
{
    (void)outside_start(&slow);
    (void)outside_start(&second);
    (void)outside_start(&silent);
    (void)outside_start(&sick);
    (void)outside_start(&six);
    (void)outside_start(&late);
    static const struct {
        const char *upstream, *from, *answer;
        unsigned code;
        bool tcp;
    } rows[] = {
        {"127.0.0.53", "127.0.0.2", "192.0.2.1", 0, false},
        {"fd00::53", "127.0.0.2", "192.0.2.5", 0, false},   /* changed between two questions */
        {"127.0.0.53", "127.0.0.3", "192.0.2.2", 0, false}, /* has its own server */
        {"127.0.0.99,127.0.0.53", "127.0.0.2", "192.0.2.1", 0, false}, /* nothing listens there */
        {"127.0.0.56,127.0.0.53", "127.0.0.2", "192.0.2.1", 0, false},
        {"127.0.0.56", "127.0.0.2", NULL, DNS_SERVFAIL, false},
        {"127.0.0.55,127.0.0.54", "127.0.0.2", "192.0.2.2", 0, false}, /* does not answer */
        {"127.0.0.53", "127.0.0.2", "192.0.2.1", 0, true},
        {"127.0.0.99,127.0.0.53", "127.0.0.2", "192.0.2.1", 0, true},
        {"", "127.0.0.2", NULL, DNS_SERVFAIL, true},
        {"127.0.0.57", "127.0.0.2", "192.0.2.6", 0, false}, /* after the question was repeated */
        {"127.0.0.57", "127.0.0.2", "192.0.2.6", 0, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        set_upstream(rows[i].upstream);
        const struct asking a = {.from = rows[i].from,
                                 .to = "127.0.0.1",
                                 .port = t.port,
                                 .tcp = rows[i].tcp,
                                 .ms = 4000};
        struct reply r = ask_by(&a, "www.Example.com", DNS_A);
        require(rows[i].answer ? tells(&r, rows[i].answer) : r.code == (int)rows[i].code,
                "row %zu: code %d, %zu records", i, r.code, r.count);
    }
    /* A container with very many names can still ask outside servers. */
    _cleanup_free_ char *names = xstrdup("many");
    for (int i = 0; i < 2000; i++) {
        char *more = xasprintf("%s,an-alias-of-about-forty-characters-%d", names, i);
        free(names);
        names = more;
    }
    join("red", "gggg", "127.0.0.8", NULL, names, false, NULL);
    set_upstream("127.0.0.53");
    const struct asking a = {.from = "127.0.0.8", .to = "127.0.0.1", .port = t.port, .ms = 4000};
    struct reply r = ask_by(&a, "www.Example.com", DNS_A);
    require(tells(&r, "192.0.2.1"), "code %d", r.code);
    done();
}

/* ---- many questions at once -------------------------------------------------------------------*/

#define MANY 200
struct crowd {
    int fds[MANY];
    bool answered[MANY];
    unsigned count, twice;
};

static void crowd_ask(struct crowd *c, unsigned count, const char *name)
{
    for (unsigned i = 0; i < count; i++) {
        _cleanup_free_ char *from = xasprintf("127.0.0.%u", 2 + i % 2 * 2);
        uint8_t data[512];
        size_t size = question(name, DNS_A, (uint16_t)i, 0, data);
        c->fds[i] = open_socket(from, "127.0.0.1", t.port, SOCK_DGRAM);
        require(send(c->fds[i], data, size, 0) == (ssize_t)size, "%m");
    }
    c->count = count;
}

/* Returns how many have no answer yet. */
static unsigned crowd_wait(struct crowd *c, int ms)
{
    int64_t end_at = monotonic_ms() + ms;
    unsigned missing = 0;
    for (unsigned i = 0; i < c->count; i++) {
        int64_t left = end_at - monotonic_ms();
        uint8_t data[512];
        if (!c->answered[i] && wait_for(c->fds[i], left < 0 ? 0 : (int)left)) {
            ssize_t n = recv(c->fds[i], data, sizeof(data), 0);
            require(n > 12 && u16(data) == i && (data[3] & 15) == 0 && u16(data + 6) == 1,
                    "question %u: code %d", i, data[3] & 15);
            c->answered[i] = true;
        }
        missing += !c->answered[i];
    }
    return missing;
}

static void crowd_close(struct crowd *c)
{
    for (unsigned i = 0; i < c->count; i++) {
        uint8_t data[512];
        c->twice += recv(c->fds[i], data, sizeof(data), MSG_DONTWAIT) > 0;
        close(c->fds[i]);
    }
    *c = (struct crowd){.twice = c->twice};
}

static void killed(void)
{
    static const struct outside far = {"127.0.0.53", 150, 0, "192.0.2.1"};
    struct crowd c = {0};
    (void)outside_start(&far);
    set_upstream("127.0.0.53");
    stop(0);
    stop(1);
    crowd_ask(&c, MANY, "web"); /* in the kernel's queue */
    end(0);
    start(0);
    unsigned missing = crowd_wait(&c, 3000);
    require(missing == 0, "%u are not answered", missing);
    go_on(1);
    crowd_close(&c);
    for (unsigned self = 0; self < NAME_SERVERS; self++) {
        crowd_ask(&c, 100, "www.example.com"); /* some reach each server */
        pause_ms(50);
        end(self);
        start(self);
        missing = crowd_wait(&c, 3000);
        require(missing == 0, "%u are not answered", missing);
        crowd_close(&c);
    }
    crowd_ask(&c, 100, "www.example.com");
    pause_ms(50);
    end(0); /* and no other one is started */
    missing = crowd_wait(&c, 3000);
    require(missing == 0, "%u are not answered", missing);
    crowd_close(&c);
    start(0);
    printf("# killed: %u answers came twice\n", c.twice);
    done();
}

/* Servers are killed as fast as they can be started; clients do not notice. */
static void killed_often(void)
{
    unsigned seed = 3, lost = 0, asked = 0;
    fflush(stdout);
    pid_t asker = fork();
    if (asker == 0) {
        const struct asking a = {
            .from = "127.0.0.3", .to = "127.0.0.1", .port = t.port, .ms = 2000};
        int64_t end_at = monotonic_ms() + 1500;
        for (; monotonic_ms() < end_at; asked++) {
            struct reply r = ask_by(&a, "web", DNS_A);
            lost += r.code != 0 || r.count != 1;
        }
        printf("# killed often: %u questions, %u not answered\n", asked, lost);
        fflush(stdout);
        _exit(lost != 0);
    }
    int status, kills = 0;
    for (; waitpid(asker, &status, WNOHANG) == 0; kills++) {
        unsigned self = rand_r(&seed) % 2;
        usleep(rand_r(&seed) % 4000);
        end(self);
        start(self);
    }
    require(status == 0, "questions were lost in %d kills", kills);
    done();
}

static void stopped(void)
{
    static const struct outside far = {"127.0.0.53", 100, 0, "192.0.2.1"};
    struct crowd c = {0};
    (void)outside_start(&far);
    set_upstream("127.0.0.53");
    for (unsigned self = 0; self < NAME_SERVERS; self++) {
        crowd_ask(&c, 100, "www.example.com");
        pause_ms(30);
        stop(self);
        unsigned missing = crowd_wait(&c, 3000);
        require(missing == 0, "%u are not answered", missing);
        go_on(self);
        crowd_close(&c);
        pause_ms(50);
        require_reply(ask("127.0.0.2", "web", DNS_A), DNS_NOERROR, 1);
    }
    crowd_ask(&c, 100, "www.example.com"); /* both, and both continue */
    pause_ms(30);
    stop(0);
    stop(1);
    pause_ms(300);
    go_on(0);
    go_on(1);
    unsigned missing = crowd_wait(&c, 3000);
    require(missing == 0, "%u are not answered", missing);
    crowd_close(&c);
    printf("# stopped: %u answers came twice\n", c.twice);
    for (int64_t until = monotonic_ms() + 3000; monotonic_ms() < until; pause_ms(10))
        if (!names_shared_busy(t.shared, 0) && !names_shared_busy(t.shared, 1))
            break;
    require(!names_shared_busy(t.shared, 0) && !names_shared_busy(t.shared, 1), "a slot is held");
    pause_ms(400); /* idle servers sleep */
    uint64_t before = names_shared_progress(t.shared, 0) + names_shared_progress(t.shared, 1);
    pause_ms(400);
    require(names_shared_progress(t.shared, 0) + names_shared_progress(t.shared, 1) == before,
            "they wake up for nothing");
    done();
}

/* A server that receives one question and ends in the same moment. */
static void thief(struct shared_server *own)
{
    struct slot *slot = &own->slots[7];
    struct iovec vector = {slot->data, sizeof(slot->data)};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)setpriority(PRIO_PROCESS, 0, -20); /* on a busy machine, too, it must be faster once */
    slot->header = 3;
    own->headers[3] = (struct mmsghdr){.msg_hdr = {.msg_name = &slot->asker,
                                                   .msg_namelen = sizeof(slot->asker),
                                                   .msg_iov = &vector,
                                                   .msg_iovlen = 1,
                                                   .msg_control = slot->control,
                                                   .msg_controllen = sizeof(slot->control)}};
    own->states[7] = NEXT_USE(own->states[7], SLOT_RECEIVING);
    while (recvmmsg(t.sockets.udp4, &own->headers[3], 1, MSG_DONTWAIT, NULL) != 1)
        ;
    _exit(0);
}

/* The other server sleeps, is woken by a question that is gone already, and has to look for it. */
static void taken_away(void)
{
    uint8_t data[512];
    int status, tries = 0;
    _cleanup_close_ int fd = open_socket("127.0.0.3", "127.0.0.1", t.port, SOCK_DGRAM);
    end(0);
    pid_t pid = fork();
    if (pid == 0)
        thief(&t.shared->servers[0]);
    for (bool taken = false; !taken; tries++) {
        pause_ms(250);
        require(!names_shared_busy(t.shared, 0) && tries < 60, "nothing has been taken away");
        size_t size = question("web", DNS_A, 5, 0, data);
        require(send(fd, data, size, 0) == (ssize_t)size, "%m");
        require(wait_for(fd, PATIENCE_MS) && recv(fd, data, sizeof(data), 0) > 12 && data[1] == 5 &&
                    u16(data + 6) == 1,
                "nobody has noticed");
        taken = waitpid(pid, &status, WNOHANG) == pid;
    }
    require(!names_shared_busy(t.shared, 0), "it is held by both");
    start(0);
    done();
}

/* A client that repeats a question before it is answered gets at most one answer from each
 * server. */
static void asked_again(void)
{
    /* On a busy machine, 20 datagrams take a while. */
    static const struct outside far = {"127.0.0.53", 600, 0, "192.0.2.1"};
    uint8_t data[512];
    size_t size = question("www.example.com", DNS_A, 9, 0, data);
    unsigned count = 0;
    (void)outside_start(&far);
    set_upstream("127.0.0.53");
    _cleanup_close_ int fd = open_socket("127.0.0.2", "127.0.0.1", t.port, SOCK_DGRAM);
    for (int i = 0; i < 20; i++)
        require(send(fd, data, size, 0) == (ssize_t)size, "%m");
    while (wait_for(fd, count ? 300 : PATIENCE_MS) && recv(fd, data, sizeof(data), 0) > 0)
        count++;
    require(count == 1 || count == 2, "%u answers", count);
    done();
}

static void flood(const char *from, bool junk)
{
    enum { AT_ONCE = 64 };
    uint8_t data[512];
    size_t size = junk ? 40 : question("www.example.com", DNS_A, 1, 0, data);
    if (junk)
        memset(data, 0x55, size);
    struct iovec vector = {data, size};
    struct mmsghdr m[AT_ONCE];
    for (int i = 0; i < AT_ONCE; i++)
        m[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &vector, .msg_iovlen = 1}};
    int fd = open_socket(from, "127.0.0.1", t.port, SOCK_DGRAM);
    for (;;) {
        (void)sendmmsg(fd, m, AT_ONCE, 0);
        data[0]++;
        while (recv(fd, data + 256, 256, MSG_DONTWAIT) >= 0)
            ;
    }
}

/* Datagrams that this namespace has lost because a socket's queue was full. */
static unsigned overflows(void)
{
    unsigned lost = 0;
    _cleanup_free_ char *text = NULL;
    require(read_file_at(AT_FDCWD, "/proc/self/net/snmp", 65536, &text, NULL) == 0, "snmp");
    const char *values = strstr(text, "\nUdp: ");
    values = values ? strstr(values + 1, "\nUdp: ") : NULL;
    require(values && sscanf(values, "\nUdp: %*u %*u %*u %*u %u", &lost) == 1, "snmp");
    return lost;
}

/* A resolver asks again, too: on a busy machine the queue overflows while the servers wait for their turn. */
static void ask_flooded(const struct asking *a, int number, unsigned *again)
{
    struct reply r = {.code = -1};
    unsigned before = overflows();
    for (int tries = 0; tries < 5 && r.code < 0; tries++) {
        *again += tries > 0;
        r = ask_by(a, "web", DNS_A);
        require(r.code >= 0 || overflows() > before, "question %d: lost, not crowded out", number);
    }
    require(tells(&r, "127.0.0.2"), "question %d: code %d", number, r.code);
}

static void flooded(void)
{
    const struct asking a = {.from = "127.0.0.3", .to = "127.0.0.1", .port = t.port, .ms = 1000};
    (void)outside_start(&slow);
    set_upstream("127.0.0.53");
    for (int junk = 0; junk < 2; junk++) {
        unsigned again = 0;
        fflush(stdout);
        pid_t pid = fork();
        if (pid == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            flood("127.0.0.2", junk);
        }
        pause_ms(100);
        for (int i = 0; i < 300; i++)
            ask_flooded(&a, i, &again);
        require(again < 60, "%u of 300 questions had to be asked again", again);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        printf("# flooded with %s: %u of 300 questions had to be asked again, %u datagrams lost\n",
               junk ? "junk" : "questions", again, overflows());
    }
    done();
}

/* ---- connections ------------------------------------------------------------------------------*/

static void half_open(void)
{
    enum { COUNT = 500 };
    int fds[COUNT];
    const uint8_t half[] = {0, 40, 1, 2, 3};
    for (int i = 0; i < COUNT; i++) {
        fds[i] = open_socket("127.0.0.2", "127.0.0.1", t.port, SOCK_STREAM);
        (void)send(fds[i], half, (size_t)(i % 6), MSG_NOSIGNAL);
    }
    struct asking a = {
        .from = "127.0.0.3", .to = "127.0.0.1", .port = t.port, .tcp = true, .ms = PATIENCE_MS};
    for (int i = 0; i < 20; i++) {
        struct reply r = ask_by(&a, "web", DNS_A);
        require(tells(&r, "127.0.0.2"), "question %d: code %d", i, r.code);
    }
    a.from = "127.0.0.2"; /* this client has connections itself */
    struct reply r = ask_by(&a, "web", DNS_A);
    require(tells(&r, "127.0.0.2"), "code %d", r.code);
    for (int i = 0; i < COUNT; i++)
        close(fds[i]);
    done();
}

/* The maximum of connections, each with a question that is not answered yet. */
static void in_use(void)
{
    enum { ASKERS = 20, EACH = 16 };
    int fds[ASKERS * EACH];
    uint8_t data[1024];
    size_t size = question("www.example.com", DNS_A, 1, 0, data + 2);
    data[0] = 0;
    data[1] = (uint8_t)size;
    set_upstream("127.0.0.99");
    for (int i = 0; i < ASKERS; i++) {
        _cleanup_free_ char *id = xasprintf("many%d", i), *from = xasprintf("127.0.1.%d", i + 1);
        join("red", id, from, NULL, id, false, NULL);
        for (int k = 0; k < EACH; k++) {
            int *fd = &fds[i * EACH + k];
            *fd = open_socket(from, "127.0.0.1", t.port, SOCK_STREAM);
            (void)send(*fd, data, size + 2, MSG_NOSIGNAL);
        }
    }
    pause_ms(300);
    const struct asking a = {
        .from = "127.0.0.3", .to = "127.0.0.1", .port = t.port, .tcp = true, .ms = PATIENCE_MS};
    for (int i = 0; i < 20; i++) {
        struct reply r = ask_by(&a, "web", DNS_A);
        require(tells(&r, "127.0.0.2"), "question %d: code %d", i, r.code);
    }
    for (int i = 0; i < ASKERS * EACH; i++)
        close(fds[i]);
    done();
}

/* Several questions over one connection, byte by byte; then one that is too long. */
static void streams(void)
{
    _cleanup_close_ int fd = open_socket("127.0.0.3", "127.0.0.1", t.port, SOCK_STREAM);
    uint8_t data[1024];
    for (uint16_t id = 1; id < 4; id++) {
        size_t size = question("web", DNS_A, id, 0, data + 2);
        data[0] = 0;
        data[1] = (uint8_t)size;
        for (size_t i = 0; i < size + 2; i++) {
            require(send(fd, data + i, 1, MSG_NOSIGNAL) == 1, "%m");
            if (id == 1)
                pause_ms(1);
        }
    }
    for (unsigned id = 1; id < 4; id++) {
        require(read_whole(fd, data, 2, 3000) && read_whole(fd, data + 2, u16(data), 3000) &&
                    u16(data + 2) == id && (data[5] & 15) == 0,
                "answer %u", id);
    }
    const uint8_t longer[] = {0x7f, 0xff, 0, 9, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0};
    require(send(fd, longer, sizeof(longer), MSG_NOSIGNAL) == sizeof(longer) &&
                read_whole(fd, data, 2, 3000) && read_whole(fd, data + 2, u16(data), 3000) &&
                (data[5] & 15) == DNS_FORMERR && !read_whole(fd, data, 1, 3000),
            "one that is too long");
    done();
}

/* ---- around -----------------------------------------------------------------------------------*/

static bool is_first(uint16_t port, void *arg)
{
    (void)arg;
    return port == 1022;
}

static bool is_confined(pid_t pid)
{
    _cleanup_free_ char *path = xasprintf("/proc/%d/status", pid), *text = NULL;
    return read_file_at(AT_FDCWD, path, 65536, &text, NULL) == 0 && strstr(text, "Seccomp:\t2") &&
           strstr(text, "NoNewPrivs:\t1") && strstr(text, "CapEff:\t0000000000000000") &&
           strstr(text, "CapBnd:\t0000000000000000");
}

static void around(void)
{
    require(name_sockets_valid(&t.sockets, t.port) && !name_sockets_valid(&t.sockets, 1), "valid");
    struct name_sockets mixed = t.sockets, other = NAME_SOCKETS_INIT;
    mixed.udp6 = mixed.udp4;
    require(!name_sockets_valid(&mixed, t.port), "mixed up");
    require(!name_sockets_valid(&other, t.port), "none");
    int port = name_sockets_open(t.port, is_first, NULL, &other, NULL); /* t.port is in use */
    require(t.port == 1023 && port == 1021 && name_sockets_valid(&other, 1021), "%d", port);
    name_sockets_close(&other);
    _cleanup_err_ struct err e = ERR_INIT;
    require(!names_shared_map(t.dir, &e) && e.text, "a directory is mapped");
    _cleanup_close_ int wrong = memfd_create("x", MFD_CLOEXEC);
    require(!names_shared_map(wrong, &e), "another file is mapped");
    require_reply(ask("127.0.0.2", "web", DNS_A), DNS_NOERROR, 1);
    for (unsigned i = 0; i < NAME_SERVERS; i++) {
        const int64_t until = monotonic_ms() + PATIENCE_MS;
        while (!is_confined(t.pids[i]) && monotonic_ms() < until)
            pause_ms(10);
        require(is_confined(t.pids[i]), "server %u", i);
    }
    done();
}

static void queue(void)
{
    static struct queue q;
    uint16_t instead, next = 0;
    const struct ip many = ip("10.0.0.1"), other = ip("10.0.0.2");
    queue_init(&q);
    while (queue_admits(&q, &many, &instead))
        queue_add(&q, next++, &many);
    require(next == SLOTS / 2 + 1 && instead == QUEUE_NONE, "%u", next);
    queue_add(&q, next++, &other);
    queue_add(&q, next++, &other);
    require(q.asker[queue_take(&q)] != q.asker[queue_take(&q)], "one after the other");
    for (unsigned i = 0; i < 230; i++) { /* more clients than there are entries */
        const struct ip another = {.family = AF_INET, .bytes = {10, 1, 0, (uint8_t)i}};
        require(queue_admits(&q, &another, &instead), "asker %u", i);
        if (instead != QUEUE_NONE) {
            require(q.askers[q.asker[instead]].held > 1, "one who has but one gives it up");
            queue_release(&q, instead);
        }
        for (next = 0; q.asker[next] != QUEUE_NONE;)
            next++;
        queue_add(&q, next, &another);
        require(q.taken <= QUEUE_ROOM, "%u", q.taken);
    }
    unsigned count = 0;
    for (uint16_t slot; (slot = queue_take(&q)) != QUEUE_NONE; count++)
        queue_release(&q, slot);
    for (uint16_t i = 0; i < SLOTS; i++)
        if (q.asker[i] != QUEUE_NONE)
            queue_release(&q, i);
    require(q.taken == 0 && q.turn == QUEUE_NONE && count > 300, "%u", q.taken);
    done();
}

int main(void)
{
    static const struct apart checks[] = {
        {"answers", answers},
        {"refusals, and packets that are no query", refusals},
        {"answers that are too long", lengths},
        {"queries that are forwarded", forwards},
        {"servers that are killed while they process queries", killed},
        {"servers that are killed all the time", killed_often},
        {"servers that hang", stopped},
        {"a query of a client that has gone", taken_away},
        {"a repeated query", asked_again},
        {"a client that floods", flooded},
        {"a client that holds connections", half_open},
        {"many clients that use all connections", in_use},
        {"several queries on one connection", streams},
        {"sockets, memory, confinement", around},
        {"turns", queue},
    };
    return run_all_apart(prepare, checks, ARRAY_LEN(checks));
}
