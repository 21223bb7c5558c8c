/* Brings a network from its definition into the kernel: network_up() compares the two and adds what
 * is missing. It does no netlink itself: device.c handles the device, firewall.h the rules. */
#include "bridge.h"

#include <errno.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>

/* ---- the default network ---------------------------------------------------------------------*/

static int define_default(struct net *net, struct network *out, struct err *e)
{
    out->name = xstrdup(DEFAULT_NETWORK);
    out->bridge = xstrdup("nc-" DEFAULT_NETWORK);
    out->icc = out->isolate = out->guard = out->dns = true;
    out->created = time(NULL);
    int r = subnet_choose4(net, "10.88.0.0", 16, &out->subnet4, e);
    int ipv6 = file_exists_at(AT_FDCWD, "/proc/net/if_inet6");
    if (r == 0 && ipv6 < 0)
        r = err_set(e, ipv6, "check whether the host has IPv6");
    if (r == 0 && ipv6)
        r = subnet_choose6(&out->subnet6, e);
    if (r < 0)
        return r;
    out->gateway4 = subnet_host(&out->subnet4, 1);
    if (out->subnet6.prefix)
        out->gateway6 = subnet_host(&out->subnet6, 1);
    return network_save(net, out, e);
}

int network_load(struct net *net, const char *name, struct network *out, struct err *e)
{
    *out = (struct network){0};
    int r = valid_name(name) ? network_read(net, name, out, e) : -ENOENT;
    if (r == -ENOENT && streq(name, DEFAULT_NETWORK)) {
        err_clear(e);
        _cleanup_close_ int lock = networks_lock(net, e);
        if (lock < 0)
            return lock;
        r = network_read(net, name, out, e); /* another process may have defined it */
        if (r == -ENOENT) {
            err_clear(e);
            r = define_default(net, out, e);
        }
    } else if (r == -ENOENT) {
        err_say(e, -ENOENT, "no such network `%s`", name);
    }
    if (r < 0)
        network_clear(out);
    return r;
}

/* ---- up --------------------------------------------------------------------------------------*/

static int firewall_up(struct net *net, const struct network *n, uint16_t names_port, struct err *e)
{
    _cleanup_fw_batch_ struct fw_batch *batch = fw_batch_new(net->fw);
    network_add(batch, n, names_port);
    return fw_commit(batch, e);
}

/* The caller may have loaded the definition a while ago: the network may be gone, or another one of
 * the same name. */
static int require_same(struct net *net, const struct network *n, struct err *e)
{
    _cleanup_network_ struct network now;
    int r = network_read(net, n->name, &now, e);
    if (r == -ENOENT)
        return err_say(e, r, "it has just been removed");
    if (r < 0)
        return r;
    if (!streq(now.bridge, n->bridge) || !subnet_equal(&now.subnet4, &n->subnet4) ||
        !subnet_equal(&now.subnet6, &n->subnet6))
        return err_say(e, -ESTALE, "it has just been removed and created again");
    return 0;
}

int network_up(struct net *net, const struct network *n, uint16_t names_port, struct err *e)
{
    _cleanup_free_ char *file = xasprintf(".%s.up", n->name);
    _cleanup_close_ int lock = lock_file_at(net->leases_fd, file, LOCK_EX);
    if (lock < 0) {
        _cleanup_free_ char *what = xasprintf("network `%s`", n->name);
        return lock_failed(lock, net->leases_fd, file, what, e);
    }
    int r = require_same(net, n, e), made = 0;
    if (r == -ENOENT)
        (void)unlinkat(net->leases_fd, file,
                       0); /* the network is gone, so no other command removes its lock file */
    if (r == 0)
        r = firewall_up(net, n, names_port, e);
    if (r == 0)
        r = made = device_up(net, n, e);
    if (r >= 0)
        r = forwarding_up(net, n, e);
    if (r < 0) {
        err_wrap(e, "network `%s`", n->name);
        return r;
    }
    return made && device_has_ports(net, n, NULL) > 0;
}

const struct sysctl *network_sysctls(bool ipv6)
{
    /* A new namespace inherits the IPv4 settings of the initial one, which forwards: a container on
     * two networks would be an unguarded path between them. A container that should route says so
     * for its interface (`network create --sysctl net.ipv4.conf.IFNAME.forwarding=1`). Router
     * advertisements are never accepted (CVE-2020-10749). Addresses are usable at once (no DAD: the
     * lease makes them unique). Unprivileged ports and ping are as in docker's containers. */
    static const struct sysctl dual[] = {
        {"net/ipv6/conf/default/accept_ra", "0"},
        {"net/ipv6/conf/default/accept_dad", "0"},
        {"net/ipv4/ip_forward", "0"},
        {"net/ipv4/ip_unprivileged_port_start", "0"},
        {"net/ipv4/ping_group_range", "0 2147483647"},
        {NULL, NULL},
    };
    /* A network without IPv6 turns it off (CVE-2024-32473). */
    static const struct sysctl ipv4_only[] = {
        {"net/ipv6/conf/default/disable_ipv6", "1"},
        {"net/ipv6/conf/default/accept_ra", "0"}, /* for a network that is connected later */
        {"net/ipv6/conf/default/accept_dad", "0"},
        {"net/ipv4/ip_forward", "0"},
        {"net/ipv4/ip_unprivileged_port_start", "0"},
        {"net/ipv4/ping_group_range", "0 2147483647"},
        {NULL, NULL},
    };
    return ipv6 ? dual : ipv4_only;
}

/* "net.ipv4.conf.IFNAME.KEY=VALUE": only the trees that are per interface. `all` and `default` are those of the
 * container's own namespace. */
int network_check_sysctl(const char *text, struct err *e)
{
    static const struct {
        const char *tree, *path; /* a directory with the same keys here */
    } trees[] = {
        {"net.ipv4.conf.IFNAME.", "net/ipv4/conf/lo"},
        {"net.ipv4.neigh.IFNAME.", "net/ipv4/neigh/lo"},
        {"net.ipv6.conf.IFNAME.", "net/ipv6/conf/lo"},
        {"net.ipv6.neigh.IFNAME.", "net/ipv6/neigh/lo"},
        {"net.ipv4.conf.all.", "net/ipv4/conf/all"},
        {"net.ipv6.conf.all.", "net/ipv6/conf/all"},
        {"net.ipv4.conf.default.", "net/ipv4/conf/default"},
        {"net.ipv6.conf.default.", "net/ipv6/conf/default"},
    };
    for (size_t i = 0; i < ARRAY_LEN(trees); i++) {
        const char *key = skip_prefix(text, trees[i].tree);
        size_t length = key ? strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789_") : 0;
        if (!length || key[length] != '=' || !key[length + 1] || strchr(key, '\n'))
            continue;
        _cleanup_free_ char *path = xasprintf("/proc/sys/%s/%.*s", trees[i].path, (int)length, key);
        if (access(path, F_OK) == 0)
            return 0;
        return err_say(e, -ENOENT, "sysctl `%s`: this kernel has no `%.*s` there", text,
                       (int)length, key);
    }
    err_say(e, -EINVAL, "sysctl `%s` is not a per-interface setting", text);
    err_hint(e,
             "write net.ipv4.conf.IFNAME.KEY=VALUE with the word IFNAME, `all` or `default`; also "
             "net.ipv6.conf, and net.ipv4.neigh and net.ipv6.neigh with IFNAME");
    return -EINVAL;
}
