/* A plan made by hand, through netctr/core.h alone: no store, no engine, no network. Needs root. Mounts in a mount
 * namespace of its own, and leaves nothing below the cgroup netctr/test-plan-PID. */
#include <netctr/core.h>

#include <errno.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/wait.h>

static int failures;

static __attribute__((format(printf, 3, 4))) void expect(bool ok, const char *name,
                                                         const char *format, ...)
{
    char why[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(why, sizeof(why), format, args);
    va_end(args);
    printf("%s - %s%s%s\n", ok ? "ok" : "not ok", name, ok ? "" : ": ", ok ? "" : why);
    failures += !ok;
}

/* ---- a root directory ------------------------------------------------------------------------*/

/* A tmpfs with busybox's /bin, a directory for the mount point and one for the log. */
struct place {
    char top[32];
    char *root, *run, *logs, *outside, *instance;
};

static char *make_dir(const struct place *p, const char *name)
{
    char *path = xasprintf("%s/%s", p->top, name);
    if (mkdir(path, 0755) < 0 && errno != EEXIST)
        exit(1);
    return path;
}

static bool place_make(struct place *p, const char *program)
{
    const char *slash = strrchr(program, '/');
    _cleanup_free_ char *bin = xasprintf("%.*s/../rootfs-busybox/usr/bin",
                                         slash ? (int)(slash - program) : 1, slash ? program : ".");
    if (access(bin, F_OK) < 0) { /* another build than the usual one */
        free(bin);
        bin = xstrdup("build/tests/rootfs-busybox/usr/bin");
    }
    strcpy(p->top, "/tmp/netctr-plan.XXXXXX");
    if (access(bin, F_OK) < 0 || !mkdtemp(p->top) || unshare(CLONE_NEWNS) < 0 ||
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("tmpfs", p->top, "tmpfs", 0, "size=4m,mode=755") < 0)
        return false;
    p->root = make_dir(p, "root");
    p->run = make_dir(p, "run");
    p->logs = make_dir(p, "logs");
    p->outside = make_dir(p, "outside");
    p->instance = xasprintf("test-plan-%d", getpid());
    free(make_dir(p, "root/usr"));
    _cleanup_free_ char *target = make_dir(p, "root/usr/bin");
    _cleanup_free_ char *link = xasprintf("%s/bin", p->root);
    const char *const wanted[] = {"proc", "sys", "dev", "tmp", "etc", "data"};
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
        _cleanup_free_ char *name = xasprintf("root/%s", wanted[i]);
        free(make_dir(p, name));
    }
    return symlink("usr/bin", link) == 0 && mount(bin, target, NULL, MS_BIND | MS_REC, NULL) == 0;
}

static void place_clear(struct place *p)
{
    const struct plan plan = {.instance = p->instance, .id = "one"};
    (void)plan_end_cgroup(&plan, true, NULL);
    (void)umount2(p->top, MNT_DETACH);
    (void)rmdir(p->top);
    free(p->root);
    free(p->run);
    free(p->logs);
    free(p->outside);
    free(p->instance);
}

/* ---- a process -------------------------------------------------------------------------------*/

static struct place here;

#define SHELL(script) ((char *[]){"/bin/sh", "-c", script, NULL})

static struct plan plan_of(char *const *argv)
{
    static char *const env[] = {"LANG=C", NULL};
    return (struct plan){.name = "plan",
                         .instance = here.instance,
                         .id = "one",
                         .rootfs = here.root,
                         .mount_point = here.run,
                         .in_place = true,
                         .argv = argv,
                         .env = env,
                         .namespaces = {[PLAN_USER] = {.how = NS_INHERIT}},
                         .caps = CAPS_DEFAULT,
                         .log = LOG_OPTIONS_DEFAULT,
                         .log_dir = -1};
}

