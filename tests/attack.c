/* What root in a container may try against the host, for the tests: one line for each attempt, "NAME RESULT", where
 * RESULT is "done" or the kernel's errno. Each attempt is harmless where it succeeds.
 *
 *     attack kernel                 system calls that change the kernel, or read it
 *     attack volume DIR             the file system of the volume DIR, which holds a file `f`
 *     attack remount DIR            the options of the file system of DIR
 *     attack mount TYPE...          new mounts of file systems
 *     attack device b|c MAJOR MINOR a device node: make it on a new tmpfs, then open it
 *     attack walk DIR...            prints the files below DIR that can be opened for writing
 *     attack read FILE...           opens each FILE for reading
 *     attack setns SOCKET           the fds that come over the unix socket SOCKET
 *     attack handle DIR HEX NAME    the file or directory with this handle; DIR is on the same file system
 *     attack link new|del|get|macvlan NAME|INDEX
 *                                   links in the network namespace with id 0, which is the veth's other end
 *     attack climb                  chroot and `..`: prints what the topmost directory holds
 *     attack ids FILE               the ids with which a program can be executed: prints them (setuid, capabilities)
 *     attack watch                  prints what each new program here shows to a tracer, until it is killed
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/mount.h>
#include <linux/perf_event.h>
#include <linux/quota.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/io.h>
#include <sys/ioctl.h>
#include <sys/klog.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/timex.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#ifndef SYS_quotactl_fd
#define SYS_quotactl_fd 443
#endif

static void say(const char *name, long result)
{
    printf("%s %s\n", name, result >= 0 ? "done" : strerrorname_np(errno));
}

/* ---- the kernel ------------------------------------------------------------------------------*/

static long set_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return clock_settime(CLOCK_REALTIME, &now);
}

static long tick(void)
{
    struct timex t = {.modes = ADJ_TICK, .tick = 10000};
    return adjtimex(&t);
}

static long make_map(void)
{
    union bpf_attr a = {
        .map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};
    return syscall(SYS_bpf, BPF_MAP_CREATE, &a, sizeof(a));
}

static long profile_a_processor(void)
{
    struct perf_event_attr a = {
        .type = PERF_TYPE_SOFTWARE, .size = sizeof(a), .config = PERF_COUNT_SW_CPU_CLOCK};
    return syscall(SYS_perf_event_open, &a, -1, 0, -1, 0);
}

/* Beyond the hard limit, and out of reach of the out-of-memory killer. */
static long raise_limit(int which)
{
    struct rlimit l;
    getrlimit(which, &l);
    l.rlim_max = l.rlim_max == RLIM_INFINITY ? 0 : l.rlim_max + 1;
    if (l.rlim_max == 0) { /* it is unlimited: lower it first */
        l.rlim_cur = l.rlim_max = 4096;
        setrlimit(which, &l);
        l.rlim_max++;
    }
    return setrlimit(which, &l);
}

static long write_to(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    long r = fd < 0 ? fd : write(fd, text, strlen(text));
    int why = errno;
    if (fd >= 0)
        close(fd);
    errno = why;
    return r;
}

static void kernel(void)
{
    say("clock", set_clock());
    say("tick", tick());
    say("iopl", syscall(SYS_iopl, 3));
    say("ioperm", ioperm(0x80, 1, 1));
    say("module", syscall(SYS_init_module, "", 0L, ""));
    say("unmodule", syscall(SYS_delete_module, "netctr_none", 0));
    say("kexec", syscall(SYS_kexec_load, 0L, 0L, NULL, 0L));
    say("swapon", swapon("/none", 0));
    say("swapoff", swapoff("/none"));
    say("syslog", klogctl(9, NULL, 0));
    say("bpf", make_map());
    say("perf", profile_a_processor());
    say("acct", acct(NULL));
    say("fanotify", fanotify_init(FAN_CLASS_CONTENT, O_RDONLY));
    say("add_key", syscall(SYS_add_key, "user", "netctr", "x", 1L, -3L));
    say("keyctl", syscall(SYS_keyctl, 0, -4L, 0L)); /* the keyring of the user of all root's */
    say("userfaultfd", syscall(SYS_userfaultfd, 0));
    say("io_uring", syscall(SYS_io_uring_setup, 1, NULL));
    say("nofile", raise_limit(RLIMIT_NOFILE));
    say("memlock", raise_limit(RLIMIT_MEMLOCK));
    say("oom", write_to("/proc/self/oom_score_adj", "-1000"));
    say("cad", reboot(RB_DISABLE_CAD));
}

