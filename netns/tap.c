/* What a process needs to hold back the frames that an interface sends: a device that takes them, and a socket that sends
 * them on. Both go with their descriptors.
 */
#include <netctr/netns.h>

#include <errno.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* The namespace of a TAP device is the one in which /dev/net/tun is opened. */
static int open_tap(void *name, struct err *e)
{
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    memcpy(request.ifr_name, name, strlen(name) + 1);
    _cleanup_close_ int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        int r = err_set(e, errno, "open /dev/net/tun");
        err_hint(e, "`modprobe tun` loads the driver");
        return r;
    }
    if (ioctl(fd, TUNSETIFF, &request) < 0)
        return err_set(e, errno, "make TAP device `%s`", (char *)name);
    memcpy(name, request.ifr_name, IFNAMSIZ);
    return take_fd(fd);
}

/* Without IPv6, or the kernel would send frames of its own by it. */
static int silence(int netns, const char *name, struct err *e)
{
    _cleanup_free_ char *key = xasprintf("net/ipv6/conf/%s/disable_ipv6", name);
    const struct sysctl sysctls[] = {{key, "1"}, {NULL, NULL}};
    return netns_sysctls(netns, sysctls, e);
}

int tap_open(int netns, struct rt *rt, const char *alias, struct link *out, struct err *e)
{
    char name[IFNAMSIZ] = "impair%d";
    _cleanup_close_ int fd = netns_run(netns, open_tap, name, e);
    int r = fd < 0 ? fd : silence(netns, name, e);
    if (r == 0 && (r = rt_get_link(rt, name, out)) < 0)
        return err_set(e, r, "find TAP device `%s`", name);
    if (r < 0)
        return r;
    _cleanup_rt_batch_ struct rt_batch *b = rt_batch_new(rt);
    rt_set_alias(b, name, alias);
    rt_set_up(b, out->index);
    r = rt_commit(b, e);
    return r < 0 ? r : take_fd(fd);
}

/* Since Linux 5.16 its frames pass the egress hook all the same. */
int sender_open(int netns, int index, uint32_t mark, struct err *e)
{
    const struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = index};
    const int on = 1;
    _cleanup_close_ int fd = netns_socket(netns, AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, 0, e);
    if (fd < 0)
        return fd;
    if (setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on)) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) < 0 ||
        bind(fd, (const struct sockaddr *)&to, sizeof(to)) < 0)
        return err_set(e, errno, "open a packet socket");
    return take_fd(fd);
}
