/* Opens the directories and sockets of the host's side. All sockets belong to the network namespace
 * that the caller is in. */
#include "bridge.h"

#include <errno.h>
#include <string.h>

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
    if (r == 0)
        *out = take_ptr(net);
    return r;
}

int net_look(int root_fd, int run_fd, const char *instance, struct net **out, struct err *e)
{
    _cleanup_net_ struct net *net = xcalloc(1, sizeof(*net));
    const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW;
    net->run_fd = run_fd;
    net->leases_fd = run_fd < 0 ? -1 : openat(run_fd, "leases", flags);
    net->instance = xstrdup(instance);
    net->networks_fd = root_fd < 0 ? -1 : openat(root_fd, "networks", flags);
    int r = rt_open(&net->rt, e);
    if (r == 0)
        r = fw_open(instance, &net->fw, e);
    if (r == 0)
        *out = take_ptr(net);
    return r;
}

#define EXPIRY_FILE ".expiry"

/* The answer is stored beside the leases together with the boot id. If that directory outlives a
 * reboot, the next kernel may answer differently. */
enum expiry net_expiry(struct net *net)
{
    _cleanup_free_ char *known = NULL, *boot = NULL;
    if (boot_id(&boot, NULL) < 0)
        return EXPIRY_NOT_ASKED;
    _cleanup_free_ char *yes = xasprintf("yes %s\n", boot), *no = xasprintf("no %s\n", boot);
    (void)read_state_at(net->leases_fd, EXPIRY_FILE, 64, &known, NULL);
    return streq(known, yes) ? EXPIRY_YES : streq(known, no) ? EXPIRY_NO : EXPIRY_NOT_ASKED;
}

/* Tested by trying it on a real element. If the test fails to run, elements are deleted instead:
 * slower, but correct on every kernel. */
void net_learn_expiry(struct net *net)
{
    enum expiry known = net_expiry(net);
    bool works = known == EXPIRY_YES;
    _cleanup_free_ char *boot = NULL;
    if (known == EXPIRY_NOT_ASKED && fw_probe_expiry(net->fw, &works, NULL) == 0 &&
        boot_id(&boot, NULL) == 0) {
        _cleanup_free_ char *answer = xasprintf("%s %s\n", works ? "yes" : "no", boot);
        (void)write_file_atomic(net->leases_fd, EXPIRY_FILE, answer, strlen(answer), 0600);
    }
    fw_set_expiry(net->fw, works);
}

void net_close(struct net *net)
{
    if (!net)
        return;
    close_fd(net->networks_fd);
    close_fd(net->leases_fd);
    rt_close(net->rt);
    fw_close(net->fw);
    free(net->instance);
    free(net);
}

void net_cleanup(struct net **net)
{
    net_close(*net);
}