/* ---- a volume --------------------------------------------------------------------------------*/

/* Only append, and back again. */
static long append_only(int fd)
{
    int flags = 0;
    long r = ioctl(fd, FS_IOC_GETFLAGS, &flags);
    flags |= FS_APPEND_FL;
    if (r == 0)
        r = ioctl(fd, FS_IOC_SETFLAGS, &flags);
    flags &= ~FS_APPEND_FL;
    if (r == 0)
        ioctl(fd, FS_IOC_SETFLAGS, &flags);
    return r;
}

/* The volume with other ids. */
static long map_anew(const char *path)
{
    int user = open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC);
    int tree = (int)syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    struct mount_attr a = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)user};
    return tree < 0 ? tree : syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &a, sizeof(a));
}

static long watch_all(const char *path)
{
    int fd = fanotify_init(FAN_CLASS_NOTIF | FAN_REPORT_FID, O_RDONLY);
    return fd < 0
               ? fd
               : fanotify_mark(fd, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_CREATE, AT_FDCWD, path);
}

static void volume(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fchdir(fd) < 0)
        exit(2);
    int file = open("f", O_RDONLY | O_CLOEXEC);
    struct fstrim_range none = {.len = 0};
    say("thaw", ioctl(fd, FITHAW, 0)); /* to freeze needs the same right */
    say("trim", ioctl(fd, FITRIM, &none));
    say("append", append_only(file));
    say("quota", syscall(SYS_quotactl_fd, fd, QCMD(Q_QUOTAOFF, USRQUOTA), 0, NULL));
    say("trusted", fsetxattr(file, "trusted.netctr", "x", 1, 0));
    say("idmap", map_anew("."));
    say("watch", watch_all("."));
    say("chown", fchown(file, 65536, 65536));
}

/* ---- mounts and devices ----------------------------------------------------------------------*/

static long try_mount(const char *type)
{
    bool cgroup1 = strncmp(type, "cgroup:", 7) == 0;
    (void)mkdir("/attacked", 0755);
    long r = mount("none", "/attacked", cgroup1 ? "cgroup" : type, 0, cgroup1 ? type + 7 : NULL);
    int why = errno;
    if (r == 0)
        umount2("/attacked", MNT_DETACH);
    errno = why;
    return r;
}

static void device(const char *kind, const char *major_number, const char *minor_number)
{
    dev_t number = makedev((unsigned)atoi(major_number), (unsigned)atoi(minor_number));
    (void)mkdir("/attacked", 0755);
    if (mount("none", "/attacked", "tmpfs", 0, NULL) < 0 || chdir("/attacked") < 0)
        say("tmpfs", -1);
    long r = mknod("node", (*kind == 'b' ? S_IFBLK : S_IFCHR) | 0666, number);
    say("mknod", r);
    if (r == 0)
        say("open", open("node", O_RDONLY | O_NONBLOCK | O_CLOEXEC));
}

static int show_writable(const char *path, const struct stat *st, int type, struct FTW *f)
{
    (void)f;
    if (type != FTW_F || !S_ISREG(st->st_mode))
        return 0;
    int fd = open(path, O_WRONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0) {
        puts(path);
        close(fd);
    }
    return 0;
}

/* To open is enough: some files have their own rules for what can be read. */
static long readable(const char *path)
{
    return open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
}

/* ---- what others hand over -------------------------------------------------------------------*/

enum { FDS_MAX = 16 };

static void use(int fd)
{
    char name[64], link[64] = "?";
    snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
    ssize_t n = readlink(name, link, sizeof(link) - 1);
    link[n < 0 ? 0 : n] = '\0';
    if (strstr(link, "pidfd")) {
        say("signal", syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0));
        say("enter", setns(fd, CLONE_NEWNET));
        say("getfd", syscall(SYS_pidfd_getfd, fd, 0, 0));
    } else if (fork() == 0) { /* it may work */
        say(link, setns(fd, 0));
        fflush(stdout);
        _exit(0);
    }
}

static void receive(const char *path)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    char byte, control[CMSG_SPACE(FDS_MAX * sizeof(int))];
    struct iovec data = {&byte, 1};
    struct msghdr m = {.msg_iov = &data,
                       .msg_iovlen = 1,
                       .msg_control = control,
                       .msg_controllen = sizeof(control)};
    int fds[FDS_MAX], s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    strncpy(at.sun_path, path, sizeof(at.sun_path) - 1);
    if (connect(s, (struct sockaddr *)&at, sizeof(at)) < 0 || recvmsg(s, &m, 0) < 1) {
        say("receive", -1);
        exit(2);
    }
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    size_t count = c ? (c->cmsg_len - CMSG_LEN(0)) / sizeof(int) : 0;
    if (c)
        memcpy(fds, CMSG_DATA(c), count * sizeof(int));
    for (size_t i = 0; i < count; i++) {
        fflush(stdout);
        use(fds[i]);
    }
}

