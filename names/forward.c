/* Forwards questions to other servers. Each attempt has its own socket, connected to one server:
 * the kernel accepts no other sender and chooses an unpredictable port; the id is random too. A
 * server that has not answered within a second stays in the race, but the next one is asked as
 * well, and the first answer wins. */
#include "names/server.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/random.h>

#define NEXT_AFTER 1000
#define GIVE_UP_AFTER 5000

struct attempt {
    struct watch watch;
    struct forward *forward;
    uint16_t id;
    size_t sent;     /* TCP: bytes sent of length and question */
    uint8_t head[2]; /* TCP: length of the answer */
    uint8_t *answer;
    size_t received; /* TCP: bytes received of length and answer */
};

struct forward {
    struct forward *before, *after;
    struct attempt attempts[LOOKUP_SERVERS]; /* one for each server */
    struct ip servers[LOOKUP_SERVERS];
    size_t server_count;
    unsigned tried;
    int64_t next, end; /* when to ask the next server, when to give up */
    struct dns_question question;
    uint16_t id; /* id of the client's question */
    bool tcp, ended;
    forward_done done;
    void *arg;
    size_t size;
    uint8_t framed[]; /* the question, preceded by its length */
};

static void attempt_end(struct attempt *a)
{
    server_unwatch(&a->watch);
    free(take_ptr(a->answer));
    a->sent = a->received = 0;
}

static void forward_end(struct server *s, struct forward *f)
{
    for (size_t i = 0; i < f->server_count; i++)
        attempt_end(&f->attempts[i]);
    *(f->before ? &f->before->after : &s->forwards) = f->after;
    if (f->after)
        f->after->before = f->before;
    f->ended = true;
    f->after = s->ended_forwards;
    s->ended_forwards = f;
}

void forward_cancel(struct server *s, struct forward *f)
{
    if (f && !f->ended)
        forward_end(s, f);
}

void forward_reap(struct server *s)
{
    for (struct forward *f; (f = s->ended_forwards);) {
        s->ended_forwards = f->after;
        free(f);
    }
}

bool forward_is_of(const struct forward *f, const uint8_t *data, size_t size)
{
    return f->size == size && dns_id(data) == f->id &&
           memcmp(f->framed + 2 + 2, data + 2, size - 2) == 0;
}

static void finish(struct server *s, struct forward *f, uint8_t *answer, size_t size)
{
    forward_end(s, f);
    if (answer)
        dns_set_id(answer, f->id);
    f->done(s, f->arg, answer, size);
}

/* ---- attempts ---------------------------------------------------------------------------------*/

