/* A network namespace that another user namespace owns: made, and configured from the host's side. */
#include "check.h"

#include <signal.h>
#include <sys/prctl.h>

struct inside {
    int fd;
    struct rt *rt;
};
static void inside_close(struct inside *in)
{
    rt_close(in->rt);
    close(in->fd);
}
#define _cleanup_inside_ __attribute__((cleanup(inside_close)))

static uint64_t here(void)
{
    _cleanup_close_ int fd = netns_self();
    return netns_inode(fd);
}

static void commit(struct rt_batch *b, const char *name)
{
    _cleanup_err_ struct err e = ERR_INIT;
    check(rt_commit(b, &e) == 0, name, text_of(&e));
}

static int new_userns(void)
{
    _cleanup_err_ struct err e = ERR_INIT;
    const struct id_map map = id_map_of_range(0x50000000);
    int fd = userns_create(&map, &e);
    if (fd < 0) {
        check(false, "a user namespace", text_of(&e));
        exit(1);
    }
    return fd;
}

static struct inside inside_of(int owner, const struct sysctl *sysctls)
{
    _cleanup_err_ struct err e = ERR_INIT;
    struct inside in;
    if (netns_create(owner, &in.fd, &in.rt, sysctls, NULL, &e) < 0) {
        check(false, "a namespace of another user namespace", text_of(&e));
        exit(1);
    }
    return in;
}

static const struct sysctl SYSCTLS[] = {{"net/ipv4/ping_group_range", "0 2147483647"},
                                        {"net/ipv4/ip_unprivileged_port_start", "0"},
                                        {"net/ipv6/conf/default/accept_ra", "0"},
                                        {NULL, NULL}};

static void test_owner(const struct inside *in, int user)
{
    struct id_map map, range = id_map_of_range(0x50000000);
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_close_ int owner = netns_owner(in->fd, &e), own = netns_self();
    check(owner >= 0 && netns_inode(owner) == netns_inode(user) && !userns_is_own(owner),
          "it has that owner", text_of(&e));
    check(netns_owner_map(in->fd, &map, &e) == 0 && id_maps_equal(&map, &range), "its ids",
          text_of(&e));
    check(netns_owner_map(own, &map, &e) == 0 && id_map_is_host(&map), "ours has the host's",
          text_of(&e));
}

static void test_sysctls(const struct inside *in)
{
    for (const struct sysctl *one = SYSCTLS; one->key; one++) {
        _cleanup_free_ char *value = sysctl_there(in->fd, one->key), *plain = xstrdup(one->value);
        for (char *space = plain; (space = strchr(space, ' '));)
            *space = '\t';
        check(streq(value, plain), one->key, value ? value : "unreadable");
    }
}

/* All that a container's network needs comes from the host's side. */
static void test_links(const struct inside *in)
{
    static const uint8_t mac[6] = {2, 0x42, 10, 88, 0, 2};
    struct veth v = {.host = "vc-owned", .mtu = 1400, .peer = "eth0", .peer_netns = in->fd};
    struct link peer, added;
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_rt_ struct rt *rt = NULL, *later = NULL;
    check(rt_open(&rt, &e) == 0 && netns_open_rt(in->fd, &later, &e) == 0,
          "a socket that is opened later", text_of(&e));
    _cleanup_rt_batch_ struct rt_batch *outside = rt_batch_new(rt), *inside = rt_batch_new(later);
    memcpy(v.host_mac, mac, 6);
    memcpy(v.peer_mac, mac, 6);
    rt_add_veth(outside, &v);
    commit(outside, "a veth into it");
    check(rt_get_link(in->rt, "eth0", &peer) == 0, "its end is inside", "it is not");
    rt_add_bridge(inside, "br0", mac, 1400);
    rt_set_up(inside, peer.index);
    commit(inside, "a link that is added through it");
    check(rt_get_link(in->rt, "br0", &added) == 0, "it is inside", "it is not");
    const struct sysctl after[] = {{"net/ipv4/conf/eth0/forwarding", "1"}, {NULL, NULL}};
    int r = netns_sysctls(in->fd, after, &e);
    _cleanup_free_ char *value = sysctl_there(in->fd, after[0].key);
    check(r == 0 && streq(value, "1"), "a sysctl that is written later", text_of(&e));
    rt_delete_link(outside, "vc-owned");
    commit(outside, "the veth is deleted");
}