static void open_handle(const char *dir, const char *hex, const char *name)
{
    union {
        struct file_handle h;
        unsigned char bytes[sizeof(struct file_handle) + MAX_HANDLE_SZ];
    } u = {0};
    size_t length = strlen(hex) / 2;
    unsigned byte;
    for (size_t i = 0; i < length && i < sizeof(u.bytes); i++)
        if (sscanf(hex + 2 * i, "%2x", &byte) == 1)
            u.bytes[i] = (unsigned char)byte;
    int at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int fd = open_by_handle_at(at, &u.h, O_RDONLY | O_CLOEXEC);
    say("file", fd);
    int parent = open_by_handle_at(at, &u.h, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    say("directory", parent);
    if (parent >= 0)
        say("below", openat(parent, name, O_RDONLY | O_CLOEXEC));
}

/* Directories above the root of a chroot; the mount namespace's root stays the last one. */
static void climb(void)
{
    struct dirent *entry;
    (void)mkdir("/climb", 0755);
    if (chroot("/climb") < 0)
        say("chroot", -1);
    for (int i = 0; i < 64; i++)
        if (chdir("..") < 0)
            say("chdir", -1);
    DIR *d = opendir(".");
    while (d && (entry = readdir(d)))
        puts(entry->d_name);
}

/* ---- the network namespace at the veth's other end -------------------------------------------*/

struct request {
    struct nlmsghdr n;
    struct ifinfomsg i;
    char room[512];
};

static struct rtattr *add(struct request *r, unsigned short type, const void *data, size_t size)
{
    struct rtattr *a = (void *)((char *)r + NLMSG_ALIGN(r->n.nlmsg_len));
    a->rta_type = type;
    a->rta_len = (unsigned short)RTA_LENGTH(size);
    if (size)
        memcpy(RTA_DATA(a), data, size);
    r->n.nlmsg_len = (uint32_t)(NLMSG_ALIGN(r->n.nlmsg_len) + RTA_ALIGN(a->rta_len));
    return a;
}

static void close_attribute(struct request *r, struct rtattr *a)
{
    a->rta_len = (unsigned short)((char *)r + NLMSG_ALIGN(r->n.nlmsg_len) - (char *)a);
}

static void add_kind(struct request *r, const char *kind)
{
    struct rtattr *info = add(r, IFLA_LINKINFO, NULL, 0);
    add(r, IFLA_INFO_KIND, kind, strlen(kind));
    close_attribute(r, info);
}

/* The first answer: an acknowledgement, or a link. */
static long ask(struct request *r)
{
    struct {
        struct nlmsghdr n;
        struct nlmsgerr e;
        char room[16384];
    } answer;
    int s = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (s < 0 || send(s, r, r->n.nlmsg_len, 0) < 0 || recv(s, &answer, sizeof(answer), 0) < 0)
        return -1;
    if (answer.n.nlmsg_type != NLMSG_ERROR)
        return 0;
    errno = -answer.e.error;
    return answer.e.error ? -1 : 0;
}

static long links(const char *what, const char *name)
{
    const int32_t zero = 0;
    bool get = strcmp(what, "get") == 0, del = strcmp(what, "del") == 0;
    struct request r = {
        .n = {.nlmsg_len = NLMSG_LENGTH(sizeof(r.i)),
              .nlmsg_type = get   ? RTM_GETLINK
                            : del ? RTM_DELLINK
                                  : RTM_NEWLINK,
              .nlmsg_flags = (unsigned short)(NLM_F_REQUEST | NLM_F_ACK |
                                              (get || del ? 0 : NLM_F_CREATE | NLM_F_EXCL))}};
    if (strcmp(what, "macvlan") == 0 || strcmp(what, "vlan") == 0) {
        const uint32_t lower = (uint32_t)atoi(name);
        add(&r, IFLA_IFNAME, "attacker", sizeof("attacker"));
        add(&r, IFLA_LINK, &lower, sizeof(lower));
        add(&r, IFLA_LINK_NETNSID, &zero, sizeof(zero));
        add_kind(&r, what);
    } else {
        add(&r, IFLA_IFNAME, name, strlen(name) + 1);
        add(&r, IFLA_TARGET_NETNSID, &zero, sizeof(zero));
        if (!get && !del)
            add_kind(&r, "bridge");
    }
    return ask(&r);
}

/* ---- setuid, capabilities --------------------------------------------------------------------*/

static void show_ids(void)
{
    struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct d[2] = {0};
    (void)syscall(SYS_capget, &h, d);
    printf("euid=%d caps=%x%08x\n", (int)geteuid(), d[1].effective, d[0].effective);
}

/* ---- a tracer --------------------------------------------------------------------------------*/

/* While a program is being executed, its environment is empty for a moment. */
static void show_file(const char *pid, const char *file)
{
    char path[300], text[65536];
    ssize_t n = 0;
    snprintf(path, sizeof(path), "/proc/%s/%s", pid, file);
    for (int i = 0; i < 20 && n == 0; i++) {
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
        if (fd >= 0)
            close(fd);
        if (n == 0)
            usleep(1000);
    }
    for (ssize_t i = 0; i < n; i++)
        if (text[i] == '\0')
            text[i] = '\n';
    text[n < 0 ? 0 : n] = '\0';
    printf("%s: %s\n", file, text);
}

static void show_process(const char *pid)
{
    char path[300], user[64] = "?", own[64] = "?";
    snprintf(path, sizeof(path), "/proc/%s/ns/user", pid);
    ssize_t n = readlink(path, user, sizeof(user) - 1);
    user[n < 0 ? 0 : n] = '\0';
    n = readlink("/proc/self/ns/user", own, sizeof(own) - 1);
    own[n < 0 ? 0 : n] = '\0';
    snprintf(path, sizeof(path), "/proc/%s/mem", pid);
    say("traced", open(path, O_RDWR | O_CLOEXEC)); /* ptrace() needs the same right */
    printf("its user namespace is %s\n", strcmp(user, own) == 0 ? "the same" : user);
    show_file(pid, "environ");
    show_file(pid, "status");
    snprintf(path, sizeof(path), "/proc/%s/root/HOST", pid);
    say("host", access(path, F_OK));
    fflush(stdout);
}

/* What it is called: its first bytes as a number; 0: it is gone. */
static uint64_t called(const char *pid)
{
    char path[300];
    uint64_t name = 0;
    snprintf(path, sizeof(path), "/proc/%s/comm", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, &name, sizeof(name)) < 0)
        name = 0;
    if (fd >= 0)
        close(fd);
    return name;
}

