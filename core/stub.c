/* The last few instructions before a container's program: a program of its own, without a C library, executed from
 * memory (stub_open() in launch.c).
 *
 * A hostile root directory can name "#!/proc/self/exe" as its program's interpreter. The kernel then runs, inside
 * the container, the file that the process that called execve() was running: netctr itself, whose file on the host
 * could then be held open and overwritten (CVE-2019-5736). Other runtimes execute their whole binary a second time
 * from a sealed copy, which costs as much as all the rest of a start. Here the process that calls execve() runs
 * this: a few hundred bytes in a sealed memfd.
 *
 * For exec it is built a second time (FORKS): it first makes the process that becomes the program, as a child of
 * its own parent. That process never had anything in its memory but this program, argv and environment, so a
 * tracer inside finds nothing of netctr's, and its privileges were dropped before it was born.
 *
 * For --init it is built a third time (INIT): it stays as pid 1, with the privileges of the program, and the program is
 * its child. It reaps every process, passes signals on, and ends as the program does. It has no file open, is not
 * dumpable, and needs nothing of the root directory.
 *
 * It has the program's argv and environment, and the channel as fd 3. It sends "prepared", waits for "start", and
 * becomes the program. Run by anything else, fd 3 is no channel and it ends.
 */
#include "packet.h"

#include <asm/ioctls.h>
#include <asm/unistd.h>
#include <linux/errno.h>
#include <linux/fcntl.h>

#define CHANNEL 3
#define F_SETFD_ 2
#define FD_CLOEXEC_ 1
#define MAX_PATH 4096
#define CLONE_PARENT_ 0x00008000

#if defined(__x86_64__)
static long call(long number, long a, long b, long c, long d)
{
    long result;
    register long r10 __asm__("r10") = d;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10)
                     : "rcx", "r11", "memory");
    return result;
}
__asm__(
    ".globl _start\n_start:\n\txor %ebp, %ebp\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall begin\n");
#elif defined(__aarch64__)
static long call(long number, long a, long b, long c, long d)
{
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
    return x0;
}
__asm__(".globl _start\n_start:\n\tmov x29, #0\n\tmov x0, sp\n\tbl begin\n");
#else
#error "netctr runs on x86-64 and arm64"
#endif

static __attribute__((noreturn)) void end(long status)
{
    for (;;)
        (void)call(__NR_exit_group, status, 0, 0, 0);
}

/* If a message cannot be sent, it must not continue: the other side would wait forever. */
static void say(enum message kind, long code)
{
    struct packet p;
    long n;
    p.kind = kind;
    p.code = (int32_t)code;
    p.status = 0;
    p.text_length = 0;
    do {
        n = call(__NR_write, CHANNEL, (long)&p, PACKET_HEADER, 0);
    } while (n == -EINTR);
    if (n < 0)
        end(125);
}

/* 0, or -errno. A missing receiver is no error: nothing could be reported. */
static long await_start(void)
{
    struct packet p;
    long n;
    do {
        n = call(__NR_read, CHANNEL, (long)&p, sizeof(p), 0);
    } while (n == -EINTR);
    if (n < 0)
        return n;
    return n >= PACKET_HEADER && p.kind == MESSAGE_START ? 0 : -EPIPE;
}

static int has_slash(const char *s)
{
    for (; *s; s++)
        if (*s == '/')
            return 1;
    return 0;
}

static const char *environment_path(char *const *env)
{
    for (; *env; env++) {
        const char *s = *env;
        if (s[0] == 'P' && s[1] == 'A' && s[2] == 'T' && s[3] == 'H' && s[4] == '=')
            return s + 5;
    }
    return 0;
}

/* Returns only on failure. ENOENT for an existing file is about its interpreter. */
static long attempt(const char *file, char *const *argv, char *const *env)
{
    long r = call(__NR_execve, (long)file, (long)argv, (long)env, 0);
    if (r == -ENOENT && call(__NR_faccessat, AT_FDCWD, (long)file, 0, 0) == 0)
        say(MESSAGE_NO_LOADER, ENOENT);
    return r;
}

/* "directory/name" into @out; 0 when it does not fit. */
static int join(char *out, const char *directory, long size, const char *name)
{
    long n = 0;
    if (size == 0)
        out[n++] = '.';
    for (long i = 0; i < size; i++) {
        if (n >= MAX_PATH - 2)
            return 0;
        out[n++] = directory[i];
    }
    out[n++] = '/';
    for (; *name; name++) {
        if (n >= MAX_PATH - 1)
            return 0;
        out[n++] = *name;
    }
    out[n] = '\0';
    return 1;
}

