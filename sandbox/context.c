/* What the sandboxes of an instance share, and need of their caller. */
#include "sandbox.h"

#include <errno.h>
#include <netctr/names.h>
#include <sys/file.h>
#include <sys/stat.h>

struct sandboxes *sandboxes_new(int run_fd, struct net *net)
{
    struct sandboxes *s = xcalloc(1, sizeof(*s));
    *s = (struct sandboxes){
        .run_fd = run_fd, .net = net, .names = -1, .dir = -1, .own_root = -1, .own_run = -1};
    return s;
}

void sandboxes_set_hooks(struct sandboxes *s, const struct sandbox_hooks *hooks)
{
    s->hooks = *hooks;
}

void sandboxes_free(struct sandboxes *s)
{
    if (!s)
        return;
    close_fd(s->names);
    close_fd(s->dir);
    pins_close(s->pins);
    net_close(s->own_net);
    close_fd(s->own_root);
    close_fd(s->own_run);
    free(s);
}

int sandboxes_net(struct sandboxes *s, struct net **out, struct err *e)
{
    if (s->hooks.net)
        return s->hooks.net(s->hooks.arg, out, e);
    *out = s->net;
    return s->net ? 0 : err_say(e, -EBADF, "the network half is not open");
}

int sandboxes_names(struct sandboxes *s, int *out, struct err *e)
{
    if (s->names < 0) {
        int fd = names_open(s->run_fd, e);
        if (fd < 0)
            return fd;
        s->names = fd;
    }
    *out = s->names;
    return 0;
}

int sandboxes_dir(struct sandboxes *s, bool make, struct err *e)
{
    if (s->dir >= 0)
        return s->dir;
    if (s->run_fd < 0) /* netctr has never run */
        return err_say(e, -ENOENT, "there is no run directory");
    if (make && mkdirat(s->run_fd, "sandboxes", 0700) < 0 && errno != EEXIST)
        return err_set(e, errno, "make the directory of the sandboxes");
    s->dir = openat(s->run_fd, "sandboxes", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    return s->dir < 0 ? err_set(e, errno, "open the directory of the sandboxes") : s->dir;
}

int sandboxes_lock(struct sandboxes *s, struct err *e)
{
    int fd = lock_file_at(s->run_fd, "lock", LOCK_EX);
    if (fd >= 0)
        return fd;
    _cleanup_free_ char *path = NULL, *what = NULL;
    if (fd_read_path(s->run_fd, &path) < 0)
        path = xstrdup("the run directory");
    if (fd == -ENOENT) /* -ENOENT would mean that there is no such network */
        return err_say(e, -ESTALE, "the run directory `%s` has been removed meanwhile", path);
    what = xasprintf("`%s`", path);
    return lock_failed(fd, s->run_fd, "lock", what, e);
}

uint16_t sandboxes_names_port(struct sandboxes *s)
{
    return s->hooks.names_port ? s->hooks.names_port(s->hooks.arg) : 0;
}

void sandboxes_event(struct sandboxes *s, const struct sandbox_event *event)
{
    if (s->hooks.event)
        s->hooks.event(event, s->hooks.arg);
}

void sandbox_note(struct sandbox *sb, const char *text)
{
    if (sb->request.note)
        sb->request.note(text, sb->request.arg);
}

int sandbox_lock(struct sandbox *sb, struct err *e)
{
    return sb->request.lock ? sb->request.lock(sb->request.arg, e) : sandboxes_lock(sb->all, e);
}