struct result {
    int status; /* of the program, or -errno */
    char *out;  /* its log; may be NULL */
    struct err e;
};
static void result_clear(struct result *r)
{
    free(r->out);
    err_clear(&r->e);
}
#define _cleanup_result_ __attribute__((cleanup(result_clear)))

static int supervise(struct process *p, struct err *e)
{
    struct loop *loop = NULL;
    int r = loop_new(&loop, e);
    const struct supervise_options options = {.loop = loop};
    if (r == 0)
        r = supervise_run(p, &options, e);
    loop_free(loop);
    return r;
}

/* Also with namespaces that are not the container's own. */
static int execute(const struct process *p, char *const *argv, struct err *e)
{
    const struct exec_request request = {.argv = (strv)argv, .detached = true};
    return process_exec(&p->plan, p->pid, proc_start_time(p->pid), &request, e);
}

/* @netns: what NS_LATER hands over. @text: what is written to the plan's files. @exec: run beside the program. */
static struct result run_with(const struct plan *plan, int netns, const char *text,
                              char *const *exec)
{
    struct result result = {.e = ERR_INIT};
    struct process p = PROCESS_INIT;
    p.plan = *plan;
    p.plan.log_dir = open(here.logs, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    (void)unlinkat(p.plan.log_dir, "log", 0);
    int r = process_create(&p, &result.e);
    if (r == 0 && netns >= 0)
        r = process_join_netns(&p, netns, &result.e);
    for (size_t i = 0; r == 0 && i < plan->file_count; i++)
        r = process_write_file(&p, plan->files[i].name, text, &result.e);
    if (r == 0)
        r = process_await(&p, &result.e);
    if (r == 0)
        r = process_start(&p, &result.e);
    if (r == 0 && exec)
        r = execute(&p, exec, &result.e);
    if (r == 0)
        r = supervise(&p, &result.e);
    if (r < 0)
        process_kill(&p);
    (void)process_reset(&p, NULL);
    (void)read_file_at(p.plan.log_dir, "log", 1 << 20, &result.out, NULL);
    close_fd(p.plan.log_dir);
    process_clear(&p);
    result.status = r;
    return result;
}

static struct result run(const struct plan *plan)
{
    return run_with(plan, -1, "", NULL);
}

static bool said(const struct result *r, const char *text)
{
    return r->out && strstr(r->out, text);
}

#define WHY(r)                                                                       \
    "status %d, %s; it said:\n%s", (r).status, (r).e.text ? (r).e.text : "no error", \
        (r).out ? (r).out : "(nothing)"

/* ---- what works ------------------------------------------------------------------------------*/

static void mounts(void)
{
    static const struct plan_file files[] = {{"note", "/etc/note"}};
    struct plan plan = plan_of(SHELL(
        "cat /etc/note; echo $(stat -f -c %T /data) $(cat /b/mark /f/mark); "
        "touch /b/x || echo closed >&2; touch /data/x && echo open; hostname; "
        "ls /sys/firmware | wc -l; echo pid $$; echo 1 >/proc/sys/kernel/threads-max || echo guarded; exit 7"));
    struct plan_mounts m = {0};
    plan_default_mounts(&m);
    strv_add(&plan_mounts_add(&m, SOURCE_TYPE, "tmpfs", "/data", MOUNT_NOEXEC)->options,
             "size=64k");
    plan_mounts_add(&m, SOURCE_PATH, here.outside, "/b", MOUNT_RDONLY);
    int tree = open_tree(AT_FDCWD, here.outside, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    plan_mounts_add(&m, SOURCE_FD, NULL, "/f", 0)->fd = tree;
    plan.mounts = m.list;
    plan.mount_count = m.count;
    plan.files = files;
    plan.file_count = ARRAY_LEN(files);
    plan.hostname = "by-hand";
    _cleanup_result_ struct result r = run_with(&plan, -1, "a note\n", NULL);
    const char *const lines[] = {"stdout F a note", "stdout F tmpfs mark mark", "stderr F closed",
                                 "stdout F open",   "stdout F by-hand",         "stdout F 0",
                                 "stdout F pid 1",  "stdout F guarded"};
    expect(r.status == 7, "a plan by hand: the exit status", WHY(r));
    for (size_t i = 0; i < ARRAY_LEN(lines); i++)
        expect(said(&r, lines[i]), lines[i], WHY(r));
    close_fd(tree);
    plan_mounts_clear(&m);
}

/* What `readlink /proc/self/ns/NAME` says. */
static char *link_of(int fd, const char *name)
{
    struct stat st;
    return fstat(fd, &st) < 0 ? xstrdup("?")
                              : xasprintf("%s:[%llu]", name, (unsigned long long)st.st_ino);
}

static int own_ns(const char *name)
{
    _cleanup_free_ char *path = xasprintf("/proc/self/ns/%s", name);
    return open(path, O_RDONLY | O_CLOEXEC);
}

static int new_netns(void)
{
    _cleanup_close_ int back = own_ns("net");
    int fd = unshare(CLONE_NEWNET) < 0 ? -1 : own_ns("net");
    return setns(back, CLONE_NEWNET) < 0 ? -1 : fd;
}

static char *const show[] = {"/bin/sh", "-c",
                             "for n in user pid net uts ipc cgroup; do readlink "
                             "/proc/self/ns/$n; done; id -u; ls /sys/class/net; echo pid $$",
                             NULL};

/* Its namespace called @name is the one at @fd, or is not. */
static void expect_ns(const struct result *r, int fd, const char *name, bool same, const char *what)
{
    _cleanup_free_ char *link = link_of(fd, name);
    _cleanup_free_ char *title = xasprintf("%s: %s", what, name);
    expect(r->status == 0 && said(r, link) == same, title, WHY(*r));
}

static void namespaces(void)
{
    static const char *const names[] = {"user", "pid", "net", "uts", "ipc", "cgroup"};
    struct plan plan = plan_of(show);
    struct plan_mounts m = {0};
    plan_default_mounts(&m);
    plan.mounts = m.list;
    plan.mount_count = m.count;
    _cleanup_close_ int net = new_netns(), user = own_ns("user");
    plan.namespaces[PLAN_NET] = (struct plan_namespace){NS_JOIN, net};
    plan.namespaces[PLAN_USER] = (struct plan_namespace){NS_JOIN, user};
    _cleanup_result_ struct result joined = run(&plan);
    expect_ns(&joined, net, "net", true, "joined by fd");
    _cleanup_result_ struct result twice = run_with(&plan, net, "", NULL);
    expect(twice.status == -EINVAL, "one that was not expected", WHY(twice));
    plan.namespaces[PLAN_NET] = (struct plan_namespace){.how = NS_LATER};
    _cleanup_result_ struct result later = run_with(&plan, net, "", NULL);
    expect_ns(&later, net, "net", true, "handed over later");
    for (size_t k = PLAN_PID; k < PLAN_NS_KINDS; k++)
        plan.namespaces[k].how = NS_INHERIT;
    _cleanup_result_ struct result inherited = run(&plan);
    for (size_t k = 0; k < PLAN_NS_KINDS; k++) {
        _cleanup_close_ int own = own_ns(names[k]);
        expect_ns(&joined, own, names[k], k == PLAN_USER, "new");
        expect_ns(&inherited, own, names[k], true, "inherited");
    }
    expect(!said(&inherited, "pid 1\n"), "the host's pid namespace", WHY(inherited));
    char *const *command = SHELL(
        "for n in /proc/self/ns/*; do readlink $n; done >/dev/shm/.x; mv /dev/shm/.x /dev/shm/x");
    plan.argv = SHELL("n=0; until [ -e /dev/shm/x ]; do sleep 0.1; n=$((n + 1)); "
                      "[ $n -lt 50 ] || exit 9; done; cat /dev/shm/x");
    _cleanup_result_ struct result executed = run_with(&plan, -1, "", command);
    for (size_t k = 0; k < PLAN_NS_KINDS; k++) {
        _cleanup_close_ int own = own_ns(names[k]);
        expect_ns(&executed, own, names[k], true, "exec where all is inherited");
    }
    plan.namespaces[PLAN_PID].how = NS_NEW;
    plan.namespaces[PLAN_NET] = (struct plan_namespace){NS_JOIN, net};
    _cleanup_result_ struct result mixed = run_with(&plan, -1, "", command);
    _cleanup_close_ int own_pid = own_ns("pid"), own_uts = own_ns("uts");
    expect_ns(&mixed, net, "net", true, "exec beside");
    expect_ns(&mixed, own_pid, "pid", false, "exec beside");
    expect_ns(&mixed, own_uts, "uts", true, "exec beside");
    plan_mounts_clear(&m);
}

/* A pid namespace whose init waits for the end of the pipe at *@until. */
static int new_pidns(int *until)
{
    int ends[2];
    char byte;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -1;
    _cleanup_close_ int back = own_ns("pid");
    if (unshare(CLONE_NEWPID) < 0)
        return -1;
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[1]);
        _exit(read(ends[0], &byte, 1) != 0);
    }
    close(ends[0]);
    *until = ends[1];
    _cleanup_free_ char *path = xasprintf("/proc/%d/ns/pid", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    return setns(back, CLONE_NEWPID) < 0 ? -1 : fd;
}

static void joined_pidns(void)
{
    struct plan plan = plan_of(show);
    struct plan_mounts m = {0};
    plan_default_mounts(&m);
    plan.mounts = m.list;
    plan.mount_count = m.count;
    int until = -1;
    _cleanup_close_ int fd = new_pidns(&until);
    plan.namespaces[PLAN_PID] = (struct plan_namespace){NS_JOIN, fd};
    _cleanup_result_ struct result r = run(&plan);
    expect_ns(&r, fd, "pid", true, "joined by fd");
    expect(said(&r, "pid 2\n"), "the second process of a pid namespace", WHY(r));
    close_fd(until);
    (void)waitpid(-1, NULL, 0);
    plan_mounts_clear(&m);
}

/* ---- another owner ---------------------------------------------------------------------------*/

struct owned {
    int net, uts, ipc, user;
};

/* A network, UTS and IPC namespace whose owner is a new user namespace, of which no process lives. */
static bool own_elsewhere(struct owned *o, const char *map)
{
    int ready[2], go[2];
    char byte = 0;
    if (pipe2(ready, O_CLOEXEC) < 0 || pipe2(go, O_CLOEXEC) < 0)
        return false;
    pid_t pid = fork();
    if (pid == 0) {
        bool ok = unshare(CLONE_NEWUSER) == 0 &&
                  unshare(CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWIPC) == 0 &&
                  write(ready[1], "", 1) == 1 && read(go[0], &byte, 1) == 1;
        _exit(!ok);
    }
    close(ready[1]);
    bool ok = read(ready[0], &byte, 1) == 1;
    const char *const names[] = {"net", "uts", "ipc"};
    int *const fds[] = {&o->net, &o->uts, &o->ipc};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        _cleanup_free_ char *path = xasprintf("/proc/%d/ns/%s", pid, names[i]);
        *fds[i] = open(path, O_RDONLY | O_CLOEXEC);
    }
    for (size_t i = 0; ok && i < 2; i++) {
        _cleanup_free_ char *path = xasprintf("/proc/%d/%cid_map", pid, i ? 'g' : 'u');
        _cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);
        ok = write_all(fd, map, strlen(map)) == 0;
    }
    o->user = ioctl(o->net, NS_GET_USERNS);
    (void)!write(go[1], "", 1);
    (void)waitpid(pid, NULL, 0);
    close(ready[0]);
    close(go[0]);
    close(go[1]);
    return ok && o->user >= 0;
}

