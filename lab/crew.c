/* Worker processes. Each has an engine of its own, since that belongs to one process, and gets jobs one at a time over a
 * socket pair; its answer is one JSON object. A worker dies with its master (PR_SET_PDEATHSIG), and ends when the master
 * closes its end. It is in a process group of its own, so that ^C reaches only the master, which undoes what was done.
 */
#include "lab.h"

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum { ANSWER_MAX = 128 * 1024, NOTE_MAX = 4096, NOTES_MAX = 16 };

struct worker {
    pid_t pid;
    int socket; /* -1: it has ended */
    size_t job;
    bool busy;
};

struct master {
    const struct crew *crew;
    struct worker *workers;
    size_t count;
    int signals;
    sigset_t stopping;
    bool go_on;
    int result;
    struct err *e;
    char *answer; /* the last one; ANSWER_MAX */
};

size_t crew_size(size_t jobs)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    size_t most = processors > 1 ? (size_t)processors * 2 : 2;
    if (most > 16)
        most = 16;
    return jobs < most ? jobs : most;
}

/* ---- in a worker -----------------------------------------------------------------------------*/

static char *answer_text(int code, strv notes, const struct err *e)
{
    _cleanup_json_ json_t *j = json_object();
    json_object_set_new(j, "code", json_integer(code));
    json_object_set_new(j, "status", json_integer(e->status));
    _cleanup_free_ char *text = text_printable(e->text ? e->text : ""),
                        *hint = text_printable(e->hint ? e->hint : "");
    json_put_str(j, "text", text);
    json_put_str(j, "hint", hint);
    _cleanup_strv_ strv shown = NULL;
    size_t count = 0;
    strv_each (note, notes) {
        if (count++ == NOTES_MAX)
            break;
        _cleanup_free_ char *part = xstrndup(note, NOTE_MAX);
        strv_add_take(&shown, text_printable(part));
    }
    json_put_strv(j, "notes", shown);
    return json_dumps(j, JSON_COMPACT);
}

/* A large lab is often the first to meet a limit. The kernel's word for it does not say which. */
static void name_limit(int code, struct err *e)
{
    if (code >= 0 || e->hint || !e->text || !strstr(e->text, strerror(-code)))
        return;
    if (code == -EAGAIN)
        err_hint(e,
                 "a limit of processes is reached: raise `ulimit -u`, pids.max of this cgroup or "
                 "`sysctl kernel.pid_max`");
    else if (code == -EMFILE)
        err_hint(e, "the limit of open files is reached: raise `ulimit -n`");
}

static _Noreturn void worker_process(const struct crew *c, int socket, pid_t master)
{
    struct engine engine = {0};
    size_t job;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != master)
        _exit(EXIT_NETCTR);
    (void)setpgid(0, 0);
    struct err opening = ERR_INIT;
    int opened = engine_open(c->root, c->run, &engine, &opening);
    lab_stop_by(socket);
    while (recv(socket, &job, sizeof(job), 0) == sizeof(job)) {
        _cleanup_err_ struct err e = ERR_INIT;
        _cleanup_strv_ strv notes = NULL;
        int code = opened;
        if (opened < 0)
            err_move(&e, &opening);
        else
            code = c->work(&engine, job, c->arg, &notes, &e);
        name_limit(code, &e);
        _cleanup_free_ char *text = answer_text(code, notes, &e);
        if (!text || send(socket, text, strlen(text), MSG_NOSIGNAL) < 0)
            break;
    }
    engine_close(&engine);
    fflush(NULL);
    _exit(0);
}

/* ---- in the master ---------------------------------------------------------------------------*/

static struct worker *hire_failed(struct master *m)
{
    name_limit(err_set(m->e, errno, "start a worker"), m->e);
    return NULL;
}

/* NULL with the reason in m->e. */
static struct worker *hire(struct master *m)
{
    int pair[2], size = 2 * ANSWER_MAX;
    const pid_t self = getpid();
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return hire_failed(m);
    for (int i = 0; i < 2; i++)
        (void)setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        for (size_t i = 0; i < m->count;
             i++) /* it must see its own master's end close, not others' */
            close_fd(m->workers[i].socket);
        close(pair[0]);
        close_fd(m->signals);
        (void)sigprocmask(SIG_UNBLOCK, &m->stopping, NULL); /* programs inherit the mask */
        worker_process(m->crew, pair[1], self);
    }
    close(pair[1]);
    if (pid < 0) {
        close(pair[0]);
        return hire_failed(m);
    }
    m->workers[m->count] = (struct worker){.pid = pid, .socket = pair[0]};
    return &m->workers[m->count++];
}

static struct worker *find_idle(struct master *m)
{
    for (size_t i = 0; i < m->count; i++)
        if (m->workers[i].socket >= 0 && !m->workers[i].busy)
            return &m->workers[i];
    return NULL;
}

static size_t busy_count(const struct master *m)
{
    size_t n = 0;
    for (size_t i = 0; i < m->count; i++)
        n += m->workers[i].busy;
    return n;
}

static void fail(struct master *m, int code, struct err *why)
{
    err_note(&m->result, code, m->e, why);
}

