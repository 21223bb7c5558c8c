/* create → (join) → await → start: the parent's half of child.c.
 *
 * The parent opens everything that the child needs, because the child resolves only paths inside the container. It
 * clones the child into its namespaces, and its caller may set up the network while the child mounts.
 */
#include "caller.h"
#include "caps.h"
#include "child.h"
#include "mounts.h"
#include "namespaces.h"
#include "plan.h"
#include "prepare.h"
#include "process.h"
#include "source.h"
#include "sysctl.h"
#include "terminal.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>

/* ---- what the child needs --------------------------------------------------------------------*/

struct preparation {
    int channel; /* the child's end */
    int stub;
    int streams[3]; /* the child's ends */
    int cgroup;     /* for CLONE_INTO_CGROUP, or -1 */
    struct cgroup_host host;
    struct cgroup_entry entry;
    struct seccomp_filter filter;
    struct prepared prepared; /* its fds are the child's */
};

static void preparation_clear(struct preparation *p)
{
    int *const fds[] = {&p->channel,    &p->stub,       &p->streams[0],
                        &p->streams[1], &p->streams[2], &p->cgroup};
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        *fds[i] = close_fd(*fds[i]);
    cgroup_entry_close(&p->entry);
    cgroup_host_clear(&p->host);
    seccomp_filter_clear(&p->filter);
}

static struct cgroup_limits limits_of(const struct plan *s)
{
    return (struct cgroup_limits){
        .memory = (int64_t)s->limits.memory,
        .cpu_quota_us = (int64_t)s->limits.cpu_milli * 100,
        .pids = s->limits.pids_by_default ? 0 : (int64_t)s->limits.pids,
    };
}

/* The default limit of processes, where the kernel has the controller and the cgroups above pass it on. */
static int set_default_pids(const struct plan *s, const struct cgroup_host *host, const char *path,
                            struct err *e)
{
    const struct cgroup_limits limits = {.pids = (int64_t)s->limits.pids};
    int r = s->limits.pids_by_default ? cgroup_update(host, path, &limits, e) : 0;
    bool not_handed_on = r == -ENOENT && host->kind == CGROUP_V2;
    if (r != -EOPNOTSUPP && !not_handed_on)
        return r;
    err_clear(e);
    return 0;
}

/* The limits are set before any process is inside. v2: the child is born there; v1: it moves itself through fds
 * that are open already, which avoids a global lock of the kernel (7-15 ms). */
static int make_cgroup(const struct process *c, struct preparation *p, struct err *e)
{
    _cleanup_free_ char *path = plan_cgroup(&c->plan);
    struct cgroup_limits limits = limits_of(&c->plan);
    bool may_mount = c->plan.caps & CAPS_BIT(CAP_SYS_ADMIN);
    int r = cgroup_probe(NULL, &p->host, e);
    if (r == 0 && may_mount)
        r = cgroup_add_others(&p->host, true, e);
    if (r == 0)
        r = cgroup_create(&p->host, path, &limits, e);
    if (r == 0)
        r = set_default_pids(&c->plan, &p->host, path, e);
    if (r == 0)
        r = cgroup_open_for_clone(&p->host, path, &p->cgroup, e);
    if (r == 0 && (p->cgroup < 0 || may_mount))
        r = cgroup_open_entry(&p->host, path, &p->entry, e);
    if (r == 0 && may_mount)
        p->entry.everywhere = take_ptr(path);
    return r;
}

/* One end for the child; ours does not block. */
static int open_pipe(int *child, int *ours, bool child_reads, struct err *e)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_set(e, errno, "open a pipe");
    *child = ends[child_reads ? 0 : 1];
    *ours = ends[child_reads ? 1 : 0];
    return fcntl(*ours, F_SETFL, O_NONBLOCK) < 0 ? err_set(e, errno, "open a pipe") : 0;
}

int open_streams(bool interactive, const struct id_map *ids, int child[3], int *in, int *out,
                 int *err, struct err *e)
{
    int r = interactive ? open_pipe(&child[0], in, true, e) : 0;
    if (r == 0)
        r = open_pipe(&child[1], out, false, e);
    if (r == 0)
        r = open_pipe(&child[2], err, false, e);
    /* A program that reopens /dev/stdout must own the pipe. */
    for (int i = 0; r == 0 && i < 3 && !id_map_is_host(ids); i++)
        if (child[i] >= 0 && fchown(child[i], id_map_root_uid(ids), id_map_root_gid(ids)) < 0)
            r = err_set(e, errno, "give the pipes to the container's root");
    return r;
}

