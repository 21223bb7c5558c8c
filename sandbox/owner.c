/* The user namespace that owns a sandbox's network namespace. All processes of the sandbox's containers are in it.
 *
 * A container's process is made before its sandbox is, so its owner is asked for first. A sandbox that lives has one
 * already: the container that comes back must join that, as another user namespace has no rights in it, even with the same
 * ids. Else it is made here, once, and sandbox_create() uses it.
 */
#include "sandbox.h"

#include <errno.h>

static int refuse_other_ids(const struct sandbox *sb, struct err *e)
{
    err_say(e, -EBUSY, "the network of container `%s` is in use with other ids", sb->name);
    err_hint(e, "stop the containers that share it first");
    return -EBUSY;
}

/* The namespace of the sandbox that lives under this id, which sandbox_create() will join. -ESRCH, without a text: none. */
static int open_living(const struct sandbox *sb, struct err *e)
{
    struct sandbox_record record = {.dir = -1};
    int all = sandboxes_dir(sb->all, false, NULL), netns = -ESRCH;
    _cleanup_close_ int dir =
        all < 0 ? -1 : openat(all, sb->id, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (dir < 0)
        return -ESRCH;
    /* Whatever is wrong with the record: sandbox_create() reports it. */
    if (record_read(dir, sb->id, &record, NULL) == 0 && record.life == SANDBOX_MONITORED)
        netns = members_netns(dir, record.cookie);
    bool same = sb->guest || id_maps_equal(&record.owner, &sb->ids);
    sandbox_record_clear(&record);
    if (netns < 0 || same)
        return netns;
    close(netns);
    return refuse_other_ids(sb, e);
}

int owner_make(struct sandbox *sb, int *out, struct err *e)
{
    *out = -1;
    if (id_map_is_host(&sb->ids))
        return 0;
    if (sb->owner < 0) {
        int fd = userns_start(&sb->ids, &sb->maker, e);
        if (fd < 0)
            return fd;
        sb->owner = fd;
    }
    *out = sb->owner;
    return 0;
}

int owner_netns(struct sandbox *sb, bool ipv6, struct err *e)
{
    const struct sysctl *sysctls = network_sysctls(ipv6);
    int owner, r = owner_make(sb, &owner, e);
    if (r < 0)
        return r;
    if (!sb->maker)
        return netns_create(owner, &sb->netns, &sb->inside, sysctls, &sb->sysctls, e);
    r = sb->netns = userns_network(&sb->maker, e);
    return r < 0 ? r : netns_prepare(sb->netns, &sb->inside, sysctls, &sb->sysctls, e);
}

/* Of a namespace that is to be made. */
static int open_own(struct sandbox *sb, struct err *e)
{
    int made, r = owner_make(sb, &made, e);
    if (r < 0)
        return r;
    int fd = made < 0 ? open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC)
                      : fcntl(made, F_DUPFD_CLOEXEC, 3);
    return fd < 0 ? err_set(e, errno, "open the user namespace of sandbox %s", sb->id) : fd;
}

int sandbox_owner(struct sandbox *sb, struct err *e)
{
    _cleanup_close_ int living = sb->netns < 0 ? open_living(sb, e) : -1;
    if (living < 0 && living != -ESRCH && sb->netns < 0)
        return living;
    int netns = sb->netns < 0 ? living : sb->netns;
    int fd = netns < 0 ? open_own(sb, e) : netns_owner(netns, e);
    sb->told = fd < 0 ? 0 : netns_inode(fd);
    /* If that sandbox dies before this one joins it, the next one is made in the same user namespace. */
    if (fd >= 0 && sb->owner < 0 && !id_map_is_host(&sb->ids))
        sb->owner = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    return fd;
}

int owner_require(const struct sandbox *sb, struct err *e)
{
    if (!sb->told)
        return 0;
    _cleanup_close_ int owner = netns_owner(sb->netns, e);
    if (owner < 0)
        return owner;
    return netns_inode(owner) == sb->told
               ? 0
               : err_say(e, -ESTALE, "another process has just taken over the network of `%s`",
                         sb->name);
}