static void lose(struct master *m, struct worker *w)
{
    int status = 0;
    _cleanup_err_ struct err why = ERR_INIT;
    w->socket = close_fd(w->socket);
    (void)waitpid(w->pid, &status, 0);
    if (w->busy)
        fail(m,
             err_say(&why, -ECHILD, "a worker of this command was killed (signal %d)",
                     WIFSIGNALED(status) ? WTERMSIG(status) : 0),
             &why);
    w->busy = false;
}

static void take_answer(struct master *m, struct worker *w)
{
    ssize_t n = recv(w->socket, m->answer, ANSWER_MAX, 0);
    _cleanup_json_ json_t *j = n > 0 ? json_loadb(m->answer, (size_t)n, 0, NULL) : NULL;
    if (!j) {
        lose(m, w);
        return;
    }
    _cleanup_err_ struct err why = ERR_INIT;
    int code = (int)json_int(j, "code", -EBADMSG);
    if (code < 0) {
        err_say(&why, code, "%s", json_str(j, "text"));
        if (*json_str(j, "hint"))
            err_hint(&why, "%s", json_str(j, "hint"));
        err_status(&why, (int)json_int(j, "status", 0));
        fail(m, code, &why);
    }
    w->busy = false;
    _cleanup_strv_ strv notes = json_strv(j, "notes");
    if (m->crew->done)
        m->crew->done(w->job, code < 0, notes, m->crew->arg);
}

static bool may_begin(const struct master *m)
{
    return m->result == 0 || m->go_on;
}

/* Gives out what may begin. False: there is nothing more, and no worker is busy. */
static bool give_out(struct master *m)
{
    long job = CREW_NONE_NOW;
    while (may_begin(m)) {
        struct worker *w = find_idle(m);
        if (!w && m->count >= m->crew->workers)
            return true;
        job = m->crew->next(m->crew->arg);
        if (job < 0)
            break;
        if (!w)
            w = hire(m);
        if (!w) {
            m->result = m->e->code;
            break;
        }
        size_t word = (size_t)job;
        w->job = word;
        w->busy = true;
        if (send(w->socket, &word, sizeof(word), MSG_NOSIGNAL) < 0)
            lose(m, w);
    }
    return busy_count(m) > 0;
}

/* What waits in a worker stops waiting. Work that goes on after failures takes things down: that is done to its end. */
static void interrupt(struct master *m, int signal)
{
    _cleanup_err_ struct err why = ERR_INIT;
    if (m->go_on)
        return;
    fail(m, err_say(&why, -EINTR, "interrupted"), &why);
    err_status(m->e, 128 + signal);
    for (size_t i = 0; i < m->count; i++)
        if (m->workers[i].socket >= 0)
            (void)shutdown(m->workers[i].socket, SHUT_WR);
}

static void wait_for_news(struct master *m)
{
    _cleanup_free_ struct pollfd *polled = xcalloc(m->count + 1, sizeof(*polled));
    for (size_t i = 0; i < m->count; i++)
        polled[i] =
            (struct pollfd){.fd = m->workers[i].busy ? m->workers[i].socket : -1, .events = POLLIN};
    polled[m->count] = (struct pollfd){.fd = m->signals, .events = POLLIN};
    if (poll(polled, m->count + 1, -1) < 0)
        return;
    struct signalfd_siginfo info;
    if (polled[m->count].revents && read(m->signals, &info, sizeof(info)) == sizeof(info))
        interrupt(m, (int)info.ssi_signo);
    for (size_t i = 0; i < m->count; i++)
        if (polled[i].revents && m->workers[i].socket >= 0)
            take_answer(m, &m->workers[i]);
}

static void dismiss(struct master *m)
{
    for (size_t i = 0; i < m->count; i++)
        m->workers[i].socket = close_fd(m->workers[i].socket);
    for (size_t i = 0; i < m->count; i++)
        while (waitpid(m->workers[i].pid, NULL, 0) < 0 && errno == EINTR) {}
}

int crew_run(const struct crew *c, bool go_on, struct err *e)
{
    sigset_t before;
    struct master m = {.crew = c, .go_on = go_on, .e = e};
    lab_block_signals(&m.stopping, &before);
    m.signals = signalfd(-1, &m.stopping, SFD_CLOEXEC);
    /* What the parser has freed lies in thousands of small pieces; each process that is forked would join them for itself,
     * and copy the pages for that. */
    (void)malloc_trim(0);
    m.workers = xcalloc(c->workers + 1, sizeof(*m.workers));
    m.answer = xcalloc(1, ANSWER_MAX);
    while (give_out(&m))
        wait_for_news(&m);
    dismiss(&m);
    free(m.workers);
    free(m.answer);
    close_fd(m.signals);
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    return m.result;
}

void lab_block_signals(sigset_t *stopping, sigset_t *before)
{
    sigemptyset(stopping);
    sigaddset(stopping, SIGINT);
    sigaddset(stopping, SIGTERM);
    struct sigaction hangup;
    if (sigaction(SIGHUP, NULL, &hangup) == 0 && hangup.sa_handler != SIG_IGN) /* nohup */
        sigaddset(stopping, SIGHUP);
    (void)sigprocmask(SIG_BLOCK, stopping, before);
}
