/* Asks the name servers, and answers in place of the host's resolvers: for test_nameserver.c. */
#pragma once

#include "apart.h"

#include "names/dns.h"

#include <netctr/names.h>

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>

struct reply {
    int code; /* -1: none */
    bool cut; /* truncated (TC) */
    size_t count;
    struct ip addresses[256];
    char name[256]; /* of a PTR record */
    size_t size;
};

static inline socklen_t endpoint(const char *address, uint16_t port, struct sockaddr_storage *out)
{
    const struct ip a = ip(address);
    *out = (struct sockaddr_storage){.ss_family = (sa_family_t)a.family};
    if (a.family == AF_INET) {
        ((struct sockaddr_in *)out)->sin_addr = a.v4;
        ((struct sockaddr_in *)out)->sin_port = htons(port);
        return sizeof(struct sockaddr_in);
    }
    ((struct sockaddr_in6 *)out)->sin6_addr = a.v6;
    ((struct sockaddr_in6 *)out)->sin6_port = htons(port);
    return sizeof(struct sockaddr_in6);
}

/** Builds a question; returns its size. @payload 0: no EDNS. */
static inline size_t question(const char *name, unsigned type, uint16_t id, unsigned payload,
                              uint8_t *out)
{
    const uint8_t header[] = {(uint8_t)(id >> 8), (uint8_t)id, 1, 0, 0, 1, 0, 0, 0, 0, 0,
                              payload > 0};
    size_t size = sizeof(header);
    memcpy(out, header, size);
    while (*name) {
        size_t label = strcspn(name, ".");
        out[size++] = (uint8_t)label;
        memcpy(out + size, name, label);
        size += label;
        name += label + (name[label] == '.');
    }
    const uint8_t rest[] = {0, (uint8_t)(type >> 8), (uint8_t)type, 0, 1};
    memcpy(out + size, rest, sizeof(rest));
    size += sizeof(rest);
    const uint8_t opt[] = {0, 0, DNS_OPT, (uint8_t)(payload >> 8), (uint8_t)payload, 0, 0, 0,
                           0, 0, 0};
    if (payload)
        memcpy(out + size, opt, sizeof(opt));
    return size + (payload ? sizeof(opt) : 0);
}

static inline unsigned u16(const uint8_t *p)
{
    return (unsigned)(p[0] << 8 | p[1]);
}

/** Parses an answer to a question of @asked bytes (without its OPT record). */
static inline struct reply reply_of(const uint8_t *data, size_t size, size_t asked)
{
    struct reply r = {.code = data[3] & 15, .cut = data[2] & 2, .size = size};
    unsigned told = u16(data + 6);
    size_t at = asked;
    for (; told; told--) {
        require(size - at >= 12, "an answer is too short");
        unsigned type = u16(data + at + 2), length = u16(data + at + 10);
        const uint8_t *value = data + at + 12;
        at += 12 + length;
        require(at <= size, "an answer is too short");
        struct ip *a = &r.addresses[r.count < 255 ? r.count : 255];
        r.count++;
        if (type == DNS_PTR) {
            memcpy(r.name, value + 1, value[0]);
            continue;
        }
        a->family = type == DNS_A ? AF_INET : AF_INET6;
        memcpy(a->bytes, value, ip_size(a));
    }
    return r;
}

static inline int open_socket(const char *from, const char *to, uint16_t port, int type)
{
    struct sockaddr_storage own, other;
    socklen_t size = endpoint(from, 0, &own);
    (void)endpoint(to, port, &other);
    int fd = socket(own.ss_family, type | SOCK_CLOEXEC, 0);
    require(fd >= 0 && bind(fd, (struct sockaddr *)&own, size) == 0, "%s: %m", from);
    require(connect(fd, (struct sockaddr *)&other, size) == 0, "%s: %m", to);
    return fd;
}

static inline bool wait_for(int fd, int ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, ms) == 1;
}

static inline bool read_whole(int fd, uint8_t *data, size_t size, int ms)
{
    for (size_t at = 0; at < size;) {
        ssize_t n = wait_for(fd, ms) ? recv(fd, data + at, size - at, 0) : 0;
        if (n <= 0)
            return false;
        at += (size_t)n;
    }
    return true;
}

struct asking {
    const char *from, *to;
    uint16_t port;
    bool tcp;
    unsigned payload;
    int ms;
};

