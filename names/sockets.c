/* The server's sockets: one port for UDP and TCP of both families, on every address. The port is
 * below 1024 because any user can bind higher ones, and could wait for a moment in which the server
 * is away. */
#include "names/dns.h"

#include <netctr/names.h>

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#define LAST_PORT 512

static void set(int fd, int level, int option, int value)
{
    (void)setsockopt(fd, level, option, &value, sizeof(value));
}

/* Large enough to hold a flood of half a million questions per second for 30 ms, the time that a
 * server may be descheduled; with 4 MiB, one in some thousand questions was lost. The send buffer
 * is never more than half full, see names/udp.c. */
static void enlarge(int fd)
{
    int in = 16 << 20, out = 4 << 20;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &in, sizeof(in)) < 0)
        set(fd, SOL_SOCKET, SO_RCVBUF, in);
    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &out, sizeof(out)) < 0)
        set(fd, SOL_SOCKET, SO_SNDBUF, out);
}

static socklen_t any_address(int family, uint16_t port, struct sockaddr_storage *out)
{
    *out = (struct sockaddr_storage){.ss_family = (sa_family_t)family};
    if (family == AF_INET)
        ((struct sockaddr_in *)out)->sin_port = htons(port);
    else
        ((struct sockaddr_in6 *)out)->sin6_port = htons(port);
    return family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
}

static int open_one(int family, int type, uint16_t port)
{
    struct sockaddr_storage address;
    socklen_t size = any_address(family, port, &address);
    _cleanup_close_ int fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    /* The answer must come from the address that was asked, which needs these options. */
    const int on = 1;
    bool four = family == AF_INET;
    if (!four && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0)
        return -errno;
    if (type == SOCK_DGRAM && setsockopt(fd, four ? IPPROTO_IP : IPPROTO_IPV6,
                                         four ? IP_PKTINFO : IPV6_RECVPKTINFO, &on, sizeof(on)) < 0)
        return -errno;
    if (type == SOCK_STREAM) {
        /* connections of the port's previous user may be in TIME_WAIT */
        set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    } else {
        enlarge(fd);
    }
    if (bind(fd, (struct sockaddr *)&address, size) < 0 ||
        (type == SOCK_STREAM && listen(fd, 256) < 0))
        return -errno;
    return take_fd(fd);
}

/* Opens both sockets of a family or none. -EAFNOSUPPORT: the host lacks the family. */
static int open_family(int family, uint16_t port, int *udp, int *tcp)
{
    _cleanup_close_ int datagrams = open_one(family, SOCK_DGRAM, port);
    if (datagrams < 0)
        return datagrams;
    int streams = open_one(family, SOCK_STREAM, port);
    if (streams < 0)
        return streams;
    *udp = take_fd(datagrams);
    *tcp = streams;
    return 0;
}

static int open_all(uint16_t port, struct name_sockets *out)
{
    *out = (struct name_sockets)NAME_SOCKETS_INIT;
    int four = open_family(AF_INET, port, &out->udp4, &out->tcp4),
        six = open_family(AF_INET6, port, &out->udp6, &out->tcp6);
    if (four == -EAFNOSUPPORT && six == 0)
        four = 0;
    if (six == -EAFNOSUPPORT)
        six = 0;
    if (four == 0 && six == 0)
        return 0;
    name_sockets_close(out);
    return four < 0 ? four : six;
}

static uint16_t port_of(int fd)
{
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof(address);
    if (getsockname(fd, (struct sockaddr *)&address, &size) < 0)
        return 0;
    return ntohs(address.ss_family == AF_INET ? ((struct sockaddr_in *)&address)->sin_port
                                              : ((struct sockaddr_in6 *)&address)->sin6_port);
}

/* A port above 1023 that the kernel has free for UDP. */
static uint16_t some_port(void)
{
    _cleanup_close_ int four = open_one(AF_INET, SOCK_DGRAM, 0),
                        six = four < 0 ? open_one(AF_INET6, SOCK_DGRAM, 0) : -1;
    return port_of(four >= 0 ? four : six);
}

/* Another port may be free or permitted. Any other error would occur with every port. */
static bool is_taken(int code)
{
    return code == -EADDRINUSE || code == -EACCES;
}

int name_sockets_open(uint16_t wanted, bool (*avoid)(uint16_t port, void *arg), void *arg,
                      struct name_sockets *out, struct err *e)
{
    int r = -EADDRINUSE;
    if (wanted && !(avoid && avoid(wanted, arg)) && (r = open_all(wanted, out)) == 0)
        return wanted;
    for (uint16_t port = NAMES_PORT; port >= LAST_PORT && is_taken(r); port--)
        if (!(avoid && avoid(port, arg)) && (r = open_all(port, out)) == 0)
            return port;
    for (int tries = 0; tries < 64 && is_taken(r); tries++) {
        uint16_t port = some_port();
        if (port && !(avoid && avoid(port, arg)) && (r = open_all(port, out)) == 0)
            return port;
    }
    return err_set(e, r, "find a port for the name server");
}

void name_sockets_close(struct name_sockets *s)
{
    s->udp4 = close_fd(s->udp4);
    s->udp6 = close_fd(s->udp6);
    s->tcp4 = close_fd(s->tcp4);
    s->tcp6 = close_fd(s->tcp6);
}

/* ---- sockets of another process ---------------------------------------------------------------*/

static int get(int fd, int level, int option)
{
    int value = -1;
    socklen_t size = sizeof(value);
    return getsockopt(fd, level, option, &value, &size) < 0 ? -1 : value;
}

static bool is_one(int fd, int family, int type, uint16_t port)
{
    struct sockaddr_storage address = {0}, wanted;
    socklen_t size = sizeof(address), expected = any_address(family, port, &wanted);
    int flags = fcntl(fd, F_GETFL);
    if (get(fd, SOL_SOCKET, SO_DOMAIN) != family || get(fd, SOL_SOCKET, SO_TYPE) != type ||
        flags < 0 || !(flags & O_NONBLOCK) ||
        getsockname(fd, (struct sockaddr *)&address, &size) < 0 || size != expected)
        return false;
    if (family == AF_INET6 &&
        (get(fd, IPPROTO_IPV6, IPV6_V6ONLY) != 1 ||
         !IN6_IS_ADDR_UNSPECIFIED(&((struct sockaddr_in6 *)&address)->sin6_addr)))
        return false;
    if (family == AF_INET && ((struct sockaddr_in *)&address)->sin_addr.s_addr != INADDR_ANY)
        return false;
    bool ready = type == SOCK_STREAM ? get(fd, SOL_SOCKET, SO_ACCEPTCONN) == 1
                 : family == AF_INET ? get(fd, IPPROTO_IP, IP_PKTINFO) == 1
                                     : get(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO) == 1;
    return ready && port_of(fd) == port;
}

bool name_sockets_valid(const struct name_sockets *s, uint16_t port)
{
    bool four = s->udp4 >= 0 && s->tcp4 >= 0, six = s->udp6 >= 0 && s->tcp6 >= 0;
    if ((!four && (s->udp4 >= 0 || s->tcp4 >= 0)) || (!six && (s->udp6 >= 0 || s->tcp6 >= 0)))
        return false;
    return port && (four || six) &&
           (!four || (is_one(s->udp4, AF_INET, SOCK_DGRAM, port) &&
                      is_one(s->tcp4, AF_INET, SOCK_STREAM, port))) &&
           (!six || (is_one(s->udp6, AF_INET6, SOCK_DGRAM, port) &&
                     is_one(s->tcp6, AF_INET6, SOCK_STREAM, port)));
}
