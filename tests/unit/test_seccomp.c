/* The default seccomp filter, tried on the running kernel. Parts need root. */
#include "core/caps.h"
#include "core/seccomp.h"
#include "tests/unit/seccomp_run.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static int failures;

static void check(bool ok, const char *name, const char *why)
{
    printf("%s - %s%s%s\n", ok ? "ok" : "not ok", name, ok ? "" : ": ", ok ? "" : why);
    failures += !ok;
}

/* ---- the filter as a program: what does it say? ---------------------------------------------*/

enum { OK = 0 };

struct row {
    uint32_t arch;
    const char *name; /* NULL: use the number */
    uint32_t number;
    uint64_t arg0;
    uint64_t caps;
    int expected; /* OK or an errno */
};

#define X64 AUDIT_ARCH_X86_64
#define I386 AUDIT_ARCH_I386
#define A64 AUDIT_ARCH_AARCH64
#define ARM AUDIT_ARCH_ARM
#define SYSADMIN CAPS_BIT(CAP_SYS_ADMIN)
#define X32 0x40000000u

static const struct row rows[] = {
    {X64, "openat", 0, 0, 0, OK},
    {X64, "mount", 0, 0, 0, EPERM},
    {X64, "mount", 0, 0, SYSADMIN, OK},
    {X64, "clone", 0, 0x3d0f00, 0, OK},
    {X64, "clone", 0, CLONE_NEWUSER, 0, EPERM},
    {X64, "clone", 0, CLONE_NEWNET | SIGCHLD, 0, EPERM},
    {X64, "clone", 0, CLONE_NEWUSER, SYSADMIN, OK},
    {X64, "clone3", 0, 0, 0, ENOSYS},
    {X64, "clone3", 0, 0, SYSADMIN, OK},
    {X64, "io_uring_setup", 0, 0, 0, EPERM},
    {X64, "io_uring_enter", 0, 0, SYSADMIN, EPERM},
    {X64, "userfaultfd", 0, 0, 0, EPERM},
    {X64, "keyctl", 0, 0, SYSADMIN, EPERM},
    {X64, "chroot", 0, 0, 0, EPERM},
    {X64, "chroot", 0, 0, CAPS_BIT(CAP_SYS_CHROOT), OK},
    {X64, "bpf", 0, 0, CAPS_BIT(CAP_BPF), OK},
    {X64, "syslog", 0, 0, CAPS_BIT(CAP_SYSLOG), OK},
    {X64, "open_by_handle_at", 0, 0, 0, EPERM},
    {X64, "socket", 0, AF_INET, 0, OK},
    {X64, "socket", 0, AF_NETLINK, 0, OK},
    {X64, "socket", 0, AF_PACKET, 0, OK},
    {X64, "socket", 0, AF_ALG, 0, EPERM},
    {X64, "socket", 0, AF_VSOCK, 0, EPERM},
    {X64, "socket", 0, AF_XDP, 0, EPERM},
    {X64, "socket", 0, 46, 0, EPERM},
    {X64, "socketpair", 0, AF_UNIX, 0, OK},
    {X64, "socketpair", 0, AF_VSOCK, 0, EPERM},
    {X64, NULL, X32 | 53, AF_VSOCK, 0, EPERM}, /* x32 socketpair */
    {X64, "socket", 0, UINT64_C(1) << 32 | AF_VSOCK, 0, EPERM},
    {X64, "socket", 0, UINT64_C(1) << 32 | AF_ALG, SYSADMIN, EPERM},
    {X64, "personality", 0, 0, 0, OK},
    {X64, "personality", 0, 0xffffffff, 0, OK},
    {X64, "personality", 0, 0x0040000, 0, EPERM}, /* ADDR_NO_RANDOMIZE */
    {X64, NULL, 335, 0, 0, OK},                   /* uretprobe */
    {X64, NULL, 451, 0, 0, OK},                   /* cachestat */
    {X64, NULL, 459, 0, 0, EPERM},                /* lsm_get_self_attr */
    {X64, NULL, 459, 0, SYSADMIN, OK},
    {X64, NULL, 466, 0, 0, OK}, /* removexattrat */
    {X64, NULL, 467, 0, 0, ENOSYS},
    {X64, NULL, 999, 0, 0, ENOSYS},
    {X64, NULL, 999, 0, SYSADMIN, ENOSYS},
    {X64, NULL, X32 | 1, 0, 0, OK},      /* x32 write */
    {X64, NULL, X32 | 165, 0, 0, EPERM}, /* x32 mount */
    {X64, NULL, X32 | 452, 0, 0, OK},    /* x32 fchmodat2 */
    {X64, NULL, X32 | 512, 0, 0, OK},    /* x32 rt_sigaction */
    {X64, NULL, X32 | 528, 0, 0, EPERM}, /* x32 kexec_load */
    {X64, NULL, X32 | 470, 0, 0, ENOSYS},
    {I386, "openat", 0, 0, 0, OK},
    {I386, "mount", 0, 0, 0, EPERM},
    {I386, "umount", 0, 0, SYSADMIN, OK},
    {I386, "clone", 0, CLONE_NEWUSER, 0, EPERM},
    {I386, "waitpid", 0, 0, 0, OK},
    {I386, NULL, 335, 0, 0, OK},       /* rt_tgsigqueueinfo */
    {I386, NULL, 359, AF_INET, 0, OK}, /* socket */
    {I386, NULL, 359, AF_VSOCK, 0, EPERM},
    {I386, NULL, 360, AF_UNIX, 0, OK}, /* socketpair */
    {I386, NULL, 360, AF_VSOCK, 0, EPERM},
    {I386, NULL, 102, 1, 0, ENOSYS}, /* socketcall: socket, bind, socketpair, setsockopt */
    {I386, NULL, 102, 2, 0, ENOSYS},
    {I386, NULL, 102, 8, 0, ENOSYS},
    {I386, NULL, 102, 14, SYSADMIN, ENOSYS},
    {I386, NULL, 452, 0, 0, OK},
    {I386, NULL, 999, 0, 0, ENOSYS},
    {A64, "openat", 0, 0, 0, OK},
    {A64, "mount", 0, 0, 0, EPERM},
    {A64, "clone", 0, CLONE_NEWUSER, 0, EPERM},
    {A64, "clone3", 0, 0, 0, ENOSYS},
    {A64, "socket", 0, AF_ALG, 0, EPERM},
    {A64, NULL, 452, 0, 0, OK},
    {A64, NULL, 460, 0, 0, EPERM},
    {A64, NULL, 999, 0, 0, ENOSYS},
    {ARM, "open", 0, 0, 0, OK},
    {ARM, "mount", 0, 0, 0, EPERM},
    {ARM, NULL, 0xf0002, 0, 0, OK}, /* cacheflush */
    {ARM, NULL, 0xf0005, 0, 0, OK}, /* set_tls */
    {ARM, NULL, 999, 0, 0, ENOSYS},
};

