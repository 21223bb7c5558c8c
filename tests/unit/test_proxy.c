/* Access through [::1], and the refusal of everything else that reaches a held socket.
 *
 * Each check runs in a process and a network namespace of its own. The container is a server at
 * addresses of this host. The proxy runs in a child, as it does in the monitor.
 */
#include "sandbox/proxy.h"

#include "apart.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#define HOST4 "192.0.2.2"
#define HOST6 "2001:db8::2"
#define CONTAINER4 "10.88.0.7"
#define CONTAINER6 "fd00:1:2::7"

enum { HOST_PORT = 8080, PORT = 80, PATIENCE_MS = 5000, IDLE_MS = 1000 /* sandbox/proxy.c */ };

/* ---- a host ----------------------------------------------------------------------------------*/

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

/* Addresses of the host and the container, all on lo. */
static void make_host(void)
{
    static const char *const addresses[] = {HOST4, HOST6, CONTAINER4, CONTAINER6};
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_rt_ struct rt *rt = NULL;
    require(rt_open(&rt, &e) == 0, "%s", e.text);
    _cleanup_rt_batch_ struct rt_batch *b = rt_batch_new(rt);
    rt_set_up(b, 1);
    for (size_t i = 0; i < ARRAY_LEN(addresses); i++) {
        struct ip a = ip(addresses[i]);
        rt_add_address(b, 1, &a, (uint8_t)(8 * ip_size(&a)));
    }
    require(rt_commit(b, &e) == 0, "%s", e.text);
    wait_for_route(HOST6);
    wait_for_route(CONTAINER6);
}

/* A socket with timeouts, so that no test hangs. */
static int new_socket(const char *host, int type)
{
    struct timeval patience = {.tv_sec = PATIENCE_MS / 1000};
    struct ip a = ip(host);
    int fd = socket(a.family, type | SOCK_CLOEXEC, 0), one = 1;
    require(fd >= 0, "%s", strerror(errno));
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    return fd;
}

static int serve(const char *host, uint16_t port, int type)
{
    struct sockaddr_storage a;
    socklen_t size = address(host, port, &a);
    int fd = new_socket(host, type);
    require(bind(fd, (struct sockaddr *)&a, size) == 0, "bind %s: %s", host, strerror(errno));
    require(type != SOCK_STREAM || listen(fd, 4096) == 0, "%s", strerror(errno));
    return fd;
}

/* -1 with errno if it is refused. */
static int call_from(const char *from, const char *host, uint16_t port, int type)
{
    struct sockaddr_storage a;
    int fd = new_socket(host, type);
    if (from) {
        socklen_t size = address(from, 0, &a);
        require(bind(fd, (struct sockaddr *)&a, size) == 0, "%s", strerror(errno));
    }
    socklen_t size = address(host, port, &a);
    if (connect(fd, (struct sockaddr *)&a, size) == 0)
        return fd;
    int code = errno;
    close(fd);
    errno = code;
    return -1;
}

static int call(const char *host, uint16_t port)
{
    int fd = call_from(NULL, host, port, SOCK_STREAM);
    require(fd >= 0, "connect to %s: %s", host, strerror(errno));
    return fd;
}

static int answer_call(int server)
{
    struct timeval patience = {.tv_sec = PATIENCE_MS / 1000};
    int fd = accept4(server, NULL, NULL, SOCK_CLOEXEC);
    require(fd >= 0, "accept: %s", strerror(errno));
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    return fd;
}

/* ---- the proxy -------------------------------------------------------------------------------*/

struct options {
    bool ipv4_only;  /* the container has no IPv6 address */
    rlim_t fd_limit; /* 0: unchanged */
    const char *publish;
};

static void run_proxy(const struct options *o, int ready)
{
    _cleanup_err_ struct err e = ERR_INIT;
    struct port_mappings list = {0};
    struct bound_ports held;
    struct proxy *p = NULL;
    struct ip to4 = ip(CONTAINER4), to6 = o->ipv4_only ? (struct ip){0} : ip(CONTAINER6);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)signal(SIGPIPE, SIG_IGN);
    require(port_mapping_parse(o->publish, &list, &e) == 0, "%s", e.text);
    require(port_mappings_bind(&list, true, &held, NULL, &e) == 0, "%s", e.text);
    struct loop *loop = NULL;
    require(loop_new(&loop, &e) == 0, "%s", e.text);
    const struct proxy_request request = {.loop = loop, .held = &held, .to4 = to4, .to6 = to6};
    require(proxy_new(&request, &p, &e) == 0, "%s", e.text);
    struct rlimit l = {o->fd_limit, o->fd_limit};
    require(!o->fd_limit || setrlimit(RLIMIT_NOFILE, &l) == 0, "%s", strerror(errno));
    require(write(ready, "x", 1) == 1, "%s", strerror(errno));
    require(loop_run(loop, &e) == 0, "%s", e.text);
}

