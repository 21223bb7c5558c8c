/* --sysctl. A user namespace lets its root write few of them, so a process with the host's privileges enters the container's
 * network, IPC and UTS namespaces and writes them there, by the host's /proc. */
#include "sysctl.h"

#include "namespaces.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/wait.h>

/* As sysctl(8) reads a name: what comes first, a dot or a slash, separates. */
char *sysctl_path(const char *name)
{
    const char separator = name[strcspn(name, "./")];
    if (!separator || strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                   "_-./:@") != strlen(name))
        return NULL;
    _cleanup_strv_ strv parts = strv_split(name, separator);
    strv_each (part, parts)
        if (!*part || streq(part, ".") || streq(part, "..") || strchr(part, '/'))
            return NULL;
    return strv_join(parts, "/");
}

/* Newer kernels let only the root of its user namespace write those of an IPC namespace, older ones only the host's. */
static int write_as(uid_t uid, const char *path, const char *value)
{
    int r = seteuid(uid) < 0 ? -errno : write_existing_at(AT_FDCWD, path, value);
    return seteuid(0) < 0 && r == 0 ? -errno : r;
}

static int write_one(uid_t root, const char *text, struct err *e)
{
    const char *value = strchr(text, '=') + 1;
    _cleanup_free_ char *name = xstrndup(text, (size_t)(value - text) - 1);
    _cleanup_free_ char *path = sysctl_path(name), *full = xasprintf("/proc/sys/%s", path);
    int r = write_existing_at(AT_FDCWD, full, value);
    if (r == -EACCES && root)
        r = write_as(root, full, value);
    if (r == -ENOENT)
        return err_say(e, r, "this kernel has no sysctl `%s` for a container", name);
    return r < 0 ? err_set(e, r, "set sysctl `%s` to `%s`", name, value) : 0;
}

static int write_inside(const struct process *p, struct err *e)
{
    const int kinds = CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS;
    int r = setns(p->pidfd, namespaces_apart(&p->plan) & kinds) < 0 ? -errno : 0;
    if (r < 0)
        return err_set(e, r, "enter the container's namespaces");
    strv_each (text, p->plan.sysctls)
        if (r == 0)
            r = write_one(id_map_root_uid(&p->plan.ids), text, e);
    return r;
}

/* A process of its own, so that this one need not find its way back. */
int sysctls_apply(const struct process *p, struct err *e)
{
    int ends[2];
    enum message kind;
    if (!p->plan.sysctls || !p->plan.sysctls[0])
        return 0;
    int r = channel_open(ends, e);
    if (r < 0)
        return r;
    pid_t pid = fork();
    if (pid == 0) {
        struct err why = ERR_INIT;
        close(ends[0]);
        if (write_inside(p, &why) < 0)
            (void)channel_send_error(ends[1], &why);
        else
            (void)channel_send(ends[1], MESSAGE_DONE);
        _exit(0);
    }
    _cleanup_close_ int channel = ends[0];
    close(ends[1]);
    if (pid < 0)
        return err_set(e, errno, "fork");
    r = channel_receive(channel, &kind, NULL, e);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    return r == 0 && kind != MESSAGE_DONE
               ? err_say(e, -EPIPE, "the process that writes sysctls was killed")
               : r;
}
