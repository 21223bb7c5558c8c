/* Each question names one socket exactly: the cost of listing all sockets of a port grows with
 * their number. */
#include "users.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

enum {
    LOOPBACK_INDEX = 1, /* in every network namespace */
    RANGES_MS = 1000,   /* how long the contents of /etc/subuid are used */
};

/* ---- the kernel's answer ---------------------------------------------------------------------*/

void users_prepare(struct users *u)
{
    if (u->diag < 0)
        u->diag = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
}

/* The socket at [::1]:@own that is connected to @other. With the index of lo, the kernel finds
 * sockets that are bound to lo as well; with 0 it would not. */
static int ask(int diag, int protocol, in_port_t own, in_port_t other, struct inet_diag_msg *out)
{
    struct {
        struct nlmsghdr header;
        struct inet_diag_req_v2 body;
    } question = {.header = {.nlmsg_len = sizeof(question),
                             .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                             .nlmsg_flags = NLM_F_REQUEST},
                  .body = {.sdiag_family = AF_INET6,
                           .sdiag_protocol = (uint8_t)protocol,
                           .idiag_states = UINT32_MAX,
                           .id = {.idiag_sport = own,
                                  .idiag_dport = other,
                                  .idiag_src = {[3] = htonl(1)},
                                  .idiag_dst = {[3] = htonl(1)},
                                  .idiag_if = LOOPBACK_INDEX,
                                  .idiag_cookie = {INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE}}}};
    union {
        struct nlmsghdr header;
        char room[1024];
    } answer;
    if (protocol ==
        IPPROTO_UDP) { /* UDP swaps the two ports "for historical reasons" (net/ipv4/udp_diag.c) */
        question.body.id.idiag_sport = other;
        question.body.id.idiag_dport = own;
    }
    if (send(diag, &question, sizeof(question), 0) < 0)
        return -errno;
    ssize_t n = recv(diag, &answer, sizeof(answer), MSG_DONTWAIT);
    if (n < 0)
        return -errno;
    if (answer.header.nlmsg_type != SOCK_DIAG_BY_FAMILY || n < (ssize_t)NLMSG_SPACE(sizeof(*out)))
        return -ENOENT;
    memcpy(out, NLMSG_DATA(&answer.header), sizeof(*out));
    return 0;
}

/* If the connection is gone, the kernel answers with the listening socket. A socket that its
 * program has closed is reported with user 0, who must not be blamed for it. */
static int64_t ask_user(int diag, int protocol, in_port_t client, in_port_t here)
{
    struct inet_diag_msg m;
    int r = ask(diag, protocol, client, here, &m);
    if (r < 0 || m.idiag_state == TCP_LISTEN || m.idiag_inode == 0)
        return USER_UNKNOWN;
    return m.idiag_uid;
}

/* ---- ranges ----------------------------------------------------------------------------------*/

static void read_ranges(struct users *u)
{
    int64_t now = monotonic_ms();
    if (u->ms && now - u->ms < RANGES_MS)
        return;
    u->ms = now;
    struct subid_range *ranges;
    size_t count;
    /* If the file cannot be read, the previous contents stay. */
    if (subids_read("/etc/subuid", NULL, &ranges, &count) < 0)
        return;
    free(u->ranges);
    u->ranges = ranges;
    u->range_count = count;
}

static int64_t owner_of(struct users *u, int64_t id)
{
    if (id <= 0)
        return id;
    read_ranges(u);
    for (size_t i = 0; i < u->range_count; i++)
        if ((uint64_t)id - u->ranges[i].first < u->ranges[i].count)
            return (int64_t)u->ranges[i].first;
    return id;
}

/* ---- interface --------------------------------------------------------------------------------*/

void users_clear(struct users *u)
{
    for (struct user *user; (user = u->all);) {
        u->all = user->next;
        free(user);
    }
    free(u->ranges);
    u->ranges = NULL;
    u->range_count = 0;
    u->diag = close_fd(u->diag);
}

/* Tests whether sock_diag works, with the socket that is known to wait at @here. A kernel that does
 * not find it tells nothing, and may try to load a module at each question. */
static void probe_diag(struct users *u, int protocol, in_port_t here)
{
    struct inet_diag_msg m;
    u->diag_works = ask(u->diag, protocol, here, 0, &m) == 0;
    u->diag_fails = !u->diag_works;
}

struct user *user_of(struct users *u, int protocol, in_port_t client, in_port_t here)
{
    int64_t id = USER_UNKNOWN;
    users_prepare(u);
    if (u->diag >= 0 && !u->diag_works && !u->diag_fails)
        probe_diag(u, protocol, here);
    if (u->diag_works)
        id = owner_of(u, ask_user(u->diag, protocol, client, here));
    struct user *user = u->all;
    while (user && user->id != id)
        user = user->next;
    if (!user) {
        user = xcalloc(1, sizeof(*user));
        *user = (struct user){.id = id, .next = u->all};
        u->all = user;
    }
    user->held++;
    return user;
}

void user_leave(struct users *u, struct user *user)
{
    if (!user || --user->held)
        return;
    struct user **link = &u->all;
    while (*link != user)
        link = &(*link)->next;
    *link = user->next;
    free(user);
}