static pid_t begin(const struct options *o)
{
    int ready[2];
    char c;
    require(pipe2(ready, O_CLOEXEC) == 0, "%s", strerror(errno));
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0)
        run_proxy(o, ready[1]);
    close(ready[1]);
    require(read(ready[0], &c, 1) == 1, "the proxy does not begin");
    close(ready[0]);
    return pid;
}

static void end(pid_t pid)
{
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
}

static const struct options tcp = {.publish = "8080:80"};
static const struct options udp = {.publish = "8080:80/udp"};

/* CPU time of a process, in ms. */
static int cpu_ms(pid_t pid)
{
    _cleanup_free_ char *path = xasprintf("/proc/%d/schedstat", pid), *text = NULL;
    uint64_t ns = 0;
    if (read_file_at(AT_FDCWD, path, 256, &text, NULL) < 0 || sscanf(text, "%lu", &ns) != 1)
        return -1;
    return (int)(ns / 1000000);
}

/* The number of fds of a process, and how many of them are not close-on-exec. */
static int count_fds(pid_t pid, int *inherited)
{
    _cleanup_free_ char *path = xasprintf("/proc/%d/fdinfo", pid);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), count = 0;
    _cleanup_dir_ DIR *d = fdopendir(fd);
    require(d, "%s", strerror(errno));
    *inherited = 0;
    for (struct dirent *entry; (entry = readdir(d));) {
        _cleanup_free_ char *text = NULL;
        unsigned flags;
        if (read_file_at(fd, entry->d_name, 65536, &text, NULL) < 0 || !strstr(text, "flags:") ||
            sscanf(strstr(text, "flags:"), "flags: %o", &flags) != 1)
            continue;
        count++;
        *inherited += !(flags & O_CLOEXEC);
    }
    return count;
}

/* How many connections to the published port wait to be accepted: rx_queue of the listening sockets. */
static unsigned waiting(void)
{
    _cleanup_free_ char *text = NULL;
    unsigned sum = 0, port, state, queue;
    require(read_file_at(AT_FDCWD, "/proc/self/net/tcp6", 1 << 24, &text, NULL) == 0, "tcp6");
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
        if (sscanf(line, "%*s %*[^:]:%x %*s %x %*[^:]:%x", &port, &state, &queue) == 3 &&
            port == HOST_PORT && state == TCP_LISTEN)
            sum += queue;
    return sum;
}

/* Waits until the proxy has accepted all connections and sleeps: on a busy machine its turn comes late. */
static void settle(pid_t pid)
{
    int64_t until = monotonic_ms() + 4 * PATIENCE_MS;
    while (waiting() || proc_state(pid) != 'S') {
        require(monotonic_ms() < until, "%u still wait", waiting());
        pause_ms(2);
    }
}

/* ---- saying things ---------------------------------------------------------------------------*/

static void say(int fd, const char *text)
{
    require(send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text), "%s",
            strerror(errno));
}

static void expect_text(int fd, const char *text)
{
    char got[256] = "";
    ssize_t n = recv(fd, got, strlen(text), MSG_WAITALL);
    require(n == (ssize_t)strlen(text) && memcmp(got, text, (size_t)n) == 0, "`%s' for `%s' (%s)",
            got, text, n < 0 ? strerror(errno) : "");
}

static void expect_end(int fd)
{
    char c;
    ssize_t n = recv(fd, &c, 1, 0);
    require(n == 0, "%zd, %s", n, strerror(errno));
}

static void expect_reset(int fd)
{
    char c;
    ssize_t n = recv(fd, &c, 1, 0);
    require(n < 0 && errno == ECONNRESET, "%zd, %s", n, strerror(errno));
}

static void hang_up(int fd)
{
    struct linger at_once = {1, 0};
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    close(fd);
}

/* Checks that a connection is refused, at once or by a reset after it was accepted. */
static void expect_refusal(const char *from, const char *host)
{
    int fd = call_from(from, host, HOST_PORT, SOCK_STREAM);
    if (fd < 0) {
        require(errno == ECONNREFUSED || errno == ECONNRESET, "%s: %s", host, strerror(errno));
        return;
    }
    expect_reset(fd);
    close(fd);
}

/* ---- checks: TCP -----------------------------------------------------------------------------*/

static void converse(int server)
{
    _cleanup_close_ int client = call("::1", HOST_PORT);
    _cleanup_close_ int there = answer_call(server);
    say(client, "who is there?");
    expect_text(there, "who is there?");
    say(there, "the container");
    expect_text(client, "the container");
}

