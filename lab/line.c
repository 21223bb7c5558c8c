/* Exec lines. Most of them are lines of ip(8) and sysctl(8), which this process does itself in the node's namespace; others
 * are run by the node's own programs. As in containerlab, a line that fails is reported, and the next one runs.
 */
#include "lab.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>

enum { OUTPUT_MAX = 64 * 1024, SHOWN_MAX = 300 };

/* ---- a process with its output in memory -----------------------------------------------------*/

struct captured {
    int (*work)(void *arg, struct err *e); /* returns an exit status or -errno */
    void *arg;
};

static _Noreturn void captured_process(const struct captured *c, int output, pid_t parent)
{
    struct err e = ERR_INIT;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(EXIT_NETCTR);
    int null = open("/dev/null", O_RDONLY);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(output, STDOUT_FILENO) < 0 ||
        dup2(output, STDERR_FILENO) < 0)
        _exit(EXIT_NETCTR);
    int status = c->work(c->arg, &e);
    if (status < 0) {
        _cleanup_free_ char *line = err_line(&e);
        dprintf(STDERR_FILENO, "%s\n", line ? line : strerror(-status));
        status = e.status ? e.status : EXIT_NETCTR;
    }
    _exit(status);
}

static char *read_output(int fd)
{
    char *text = xcalloc(1, OUTPUT_MAX + 1);
    ssize_t n = pread(fd, text, OUTPUT_MAX, 0);
    text[n < 0 ? 0 : n] = '\0';
    return text;
}

