/* Opens the directories and sockets of the host's side. All sockets belong to the network namespace
 * that the caller is in. */
#include "bridge.h"

#include <errno.h>

static int open_directory(int at, const char *name, struct err *e)
{
    if (mkdirat(at, name, 0700) < 0 && errno != EEXIST)
        return err_set(e, errno, "create state directory `%s`", name);
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    return fd < 0 ? err_set(e, errno, "open state directory `%s`", name) : fd;
}

int net_open(int root_fd, int run_fd, const char *instance, struct net **out, struct err *e)
{
    _cleanup_net_ struct net *net = xcalloc(1, sizeof(*net));
    net->run_fd = run_fd;
    net->leases_fd = -1;
    net->sysctls = (struct sysctls)SYSCTLS_INIT;
    net->instance = xstrdup(instance);
    net->networks_fd = open_directory(root_fd, "networks", e);
    if (net->networks_fd < 0)
        return net->networks_fd;
    net->leases_fd = open_directory(run_fd, "leases", e);
    if (net->leases_fd < 0)
        return net->leases_fd;
    int r = rt_open(&net->rt, e);
    if (r == 0)
        r = fw_open(instance, &net->fw, e);
    if (r < 0)
        return r;
    fw_set_directory(net->fw, net->leases_fd);
    *out = take_ptr(net);
    return 0;
}

int net_look(int root_fd, int run_fd, const char *instance, struct net **out, struct err *e)
{
    _cleanup_net_ struct net *net = xcalloc(1, sizeof(*net));
    const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW;
    net->run_fd = run_fd;
    net->sysctls = (struct sysctls)SYSCTLS_INIT;
    net->leases_fd = run_fd < 0 ? -1 : openat(run_fd, "leases", flags);
    net->instance = xstrdup(instance);
    net->networks_fd = root_fd < 0 ? -1 : openat(root_fd, "networks", flags);
    int r = rt_open(&net->rt, e);
    if (r == 0)
        r = fw_open(instance, &net->fw, e);
    if (r < 0)
        return r;
    fw_set_directory(net->fw, net->leases_fd);
    *out = take_ptr(net);
    return 0;
}

enum fw_expiry net_expiry(struct net *net)
{
    return fw_expiry(net->fw);
}

void net_close(struct net *net)
{
    if (!net)
        return;
    close_fd(net->networks_fd);
    close_fd(net->leases_fd);
    sysctls_close(&net->sysctls);
    rt_close(net->rt);
    fw_close(net->fw);
    free(net->instance);
    free(net);
}

void net_cleanup(struct net **net)
{
    net_close(*net);
}
