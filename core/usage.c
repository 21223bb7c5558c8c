/* What a container uses: its cgroup has counters, which are read by an fd of its directory. With v1 a container is not in the
 * hierarchies cpuacct and blkio, because each one that it enters makes its start longer; there its processes are asked.
 * They tell for those that they have waited for, too, so that the init tells for all that have ended.
 */
#include "cgroup_internal.h"
#include "process.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/sysinfo.h>

struct reading {
    struct usage *usage;
    bool time, blocks; /* known from the cgroup */
};

enum { FILE_MAX = 1 << 20 };

/* False: there is no such file, or it holds no number ("max"). */
static bool read_number(int dir, const char *file, uint64_t *number)
{
    _cleanup_free_ char *text = NULL;
    if (read_file_at(dir, file, FILE_MAX, &text, NULL) < 0)
        return false;
    text[strcspn(text, "\n")] = '\0';
    return parse_u64(text, 0, UINT64_MAX, number) == 0;
}

/* The sum of all words "KEY=NUMBER", or of the lines "KEY NUMBER". */
static uint64_t sum_of(const char *text, const char *key)
{
    uint64_t sum = 0;
    size_t length = strlen(key);
    for (const char *at = text; (at = strstr(at, key)); at += length)
        if ((at == text || strchr(" \n", at[-1])) && strchr(" =", at[length]))
            sum += strtoull(at + length + 1, NULL, 10);
    return sum;
}

static bool read_sum(int dir, const char *file, const char *key, uint64_t *sum)
{
    _cleanup_free_ char *text = NULL;
    if (read_file_at(dir, file, FILE_MAX, &text, NULL) < 0)
        return false;
    *sum = sum_of(text, key);
    return true;
}

static void read_memory(int dir, const char *now, const char *idle, const char *limit,
                        struct usage *u)
{
    uint64_t cache = 0, most;
    if (!read_number(dir, now, &u->memory))
        return;
    (void)read_sum(dir, "memory.stat", idle, &cache);
    u->memory -= cache < u->memory ? cache : u->memory;
    if (read_number(dir, limit, &most) && most < u->memory_limit)
        u->memory_limit = most;
}

static void read_v2(int whole, int program, struct reading *r)
{
    struct usage *u = r->usage;
    uint64_t us;
    if (read_sum(whole, "cpu.stat", "usage_usec", &us)) {
        u->cpu_ns = us * 1000;
        r->time = true;
    }
    read_memory(program, "memory.current", "inactive_file", "memory.max", u);
    (void)read_number(program, "pids.current", &u->tasks);
    r->blocks = read_sum(whole, "io.stat", "rbytes", &u->read) &&
                read_sum(whole, "io.stat", "wbytes", &u->written);
}

static void read_v1(int dir, struct reading *r)
{
    struct usage *u = r->usage;
    r->time = read_number(dir, "cpuacct.usage", &u->cpu_ns) || r->time;
    read_memory(dir, "memory.usage_in_bytes", "total_inactive_file", "memory.limit_in_bytes", u);
    (void)read_number(dir, "pids.current", &u->tasks);
}

static int read_hierarchy(const struct cgroup_hierarchy *h, const char *path, struct reading *r)
{
    _cleanup_close_ int whole = cgroup_open_dir(h, path, O_RDONLY);
    if (whole < 0)
        return whole;
    if (!h->v2) {
        read_v1(whole, r);
        return 0;
    }
    _cleanup_free_ char *leaf = cgroup_program_path(h, path);
    _cleanup_close_ int program = cgroup_open_dir(h, leaf, O_RDONLY);
    read_v2(whole, program < 0 ? whole : program, r);
    return 0;
}

/* ---- what processes tell ---------------------------------------------------------------------*/

/* utime, stime, cutime and cstime are the 14th to the 17th word; the 20th is the number of threads. */
static void add_time(int proc, struct usage *u, bool counts_tasks)
{
    _cleanup_free_ char *text = NULL;
    unsigned long t[4], threads;
    if (read_file_at(proc, "stat", 65536, &text, NULL) < 0)
        return;
    const char *rest = strrchr(text, ')');
    if (!rest ||
        sscanf(rest, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %lu %lu %*d %*d %lu",
               &t[0], &t[1], &t[2], &t[3], &threads) != 5)
        return;
    u->cpu_ns +=
        (t[0] + t[1] + t[2] + t[3]) * (UINT64_C(1000000000) / (uint64_t)sysconf(_SC_CLK_TCK));
    u->tasks += counts_tasks ? threads : 0;
}

static void add_blocks(int proc, struct usage *u)
{
    uint64_t n;
    if (read_sum(proc, "io", "read_bytes:", &n))
        u->read += n;
    if (read_sum(proc, "io", "write_bytes:", &n))
        u->written += n;
}

struct asking {
    const struct reading *known;
    struct usage sum;
};

static void ask(int proc, pid_t pid, void *arg)
{
    struct asking *a = arg;
    (void)pid;
    add_time(proc, &a->sum, true);
    if (!a->known->blocks)
        add_blocks(proc, &a->sum);
}

static int ask_processes(const struct cgroup_host *host, const char *path, struct reading *r)
{
    struct asking a = {.known = r};
    int code = processes_walk(host, path, ask, &a);
    if (!r->time)
        r->usage->cpu_ns = a.sum.cpu_ns;
    if (!r->blocks) {
        r->usage->read = a.sum.read;
        r->usage->written = a.sum.written;
    }
    if (!r->usage->tasks)
        r->usage->tasks = a.sum.tasks;
    return code;
}

static uint64_t memory_of_host(void)
{
    struct sysinfo info;
    return sysinfo(&info) == 0 ? (uint64_t)info.totalram * info.mem_unit : 0;
}

int plan_usage(const struct plan *plan, struct usage *out, struct err *e)
{
    _cleanup_cgroup_host_ struct cgroup_host host = {0};
    _cleanup_free_ char *path = plan_cgroup(plan);
    struct reading reading = {.usage = out};
    *out = (struct usage){.memory_limit = memory_of_host()};
    int r = cgroup_probe(NULL, &host, e);
    if (r < 0)
        return r;
    if (host.count == 0)
        return err_say(e, -EOPNOTSUPP, "this host has no cgroups, which count what containers use");
    for (size_t i = 0; r == 0 && i < host.count; i++)
        r = read_hierarchy(&host.hierarchies[i], path, &reading);
    if (r == 0 && (!reading.time || !reading.blocks))
        r = ask_processes(&host, path, &reading);
    return r < 0 ? err_set(e, r, "read cgroup `%s`", path) : 0;
}
