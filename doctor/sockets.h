/* The listening sockets of a network namespace. */
#pragma once

#include <netctr/netns.h>

struct socket {
    uint8_t protocol;  /**< IPPROTO_TCP, IPPROTO_UDP */
    struct ip address; /**< 0.0.0.0 and :: are every address */
    uint16_t port;
    uint64_t inode;
    char *program; /**< printable; NULL: not known */
};
struct sockets {
    struct socket *items;
    size_t count;
};
void sockets_clear(struct sockets *s);
#define _cleanup_sockets_ __attribute__((cleanup(sockets_clear)))

/** Parses a line of /proc/PID/net/tcp and its like. False: not a listening socket, or not understood. */
bool socket_parse(const char *line, int family, uint8_t protocol, struct socket *out);
/** Does a packet to the address @to reach it? */
bool socket_accepts(const struct socket *s, const struct ip *to);
/** An fd of /proc/PID, which refers to that process even if its pid is reused; -errno, -ESRCH if it is gone. */
int process_open(pid_t pid, uint64_t start);
/** TCP and UDP sockets of the network namespace of @process, from process_open(). -errno. */
int sockets_read(int process, struct sockets *out);
/** Finds the programs of that namespace that have them open; gives up when monotonic_ms() passes @until. */
void sockets_name(struct sockets *s, int process, int64_t until);
