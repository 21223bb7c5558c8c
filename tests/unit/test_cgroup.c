/* Cgroups on the running kernel, v1 or v2; and the v2 directory logic in a private mount namespace where it has
 * v1. Needs root. Leaves nothing below netctr/test-PID. */
#include "core/cgroup.h"

#include <errno.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

static int failures;

static void check(bool ok, const char *name, const char *why)
{
    printf("%s - %s%s%s\n", ok ? "ok" : "not ok", name, ok ? "" : ": ", ok ? "" : why);
    failures += !ok;
}

/* Used by every test. */
struct fixture {
    struct cgroup_host host;
    char *instance, *path; /* "test-PID", "netctr/test-PID/one" */
};

static const struct cgroup_hierarchy *hierarchy_of(const struct cgroup_host *host,
                                                   enum cgroup_controller controller)
{
    for (size_t i = 0; i < host->count; i++)
        if (host->hierarchies[i].controllers & (1u << controller))
            return &host->hierarchies[i];
    return NULL;
}

static char *value_of(const struct fixture *f, enum cgroup_controller controller, const char *file)
{
    const struct cgroup_hierarchy *h = hierarchy_of(&f->host, controller);
    /* v2, with a limit of processor time: in the program's leaf. */
    _cleanup_free_ char *leaf = xasprintf("%s/%s/program", h ? h->mount : "", f->path);
    bool split = h && h->v2 && access(leaf, F_OK) == 0;
    _cleanup_free_ char *full =
        xasprintf("%s/%s/%s%s", h ? h->mount : "", f->path, split ? "program/" : "", file);
    char *text = NULL;
    if (read_file_at(AT_FDCWD, full, 4096, &text, NULL) < 0)
        return xasprintf("(no %s)", full);
    text[strcspn(text, "\n")] = '\0';
    return text;
}

static bool exists(const struct fixture *f, const char *path)
{
    for (size_t i = 0; i < f->host.count; i++) {
        _cleanup_free_ char *full = xasprintf("%s/%s", f->host.hierarchies[i].mount, path);
        if (access(full, F_OK) == 0)
            return true;
    }
    return false;
}

static void remove_all(const struct fixture *f)
{
    _cleanup_err_ struct err e = ERR_INIT;
    int r = cgroup_kill(&f->host, f->path, &e);
    r = r < 0 ? r : cgroup_remove(&f->host, f->path, &e);
    check(r == 0 && !exists(f, f->path), "kill and remove leave nothing", e.text ? e.text : "left");
}

/* A child inside the cgroup that runs @body; by clone3 with v2. */
static pid_t start_inside(const struct fixture *f, int (*body)(void))
{
    _cleanup_cgroup_entry_ struct cgroup_entry entry = CGROUP_ENTRY_INIT;
    _cleanup_close_ int dir = -1;
    if (cgroup_open_entry(&f->host, f->path, &entry, NULL) < 0 ||
        cgroup_open_for_clone(&f->host, f->path, &dir, NULL) < 0)
        return -1;
    struct clone_args args = {.exit_signal = SIGCHLD};
    if (dir >= 0) {
        args.flags = CLONE_INTO_CGROUP;
        args.cgroup = (uint64_t)dir;
    }
    int joined[2];
    if (pipe2(joined, O_CLOEXEC) < 0)
        return -1;
    fflush(stdout);
    pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
    if (pid == 0) {
        if (dir < 0 && cgroup_join_self(&entry, NULL) < 0)
            _exit(99);
        (void)!write(joined[1], "x", 1);
        close(joined[0]);
        close(joined[1]);
        _exit(body());
    }
    char c;
    close(joined[1]);
    (void)!read(joined[0], &c, 1); /* returns when the child is inside, or has failed */
    close(joined[0]);
    return pid;
}

static int wait_for(pid_t pid)
{
    int status = 0;
    return pid > 0 && waitpid(pid, &status, 0) == pid ? status : -1;
}