static int connect_to(const struct ip *server, bool tcp)
{
    union asker_address address = {0};
    socklen_t size = server->family == AF_INET ? sizeof(address.v4) : sizeof(address.v6);
    address.any.sa_family = (sa_family_t)server->family;
    if (server->family == AF_INET) {
        address.v4.sin_port = htons(53);
        address.v4.sin_addr = server->v4;
    } else {
        address.v6.sin6_port = htons(53);
        address.v6.sin6_addr = server->v6;
    }
    _cleanup_close_ int fd =
        socket(server->family, (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || (connect(fd, &address.any, size) < 0 && errno != EINPROGRESS))
        return -errno;
    return take_fd(fd);
}

/* Sends the rest of the question once the connection is established. */
static int send_framed(struct attempt *a)
{
    struct forward *f = a->forward;
    dns_set_id(f->framed + 2, a->id);
    ssize_t n = send(a->watch.fd, f->framed + a->sent, 2 + f->size - a->sent, MSG_NOSIGNAL);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    a->sent += (size_t)n;
    return 0;
}

static int begin(struct server *s, struct attempt *a, const struct ip *server)
{
    struct forward *f = a->forward;
    int fd = connect_to(server, f->tcp);
    if (fd < 0)
        return fd;
    a->watch.fd = fd;
    if (getrandom(&a->id, sizeof(a->id), 0) != sizeof(a->id))
        return -EIO;
    dns_set_id(f->framed + 2, a->id);
    if (!f->tcp && send(fd, f->framed + 2, f->size, MSG_NOSIGNAL) < 0)
        return -errno;
    return server_watch(s, &a->watch, f->tcp ? EPOLLOUT : EPOLLIN);
}

/* A slow server should not have to start again. Over UDP, the same question is repeated in case it
 * was lost, and an answer to either counts; TCP retransmits by itself. */
static int ask_again(struct attempt *a)
{
    struct forward *f = a->forward;
    if (f->tcp)
        return 0;
    dns_set_id(f->framed + 2, a->id);
    return send(a->watch.fd, f->framed + 2, f->size, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* Asks the next server; if that fails, the one after it. When all have been asked, waits for
 * answers. */
static void try_next(struct server *s, struct forward *f)
{
    int r;
    do {
        size_t which = f->tried++ % f->server_count;
        struct attempt *a = &f->attempts[which];
        r = a->watch.fd >= 0 ? ask_again(a) : begin(s, a, &f->servers[which]);
        if (r < 0)
            attempt_end(a);
    } while (r < 0 && f->tried % f->server_count);
    f->next = s->now + NEXT_AFTER;
}

/* ---- answers ---------------------------------------------------------------------------------*/

static bool waits_for_others(const struct forward *f)
{
    for (size_t i = 0; i < f->server_count; i++)
        if (f->attempts[i].watch.fd >= 0)
            return true;
    return f->tried < f->server_count;
}

static void failed(struct server *s, struct attempt *a)
{
    attempt_end(a);
    if (a->forward->tried < a->forward->server_count)
        try_next(s, a->forward);
}

/* A server that refuses or fails leaves the answer to the other servers, if there are any. */
static void take_answer(struct server *s, struct attempt *a, uint8_t *data, size_t size)
{
    struct forward *f = a->forward;
    unsigned code = dns_code_of(data);
    bool counts = code == DNS_NOERROR || code == DNS_NXDOMAIN;
    if (!counts) {
        server_unwatch(&a->watch);
        if (waits_for_others(f)) {
            failed(s, a);
            return;
        }
    }
    if (data != s->buffer) { /* freed with the attempt */
        memcpy(s->buffer, data, size);
        data = s->buffer;
    }
    finish(s, f, data, size);
}

static void read_datagrams(struct server *s, struct attempt *a)
{
    for (int i = 0; i < 16; i++) {
        ssize_t n = recv(a->watch.fd, s->buffer, ANSWER_MAX, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n < 0) {
            failed(s, a);
            return;
        }
        if (dns_answers(s->buffer, (size_t)n, a->id, &a->forward->question)) {
            take_answer(s, a, s->buffer, (size_t)n);
            return;
        }
    }
}

/* 1: the answer is complete; 0: not yet; -errno. */
static int read_stream(struct attempt *a)
{
    for (;;) {
        size_t length = (size_t)(a->head[0] << 8 | a->head[1]), at = a->received;
        bool head = at < sizeof(a->head);
        if (!head && !a->answer)
            a->answer = xcalloc(length + 1, 1);
        if (!head && at == length + 2)
            return 1;
        ssize_t n = head ? recv(a->watch.fd, a->head + at, sizeof(a->head) - at, 0)
                         : recv(a->watch.fd, a->answer + at - 2, length + 2 - at, 0);
        if (n < 0)
            return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        if (n == 0)
            return -ECONNRESET;
        a->received += (size_t)n;
    }
}

static void on_stream(struct server *s, struct attempt *a)
{
    struct forward *f = a->forward;
    bool asked = a->sent == 2 + f->size;
    int r = asked ? 0 : send_framed(a);
    if (r == 0 && !asked && a->sent == 2 + f->size)
        r = server_rewatch(s, &a->watch, EPOLLIN);
    if (r == 0 && asked)
        r = read_stream(a);
    if (r < 0 || (r > 0 && !dns_answers(a->answer, a->received - 2, a->id, &f->question)))
        failed(s, a);
    else if (r > 0)
        take_answer(s, a, a->answer, a->received - 2);
}

static void on_ready(struct server *s, struct watch *w, uint32_t events)
{
    struct attempt *a = (struct attempt *)w;
    (void)events;
    if (a->forward->tcp)
        on_stream(s, a);
    else
        read_datagrams(s, a);
}

/* ---- interface --------------------------------------------------------------------------------*/

struct forward *forward_start(struct server *s, const uint8_t *data, size_t size, bool tcp,
                              const struct lookup_result *finding, forward_done done, void *arg)
{
    struct forward *f = xcalloc(1, sizeof(*f) + 2 + size);
    f->framed[0] = (uint8_t)(size >> 8);
    f->framed[1] = (uint8_t)size;
    memcpy(f->framed + 2, data, size);
    f->size = size;
    f->id = dns_id(data);
    (void)dns_parse(f->framed + 2, size, &f->question);
    f->tcp = tcp;
    f->done = done;
    f->arg = arg;
    f->server_count = finding->server_count;
    memcpy(f->servers, finding->servers, sizeof(f->servers));
    for (size_t i = 0; i < LOOKUP_SERVERS; i++) {
        f->attempts[i].watch = (struct watch){.ready = on_ready, .fd = -1};
        f->attempts[i].forward = f;
    }
    f->end = s->now + GIVE_UP_AFTER;
    f->after = s->forwards;
    if (f->after)
        f->after->before = f;
    s->forwards = f;
    try_next(s, f);
    return f;
}

int64_t forward_clock(struct server *s)
{
    int64_t first = INT64_MAX;
    for (struct forward *f = s->forwards, *after; f; f = after) {
        after = f->after;
        if (f->end <= s->now) {
            finish(s, f, NULL, 0); /* this ends no other forward */
            continue;
        }
        if (f->next <= s->now)
            try_next(s, f);
        int64_t due = f->next < f->end ? f->next : f->end;
        first = due < first ? due : first;
    }
    return first;
}
