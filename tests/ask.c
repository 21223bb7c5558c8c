/* ask - questions and answers of the DNS, for tests of names. It runs inside containers and on the host.
 *
 *     ask [FLAGS] NAME[=ADDRESS]…
 *         Asks for the IPv4 addresses of the names in turn, one question after the other, each from a new
 *         socket. An answer is good if it has ADDRESS, or any address if none is given. A * at the beginning of
 *         NAME stands for 12 random letters. Prints a line of JSON; exit status 1: some failed.
 *             -n COUNT       how many queries (one for each name); 0: until SIGTERM
 *             -s SERVER      the server (the first of /etc/resolv.conf)
 *             -t MS          how long each try waits (5000)
 *             -r RETRIES     how often a query without an answer is repeated (0)
 *             -p US          pause between questions
 *             -T             by TCP
 *             --same-port    all from one socket
 *         SIGTERM makes it finish early.
 *     ask --upstream SERVER --delay MS [--answer ADDRESS]
 *         A server, by UDP and TCP: every question for an IPv4 address has that ADDRESS (203.0.113.7) as its
 *         answer, MS after it came, however many others wait; any other question has an empty one.
 *     ask --flood questions|local|junk|halfopen SECONDS [-s SERVER] [NAME]
 *         Sends as fast as it can: questions for names of 12 random letters (below NAME, if given), for NAME,
 *         random bytes, or TCP connections with one byte each, of which it keeps up to 2,000.
 *     ask --trace PID SECONDS
 *         Holds all threads of a process as a debugger does.
 *
 * SERVER is ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT. */
#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MESSAGE_MAX = 65535, HEADER = 12, TYPE_A = 1, TYPE_OPT = 41 };

static volatile sig_atomic_t ending;

static void end(int signal)
{
    (void)signal;
    ending = 1;
}

static void die(const char *what)
{
    fprintf(stderr, "ask: %s\n", what);
    exit(2);
}

static void die_errno(const char *what)
{
    fprintf(stderr, "ask: %s: %s\n", what, strerror(errno));
    exit(2);
}

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void sleep_us(int64_t us)
{
    struct timespec t = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
    if (us > 0)
        nanosleep(&t, NULL);
}

static long number(const char *text, long max)
{
    char *rest;
    long n = text ? strtol(text, &rest, 10) : -1;
    if (n < 0 || n > max || rest == text || *rest)
        die("not a number, or too large");
    return n;
}

static uint32_t chance(void)
{
    static uint64_t x;
    while (x == 0)
        if (getrandom(&x, sizeof(x), 0) < 0)
            x = (uint64_t)now_us();
    x ^= x << 13; /* xorshift, because a flood would spend its time in the kernel's generator */
    x ^= x >> 7;
    x ^= x << 17;
    return (uint32_t)(x >> 32);
}

/* NAME with random letters in place of a leading *. */
static void fill_in(char *out, size_t room, const char *name)
{
    char letters[13] = "";
    for (int i = 0; *name == '*' && i < 12; i++)
        letters[i] = (char)('a' + chance() % 26);
    snprintf(out, room, "%s%s", letters, name + (*name == '*'));
}

/* ---- addresses ---------------------------------------------------------------------------------- */

struct server {
    struct sockaddr_storage address;
    socklen_t size;
};

static struct server parse_server(const char *text)
{
    struct server s = {0};
    char host[64] = "";
    long port = 53;
    const char *colon = strrchr(text, ':'), *bracket = strchr(text, ']');
    size_t len = strlen(text);
    if (*text == '[' && bracket) {
        if (bracket[1] == ':')
            port = number(bracket + 2, 65535);
        len = (size_t)(bracket - text) - 1;
        text++;
    } else if (colon && strchr(text, ':') == colon) {
        port = number(colon + 1, 65535);
        len = (size_t)(colon - text);
    }
    if (len >= sizeof(host))
        die("not an address");
    memcpy(host, text, len);
    struct sockaddr_in *four = (struct sockaddr_in *)&s.address;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)&s.address;
    if (inet_pton(AF_INET, host, &four->sin_addr) == 1) {
        four->sin_family = AF_INET;
        four->sin_port = htons((uint16_t)port);
        s.size = sizeof(*four);
    } else if (inet_pton(AF_INET6, host, &six->sin6_addr) == 1) {
        six->sin6_family = AF_INET6;
        six->sin6_port = htons((uint16_t)port);
        s.size = sizeof(*six);
    } else {
        die("not an address");
    }
    return s;
}

