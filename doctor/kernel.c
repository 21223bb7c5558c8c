/* Checks what the kernel must have. It is probed by requests that the kernel has to refuse: the
 * error says whether it knows the feature, and nothing changes. */
#include "doctor/doctor.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>

static void check_links(struct doctor *d)
{
    static const char *const kinds[] = {"veth", "bridge"};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (rt_knows_kind(d->rt, kinds[i]) == 0)
            doctor_say(d, PROBLEM, xasprintf("modprobe %s", kinds[i]),
                       "the kernel has no `%s` devices, which every network needs", kinds[i]);
}

static void check_rates(struct doctor *d)
{
    if (rt_knows_qdisc(d->rt, "tbf") == 0)
        doctor_say(d, NOTE, xasprintf("modprobe sch_tbf"),
                   "the kernel has no tbf (token bucket filter), so `--network NAME:rate=…` is "
                   "refused");
}

/* fsopen() finds the file system, and loads its module. Nothing is mounted. */
static void check_overlay(struct doctor *d)
{
    _cleanup_close_ int fd = fsopen("overlay", FSOPEN_CLOEXEC);
    if (fd < 0 && errno == ENODEV)
        doctor_say(d, PROBLEM, xasprintf("modprobe overlay"),
                   "the kernel has no overlayfs, so containers have no layer of their own: "
                   "without it they run only with --in-place or --read-only");
}

static void check_seccomp(struct doctor *d)
{
    uint32_t action = SECCOMP_RET_ERRNO;
    if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) < 0)
        doctor_say(d, PROBLEM, xasprintf("boot a kernel with CONFIG_SECCOMP_FILTER"),
                   "the kernel has no seccomp filters: %s", strerror(errno));
}

static void check_memory_files(struct doctor *d)
{
    _cleanup_close_ int fd = memfd_executable(0);
    if (fd == -EACCES)
        doctor_say(
            d, PROBLEM, xasprintf("sysctl -w vm.memfd_noexec=1"),
            "programs in memory cannot be executed (vm.memfd_noexec is 2), and netctr starts "
            "containers with one");
}

static void check_tables(struct doctor *d)
{
    _cleanup_err_ struct err e = ERR_INIT;
    /* If the tables exist, the kernel has accepted them. */
    int r = net_check(d->bridge, NULL);
    if (r == 0 || r == -EBUSY || r == -EPROTONOSUPPORT)
        return;
    r = firewall_dry_run(&e);
    if (r < 0)
        doctor_say(
            d, PROBLEM,
            r == -EPERM || r == -EACCES
                ? xstrdup("run netctr with CAP_NET_ADMIN for this host's network namespace")
                : xstrdup(
                      "modprobe -a nf_tables nft_chain_nat nft_nat nft_masq nft_ct nft_fib_inet"),
            "the kernel refuses netctr's firewall: %s", e.text);
}

static void check_conntrack_netlink(struct doctor *d)
{
    _cleanup_err_ struct err e = ERR_INIT;
    if (firewall_knows_conntrack(&e) == 0)
        doctor_say(d, WARNING, xasprintf("modprobe nf_conntrack_netlink"),
                   "open connections cannot be deleted (no nf_conntrack_netlink): a client that "
                   "keeps sending UDP still reaches a container after its port was unpublished");
}

int check_kernel(struct doctor *d, struct err *e)
{
    (void)e;
    check_links(d);
    check_rates(d);
    check_overlay(d);
    check_seccomp(d);
    check_memory_files(d);
    check_tables(d);
    check_conntrack_netlink(d);
    return 0;
}

int check_cgroups(struct doctor *d, struct err *e)
{
    enum cgroup_kind kind;
    unsigned there = 0;
    int r = cgroups_survey(&kind, &there, e);
    if (r < 0)
        return r;
    if (kind == CGROUP_NONE) {
        doctor_say(d, WARNING, xasprintf("mount -t cgroup2 cgroup2 /sys/fs/cgroup"),
                   "no cgroups are mounted, so limits are refused");
        return 0;
    }
    for (int c = 0; c < CGROUP_CONTROLLERS; c++)
        if (!(there & 1u << c))
            doctor_say(d, WARNING,
                       xasprintf("boot a kernel that has it, without cgroup_disable= for it"),
                       "there is no cgroup controller `%s`, so its limits are refused",
                       cgroup_controller_name((enum cgroup_controller)c));
    return 0;
}

int check_capabilities(struct doctor *d, struct err *e)
{
    (void)e;
    _cleanup_strv_ strv lacking = caps_names(CAPS_DEFAULT & ~caps_held_of(CAPS_DEFAULT));
    strv_each (name, lacking)
        doctor_say(d, NOTE, xasprintf("run netctr with that capability"),
                   "netctr lacks the capability %s, so containers do not get it", name);
    return 0;
}

int check_expiry(struct doctor *d, struct err *e)
{
    (void)e;
    if (net_expiry(d->bridge) == FW_EXPIRY_NO)
        doctor_say(d, NOTE, xasprintf("boot Linux 6.12 or later"),
                   "this kernel cannot give elements of nf_tables a lifetime, so the end of each "
                   "container takes some milliseconds longer");
    return 0;
}