static void watch(void)
{
    uint64_t *seen = calloc(1 << 22, sizeof(*seen));
    bool first = true;
    for (;; first = false, usleep(200)) {
        struct dirent *entry;
        DIR *d = opendir("/proc");
        while (d && (entry = readdir(d))) {
            int pid = atoi(entry->d_name);
            uint64_t name = pid > 0 && pid < 1 << 22 ? called(entry->d_name) : 0;
            if (!name || seen[pid] == name)
                continue;
            seen[pid] = name;
            if (!first)
                show_process(entry->d_name);
        }
        if (d)
            closedir(d);
        if (first)
            puts("watching");
        fflush(stdout);
    }
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "ids";
    if (strcmp(what, "kernel") == 0)
        kernel();
    else if (strcmp(what, "volume") == 0 && argc == 3)
        volume(argv[2]);
    else if (strcmp(what, "remount") == 0 && argc == 3)
        say(what, mount(NULL, argv[2], NULL, MS_REMOUNT, NULL));
    else if (strcmp(what, "device") == 0 && argc == 5)
        device(argv[2], argv[3], argv[4]);
    else if (strcmp(what, "setns") == 0 && argc == 3)
        receive(argv[2]);
    else if (strcmp(what, "handle") == 0 && argc == 5)
        open_handle(argv[2], argv[3], argv[4]);
    else if (strcmp(what, "link") == 0 && argc == 4)
        say(argv[2], links(argv[2], argv[3]));
    else if (strcmp(what, "climb") == 0)
        climb();
    else if (strcmp(what, "ids") == 0)
        show_ids();
    else if (strcmp(what, "watch") == 0)
        watch();
    else if (strcmp(what, "mount") == 0)
        for (int i = 2; i < argc; i++)
            say(argv[i], try_mount(argv[i]));
    else if (strcmp(what, "read") == 0)
        for (int i = 2; i < argc; i++)
            say(argv[i], readable(argv[i]));
    else if (strcmp(what, "walk") == 0)
        for (int i = 2; i < argc; i++)
            (void)nftw(argv[i], show_writable, 32, FTW_PHYS);
    else
        return 2;
    return 0;
}
