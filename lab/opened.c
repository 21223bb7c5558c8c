/* How many of a lab's namespaces may be open at once: a large lab has more nodes than a process may have descriptors. Programs
 * inherit the limit, so it is raised only for as long as it is needed.
 */
#include "lab.h"

enum { OTHERS = 64 }; /* descriptors that are left for all else */

void opened_begin(struct opened *o, unsigned each)
{
    *o = (struct opened){.before = {1024, 1024}};
    o->raised = getrlimit(RLIMIT_NOFILE, &o->before) == 0;
    struct rlimit most = {o->before.rlim_max, o->before.rlim_max};
    o->raised = o->raised && setrlimit(RLIMIT_NOFILE, &most) == 0;
    const rlim_t limit = o->raised ? most.rlim_cur : o->before.rlim_cur;
    o->most = limit > OTHERS ? (size_t)(limit - OTHERS) / each : 0;
}

bool opened_has_room(struct opened *o, size_t more)
{
    return o->count == 0 || o->count + more <= o->most;
}

void opened_end(struct opened *o)
{
    if (o->raised)
        (void)setrlimit(RLIMIT_NOFILE, &o->before);
    o->raised = false;
}
