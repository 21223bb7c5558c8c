/* One event loop: descriptors in an epoll instance, timers in a heap.
 *
 * A descriptor is found by its number, and each registration has a serial number. The kernel hands both back with an
 * event, so an event that was fetched before its descriptor was removed, and perhaps opened again for something else,
 * is recognised and dropped. A callback may therefore add and remove whatever it likes.
 *
 * A turn is bounded: at most EVENTS callbacks for descriptors, then the timers that were due when it began. The kernel
 * moves a level-triggered descriptor that it has reported to the end of its list: a busy one does not starve others.
 *
 * Timers cost no system call. The nearest one is the timeout of epoll_wait().
 */
#include <netctr/base.h>

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

enum {
    EVENTS = 64, /* of one turn */
    NOWHERE = -1,
};

struct source {
    loop_fd_callback callback; /* NULL: none is registered */
    void *arg;
    uint32_t events; /* 0: not in the epoll instance */
    uint32_t serial;
    int stand_in; /* for a file that epoll refuses; else -1 */
};

struct timer {
    int64_t due_us;
    uint64_t order; /* of timers that are due at the same time; never used twice */
    void (*callback)(void *arg);
    void *arg;
    int place; /* in the heap, or NOWHERE */
};

struct loop {
    int epoll;
    bool stopped;
    uint32_t serial;
    struct source *sources; /* by descriptor */
    size_t source_count;
    uint64_t order;
    struct timer *timers; /* by slot; freed slots are used again */
    int *heap;            /* slots; the first is due next */
    int *spare;           /* slots that are free */
    int timer_count, heap_count, spare_count;
};

int loop_new(struct loop **out, struct err *e)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0)
        return err_set(e, errno, "open an epoll instance");
    *out = xcalloc(1, sizeof(**out));
    (*out)->epoll = epoll;
    return 0;
}

/* Nothing is taken out of the epoll instance: after a fork it is still the parent's. */
void loop_free(struct loop *l)
{
    if (!l)
        return;
    for (size_t i = 0; i < l->source_count; i++)
        if (l->sources[i].callback)
            close_fd(l->sources[i].stand_in);
    close(l->epoll);
    free(l->sources);
    free(l->timers);
    free(l->heap);
    free(l->spare);
    free(l);
}

void loop_cleanup(struct loop **l)
{
    loop_free(*l);
}

/* ---- descriptors -----------------------------------------------------------------------------*/

static struct source *find_source(const struct loop *l, int fd)
{
    bool known = fd >= 0 && (size_t)fd < l->source_count && l->sources[fd].callback;
    return known ? &l->sources[fd] : NULL;
}

static int control(const struct loop *l, int operation, int fd, int key, const struct source *s)
{
    struct epoll_event event = {.events = s->events,
                                .data.u64 = (uint64_t)s->serial << 32 | (uint32_t)key};
    return epoll_ctl(l->epoll, operation, fd, &event) < 0 ? -errno : 0;
}

/* A file without a type is one of the kernel's own (inotify, eventfd), and all of these can be polled. */
static bool cannot_be_polled(mode_t mode)
{
    return S_ISREG(mode) || S_ISDIR(mode) || S_ISCHR(mode) || S_ISBLK(mode);
}

/* epoll refuses files that can always be read and written, such as regular files and /dev/null. An eventfd that
 * always can be takes such a file's place. */
static int add_to_epoll(struct loop *l, int fd, struct source *s)
{
    struct stat st;
    int r = control(l, EPOLL_CTL_ADD, fd, fd, s);
    if (r != -EPERM || fstat(fd, &st) < 0 || !cannot_be_polled(st.st_mode))
        return r;
    _cleanup_close_ int stand_in = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
    if (stand_in < 0)
        return -errno;
    r = control(l, EPOLL_CTL_ADD, stand_in, fd, s);
    if (r == 0)
        s->stand_in = take_fd(stand_in);
    return r;
}

