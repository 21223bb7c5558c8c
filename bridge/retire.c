/* Deleting a veth waits for RCU grace periods, 16-29 ms. When a container ends, its network
 * namespace usually dies with it, and the kernel deletes the veth from a work queue. But the
 * namespace may still have a holder: a process that has joined it, an open fd, a TCP connection
 * that is still closing. Then the veth is recorded in RUN/links (one file for each, named by its
 * index, with its name in it), and the helper deletes it a moment later. Its guard is gone by then,
 * so the veth passes no frame (bridge/firewall/schema.c, guard). */
#include "bridge.h"

#include <errno.h>
#include <string.h>

#define DIRECTORY "links"

static int record_link(struct net *net, const struct link *link)
{
    _cleanup_free_ char *file = xasprintf(DIRECTORY "/%d", link->index);
    if (mkdirat(net->run_fd, DIRECTORY, 0700) < 0 && errno != EEXIST)
        return -errno;
    return write_file_atomic(net->run_fd, file, link->name, strlen(link->name), 0600);
}

bool endpoint_find_link(struct net *net, const struct endpoint *ep, struct link *out)
{
    return ep->guard && ep->host_veth && rt_get_link(net->rt, ep->host_veth, out) == 0;
}

void links_retire(struct net *net, const struct link *links, size_t count, bool later)
{
    _cleanup_rt_batch_ struct rt_batch *batch = rt_batch_new(net->rt);
    for (size_t i = 0; i < count; i++)
        if (!rt_peer_is_dying(net->rt, &links[i]) && (!later || record_link(net, &links[i]) < 0))
            rt_remove_link(batch, links[i].index);
    (void)rt_commit(batch, NULL);
}

/* ---- the helper's side -----------------------------------------------------------------------*/

/* A restarted container has the same link name, but never the same index: both must match. */
static void reap(struct net *net, struct rt_batch *batch, int dir, const char *file)
{
    _cleanup_free_ char *name = NULL;
    struct link link;
    uint64_t index;
    if (parse_u64(file, 1, INT32_MAX, &index) == 0 &&
        read_state_at(dir, file, 64, &name, NULL) == 0 && rt_get_link(net->rt, name, &link) == 0 &&
        link.index == (int)index)
        rt_remove_link(batch, link.index);
    (void)unlinkat(dir, file, 0);
}

bool links_pending(int run_fd)
{
    uint64_t index;
    _cleanup_dir_ DIR *d = open_listing(run_fd, DIRECTORY);
    for (struct dirent *entry; d && (entry = readdir(d));)
        if (entry->d_type != DT_DIR && parse_u64(entry->d_name, 1, INT32_MAX, &index) == 0)
            return true;
    return false;
}

int links_reap(struct net *net, struct err *e)
{
    _cleanup_dir_ DIR *d = open_listing(net->run_fd, DIRECTORY);
    _cleanup_rt_batch_ struct rt_batch *batch = rt_batch_new(net->rt);
    int r = 0;
    if (!d)
        return errno == ENOENT ? 0 : err_set(e, errno, "list the retired links");
    for (struct dirent *entry; (entry = next_entry(d, &r));)
        if (*entry->d_name != '.')
            reap(net, batch, dirfd(d), entry->d_name);
    (void)unlinkat(net->run_fd, DIRECTORY, AT_REMOVEDIR); /* created again when needed */
    return r < 0 ? err_set(e, r, "list the retired links") : rt_commit(batch, e);
}
