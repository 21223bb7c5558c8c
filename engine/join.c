/* `--network container:NAME` and `ns:PATH`: joining an existing network namespace. */
#include "monitor.h"

#include <errno.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>

/* The path was resolved by `run`. A component that has become a symbolic link since is not followed, as it
 * might lead to the host's namespace. In /proc, the last component is a magic link: /proc/PID/ns/net,
 * /proc/PID/fd/N. */
static int open_namespace(const char *path, struct err *e)
{
    const char *slash = strrchr(path, '/');
    int fd = open_canonical(path, O_RDONLY);
    if (fd == -ELOOP && slash && slash != path) {
        struct statfs fs;
        _cleanup_free_ char *parent = xstrndup(path, (size_t)(slash - path));
        _cleanup_close_ int dir = open_canonical(parent, O_PATH | O_DIRECTORY);
        if (dir >= 0 && fstatfs(dir, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC)
            fd = openat(dir, slash + 1, O_RDONLY | O_CLOEXEC);
        if (fd == -1)
            fd = -errno;
    }
    if (fd == -ELOOP)
        return err_say(e, fd,
                       "network namespace `%s`: this path, or a directory in it, has become a "
                       "symbolic link",
                       path);
    return fd < 0 ? err_set(e, fd, "open network namespace `%s`", path) : fd;
}

/* For example if the pid in the path has been reused. */
static bool is_own_namespace(int netns)
{
    struct stat given, own;
    return fstat(netns, &given) == 0 && stat("/proc/self/ns/net", &own) == 0 &&
           given.st_ino == own.st_ino && given.st_dev == own.st_dev;
}

static int refuse_own_namespace(const char *path, struct err *e)
{
    err_say(e, -EINVAL, "network namespace `%s` is the host's", path);
    return err_hint(e, "use `--network host`");
}

/* A monitor that retries needs the same text each time, hence without how long ago the owner ended. */
static int owner_is_not_running(const struct monitor *m, const struct record *owner, struct err *e)
{
    const char *name = owner->spec.name;
    if (owner->status == STATUS_RESTARTING && !m->request->patient)
        return engine_not_running(owner, e);
    err_say(e, -ESRCH, "container `%s` is not running", name);
    return owner->status == STATUS_EXITED ? err_hint(e, "`netctr start %s` starts it", name)
                                          : -ESRCH;
}

/* Opens the namespace to join as m->netns, which keeps it alive. */
int join_network(struct monitor *m, struct err *e)
{
    const char *rest;
    enum network_word word = network_word(monitor_spec(m)->network, &rest);
    if (word == NETWORK_WORD_NS) {
        m->netns = open_namespace(rest, e);
        if (m->netns < 0)
            return m->netns;
        if (!netns_is(m->netns))
            return err_say(e, -EINVAL, "`%s` is not a network namespace", rest);
        return is_own_namespace(m->netns) ? refuse_own_namespace(rest, e) : 0;
    }
    if (word != NETWORK_WORD_CONTAINER)
        return 0;
    _cleanup_record_ struct record r = {0};
    int code = engine_find(m->engine, rest, &r, e);
    if (code < 0)
        return code;
    if (r.status != STATUS_RUNNING)
        return owner_is_not_running(m, &r, e);
    if (r.spec.network_mode == NETWORK_HOST)
        return err_say(e, -EINVAL, "container `%s` has no network of its own", rest);
    code = m->netns = netns_of_process(r.pid, r.pid_start);
    if (code < 0 && code != -ESRCH && code != -ENOENT)
        return err_set(e, code, "open the network namespace of container `%s`", rest);
    if (code < 0)
        return err_say(e, -ESRCH, "container `%s` has ended", rest);
    return 0;
}