static void remove_from_epoll(struct loop *l, int fd, struct source *s)
{
    if (s->stand_in >= 0) /* the only descriptor of its file: closing it removes it */
        s->stand_in = close_fd(s->stand_in);
    else
        (void)epoll_ctl(l->epoll, EPOLL_CTL_DEL, fd, NULL);
}

static void make_room(struct loop *l, int fd)
{
    size_t count = l->source_count ? l->source_count : 16;
    while (count <= (size_t)fd)
        count *= 2;
    if (count == l->source_count)
        return;
    l->sources = xrealloc(l->sources, count, sizeof(*l->sources));
    memset(l->sources + l->source_count, 0, (count - l->source_count) * sizeof(*l->sources));
    l->source_count = count;
}

int loop_add_fd(struct loop *l, int fd, uint32_t events, loop_fd_callback callback, void *arg,
                struct err *e)
{
    const struct source *known = find_source(l, fd);
    if (fd < 0 || (known && (!known->events || known->stand_in >= 0)))
        return err_set(e, fd < 0 ? EBADF : EEXIST, "watch a descriptor");
    struct source s = {
        .callback = callback, .arg = arg, .events = events, .serial = ++l->serial, .stand_in = -1};
    /* If the descriptor is known, the kernel tells whether it still is the same file: else -EEXIST. */
    int r = events ? add_to_epoll(l, fd, &s) : known ? -EEXIST : 0;
    if (r == -EEXIST && !known) /* it could not be taken out */
        r = control(l, EPOLL_CTL_MOD, fd, fd, &s);
    if (r < 0)
        return err_set(e, r, "watch a descriptor");
    make_room(l, fd);
    l->sources[fd] = s;
    return 0;
}

int loop_modify(struct loop *l, int fd, uint32_t events)
{
    struct source *s = find_source(l, fd);
    int r = 0;
    if (!s)
        return -ENOENT;
    const uint32_t before = s->events;
    if (events == before && !(events & EPOLLET))
        return 0;
    s->events = events;
    if (!events)
        remove_from_epoll(l, fd, s);
    else if (!before)
        r = add_to_epoll(l, fd, s);
    else
        r = control(l, EPOLL_CTL_MOD, s->stand_in >= 0 ? s->stand_in : fd, fd, s);
    if (r < 0)
        s->events = before;
    return r;
}

void loop_remove_fd(struct loop *l, int fd)
{
    struct source *s = find_source(l, fd);
    if (!s)
        return;
    if (s->events)
        remove_from_epoll(l, fd, s);
    s->callback = NULL;
}

/* ---- timers ----------------------------------------------------------------------------------*/

static bool is_earlier(const struct loop *l, int a, int b)
{
    const struct timer *x = &l->timers[a], *y = &l->timers[b];
    return x->due_us < y->due_us || (x->due_us == y->due_us && x->order < y->order);
}

static void put(struct loop *l, int place, int slot)
{
    l->heap[place] = slot;
    l->timers[slot].place = place;
}

/* Puts @slot where it belongs: at @place, above or below. */
static void sift(struct loop *l, int place, int slot)
{
    for (int parent; place > 0 && is_earlier(l, slot, l->heap[parent = (place - 1) / 2]);
         place = parent)
        put(l, place, l->heap[parent]);
    for (int child; (child = 2 * place + 1) < l->heap_count; place = child) {
        if (child + 1 < l->heap_count && is_earlier(l, l->heap[child + 1], l->heap[child]))
            child++;
        if (is_earlier(l, slot, l->heap[child]))
            break;
        put(l, place, l->heap[child]);
    }
    put(l, place, slot);
}

static void remove_timer(struct loop *l, int slot)
{
    int place = l->timers[slot].place, last = l->heap[--l->heap_count];
    l->timers[slot].place = NOWHERE;
    l->spare[l->spare_count++] = slot;
    if (last != slot)
        sift(l, place, last);
}

