/* Sysctls of a container's interface, written before it is up. */
#include "bridge.h"

#include <errno.h>
#include <string.h>

/* Without a subnet, the container may give its interface what it likes; by itself the interface has no address, not even
 * a link-local one. */
static int allow_ipv6(int netns, const struct endpoint *ep, struct err *e)
{
    _cleanup_free_ char *mode = xasprintf("net/ipv6/conf/%s/addr_gen_mode", ep->interface),
                        *off = xasprintf("net/ipv6/conf/%s/disable_ipv6", ep->interface);
    const struct sysctl sysctls[] = {{mode, "1"}, {off, "0"}, {NULL, NULL}};
    return netns_sysctls(netns, sysctls, e);
}

/* A new link has IPv6 on or off as the namespace's defaults say, and those were chosen for the
 * first networks. If this network differs, IPv6 is switched before the link goes up
 * (CVE-2024-32473). */
int endpoint_set_ipv6(int netns, const struct network *n, const struct endpoint *ep,
                      const struct endpoint_request *request, struct err *e)
{
    bool wanted = ep->address6.family != 0;
    if (n->no_addresses)
        return allow_ipv6(netns, ep, e);
    if (request->born == (wanted ? BORN_WITH_IPV6 : BORN_WITHOUT_IPV6))
        return 0;
    _cleanup_free_ char *key = xasprintf("net/ipv6/conf/%s/disable_ipv6", ep->interface);
    const struct sysctl sysctls[] = {{key, wanted ? "0" : "1"}, {NULL, NULL}};
    return netns_sysctls(netns, sysctls, e);
}

/* The path of the sysctl in "net.ipv4.conf.IFNAME.KEY=VALUE". */
static char *sysctl_key(const char *text, const char *interface)
{
    char *path = xstrndup(text, strcspn(text, "="));
    for (char *dot = path; (dot = strchr(dot, '.'));)
        *dot = '/';
    const char *name = strstr(path, "IFNAME");
    if (!name)
        return path;
    char *key = xasprintf("%.*s%s%s", (int)(name - path), path, interface, name + 6);
    free(path);
    return key;
}

struct sysctl_request {
    const struct network *n;
    const char *interface;
};

static int write_sysctls(void *arg, struct err *e)
{
    const struct sysctl_request *request = arg;
    _cleanup_sysctls_ struct sysctls used = SYSCTLS_APART;
    strv_each (text, request->n->sysctls) {
        _cleanup_free_ char *key = sysctl_key(text, request->interface);
        int r = sysctls_write(&used, key, strchr(text, '=') + 1, e);
        if (r == -ENOENT && strstr(key, "/neigh/"))
            err_hint(e, "this kernel has it only in containers with `--userns=host`");
        else if (r == -ENOENT) { /* no IPv6 on a link with a small MTU */
            err_clear(e);
            r = 0;
        }
        if (r < 0)
            return r;
    }
    return 0;
}

/* Before the link is up, and by a process of the host, because the container may lack the right to. The definition is a
 * file that people may edit, so each sysctl is checked again. */
int endpoint_set_sysctls(int netns, const struct network *n, const struct endpoint *ep,
                         struct err *e)
{
    struct sysctl_request request = {n, ep->interface};
    strv_each (text, n->sysctls) {
        int r = network_check_sysctl(text, e);
        if (r < 0)
            return r;
    }
    return n->sysctls && n->sysctls[0] ? netns_run(netns, write_sysctls, &request, e) : 0;
}
