/* v1 has a separate hierarchy for processor time; v2 has a leaf for the relay beside the program's
 * (cgroup_leaves.c). */
#include "cgroup_relay.h"

#include "core/cgroup_internal.h"

#include <errno.h>

/* The hierarchy that limits processor time and nothing else. */
static const struct cgroup_hierarchy *cpu_alone(const struct cgroup_host *host)
{
    for (size_t i = 0; i < host->count; i++)
        if (host->kind == CGROUP_V2 || host->hierarchies[i].controllers == 1u << CGROUP_CPU)
            return &host->hierarchies[i];
    return NULL;
}

static int write_in(const struct cgroup_hierarchy *h, const char *path, const char *file,
                    const char *text, struct err *e)
{
    _cleanup_free_ char *full = xasprintf("%s/%s/%s", h->mount, path, file);
    int r = write_existing_at(AT_FDCWD, full, text);
    return r < 0 ? err_set(e, r, "write `%s`", full) : 1;
}

/* `tasks`, because `cgroup.procs` takes a lock over all threads of the machine; v2 has only the latter. */
int cgroup_join_cpu(const char *path, struct err *e)
{
    _cleanup_cgroup_host_ struct cgroup_host host = {0};
    int r = cgroup_check_path(path, e);
    if (r == 0)
        r = cgroup_probe(NULL, &host, e);
    const struct cgroup_hierarchy *h = r == 0 ? cpu_alone(&host) : NULL;
    if (!h || !h->v2)
        return h ? write_in(h, path, "tasks", "0", e) : r;
    _cleanup_free_ char *relay = cgroup_relay_path(h, path);
    return relay ? write_in(h, relay, "cgroup.procs", "0", e) : 0;
}
