/* Probes: sockets of the sender's namespace, all watched by one poll(). A socket keeps its namespace, so only its making
 * needs to be done inside. */
#include "probe.h"

#include <errno.h>
#include <linux/icmp.h>
#include <netinet/icmp6.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

/* A lost echo is sent again after this time; TCP does that by itself. */
enum { SEND_AGAIN_US = 300000 };

static void land(struct flight *f, enum probe_outcome outcome, int error)
{
    f->outcome = outcome;
    f->error = error;
    f->us = monotonic_us() - f->began;
    f->fd = close_fd(f->fd);
}

static void land_with(struct flight *f, int error)
{
    land(f,
         error == ECONNREFUSED ? PROBE_REFUSED
         : error == ETIMEDOUT  ? PROBE_TIMEOUT
                               : PROBE_UNREACHABLE,
         error);
}

void flight_cancel(struct flight *f)
{
    if (f->outcome == PROBE_FLIES)
        land(f, PROBE_TIMEOUT, ECANCELED);
}

/* ---- sending ---------------------------------------------------------------------------------*/

static uint16_t internet_sum(const uint8_t *data, size_t size)
{
    uint32_t sum = 0;
    for (size_t i = 0; i + 1 < size; i += 2)
        sum += (uint32_t)(data[i] << 8 | data[i + 1]);
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

/* Both versions have type, code, sum, id and sequence at the same place; the kernel fills in the sum of ICMPv6. */
static ssize_t send_echo(struct flight *f)
{
    uint8_t packet[32] = {f->probe.to.family == AF_INET ? ICMP_ECHO : ICMP6_ECHO_REQUEST};
    packet[4] = (uint8_t)(f->id >> 8);
    packet[5] = (uint8_t)f->id;
    packet[7] = 1;
    memcpy(packet + 8, "netctr lab test", 16);
    uint16_t sum = internet_sum(packet, sizeof(packet));
    packet[2] = (uint8_t)(sum >> 8);
    packet[3] = (uint8_t)sum;
    return send(f->fd, packet, sizeof(packet), MSG_NOSIGNAL);
}

static ssize_t send_datagram(struct flight *f)
{
    /* Which servers does the root have? Every DNS server answers that, if only with a refusal. */
    static const char question[] = "\x4e\x43\x01\0\0\1\0\0\0\0\0\0\0\0\2\0\1";
    static const char line[] = "netctr lab test\n";
    return f->probe.port == 53 ? send(f->fd, question, sizeof(question) - 1, MSG_NOSIGNAL)
                               : send(f->fd, line, sizeof(line) - 1, MSG_NOSIGNAL);
}

static void send_once(struct flight *f)
{
    f->send_again = monotonic_us() + SEND_AGAIN_US;
    ssize_t n = f->probe.protocol == LAB_ICMP ? send_echo(f) : send_datagram(f);
    if (n < 0 && errno != EAGAIN && errno != ENOBUFS && errno != EINTR)
        land_with(f, errno);
}

static int open_socket(const struct probe *p, struct err *e)
{
    bool six = p->to.family == AF_INET6;
    int one = 1;
    int fd = p->protocol == LAB_TCP
                 ? netns_socket(p->netns, p->to.family, SOCK_STREAM | SOCK_NONBLOCK, 0, e)
             : p->protocol == LAB_UDP
                 ? netns_socket(p->netns, p->to.family, SOCK_DGRAM | SOCK_NONBLOCK, 0, e)
                 : netns_socket(p->netns, p->to.family, SOCK_RAW | SOCK_NONBLOCK,
                                six ? IPPROTO_ICMPV6 : IPPROTO_ICMP, e);
    /* So that what routers say is heard at once. */
    if (fd >= 0)
        (void)setsockopt(fd, six ? IPPROTO_IPV6 : IPPROTO_IP, six ? IPV6_RECVERR : IP_RECVERR, &one,
                         sizeof(one));
    return fd;
}

static int reach_out(int fd, const struct probe *p)
{
    struct sockaddr_in four = {
        .sin_family = AF_INET, .sin_port = htons(p->port), .sin_addr = p->to.v4};
    struct sockaddr_in6 six = {
        .sin6_family = AF_INET6, .sin6_port = htons(p->port), .sin6_addr = p->to.v6};
    if (p->protocol == LAB_ICMP)
        six.sin6_port = 0; /* else the number of a protocol */
    return p->to.family == AF_INET ? connect(fd, (struct sockaddr *)&four, sizeof(four))
                                   : connect(fd, (struct sockaddr *)&six, sizeof(six));
}

void flight_start(struct flight *f, const struct probe *p)
{
    static uint16_t ids;
    _cleanup_err_ struct err e = ERR_INIT;
    if (!ids)
        ids = (uint16_t)getpid();
    *f = (struct flight){.probe = *p, .began = monotonic_us(), .send_again = INT64_MAX};
    f->id = ++ids;
    f->fd = open_socket(p, &e);
    if (f->fd < 0)
        land(f, PROBE_UNREACHABLE, -e.code);
    else if (reach_out(f->fd, p) < 0 && errno != EINPROGRESS)
        land_with(f, errno);
    else if (p->protocol != LAB_TCP)
        send_once(f);
}

/* ---- hearing ---------------------------------------------------------------------------------*/

static bool is_my_reply(const struct flight *f, const uint8_t *packet, ssize_t size)
{
    bool six = f->probe.to.family == AF_INET6;
    ssize_t at = six || size < 1 ? 0 : (packet[0] & 15) * 4;
    return size >= at + 8 && packet[at] == (six ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY) &&
           packet[at + 4] == f->id >> 8 && packet[at + 5] == (f->id & 255);
}

static void hear_datagrams(struct flight *f)
{
    uint8_t packet[1024];
    while (f->outcome == PROBE_FLIES) {
        ssize_t n = recv(f->fd, packet, sizeof(packet), 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0)
            land_with(f, errno);
        else if (f->probe.protocol == LAB_UDP || is_my_reply(f, packet, n))
            land(f, PROBE_REACHED, 0);
    }
}

static void hear(struct flight *f)
{
    int error = 0;
    socklen_t size = sizeof(error);
    if (f->probe.protocol != LAB_TCP)
        hear_datagrams(f);
    else if (getsockopt(f->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0 || error)
        land_with(f, error ? error : errno);
    else
        land(f, PROBE_REACHED, 0);
}

static int64_t deadline_of(const struct flight *f)
{
    return f->began + (int64_t)f->probe.patience_ms * 1000;
}

static void check_clock(struct flight *f)
{
    int64_t now = monotonic_us();
    if (f->outcome == PROBE_FLIES && now >= deadline_of(f))
        land(f, PROBE_TIMEOUT, ETIMEDOUT);
    else if (f->outcome == PROBE_FLIES && now >= f->send_again)
        send_once(f);
}

void flights_turn(struct flight *const *flights, size_t count, int64_t timeout_us)
{
    int64_t now = monotonic_us(), until = now + timeout_us;
    _cleanup_free_ struct pollfd *fds = xcalloc(count + 1, sizeof(*fds));
    for (size_t i = 0; i < count; i++) {
        const struct flight *f = flights[i];
        bool flies = f->outcome == PROBE_FLIES;
        fds[i].fd = flies ? f->fd : -1;
        fds[i].events = f->probe.protocol == LAB_TCP ? POLLOUT : POLLIN;
        int64_t due = deadline_of(f) < f->send_again ? deadline_of(f) : f->send_again;
        if (flies && due < until)
            until = due;
    }
    int wait_ms = until > now ? (int)((until - now + 999) / 1000) : 0;
    if (poll(fds, count, wait_ms) < 0)
        for (size_t i = 0; i < count; i++)
            fds[i].revents = 0;
    for (size_t i = 0; i < count; i++) {
        if (fds[i].fd >= 0 && fds[i].revents)
            hear(flights[i]);
        check_clock(flights[i]);
    }
}

char *flight_text(const struct flight *f)
{
    _cleanup_free_ char *address = ip_text(&f->probe.to);
    bool six = f->probe.to.family == AF_INET6;
    _cleanup_free_ char *to = f->probe.protocol == LAB_ICMP
                                  ? xstrdup(address)
                                  : xasprintf(six ? "[%s]:%u" : "%s:%u", address, f->probe.port);
    switch (f->outcome) {
    case PROBE_REACHED: return xasprintf("%s answered in %.1f ms", to, (double)f->us / 1000);
    case PROBE_REFUSED: return xasprintf("%s refused it", to);
    case PROBE_UNREACHABLE: return xasprintf("%s is not reached: %s", to, strerror(f->error));
    default:
        return f->probe.protocol == LAB_UDP
                   ? xasprintf("%s did not answer within %u ms (a UDP server may be silent)", to,
                               f->probe.patience_ms)
                   : xasprintf("%s did not answer within %u ms", to, f->probe.patience_ms);
    }
}