/* The allowed socket options. The kernel ignores the upper halves of level and option. */
static void test_options(void)
{
    static const struct {
        uint32_t arch, number;
        uint64_t level, option;
        bool allowed;
    } options[] = {
        {X64, 54, SOL_SOCKET, PACKET_VNET_HDR, true},
        {X64, 54, SOL_PACKET, PACKET_FANOUT, true},
        {X64, 54, SOL_PACKET, PACKET_VNET_HDR, false},
        {X64, 54, SOL_PACKET, 24, false},
        {X64, 54, UINT64_C(7) << 32 | SOL_PACKET, UINT64_C(9) << 32 | PACKET_VNET_HDR, false},
        {X64, X32 | 541, SOL_PACKET, PACKET_VNET_HDR, false},
        {I386, 366, SOL_PACKET, PACKET_VNET_HDR, false},
        {I386, 366, SOL_IP, PACKET_VNET_HDR, true},
        {A64, 208, SOL_PACKET, PACKET_VNET_HDR, false},
        {ARM, 294, SOL_PACKET, PACKET_VNET_HDR, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        bool arm = options[i].arch == A64 || options[i].arch == ARM;
        _cleanup_seccomp_ struct seccomp_filter f = {0};
        int r = seccomp_compile(arm ? SCMP_ARCH_AARCH64 : SCMP_ARCH_X86_64, UINT64_MAX, &f, NULL);
        struct seccomp_data data = {.arch = options[i].arch,
                                    .nr = (int)options[i].number,
                                    .args = {3, options[i].level, options[i].option}};
        uint32_t expected =
            options[i].allowed ? (uint32_t)SECCOMP_RET_ALLOW : SECCOMP_RET_ERRNO | (uint32_t)EPERM;
        uint32_t result = r < 0 ? 0 : run_filter(&f, &data);
        _cleanup_free_ char *name =
            xasprintf("setsockopt %#x level %#llx option %#llx", options[i].arch,
                      (unsigned long long)options[i].level, (unsigned long long)options[i].option);
        _cleanup_free_ char *why = xasprintf("is %#x", result);
        check(result == expected, name, why);
    }
}

static void test_rows(void)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct row *t = &rows[i];
        bool arm = t->arch == A64 || t->arch == ARM;
        uint32_t arch = t->arch == X64   ? SCMP_ARCH_X86_64
                        : t->arch == A64 ? SCMP_ARCH_AARCH64
                        : t->arch == ARM ? SCMP_ARCH_ARM
                                         : SCMP_ARCH_X86;
        _cleanup_err_ struct err e = ERR_INIT;
        _cleanup_seccomp_ struct seccomp_filter f = {0};
        int r = seccomp_compile(arm ? SCMP_ARCH_AARCH64 : SCMP_ARCH_X86_64, t->caps, &f, &e);
        struct seccomp_data data = {.arch = t->arch, .nr = (int)t->number, .args = {t->arg0}};
        if (t->name)
            data.nr = seccomp_syscall_resolve_name_arch(arch, t->name);
        uint32_t expected =
            t->expected ? SECCOMP_RET_ERRNO | (uint32_t)t->expected : (uint32_t)SECCOMP_RET_ALLOW;
        uint32_t result = r < 0 ? 0 : run_filter(&f, &data);
        _cleanup_free_ char *name =
            xasprintf("%#x %s %d(%#llx) caps %#llx", t->arch, t->name ? t->name : "number", data.nr,
                      (unsigned long long)t->arg0, (unsigned long long)t->caps);
        _cleanup_free_ char *why = xasprintf("%#x, not %#x %s", result, expected, e.text);
        check(r == 0 && result == expected, name, why);
    }
}

