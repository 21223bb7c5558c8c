/* A container's init, before it becomes the program:
 *
 *     die with the monitor → cgroup, namespaces → root filesystem → network namespace → /sys …
 *       → streams, directory, seccomp, capabilities, user → stub: "prepared" … "start" → execve
 *
 * While it mounts, its parent may set up the network. The two meet twice: when the namespace is handed over, and at
 * "start", which the stub (stub.c) waits for. Each failure goes to the parent as an error object over the channel;
 * its close-on-exec end is the sign of success.
 */
#include "child.h"

#include "caller.h"
#include "caps.h"
#include "namespaces.h"
#include "places.h"
#include "terminal.h"
#include "user.h"

#include <errno.h>
#include <grp.h>
#include <linux/close_range.h>
#include <linux/openat2.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

void reset_signals(void)
{
    for (int sig = 1; sig < NSIG; sig++)
        (void)signal(sig, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* ---- becoming the program --------------------------------------------------------------------*/

static int set_streams(const struct become *b, const struct container_user *u, int root,
                       struct err *e)
{
    for (int i = 0; i < 3; i++) {
        int fd = b->streams[i];
        _cleanup_close_ int null = -1;
        if (fd < 0) /* the container's own /dev/null: the host's may have been replaced */
            fd = null = open_in_root(root, "dev/null", O_RDWR, 0, RESOLVE_NO_SYMLINKS);
        struct stat st;
        /* A program that reopens /dev/stdout must own the pipe, or the terminal; other devices are never given away
         * (runc once chowned the host's /dev/null). */
        if (fd >= 0 && u->uid != 0 &&
            (fstat(fd, &st) < 0 || ((b->terminal || S_ISFIFO(st.st_mode)) &&
                                    fchown(fd, u->uid, b->terminal ? (gid_t)-1 : u->gid) < 0)))
            return err_set(e, errno, "hand over the standard streams");
        if (fd < 0 || dup2(fd, i) < 0)
            return err_set(e, fd < 0 ? fd : errno, "set up the standard streams");
    }
    return b->terminal && b->leads_session ? terminal_control(STDIN_FILENO, e) : 0;
}

/* For any other reason, such as a lack of memory, it is netctr that fails. */
static bool is_fault_of_path(int code)
{
    return code == -ENOENT || code == -ENOTDIR || code == -EACCES || code == -ELOOP ||
           code == -EXDEV || code == -ENAMETOOLONG;
}

/* The directory is resolved beneath the root, and magic links are refused: "/proc/self/fd/9" could be a directory
 * of the host that was left open (CVE-2024-21626). */
static int enter_workdir(const struct become *b, int root, struct err *e)
{
    const char *workdir = b->workdir ? b->workdir : "/";
    _cleanup_close_ int dir = b->makes_workdir
                                  ? mkdir_in_root(root, workdir, 0755)
                                  : open_in_root(root, workdir, O_PATH | O_DIRECTORY, 0, 0);
    if (dir == -ENOENT)
        err_say(e, dir, "working directory `%s` does not exist in the container", workdir);
    else if (dir < 0)
        err_set(e, dir, "working directory `%s`", workdir);
    place_explain(dir, b->ids, e);
    if (is_fault_of_path(dir) && !b->makes_workdir) /* exec: the command cannot be run like this */
        err_status(e, EXIT_NOT_INVOKABLE);
    if (dir < 0)
        return dir;
    if (fchdir(dir) < 0)
        return err_set(e, errno, "enter working directory `%s`", workdir);
    _cleanup_free_ char *cwd = getcwd(NULL, 0);
    if (!cwd || cwd[0] != '/')
        return err_say(e, -EPERM, "working directory `%s` is outside of the container", workdir);
    return 0;
}

/* The kernel refuses an id that the user namespace lacks with EINVAL, and at different places. */
static int check_user(const struct id_map *m, const struct container_user *u, struct err *e)
{
    if (id_map_is_host(m))
        return 0;
    if (id_outside(m->uids, m->uid_count, u->uid) == ID_UNMAPPED)
        return err_say(e, -EINVAL, "the container's user namespace has no user %u", u->uid);
    bool found = id_outside(m->gids, m->gid_count, u->gid) != ID_UNMAPPED;
    gid_t gid = u->gid;
    for (size_t i = 0; found && i < u->group_count; i++) {
        gid = u->groups[i];
        found = id_outside(m->gids, m->gid_count, gid) != ID_UNMAPPED;
    }
    return found ? 0 : err_say(e, -EINVAL, "the container's user namespace has no group %u", gid);
}

static int set_user(const struct container_user *u, struct err *e)
{
    if (setgroups(u->group_count, u->groups) < 0) {
        int r = err_set(e, errno, "set the supplementary groups");
        if (r == -EPERM) /* the groups of the host's root would remain */
            err_hint(e, "is setgroups denied in the user namespace (/proc/PID/setgroups)?");
        return r;
    }
    if (setresgid(u->gid, u->gid, u->gid) < 0)
        return err_set(e, errno, "become group %u", u->gid);
    if (setresuid(u->uid, u->uid, u->uid) < 0)
        return err_set(e, errno, "become user %u", u->uid);
    return 0;
}

static int die_with_parent(struct err *e)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        return err_set(e, errno, "tie the container to its monitor");
    return 0;
}

/* Seccomp comes first: without no_new_privs it needs CAP_SYS_ADMIN. caps.h explains the rest of the order. */
static int drop_privileges(const struct become *b, const struct container_user *u, struct err *e)
{
    int r = b->filter->len ? seccomp_install(b->filter, e) : 0;
    if (r == 0)
        r = caps_drop_bounding(b->caps, e);
    if (r == 0)
        r = caps_keep_over_uid(b->ambient_caps, u->uid, e);
    if (r == 0)
        r = set_user(u, e);
    if (r == 0)
        r = caps_set_after_uid(b->caps, b->ambient_caps, u->uid, e);
    if (r == 0 && b->die_with_parent)
        r = die_with_parent(e); /* the change of user has cleared it */
    return r;
}

static const char *env_get(char *const *env, const char *key)
{
    strv_each (entry, env) {
        const char *rest = skip_prefix(entry, key);
        if (rest && *rest == '=')
            return rest + 1;
    }
    return NULL;
}

int become_program(const struct become *b, int root, struct err *e)
{
    _cleanup_user_ struct container_user u = {0};
    int r = user_resolve(root, b->user, &u, e);
    if (r == 0)
        r = user_add_groups(root, b->groups, &u, e);
    if (r == 0)
        r = check_user(b->ids, &u, e);
    if (r < 0)
        return r;
    _cleanup_strv_ strv env = strv_copy(b->env);
    if (!env_get(env, "HOME"))
        strv_add_take(&env, xasprintf("HOME=%s", u.home));
    if (!env_get(env, "PATH"))
        strv_add(&env, "PATH=" DEFAULT_PATH);
    if ((r = set_streams(b, &u, root, e)) < 0 || (r = enter_workdir(b, root, e)) < 0)
        return r;
    umask(b->umask ? (mode_t)strtoul(b->umask, NULL, 8) : 022);
    /* Everything but the streams closes at execve, including what the caller left open. */
    if (close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
        return err_set(e, errno, "mark the open files");
    if ((r = ulimits_raise(b->ulimits, e)) < 0 || (r = drop_privileges(b, &u, e)) < 0)
        return r;
    return stub_execute(b->stub, b->channel, b->argv, env, b->ulimits, e);
}

/* ---- the story -------------------------------------------------------------------------------*/

static int receive_netns(int channel, struct err *e)
{
    enum message kind;
    _cleanup_close_ int netns = -1;
    int r = channel_receive(channel, &kind, &netns, e);
    if (r < 0)
        return r;
    if (kind != MESSAGE_NETNS || netns < 0)
        return err_say(e, -EPIPE, "the parent sent no network namespace");
    if (setns(netns, CLONE_NEWNET) < 0)
        return err_set(e, errno, "enter the network namespace");
    return 0;
}

int become_terminal(struct become *b, int root, const struct winsize *size, bool console,
                    struct err *e)
{
    _cleanup_close_ int master = -1;
    int peer = terminal_new(root, size, &master, e);
    if (peer < 0)
        return peer;
    int shown = console ? terminal_be_console(root, peer, e) : 0;
    if (shown < 0) {
        close_fd(peer);
        return shown;
    }
    for (int i = 0; i < 3; i++)
        b->streams[i] = peer;
    b->terminal = true;
    int r = channel_send_fd(b->channel, MESSAGE_TERMINAL, master);
    return r < 0 ? err_set(e, r, "hand over the terminal") : 0;
}

static int prepare(struct child *c, int *root, struct err *e)
{
    const struct plan *s = c->rootfs.plan;
    /* In a user namespace of its own, that is done, and not permitted any more. */
    int r = s->namespaces[PLAN_USER].how == NS_JOIN ? 0 : oom_score_of_program(s->oom_score, e);
    if (r == 0)
        r = die_with_parent(e);
    if (r == 0 && c->cgroup)
        r = cgroup_join_self(c->cgroup, e);
    if (r < 0)
        return r;
    /* After joining the cgroup, which becomes the root of a new cgroup namespace. */
    if ((r = namespaces_join(s, e)) < 0)
        return r;
    if (s->hostname && sethostname(s->hostname, strlen(s->hostname)) < 0)
        return err_set(e, errno, "set hostname `%s`", s->hostname);
    *root = rootfs_build(&c->rootfs, e);
    if (*root < 0)
        return *root;
    if (s->namespaces[PLAN_NET].how == NS_LATER && (r = receive_netns(c->become.channel, e)) < 0)
        return r;
    r = rootfs_finish(&c->rootfs, *root, e);
    return r == 0 && s->tty ? become_terminal(&c->become, *root, &c->size, true, e) : r;
}

static int story(struct child *c, struct err *e)
{
    _cleanup_close_ int root = -1;
    umask(022); /* independent of the caller's */
    reset_signals();
    /* A session of its own: without a controlling terminal, nothing inside can type into the caller's
     * (CVE-2017-5226). */
    if (setsid() < 0)
        return err_set(e, errno, "begin a session");
    int r = prepare(c, &root, e);
    return r < 0 ? r : become_program(&c->become, root, e);
}

_Noreturn void child_main(struct child *c)
{
    struct err e = ERR_INIT;
    (void)story(c, &e);
    (void)channel_send_error(c->become.channel, &e);
    _exit(EXIT_NETCTR);
}