static struct server usual_server(void)
{
    char line[512], address[64];
    FILE *f = fopen("/etc/resolv.conf", "re");
    if (!f)
        die_errno("/etc/resolv.conf");
    while (fgets(line, sizeof(line), f))
        if (sscanf(line, "nameserver %63s", address) == 1) {
            fclose(f);
            return parse_server(address);
        }
    die("/etc/resolv.conf names no server");
    abort();
}

static int open_socket(const struct server *s, int type)
{
    int fd = socket(s->address.ss_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 ||
        (connect(fd, (const struct sockaddr *)&s->address, s->size) < 0 && errno != EINPROGRESS)) {
        if (fd >= 0)
            close(fd);
        return -1;
    }
    return fd;
}

/* ---- messages ----------------------------------------------------------------------------------- */

static uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static void put16(uint8_t *p, uint16_t value)
{
    p[0] = (uint8_t)(value >> 8);
    p[1] = (uint8_t)value;
}

/* A query for the address of NAME; its length, or 0 if NAME is invalid. */
static size_t write_question(uint8_t *message, uint16_t id, const char *name)
{
    size_t at = HEADER, len = strlen(name);
    if (len > 0 && name[len - 1] == '.')
        len--;
    if (len == 0 || len > 253)
        return 0;
    memset(message, 0, HEADER);
    put16(message, id);
    message[2] = 1; /* recursion desired */
    message[5] = 1; /* one question */
    for (size_t i = 0; i < len;) {
        const char *dot = memchr(name + i, '.', len - i);
        size_t label = dot ? (size_t)(dot - name) - i : len - i;
        if (label == 0 || label > 63)
            return 0;
        message[at++] = (uint8_t)label;
        memcpy(message + at, name + i, label);
        at += label;
        i += label + 1;
    }
    message[at++] = 0;
    put16(message + at, TYPE_A);
    put16(message + at + 2, 1);
    return at + 4;
}

/* The position after the name at AT; 0 if the message ends before. */
static size_t skip_name(const uint8_t *message, size_t size, size_t at)
{
    while (at < size) {
        uint8_t len = message[at];
        if (len == 0)
            return at + 1;
        if ((len & 0xc0) == 0xc0)
            return at + 2 <= size ? at + 2 : 0;
        if (len & 0xc0)
            return 0;
        at += len + 1u;
    }
    return 0;
}

/* Whether it is an answer to that query: servers may change the letters' case. */
static bool is_answer_to(const uint8_t *answer, size_t size, const uint8_t *question, size_t asked)
{
    if (size < HEADER || get16(answer) != get16(question) || !(answer[2] & 0x80))
        return false;
    if (get16(answer + 4) == 0) /* as some servers refuse */
        return (answer[3] & 15) != 0;
    if (get16(answer + 4) != 1 || size < asked)
        return false;
    for (size_t i = HEADER; i < asked; i++)
        if (tolower(answer[i]) != tolower(question[i]))
            return false;
    return true;
}

/* NULL if the answer is the expected one, else what is wrong with it. */
static const char *judge(const uint8_t *answer, size_t size, const struct in_addr *wanted)
{
    static const char *const codes[16] = {
        [1] = "FORMERR", [2] = "SERVFAIL", [3] = "NXDOMAIN", [4] = "NOTIMP", [5] = "REFUSED"};
    int code = answer[3] & 15;
    if (code != 0)
        return codes[code] ? codes[code] : "an unusual error";
    size_t at = HEADER;
    for (int i = get16(answer + 4); i > 0; i--)
        if ((at = skip_name(answer, size, at)) == 0 || (at += 4) > size)
            return "a broken answer";
    bool any = false;
    for (int i = get16(answer + 6); i > 0; i--) {
        if ((at = skip_name(answer, size, at)) == 0 || at + 10 > size)
            return "a broken answer";
        uint16_t type = get16(answer + at), len = get16(answer + at + 8);
        at += 10;
        if (at + len > size)
            return "a broken answer";
        if (type == TYPE_A && len == 4) {
            any = true;
            if (!wanted || memcmp(answer + at, wanted, 4) == 0)
                return NULL;
        }
        at += len;
    }
    return answer[2] & 2 ? "truncated" : any ? "another address" : "no address";
}