static void test_foreign_arch(void)
{
    _cleanup_seccomp_ struct seccomp_filter f = {0};
    struct seccomp_data data = {.arch = AUDIT_ARCH_S390X, .nr = 4};
    bool built = seccomp_compile(SCMP_ARCH_X86_64, 0, &f, NULL) == 0;
    check(built && run_filter(&f, &data) == SECCOMP_RET_KILL_THREAD, "a foreign arch is killed",
          "it is not");
    check(seccomp_compile(SCMP_ARCH_S390X, 0, &f, NULL) == -EOPNOTSUPP,
          "an unsupported arch is refused", "it is not");
}

static void test_made_ahead(void)
{
    _cleanup_seccomp_ struct seccomp_filter ahead = {0}, now = {0}, same = {0}, other = {0};
    int r = seccomp_filter_for(CAPS_DEFAULT, &ahead, NULL);
    check(r == 0 && !ahead.owned, "made ahead", "it was compiled");
    r = seccomp_compile(0, CAPS_DEFAULT, &now, NULL);
    check(r == 0 && now.len == ahead.len &&
              memcmp(now.insns, ahead.insns, now.len * sizeof(*now.insns)) == 0,
          "made ahead = compiled now", "they differ: run make again");
    r = seccomp_filter_for(CAPS_DEFAULT | CAPS_BIT(CAP_NET_ADMIN), &same, NULL);
    check(r == 0 && !same.owned, "made ahead for a capability that does not matter", "it was not");
    const uint64_t sets[] = {0, CAPS_DEFAULT | SYSADMIN, SYSADMIN | CAPS_BIT(CAP_SYS_TIME),
                             UINT64_MAX};
    for (size_t i = 0; i < ARRAY_LEN(sets); i++) {
        r = seccomp_filter_for(sets[i], &other, NULL);
        check(r == 0 && other.owned, "another set is compiled", "it was not");
        seccomp_filter_clear(&other);
    }
}

/* ---- the filter in the kernel ---------------------------------------------------------------*/

static void *nothing(void *arg)
{
    return arg;
}

