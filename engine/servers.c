/* How the helper supervises the name servers: it replaces a dead one at once, and a hanging one as soon as it
 * notices. They outlive the helper; the next one adopts them.
 */
#include "helper.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <time.h>

enum { STANDS_LOOKS = 3, DIES_MS = 20 };

/* A server that was not recorded, because the helper was killed first, would run beside its successor, and
 * nothing would end it. */
static void wait_until_noted(const struct helper *h, unsigned self, pid_t helper)
{
    const struct timespec moment = {.tv_nsec = 1000000};
    const struct helper_process *p = &h->state->process[HELPER_SERVER + self];
    while (__atomic_load_n(&p->pid, __ATOMIC_ACQUIRE) != getpid()) {
        if (getppid() != helper)
            _exit(1);
        nanosleep(&moment, NULL);
    }
}

static _Noreturn void serve(struct helper *h, unsigned self, pid_t helper)
{
    _cleanup_err_ struct err e = ERR_INIT;
    struct name_server s = {
        .names = h->names, .sockets = h->sockets, .shared = h->shared, .self = self};
    int keep[] = {h->names,        h->sockets.udp4, h->sockets.udp6,
                  h->sockets.tcp4, h->sockets.tcp6, h->shared_fd};
    helper_let_go(h, keep, ARRAY_LEN(keep));
    wait_until_noted(h, self, helper);
    /* A mapping keeps the file open and its lock held, which would say that the pair lives. */
    (void)munmap(h->state, sizeof(*h->state));
    proc_set_title(SERVER_TITLE);
    (void)names_serve(&s, &e);
    warn("names: %s", e.text ? e.text : "unknown error");
    _exit(1);
}

static void watch(struct helper *h, unsigned i);

static void start(struct helper *h, unsigned i)
{
    const pid_t own = getpid();
    pid_t pid = helper_fork(&h->servers[i].pidfd);
    if (pid == 0)
        serve(h, i, own);
    if (pid < 0) /* retried at the next look */
        return;
    pair_note(h, HELPER_SERVER + (int)i, pid);
    watch(h, i);
}

static void forget(struct helper *h, unsigned i)
{
    loop_remove_fd(h->loop, h->servers[i].pidfd);
    h->servers[i].pidfd = close_fd(h->servers[i].pidfd);
    h->servers[i].stands = 0;
}

/* A server that dies right after its start is restarted by the next look only, so that a crash loop does not
 * take all of the helper's time. */
static void died(int fd, uint32_t events, void *helper)
{
    struct helper *h = helper;
    (void)fd;
    (void)events;
    for (unsigned i = 0; i < NAME_SERVERS; i++)
        if (h->servers[i].pidfd >= 0 && pidfd_wait(h->servers[i].pidfd, 0) == 0) {
            bool young = h->servers[i].stands < 0;
            forget(h, i);
            if (!young)
                start(h, i);
        }
}

/* stands < 0: just started. */
static void watch(struct helper *h, unsigned i)
{
    h->servers[i].stands = -1;
    h->servers[i].progress = names_shared_progress(h->shared, i);
    (void)loop_add_fd(h->loop, h->servers[i].pidfd, EPOLLIN, died, h, NULL);
}

void servers_begin(struct helper *h)
{
    for (unsigned i = 0; i < NAME_SERVERS; i++) {
        const struct helper_process *p = &h->state->process[HELPER_SERVER + i];
        h->servers[i].pidfd = helper_process_open(p);
        if (h->servers[i].pidfd >= 0)
            watch(h, i);
        else
            start(h, i);
    }
}

/* Does a query wait in a socket? */
static bool questions_wait(const struct helper *h)
{
    struct pollfd p[] = {{.fd = h->sockets.udp4, .events = POLLIN},
                         {.fd = h->sockets.udp6, .events = POLLIN},
                         {.fd = h->sockets.tcp4, .events = POLLIN},
                         {.fd = h->sockets.tcp6, .events = POLLIN}};
    return poll(p, ARRAY_LEN(p), 0) > 0;
}

void servers_look(struct helper *h)
{
    bool wait = questions_wait(h);
    for (unsigned i = 0; i < NAME_SERVERS; i++) {
        if (h->servers[i].pidfd < 0) {
            start(h, i);
            continue;
        }
        uint64_t progress = names_shared_progress(h->shared, i);
        bool stands =
            progress == h->servers[i].progress && (wait || names_shared_busy(h->shared, i));
        h->servers[i].stands = stands && h->servers[i].stands >= 0 ? h->servers[i].stands + 1 : 0;
        h->servers[i].progress = progress;
        if (h->servers[i].stands < STANDS_LOOKS)
            continue;
        /* Two servers must not work on the same slots. A frozen process does not die before it is thawed, but
         * never gets back to them. */
        (void)pidfd_signal(h->servers[i].pidfd, SIGKILL);
        (void)pidfd_wait(h->servers[i].pidfd, DIES_MS);
        forget(h, i);
        start(h, i);
    }
}

void servers_end(struct helper *h)
{
    for (unsigned i = 0; i < NAME_SERVERS; i++) {
        if (h->servers[i].pidfd >= 0)
            (void)pidfd_signal(h->servers[i].pidfd, SIGKILL);
        forget(h, i);
    }
}