static int do_nothing(void)
{
    return 0;
}
static int sleep_long(void)
{
    pause();
    return 0;
}
static int eat_memory(void)
{
    size_t size = 64 << 20;
    char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (size_t i = 0; p != MAP_FAILED && i < size; i += 4096)
        ((volatile char *)p)[i] = 1;
    return 0;
}
static int fork_until_refused(void)
{
    for (int n = 0; n < 64; n++) {
        pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
        if (pid == 0) {
            pause();
            _exit(0);
        }
        if (pid < 0)
            return errno == EAGAIN ? n : 98;
    }
    return 97;
}
static int fork_bomb(void)
{
    while (getpid() > 1) /* always */
        if (syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) < 0)
            sched_yield();
    return 0;
}
static int own_cgroup(void)
{
    _cleanup_free_ char *text = NULL;
    if (read_file_at(AT_FDCWD, "/proc/self/cgroup", 1 << 16, &text, NULL) < 0)
        return 1;
    char needle[64];
    snprintf(needle, sizeof(needle), "/netctr/test-%d/one\n", getppid());
    int found = 0;
    for (const char *at = text; (at = strstr(at, needle)); at++)
        found++;
    return found ? 100 + found : 1;
}

static void expect_value(const struct fixture *f, enum cgroup_controller controller,
                         const char *v1_file, const char *v1, const char *v2_file, const char *v2)
{
    bool new = f->host.kind == CGROUP_V2;
    const char *file = new ? v2_file : v1_file, *expected = new ? v2 : v1;
    _cleanup_free_ char *value = value_of(f, controller, file);
    if (strstr(value, "(no ") && strstr(file, "sw")) {
        printf("skip - %s: the kernel does not account swap\n", file);
        return;
    }
    _cleanup_free_ char *name = xasprintf("%s is %s", file, expected);
    check(streq(value, expected), name, value);
}

static void test_limits(const struct fixture *f)
{
    const struct cgroup_limits limits = {.memory = 64 << 20,
                                         .memory_reservation = 16 << 20,
                                         .cpu_quota_us = 50000,
                                         .cpu_weight = 200,
                                         .pids = 17};
    _cleanup_err_ struct err e = ERR_INIT;
    int r = cgroup_create(&f->host, f->path, &limits, &e);
    check(r == 0, "create with limits", e.text);
    expect_value(f, CGROUP_MEMORY, "memory.limit_in_bytes", "67108864", "memory.max", "67108864");
    expect_value(f, CGROUP_MEMORY, "memory.memsw.limit_in_bytes", "134217728", "memory.swap.max",
                 "67108864");
    expect_value(f, CGROUP_MEMORY, "memory.soft_limit_in_bytes", "16777216", "memory.low",
                 "16777216");
    expect_value(f, CGROUP_CPU, "cpu.cfs_quota_us", "50000", "cpu.max", "50000 100000");
    expect_value(f, CGROUP_CPU, "cpu.shares", "2048", "cpu.weight", "200");
    expect_value(f, CGROUP_PIDS, "pids.max", "17", "pids.max", "17");
    check(cgroup_create(&f->host, f->path, &limits, NULL) == -EEXIST && exists(f, f->path),
          "twice is EEXIST and leaves the first", "it is not");
    const struct cgroup_limits more = {
        .memory = 256 << 20, .memory_swap = 300 << 20, .cpu_period_us = 20000, .pids = -1};
    r = cgroup_update(&f->host, f->path, &more, &e);
    check(r == 0, "update to more than before", e.text);
    expect_value(f, CGROUP_MEMORY, "memory.limit_in_bytes", "268435456", "memory.max", "268435456");
    expect_value(f, CGROUP_MEMORY, "memory.memsw.limit_in_bytes", "314572800", "memory.swap.max",
                 "46137344");
    expect_value(f, CGROUP_PIDS, "pids.max", "max", "pids.max", "max");
    expect_value(f, CGROUP_CPU, "cpu.cfs_period_us", "20000", "cpu.max", "50000 20000");
    const struct cgroup_limits quota = {.cpu_quota_us = 7000};
    r = cgroup_update(&f->host, f->path, &quota, &e);
    check(r == 0, "update of one limit", e.text);
    expect_value(f, CGROUP_CPU, "cpu.cfs_quota_us", "7000", "cpu.max", "7000 20000");
    expect_value(f, CGROUP_CPU, "cpu.shares", "2048", "cpu.weight", "200");
    remove_all(f);
    remove_all(f); /* idempotent */
}

