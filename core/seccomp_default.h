/* The default allow-list, as data: which system call, for which capabilities, with which arguments.
 * It follows docker's default profile. What is not listed fails with EPERM; what is newer than all
 * that is listed fails with ENOSYS, so that programs fall back to older system calls.
 *
 * Included by seccomp.c and its test alone.
 */
#pragma once

#include <stdint.h>

#include <linux/capability.h>

enum condition {
    ALWAYS,
    NO_NAMESPACE_FLAGS, /**< first argument has none of CLONE_NEW… (clone) */
    SOCKET_FAMILY,      /**< first argument is one of seccomp_socket_families */
    SOCKET_OPTION,   /**< second and third argument are none of SOL_PACKET's that rewrite packets */
    PERSONALITY,     /**< first argument is one of seccomp_personalities */
    NOT_IMPLEMENTED, /**< not allowed: ENOSYS instead of EPERM */
};

struct syscall_rule {
    /** Separated by single spaces. "NAME=NUMBER" is one that libseccomp 2.5.4 does not know; all of
     *  those are newer than 2018, from when on one number is the same on every architecture. */
    const char *names;
    uint64_t needs;  /**< allowed if the container has any of these; 0: needs none */
    uint64_t unless; /**< the rule is left out if the container has any of these */
    enum condition when;
};

/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET. (NEWTIME shares its bit with
 *  the exit signal: clone() cannot express it.) */
#define SECCOMP_NAMESPACE_FLAGS 0x7E020000u

/** Every address family up to 45 (AF_MCTP) but AF_DECnet, AF_ECONET, AF_ATMSVC, AF_IRDA,
 *  AF_WANPIPE, AF_IUCV, AF_CAIF, AF_ALG, AF_VSOCK and AF_XDP. The last three matter: AF_VSOCK knows no
 *  network namespaces and reaches the hypervisor; AF_ALG opens the kernel's crypto modules to every process;
 *  AF_XDP asks for checksums as PACKET_VNET_HDR does (below).
 *  A list and not "anything but": the kernel takes 32 bits, the filter compares 64, so that a set
 *  high bit would slip past an inequality. Ascending, like the next. */
static const uint32_t seccomp_socket_families[] = {
    0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 13, 14, 15, 16, 17, 18,
    21, 22, 24, 26, 27, 28, 29, 30, 31, 32, 33, 35, 36, 39, 41, 42, 43, 45,
};

/** With PACKET_VNET_HDR a packet socket names a place in the frame where a checksum is to be written. The
 *  kernel does that late, when it sends the frame to a wire or cuts it into fragments: after the guard
 *  and the firewall have looked. The place may be an address or a port, and the sum is the sender's to
 *  choose. There is no way for a filter to see that a frame is one of these. */
#define SECCOMP_SOL_PACKET 263
#define SECCOMP_PACKET_VNET_HDR 15
#define SECCOMP_PACKET_VNET_HDR_SZ 24

/** PER_LINUX, PER_LINUX32, UNAME26, both, and the query. Not ADDR_NO_RANDOMIZE or READ_IMPLIES_EXEC. */
static const uint32_t seccomp_personalities[] = {0x0, 0x8, 0x20000, 0x20008, 0xffffffff};

#define CAP(name) (UINT64_C(1) << CAP_##name)