static int take_slot(struct loop *l)
{
    if (l->spare_count)
        return l->spare[--l->spare_count];
    int count = l->timer_count ? l->timer_count * 2 : 8;
    l->timers = xrealloc(l->timers, (size_t)count, sizeof(*l->timers));
    l->heap = xrealloc(l->heap, (size_t)count, sizeof(*l->heap));
    l->spare = xrealloc(l->spare, (size_t)count, sizeof(*l->spare));
    for (int slot = count - 1; slot >= l->timer_count; slot--)
        l->spare[l->spare_count++] = slot;
    l->timer_count = count;
    return l->spare[--l->spare_count];
}

/* A handle is the slot and the low half of the order, so that one of a timer that has run is recognised. */
static uint64_t handle_of(const struct loop *l, int slot)
{
    return l->timers[slot].order << 32 | (uint32_t)(slot + 1);
}

static struct timer *find_timer(const struct loop *l, uint64_t handle)
{
    int64_t slot = (int64_t)(uint32_t)handle - 1;
    bool set = slot >= 0 && slot < l->timer_count && l->timers[slot].place != NOWHERE &&
               handle_of(l, (int)slot) == handle;
    return set ? &l->timers[slot] : NULL;
}

loop_timer loop_add_timer(struct loop *l, int64_t ms, void (*callback)(void *arg), void *arg)
{
    int slot = take_slot(l);
    l->timers[slot] = (struct timer){.due_us = monotonic_us() + (ms < 0 ? 0 : ms * 1000),
                                     .order = ++l->order,
                                     .callback = callback,
                                     .arg = arg};
    sift(l, l->heap_count++, slot);
    return handle_of(l, slot);
}

loop_timer loop_cancel_timer(struct loop *l, loop_timer timer)
{
    const struct timer *t = find_timer(l, timer);
    if (t)
        remove_timer(l, (int)(t - l->timers));
    return 0;
}

bool loop_timer_is_set(const struct loop *l, loop_timer timer)
{
    return find_timer(l, timer);
}

/* ---- turns -----------------------------------------------------------------------------------*/

/* Rounded up, so that no timer runs early and a turn is not repeated for a part of a millisecond. */
static int next_timeout(const struct loop *l, int timeout_ms)
{
    if (l->heap_count == 0)
        return timeout_ms;
    int64_t left = l->timers[l->heap[0]].due_us - monotonic_us();
    left = left <= 0 ? 0 : (left + 999) / 1000;
    left = left < INT_MAX ? left : INT_MAX;
    return timeout_ms >= 0 && timeout_ms < left ? timeout_ms : (int)left;
}

static int run_source(struct loop *l, const struct epoll_event *event)
{
    const int fd = (int)(uint32_t)event->data.u64;
    const struct source *s = find_source(l, fd);
    if (!s || s->serial != event->data.u64 >> 32 || !s->events)
        return 0;
    s->callback(fd, s->stand_in >= 0 ? s->events & (EPOLLIN | EPOLLOUT) : event->events, s->arg);
    return 1;
}

/* Not those that their callbacks add: a timer that sets itself again without a delay must not keep the loop. */
static int run_timers(struct loop *l)
{
    const uint64_t last = l->order;
    int count = 0;
    for (int64_t now = l->heap_count ? monotonic_us() : 0; l->heap_count; count++) {
        const struct timer t = l->timers[l->heap[0]];
        if (t.due_us > now || t.order > last)
            break;
        remove_timer(l, l->heap[0]);
        t.callback(t.arg);
    }
    return count;
}

int loop_run_once(struct loop *l, int timeout_ms)
{
    struct epoll_event events[EVENTS];
    int count = epoll_wait(l->epoll, events, EVENTS, next_timeout(l, timeout_ms)), run = 0;
    if (count < 0 && errno != EINTR)
        return -errno;
    for (int i = 0; i < count; i++)
        run += run_source(l, &events[i]);
    return run + run_timers(l);
}

int loop_run(struct loop *l, struct err *e)
{
    int r = 0;
    for (l->stopped = false; r >= 0 && !l->stopped;)
        r = loop_run_once(l, -1);
    return r < 0 ? err_set(e, r, "wait for events") : 0;
}

void loop_stop(struct loop *l)
{
    l->stopped = true;
}