static void check_tcp6(void)
{
    _cleanup_close_ int server = serve(CONTAINER6, PORT, SOCK_STREAM);
    pid_t pid = begin(&tcp);
    for (int i = 0; i < 100; i++)
        converse(server);
    end(pid);
}

static void check_tcp4(void)
{
    const struct options o = {.publish = "8080:80", .ipv4_only = true};
    _cleanup_close_ int server = serve(CONTAINER4, PORT, SOCK_STREAM);
    pid_t pid = begin(&o);
    converse(server);
    end(pid);
}

static void check_addresses(void)
{
    static const char *const published[] = {"[::1]:8080:80", "[::]:8080:80"};
    for (size_t i = 0; i < ARRAY_LEN(published); i++) {
        const struct options o = {.publish = published[i]};
        _cleanup_close_ int server = serve(CONTAINER6, PORT, SOCK_STREAM);
        pid_t pid = begin(&o);
        converse(server);
        end(pid);
    }
}

static void check_refusals(void)
{
    _cleanup_close_ int server6 = serve(CONTAINER6, PORT, SOCK_STREAM);
    _cleanup_close_ int server4 = serve(CONTAINER4, PORT, SOCK_STREAM);
    pid_t pid = begin(&tcp);
    expect_refusal(NULL, "127.0.0.1");
    expect_refusal(NULL, HOST4);
    expect_refusal(NULL, HOST6);
    expect_refusal(HOST6, "::1");
    expect_refusal("::1", HOST6);
    struct pollfd p[] = {{.fd = server4, .events = POLLIN}, {.fd = server6, .events = POLLIN}};
    require(poll(p, 2, 50) == 0, "a packet got through");
    converse(server6);
    end(pid);
}

static void check_nobody_there(void)
{
    pid_t pid = begin(&tcp);
    for (int i = 0; i < 20; i++)
        expect_refusal(NULL, "::1");
    _cleanup_close_ int server = serve(CONTAINER6, PORT, SOCK_STREAM);
    converse(server);
    end(pid);
}

static void check_half_close(void)
{
    _cleanup_close_ int server = serve(CONTAINER6, PORT, SOCK_STREAM);
    pid_t pid = begin(&tcp);
    _cleanup_close_ int client = call("::1", HOST_PORT);
    say(client, "question");
    (void)shutdown(client, SHUT_WR); /* perhaps before the proxy has connected to the container */
    _cleanup_close_ int there = answer_call(server);
    expect_text(there, "question");
    expect_end(there);
    pause_ms(50);
    say(there, "answer");
    (void)shutdown(there, SHUT_WR);
    expect_text(client, "answer");
    expect_end(client);

    /* and in the other direction */
    _cleanup_close_ int client2 = call("::1", HOST_PORT);
    _cleanup_close_ int there2 = answer_call(server);
    say(there2, "welcome");
    (void)shutdown(there2, SHUT_WR);
    expect_text(client2, "welcome");
    expect_end(client2);
    say(client2, "thanks");
    (void)shutdown(client2, SHUT_WR);
    expect_text(there2, "thanks");
    expect_end(there2);
    end(pid);
}

static void check_reset(void)
{
    _cleanup_close_ int server = serve(CONTAINER6, PORT, SOCK_STREAM);
    pid_t pid = begin(&tcp);
    int client = call("::1", HOST_PORT), there = answer_call(server);
    hang_up(client);
    expect_reset(there);
    close(there);
    client = call("::1", HOST_PORT);
    there = answer_call(server);
    say(there, "the last word");
    expect_text(client, "the last word");
    hang_up(there);
    expect_reset(client);
    close(client);
    converse(server);
    end(pid);
}

/* A server that answers before it has read everything, and resets: its answer still arrives. */
static void check_early_answer(void)
{
    _cleanup_close_ int server = serve(CONTAINER6, PORT, SOCK_STREAM);
    pid_t pid = begin(&tcp);
    _cleanup_close_ int client = call("::1", HOST_PORT);
    int there = answer_call(server);
    _cleanup_free_ char *body = xcalloc(1, 100000);
    require(send(client, body, 100000, 0) == 100000, "%s", strerror(errno));
    say(there, "413 too large");
    pause_ms(50);
    close(there); /* with unread data, this is a reset */
    expect_text(client, "413 too large");
    end(pid);
}

/* A byte stream in which missing and repeated bytes are noticed. */
static void fill(uint8_t *data, size_t size, uint64_t at)
{
    for (size_t i = 0; i < size; i++, at++)
        data[i] = (uint8_t)(at ^ at >> 8 ^ at >> 16);
}

