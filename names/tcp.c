/* Questions over TCP, used when an answer is too long for UDP. A connection handles one question at
 * a time; what follows waits in the kernel. The number of connections is small, so no client may
 * hold them all: when there is no room for a new one, the client with the most loses one. */
#include "names/server.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>

#define CONNECTIONS_MAX 128
#define CONNECTIONS_OF_ONE 16
#define IDLE_MS 10000
#define HALF_MS 5000
#define ACCEPT_MAX 64 /* per round */

struct connection {
    struct watch watch;
    struct connection *before, *after;
    struct ip asker;
    struct forward *forward;
    int64_t due;     /* when to close it if nothing happens */
    size_t received; /* bytes received of length and question */
    uint8_t *answer; /* with its length; NULL: reading or waiting for a question */
    size_t answer_size, sent;
    bool last; /* the stream is out of step: close after the answer */
    uint8_t question[2 + DNS_QUESTION];
};

static void hang_up(struct server *s, struct connection *c)
{
    server_unwatch(&c->watch);
    forward_cancel(s, take_ptr(c->forward));
    free(take_ptr(c->answer));
    *(c->before ? &c->before->after : &s->connections) = c->after;
    if (c->after)
        c->after->before = c->before;
    c->after = s->ended_connections;
    s->ended_connections = c;
    atomic_store(&s->own->connections, --s->connection_count);
}

void tcp_reap(struct server *s)
{
    for (struct connection *c; (c = s->ended_connections);) {
        s->ended_connections = c->after;
        free(c);
    }
}

/* ---- questions and answers -------------------------------------------------------------------*/

static void write_answer(struct server *s, struct connection *c)
{
    ssize_t n = send(c->watch.fd, c->answer + c->sent, c->answer_size - c->sent, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        hang_up(s, c);
        return;
    }
    c->sent += n < 0 ? 0 : (size_t)n;
    if (n > 0)
        c->due = s->now + IDLE_MS;
    bool whole = c->sent == c->answer_size;
    if (whole) {
        free(take_ptr(c->answer));
        c->received = 0;
    }
    if ((whole && c->last) || server_rewatch(s, &c->watch, whole ? EPOLLIN : EPOLLOUT) < 0)
        hang_up(s, c);
}

/* The 2 bytes before @answer are reserved for its length. */
static void send_answer(struct server *s, struct connection *c, const uint8_t *answer, size_t size)
{
    c->answer = xcalloc(2 + size, 1);
    c->answer[0] = (uint8_t)(size >> 8);
    c->answer[1] = (uint8_t)size;
    memcpy(c->answer + 2, answer, size);
    c->answer_size = 2 + size;
    c->sent = 0;
    write_answer(s, c);
}

static void on_answer(struct server *s, void *arg, const uint8_t *answer, size_t size)
{
    struct connection *c = arg;
    struct dns_question q;
    uint8_t failure[DNS_PLAIN];
    c->forward = NULL;
    c->due = s->now + IDLE_MS;
    if (!answer) {
        (void)dns_parse(c->question + 2, c->received - 2, &q);
        size = dns_answer(&q, DNS_SERVFAIL, NULL, 0, failure, sizeof(failure));
        answer = failure;
    }
    send_answer(s, c, answer, size);
}

static void take_question(struct server *s, struct connection *c)
{
    const uint8_t *data = c->question + 2;
    size_t size = c->received - 2, answer_size = 0;
    struct dns_question q;
    _cleanup_lookup_result_ struct lookup_result f = {0};
    c->due = s->now + IDLE_MS;
    switch (server_decide(s, &c->asker, data, size, true, &q, &f, s->buffer, &answer_size)) {
    case VERDICT_DROP: hang_up(s, c); return;
    case VERDICT_ANSWER: send_answer(s, c, s->buffer, answer_size); return;
    case VERDICT_FORWARD: break;
    }
    if (server_rewatch(s, &c->watch, 0) < 0) { /* EPOLLHUP is reported anyway */
        hang_up(s, c);
        return;
    }
    c->due = INT64_MAX;
    c->forward = forward_start(s, data, size, true, &f, on_answer, c);
}

/* Of a question that is too long, the beginning suffices to refuse it. */
static size_t wanted_of(struct connection *c)
{
    if (c->received < 2)
        return 2;
    size_t length = (size_t)(c->question[0] << 8 | c->question[1]);
    c->last = length > DNS_QUESTION;
    return 2 + (c->last ? DNS_HEADER : length);
}