static const struct syscall_rule seccomp_rules[] = {
    /* files: open, read, write, metadata */
    {.names = "open openat openat2 creat close close_range read write readv writev "
              "pread64 pwrite64 preadv pwritev preadv2 pwritev2 lseek _llseek dup dup2 "
              "dup3 fcntl fcntl64 flock ioctl fsync fdatasync sync syncfs "
              "sync_file_range sync_file_range2 arm_sync_file_range truncate truncate64 "
              "ftruncate ftruncate64 fallocate fadvise64 fadvise64_64 arm_fadvise64_64 "
              "readahead sendfile sendfile64 copy_file_range splice tee vmsplice stat "
              "stat64 fstat fstat64 lstat lstat64 newfstatat fstatat64 statx statfs "
              "statfs64 fstatfs fstatfs64 access faccessat faccessat2 chmod fchmod "
              "fchmodat chown chown32 fchown fchown32 lchown lchown32 fchownat umask "
              "utime utimes futimesat utimensat utimensat_time64 cachestat=451 "
              "fchmodat2=452"},
    /* files: directories, links, extended attributes, handles (to open one: see below) */
    {.names = "getcwd chdir fchdir mkdir mkdirat rmdir getdents getdents64 link linkat "
              "symlink symlinkat readlink readlinkat unlink unlinkat rename renameat "
              "renameat2 mknod mknodat getxattr lgetxattr fgetxattr setxattr lsetxattr "
              "fsetxattr listxattr llistxattr flistxattr removexattr lremovexattr "
              "fremovexattr name_to_handle_at inotify_init inotify_init1 "
              "inotify_add_watch inotify_rm_watch fanotify_mark statmount=457 "
              "listmount=458 setxattrat=463 getxattrat=464 listxattrat=465 "
              "removexattrat=466"},
    /* waiting, pipes, event descriptors, asynchronous I/O (io_uring is left out: too many holes) */
    {.names = "select _newselect pselect6 pselect6_time64 poll ppoll ppoll_time64 "
              "epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_wait "
              "epoll_wait_old epoll_pwait epoll_pwait2 pipe pipe2 eventfd eventfd2 "
              "signalfd signalfd4 timerfd_create timerfd_gettime timerfd_gettime64 "
              "timerfd_settime timerfd_settime64 io_setup io_destroy io_submit "
              "io_cancel io_getevents io_pgetevents io_pgetevents_time64"},
    /* memory */
    {.names = "brk mmap mmap2 munmap mremap mprotect madvise mincore msync mlock mlock2 "
              "mlockall munlock munlockall remap_file_pages memfd_create memfd_secret "
              "pkey_alloc pkey_free pkey_mprotect membarrier process_mrelease "
              "cacheflush map_shadow_stack=453 mseal=462"},
    /* processes and threads */
    {.names = "fork vfork execve execveat exit exit_group wait4 waitpid waitid getpid "
              "getppid gettid getpgid getpgrp setpgid getsid setsid pidfd_open "
              "pidfd_send_signal prctl arch_prctl modify_ldt set_thread_area "
              "get_thread_area set_tls set_tid_address set_robust_list get_robust_list "
              "rseq breakpoint restart_syscall seccomp landlock_create_ruleset "
              "landlock_add_rule landlock_restrict_self"},
    {.names = "personality", .when = PERSONALITY},
    /* Creating namespaces (above all user namespaces) is the way to most kernel holes. clone3 takes
     * its flags from memory, which a filter cannot see; for ENOSYS the C library falls back. */
    {.names = "clone", .when = NO_NAMESPACE_FLAGS, .unless = CAP(SYS_ADMIN)},
    {.names = "clone3", .when = NOT_IMPLEMENTED, .unless = CAP(SYS_ADMIN)},
    /* Since Linux 4.8 the filter runs after a tracer, which so cannot get around it any more. */
    {.names = "ptrace process_vm_readv process_vm_writev"},
    /* signals */
    {.names = "kill tkill tgkill alarm pause sigaltstack sigprocmask sigreturn "
              "rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo "
              "rt_tgsigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait "
              "rt_sigtimedwait_time64"},
    /* locks and System V and POSIX IPC */
    {.names = "futex futex_time64 futex_waitv ipc msgctl msgget msgrcv msgsnd semctl "
              "semget semop semtimedop semtimedop_time64 shmat shmctl shmdt shmget "
              "mq_open mq_unlink mq_notify mq_getsetattr mq_timedreceive "
              "mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 futex_wake=454 "
              "futex_wait=455 futex_requeue=456"},
    /* sockets (socketcall hides the family and the option in memory, where a filter cannot see them;
     * Linux 4.3 has direct calls; a C library that does not use them, as Debian's for i386, has
     * no sockets) */
    {.names = "socket socketpair", .when = SOCKET_FAMILY},
    {.names = "socketcall", .when = NOT_IMPLEMENTED},
    {.names = "setsockopt", .when = SOCKET_OPTION},
    {.names = "bind listen accept accept4 connect shutdown getsockname getpeername "
              "getsockopt send sendto sendmsg sendmmsg recv recvfrom recvmsg recvmmsg "
              "recvmmsg_time64"},
    /* users, groups, capabilities */
    {.names = "getuid getuid32 geteuid geteuid32 getgid getgid32 getegid getegid32 "
              "getresuid getresuid32 getresgid getresgid32 getgroups getgroups32 setuid "
              "setuid32 setgid setgid32 setreuid setreuid32 setregid setregid32 "
              "setresuid setresuid32 setresgid setresgid32 setfsuid setfsuid32 setfsgid "
              "setfsgid32 setgroups setgroups32 capget capset"},
    /* time (setting the clock: see below; adjtimex reads without CAP_SYS_TIME) */
    {.names = "time gettimeofday clock_gettime clock_gettime64 clock_getres "
              "clock_getres_time64 clock_nanosleep clock_nanosleep_time64 nanosleep "
              "adjtimex clock_adjtime clock_adjtime64 getitimer setitimer timer_create "
              "timer_delete timer_getoverrun timer_gettime timer_gettime64 "
              "timer_settime timer_settime64 times"},
    /* scheduling, limits, the system */
    {.names = "sched_yield sched_getaffinity sched_setaffinity sched_getattr "
              "sched_setattr sched_getparam sched_setparam sched_getscheduler "
              "sched_setscheduler sched_get_priority_max sched_get_priority_min "
              "sched_rr_get_interval sched_rr_get_interval_time64 getpriority "
              "setpriority ioprio_get ioprio_set getcpu getrlimit ugetrlimit setrlimit "
              "prlimit64 getrusage sysinfo uname getrandom"},
    /* with a capability only (open_by_handle_at leaves the root directory) */
    {.names = "open_by_handle_at", .needs = CAP(DAC_READ_SEARCH)},
    {.names = "chroot", .needs = CAP(SYS_CHROOT)},
    {.names = "reboot", .needs = CAP(SYS_BOOT)},
    {.names = "init_module finit_module delete_module", .needs = CAP(SYS_MODULE)},
    {.names = "acct", .needs = CAP(SYS_PACCT)},
    {.names = "kcmp pidfd_getfd process_madvise", .needs = CAP(SYS_PTRACE)},
    {.names = "iopl ioperm", .needs = CAP(SYS_RAWIO)},
    {.names = "settimeofday stime clock_settime clock_settime64", .needs = CAP(SYS_TIME)},
    {.names = "vhangup", .needs = CAP(SYS_TTY_CONFIG)},
    {.names = "get_mempolicy set_mempolicy mbind set_mempolicy_home_node", .needs = CAP(SYS_NICE)},
    {.names = "syslog", .needs = CAP(SYSLOG) | CAP(SYS_ADMIN)},
    {.names = "bpf", .needs = CAP(BPF) | CAP(SYS_ADMIN)},
    {.names = "perf_event_open", .needs = CAP(PERFMON) | CAP(SYS_ADMIN)},
    {.names = "clone clone3 unshare setns mount umount umount2 mount_setattr move_mount "
              "open_tree fsopen fsmount fsconfig fspick quotactl quotactl_fd "
              "sethostname setdomainname fanotify_init lookup_dcookie "
              "lsm_get_self_attr=459 lsm_set_self_attr=460 lsm_list_modules=461",
     .needs = CAP(SYS_ADMIN)},
};

#undef CAP

/** On i386 libseccomp takes these names for parts of socketcall and ipc, which they all once were; these
 *  are the numbers that most have got of their own since. */
static const char seccomp_i386_direct[] =
    "recvmmsg=337 sendmmsg=345 socket=359 socketpair=360 bind=361 connect=362 listen=363 "
    "accept4=364 getsockopt=365 setsockopt=366 getsockname=367 getpeername=368 sendto=369 "
    "sendmsg=370 recvfrom=371 recvmsg=372 shutdown=373 semget=393 semctl=394 shmget=395 "
    "shmctl=396 shmat=397 shmdt=398 msgget=399 msgsnd=400 msgrcv=401 msgctl=402";