/* ---- ask ---------------------------------------------------------------------------------------- */

enum { FAILURES_SHOWN = 10 };

static struct {
    struct server server;
    long count, timeout_ms, retries, pause_us;
    bool counted, tcp, same_port;
    int fd; /* with same_port */
} asking = {.timeout_ms = 5000, .fd = -1};

static char failures[FAILURES_SHOWN][400];
static long asked, failed, retried;
static uint32_t *took;
static size_t took_max;

/* Waits until the socket is readable or writable; false: the deadline has passed, or SIGTERM came. */
static bool ready(int fd, short events, int64_t deadline)
{
    for (;;) {
        int64_t left = deadline - now_us();
        if (left <= 0 || ending)
            return false;
        struct timespec t = {.tv_sec = left / 1000000, .tv_nsec = left % 1000000 * 1000};
        struct pollfd p = {.fd = fd, .events = events};
        if (ppoll(&p, 1, &t, NULL) > 0)
            return true;
    }
}

static const char *broken(int error, char why[64])
{
    if (error == ECONNREFUSED)
        return "refused (ICMP)";
    snprintf(why, 64, "%s", strerror(error));
    return why;
}

static const char timeout[] = "timeout";

/* One try by TCP. The result is NULL, `timeout' or what is wrong. */
static const char *try_tcp(const uint8_t *question, size_t size, const struct in_addr *wanted,
                           char why[64])
{
    static uint8_t message[2 + MESSAGE_MAX];
    int64_t deadline = now_us() + asking.timeout_ms * 1000;
    size_t got = 0, want = 2;
    const char *result = timeout;
    int fd = asking.fd >= 0 ? asking.fd : open_socket(&asking.server, SOCK_STREAM);
    if (fd < 0)
        return broken(errno, why);
    asking.fd = -1;
    put16(message, (uint16_t)size);
    memcpy(message + 2, question, size);
    if (!ready(fd, POLLOUT, deadline))
        goto out;
    if (send(fd, message, size + 2, MSG_NOSIGNAL) != (ssize_t)size + 2) {
        result = errno == ECONNREFUSED ? "refused (TCP)" : broken(errno, why);
        goto out;
    }
    while (got < want) {
        if (!ready(fd, POLLIN, deadline))
            goto out;
        ssize_t n = recv(fd, message + got, want - got, 0);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
            result = n == 0 ? "closed (TCP)" : broken(errno, why);
            goto out;
        }
        got += n > 0 ? (size_t)n : 0;
        if (got == 2)
            want = 2 + (size_t)get16(message);
    }
    result = is_answer_to(message + 2, got - 2, question, size)
                 ? judge(message + 2, got - 2, wanted)
                 : "an answer to something else";
    if (!result && asking.same_port) {
        asking.fd = fd;
        return NULL;
    }
out:
    close(fd);
    return result;
}