/* Each returns 0 on success. They run in a child under the filter. */
static int refused(long r, int code)
{
    return r == -1 && errno == code ? 0 : 1;
}
static int allow_open(void)
{
    return open("/proc/self/status", O_RDONLY) < 0;
}
static int allow_thread(void)
{
    pthread_t t;
    return pthread_create(&t, NULL, nothing, NULL) || pthread_join(t, NULL);
}
static int allow_socket(void)
{
    return socket(AF_INET, SOCK_STREAM, 0) < 0 || socket(AF_UNIX, SOCK_DGRAM, 0) < 0;
}
static int allow_fork_exec(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        execl("/bin/true", "true", NULL);
        _exit(99);
    }
    int status;
    return waitpid(pid, &status, 0) != pid || status != 0;
}
static int allow_ptrace(void)
{
    return ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0;
}
static int allow_setuid(void)
{
    return setresgid(1000, 1000, 1000) || setresuid(1000, 1000, 1000) ||
           caps_set_after_uid(0, 0, 1000, NULL) < 0;
}
static int block_mount(void)
{
    return refused(syscall(SYS_mount, "none", "/tmp", "tmpfs", 0, NULL), EPERM);
}
static int block_unshare(void)
{
    return refused(unshare(CLONE_NEWUSER), EPERM);
}
static int block_clone(void)
{
    return refused(syscall(SYS_clone, CLONE_NEWNET | SIGCHLD, 0, 0, 0, 0), EPERM);
}
static int block_keys(void)
{
    return refused(syscall(SYS_add_key, "user", "x", "y", 1, -3), EPERM) ||
           refused(syscall(SYS_keyctl, 0, -3, 0, 0, 0), EPERM);
}
static int block_bpf(void)
{
    return refused(syscall(SYS_bpf, 0, NULL, 0), EPERM);
}
static int block_kexec(void)
{
    return refused(syscall(SYS_kexec_load, 0, 0, NULL, 0), EPERM);
}
static int block_io_uring(void)
{
    return refused(syscall(SYS_io_uring_setup, 1, NULL), EPERM);
}
static int block_vsock(void)
{
    return refused(socket(AF_VSOCK, SOCK_STREAM, 0), EPERM) ||
           refused(syscall(SYS_socket, UINT64_C(1) << 32 | AF_VSOCK, SOCK_STREAM, 0), EPERM);
}
static int block_alg(void)
{
    return refused(socket(AF_ALG, SOCK_SEQPACKET, 0), EPERM);
}
static int block_vnet_hdr(void)
{
    int on = 1;
    return refused(setsockopt(-1, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)), EPERM) ||
           refused(setsockopt(-1, SOL_PACKET, 24, &on, sizeof(on)), EPERM) ||
           refused(setsockopt(-1, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), EBADF);
}
static int nosys_clone3(void)
{
    return refused(syscall(SYS_clone3, NULL, 0), ENOSYS);
}
static int nosys_999(void)
{
    return refused(syscall(999), ENOSYS);
}

static const struct {
    const char *name;
    int (*run)(void);
} kernel_tests[] = {
    {"open is allowed", allow_open},
    {"threads are allowed", allow_thread},
    {"sockets are allowed", allow_socket},
    {"fork and exec are allowed", allow_fork_exec},
    {"ptrace is allowed", allow_ptrace},
    {"changing the user is allowed", allow_setuid},
    {"mount is refused", block_mount},
    {"unshare is refused", block_unshare},
    {"clone with namespaces is refused", block_clone},
    {"kernel keyrings are refused", block_keys},
    {"bpf is refused", block_bpf},
    {"kexec is refused", block_kexec},
    {"io_uring is refused", block_io_uring},
    {"AF_VSOCK is refused, with high bits too", block_vsock},
    {"AF_ALG is refused", block_alg},
    {"PACKET_VNET_HDR is refused", block_vnet_hdr},
    {"clone3 is not implemented", nosys_clone3},
    {"system call 999 is not implemented", nosys_999},
};

/* In a child, so that the filter ends with it. */
static int run_in_child(int (*test)(void), bool no_new_privs)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        _cleanup_seccomp_ struct seccomp_filter f = {0};
        if (no_new_privs && (setresuid(1000, 1000, 1000) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)))
            _exit(98);
        if (seccomp_filter_for(CAPS_DEFAULT, &f, NULL) < 0 || seccomp_install(&f, NULL) < 0)
            _exit(97);
        _exit(test());
    }
    int status;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 96;
}

static int install_refused(void)
{
    _cleanup_seccomp_ struct seccomp_filter f = {0};
    _cleanup_err_ struct err e = ERR_INIT;
    if (setresuid(1000, 1000, 1000) || seccomp_filter_for(0, &f, NULL) < 0)
        return 1;
    return !(seccomp_install(&f, &e) == -EACCES && e.hint);
}

int main(void)
{
    test_rows();
    test_options();
    test_foreign_arch();
    test_made_ahead();
    if (geteuid()) {
        printf("skip - in the kernel: needs root\n");
        return failures != 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(kernel_tests); i++) {
        int code = run_in_child(kernel_tests[i].run, false);
        _cleanup_free_ char *why = xasprintf("code %d", code);
        check(code == 0, kernel_tests[i].name, why);
    }
    check(run_in_child(block_bpf, true) == 0, "installed by no_new_privs", "it was not");
    check(run_in_child(install_refused, false) == 0, "not installed without either", "it was");
    return failures != 0;
}