enum { CHUNK = 100000 };

static void send_stream(int fd, uint64_t size)
{
    static uint8_t data[CHUNK];
    for (uint64_t at = 0; at < size;) {
        size_t n = size - at < CHUNK ? (size_t)(size - at) : CHUNK;
        fill(data, n, at);
        for (size_t sent = 0; sent < n;) {
            ssize_t r = send(fd, data + sent, n - sent, MSG_NOSIGNAL);
            require(r > 0, "at %lu: %s", at + sent, strerror(errno));
            sent += (size_t)r;
        }
        at += n;
    }
    (void)shutdown(fd, SHUT_WR);
}

static void receive_stream(int fd, uint64_t size, bool slowly)
{
    static uint8_t data[CHUNK], expected[CHUNK];
    uint64_t at = 0;
    for (ssize_t n; (n = recv(fd, data, CHUNK, 0)) != 0; at += (uint64_t)n) {
        require(n > 0, "at %lu: %s", at, strerror(errno));
        fill(expected, (size_t)n, at);
        require(memcmp(data, expected, (size_t)n) == 0, "at %lu: wrong bytes", at);
        if (slowly && (at / 1000000) != (at + (uint64_t)n) / 1000000)
            pause_ms(20);
    }
    require(at == size, "%lu of %lu bytes", at, size);
}

static pid_t in_child(void (*function)(int fd, uint64_t size), int fd, uint64_t size)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        function(fd, size);
        exit(0);
    }
    return pid;
}

static void wait_for(pid_t pid, const char *what)
{
    int status;
    require(waitpid(pid, &status, 0) == pid && status == 0, "%s", what);
}

static void receive_slowly(int fd, uint64_t size)
{
    receive_stream(fd, size, true);
}

/* Both directions at once, one of them to a slow reader. */
static void check_streams(void)
{
    enum { SIZE = 32 * 1024 * 1024 };
    _cleanup_close_ int server = serve(CONTAINER6, PORT, SOCK_STREAM);
    pid_t pid = begin(&tcp);
    int client = call("::1", HOST_PORT), there = answer_call(server);
    pid_t children[] = {
        in_child(send_stream, client, SIZE),
        in_child(send_stream, there, SIZE),
        in_child(receive_slowly, there, SIZE),
    };
    receive_stream(client, SIZE, false);
    for (size_t i = 0; i < ARRAY_LEN(children); i++)
        wait_for(children[i], "a child");
    close(client);
    close(there);
    end(pid);
}

/* The client does not read: the writer blocks, the proxy is idle, and others are served. */
static void check_back_pressure(void)
{
    static char data[CHUNK];
    _cleanup_close_ int server = serve(CONTAINER6, PORT, SOCK_STREAM);
    pid_t pid = begin(&tcp);
    _cleanup_close_ int client = call("::1", HOST_PORT);
    _cleanup_close_ int there = answer_call(server);
    size_t sent = 0;
    for (int idle = 0; idle < 100;) {
        ssize_t n = send(client, data, sizeof(data), MSG_DONTWAIT | MSG_NOSIGNAL);
        require(n >= 0 || errno == EAGAIN, "%s", strerror(errno));
        sent += n > 0 ? (size_t)n : 0;
        idle = n > 0 ? 0 : idle + 1;
        pause_ms(1);
        require(sent < 100 * 1024 * 1024, "all of it is taken");
    }
    int before = cpu_ms(pid);
    pause_ms(300);
    require(cpu_ms(pid) - before < 30, "%d ms of processor time", cpu_ms(pid) - before);
    converse(server);
    (void)shutdown(client, SHUT_WR);
    for (ssize_t n; (n = recv(there, data, sizeof(data), 0)) != 0; sent -= (size_t)n)
        require(n > 0, "%s", strerror(errno));
    require(sent == 0, "%zu bytes are lost", sent);
    end(pid);
}

static void check_idle(void)
{
    _cleanup_close_ int server = serve(CONTAINER6, PORT, SOCK_STREAM);
    pid_t pid = begin(&tcp);
    int fds[40], inherited, others, before = count_fds(pid, &others); /* stdin, … */
    for (int i = 0; i < 40; i += 2) {
        fds[i] = call("::1", HOST_PORT);
        fds[i + 1] = answer_call(server);
        say(fds[i], "hello");
        expect_text(fds[i + 1], "hello");
    }
    (void)shutdown(fds[0], SHUT_WR);
    expect_end(fds[1]);
    int open = count_fds(pid, &inherited) - before;
    require(open >= 40 && open <= 40 + 8, "%d fds for 20 connections", open);
    require(inherited == others, "%d fds would be inherited", inherited - others);
    int used = cpu_ms(pid);
    pause_ms(300);
    require(cpu_ms(pid) - used < 20, "%d ms of processor time", cpu_ms(pid) - used);
    for (int i = 0; i < 40; i++)
        close(fds[i]);
    pause_ms(100);
    open = count_fds(pid, &inherited) - before;
    require(open <= 8, "%d fds are left", open);
    end(pid);
}