static const char *try_udp(const uint8_t *question, size_t size, const struct in_addr *wanted,
                           char why[64])
{
    static uint8_t message[MESSAGE_MAX];
    int64_t deadline = now_us() + asking.timeout_ms * 1000;
    const char *result = timeout;
    int fd = asking.fd >= 0 ? asking.fd : open_socket(&asking.server, SOCK_DGRAM);
    if (fd < 0)
        return broken(errno, why);
    if (send(fd, question, size, 0) < 0) {
        result = broken(errno, why);
        goto out;
    }
    while (ready(fd, POLLIN, deadline)) {
        ssize_t n = recv(fd, message, sizeof(message), 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (n < 0) {
            result = broken(errno, why);
            break;
        }
        if (is_answer_to(message, (size_t)n, question, size)) {
            result = judge(message, (size_t)n, wanted);
            break;
        }
    }
out:
    if (asking.same_port)
        asking.fd = fd;
    else
        close(fd);
    return result;
}

/* false: SIGTERM came while it waited. */
static bool ask_one(const char *name, const struct in_addr *wanted, int64_t begin)
{
    uint8_t question[512];
    char why[64], filled[300];
    fill_in(filled, sizeof(filled), name);
    name = filled;
    const char *result = timeout;
    int64_t start = now_us();
    size_t size = write_question(question, (uint16_t)chance(), name);
    if (size == 0)
        die("not a name");
    for (long try = 0; result == timeout && try <= asking.retries; try++) {
        if (try > 0)
            retried++;
        result = (asking.tcp ? try_tcp : try_udp)(question, size, wanted, why);
        if (ending && result == timeout)
            return false;
    }
    int64_t us = now_us() - start;
    if ((size_t)asked == took_max) {
        took_max = took_max ? 2 * took_max : 1024;
        took = realloc(took, took_max * sizeof(*took));
        if (!took)
            die("no memory");
    }
    took[asked++] = (uint32_t)us;
    if (!result)
        return true;
    if (failed < FAILURES_SHOWN) {
        char after[32] = "";
        if (result == timeout)
            snprintf(after, sizeof(after), " after %lld ms", (long long)us / 1000);
        snprintf(failures[failed], sizeof(failures[0]), "%s: %s%s, %.3f s from the start", name,
                 result, after, (double)(start - begin) / 1e6);
    }
    failed++;
    return true;
}

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static int ask(char **names, int count)
{
    struct in_addr *wanted = calloc((size_t)count, sizeof(*wanted));
    bool *given = calloc((size_t)count, sizeof(*given));
    if (!wanted || !given)
        die("no memory");
    for (int i = 0; i < count; i++) {
        char *equals = strchr(names[i], '=');
        if (!equals)
            continue;
        *equals = '\0';
        given[i] = true;
        if (inet_pton(AF_INET, equals + 1, &wanted[i]) != 1)
            die("not an address behind =");
    }
    if (!asking.counted)
        asking.count = count;
    int64_t begin = now_us();
    for (long i = 0; !ending && (asking.count == 0 || i < asking.count); i++) {
        int n = (int)(i % count);
        if (!ask_one(names[n], given[n] ? &wanted[n] : NULL, begin))
            break;
        sleep_us(asking.pause_us);
    }
    if (asked > 0)
        qsort(took, (size_t)asked, sizeof(*took), by_value);
    printf("{\"asked\": %ld, \"failed\": %ld, \"retried\": %ld, \"slowest_us\": %u, "
           "\"median_us\": %u, \"first_failures\": [",
           asked, failed, retried, asked ? took[asked - 1] : 0, asked ? took[asked / 2] : 0);
    for (int i = 0; i < failed && i < FAILURES_SHOWN; i++) {
        printf("%s\"", i > 0 ? ", " : "");
        for (const char *p = failures[i]; *p; p++) {
            if (*p == '"' || *p == '\\')
                putchar('\\');
            putchar(*p);
        }
        putchar('"');
    }
    printf("]}\n");
    free(wanted);
    free(given);
    return failed > 0;
}

/* ---- upstream ----------------------------------------------------------------------------------- */

enum { CONNECTIONS_MAX = 512 };

struct connection {
    int fd;
    uint64_t generation; /* a reply to a client that has gone is lost */
    size_t got;
    uint8_t message[2 + 1024];
};

struct pending {
    struct pending *next;
    int64_t due;
    int connection; /* or -1: by UDP to `to' */
    uint64_t generation;
    struct sockaddr_storage to;
    socklen_t to_size;
    size_t size;
    uint8_t message[];
};

static struct connection connections[CONNECTIONS_MAX];
static struct pending *oldest, **newest = &oldest;

/* All have the same delay, so they are due in the order of their arrival. */
static struct pending *answer(const uint8_t *question, size_t size, const struct in_addr *address,
                              int64_t due)
{
    size_t end_of_name;
    if (size < HEADER || (question[2] & 0x80) || get16(question + 4) != 1 ||
        (end_of_name = skip_name(question, size, HEADER)) == 0 || end_of_name + 4 > size)
        return NULL;
    size_t len = end_of_name + 4;
    /* External names have a dot. */
    bool one_label = end_of_name == HEADER + question[HEADER] + 2u;
    bool known = !one_label && get16(question + end_of_name) == TYPE_A;
    struct pending *p = calloc(1, sizeof(*p) + len + 16);
    if (!p)
        die("no memory");
    memcpy(p->message, question, len);
    p->message[2] = 0x80 | (question[2] & 0x79); /* the question's opcode and RD */
    p->message[3] = one_label ? 0x83 : 0x80;     /* recursion is available */
    memset(p->message + 6, 0, 6);
    if (known) {
        static const uint8_t record[12] = {0xc0, HEADER, 0, TYPE_A, 0, 1, 0, 0, 0, 60, 0, 4};
        p->message[7] = 1;
        memcpy(p->message + len, record, sizeof(record));
        memcpy(p->message + len + 12, address, 4);
        len += 16;
    }
    p->size = len;
    p->due = due;
    *newest = p;
    newest = &p->next;
    return p;
}

static void let_go(struct connection *c)
{
    close(c->fd);
    c->fd = -1;
    c->generation++;
    c->got = 0;
}

static void send_due(int udp)
{
    while (oldest && oldest->due <= now_us()) {
        struct pending *p = oldest;
        oldest = p->next;
        if (!oldest)
            newest = &oldest;
        if (p->connection < 0) {
            (void)!sendto(udp, p->message, p->size, 0, (struct sockaddr *)&p->to, p->to_size);
        } else if (connections[p->connection].generation == p->generation) {
            uint8_t framed[2 + 1024 + 16];
            put16(framed, (uint16_t)p->size);
            memcpy(framed + 2, p->message, p->size);
            if (send(connections[p->connection].fd, framed, p->size + 2, MSG_NOSIGNAL) !=
                (ssize_t)p->size + 2)
                let_go(&connections[p->connection]);
        }
        free(p);
    }
}

static void serve_connection(int index, const struct in_addr *address, int64_t delay)
{
    struct connection *c = &connections[index];
    ssize_t n = recv(c->fd, c->message + c->got, sizeof(c->message) - c->got, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        let_go(c);
        return;
    }
    c->got += (size_t)n;
    for (;;) {
        size_t len = c->got >= 2 ? get16(c->message) : 0;
        if (len > sizeof(c->message) - 2) {
            let_go(c);
            return;
        }
        if (c->got < 2 || c->got < len + 2)
            return;
        struct pending *p = answer(c->message + 2, len, address, now_us() + delay);
        if (p) {
            p->connection = index;
            p->generation = c->generation;
        }
        c->got -= len + 2;
        memmove(c->message, c->message + len + 2, c->got);
    }
}

static void accept_one(int firewall_watch)
{
    int fd = accept4(firewall_watch, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    for (int i = 0; fd >= 0 && i < CONNECTIONS_MAX; i++)
        if (connections[i].fd < 0) {
            connections[i].fd = fd;
            return;
        }
    if (fd >= 0)
        close(fd);
}

static int bound_socket(const struct server *s, int type)
{
    int on = 1, room = 8 << 20,
        fd = socket(s->address.ss_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
        bind(fd, (const struct sockaddr *)&s->address, s->size) < 0)
        die_errno("bind");
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) < 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
    if (type == SOCK_STREAM && listen(fd, 512) < 0)
        die_errno("listen");
    return fd;
}

static int upstream(const struct server *s, long delay_ms, struct in_addr address)
{
    static struct pollfd polled[2 + CONNECTIONS_MAX];
    static uint8_t message[MESSAGE_MAX];
    int udp = bound_socket(s, SOCK_DGRAM), firewall_watch = bound_socket(s, SOCK_STREAM);
    for (int i = 0; i < CONNECTIONS_MAX; i++)
        connections[i].fd = -1;
    while (!ending) {
        polled[0] = (struct pollfd){.fd = udp, .events = POLLIN};
        polled[1] = (struct pollfd){.fd = firewall_watch, .events = POLLIN};
        for (int i = 0; i < CONNECTIONS_MAX; i++)
            polled[2 + i] = (struct pollfd){.fd = connections[i].fd, .events = POLLIN};
        int64_t wait = oldest ? oldest->due - now_us() : 0;
        wait = wait > 0 ? wait : 0;
        struct timespec t = {.tv_sec = wait / 1000000, .tv_nsec = wait % 1000000 * 1000};
        int n = ppoll(polled, 2 + CONNECTIONS_MAX, oldest ? &t : NULL, NULL);
        send_due(udp);
        if (n <= 0)
            continue;
        for (int i = 0; i < CONNECTIONS_MAX; i++)
            if (connections[i].fd >= 0 && connections[i].fd == polled[2 + i].fd &&
                polled[2 + i].revents)
                serve_connection(i, &address, delay_ms * 1000);
        if (polled[1].revents)
            accept_one(firewall_watch);
        for (int i = 0; polled[0].revents && i < 64; i++) {
            struct sockaddr_storage from;
            socklen_t from_size = sizeof(from);
            ssize_t size =
                recvfrom(udp, message, sizeof(message), 0, (struct sockaddr *)&from, &from_size);
            if (size < 0)
                break;
            struct pending *p =
                size > 1024 ? NULL
                            : answer(message, (size_t)size, &address, now_us() + delay_ms * 1000);
            if (p) {
                p->connection = -1;
                p->to = from;
                p->to_size = from_size;
            }
        }
    }
    return 0;
}

/* ---- flood -------------------------------------------------------------------------------------- */

enum { SOCKETS = 64, HELD_MAX = 2000 };

static long flood_udp(const struct server *s, const char *kind, const char *name, int64_t until)
{
    int fds[SOCKETS];
    long sent = 0;
    uint8_t message[512];
    for (int i = 0; i < SOCKETS; i++)
        if ((fds[i] = open_socket(s, SOCK_DGRAM)) < 0)
            die_errno("socket");
    for (long i = 0; !ending && ((i & 63) || now_us() < until); i++) {
        int fd = fds[i % SOCKETS];
        size_t size;
        if (strcmp(kind, "junk") == 0) {
            size = 1 + chance() % sizeof(message);
            for (size_t k = 0; k < size; k++)
                message[k] = (uint8_t)chance();
        } else if (strcmp(kind, "local") == 0) {
            size = write_question(message, (uint16_t)chance(), name);
        } else {
            char random[300], pattern[300];
            snprintf(pattern, sizeof(pattern), "*%s%s", name ? "." : "", name ? name : "");
            fill_in(random, sizeof(random), pattern);
            size = write_question(message, (uint16_t)chance(), random);
        }
        if (size == 0)
            die("not a name");
        if (send(fd, message, size, 0) >= 0)
            sent++;
        else if (errno == EAGAIN || errno == ENOBUFS)
            sleep_us(100);
        while (recv(fd, message, sizeof(message), MSG_DONTWAIT) >= 0)
            ;
    }
    return sent;
}

static long flood_halfopen(const struct server *s, int64_t until, int *held)
{
    static struct pollfd p[HELD_MAX];
    static bool spoken[HELD_MAX];
    long sent = 0;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    for (int i = 0; i < HELD_MAX; i++)
        p[i] = (struct pollfd){.fd = -1};
    while (!ending && now_us() < until) {
        for (int i = 0, opened = 0; i < HELD_MAX && opened < 64; i++)
            if (p[i].fd < 0) {
                p[i] =
                    (struct pollfd){.fd = open_socket(s, SOCK_STREAM), .events = POLLIN | POLLOUT};
                spoken[i] = false;
                if (p[i].fd < 0)
                    break;
                opened++;
            }
        if (poll(p, HELD_MAX, 10) <= 0)
            continue;
        for (int i = 0; i < HELD_MAX; i++) {
            uint8_t byte;
            bool gone = p[i].revents & (POLLERR | POLLHUP | POLLNVAL);
            if (p[i].fd < 0 || !p[i].revents)
                continue;
            if (!gone && !spoken[i] && (p[i].revents & POLLOUT)) {
                spoken[i] = true;
                p[i].events = POLLIN;
                gone = send(p[i].fd, "", 1, MSG_NOSIGNAL) != 1;
                sent += !gone;
            }
            if (!gone && (p[i].revents & POLLIN))
                gone = recv(p[i].fd, &byte, 1, 0) == 0;
            if (gone) {
                close(p[i].fd);
                p[i].fd = -1;
            }
        }
    }
    *held = 0;
    for (int i = 0; i < HELD_MAX; i++)
        *held += p[i].fd >= 0 && spoken[i];
    return sent;
}

static int flood(const struct server *s, const char *kind, const char *name, long seconds)
{
    int64_t until = now_us() + seconds * 1000000;
    if (strcmp(kind, "halfopen") == 0) {
        int held;
        long sent = flood_halfopen(s, until, &held);
        printf("{\"kind\": \"%s\", \"sent\": %ld, \"held\": %d}\n", kind, sent, held);
        return 0;
    }
    if (strcmp(kind, "local") == 0 && !name)
        die("a flood of local questions needs a name");
    if (strcmp(kind, "local") != 0 && strcmp(kind, "junk") != 0 && strcmp(kind, "questions") != 0)
        die("unknown kind of flood");
    printf("{\"kind\": \"%s\", \"sent\": %ld}\n", kind, flood_udp(s, kind, name, until));
    return 0;
}

/* ---- trace -------------------------------------------------------------------------------------- */

static int trace(pid_t pid, long seconds)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/task", pid);
    DIR *tasks = opendir(path);
    int held = 0;
    if (!tasks)
        die_errno(path);
    for (struct dirent *entry; (entry = readdir(tasks));) {
        pid_t task = atoi(entry->d_name);
        int status;
        if (task > 0 && ptrace(PTRACE_SEIZE, task, NULL, NULL) == 0 &&
            ptrace(PTRACE_INTERRUPT, task, NULL, NULL) == 0 &&
            waitpid(task, &status, __WALL) == task)
            held += WIFSTOPPED(status);
        else if (task == pid)
            die_errno("ptrace");
    }
    closedir(tasks);
    printf("{\"held\": %d}\n", held);
    fflush(stdout);
    int64_t until = now_us() + seconds * 1000000;
    while (!ending && now_us() < until)
        sleep_us(until - now_us());
    return 0; /* the traced process continues when its tracer exits */
}