static void test_owned(void)
{
    int fds = open_fds(), dumpable = prctl(PR_GET_DUMPABLE), user = new_userns();
    uint64_t before = here();
    struct inside in = inside_of(user, SYSCTLS);
    check(here() == before && netns_inode(in.fd) != before && netns_is(in.fd) &&
              fcntl(in.fd, F_GETFD) == FD_CLOEXEC,
          "a network namespace for another user namespace", "it is none");
    check(prctl(PR_GET_DUMPABLE) == dumpable, "this process stays dumpable", "it does not");
    test_owner(&in, user);
    test_sysctls(&in);
    test_links(&in);
    inside_close(&in);
    close(user);
    check(open_fds() == fds, "nothing is left open", "an fd is");
}

static void refuse(int owner, int code, const char *text)
{
    _cleanup_err_ struct err e = ERR_INIT;
    int fd = 7, fds = open_fds();
    struct rt *rt = (void *)&fd;
    uint64_t before = here();
    int r = netns_create(owner, &fd, &rt, NULL, NULL, &e);
    expect(r == code && fd == -1 && !rt && here() == before && open_fds() == fds &&
               streq(text_of(&e), text),
           text, "%d: %s", r, text_of(&e));
}

/* The limit of the test's own user namespace, in a child. */
static void test_owned_refused(void)
{
    _cleanup_close_ int own = open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC);
    refuse(own, -EINVAL, "enter the user namespace of the container: Invalid argument");
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        failures = 0;
        int fd;
        struct id_map all = {
            .uids = {{0, 0, 1}}, .gids = {{0, 0, 1}}, .uid_count = 1, .gid_count = 1};
        fd = userns_create(&all, NULL);
        if (fd < 0 || setns(fd, CLONE_NEWUSER) < 0 ||
            sysctl_write("user/max_net_namespaces", "0", NULL) < 0)
            check(false, "a limit", strerror(errno));
        _cleanup_close_ int below = userns_create(&all, NULL);
        refuse(below, -ENOSPC,
               "create a network namespace in the user namespace of the container: "
               "No space left on device");
        fflush(stdout);
        _exit(failures);
    }
    int status = 1;
    (void)waitpid(pid, &status, 0);
    check(status == 0, "a limit on network namespaces", "see above");
}

/* The children of a killed process come to this one. */
static void test_owned_killed(void)
{
    enum { ROUNDS = 60 };
    int user = new_userns(), left = 0;
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
    for (int i = 0; i < ROUNDS; i++) {
        pid_t pid = fork();
        if (pid == 0)
            for (;;) {
                _cleanup_inside_ struct inside in = inside_of(user, NULL);
            }
        usleep(3000 + (useconds_t)(i * 37));
        kill(pid, SIGKILL);
        int64_t end = monotonic_ms() + 5000;
        pid_t one;
        while ((one = waitpid(-1, NULL, __WALL | WNOHANG)) >= 0 && monotonic_ms() < end)
            if (one == 0)
                usleep(100);
        left += one >= 0;
    }
    (void)prctl(PR_SET_CHILD_SUBREAPER, 0);
    close(user);
    expect(left == 0, "a kill leaves no process", "%d did", left);
}

int main(void)
{
    if (!own_network()) {
        printf("skip - no network namespace of our own: not root?\n");
        return 0;
    }
    test_owned();
    test_owned_refused();
    test_owned_killed();
    return failures != 0;
}
