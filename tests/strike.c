/* strike - runs a command and has one of its processes killed, or one of its system calls fail, at a
 * point that is named beforehand: ROLE:CALL.N is the N-th call of that name by that process.
 *
 *     strike --list CMD…               prints all points, a line for each
 *     strike --sum CMD…                prints the number of calls of each name, and the bytes that they read:
 *                                      "CALL NUMBER BYTES", the sums of all processes
 *     strike --kill POINT CMD…         SIGKILL for that process before the call is made
 *     strike --kill-all POINT CMD…     … and for every other process of the command
 *     strike --error POINT=ERRNO CMD…  the call is skipped and fails with ERRNO
 *
 *     --all         wait until every process has ended or become the container's program, not for
 *                   the command alone
 *     --report FILE what happened ("reached POINT", "crashed ROLE SIGNAL"); stderr otherwise
 *     --settle MS   at the end of the command goes on until no process has made a call for so long
 *     --deadline S  a command that takes longer hangs: all is killed, the status is 124
 *     --with PID    a netctr that runs already (the monitor to which the command sends a request) is
 *                   traced as well, as process 1; it need not end
 *
 * Calls are counted by name because no two runs are alike: one waits where another does not, and a few
 * additional poll() must not shift the rename() that follows them.
 *
 * Processes are identified by the order of their creation: 0 is the command. Only netctr is counted: from
 * the entry point of the program, after the dynamic loader, to the execve() of another program. After the
 * point, processes are traced only as far as necessary to see them end, and those that remain are left alone.
 *
 * Only possible faults are injected: close() always releases the descriptor, so it is made and then reported
 * as failed; brk() reports an error by leaving the end where it is.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STATUS_OWN = 123, STATUS_HANG = 124, ROLES_MAX = 64, CALLS_MAX = 512 };

enum act { ACT_LIST, ACT_SUM, ACT_KILL, ACT_KILL_ALL, ACT_ERROR };

static struct {
    enum act act;
    int role, error;
    char call[32];
    long number;
    bool all;
    pid_t with;
    int deadline, settle;
    FILE *report;
    dev_t dev; /* the command's file */
    ino_t ino;
} wanted = {.deadline = 20};

struct role {
    pid_t pid;
    bool counting;          /* past the dynamic loader */
    bool gone;              /* ended, or the container's program */
    bool failing;           /* the call that it is in shall fail */
    long calls[CALLS_MAX];  /* of each number */
    unsigned long current;  /* the number of the call that it is in */
    unsigned long entry;    /* where the breakpoint is, or 0 */
    long covered;           /* what was there */
    unsigned long argument; /* of a brk() that fails */
    int status;
};
static struct role roles[ROLES_MAX];
static int role_count;
static long bytes_read[CALLS_MAX];
static bool struck;
static volatile sig_atomic_t late;

static const char *const call_names[] = {
#include "call_names.h"
};

static const char *call_name(unsigned long long number)
{
    static char text[32];
    size_t known = sizeof(call_names) / sizeof(*call_names);
    if (number < known && call_names[number])
        return call_names[number];
    snprintf(text, sizeof(text), "%llu", number);
    return text;
}

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "strike: %s: %s\n", what, strerror(errno));
    exit(STATUS_OWN);
}

/* ---- registers -------------------------------------------------------------------------------*/

#if defined(__x86_64__)
#define BREAKPOINT(word) (((word) & ~0xffL) | 0xcc)

static void skip_call(pid_t pid)
{
    ptrace(PTRACE_POKEUSER, pid, offsetof(struct user_regs_struct, orig_rax), -1L);
}

static void set_result(pid_t pid, long result)
{
    ptrace(PTRACE_POKEUSER, pid, offsetof(struct user_regs_struct, rax), result);
}

static void set_argument(pid_t pid, unsigned long value)
{
    ptrace(PTRACE_POKEUSER, pid, offsetof(struct user_regs_struct, rdi), value);
}