/* The root directory of this test is on a tmpfs, which maps ids since Linux 6.3. */
static bool tmpfs_maps_ids(int user)
{
    struct mount_attr a = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)user};
    _cleanup_close_ int tree = open_tree(AT_FDCWD, here.root, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    return tree >= 0 && mount_setattr(tree, "", AT_EMPTY_PATH, &a, sizeof(a)) == 0;
}

/* What is the host's looks as it does on the host, and what is made inside belongs to the map. */
static void other_owner(const char *map, const char *what)
{
    static const struct plan_file files[] = {{"note", "/etc/note"}};
    struct owned o = {-1, -1, -1, -1};
    bool made = own_elsewhere(&o, map);
    struct plan plan = plan_of(SHELL(
        "for n in user net uts ipc; do readlink /proc/self/ns/$n; done; "
        "id -u; cat /etc/note; echo mine >/etc/note && cat /etc/note; stat -c '%n %u' /b/mark /dev/null /etc/note; "
        "echo x >/b/made && echo x >/dev/null && head -c 3 /dev/zero | wc -c; echo y >/dev/stdout; "
        "ls /sys/class/net; ls /sys/firmware | wc -l; hostname; cat /proc/kcore | wc -c; "
        "mknod /data/disk b 8 0 || echo no device; echo 1 >/proc/sys/kernel/threads-max || echo guarded; "
        "n=0; while ! test -e /b/done; do n=$((n + 1)); test $n -lt 40 || exit 9; sleep 0.1; done; cat /b/done; echo pid $$"));
    struct plan_mounts m = {0};
    plan_default_mounts(&m);
    plan_mounts_add(&m, SOURCE_PATH, here.outside, "/b", 0);
    plan_mounts_add(&m, SOURCE_TYPE, "tmpfs", "/tmp", 0);
    plan.mounts = m.list;
    plan.mount_count = m.count;
    plan.files = files;
    plan.file_count = 1;
    plan.hostname = "elsewhere";
    plan.namespaces[PLAN_USER] = (struct plan_namespace){NS_JOIN, o.user};
    plan.namespaces[PLAN_NET] = (struct plan_namespace){NS_JOIN, o.net};
    plan.namespaces[PLAN_UTS] = (struct plan_namespace){NS_JOIN, o.uts};
    plan.namespaces[PLAN_IPC] = (struct plan_namespace){NS_JOIN, o.ipc};
    _cleanup_free_ char *done = xasprintf("%s/done", here.outside),
                        *by_program = xasprintf("%s/made", here.outside);
    (void)unlink(done);
    (void)unlink(by_program);
    if (made && !tmpfs_maps_ids(o.user)) {
        printf("skip - %s: this kernel cannot map the ids of a tmpfs\n", what);
    } else if (made) {
        char *const exec[] = {
            "/bin/sh", "-c",
            "echo $(id -u) $(stat -c %u /proc/1) >/b/done.new; mv /b/done.new /b/done", NULL};
        _cleanup_result_ struct result r = run_with(&plan, -1, "written\n", exec);
        expect_ns(&r, o.user, "user", true, what);
        expect_ns(&r, o.net, "net", true, what);
        expect_ns(&r, o.uts, "uts", true, what);
        expect_ns(&r, o.ipc, "ipc", true, what);
        static const char *const lines[] = {
            "stdout F 0\n",    "F written",   "F mine\n", "F /b/mark 0\n", "F /dev/null 0\n",
            "F /etc/note 0\n", "F 3\n",       "F y\n",    "F lo\n",        "F elsewhere\n",
            "F no device\n",   "F guarded\n", "F 0 0\n",  "pid 1\n"};
        for (size_t i = 0; i < ARRAY_LEN(lines); i++)
            expect(r.status == 0 && said(&r, lines[i]), what,
                   "no `%s`, "
                   "status %d, %s; it said:\n%s",
                   lines[i], r.status, r.e.text ? r.e.text : "no error", r.out ? r.out : "");
        struct stat st = {.st_uid = 4711};
        expect(stat(by_program, &st) == 0 && st.st_uid == 0,
               "a file on a volume has the id that it has inside", "uid %u", st.st_uid);
        /* What has another owner is closed to it. */
        _cleanup_close_ int hosts_uts = own_ns("uts");
        plan.namespaces[PLAN_UTS].fd = hosts_uts;
        _cleanup_result_ struct result closed = run(&plan);
        expect(closed.status == -EPERM && closed.e.text &&
                   strstr(closed.e.text, "join the UTS namespace"),
               "a namespace of another owner", WHY(closed));
    } else {
        printf("skip - %s: no user namespaces here\n", what);
    }
    close_fd(o.net);
    close_fd(o.uts);
    close_fd(o.ipc);
    close_fd(o.user);
    plan_mounts_clear(&m);
}

