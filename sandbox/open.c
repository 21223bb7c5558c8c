/* The context of programs that use sandboxes without the engine: a lab, a network plugin. The instance must exist, as one
 * that netctr has set up: RUN belongs to it.
 */
#include "sandbox.h"

#include <errno.h>
#include <limits.h>

static int refuse_instance(const char *run, struct err *e)
{
    err_say(e, -ESRCH, "`%s` does not belong to this network namespace", run);
    err_hint(e, "`netctr --run-root %s gc` sets it up", run);
    return -ESRCH;
}

/* The name of the instance that RUN belongs to, if that is the caller's. */
static int find_instance(int run_fd, const char *run, char **out, struct err *e)
{
    _cleanup_free_ char *owner = NULL;
    int r = read_state_at(run_fd, "instance", 64, &owner, NULL);
    if (r == -ENOENT || r == -EBADMSG)
        return refuse_instance(run, e);
    if (r < 0)
        return err_set(e, r, "read `%s/instance`", run);
    for (int former = 0; former < 2; former++) {
        _cleanup_free_ char *name = NULL;
        r = netns_instance(run, former, &name, e);
        if (r < 0)
            return r;
        if (streq(name, owner)) {
            *out = take_ptr(name);
            return 0;
        }
    }
    return refuse_instance(run, e);
}

static int open_top(const char *path, struct err *e)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? err_set(e, errno, "open state directory `%s`", path) : fd;
}

int sandboxes_open(const char *root, const char *run, struct sandboxes **out, struct err *e)
{
    *out = NULL;
    _cleanup_free_ char *canonical = realpath(run, NULL), *instance = NULL;
    if (!canonical)
        return err_set(e, errno, "open state directory `%s`", run);
    _cleanup_close_ int root_fd = open_top(root, e);
    _cleanup_close_ int run_fd = root_fd < 0 ? -1 : open_top(canonical, e);
    struct net *net = NULL;
    int r = root_fd < 0 ? root_fd : run_fd < 0 ? run_fd : 0;
    if (r == 0)
        r = find_instance(run_fd, canonical, &instance, e);
    if (r == 0)
        r = net_open(root_fd, run_fd, instance, &net, e);
    if (r < 0)
        return r;
    *out = sandboxes_new(run_fd, net);
    (*out)->own_net = net;
    (*out)->own_root = take_fd(root_fd);
    (*out)->own_run = take_fd(run_fd);
    return 0;
}