static void allow_fds(rlim_t count)
{
    struct rlimit l;
    (void)getrlimit(RLIMIT_NOFILE, &l);
    l.rlim_cur = count;
    l.rlim_max = l.rlim_max < count ? count : l.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &l) < 0)
        exit(SKIPPED);
}

/* Whether the proxy resets one more connection from the same user. */
static bool is_refused(int64_t since)
{
    char c;
    _cleanup_close_ int fd = call_from(NULL, "::1", HOST_PORT, SOCK_STREAM);
    if (fd < 0)
        return errno == ECONNREFUSED || errno == ECONNRESET;
    int64_t after = monotonic_ms() - since;
    if (recv(fd, &c, 1, 0) < 0 && errno == ECONNRESET)
        return true;
    require(after > IDLE_MS / 2, "one too many is served after %d ms", (int)after);
    return false;
}

/* False if the machine is slow: the user's own connections that were idle for a second make room for the next. */
static bool is_bounded(void)
{
    enum { MAX = 1024 };
    static int clients[MAX], theirs[MAX];
    _cleanup_close_ int server = serve(CONTAINER6, PORT, SOCK_STREAM);
    pid_t pid = begin(&tcp);
    bool refused = true;
    for (int i = 0; i < MAX; i++) {
        clients[i] = call("::1", HOST_PORT);
        theirs[i] = answer_call(server);
    }
    int64_t since = monotonic_ms();
    for (int i = 0; i < MAX; i++)
        say(clients[i], "x");
    for (int i = 0; i < MAX; i++)
        expect_text(theirs[i], "x");
    for (int i = 0; i < 10 && refused; i++)
        refused = is_refused(since);
    for (int i = 0; i < MAX; i++) {
        if (refused) {
            say(clients[i], "y");
            expect_text(theirs[i], "y");
        }
        close(clients[i]);
        close(theirs[i]);
    }
    settle(pid);
    if (refused)
        converse(server);
    end(pid);
    return refused;
}

/* 1,024 connections are served, further ones refused, and later ones served again. */
static void check_bound(void)
{
    allow_fds(8192);
    for (int i = 0; i < 10; i++)
        if (is_bounded())
            return;
    require(false, "one too many is served each time");
}

/* The kernel records the effective user at the moment when a socket is created. */
static int call_as(uid_t user, int type)
{
    require(seteuid(user) == 0, "%s", strerror(errno));
    int fd = call_from(NULL, "::1", HOST_PORT, type);
    require(seteuid(0) == 0, "%s", strerror(errno));
    require(fd >= 0, "%s", strerror(errno));
    return fd;
}

enum { CROWD = 1100, GREEDY = 65534, MODEST = 65533 };

/* One user takes all connections and more, with @spread ids; no other user loses any. */
static void crowd(const struct options *o, int spread, bool busy)
{
    static int theirs[CROWD];
    _cleanup_close_ int server = serve(CONTAINER6, PORT, SOCK_STREAM);
    pid_t pid = begin(o);
    _cleanup_close_ int modest = call_as(MODEST, SOCK_STREAM), there = answer_call(server);
    say(modest, "I was first");
    expect_text(there, "I was first");
    for (int i = 0; i < CROWD; i++)
        theirs[i] = call_as((uid_t)(GREEDY + (spread > 1 ? 100000 + i % spread : 0)), SOCK_STREAM);
    for (int i = 0; i < CROWD && busy; i++)
        (void)!send(theirs[i], "x", 1, MSG_NOSIGNAL);
    settle(pid);
    for (struct pollfd p = {.fd = server, .events = POLLIN}; poll(&p, 1, 100) == 1;)
        close(answer_call(server)); /* those that made room, and the others that are half open */
    for (int i = 0; i < 20; i++)
        converse(server);
    say(there, "and am still here");
    expect_text(modest, "and am still here");
    settle(pid);
    int used = cpu_ms(pid);
    pause_ms(200);
    require(cpu_ms(pid) - used < 20, "%d ms of processor time", cpu_ms(pid) - used);
    for (int i = 0; i < CROWD; i++)
        close(theirs[i]);
    end(pid);
}