static int wait_for(pid_t pid, unsigned timeout_ms, struct err *e)
{
    int status;
    _cleanup_close_ int pidfd = pidfd_open(pid, 0);
    int r = pidfd < 0 ? 0 : lab_await(pidfd, timeout_ms ? (int)timeout_ms : -1);
    if (r == -ETIMEDOUT || r == -EINTR) {
        (void)pidfd_signal(pidfd, SIGKILL);
        (void)waitpid(pid, NULL, 0);
        return r == -EINTR ? err_say(e, r, "interrupted")
                           : err_say(e, r, "it did not end within %u ms", timeout_ms);
    }
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return err_set(e, errno, "wait for a process");
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int capture(const struct captured *c, unsigned timeout_ms, char **out, struct err *e)
{
    _cleanup_close_ int output = memfd_create("output", MFD_CLOEXEC);
    *out = NULL;
    if (output < 0)
        return err_set(e, errno, "make a file in memory");
    const pid_t self = getpid();
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        captured_process(c, output, self);
    if (pid < 0)
        return err_set(e, errno, "fork");
    int status = wait_for(pid, timeout_ms, e);
    *out = read_output(output);
    return status;
}

/* ---- in a node -------------------------------------------------------------------------------*/

struct inside {
    struct engine *engine;
    const struct record *record;
    char *const *argv;
};

static int run_inside(void *arg, struct err *e)
{
    struct inside *in = arg;
    const struct exec_request request = {
        .argv = (strv)in->argv, .user = "0", .ends_with_caller = true};
    return engine_exec(in->engine, in->record, &request, e);
}

int lab_command(struct engine *engine, const struct lab_member *m, char *const *argv, char **output,
                unsigned timeout_ms, struct err *e)
{
    _cleanup_record_ struct record r = {0};
    int code = lab_container(engine, m, &r, e);
    if (code == 0 && r.status != STATUS_RUNNING)
        code = engine_not_running(&r, e);
    if (code < 0)
        return code;
    struct inside in = {engine, &r, argv};
    return capture(&(struct captured){run_inside, &in}, timeout_ms, output, e);
}

static int wait_inside(void *arg, struct err *e)
{
    struct inside *in = arg;
    int status;
    return engine_wait(in->engine, in->record, &status, e);
}

int lab_wait_exit(struct engine *engine, const struct lab_member *m, struct err *e)
{
    _cleanup_record_ struct record r = {0};
    _cleanup_free_ char *output = NULL;
    int code = lab_container(engine, m, &r, e);
    if (code < 0)
        return code;
    struct inside in = {engine, &r, NULL};
    code = capture(&(struct captured){wait_inside, &in}, 0, &output, e);
    return code > 0 ? err_say(e, -EIO, "wait for container `%s`: %s", r.spec.name, output) : code;
}

/* ---- lines -----------------------------------------------------------------------------------*/

static const char *is_missing(const char *word)
{
    static const struct {
        const char *word, *feature;
    } features[] = {{"vlan_filtering", "VLAN filtering on bridges"},
                    {"vlan", "VLANs"},
                    {"vid", "VLAN filtering on bridges"},
                    {"vrf", "VRFs"},
                    {"vxlan", "VXLAN"},
                    {"dummy", "dummy interfaces"},
                    {"bond", "bonding"},
                    {"wireguard", "WireGuard"},
                    {"gre", "GRE tunnels"},
                    {"gretap", "GRE tunnels"},
                    {"ipip", "IP-in-IP tunnels"},
                    {"sit", "SIT tunnels"},
                    {"ipvlan", "ipvlan"},
                    {"macvlan", "macvlan"},
                    {"macsec", "MACsec"},
                    {"netem", "netem"}};
    for (size_t i = 0; i < ARRAY_LEN(features); i++)
        if (streq(word, features[i].word))
            return features[i].feature;
    return NULL;
}

/* What the tools say of a feature that the kernel was built without does not name it. */
static char *missing_feature(const struct lab_exec *line, const char *output)
{
    static const char *const signs[] = {"Operation not supported", "Unknown device type",
                                        "qdisc kind is unknown"};
    bool unsupported = false;
    for (size_t i = 0; i < ARRAY_LEN(signs); i++)
        unsupported = unsupported || strstr(output, signs[i]);
    strv_each (word, line->argv) {
        const char *feature = unsupported ? is_missing(word) : NULL;
        if (feature)
            return xasprintf(" (this kernel has no %s)", feature);
    }
    return NULL;
}

static char *shell_word(const struct lab_exec *line)
{
    strv_each (word, line->argv)
        if (streq(word, "|") || streq(word, "&&") || streq(word, "||") || streq(word, ">") ||
            streq(word, ">>") || streq(word, ";"))
            return xasprintf(" (no shell reads `%s`: write it as `sh -c '…'`)", word);
    return NULL;
}

static void note_failure(const struct lab_exec *line, int status, const char *output, strv *notes)
{
    _cleanup_free_ char *text = xstrndup(output ? output : "", SHOWN_MAX);
    size_t end = strlen(text);
    while (end && (text[end - 1] == '\n' || text[end - 1] == '\r'))
        text[--end] = '\0';
    _cleanup_free_ char *hint = shell_word(line);
    if (!hint)
        hint = missing_feature(line, text);
    strv_add_take(notes, xasprintf("line %u: `%s` ended with %d%s%s%s", line->place.line,
                                   line->line, status, *text ? ": " : "", text, hint ? hint : ""));
}

static int try_natively(struct engine *engine, const struct lab_member *m, struct iproute **native,
                        const struct lab_exec *line, int *status, char **output, struct err *e)
{
    if (!m->sandbox || !line->argv ||
        (!streq(line->argv[0], "ip") && !streq(line->argv[0], "sysctl")))
        return 0;
    if (!*native) {
        _cleanup_close_ int netns = lab_netns(engine, m, e);
        int r = netns < 0 ? netns : iproute_open(netns, native, e);
        if (r < 0)
            return r;
    }
    return iproute_line(*native, line->argv, status, output, e);
}

int lab_line(struct engine *engine, const struct lab_member *m, struct iproute **native,
             const struct lab_exec *line, strv *notes, struct err *e)
{
    _cleanup_free_ char *output = NULL;
    int status = 0;
    int r = line->argv ? try_natively(engine, m, native, line, &status, &output, e) : 1;
    if (r == 0) {
        status = lab_command(engine, m, line->argv, &output, 0, e);
        r = status < 0 ? status : 1;
    }
    if (r < 0)
        return r;
    if (status)
        note_failure(line, status, output, notes);
    return status != 0;
}

struct on_host {
    const struct topology *t;
    char *const *argv;
};

static int run_on_host(void *arg, struct err *e)
{
    const struct on_host *h = arg;
    if (chdir(h->t->dir) < 0)
        return err_set(e, errno, "enter `%s`", h->t->dir);
    execvp(h->argv[0], h->argv);
    err_set(e, errno, "run `%s`", h->argv[0]);
    err_status(e, errno == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_INVOKABLE);
    return -errno;
}

int lab_host_line(const struct topology *t, const struct lab_exec *line, strv *notes, struct err *e)
{
    _cleanup_free_ char *output = NULL;
    struct on_host h = {t, line->argv};
    int status = line->argv ? capture(&(struct captured){run_on_host, &h}, 0, &output, e) : 0;
    if (status > 0)
        note_failure(line, status, output, notes);
    return status < 0 ? status : status > 0;
}
