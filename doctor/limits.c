/* Checks limits that all programs of the machine share, and the default route. */
#include "doctor/doctor.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/resource.h>

/* A warning from 90 % on, a problem at the limit. */
static void judge(struct doctor *d, int64_t used, int64_t max, const char *key, const char *what,
                  const char *then)
{
    if (max <= 0 || used < max / 10 * 9)
        return;
    doctor_say(d, used < max / 100 * 99 ? WARNING : PROBLEM,
               xasprintf("sysctl -w %s=%" PRId64, key, max * 4),
               "%" PRId64 " of %" PRId64 " %s of this machine are used (%s): %s", used, max, what,
               key, then);
}

static int64_t count_threads(void)
{
    _cleanup_free_ char *text = NULL;
    int64_t all = 0;
    if (read_file_at(AT_FDCWD, "/proc/loadavg", 256, &text, NULL) < 0 ||
        sscanf(text, "%*s %*s %*s %*d/%" SCNd64, &all) != 1)
        return 0;
    return all;
}

int check_limits(struct doctor *d, struct err *e)
{
    (void)e;
    _cleanup_free_ char *files = sysctl_read("fs/file-nr");
    int64_t open_files = files ? strtoll(files, NULL, 10) : 0, threads = count_threads();
    judge(d, open_files, doctor_sysctl(0, "fs/file-max"), "fs.file-max", "open files",
          "without one, nothing can be started or connected");
    judge(d, threads, doctor_sysctl(0, "kernel/threads-max"), "kernel.threads-max", "threads",
          "without one, no program can be started");
    judge(d, threads, doctor_sysctl(0, "kernel/pid_max"), "kernel.pid_max", "process ids",
          "without one, no program can be started");
    struct rlimit own;
    if (getrlimit(RLIMIT_NOFILE, &own) == 0 && own.rlim_cur < 1024)
        doctor_say(d, NOTE, xstrdup("ulimit -n 20000"),
                   "programs may open %llu files here (ulimit -n), and so may those of containers "
                   "that are started here",
                   (unsigned long long)own.rlim_cur);
    return 0;
}

int check_default_route(struct doctor *d, struct err *e)
{
    (void)e;
    for (size_t i = 0; i < d->route_count; i++)
        if (d->routes[i].prefix == 0)
            return 0;
    doctor_say(d, NOTE, xstrdup("ip route add default via ROUTER"),
               "this host has no default route: containers reach only this host and its own "
               "networks");
    return 0;
}
