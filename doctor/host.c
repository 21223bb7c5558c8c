/* Checks other programs that make networks, the file systems that hold netctr's files, the helpers,
 * and inotify. */
#include "doctor/doctor.h"

#include <netctr/engine.h>

#include <errno.h>
#include <libgen.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <time.h>

#ifndef XFS_SUPER_MAGIC
#define XFS_SUPER_MAGIC 0x58465342
#endif
#define FUSE_MAGIC 0x65735546
#define VFAT_MAGIC 0x4d44
#define CIFS_MAGIC 0xff534d42

/* ---- others that make networks ---------------------------------------------------------------*/

static strv bridges_of(const struct doctor *d)
{
    strv bridges = NULL;
    for (size_t i = 0; i < d->network_count; i++)
        if (network_has_gateway(&d->networks[i]))
            strv_add(&bridges, d->networks[i].bridge);
    return bridges;
}

static char *trust_bridges(const struct doctor *d)
{
    _cleanup_strv_ strv bridges = bridges_of(d);
    return firewalld_cure(bridges);
}

static char *route_bridges(const struct doctor *d)
{
    _cleanup_strv_ strv bridges = bridges_of(d), commands = NULL;
    strv_each (bridge, bridges)
        strv_add_take(&commands, xasprintf("ufw route allow in on %s && ufw route allow out on %s",
                                           bridge, bridge));
    return strv_join(commands, " && ");
}

struct peer {
    const char *name;
    const char *link;   /* prefix of its bridges' names */
    const char *table;  /* its table of nf_tables */
    const char *chain;  /* prefix of its chains' names */
    const char *socket; /* or a file that exists while it runs */
    const char *meaning;
    const char *cure;
    char *(*command)(const struct doctor *d); /* used if there is no cure */
};

#define OWN_BRIDGES                      \
    "its rules are for its own bridges", \
        "nothing, as long as its subnets and netctr's differ (`ip route` shows them)", NULL

static const struct peer peers[] = {
    {"docker", "docker0", "docker-bridges", "DOCKER", "/run/docker.sock",
     "it sets the policy of the chain FORWARD to drop, also for packets of other programs, and switches "
     "bridge-nf-call-iptables on",
     "if a chain of it is named as a problem, its cure; or start dockerd with --ip-forward-no-drop",
     NULL},
    {"podman", "podman", "netavark", "NETAVARK", "/run/podman/podman.sock",
     "its default network is 10.88.0.0/16; so is netctr's, unless it was made while this host had a "
     "route there",
     "nothing, as long as their subnets differ (`ip route` shows them); else set default_subnet in "
     "/etc/containers/containers.conf",
     NULL},
    {"firewalld", NULL, "firewalld", NULL, "/run/firewalld",
     "it drops packets from interfaces that are in no zone with forwarding, and its reload may "
     "flush the iptables rules of other programs",
     NULL, trust_bridges},
    {"ufw", NULL, NULL, "ufw-", NULL, "it drops forwarded packets unless a rule allows them", NULL,
     route_bridges},
    {"libvirt", "virbr", "libvirt_network", "LIBVIRT_", "/run/libvirt/libvirt-sock", OWN_BRIDGES},
    {"LXD", "lxdbr", "lxd", NULL, "/var/lib/lxd/unix.socket", OWN_BRIDGES},
    {"Incus", "incusbr", "incus", NULL, "/var/lib/incus/unix.socket", OWN_BRIDGES},
};

/* The first trace of the program on this host; caller frees; NULL: none. */
static char *trace_of(const struct doctor *d, const struct peer *p)
{
    for (size_t i = 0; p->link && i < d->link_count; i++)
        if (skip_prefix(d->links[i].name, p->link))
            return xasprintf("link `%s`", d->links[i].name);
    if (p->table && d->rules && nft_snapshot_has_table(d->rules, p->table))
        return xasprintf("nf_tables table `%s`", p->table);
    if (p->chain && d->rules && nft_snapshot_has_chain(d->rules, p->chain))
        return xasprintf("nf_tables chains `%s…`", p->chain);
    if (p->socket && access(p->socket, F_OK) == 0)
        return xasprintf("`%s`", p->socket);
    return NULL;
}

int check_peers(struct doctor *d, struct err *e)
{
    (void)e;
    for (size_t i = 0; i < ARRAY_LEN(peers); i++) {
        _cleanup_free_ char *trace = trace_of(d, &peers[i]);
        if (trace)
            doctor_say(d, NOTE, peers[i].cure ? xstrdup(peers[i].cure) : peers[i].command(d),
                       "%s is here (%s): %s", peers[i].name, trace, peers[i].meaning);
    }
    return 0;
}

/* ---- files -----------------------------------------------------------------------------------*/

/* The directory itself, or the nearest parent that exists. */
static char *existing(const char *path)
{
    char *p = xstrdup(path);
    while (access(p, F_OK) < 0 && !streq(p, "/") && !streq(p, ".")) {
        char *up = xstrdup(dirname(p));
        free(p);
        p = up;
    }
    return p;
}