static void test_swap_choices(const struct fixture *f)
{
    struct cgroup_limits unlimited = {.memory = 64 << 20, .memory_swap = -1};
    struct cgroup_limits no_swap = {.memory = 64 << 20, .memory_swap = 64 << 20};
    _cleanup_err_ struct err e = ERR_INIT;
    int r = cgroup_create(&f->host, f->path, &no_swap, &e);
    check(r == 0 || r == -ENOENT, "no swap", e.text);
    if (r == 0)
        expect_value(f, CGROUP_MEMORY, "memory.memsw.limit_in_bytes", "67108864", "memory.swap.max",
                     "0");
    else
        check(e.hint && !exists(f, f->path), "a failed create leaves nothing", "it does");
    remove_all(f);
    r = cgroup_create(&f->host, f->path, &unlimited, &e);
    check(r == 0 || r == -ENOENT, "unlimited swap", e.text);
    remove_all(f);
}

static void test_bad_limits(const struct fixture *f)
{
    const struct cgroup_limits bad[] = {
        {.memory = 4},
        {.memory = -5},
        {.memory_swap = 1 << 30},
        {.memory = 64 << 20, .memory_swap = 32 << 20},
        {.memory = 64 << 20, .memory_reservation = 65 << 20},
        {.cpu_quota_us = 10},
        {.cpu_period_us = 2000000},
        {.cpu_weight = 10001},
        {.pids = -2},
        {.memory = INT64_MAX},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        _cleanup_err_ struct err e = ERR_INIT;
        int r = cgroup_create(&f->host, f->path, &bad[i], &e);
        check(r == -EINVAL && e.text && !exists(f, f->path), "bad limits are refused before",
              e.text);
    }
    const char *const paths[] = {"",  "/netctr", "netctr/../x", "netctr//x", "netctr/.", "..",
                                 ".", "../x",    "netctr/",     "./x",       NULL};
    for (size_t i = 0; paths[i]; i++)
        check(cgroup_create(&f->host, paths[i], NULL, NULL) == -EINVAL &&
                  cgroup_remove(&f->host, paths[i], NULL) == -EINVAL,
              "bad paths are refused", paths[i]);
    check(cgroup_weight_of_shares(1024) == 100 && cgroup_weight_of_shares(2) == 1 &&
              cgroup_weight_of_shares(262144) == 10000,
          "shares to weight", "wrong");
}

static void test_missing_controller(void)
{
    struct cgroup_host none = {.kind = CGROUP_NONE};
    struct cgroup_host v1 = {.kind = CGROUP_V1};
    struct cgroup_limits pids = {.pids = 5};
    _cleanup_err_ struct err e = ERR_INIT;
    check(cgroup_check_limits(&none, &pids, &e) == -EOPNOTSUPP && strstr(e.text, "`pids`"),
          "a missing controller is named", e.text);
    check(cgroup_check_limits(&v1, &pids, &e) == -EOPNOTSUPP && e.hint, "with a hint", "none");
    check(cgroup_create(&none, "netctr/x/y", NULL, &e) == 0 &&
              cgroup_kill(&none, "netctr/x/y", &e) == 0 &&
              cgroup_remove(&none, "netctr/x/y", &e) == 0,
          "without cgroups, and without limits, nothing fails", e.text);
}

