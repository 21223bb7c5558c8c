/* The relay itself, a child of its guard (relay_guard.c). It has no privileges: neither capabilities, nor system calls that open anything.
 *
 * What waits is bounded: by bytes for each direction, and for all together. A frame without room is dropped, as in a
 * queueing discipline.
 */
#include "relay.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>

enum {
    FRAME_MAX = 65536 + 64,
    FRAME_COST = 128, /* of what belongs to it, in bytes */
    DIRECTION_MAX = 32 << 20,
    ALL_MAX = 512 << 20,
    READS = 64,  /* of one turn */
    HURRY = -10, /* its nice value: what it does late shows in every delay */
};

struct direction {
    struct relay *relay;
    char end[RELAY_NAME];
    struct lab_impairment impairment;
    int fds[RELAY_FDS]; /* TAP, packet socket, the table's owner */
    size_t waiting;     /* bytes */
    uint64_t sent, lost, overflowed;
};

struct relay {
    struct loop *loop;
    int timer;
    uint64_t seed, due; /* due: what the timer is set to; 0: not set */
    struct relay_queue queue;
    size_t waiting;
    struct direction **directions;
    size_t count;
    uint8_t frame[FRAME_MAX];
};

static uint64_t now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* ---- directions ------------------------------------------------------------------------------*/

/* The rule goes first: from then on frames take the short way. */
static void drop(struct relay *r, struct direction *d)
{
    loop_remove_fd(r->loop, d->fds[0]);
    for (int i = RELAY_FDS - 1; i >= 0; i--)
        close_fd(d->fds[i]);
    relay_queue_forget(&r->queue, d);
    r->waiting -= d->waiting;
    for (size_t i = 0; i < r->count; i++)
        if (r->directions[i] == d)
            r->directions[i] = r->directions[--r->count];
    free(d);
}

static struct direction *find(const struct relay *r, const char *end)
{
    for (size_t i = 0; i < r->count; i++)
        if (streq(r->directions[i]->end, end))
            return r->directions[i];
    return NULL;
}

/* ---- frames ----------------------------------------------------------------------------------*/

/* False: the interface is gone, and so is @d. Any other failure costs one frame. */
static bool send_frame(struct relay *r, struct direction *d, const void *data, size_t size)
{
    if (send(d->fds[1], data, size, MSG_DONTWAIT) >= 0) {
        d->sent++;
        return true;
    }
    if (errno != ENXIO && errno != ENODEV)
        return true;
    drop(r, d);
    return false;
}

static void set_timer(struct relay *r)
{
    const struct frame *first = relay_queue_first(&r->queue);
    const uint64_t due = first ? first->due : 0;
    if (due == r->due)
        return;
    const struct itimerspec at = {
        .it_value = {(time_t)(due / 1000000000), (long)(due % 1000000000)}};
    if (timerfd_settime(r->timer, TFD_TIMER_ABSTIME, &at, NULL) == 0)
        r->due = due;
}

static void send_due(struct relay *r)
{
    const struct frame *first;
    const uint64_t now = now_ns();
    while ((first = relay_queue_first(&r->queue)) && first->due <= now) {
        _cleanup_free_ struct frame *f = relay_queue_take(&r->queue);
        struct direction *d = f->owner;
        d->waiting -= f->size + FRAME_COST;
        r->waiting -= f->size + FRAME_COST;
        (void)send_frame(r, d, f->data, f->size);
    }
    set_timer(r);
}

static void keep(struct relay *r, struct direction *d, size_t size, uint64_t due, bool corrupt)
{
    const size_t cost = size + FRAME_COST;
    if (d->waiting + cost > DIRECTION_MAX || r->waiting + cost > ALL_MAX) {
        d->overflowed++;
        return;
    }
    struct frame *f = xcalloc(1, sizeof(*f) + size);
    f->due = due;
    f->owner = d;
    f->size = size;
    memcpy(f->data, r->frame, size);
    if (corrupt)
        f->data[relay_random(&r->seed, size)] ^= (uint8_t)(1 << relay_random(&r->seed, 8));
    d->waiting += cost;
    r->waiting += cost;
    relay_queue_add(&r->queue, f);
}

static void take_frame(struct relay *r, struct direction *d, size_t size, uint64_t now)
{
    const struct relay_fate fate = relay_draw(&d->impairment, &r->seed);
    d->lost += fate.copies == 0;
    for (unsigned i = 0; i < fate.copies; i++)
        keep(r, d, size, now + fate.of[i].wait_ns, fate.of[i].corrupt);
}

/* The node's root may have deleted the TAP device. */
static void readable(int fd, uint32_t events, void *direction)
{
    struct direction *d = direction;
    struct relay *r = d->relay;
    const uint64_t now = now_ns();
    (void)events;
    for (int i = 0; i < READS; i++) {
        ssize_t n = read(fd, r->frame, sizeof(r->frame));
        if (n > 0)
            take_frame(r, d, (size_t)n, now);
        else if (n < 0 && errno == EAGAIN)
            break;
        else if (n < 0 && errno != EINTR) {
            drop(r, d);
            break;
        }
    }
    send_due(r);
}

static void timer_due(int fd, uint32_t events, void *relay)
{
    struct relay *r = relay;
    uint64_t times;
    (void)events;
    (void)!read(fd, &times, sizeof(times));
    r->due = 0;
    send_due(r);
}

/* ---- requests --------------------------------------------------------------------------------*/

