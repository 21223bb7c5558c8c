/* A program that serves all containers of an instance, as aardvark-dns does with their names.
 *
 *     monitor ── fork ─► session, no fds, cgroup, no capabilities ── fork ─► execve
 *
 * The one in the middle ends at once, so the program is init's child and outlives the monitor; when it
 * has ended, the program is in its cgroup, by which it is found from then on, whoever was killed.
 */
#include "caps.h"
#include "child.h"
#include "container.h"

#include <errno.h>
#include <linux/close_range.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define LOG_MAX 65536

int helper_possible(struct err *e)
{
    _cleanup_cgroup_host_ struct cgroup_host host = {0};
    int r = cgroup_probe(NULL, &host, e);
    return r < 0 ? r : host.kind != CGROUP_NONE;
}

/* ---- the way out of here ---------------------------------------------------------------------*/

static int enter_cgroup(const char *path, struct err *e)
{
    _cleanup_cgroup_host_ struct cgroup_host host = {0};
    _cleanup_cgroup_entry_ struct cgroup_entry entry = CGROUP_ENTRY_INIT;
    int r = cgroup_probe(NULL, &host, e);
    if (r == 0 && (r = cgroup_create(&host, path, NULL, e)) == -EEXIST) {
        err_clear(e);
        r = 0;
    }
    if (r == 0)
        r = cgroup_open_entry(&host, path, &entry, e);
    return r == 0 ? cgroup_join_self(&entry, e) : r;
}

/* SIGHUP is what a daemon is told to read its files again by: until it listens for that, it must not
 * die of it. Its output is bounded; who writes more is told so, and not killed. */
static void settle_signals(void)
{
    reset_signals();
    (void)signal(SIGHUP, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN);
    const struct rlimit small = {LOG_MAX, LOG_MAX};
    (void)setrlimit(RLIMIT_FSIZE, &small);
}

/* It reads what hostile containers send, and needs nothing for that: root's own files, no more. */
static int give_up_privileges(struct err *e)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return err_set(e, errno, "give up new privileges");
    return caps_drop_bounding(0, e);
}

static int leave_all(const char *cgroup, int log, struct err *e)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0 || dup2(null, 0) < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0)
        return err_set(e, errno, "set up the standard streams");
    if (close_range(3, ~0U, 0) < 0)
        return err_set(e, errno, "close what is open");
    (void)setsid();
    (void)chdir("/");
    umask(022);
    settle_signals();
    int r = enter_cgroup(cgroup, e);
    return r == 0 ? give_up_privileges(e) : r;
}

static _Noreturn void middle(const char *cgroup, char *const *argv, int log)
{
    static char *const env[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL};
    struct err e = ERR_INIT;
    pid_t pid = leave_all(cgroup, log, &e) < 0 ? -1 : fork();
    if (pid == 0) {
        execve(argv[0], argv, env);
        err_set(&e, errno, "execute `%s`", argv[0]);
    }
    if (pid <= 0)
        dprintf(2, "netctr: %s\n", e.text ? e.text : "cannot fork");
    _exit(pid <= 0);
}

int helper_start(struct store *s, const char *name, char *const *argv, int log, struct err *e)
{
    _cleanup_free_ char *cgroup = container_cgroup(s, name);
    int status = 0;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        middle(cgroup, argv, log);
    if (pid < 0)
        return err_set(e, errno, "fork for `%s`", argv[0]);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    return status ? err_say(e, -ECHILD, "`%s` cannot be started", argv[0]) : 0;
}

/* ---- found again -----------------------------------------------------------------------------*/

/* The only process inside; 0: none; -EAGAIN: several. */
static pid_t only_process(const char *procs)
{
    _cleanup_free_ char *text = NULL;
    char *end;
    int r = read_file_at(AT_FDCWD, procs, 65536, &text, NULL);
    if (r < 0)
        return r == -ENOENT || r == -ENODEV ? 0 : r;
    pid_t pid = (pid_t)strtol(text, &end, 10);
    if (pid <= 0)
        return 0;
    return end[0] == '\n' && end[1] ? -EAGAIN : pid;
}

/* Asked again when the pidfd is open: so the pidfd is of a process that was inside, or of a dead one. */
int helper_find(struct store *s, const char *name)
{
    _cleanup_cgroup_host_ struct cgroup_host host = {0};
    _cleanup_free_ char *path = container_cgroup(s, name);
    if (cgroup_probe(NULL, &host, NULL) < 0 || !host.count)
        return -ESRCH;
    _cleanup_free_ char *procs = xasprintf("%s/%s/cgroup.procs", host.hierarchies[0].mount, path);
    pid_t pid = only_process(procs);
    if (pid <= 0)
        return pid < 0 ? pid : -ESRCH;
    _cleanup_close_ int fd = pidfd_open(pid, 0);
    if (fd < 0)
        return -ESRCH;
    return only_process(procs) == pid ? take_fd(fd) : -EAGAIN;
}

void helper_end_of(const char *instance, const char *name)
{
    _cleanup_cgroup_host_ struct cgroup_host host = {0};
    _cleanup_free_ char *path = xasprintf("netctr/%s/%s", instance, name);
    if (cgroup_probe(NULL, &host, NULL) == 0)
        (void)cgroup_end(&host, path, NULL);
}

int helper_end(struct store *s, const char *name, struct err *e)
{
    _cleanup_cgroup_host_ struct cgroup_host host = {0};
    _cleanup_free_ char *path = container_cgroup(s, name);
    int r = cgroup_probe(NULL, &host, e);
    return r == 0 ? cgroup_end(&host, path, e) : r;
}