/* ---- what must fail --------------------------------------------------------------------------*/

static void refuses(const struct plan *plan, int code, const char *text, const char *name)
{
    int before = 0, after = 0;
    for (int fd = 0; fd < 256; fd++)
        before += fcntl(fd, F_GETFD) >= 0;
    _cleanup_result_ struct result r = run(plan);
    for (int fd = 0; fd < 256; fd++)
        after += fcntl(fd, F_GETFD) >= 0;
    expect(r.status == code && r.e.text && strstr(r.e.text, text), name, WHY(r));
    expect(before == after, "no fd is left", "%s: %d before, %d after", name, before, after);
}

static void refuses_namespaces(void)
{
    static const struct {
        enum plan_ns_kind kind;
        enum plan_ns how;
        int fd;
        const char *text, *name;
    } cases[] = {
        {PLAN_NET, NS_JOIN, 999, "fd 999 is not a network namespace", "an unknown fd"},
        {PLAN_NET, NS_JOIN, 1, "fd 1 is not a network namespace", "an fd of something else"},
        {PLAN_USER, NS_JOIN, -1, "fd -1 is not a user namespace", "no fd"},
        {PLAN_UTS, NS_LATER, -1, "a UTS namespace cannot be handed over later", "UTS later"},
        {PLAN_USER, NS_NEW, -1, "a new user namespace has no map", "a new user namespace"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct plan plan = plan_of(show);
        plan.namespaces[cases[i].kind] = (struct plan_namespace){cases[i].how, cases[i].fd};
        refuses(&plan, -EINVAL, cases[i].text, cases[i].name);
    }
    struct plan plan = plan_of(show);
    _cleanup_close_ int uts = own_ns("uts");
    plan.namespaces[PLAN_NET] = (struct plan_namespace){NS_JOIN, uts};
    refuses(&plan, -EINVAL, "is not a network namespace", "a namespace of another kind");
    plan = plan_of(show);
    plan.namespaces[PLAN_UTS].how = NS_INHERIT;
    plan.hostname = "x";
    refuses(&plan, -EINVAL, "must not change", "a name for the host");
}

static void refuses_mount(struct plan_mount mount, int code, const char *text, const char *name)
{
    const struct plan_mount list[] = {
        {.what = SOURCE_DEVICES, .target = "/dev", .flags = MOUNT_REAL},
        {.what = SOURCE_TYPE, .source = "proc", .target = "/proc", .flags = MOUNT_REAL},
        mount};
    struct plan plan = plan_of(show);
    plan.mounts = list;
    plan.mount_count = ARRAY_LEN(list);
    refuses(&plan, code, text, name);
}

static void refuses_mounts(void)
{
    _cleanup_close_ int root = open(here.root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _cleanup_free_ char *away = xasprintf("../../../../..%s", here.outside);
    const char *const links[][2] = {{away, "away"}, {"/proc", "kernel"}, {"/", "top"}};
    for (size_t i = 0; i < ARRAY_LEN(links); i++)
        if (symlinkat(links[i][0], root, links[i][1]) < 0)
            exit(1);
    refuses_mount((struct plan_mount){SOURCE_TYPE, "tmpfs", -1, "/away", MOUNT_REAL, NULL},
                  -ENOTDIR, "/away is not a directory", "a real target that is a link");
    refuses_mount((struct plan_mount){SOURCE_TYPE, "tmpfs", -1, "/away/x", MOUNT_REAL, NULL},
                  -ELOOP, "/away/x is not a directory", "a real target below a link");
    refuses_mount((struct plan_mount){SOURCE_TYPE, "tmpfs", -1, "/kernel/x", 0, NULL}, -ENOENT,
                  "/kernel/x", "a target in /proc by a link, that is missing");
    refuses_mount((struct plan_mount){SOURCE_TYPE, "tmpfs", -1, "/kernel/fs", 0, NULL}, -EPERM,
                  "in /proc or /sys", "a target in /proc by a link");
    refuses_mount((struct plan_mount){SOURCE_TYPE, "tmpfs", -1, "/top", 0, NULL}, -EPERM,
                  "would hide the container's root", "the root by a link");
    refuses_mount((struct plan_mount){SOURCE_TYPE, "tmpfs", -1, "/data/../x", MOUNT_REAL, NULL},
                  -EINVAL, "not an absolute path", "a real target with `..`");
    refuses_mount((struct plan_mount){SOURCE_FD, NULL, 999, "/data", 0, NULL}, -EBADF, "fd 999",
                  "an fd that is no mount");
    refuses_mount((struct plan_mount){SOURCE_PATH, here.outside, -1, "/data", MOUNT_LATE, NULL},
                  -EINVAL, "cannot be late", "a late mount from the host");
    /* A link that leads out of the root is followed inside of it. */
    struct plan plan = plan_of(SHELL("test -d \"$HERE\" && stat -f -c %T \"$HERE\""));
    _cleanup_free_ char *where = xasprintf("HERE=%s", here.outside);
    const struct plan_mount list[] = {
        {.what = SOURCE_DEVICES, .target = "/dev", .flags = MOUNT_REAL},
        {.what = SOURCE_TYPE, .source = "proc", .target = "/away"}};
    plan.env = (char *[]){where, NULL};
    plan.mounts = list;
    plan.mount_count = ARRAY_LEN(list);
    _cleanup_result_ struct result r = run(&plan);
    _cleanup_free_ char *version = xasprintf("%s/version", here.outside);
    expect(r.status == 0 && said(&r, "proc") && access(version, F_OK) < 0,
           "a link out of the root stays inside", WHY(r));
}

static void refuses_files(void)
{
    const struct plan_file bad[] = {{"../x", "/etc/x"}};
    struct plan plan = plan_of(show);
    plan.files = bad;
    plan.file_count = 1;
    refuses(&plan, -EINVAL, "is not the name of a file", "a file that is a path");
    struct plan_file many[PLAN_FILES_MAX + 1];
    for (size_t i = 0; i < ARRAY_LEN(many); i++)
        many[i] = (struct plan_file){"x", "/etc/x"};
    plan.files = many;
    plan.file_count = ARRAY_LEN(many);
    refuses(&plan, -EINVAL, "files are to be made", "too many files");
}

int main(int argc, char **argv)
{
    if (argc < 1 || geteuid() != 0 || !place_make(&here, argv[0])) {
        printf("skip - not root, or no busybox root directory\n");
        return 0;
    }
    _cleanup_free_ char *mark = xasprintf("%s/mark", here.outside);
    if (write_file_atomic(AT_FDCWD, mark, "mark\n", 5, 0644) < 0)
        return 1;
    mounts();
    namespaces();
    joined_pidns();
    other_owner("0 0 4294967295", "owner with the same ids");
    other_owner("0 100000 65536", "owner with other ids");
    refuses_namespaces();
    refuses_mounts();
    refuses_files();
    place_clear(&here);
    return failures ? 1 : 0;
}
