/* `netctr relay`: the relay is a child, and this process waits for it. If the child is killed, its links carry frames
 * unimpaired; a new child then gets all that the topology file and `lab set` say. The guard keeps its privileges, which
 * opening interfaces needs, and reads nothing that comes from a node.
 */
#include "relay.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum {
    LISTENER = 3,
    SHORT_LIFE_MS = 10000,
    PAUSE_MS = 1000,
    FIRST_PAUSE_MS = 100,
    LAST_PAUSE_MS = 2000
};

static int check(struct err *e)
{
    int listening = 0;
    socklen_t size = sizeof(listening);
    if (getsockopt(LISTENER, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 && listening)
        return 0;
    err_say(e, -EINVAL, "`netctr relay` is not for users");
    err_hint(e, "netctr starts it with a lab whose links are delayed");
    return -EINVAL;
}

static pid_t start(struct err *e)
{
    pid_t pid = fork();
    if (pid < 0)
        return err_set(e, errno, "fork the relay");
    if (pid == 0)
        _exit(relay_run(LISTENER, e) < 0);
    return pid;
}

/* -EBUSY: a command has the lab's lock, or a change was left half-way. */
static int restore(const char *root, const char *run, const char *lab)
{
    _cleanup_engine_ struct engine engine = {0};
    _cleanup_lab_ struct lab l = {.dir = -1, .lock = -1};
    _cleanup_err_ struct err e = ERR_INIT;
    int r = engine_open(root, run, &engine, &e);
    if (r == 0)
        r = lab_find(&engine, lab, &l, &e);
    return r == 0 ? lab_relay_restore(&engine, &l, &e) : r;
}

/* True: it was killed. A child that ends by itself was asked to, or could not begin. */
static bool was_killed(pid_t pid, int *status)
{
    return waitpid(pid, status, 0) == pid && WIFSIGNALED(*status);
}

/* A command may hold the lab's lock for long, so that it is tried until all ends have what they shall have. */
static bool restore_and_wait(const char *root, const char *run, const char *lab, pid_t pid)
{
    int status = 0, pause = FIRST_PAUSE_MS;
    while (restore(root, run, lab) == -EBUSY) {
        (void)poll(NULL, 0, pause);
        pause = pause * 2 > LAST_PAUSE_MS ? LAST_PAUSE_MS : pause * 2;
        if (waitpid(pid, &status, WNOHANG) == pid)
            return WIFSIGNALED(status);
    }
    return was_killed(pid, &status);
}

static int guard(const char *root, const char *run, const char *lab, struct err *e)
{
    bool again = false, killed = true;
    int status = 0;
    while (killed) {
        const int64_t began = monotonic_ms();
        pid_t pid = start(e);
        if (pid < 0)
            return pid;
        killed = again ? restore_and_wait(root, run, lab, pid) : was_killed(pid, &status);
        if (killed && monotonic_ms() - began < SHORT_LIFE_MS)
            (void)poll(NULL, 0, PAUSE_MS);
        again = true;
    }
    return 0;
}

int lab_relay(const char *root, const char *run, const char *lab, struct err *e)
{
    /* The title overwrites the arguments. */
    _cleanup_free_ char *root_copy = xstrdup(root), *run_copy = xstrdup(run),
                        *lab_copy = xstrdup(lab);
    int r = check(e);
    if (r < 0)
        return r;
    (void)prctl(PR_SET_NAME, "netctr");
    proc_set_title("netctr relay, guard");
    return guard(root_copy, run_copy, lab_copy, e);
}