static void test_entering(const struct fixture *f)
{
    _cleanup_err_ struct err e = ERR_INIT;
    int r = cgroup_create(&f->host, f->path, NULL, &e);
    int status = wait_for(start_inside(f, own_cgroup));
    _cleanup_free_ char *why = xasprintf("status %#x, create: %s", status, e.text);
    check(r == 0 && WEXITSTATUS(status) == 100 + (int)f->host.count, "the child is inside", why);
    pid_t pid = start_inside(f, sleep_long);
    _cleanup_strv_ strv list = NULL;
    r = cgroup_list(&f->host, f->instance, &list, &e);
    check(r == 0 && strv_len(list) == 1 && streq(list[0], "one"), "list", "wrong");
    r = cgroup_kill(&f->host, f->path, &e);
    status = wait_for(pid);
    check(r == 0 && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "kill", e.text);
    remove_all(f);
    check(cgroup_kill(&f->host, f->path, &e) == 0, "kill what is gone", e.text);
    check(cgroup_open_entry(&f->host, f->path, &(struct cgroup_entry)CGROUP_ENTRY_INIT, &e) ==
              -ENOENT,
          "enter what is gone", "no error");
}

static void test_memory_kill(const struct fixture *f)
{
    const struct cgroup_limits limits = {.memory = 16 << 20, .memory_swap = 16 << 20};
    const struct cgroup_limits without_swap = {.memory = 16 << 20};
    _cleanup_err_ struct err e = ERR_INIT;
    int r = cgroup_create(&f->host, f->path, &limits, &e);
    r = r == -ENOENT ? cgroup_create(&f->host, f->path, &without_swap, &e) : r;
    uint64_t kills = 9;
    check(r == 0 && cgroup_oom_kills(&f->host, f->path, &kills, &e) == 0 && kills == 0,
          "no OOM kill yet", e.text);
    int status = wait_for(start_inside(f, do_nothing));
    check(WIFEXITED(status) && !WEXITSTATUS(status), "a small program lives", "it does not");
    status = wait_for(start_inside(f, eat_memory));
    _cleanup_free_ char *why = xasprintf("status %#x", status);
    check(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "the memory limit kills", why);
    r = cgroup_oom_kills(&f->host, f->path, &kills, &e);
    check(r == 0 && kills == 1, "the OOM kill is seen", e.text);
    remove_all(f);
    check(cgroup_oom_kills(&f->host, f->path, &kills, &e) == 0 && kills == 0, "OOM of what is gone",
          e.text);
}

static void test_pids(const struct fixture *f)
{
    const struct cgroup_limits limits = {.pids = 9};
    _cleanup_err_ struct err e = ERR_INIT;
    int r = cgroup_create(&f->host, f->path, &limits, &e);
    int status = wait_for(start_inside(f, fork_until_refused));
    _cleanup_free_ char *why = xasprintf("status %#x %s", status, e.text);
    check(r == 0 && WIFEXITED(status) && WEXITSTATUS(status) == 8, "EAGAIN at the pids limit", why);
    remove_all(f); /* with eight orphans inside */
}

static void test_fork_bomb(const struct fixture *f)
{
    const struct cgroup_limits limits = {.pids = 200};
    int r = cgroup_create(&f->host, f->path, &limits, NULL);
    _cleanup_free_ char *in_force = value_of(f, CGROUP_PIDS, "pids.max");
    if (r < 0 || !streq(in_force, "200")) { /* never without a limit */
        check(false, "a limit for the fork bomb", in_force);
        return;
    }
    pid_t pid = start_inside(f, fork_bomb);
    struct timespec t = {.tv_nsec = 200000000};
    nanosleep(&t, NULL);
    check(pid > 0, "a fork bomb is lit", "it is not");
    remove_all(f);
    wait_for(pid);
}

/* What a container with a writable cgroup file system can leave behind. */
static void make_below(const struct fixture *f)
{
    for (size_t i = 0; i < f->host.count; i++) {
        const char *mount = f->host.hierarchies[i].mount;
        _cleanup_free_ char *deep = xasprintf("%s/%s/a/b/c", mount, f->path);
        _cleanup_free_ char *wide = xasprintf("%s/%s/d", mount, f->path);
        mkdir_parents(deep, 0755, NULL);
        mkdir_parents(wide, 0755, NULL);
    }
}