/** Asks and waits for the answer. */
static inline struct reply ask_by(const struct asking *a, const char *name, unsigned type)
{
    static uint16_t id = 77;
    static uint8_t data[2 + 65536];
    uint8_t *q = data + 2;
    size_t size = question(name, type, ++id, a->payload, q), n = 0;
    data[0] = (uint8_t)(size >> 8);
    data[1] = (uint8_t)size;
    size_t asked = size - (a->payload ? 11 : 0);
    _cleanup_close_ int fd =
        open_socket(a->from, a->to, a->port, a->tcp ? SOCK_STREAM : SOCK_DGRAM);
    if (a->tcp) {
        if (send(fd, data, size + 2, MSG_NOSIGNAL) != (ssize_t)size + 2 ||
            !read_whole(fd, data, 2, a->ms) || !read_whole(fd, q, n = u16(data), a->ms))
            return (struct reply){.code = -1};
    } else {
        require(send(fd, q, size, 0) == (ssize_t)size, "%m");
        ssize_t got = wait_for(fd, a->ms) ? recv(fd, q, 65535, 0) : -1;
        if (got < 0)
            return (struct reply){.code = -1};
        n = (size_t)got;
    }
    require(n >= DNS_HEADER && u16(q) == id && q[2] & 0x80, "this is no answer");
    return reply_of(q, n, asked);
}

/* ---- those outside ----------------------------------------------------------------------------*/

#define WAITING 8192
struct outside {
    const char *address;
    int delay_ms;  /* -1: never answers */
    unsigned code; /* the error code of its answers */
    const char *tells;
};

struct waiting {
    int64_t due;
    struct sockaddr_storage who;
    size_t size;
    uint8_t data[512];
};

static inline size_t outside_answer(const struct outside *o, const uint8_t *data, size_t size,
                                    uint8_t *out)
{
    struct dns_question q;
    const struct dns_record record = {.address = ip(o->tells)};
    require(dns_parse(data, size, &q) == 0, "a question cannot be read outside");
    return dns_answer(&q, o->code, &record, o->code == 0, out, DNS_PLAIN);
}

static inline void outside_stream(const struct outside *o, int firewall_watch)
{
    uint8_t data[514], answer[2 + DNS_PLAIN];
    _cleanup_close_ int fd = accept4(firewall_watch, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0 || !read_whole(fd, data, 2, 1000) || !read_whole(fd, data + 2, u16(data), 1000))
        return;
    if (o->delay_ms > 0)
        pause_ms(o->delay_ms);
    size_t size = outside_answer(o, data + 2, u16(data), answer + 2);
    answer[0] = (uint8_t)(size >> 8);
    answer[1] = (uint8_t)size;
    (void)send(fd, answer, 2, MSG_NOSIGNAL); /* in two parts */
    (void)send(fd, answer + 2, size, MSG_NOSIGNAL);
}

static inline void outside_serve(const struct outside *o, int udp, int tcp)
{
    static struct waiting waiting[WAITING];
    unsigned first = 0, behind = 0;
    for (;;) {
        struct pollfd p[2] = {{.fd = udp, .events = POLLIN}, {.fd = tcp, .events = POLLIN}};
        int64_t left = first == behind ? 1000 : waiting[first % WAITING].due - monotonic_ms();
        (void)poll(p, 2, left < 0 ? 0 : (int)left);
        if (p[1].revents)
            outside_stream(o, tcp);
        struct waiting *w = &waiting[behind % WAITING];
        socklen_t length = sizeof(w->who);
        ssize_t n = recvfrom(udp, w->data, sizeof(w->data), MSG_DONTWAIT,
                             (struct sockaddr *)&w->who, &length);
        if (n > 0 && o->delay_ms >= 0 && behind - first < WAITING) {
            w->size = (size_t)n;
            w->due = monotonic_ms() + o->delay_ms;
            behind++;
        }
        while (first != behind && waiting[first % WAITING].due <= monotonic_ms()) {
            uint8_t answer[DNS_PLAIN];
            w = &waiting[first++ % WAITING];
            size_t size = outside_answer(o, w->data, w->size, answer);
            (void)sendto(udp, answer, size, 0, (struct sockaddr *)&w->who,
                         w->who.ss_family == AF_INET ? sizeof(struct sockaddr_in)
                                                     : sizeof(struct sockaddr_in6));
        }
    }
}

/** Starts a process that answers on port 53 of its address. */
static inline pid_t outside_start(const struct outside *o)
{
    struct sockaddr_storage own;
    socklen_t size = endpoint(o->address, 53, &own);
    int udp = socket(own.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0),
        tcp = socket(own.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    require(bind(udp, (struct sockaddr *)&own, size) == 0 &&
                bind(tcp, (struct sockaddr *)&own, size) == 0 && listen(tcp, 16) == 0,
            "%s: %m", o->address);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        outside_serve(o, udp, tcp);
    }
    close(udp);
    close(tcp);
    return pid;
}