static void read_question(struct server *s, struct connection *c)
{
    for (;;) {
        size_t wanted = wanted_of(c);
        if (c->received >= 2 && c->received == wanted)
            break;
        ssize_t n = recv(c->watch.fd, c->question + c->received, wanted - c->received, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n <= 0) {
            hang_up(s, c);
            return;
        }
        if (c->received == 0)
            c->due = s->now + HALF_MS;
        c->received += (size_t)n;
    }
    take_question(s, c);
}

static void on_ready(struct server *s, struct watch *w, uint32_t events)
{
    struct connection *c = (struct connection *)w;
    if (c->forward) { /* while forwarding, only a hangup is reported */
        if (events & (EPOLLHUP | EPOLLERR))
            hang_up(s, c);
    } else if (c->answer) {
        write_answer(s, c);
    } else {
        read_question(s, c);
    }
}

/* ---- connections -----------------------------------------------------------------------------*/

static unsigned count_of(const struct server *s, const struct ip *asker)
{
    unsigned count = 0;
    for (const struct connection *c = s->connections; c; c = c->after)
        count += ip_equal(&c->asker, asker);
    return count;
}

static bool is_idle(const struct connection *c)
{
    return !c->forward && !c->answer;
}

/* The list starts with the newest. */
static struct connection *oldest(const struct server *s, const struct ip *asker, bool busy_too)
{
    struct connection *found = NULL;
    for (struct connection *c = s->connections; c; c = c->after)
        if ((busy_too || is_idle(c)) && ip_equal(&c->asker, asker))
            found = c;
    return found;
}

static const struct ip *largest_holder(const struct server *s, unsigned *most)
{
    const struct ip *who = NULL;
    *most = 0;
    for (const struct connection *c = s->connections; c; c = c->after) {
        unsigned count = count_of(s, &c->asker);
        if (count > *most) {
            *most = count;
            who = &c->asker;
        }
    }
    return who;
}

/* Is there room for another connection of @asker? Clients with more than @asker would have must
 * give one up, even one in use. Otherwise clients that read slowly, or ask slow servers, would keep
 * all connections. */
static bool make_room(struct server *s, const struct ip *asker)
{
    unsigned most = 0, held = count_of(s, asker);
    const struct ip *giver = asker;
    if (held < CONNECTIONS_OF_ONE) {
        if (s->connection_count < CONNECTIONS_MAX)
            return true;
        giver = largest_holder(s, &most);
        if (most <= held)
            giver = asker;
    }
    bool other = !ip_equal(giver, asker);
    struct connection *c = oldest(s, giver, false);
    if (!c && other && most > held + 1)
        c = oldest(s, giver, true);
    if (c)
        hang_up(s, c);
    return c;
}

static void admit(struct server *s, int fd, const struct ip *asker)
{
    struct connection *c = xcalloc(1, sizeof(*c));
    int yes = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    c->watch = (struct watch){on_ready, fd};
    c->asker = *asker;
    c->due = s->now + IDLE_MS;
    c->after = s->connections;
    if (c->after)
        c->after->before = c;
    s->connections = c;
    atomic_store(&s->own->connections, ++s->connection_count);
    if (server_watch(s, &c->watch, EPOLLIN) < 0)
        hang_up(s, c);
}

static void on_listener(struct server *s, struct watch *w, uint32_t events)
{
    (void)events;
    for (int i = 0; i < ACCEPT_MAX; i++) {
        union asker_address address = {0};
        socklen_t size = sizeof(address);
        _cleanup_close_ int fd = accept4(w->fd, &address.any, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == ECONNABORTED || errno == EINTR))
            continue;
        if (fd < 0)
            return;
        const struct ip asker = asker_ip(&address);
        if (asker.family && make_room(s, &asker))
            admit(s, take_fd(fd), &asker);
    }
}

int64_t tcp_clock(struct server *s)
{
    int64_t first = INT64_MAX;
    for (struct connection *c = s->connections, *after; c; c = after) {
        after = c->after;
        if (c->due <= s->now)
            hang_up(s, c);
        else
            first = c->due < first ? c->due : first;
    }
    return first;
}

int tcp_start(struct server *s, const struct name_sockets *sockets)
{
    const int fds[] = {sockets->tcp4, sockets->tcp6};
    int r = 0;
    atomic_store(&s->own->connections, 0);
    for (int i = 0; i < 2; i++) {
        s->listeners[i] = (struct watch){on_listener, fds[i]};
        if (fds[i] >= 0 && r == 0)
            r = server_watch(s, &s->listeners[i], EPOLLIN);
    }
    return r;
}