static void check_greedy(void)
{
    allow_fds(8192);
    crowd(&tcp, 1, false);
    crowd(&tcp, 1, true);
}

/* The container does not accept: connections that wait for it count as well. */
static void check_half_way(void)
{
    static int theirs[CROWD];
    int closed = 0, inherited;
    allow_fds(8192);
    _cleanup_close_ int server = serve(CONTAINER6, PORT, SOCK_STREAM);
    require(listen(server, 0) == 0, "%s", strerror(errno));
    pid_t pid = begin(&tcp);
    for (int i = 0; i < CROWD; i++)
        theirs[i] = call_as(GREEDY, SOCK_STREAM);
    _cleanup_close_ int modest = call_as(MODEST, SOCK_STREAM);
    settle(pid);
    struct pollfd p = {.fd = modest, .events = POLLIN};
    require(poll(&p, 1, 100) == 0, "it has to go");
    for (int i = 0; i < CROWD; i++) {
        p = (struct pollfd){.fd = theirs[i], .events = POLLIN};
        closed += poll(&p, 1, 0) == 1;
    }
    require(closed == CROWD + 1 - 1024, "%d had to go", closed);
    require(count_fds(pid, &inherited) < 2 * 1024 + 50, "%d fds", count_fds(pid, &inherited));
    end(pid);
}

/* The subordinate ids of a user count as that user. */
static void check_subordinate(void)
{
    char path[] = "/tmp/subuid.XXXXXX";
    _cleanup_close_ int file = mkstemp(path);
    require(file >= 0 && write_all(file, "greedy:165534:65536\n", 20) == 0, "%s", strerror(errno));
    bool there = mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
                 mount(path, "/etc/subuid", NULL, MS_BIND, NULL) == 0;
    (void)unlink(path);
    if (!there)
        exit(SKIPPED);
    allow_fds(8192);
    crowd(&tcp, CROWD, false);
}

static void check_greedy_fds(void)
{
    const struct options o = {.publish = "8080:80", .fd_limit = 200};
    allow_fds(8192);
    crowd(&o, 1, false);
}

/* The proxy has no fds left: clients are refused, and it does not spin. */
static void check_no_fds(void)
{
    enum { CLIENTS = 60 };
    static int clients[CLIENTS];
    const struct options o = {.publish = "8080:80", .fd_limit = 40};
    _cleanup_close_ int server = serve(CONTAINER6, PORT, SOCK_STREAM);
    int served = 0;
    pid_t pid = begin(&o);
    for (int i = 0; i < CLIENTS; i++)
        clients[i] = call_from(NULL, "::1", HOST_PORT, SOCK_STREAM);
    pause_ms(100);
    int used = cpu_ms(pid);
    pause_ms(300);
    require(cpu_ms(pid) - used < 20, "%d ms of processor time", cpu_ms(pid) - used);
    for (int i = 0; i < CLIENTS; i++) {
        struct pollfd p = {.fd = clients[i], .events = POLLIN};
        served += clients[i] >= 0 && poll(&p, 1, 0) == 0;
    }
    require(served > 4 && served < 25, "%d are served or left to hang", served);
    for (int i = 0; i < CLIENTS; i++)
        close_fd(clients[i]);
    pause_ms(100);
    for (struct pollfd p = {.fd = server, .events = POLLIN}; poll(&p, 1, 0) == 1;)
        close(answer_call(server));
    converse(server);
    end(pid);
}

/* ---- checks: UDP -----------------------------------------------------------------------------*/

static int udp_call(const char *from, const char *host)
{
    int fd = call_from(from, host, HOST_PORT, SOCK_DGRAM);
    require(fd >= 0, "%s: %s", host, strerror(errno));
    return fd;
}

/* Sends back what it receives, once. */
static void echo(int server)
{
    static char data[65536];
    struct sockaddr_storage from;
    socklen_t size = sizeof(from);
    ssize_t n = recvfrom(server, data, sizeof(data), 0, (struct sockaddr *)&from, &size);
    require(n >= 0, "nothing came: %s", strerror(errno));
    require(sendto(server, data, (size_t)n, 0, (struct sockaddr *)&from, size) == n, "%s",
            strerror(errno));
}

static void converse_udp(int server)
{
    static char sent[60000], got[60001];
    _cleanup_close_ int a = udp_call(NULL, "::1");
    _cleanup_close_ int b = udp_call(NULL, "::1");
    say(a, "from a");
    say(b, "from b");
    echo(server);
    echo(server);
    expect_text(b, "from b");
    expect_text(a, "from a");
    memset(sent, 'y', sizeof(sent));
    require(send(a, sent, sizeof(sent), 0) == sizeof(sent), "%s", strerror(errno));
    echo(server);
    require(recv(a, got, sizeof(got), 0) == sizeof(sent) && memcmp(sent, got, sizeof(sent)) == 0,
            "a large datagram is damaged");
    require(send(b, "", 0, 0) == 0, "%s", strerror(errno));
    echo(server);
    require(recv(b, got, sizeof(got), 0) == 0, "an empty datagram is lost");
}