/* The caller expects the registers as they were. */
static void restore_argument(pid_t pid, unsigned long value)
{
    set_argument(pid, value);
}

static void set_counter(pid_t pid, unsigned long at)
{
    ptrace(PTRACE_POKEUSER, pid, offsetof(struct user_regs_struct, rip), at);
}
#elif defined(__aarch64__)
#define BREAKPOINT(word) (((word) & ~0xffffffffL) | 0xd4200000L)

static void skip_call(pid_t pid)
{
    int none = -1;
    struct iovec part = {&none, sizeof(none)};
    ptrace(PTRACE_SETREGSET, pid, NT_ARM_SYSTEM_CALL, &part);
}

static void set_register(pid_t pid, size_t offset, unsigned long value)
{
    struct user_regs_struct regs;
    struct iovec part = {&regs, sizeof(regs)};
    ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &part);
    memcpy((char *)&regs + offset, &value, sizeof(value));
    ptrace(PTRACE_SETREGSET, pid, NT_PRSTATUS, &part);
}

static void set_result(pid_t pid, long result)
{
    set_register(pid, offsetof(struct user_regs_struct, regs), (unsigned long)result);
}

static void set_argument(pid_t pid, unsigned long value)
{
    set_register(pid, offsetof(struct user_regs_struct, regs), value);
}

/* The result is in its register by then. */
static void restore_argument(pid_t pid, unsigned long value)
{
    (void)pid;
    (void)value;
}

static void set_counter(pid_t pid, unsigned long at)
{
    set_register(pid, offsetof(struct user_regs_struct, pc), at);
}
#else
#error "strike runs on x86-64 and arm64"
#endif

/* ---- roles -----------------------------------------------------------------------------------*/

static struct role *find(pid_t pid)
{
    for (int i = 0; i < role_count; i++)
        if (roles[i].pid == pid)
            return &roles[i];
    return NULL;
}

/* A child has its parent's role; its first stop may come before or after its parent's event. */
static struct role *birth(pid_t pid, const struct role *parent)
{
    struct role *r = find(pid);
    if (!r) {
        if (role_count == ROLES_MAX)
            die("too many processes");
        r = &roles[role_count++];
        *r = (struct role){.pid = pid};
    }
    if (parent)
        r->counting = parent->counting;
    return r;
}

static int number_of(const struct role *r)
{
    return (int)(r - roles);
}

static void proceed(struct role *r, int sig)
{
    /* After the point no calls are traced any more, except the one that is to fail. */
    bool calls = r->counting && (!struck || r->failing);
    ptrace(calls ? PTRACE_SYSCALL : PTRACE_CONT, r->pid, 0, sig);
}

/* ---- a new program ---------------------------------------------------------------------------*/

/* netctr runs from its file, through any mount, or from memory; so does its stub. */
static bool is_netctr(pid_t pid)
{
    char path[64], target[64];
    struct stat st;
    snprintf(path, sizeof(path), "/proc/%d/exe", pid);
    ssize_t n = readlink(path, target, sizeof(target) - 1);
    target[n < 0 ? 0 : n] = '\0';
    return strncmp(target, "/memfd:netctr", 13) == 0 ||
           (stat(path, &st) == 0 && st.st_dev == wanted.dev && st.st_ino == wanted.ino);
}