static void test_nested(const struct fixture *f)
{
    cgroup_create(&f->host, f->path, NULL, NULL);
    make_below(f);
    struct fixture inner = *f;
    _cleanup_free_ char *inner_path = xasprintf("%s/a/b", f->path);
    inner.path = inner_path;
    pid_t pid = start_inside(&inner, sleep_long);
    check(pid > 0, "a process in a cgroup below", "not started");
    check(cgroup_kill(&f->host, f->path, NULL) == 0, "kill reaches below", "it does not");
    int status = wait_for(pid);
    check(WIFSIGNALED(status), "killed below", "it was not");
    remove_all(f);
}

static void test_busy(const struct fixture *f)
{
    cgroup_create(&f->host, f->path, NULL, NULL);
    pid_t pid = start_inside(f, sleep_long);
    _cleanup_err_ struct err e = ERR_INIT;
    int r = cgroup_remove(&f->host, f->path, &e);
    check(r == -EBUSY && e.text && strstr(e.text, f->path), "a busy cgroup is not removed", e.text);
    remove_all(f);
    wait_for(pid);
}

static void test_end(const struct fixture *f)
{
    _cleanup_err_ struct err e = ERR_INIT;
    int r = cgroup_create(&f->host, f->path, NULL, &e);
    r = r < 0 ? r : cgroup_end(&f->host, f->path, &e);
    check(r == 0 && !exists(f, f->path), "the end of an empty cgroup", e.text);
    check(cgroup_end(&f->host, f->path, &e) == 0, "the end of one that is gone", e.text);
    cgroup_create(&f->host, f->path, NULL, NULL);
    pid_t pid = start_inside(f, sleep_long);
    r = cgroup_end(&f->host, f->path, &e);
    int status = wait_for(pid);
    check(r == 0 && WIFSIGNALED(status) && !exists(f, f->path), "the end of one with a process",
          e.text);
    cgroup_create(&f->host, f->path, NULL, NULL);
    make_below(f);
    pid = start_inside(f, sleep_long);
    r = cgroup_end(&f->host, f->path, &e);
    status = wait_for(pid);
    check(r == 0 && WIFSIGNALED(status) && !exists(f, f->path), "the end of one with others below",
          e.text);
    check(cgroup_end(&f->host, "netctr/../x", &e) == -EINVAL, "the end of a bad path", "accepted");
}

/* Creators and a remover of the parent at once: none fails. */
static void test_parallel(const struct fixture *f)
{
    fflush(stdout);
    for (int i = 0; i < 8; i++) {
        if (fork())
            continue;
        _cleanup_free_ char *path = xasprintf("netctr/%s/p%d", f->instance, i);
        for (int n = 0; n < 25; n++) {
            _cleanup_err_ struct err e = ERR_INIT;
            if (cgroup_create(&f->host, path, NULL, &e) < 0 ||
                cgroup_remove(&f->host, path, &e) < 0 ||
                cgroup_remove_instance(&f->host, f->instance, &e) < 0) {
                printf("# %s\n", e.text);
                fflush(stdout);
                _exit(1);
            }
        }
        _exit(0);
    }
    int bad = 0;
    for (int status; wait(&status) > 0;)
        bad += status != 0;
    check(bad == 0, "eight at once make and remove", "some failed");
}

static void run_all(struct fixture *f, bool with_controllers)
{
    f->instance = xasprintf("test-%d", getpid());
    f->path = xasprintf("netctr/%s/one", f->instance);
    test_bad_limits(f);
    test_entering(f);
    test_nested(f);
    test_busy(f);
    test_end(f);
    test_parallel(f);
    if (with_controllers) {
        test_limits(f);
        test_swap_choices(f);
        test_memory_kill(f);
        test_pids(f);
        test_fork_bomb(f);
    } else {
        struct cgroup_limits pids = {.pids = 5};
        _cleanup_err_ struct err e = ERR_INIT;
        check(cgroup_create(&f->host, f->path, &pids, &e) == -EOPNOTSUPP && !exists(f, f->path),
              "limits without controllers are refused", e.text);
    }
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_free_ char *parent = xasprintf("netctr/%s", f->instance);
    int r = cgroup_remove_instance(&f->host, f->instance, &e);
    check(r == 0 && !exists(f, parent), "the instance is removed", e.text);
    check(cgroup_remove_instance(&f->host, f->instance, &e) == 0, "twice", e.text);
    free(f->instance);
    free(f->path);
}