static void check_udp(void)
{
    _cleanup_close_ int server6 = serve(CONTAINER6, PORT, SOCK_DGRAM);
    pid_t pid = begin(&udp);
    converse_udp(server6);
    end(pid);
    const struct options o = {.publish = "8080:80/udp", .ipv4_only = true};
    _cleanup_close_ int server4 = serve(CONTAINER4, PORT, SOCK_DGRAM);
    pid = begin(&o);
    converse_udp(server4);
    end(pid);
}

static void check_udp_others(void)
{
    static const struct {
        const char *from, *to;
    } others[] = {{NULL, "127.0.0.1"}, {NULL, HOST4},  {NULL, HOST6},
                  {HOST6, "::1"},      {"::1", HOST6}, {HOST6, HOST6}};
    _cleanup_close_ int server4 = serve(CONTAINER4, PORT, SOCK_DGRAM);
    _cleanup_close_ int server6 = serve(CONTAINER6, PORT, SOCK_DGRAM);
    pid_t pid = begin(&udp);
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        _cleanup_close_ int fd = udp_call(others[i].from, others[i].to);
        say(fd, "let me in");
    }
    struct pollfd p[] = {{.fd = server4, .events = POLLIN}, {.fd = server6, .events = POLLIN}};
    require(poll(p, 2, 100) == 0, "a packet got through");
    require(cpu_ms(pid) < 50, "%d ms of processor time", cpu_ms(pid));
    converse_udp(server6);
    end(pid);
}

/* The container does not listen yet: no answer, and only these datagrams are lost. (Not all of them are, if the proxy gets
 * its turn late.) */
static void check_udp_late(void)
{
    char got[16] = "";
    pid_t pid = begin(&udp);
    _cleanup_close_ int fd = udp_call(NULL, "::1");
    for (int i = 0; i < 10; i++)
        say(fd, "too early");
    pause_ms(20);
    say(fd, "too early");
    pause_ms(50);
    _cleanup_close_ int server = serve(CONTAINER6, PORT, SOCK_DGRAM);
    say(fd, "in time");
    for (int i = 0; i < 12 && memcmp(got, "in time", 7) != 0; i++) {
        echo(server);
        require(recv(fd, got, sizeof(got), 0) > 0, "%s", strerror(errno));
    }
    require(memcmp(got, "in time", 7) == 0, "`%.9s'", got);
    int used = cpu_ms(pid);
    pause_ms(200);
    require(cpu_ms(pid) - used < 20, "%d ms of processor time", cpu_ms(pid) - used);
    end(pid);
}

/* More clients than talks: each is answered in turn, and fds are bounded. */
static void check_udp_many(void)
{
    _cleanup_close_ int server = serve(CONTAINER6, PORT, SOCK_DGRAM);
    pid_t pid = begin(&udp);
    int inherited, others, before = count_fds(pid, &others);
    for (int i = 0; i < 600; i++) {
        _cleanup_close_ int fd = udp_call(NULL, "::1");
        _cleanup_free_ char *text = xasprintf("client %d", i);
        say(fd, text);
        echo(server);
        expect_text(fd, text);
    }
    int open = count_fds(pid, &inherited) - before;
    require(open == 256 && inherited == others, "%d fds, %d to be inherited", open,
            inherited - others);
    end(pid);
}

static void check_udp_greedy(void)
{
    enum { MANY = 600 };
    static int theirs[MANY];
    allow_fds(8192);
    _cleanup_close_ int server = serve(CONTAINER6, PORT, SOCK_DGRAM);
    pid_t pid = begin(&udp);
    _cleanup_close_ int modest = call_as(MODEST, SOCK_DGRAM);
    struct sockaddr_storage from;
    socklen_t size = sizeof(from);
    char c;
    say(modest, "?");
    require(recvfrom(server, &c, 1, 0, (struct sockaddr *)&from, &size) == 1, "%s",
            strerror(errno));
    for (int i = 0; i < MANY; i++) {
        theirs[i] = call_as(GREEDY, SOCK_DGRAM);
        say(theirs[i], "x");
        require(recv(server, &c, 1, 0) == 1, "%s", strerror(errno));
    }
    require(sendto(server, "!", 1, 0, (struct sockaddr *)&from, size) == 1, "%s", strerror(errno));
    expect_text(modest, "!");
    for (int i = 0; i < MANY; i++)
        close(theirs[i]);
    end(pid);
}