/* As execvp(): a refusal (EACCES) does not end the search through PATH, but is reported if no other directory has
 * the program. */
static long search(const char *path, char *const *argv, char *const *env)
{
    char full[MAX_PATH];
    long failure = -ENOENT;
    for (;;) {
        long size = 0;
        while (path[size] && path[size] != ':')
            size++;
        if (join(full, path, size, argv[0])) {
            long r = attempt(full, argv, env);
            if (r != -ENOENT && r != -ENOTDIR)
                failure = r;
        }
        if (!path[size])
            return failure;
        path += size + 1;
    }
}

#ifdef FORKS
/* setns() into a pid namespace affects children only. The parent reports the child's pid, as it is outside. */
static void be_born_inside(void)
{
    long pid = call(__NR_clone, CLONE_PARENT_, 0, 0, 0);
    if (pid == 0) {
        /* If stdin is the terminal of `exec -t`, it leads its session; any other stdin refuses. */
        (void)call(__NR_setsid, 0, 0, 0, 0);
        (void)call(__NR_ioctl, 0, TIOCSCTTY, 0, 0);
        return;
    }
    if (pid < 0)
        say(MESSAGE_NO_PROCESS, -pid);
    else
        say(MESSAGE_PROCESS, pid);
    end(0);
}
#endif

#ifdef INIT
enum { CHILD_ENDED = 17, DUMPABLE = 4, NAME = 15, GIVE_TERMINAL = 0x5410, NO_HANG = 1 };

/* Ends with the program. What is left in the pid namespace then, the kernel kills. */
static void reap(long program)
{
    for (;;) {
        int status = 0;
        long pid = call(__NR_wait4, -1, (long)&status, NO_HANG, 0);
        if (pid <= 0)
            return;
        if (pid == program)
            end(status & 0x7f ? 128 + (status & 0x7f) : status >> 8 & 0xff);
    }
}

/* All signals are blocked, so that the kernel keeps them even for a pid 1 without handlers. */
static __attribute__((noreturn)) void look_after(long program, const unsigned long *all)
{
    for (long fd = 0; fd <= CHANNEL; fd++)
        (void)call(__NR_close, fd, 0, 0, 0);
    (void)call(__NR_chdir, (long)"/", 0, 0, 0);
    for (;;) {
        long signal = call(__NR_rt_sigtimedwait, (long)all, 0, 0, sizeof(*all));
        if (signal == CHILD_ENDED)
            reap(program);
        else if (signal > 0)
            (void)call(__NR_kill, program, signal, 0, 0);
    }
}

/* Returns in the process that becomes the program. As a job of its own it has the terminal, so that a ^C reaches it once. */
static void stay_behind(void)
{
    const unsigned long all = ~0UL, none = 0;
    (void)call(__NR_prctl, DUMPABLE, 0, 0, 0);
    (void)call(__NR_prctl, NAME, (long)"netctr-init", 0, 0);
    (void)call(__NR_rt_sigprocmask, 2, (long)&all, 0, sizeof(all));
    long pid = call(__NR_clone, CHILD_ENDED, 0, 0, 0);
    if (pid < 0) {
        say(MESSAGE_NO_PROCESS, -pid);
        end(125);
    }
    if (pid > 0)
        look_after(pid, &all);
    int own = (int)call(__NR_getpid, 0, 0, 0, 0);
    (void)call(__NR_setpgid, 0, 0, 0, 0);
    (void)call(__NR_ioctl, 0, GIVE_TERMINAL, (long)&own, 0);
    (void)call(__NR_rt_sigprocmask, 2, (long)&none, 0, sizeof(none));
}
#endif

__attribute__((noreturn, used)) void begin(long *stack)
{
    char *const *argv = (char *const *)(stack + 1);
    char *const *env = argv + stack[0] + 1;
    const char *path = environment_path(env);
    long failure = -EINVAL;
    if (call(__NR_fcntl, CHANNEL, F_SETFD_, FD_CLOEXEC_, 0) == 0 && argv[0]) {
#ifdef FORKS
        be_born_inside();
#endif
        say(MESSAGE_PREPARED, -1);
        failure = await_start();
#ifdef INIT
        if (failure == 0)
            stay_behind();
#endif
        if (failure == 0)
            failure =
                has_slash(argv[0]) || !path ? attempt(argv[0], argv, env) : search(path, argv, env);
        /* End of file without a message is the sign of success. */
        say(MESSAGE_NOT_RUN, -failure);
    }
    end(125);
}