static int set(struct relay *r, const struct relay_message *m, int *fds)
{
    struct direction *d = find(r, m->end);
    if (fds[0] < 0) {
        if (d)
            d->impairment = m->impairment;
        return d ? 0 : -ENOENT;
    }
    if (d)
        drop(r, d);
    d = xcalloc(1, sizeof(*d));
    d->relay = r;
    d->impairment = m->impairment;
    memcpy(d->end, m->end, sizeof(d->end));
    if (loop_add_fd(r->loop, fds[0], EPOLLIN, readable, d, NULL) < 0) {
        free(d);
        return -EIO;
    }
    for (int i = 0; i < RELAY_FDS; i++)
        d->fds[i] = take_fd(fds[i]);
    r->directions = xrealloc(r->directions, r->count + 1, sizeof(struct direction *));
    r->directions[r->count++] = d;
    return 0;
}

static int get(const struct relay *r, struct relay_message *m)
{
    m->pid = getpid();
    if (m->index >= r->count)
        return -ENOENT;
    const struct direction *d = r->directions[m->index];
    memcpy(m->end, d->end, sizeof(m->end));
    m->impairment = d->impairment;
    m->sent = d->sent;
    m->lost = d->lost;
    m->overflowed = d->overflowed;
    return 0;
}

static int answer(struct relay *r, struct relay_message *m, int *fds)
{
    m->end[RELAY_NAME - 1] = '\0';
    if (m->version != RELAY_VERSION)
        return -EPROTO;
    struct direction *d = find(r, m->end);
    switch (m->op) {
    case RELAY_GET: return get(r, m);
    case RELAY_SET: return set(r, m, fds);
    case RELAY_DROP:
        if (d)
            drop(r, d);
        set_timer(r);
        return 0;
    case RELAY_END: loop_stop(r->loop); return 0;
    default: return -EPROTO;
    }
}

static ssize_t receive(int fd, struct relay_message *m, int *fds)
{
    char control[CMSG_SPACE(sizeof(int) * RELAY_FDS)] __attribute__((aligned(8))) = {0};
    struct iovec part = {m, sizeof(*m)};
    struct msghdr h = {.msg_iov = &part,
                       .msg_iovlen = 1,
                       .msg_control = control,
                       .msg_controllen = sizeof(control)};
    ssize_t n = recvmsg(fd, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    const struct cmsghdr *c = n < 0 ? NULL : CMSG_FIRSTHDR(&h);
    if (c && c->cmsg_type == SCM_RIGHTS)
        memcpy(fds, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
    return n;
}

static void requested(int fd, uint32_t events, void *relay)
{
    struct relay *r = relay;
    struct relay_message m = {0};
    int fds[RELAY_FDS] = {-1, -1, -1};
    (void)events;
    ssize_t n = receive(fd, &m, fds);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n != (ssize_t)sizeof(m)) {
        loop_remove_fd(r->loop, fd);
        close(fd);
    } else {
        m.code = answer(r, &m, fds);
        (void)send(fd, &m, sizeof(m), MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    for (int i = 0; i < RELAY_FDS; i++)
        close_fd(fds[i]);
}

static void connected(int listener, uint32_t events, void *relay)
{
    struct relay *r = relay;
    (void)events;
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0 && loop_add_fd(r->loop, fd, EPOLLIN, requested, r, NULL) < 0)
        close(fd);
}

/* ---- the process -----------------------------------------------------------------------------*/

static const int allowed[] = {
    SYS_read,           SYS_sendto,       SYS_epoll_pwait, SYS_timerfd_settime, SYS_clock_gettime,
    SYS_recvmsg,        SYS_accept4,      SYS_epoll_ctl,   SYS_close,           SYS_mmap,
    SYS_munmap,         SYS_mremap,       SYS_mprotect,    SYS_madvise,         SYS_brk,
    SYS_getpid,         SYS_futex,        SYS_exit,        SYS_exit_group,      SYS_restart_syscall,
    SYS_rt_sigreturn,   SYS_rt_sigaction, SYS_write,       SYS_fstat,           SYS_newfstatat,
    SYS_rt_sigprocmask,
#ifdef __x86_64__
    SYS_epoll_wait,
#endif
};

static int begin(struct relay *r, int listener, struct err *e)
{
    if (getrandom(&r->seed, sizeof(r->seed), 0) != sizeof(r->seed))
        return err_set(e, errno, "read random numbers");
    r->seed |= 1;
    if (fcntl(listener, F_SETFL, O_NONBLOCK) < 0)
        return err_set(e, errno, "prepare the relay's socket");
    r->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (r->timer < 0)
        return err_set(e, errno, "make a timer");
    int code = loop_new(&r->loop, e);
    if (code == 0)
        code = loop_add_fd(r->loop, r->timer, EPOLLIN, timer_due, r, e);
    if (code == 0)
        code = loop_add_fd(r->loop, listener, EPOLLIN, connected, r, e);
    (void)setpriority(PRIO_PROCESS, 0, HURRY);
    if (code == 0)
        code = confine_caps(0, e);
    return code == 0 ? confine_allow(allowed, ARRAY_LEN(allowed), e) : code;
}

int relay_run(int listener, struct err *e)
{
    proc_set_title("netctr relay");
    struct relay *r = xcalloc(1, sizeof(*r));
    int code = begin(r, listener, e);
    return code == 0 ? loop_run(r->loop, e) : code; /* all else ends with the process */
}
