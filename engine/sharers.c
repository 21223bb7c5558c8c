/* Containers that share the network of another one (`--network container:NAME`). The namespace is its owner's: it
 * keeps its addresses no longer than the owner's life, and the next life has a namespace of its own.
 */
#include "connect_request.h"
#include <netctr/engine.h>

#include <errno.h>
#include <sys/stat.h>

enum { CHAIN_MAX = 16 };

const char *network_owner(const struct spec *s)
{
    const char *rest;
    return network_word(s->network, &rest) == NETWORK_WORD_CONTAINER ? rest : NULL;
}

/* -ESRCH: its program has ended meanwhile. */
static int netns_of(const struct record *r, struct stat *out)
{
    _cleanup_close_ int fd = netns_of_process(r->pid, r->pid_start);
    if (fd < 0)
        return fd;
    return fstat(fd, out) < 0 ? -errno : 0;
}

static int differs(const struct record *a, const struct record *b)
{
    struct stat x, y;
    int r = netns_of(a, &x);
    if (r == 0)
        r = netns_of(b, &y);
    return r < 0 ? r : x.st_ino != y.st_ino || x.st_dev != y.st_dev;
}

/* Between two runs of its program the owner's namespace stays. */
static int lost(struct engine *engine, const struct record *r, int depth, struct err *e)
{
    const char *name = network_owner(&r->spec);
    if (!name || r->status != STATUS_RUNNING || depth == CHAIN_MAX)
        return 0;
    _cleanup_record_ struct record owner = {0};
    int code = engine_find(engine, name, &owner, e);
    if (code == -ENOENT || code == -EBADMSG) {
        err_clear(e);
        return 1;
    }
    if (code < 0 || owner.status == STATUS_RESTARTING)
        return code;
    code = owner.status == STATUS_RUNNING ? differs(r, &owner) : 1;
    if (code < 0 && code != -ESRCH)
        return err_set(e, code, "look at the network of container `%s`", r->spec.name);
    if (code == -ESRCH) /* one of the two has just ended */
        return 0;
    return code ? code : lost(engine, &owner, depth + 1, e);
}

int engine_network_lost(struct engine *engine, const struct record *r, struct err *e)
{
    return lost(engine, r, 0, e);
}
