/* Starts a lab's relay, talks to it, ends it (relay.h). RUN/relays/ID is its socket; its cgroup, relay-ID, is what ends it
 * also if it does not answer.
 */
#include "relay.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { ANSWER_MS = 5000, LAST_ANSWER_MS = 300, END_MS = 3000, BACKLOG = 16 };

/* ---- its socket ------------------------------------------------------------------------------*/

/* By a descriptor of RUN, since paths of sockets are short. */
static int address_of(struct engine *engine, const char *id, struct sockaddr_un *out)
{
    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    _cleanup_free_ char *path =
        xasprintf("/proc/self/fd/%d/" LAB_RELAYS "/%s", engine->store.run_fd, id);
    if (strlen(path) >= sizeof(out->sun_path) || !valid_name(id))
        return -ENAMETOOLONG;
    memcpy(out->sun_path, path, strlen(path));
    return 0;
}

static void be_patient(int fd, int ms)
{
    const struct timeval patience = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
}

static int open_socket(void)
{
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    be_patient(fd, ANSWER_MS);
    return fd;
}

int relay_connect(struct engine *engine, const struct lab *l, struct err *e)
{
    struct sockaddr_un a;
    _cleanup_close_ int fd = open_socket();
    if (fd < 0)
        return err_set(e, fd, "open a socket");
    int r = engine->store.run_fd < 0 ? -ENOENT : address_of(engine, l->id, &a);
    if (r == 0 && connect(fd, (const struct sockaddr *)&a, sizeof(a)) == 0)
        return take_fd(fd);
    r = r < 0 ? r : -errno;
    if (r == -ENOENT || r == -ECONNREFUSED || r == -ENOTDIR)
        return err_say(e, -ESRCH, "the relay of lab `%s` does not run", l->name);
    return err_set(e, r, "connect to the relay of lab `%s`", l->name);
}

int relay_ask(int relay, struct relay_message *m, const int *fds)
{
    char control[CMSG_SPACE(sizeof(int) * RELAY_FDS)] __attribute__((aligned(8))) = {0};
    struct iovec part = {m, sizeof(*m)};
    struct msghdr h = {.msg_iov = &part, .msg_iovlen = 1};
    m->version = RELAY_VERSION;
    if (fds) {
        h.msg_control = control;
        h.msg_controllen = sizeof(control);
        struct cmsghdr *c = CMSG_FIRSTHDR(&h);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int) * RELAY_FDS);
        memcpy(CMSG_DATA(c), fds, sizeof(int) * RELAY_FDS);
    }
    if (sendmsg(relay, &h, MSG_NOSIGNAL) < 0)
        return -errno;
    ssize_t n = recv(relay, m, sizeof(*m), 0);
    return n < 0 ? (errno == EAGAIN ? -ETIMEDOUT : -errno) : n != sizeof(*m) ? -ESRCH : m->code;
}

/* ---- its life --------------------------------------------------------------------------------*/

static int listen_at(struct engine *engine, const char *id, struct err *e)
{
    struct sockaddr_un a;
    _cleanup_free_ char *path = xasprintf(LAB_RELAYS "/%s", id);
    if (mkdirat(engine->store.run_fd, LAB_RELAYS, 0700) < 0 && errno != EEXIST)
        return err_set(e, errno, "make `%s/" LAB_RELAYS "`", engine->store.run);
    (void)unlinkat(engine->store.run_fd, path, 0);
    _cleanup_close_ int fd = open_socket();
    int r = fd < 0 ? fd : address_of(engine, id, &a);
    if (r < 0 || bind(fd, (const struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, BACKLOG) < 0)
        return err_set(e, r < 0 ? r : errno, "make the socket of a relay");
    return take_fd(fd);
}

/* Under the instance's lock, so that gc does not look between socket and cgroup. */
static int start(struct engine *engine, const struct lab *l, struct err *e)
{
    int r = relay_end(engine, l->id, e);
    _cleanup_free_ char *cgroup = xasprintf(LAB_RELAY_CGROUP "%s", l->id);
    _cleanup_close_ int lock = r < 0 ? r : store_lock(&engine->store, e);
    _cleanup_close_ int listener = lock < 0 ? lock : listen_at(engine, l->id, e);
    if (listener < 0)
        return listener;
    _cleanup_close_ int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    char *const argv[] = {
        "netctr", "--root", engine->store.root, "--run-root", engine->store.run, "relay",
        l->name,  NULL};
    const struct helper_request request = {
        .argv = argv, .cgroup = cgroup, .fds = {listener, -1, -1, -1, -1, -1}, .log = null};
    r = null < 0 ? err_set(e, errno, "open /dev/null")
                 : helper_start(engine->store.instance, &request, e);
    if (r < 0)
        err_wrap(e, "start the relay of lab `%s`", l->name);
    return r;
}

int relay_connect_or_start(struct engine *engine, const struct lab *l, bool *started, struct err *e)
{
    _cleanup_err_ struct err ignored = ERR_INIT;
    struct relay_message m = {.op = RELAY_GET};
    int fd = relay_connect(engine, l, &ignored);
    if (fd >= 0) {
        int r = relay_ask(fd, &m, NULL);
        if (r == 0 || r == -ENOENT)
            return fd;
        close(fd); /* it hangs, or is another version's */
    }
    int r = start(engine, l, e);
    *started = r == 0;
    return r < 0 ? r : relay_connect(engine, l, e);
}

int relay_end(struct engine *engine, const char *id, struct err *e)
{
    _cleanup_free_ char *path = xasprintf(LAB_RELAYS "/%s", id),
                        *cgroup = xasprintf(LAB_RELAY_CGROUP "%s", id);
    const struct lab l = {.id = (char *)id, .name = (char *)id};
    if (engine->store.run_fd < 0 || file_exists_at(engine->store.run_fd, path) != 1)
        return 0;
    struct relay_message m = {.op = RELAY_END};
    _cleanup_close_ int fd = relay_connect(engine, &l, NULL);
    if (fd >= 0) { /* where there are no cgroups, nothing else ends it */
        be_patient(fd, LAST_ANSWER_MS);
        (void)relay_ask(fd, &m, NULL);
    }
    if (helper_cgroup_end(engine->store.instance, cgroup, END_MS) < 0)
        return err_say(e, -EBUSY, "the relay of a lab does not end");
    (void)unlinkat(engine->store.run_fd, path, 0);
    (void)unlinkat(engine->store.run_fd, LAB_RELAYS, AT_REMOVEDIR);
    return 0;
}