/* ---- bench -----------------------------------------------------------------------------------*/

static void discard(int fd, uint64_t size)
{
    static char data[256 * 1024];
    (void)size;
    while (recv(fd, data, sizeof(data), MSG_TRUNC) > 0)
        ;
}

static double throughput(int server, const char *host, uint16_t port)
{
    static char data[256 * 1024];
    const double seconds = 2;
    int client = call(host, port), there = answer_call(server);
    pid_t reader = in_child(discard, there, 0);
    close(there);
    double begun = now_us() / 1e6, sent = 0;
    while (now_us() / 1e6 - begun < seconds) {
        ssize_t n = send(client, data, sizeof(data), 0);
        require(n > 0, "%s", strerror(errno));
        sent += (double)n;
    }
    close(client);
    wait_for(reader, "the reader");
    return sent / (now_us() / 1e6 - begun) / 1e9;
}

static void echo_all(int fd, uint64_t size)
{
    char data[64];
    (void)size;
    for (ssize_t n; (n = recv(fd, data, sizeof(data), 0)) > 0;)
        (void)!send(fd, data, (size_t)n, MSG_NOSIGNAL);
}

static double round_trip(int server, const char *host, uint16_t port)
{
    enum { TIMES = 20000 };
    int client = call(host, port), there = answer_call(server), one = 1;
    (void)setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    (void)setsockopt(there, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    pid_t child = in_child(echo_all, there, 0);
    close(there);
    double begun = now_us() / 1e6;
    for (int i = 0; i < TIMES; i++) {
        char c;
        require(send(client, "x", 1, 0) == 1 && recv(client, &c, 1, 0) == 1, "%s", strerror(errno));
    }
    double took = now_us() / 1e6 - begun;
    close(client);
    wait_for(child, "the echo");
    return took / TIMES * 1e6;
}

static double connections(int server, const char *host, uint16_t port)
{
    enum { TIMES = 3000 };
    double begun = now_us() / 1e6;
    for (int i = 0; i < TIMES; i++) {
        int client = call(host, port), there = answer_call(server);
        close(client);
        close(there);
    }
    return (now_us() / 1e6 - begun) / TIMES * 1e6;
}

static void bench(void)
{
    _cleanup_close_ int server = serve(CONTAINER6, PORT, SOCK_STREAM);
    pid_t pid = begin(&tcp);
    int before = cpu_ms(pid);
    printf("direct   %5.2f GB/s, round trip %5.1f us, connection %5.1f us\n",
           throughput(server, CONTAINER6, PORT), round_trip(server, CONTAINER6, PORT),
           connections(server, CONTAINER6, PORT));
    printf("proxied  %5.2f GB/s,", throughput(server, "::1", HOST_PORT));
    printf(" round trip %5.1f us, connection %5.1f us; %d ms of processor time\n",
           round_trip(server, "::1", HOST_PORT), connections(server, "::1", HOST_PORT),
           cpu_ms(pid) - before);
    end(pid);
}

/* ---- all -------------------------------------------------------------------------------------*/

static const struct apart checks[] = {
    {"[::1] reaches the container", check_tcp6},
    {"and one that has IPv4 only", check_tcp4},
    {"published at [::1] and [::]", check_addresses},
    {"all others are refused", check_refusals},
    {"a refusal by the container is passed on", check_nobody_there},
    {"each direction ends by itself", check_half_close},
    {"a reset is passed on", check_reset},
    {"an early reply arrives", check_early_answer},
    {"streams arrive whole, both ways, to slow readers too", check_streams},
    {"a client that does not read stops only its writer", check_back_pressure},
    {"idle connections cost two fds and no time", check_idle},
    {"no more than 1,024 connections", check_bound},
    {"a user with all of them, idle or not, takes none from others", check_greedy},
    {"nor through connections that the container does not accept", check_half_way},
    {"nor does one with many subordinate ids", check_subordinate},
    {"nor if there are few fds", check_greedy_fds},
    {"without fds clients are refused", check_no_fds},
    {"UDP to [::1] reaches the container", check_udp},
    {"UDP from or to anywhere else does not", check_udp_others},
    {"UDP to a container that listens late", check_udp_late},
    {"UDP clients are bounded", check_udp_many},
    {"and those of one user take nothing from another", check_udp_greedy},
};

int main(int argc, char **argv)
{
    if (argc > 1)
        return run_apart(make_host, streq(argv[1], "--bench") ? bench : check_tcp6);
    return run_all_apart(make_host, checks, ARRAY_LEN(checks));
}