static void find_entry(pid_t pid, unsigned long *entry, unsigned long *loader)
{
    char path[64];
    Elf64_auxv_t v;
    snprintf(path, sizeof(path), "/proc/%d/auxv", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    *entry = *loader = 0;
    while (fd >= 0 && read(fd, &v, sizeof(v)) == sizeof(v) && v.a_type != AT_NULL) {
        if (v.a_type == AT_ENTRY)
            *entry = v.a_un.a_val;
        if (v.a_type == AT_BASE)
            *loader = v.a_un.a_val;
    }
    close(fd);
}

static void on_exec(struct role *r)
{
    unsigned long loader, entry;
    if (!is_netctr(r->pid)) {
        r->gone = true;
        ptrace(PTRACE_DETACH, r->pid, 0, 0);
        return;
    }
    find_entry(r->pid, &entry, &loader);
    r->counting = !loader; /* the stub needs none */
    if (loader && !struck) {
        errno = 0;
        r->covered = ptrace(PTRACE_PEEKTEXT, r->pid, entry, 0);
        if (errno)
            die("read the program's entry");
        ptrace(PTRACE_POKETEXT, r->pid, entry, BREAKPOINT(r->covered));
        r->entry = entry;
    }
    proceed(r, 0);
}

static void on_entry(struct role *r)
{
    ptrace(PTRACE_POKETEXT, r->pid, r->entry, r->covered);
    set_counter(r->pid, r->entry);
    r->entry = 0;
    r->counting = true;
    proceed(r, 0);
}

/* ---- a call ----------------------------------------------------------------------------------*/

static void strike(struct role *r, const char *name, unsigned long argument)
{
    struck = true;
    fprintf(wanted.report, "reached %d:%s.%ld\n", wanted.role, name, wanted.number);
    if (wanted.act == ACT_ERROR) {
        r->failing = true;
        if (strcmp(name, "brk") == 0) {
            r->argument = argument;
            set_argument(r->pid, 0);
        } else if (strcmp(name, "close") != 0) {
            skip_call(r->pid);
        }
        return;
    }
    for (int i = 0; i < role_count; i++)
        if (!roles[i].gone && (wanted.act == ACT_KILL_ALL || &roles[i] == r))
            kill(roles[i].pid, SIGKILL);
}

static bool reads(unsigned long nr)
{
    return nr == SYS_read || nr == SYS_pread64 || nr == SYS_recvfrom || nr == SYS_recvmsg ||
           nr == SYS_getdents64 || nr == SYS_readlinkat;
}

static void on_call(struct role *r)
{
    struct __ptrace_syscall_info info = {0};
    if (ptrace(PTRACE_GET_SYSCALL_INFO, r->pid, sizeof(info), &info) > 0) {
        if (info.op == PTRACE_SYSCALL_INFO_ENTRY && !struck) {
            const char *name = call_name(info.entry.nr);
            r->current = info.entry.nr < CALLS_MAX ? info.entry.nr : 0;
            long n = ++r->calls[r->current];
            if (wanted.act == ACT_LIST)
                fprintf(wanted.report, "%d:%s.%ld\n", number_of(r), name, n);
            else if (number_of(r) == wanted.role && n == wanted.number &&
                     strcmp(name, wanted.call) == 0)
                strike(r, name, info.entry.args[0]);
        } else if (info.op == PTRACE_SYSCALL_INFO_EXIT && r->failing) {
            if (r->argument)
                restore_argument(r->pid, r->argument);
            else
                set_result(r->pid, -wanted.error);
            r->failing = false;
        } else if (info.op == PTRACE_SYSCALL_INFO_EXIT && reads(r->current) && info.exit.rval > 0) {
            bytes_read[r->current] += info.exit.rval;
        }
    }
    proceed(r, 0);
}

static void print_sums(void)
{
    for (unsigned long nr = 0; nr < CALLS_MAX; nr++) {
        long n = 0;
        for (int i = 0; i < role_count; i++)
            n += roles[i].calls[nr];
        if (n)
            fprintf(wanted.report, "%s %ld %ld\n", call_name(nr), n, bytes_read[nr]);
    }
}

/* ---- the loop --------------------------------------------------------------------------------*/

static void on_end(struct role *r, int status)
{
    int sig = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    r->gone = true;
    r->status = status;
    if (sig == SIGSEGV || sig == SIGABRT || sig == SIGBUS || sig == SIGILL || sig == SIGFPE ||
        sig == SIGSYS || sig == SIGTRAP)
        fprintf(wanted.report, "crashed %d SIG%s\n", number_of(r), sigabbrev_np(sig));
}

static void on_stop(struct role *r, int status)
{
    int sig = WSTOPSIG(status), event = status >> 16;
    unsigned long child = 0;
    switch (event) {
    case PTRACE_EVENT_FORK:
    case PTRACE_EVENT_VFORK:
    case PTRACE_EVENT_CLONE:
        ptrace(PTRACE_GETEVENTMSG, r->pid, 0, &child);
        birth((pid_t)child, r);
        proceed(r, 0);
        return;
    case PTRACE_EVENT_EXEC: on_exec(r); return;
    case PTRACE_EVENT_STOP:
        if (sig == SIGTRAP)
            proceed(r, 0);
        else
            ptrace(PTRACE_LISTEN, r->pid, 0, 0);
        return;
    }
    if (sig == (SIGTRAP | 0x80))
        on_call(r);
    else if (sig == SIGTRAP && r->entry)
        on_entry(r);
    else
        proceed(r, sig);
}

static bool over(void)
{
    if (!roles[0].gone)
        return false;
    for (int i = 0; i < role_count; i++)
        if (!roles[i].gone && (wanted.all || roles[i].failing))
            return false;
    return true;
}

static void follow(void)
{
    /* A child's first stop may come before its parent's event: then it waits for that. */
    pid_t early[ROLES_MAX];
    int early_count = 0;
    int quiet = 0;
    while ((!over() || quiet < wanted.settle) && !late) {
        int status;
        pid_t pid = waitpid(-1, &status, __WALL | (over() ? WNOHANG : 0));
        if (pid == 0) {
            usleep(1000);
            quiet++;
            continue;
        }
        quiet = 0;
        if (pid < 0 && errno == EINTR)
            continue;
        if (pid < 0)
            break;
        struct role *r = find(pid);
        if (!r && WIFSTOPPED(status)) {
            early[early_count++ % ROLES_MAX] = pid;
            continue;
        }
        if (!r)
            continue;
        int before = role_count;
        if (WIFSTOPPED(status))
            on_stop(r, status);
        else
            on_end(r, status);
        for (; before < role_count; before++)
            for (int i = 0; i < early_count && i < ROLES_MAX; i++)
                if (early[i] == roles[before].pid)
                    proceed(&roles[before], 0);
    }
}

static void on_alarm(int sig)
{
    (void)sig;
    late = 1;
}

#define TRACE_OPTIONS                                                                      \
    (PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | \
     PTRACE_O_TRACESYSGOOD)

/* It stops at once, or when its call has been interrupted, and is traced from then on. */
static void join(pid_t pid)
{
    if (ptrace(PTRACE_SEIZE, pid, 0, TRACE_OPTIONS) < 0 || ptrace(PTRACE_INTERRUPT, pid, 0, 0) < 0)
        die("trace the one that runs");
    birth(pid, NULL)->counting = true;
}

static pid_t launch(char **argv)
{
    int gate[2];
    char byte;
    if (pipe2(gate, O_CLOEXEC) < 0)
        die("pipe");
    pid_t pid = fork();
    if (pid < 0)
        die("fork");
    if (pid == 0) {
        close(gate[1]);
        if (read(gate[0], &byte, 1) == 0)
            execv(argv[0], argv);
        die(argv[0]);
    }
    if (ptrace(PTRACE_SEIZE, pid, 0, TRACE_OPTIONS) < 0)
        die("trace");
    close(gate[0]);
    close(gate[1]);
    return pid;
}

static int hang(void)
{
    fprintf(wanted.report, "hangs:");
    for (int i = 0; i < role_count; i++) {
        if (roles[i].gone)
            continue;
        char path[64], text[256] = "";
        snprintf(path, sizeof(path), "/proc/%d/syscall", roles[i].pid);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0 && read(fd, text, sizeof(text) - 1) > 0)
            fprintf(wanted.report, " role %d in %s", i, call_name(strtoull(text, NULL, 10)));
        close(fd);
        kill(roles[i].pid, SIGKILL);
    }
    fprintf(wanted.report, "\n");
    return STATUS_HANG;
}

