/* A container with a limit of processor time under v2, where a process is in one cgroup for all controllers, and
 * only leaves have processes:
 *
 *     netctr/INSTANCE/ID            cpu.max: for both together
 *     netctr/INSTANCE/ID/program    memory.max, pids.max; cpu.max again, for programs that read it
 *     netctr/INSTANCE/ID/relay      copies the program's output; not killed for its memory
 *
 * Without such a limit there is no relay, and the container is in ID itself.
 */
#include "core/cgroup_internal.h"

#include <errno.h>

#define PROGRAM "program"
#define RELAY "relay"

static char *leaf(const struct cgroup_hierarchy *h, const char *path, const char *name)
{
    _cleanup_free_ char *below = xasprintf("%s/%s", path, name), *full = cgroup_join_path(h, below);
    return h->v2 && access(full, F_OK) == 0 ? take_ptr(below) : NULL;
}

char *cgroup_program_path(const struct cgroup_hierarchy *h, const char *path)
{
    /* A container that may mount can make both in its own cgroup: exec then enters there, below the same limits. */
    _cleanup_free_ char *relay = leaf(h, path, RELAY),
                        *program = relay ? leaf(h, path, PROGRAM) : NULL;
    return program ? take_ptr(program) : xstrdup(path);
}

char *cgroup_relay_path(const struct cgroup_hierarchy *h, const char *path)
{
    return leaf(h, path, RELAY);
}

int cgroup_split(const struct cgroup_hierarchy *h, const char *path, unsigned required,
                 struct err *e)
{
    const char *const names[] = {PROGRAM, RELAY};
    _cleanup_free_ char *full = cgroup_join_path(h, path);
    int r = cgroup_enable_here(full, h->controllers, required, e);
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(names); i++) {
        _cleanup_free_ char *below = xasprintf("%s/%s", full, names[i]);
        if (mkdir(below, 0755) < 0 && errno != EEXIST)
            r = err_set(e, errno, "make cgroup `%s`", below);
    }
    return r;
}

void cgroup_unsplit(const struct cgroup_hierarchy *h, const char *path)
{
    const char *const names[] = {PROGRAM, RELAY};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        _cleanup_free_ char *below = leaf(h, path, names[i]),
                            *full = below ? cgroup_join_path(h, below) : NULL;
        if (full)
            (void)rmdir(full);
    }
}
