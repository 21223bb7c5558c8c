/* The processes of a container, as its cgroup lists them. What they say of themselves is the container's: the command line
 * may hold anything, and is cut.
 */
#include "core/cgroup_internal.h"
#include "process.h"

#include <errno.h>
#include <string.h>

enum { COMMAND_MAX = 4096 };

/* utime and stime are the 14th and 15th word; the second, in parentheses, may hold blanks and parentheses. */
static uint64_t used_ms(int proc)
{
    _cleanup_free_ char *text = NULL;
    unsigned long user = 0, system = 0;
    if (read_file_at(proc, "stat", 65536, &text, NULL) < 0)
        return 0;
    const char *rest = strrchr(text, ')');
    if (!rest ||
        sscanf(rest, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
        return 0;
    return (uint64_t)(user + system) * 1000 / (uint64_t)sysconf(_SC_CLK_TCK);
}

static int uid_of(int proc, uint32_t *uid)
{
    _cleanup_free_ char *text = NULL;
    int r = read_file_at(proc, "status", 65536, &text, NULL);
    const char *line = r == 0 ? strstr(text, "\nUid:\t") : NULL;
    *uid = line ? (uint32_t)strtoul(line + 6, NULL, 10) : 0;
    return line ? 0 : -ESRCH;
}

/* NULs become blanks. A process without a command line has a name. */
static char *command_of(int proc)
{
    _cleanup_close_ int fd = openat(proc, "cmdline", O_RDONLY | O_CLOEXEC);
    _cleanup_free_ char *text = xcalloc(COMMAND_MAX + 1, 1);
    ssize_t n = fd < 0 ? -1 : read(fd, text, COMMAND_MAX);
    for (; n > 0 && !text[n - 1]; n--)
        ;
    for (ssize_t i = 0; i < n; i++)
        text[i] = text[i] ? text[i] : ' ';
    if (n > 0)
        return take_ptr(text);
    _cleanup_free_ char *name = NULL;
    if (read_file_at(proc, "comm", COMMAND_MAX, &name, NULL) < 0)
        return xstrdup("");
    name[strcspn(name, "\n")] = '\0';
    return xasprintf("[%s]", name);
}

struct walk {
    void (*each)(int proc, pid_t pid, void *arg);
    void *arg;
};

static void open_process(const struct walk *w, int parent, const char *name, pid_t pid)
{
    _cleanup_free_ char *path = xasprintf("/proc/%d", pid);
    _cleanup_close_ int proc = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    /* Looked up after /proc/PID is open: its files are not those of another process with the number. */
    if (proc >= 0 && cgroup_lists(parent, name, pid) > 0)
        w->each(proc, pid, w->arg);
}

static int list_cgroup(int parent, const char *name, void *arg)
{
    const struct walk *w = arg;
    _cleanup_free_ char *file = xasprintf("%s/cgroup.procs", name), *text = NULL;
    int r = read_file_at(parent, file, 16 << 20, &text, NULL);
    if (r < 0)
        return r == -ENOENT || r == -ENODEV || r == -EOPNOTSUPP ? 0 : r;
    uint64_t pid;
    char *rest = text;
    for (char *number; (number = strsep(&rest, "\n"));)
        if (parse_u64(number, 1, INT32_MAX, &pid) == 0)
            open_process(w, parent, name, (pid_t)pid);
    return 0;
}

int processes_walk(const struct cgroup_host *host, const char *path,
                   void (*each)(int proc, pid_t pid, void *arg), void *arg)
{
    struct walk w = {each, arg};
    const struct cgroup_hierarchy *h = cgroup_members_of(host);
    _cleanup_close_ int dir = h ? cgroup_open_dir(h, path, O_RDONLY) : -EOPNOTSUPP;
    int r = dir < 0 ? dir : list_cgroup(dir, ".", &w);
    return r < 0 ? r : cgroup_walk(dir, list_cgroup, &w);
}

/* ---- for `top` -------------------------------------------------------------------------------*/

struct visit {
    void (*each)(const struct process_seen *p, void *arg);
    void *arg;
};

static void see(int proc, pid_t pid, void *arg)
{
    const struct visit *v = arg;
    struct process_seen p = {.pid = pid};
    if (uid_of(proc, &p.uid) < 0)
        return;
    _cleanup_free_ char *command = command_of(proc);
    p.command = command;
    p.cpu_ms = used_ms(proc);
    v->each(&p, v->arg);
}

int plan_each_process(const struct plan *plan,
                      void (*each)(const struct process_seen *p, void *arg), void *arg,
                      struct err *e)
{
    struct visit v = {each, arg};
    _cleanup_cgroup_host_ struct cgroup_host host = {0};
    _cleanup_free_ char *path = plan_cgroup(plan);
    int r = cgroup_probe(NULL, &host, e);
    if (r < 0)
        return r;
    r = processes_walk(&host, path, see, &v);
    return r < 0 ? err_set(e, r, "list the processes of cgroup `%s`", path) : 0;
}