/* A small tmpfs of their own, which the container can fill without harming the host. The parent makes it, so that it
 * can write them while the child mounts. */
static int make_files(struct process *c, struct err *e)
{
    const uid_t uid = id_map_root_uid(&c->plan.ids);
    const gid_t gid = id_map_root_gid(&c->plan.ids);
    _cleanup_free_ char *user = xasprintf("%u", uid), *group = xasprintf("%u", gid),
                        *inodes = xasprintf("%zu", c->plan.mount_count + 32); /* prepare.c */
    const struct mount_option small[] = {{"mode", "755"}, {"size", "256k"}, {"nr_inodes", inodes},
                                         {"uid", user},   {"gid", group},   {NULL, NULL}};
    if (c->plan.file_count == 0)
        return 0;
    c->files_fd =
        mount_new("tmpfs", small, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, e);
    int r = c->files_fd < 0 ? c->files_fd : 0;
    for (size_t i = 0; r == 0 && i < c->plan.file_count; i++) {
        const char *name = c->plan.files[i].name;
        if ((r = process_write_file(c, name, "", e)) == 0 &&
            (fchownat(c->files_fd, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0 ||
             fchmodat(c->files_fd, name, 0644, 0) < 0)) /* independent of the caller's umask */
            r = err_set(e, errno, "make the container's `%s` readable", name);
    }
    return r;
}

static int get_ready(struct process *c, struct preparation *p, struct err *e)
{
    int r = plan_check(&c->plan, e);
    if (r == 0)
        r = namespaces_check(&c->plan, e);
    if (r < 0)
        return r;
    sources_wake(&c->plan);
    r = seccomp_filter_for(c->plan.caps, &p->filter, e);
    if (r == 0 && !c->plan.tty)
        r = open_streams(c->plan.interactive, &c->plan.ids, p->streams, &c->stdin_fd, &c->stdout_fd,
                         &c->stderr_fd, e);
    /* Opened here, while a failure can still be reported. */
    if (r == 0 && c->signal_fd < 0 && (c->signal_fd = supervise_open_signals(-1, e)) < 0)
        r = c->signal_fd;
    if (r == 0)
        r = supervise_open_log(c, e);
    if (r == 0)
        r = make_cgroup(c, p, e);
    if (r == 0)
        r = make_files(c, e);
    if (r == 0 && (p->stub = stub_open(c->plan.init ? STUB_INIT : STUB_PROGRAM, e)) < 0)
        r = p->stub;
    int ends[2] = {-1, -1};
    if (r == 0)
        r = channel_open(ends, e);
    c->channel = ends[0];
    p->channel = ends[1];
    return r;
}

/* ---- clone -----------------------------------------------------------------------------------*/

static _Noreturn void run_child(const struct process *c, struct preparation *p)
{
    struct child child = {
        .rootfs = {.plan = &c->plan,
                   .files = c->files_fd,
                   .cgroup2 = p->host.kind == CGROUP_V2,
                   .prepared = p->prepared.mounts ? &p->prepared : NULL},
        .become = {.argv = c->plan.argv,
                   .env = c->plan.env,
                   .user = c->plan.user,
                   .workdir = c->plan.workdir,
                   .caps = c->plan.caps,
                   .ambient_caps = c->plan.ambient_caps,
                   .filter = &p->filter,
                   .die_with_parent = true,
                   .makes_workdir = true,
                   .leads_session = true,
                   .ulimits = &c->plan.ulimits,
                   .ids = &c->plan.ids,
                   .groups = c->plan.groups,
                   .umask = c->plan.umask,
                   .stub = p->stub,
                   .channel = p->channel,
                   .streams = {p->streams[0], p->streams[1], p->streams[2]}},
        .cgroup = p->entry.count ? &p->entry : NULL,
        .size = c->size,
    };
    /* A copy of our end in the child would keep the channel open when we die. */
    close_fd(c->channel);
    child_main(&child);
}

struct host_side {
    const struct process *process;
    struct preparation *preparation;
};

/* Whatever needs privileges over the host: once inside, they are lost. */
static int prepare_on_host(void *arg, struct err *e)
{
    struct host_side *side = arg;
    const struct process *c = side->process;
    int r = oom_score_of_program(c->plan.oom_score, e);
    if (r == 0)
        r = ulimits_raise(&c->plan.ulimits, e);
    return r < 0 ? r : prepare_mounts(&c->plan, c->files_fd, &side->preparation->prepared, e);
}

int process_create(struct process *c, struct err *e)
{
    __attribute__((cleanup(preparation_clear))) struct preparation p = {
        .channel = -1,
        .stub = -1,
        .streams = {-1, -1, -1},
        .cgroup = -1,
        .entry = CGROUP_ENTRY_INIT,
    };
    int r = get_ready(c, &p, e);
    if (r < 0)
        return r;
    /* Signals for the container stay pending until its monitor listens. */
    supervise_block_signals();
    struct host_side side = {c, &p};
    const struct birth_options options = {
        .cgroup = p.cgroup, .prepare = prepare_on_host, .arg = &side, .channel = p.channel};
    r = namespaces_clone(c, &options, e);
    if (r == 0)
        run_child(c, &p);
    return r < 0 ? r : 0;
}

/* ---- meet ------------------------------------------------------------------------------------*/

/* The child ended without an error packet: most likely killed by its memory limit. */
static int died(struct process *c, struct err *e)
{
    int status = 0, r = namespaces_meet(c, e);
    uint64_t oom_kills = plan_oom_kills(&c->plan);
    if (r == -ECHILD)
        return r;
    if (c->pid > 0)
        (void)waitpid(c->pid, &status, 0);
    if (oom_kills)
        return err_say(
            e, -ENOMEM,
            "the container was killed before its program ran: its memory limit is too low");
    if (WIFSIGNALED(status))
        return err_say(e, -EPIPE,
                       "the container's process was killed by signal %d before its program ran",
                       WTERMSIG(status));
    return err_say(e, -EPIPE, "the container's process ended before its program ran");
}

int process_join_netns(struct process *c, int netns, struct err *e)
{
    if (c->plan.namespaces[PLAN_NET].how != NS_LATER)
        return err_say(e, -EINVAL, "the plan has a network namespace already");
    int r = channel_send_fd(c->channel, MESSAGE_NETNS, netns);
    if (r != -EPIPE)
        return r < 0 ? err_set(e, r, "hand over the network namespace") : 0;
    /* It failed earlier: the reason waits in the channel. */
    enum message kind;
    r = channel_receive(c->channel, &kind, NULL, e);
    return r < 0 ? r : died(c, e);
}

/* Waits for @wanted; everything else is a failure. */
static int await(struct process *c, enum message wanted, struct err *e)
{
    enum message kind;
    int value;
    int r = channel_receive(c->channel, &kind, &value, e);
    if (r < 0)
        return r;
    if (kind == MESSAGE_NOT_RUN || kind == MESSAGE_NO_LOADER || kind == MESSAGE_NO_PROCESS)
        return stub_failure(&c->plan, c->plan.user, c->plan.argv[0], kind, value, e);
    channel_drop(kind, value); /* none is expected any more */
    return kind == wanted ? 0 : died(c, e);
}

/* The monitor opens the program's side as well: its processes may all close it, and one may open it again later. */
static int take_terminal(struct process *c, struct err *e)
{
    enum message kind;
    int value;
    int r = channel_receive(c->channel, &kind, &value, e);
    if (r < 0)
        return r;
    if (kind != MESSAGE_TERMINAL) {
        channel_drop(kind, value);
        return died(c, e);
    }
    _cleanup_close_ int master = value;
    if ((c->peer = terminal_peer(master)) < 0)
        return err_set(e, c->peer, "open the terminal");
    if (c->plan.interactive && (c->stdin_fd = fcntl(master, F_DUPFD_CLOEXEC, 3)) < 0)
        return err_set(e, errno, "copy the terminal");
    if (fcntl(master, F_SETFL, O_RDWR | O_NONBLOCK) < 0)
        return err_set(e, errno, "set up the terminal");
    c->stdout_fd = take_fd(master);
    return 0;
}

int process_await(struct process *c, struct err *e)
{
    int r = c->plan.tty ? take_terminal(c, e) : 0;
    if (r == 0)
        r = await(c, MESSAGE_PREPARED, e);
    if (r == 0)
        r = namespaces_meet(c, e);
    return r < 0 ? r : sysctls_apply(c, e);
}

int process_start(struct process *c, struct err *e)
{
    int r = channel_send(c->channel, MESSAGE_START);
    if (r < 0)
        r = r == -EPIPE ? died(c, e) : err_set(e, r, "start the container");
    /* The channel is close-on-exec: end of file means that the child has become the program. */
    if (r == 0)
        r = await(c, MESSAGE_END, e);
    c->channel = close_fd(c->channel);
    return r;
}