/* ---- the command line ------------------------------------------------------------------------*/

static int errno_of(const char *name)
{
    for (int code = 1; code < 134; code++) {
        const char *known = strerrorname_np(code);
        if (known && strcmp(known, name) == 0)
            return code;
    }
    return -1;
}

static _Noreturn void usage(void)
{
    fprintf(stderr,
            "usage: strike --list | --sum | --kill POINT | --kill-all POINT | --error POINT=ERRNO "
            "[--all] [--with PID] [--report FILE] [--settle MS] [--deadline S] CMD…\n"
            "POINT is ROLE:CALL.N\n");
    exit(STATUS_OWN);
}

static void take_point(enum act act, const char *text)
{
    char name[32] = "";
    wanted.act = act;
    int n =
        text ? sscanf(text, "%d:%31[^.].%ld=%31s", &wanted.role, wanted.call, &wanted.number, name)
             : 0;
    if (n < 3 || (act == ACT_ERROR) != (n == 4))
        usage();
    if (act == ACT_ERROR && (wanted.error = errno_of(name)) < 0)
        usage();
}

static char **parse(char **argv)
{
    bool chosen = false;
    wanted.report = stderr;
    for (argv++; *argv && strncmp(*argv, "--", 2) == 0; argv++) {
        if (strcmp(*argv, "--all") == 0) {
            wanted.all = true;
        } else if (strcmp(*argv, "--list") == 0) {
            wanted.act = ACT_LIST;
            chosen = true;
        } else if (strcmp(*argv, "--sum") == 0) {
            wanted.act = ACT_SUM;
            chosen = true;
        } else if (!argv[1]) {
            usage();
        } else if (strcmp(*argv, "--report") == 0) {
            wanted.report = fopen(*++argv, "we");
            if (!wanted.report)
                die(*argv);
        } else if (strcmp(*argv, "--deadline") == 0) {
            wanted.deadline = atoi(*++argv);
        } else if (strcmp(*argv, "--settle") == 0) {
            wanted.settle = atoi(*++argv);
        } else if (strcmp(*argv, "--with") == 0) {
            wanted.with = atoi(*++argv);
        } else {
            enum act act = strcmp(*argv, "--kill") == 0       ? ACT_KILL
                           : strcmp(*argv, "--kill-all") == 0 ? ACT_KILL_ALL
                           : strcmp(*argv, "--error") == 0    ? ACT_ERROR
                                                              : ACT_LIST;
            if (act == ACT_LIST)
                usage();
            take_point(act, *++argv);
            chosen = true;
        }
    }
    if (!chosen || !*argv)
        usage();
    return argv;
}

int main(int argc, char **argv)
{
    (void)argc;
    struct stat st;
    argv = parse(argv);
    if (stat(argv[0], &st) < 0)
        die(argv[0]);
    wanted.dev = st.st_dev;
    wanted.ino = st.st_ino;
    struct sigaction alarmed = {.sa_handler = on_alarm};
    sigaction(SIGALRM, &alarmed, NULL);
    pid_t pid = launch(argv);
    birth(pid, NULL);
    if (wanted.with)
        join(wanted.with);
    /* Repeatedly: the signal could come when nothing waits for it yet. */
    struct itimerval t = {.it_value.tv_sec = wanted.deadline, .it_interval.tv_sec = 1};
    setitimer(ITIMER_REAL, &t, NULL);
    follow();
    if (!over())
        return hang();
    if (wanted.act == ACT_SUM)
        print_sums();
    else if (wanted.act != ACT_LIST && !struck)
        fprintf(wanted.report, "missed %d:%s.%ld\n", wanted.role, wanted.call, wanted.number);
    int status = roles[0].status;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