/* A cgroup2 without controllers in a mount namespace of its own: the v2 code on a v1 machine. */
static void test_v2_directories(void)
{
    char root[] = "/tmp/test_cgroup.XXXXXX";
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        failures = 0;
        if (!mkdtemp(root) || unshare(CLONE_NEWNS) ||
            mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
            mount("cgroup2", root, "cgroup2", 0, NULL)) {
            printf("skip - v2 directories: %s\n", strerror(errno));
            rmdir(root);
            exit(0);
        }
        struct fixture f = {0};
        int r = cgroup_probe(root, &f.host, NULL);
        check(r == 0 && f.host.kind == CGROUP_V2 && f.host.count == 1, "v2 is found", "it is not");
        run_all(&f, false);
        cgroup_host_clear(&f.host);
        umount2(root, MNT_DETACH);
        rmdir(root);
        exit(failures != 0);
    }
    check(wait_for(pid) == 0, "v2 directories", "see above");
}

static void test_probe(const struct cgroup_host *host)
{
    _cleanup_cgroup_host_ struct cgroup_host scanned = {0};
    int r = cgroup_probe("/nonexistent", &scanned, NULL);
    unsigned a = 0, b = 0;
    for (size_t i = 0; i < host->count; i++)
        a |= host->hierarchies[i].controllers;
    for (size_t i = 0; i < scanned.count; i++)
        b |= scanned.hierarchies[i].controllers;
    check(r == 0 && scanned.kind == host->kind && a == b, "mountinfo says the same", "it does not");
}

/* Two controllers in one hierarchy: here by links to one directory. */
static void test_one_hierarchy(const struct cgroup_host *host)
{
    char root[] = "/tmp/test_cgroup.XXXXXX";
    if (host->kind != CGROUP_V1 || !mkdtemp(root))
        return;
    const char *one = host->hierarchies[0].mount, *two = host->hierarchies[host->count - 1].mount;
    const char *const targets[CGROUP_CONTROLLERS] = {one, one, two};
    char *links[CGROUP_CONTROLLERS];
    bool ok = true;
    for (int c = 0; c < CGROUP_CONTROLLERS; c++) {
        links[c] = xasprintf("%s/%s", root, cgroup_controller_name(c));
        ok = symlink(targets[c], links[c]) == 0 && ok;
    }
    _cleanup_cgroup_host_ struct cgroup_host found = {0};
    ok = ok && cgroup_probe(root, &found, NULL) == 0 && found.kind == CGROUP_V1;
    check(ok && found.count == (host->count > 1 ? 2 : 1) &&
              (found.hierarchies[0].controllers & 3) == 3,
          "two controllers in one hierarchy", "they are in two");
    for (int c = 0; c < CGROUP_CONTROLLERS; c++) {
        unlink(links[c]);
        free(links[c]);
    }
    rmdir(root);
}

int main(void)
{
    struct fixture f = {0};
    _cleanup_err_ struct err e = ERR_INIT;
    test_missing_controller();
    if (geteuid()) {
        printf("skip - cgroups: needs root\n");
        return failures != 0;
    }
    int r = cgroup_probe(NULL, &f.host, &e);
    check(r == 0, "probe", e.text);
    if (f.host.kind == CGROUP_NONE) {
        printf("skip - cgroups: none are mounted\n");
        return failures != 0;
    }
    printf("# cgroup v%d, %zu hierarchies\n", f.host.kind == CGROUP_V2 ? 2 : 1, f.host.count);
    test_probe(&f.host);
    test_one_hierarchy(&f.host);
    unsigned all = 0;
    for (size_t i = 0; i < f.host.count; i++)
        all |= f.host.hierarchies[i].controllers;
    run_all(&f, all == (1u << CGROUP_CONTROLLERS) - 1);
    if (f.host.kind == CGROUP_V1)
        test_v2_directories();
    cgroup_host_clear(&f.host);
    return failures != 0;
}