static void check_space(struct doctor *d, const char *path, const char *flag)
{
    struct statvfs fs;
    if (statvfs(path, &fs) < 0)
        return;
    const uint64_t unit = fs.f_frsize ? fs.f_frsize : 1, free_bytes = fs.f_bavail * unit;
    const struct {
        const char *what;
        uint64_t left, all, least;
    } rooms[] = {{"MiB", free_bytes >> 20, fs.f_blocks * unit >> 20, 64},
                 {"inodes", fs.f_favail, fs.f_files, 1000}};
    for (size_t i = 0; i < ARRAY_LEN(rooms); i++) {
        if (!rooms[i].all ||
            (rooms[i].left >= rooms[i].all / 20 && rooms[i].left >= rooms[i].least))
            continue;
        if (rooms[i].left >= rooms[i].least * 16) /* of a very large disk 5 % is enough */
            continue;
        doctor_say(d, rooms[i].left ? WARNING : PROBLEM,
                   xasprintf("make room below %s, or use another %s", path, flag),
                   "the file system of `%s` has %llu of %llu %s left", path,
                   (unsigned long long)rooms[i].left, (unsigned long long)rooms[i].all,
                   rooms[i].what);
    }
}

static const char *unfit_for_layers(long type)
{
    switch (type) {
    case OVERLAYFS_SUPER_MAGIC: return "an overlayfs";
    case NFS_SUPER_MAGIC: return "NFS";
    case CIFS_MAGIC: return "CIFS";
    case FUSE_MAGIC: return "FUSE";
    case VFAT_MAGIC: return "FAT";
    case ECRYPTFS_SUPER_MAGIC: return "eCryptfs";
    default: return NULL;
    }
}

int check_storage(struct doctor *d, struct err *e)
{
    (void)e;
    _cleanup_free_ char *root = existing(d->root), *run = existing(d->run);
    struct statfs fs;
    check_space(d, root, "--root");
    check_space(d, run, "--run-root");
    const char *unfit = statfs(root, &fs) == 0 ? unfit_for_layers((long)fs.f_type) : NULL;
    if (unfit)
        doctor_say(d, PROBLEM,
                   xasprintf("use a --root on ext4, XFS, btrfs or tmpfs, or run with --in-place or "
                             "--read-only"),
                   "`%s` is on %s, which cannot hold the upper layer of an overlay", root, unfit);
    if (statfs(run, &fs) == 0 && fs.f_type != TMPFS_MAGIC)
        doctor_say(
            d, NOTE, xasprintf("use a --run-root below /run"),
            "`%s` is not on a tmpfs: what netctr writes there outlives a reboot, and the first "
            "command after it cleans up",
            run);
    return 0;
}

/* ---- names -----------------------------------------------------------------------------------*/

/* Reports that containers run without helpers, because both helpers were killed or stopped. */
int check_names(struct doctor *d, struct err *e)
{
    (void)e;
    bool any = false; /* a container that waits for its start does not need helpers yet */
    for (size_t i = 0; i < d->container_count; i++)
        any = any || d->containers[i].status == STATUS_RUNNING || d->containers[i].endpoints.count;
    if (!d->store || !any)
        return 0;
    const struct engine engine = {.store = *d->store};
    /* The first container starts the helpers without waiting for them, so look several times. */
    enum { LOOKS = 20 };
    const struct timespec moment = {.tv_nsec = 50000000};
    for (int looks = 0; looks < LOOKS; looks++) {
        if (looks)
            nanosleep(&moment, NULL);
        _cleanup_json_ json_t *helpers = engine_helpers(&engine);
        if (json_flag(helpers, "work") || !engine_has_living(&engine))
            return 0;
    }
    doctor_say(
        d, PROBLEM, xstrdup("netctr gc"),
        "containers run without a helper: names may not be resolved, and a flushed firewall is "
        "not restored");
    return 0;
}

/* Counting the instances in use would mean to read every descriptor of every process. So some are
 * allocated for a moment (10 us). */
int check_inotify(struct doctor *d, struct err *e)
{
    (void)e;
    enum { FEW = 8 };
    int fds[FEW], count = 0;
    while (count < FEW && (fds[count] = inotify_init1(IN_CLOEXEC)) >= 0)
        count++;
    int why = count < FEW ? errno : 0;
    for (int i = 0; i < count; i++)
        close(fds[i]);
    if (why != EMFILE)
        return 0;
    int64_t all = doctor_sysctl(128, "fs/inotify/max_user_instances");
    doctor_say(d, WARNING,
               xasprintf("sysctl -w fs.inotify.max_user_instances=%lld", (long long)all * 8),
               "%d of root's %lld instances of inotify are left, which host and containers share: "
               "without one, names and events come late, and other programs may fail",
               count, (long long)all);
    return 0;
}
