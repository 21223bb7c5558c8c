/* Only version 1 has a hierarchy of its own for processor time. In version 2 who is in a cgroup is there with
 * all controllers, memory among them; a sibling below a common parent that holds the limit would do, which is
 * another layout of cgroups. Until then the relay is not limited there.
 */
#include "cgroup_relay.h"

#include "core/cgroup_internal.h"

#include <errno.h>

static const struct cgroup_hierarchy *cpu_alone(const struct cgroup_host *host)
{
    for (size_t i = 0; host->kind == CGROUP_V1 && i < host->count; i++)
        if (host->hierarchies[i].controllers == 1u << CGROUP_CPU)
            return &host->hierarchies[i];
    return NULL;
}

/* Writes into a file of @path in that hierarchy. 1: done; 0: there is none. */
static int write_cpu(const char *path, const char *file, const char *text, struct err *e)
{
    _cleanup_cgroup_host_ struct cgroup_host host = {0};
    int r = cgroup_check_path(path, e);
    if (r == 0)
        r = cgroup_probe(NULL, &host, e);
    if (r < 0)
        return r;
    const struct cgroup_hierarchy *h = cpu_alone(&host);
    if (!h)
        return 0;
    _cleanup_free_ char *full = xasprintf("%s/%s/%s", h->mount, path, file);
    r = write_existing_at(AT_FDCWD, full, text);
    return r < 0 ? err_set(e, r, "write `%s`", full) : 1;
}

/* `tasks` and not `cgroup.procs`, which would take a lock over all threads of the machine. */
int cgroup_join_cpu(const char *path, struct err *e)
{
    return write_cpu(path, "tasks", "0", e);
}

int cgroup_lift_cpu(const char *path, struct err *e)
{
    return write_cpu(path, "cpu.cfs_quota_us", "-1", e);
}
