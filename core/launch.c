#include "launch.h"

#include "caller.h"
#include "user.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

/* The three builds of stub.c. */
__asm__(".section .rodata\n"
        "stub_begin:\n"
        "\t.incbin \"" STUB_FILE "\"\n"
        "stub_end:\n"
        "stub_fork_begin:\n"
        "\t.incbin \"" STUB_FILE "_fork\"\n"
        "stub_fork_end:\n"
        "stub_init_begin:\n"
        "\t.incbin \"" STUB_FILE "_init\"\n"
        "stub_init_end:\n"
        "\t.previous\n");
extern const char stub_begin[], stub_end[], stub_fork_begin[], stub_fork_end[], stub_init_begin[],
    stub_init_end[];

static const struct {
    const char *begin, *end;
} builds[] = {
    [STUB_PROGRAM] = {stub_begin, stub_end},
    [STUB_FORKS] = {stub_fork_begin, stub_fork_end},
    [STUB_INIT] = {stub_init_begin, stub_init_end},
};

int stub_open(enum stub_kind kind, struct err *e)
{
    const char *begin = builds[kind].begin;
    uintptr_t size = (uintptr_t)builds[kind].end - (uintptr_t)begin;
    _cleanup_close_ int fd = memfd_executable(MFD_ALLOW_SEALING);
    if (fd < 0) {
        int code = err_set(e, fd, "make an executable memfd");
        if (code == -EACCES)
            err_hint(e, "`sysctl vm.memfd_noexec` must not be 2");
        return code;
    }
    int r = write_all(fd, begin, size);
    if (r < 0)
        return err_set(e, r, "write the stub");
    /* A process that cannot read its executable is not dumpable, so others of its user cannot trace it: the stub
     * of exec is outside of the pid namespace for a moment, with the container's user. */
    if (fchmod(fd, 0711) < 0)
        return err_set(e, errno, "make the stub unreadable");
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
        return err_set(e, errno, "seal the stub");
    return take_fd(fd);
}

int stub_execute(int stub, int channel, char *const *argv, char *const *env,
                 const struct ulimits *ulimits, struct err *e)
{
    /* dup2() leaves the copy open across execve; the stub marks it close-on-exec. Errors until then travel over
     * the caller's copy. */
    _cleanup_close_ int program = fcntl(stub, F_DUPFD_CLOEXEC, 10);
    _cleanup_close_ int ours = fcntl(channel, F_DUPFD_CLOEXEC, 10);
    if (program < 0 || ours < 0 || dup2(ours, 3) < 0)
        return err_set(e, errno, "hand the channel to the stub");
    /* The last step: this process has copies of the monitor's fds, and may need one above the limit. */
    int r = ulimits_set(ulimits, e);
    if (r < 0)
        return r;
    syscall(SYS_execveat, program, "", argv, env, AT_EMPTY_PATH);
    int code = errno;
    (void)dup2(ours, channel); /* it may have been fd 3 */
    return err_set(e, code, "execute the stub");
}

/* ---- why it was not run ----------------------------------------------------------------------*/

static bool may_enter(const struct stat *dir, const struct container_user *u)
{
    if (u->uid == 0)
        return true;
    if (u->uid == dir->st_uid)
        return dir->st_mode & S_IXUSR;
    bool member = u->gid == dir->st_gid;
    for (size_t i = 0; i < u->group_count; i++)
        member = member || u->groups[i] == dir->st_gid;
    return dir->st_mode & (member ? S_IXGRP : S_IXOTH);
}

/* The root directory itself may be closed to the user: `mktemp -d` makes mode 0700. */
static void explain_refusal(const struct plan *s, const char *user, int root, struct err *e)
{
    struct stat st;
    _cleanup_user_ struct container_user u = {0};
    if (fstat(root, &st) < 0 || user_resolve(root, user, &u, NULL) < 0 || may_enter(&st, &u))
        return;
    err_hint(e, "user %u may not enter the root directory `%s`: its mode is %04o", u.uid, s->rootfs,
             st.st_mode & 07777);
}

/* ROOTFS may be the parent of the intended directory, or a part of it. */
static void explain_absence(const struct plan *s, int root, struct err *e)
{
    if (file_exists_at(root, "bin") == 0 && file_exists_at(root, "usr") == 0)
        err_hint(e, "`%s` has no bin and no usr: is it a root directory?", s->rootfs);
}

static int not_run(const char *command, enum message kind, int code, struct err *e)
{
    if (kind == MESSAGE_NO_LOADER) {
        err_say(e, -code, "command `%s` cannot be executed: its interpreter is missing", command);
        err_status(e, EXIT_NOT_FOUND);
        return -code;
    }
    if (code == ENOENT || code == ENOTDIR) {
        err_say(e, -code, "command `%s` not found in the container%s", command,
                strchr(command, '/') ? "" : "'s PATH");
        err_status(e, EXIT_NOT_FOUND);
        return -code;
    }
    err_say(e, -code, "command `%s` cannot be executed: %s", command, strerror(code));
    err_status(e, EXIT_NOT_INVOKABLE);
    return -code;
}

int stub_failure(const struct plan *s, const char *user, const char *command, enum message kind,
                 int code, struct err *e)
{
    if (kind == MESSAGE_NO_PROCESS)
        return err_say(e, -code, "make a process for command `%s` in the container: %s", command,
                       strerror(code));
    int r = not_run(command, kind, code, e);
    _cleanup_close_ int root = open_canonical(s->rootfs, O_PATH | O_DIRECTORY);
    if (root >= 0 && code == EACCES)
        explain_refusal(s, user, root, e);
    if (root >= 0 && code == ENOENT)
        explain_absence(s, root, e);
    return r;
}