/* ---- the command line --------------------------------------------------------------------------- */

int main(int argc, char **argv)
{
    const char *server = NULL, *flood_kind = NULL, *own = NULL, *given = "203.0.113.7";
    long delay = 0, seconds = 0;
    char **names = calloc((size_t)argc, sizeof(*names));
    int count = 0;
    struct sigaction action = {.sa_handler = end};
    sigaction(SIGTERM, &action, NULL);
    for (int i = 1; i < argc; i++) {
        const char *flag = argv[i], *value = argv[i + 1] ? argv[i + 1] : "";
        if (strcmp(flag, "-T") == 0) {
            asking.tcp = true;
        } else if (strcmp(flag, "--same-port") == 0) {
            asking.same_port = true;
        } else if (flag[0] != '-') {
            names[count++] = argv[i];
        } else {
            i++;
            if (strcmp(flag, "-n") == 0) {
                asking.count = number(value, 100000000);
                asking.counted = true;
            } else if (strcmp(flag, "-s") == 0) {
                server = value;
            } else if (strcmp(flag, "-t") == 0) {
                asking.timeout_ms = number(value, 3600000);
            } else if (strcmp(flag, "-r") == 0) {
                asking.retries = number(value, 1000);
            } else if (strcmp(flag, "-p") == 0) {
                asking.pause_us = number(value, 1000000000);
            } else if (strcmp(flag, "--upstream") == 0) {
                own = value;
            } else if (strcmp(flag, "--delay") == 0) {
                delay = number(value, 3600000);
            } else if (strcmp(flag, "--answer") == 0) {
                given = value;
            } else if (strcmp(flag, "--flood") == 0 && i + 1 < argc) {
                flood_kind = value;
                seconds = number(argv[++i], 86400);
            } else if (strcmp(flag, "--trace") == 0 && i + 1 < argc) {
                return trace((pid_t)number(value, INT32_MAX), number(argv[i + 1], 86400));
            } else {
                die("unknown flag, or nothing behind it; the source tells more");
            }
        }
    }
    if (own) {
        struct server s = parse_server(own);
        struct in_addr address;
        if (inet_pton(AF_INET, given, &address) != 1)
            die("not an address behind --answer");
        return upstream(&s, delay, address);
    }
    asking.server = server ? parse_server(server) : usual_server();
    if (flood_kind)
        return flood(&asking.server, flood_kind, names[0], seconds);
    if (count == 0)
        die("no name is given; the source tells more");
    return ask(names, count);
}
