/* Shared by the parts of one server process: the loop, and what each part does in one round. A
 * round handles epoll's events, receives from UDP, answers some questions, and checks the
 * timers. */
#pragma once

#include "names/lookup.h"
#include "names/queue.h"
#include "names/shared.h"

#include <sys/epoll.h>

#define ANSWER_MAX UINT16_MAX

struct server;

/* An fd in the loop, with its handler. When it is closed during a round, it stays allocated
 * (without an fd) until the end of the round, because an event for it may be pending. */
struct watch {
    void (*ready)(struct server *s, struct watch *w, uint32_t events);
    int fd;
};

struct forward;
struct connection;

struct server {
    int names, epoll;
    int64_t now; /* ms, at the start of the round */
    struct shared_server *own, *other;

    struct watch udp[2], listeners[2];
    bool readable[2]; /* udp[i] may hold more than was received */
    unsigned batch;   /* how many to receive per call; grows with the load */
    unsigned free_count;
    uint16_t free[SLOTS]; /* a stack: the last used slot is used next, so few are ever touched */
    struct queue queue;
    struct forward *of_slot[SLOTS];

    struct forward *forwards, *ended_forwards;
    struct connection *connections, *ended_connections;
    unsigned connection_count;

    int64_t look_at; /* when to look at the other server */
    bool watches;    /* it had questions at the last look; its progress then: */
    int64_t since;
    uint64_t progress;

    uint8_t buffer[2 + ANSWER_MAX]; /* scratch space of the current handler */
};

/* ---- names/watch.c ---------------------------------------------------------------------------*/

/** Adds @w to the loop. 0 or -errno. */
int server_watch(struct server *s, struct watch *w, uint32_t events);
int server_rewatch(struct server *s, struct watch *w, uint32_t events);
void server_unwatch(struct watch *w); /**< closes its fd, which removes it from the loop */

/* ---- names/decide.c --------------------------------------------------------------------------*/

enum verdict { VERDICT_DROP, VERDICT_ANSWER, VERDICT_FORWARD };
/** Decides what to do with a question. VERDICT_ANSWER: the answer is in @out (room for
 *  max(DNS_PLAIN, dns_limit()) bytes), its size in @out_size. VERDICT_FORWARD: @q and @f say
 *  how. */
enum verdict server_decide(struct server *s, const struct ip *asker, const uint8_t *data,
                           size_t size, bool tcp, struct dns_question *q, struct lookup_result *f,
                           uint8_t *out, size_t *out_size);

/* ---- names/udp.c -----------------------------------------------------------------------------*/

struct ip asker_ip(const union asker_address *a);
int udp_start(struct server *s, const struct name_sockets *sockets);
void udp_receive(struct server *s);
void udp_answer(struct server *s);
/** Is there work left that needs no event? */
bool udp_pending(const struct server *s);
/** Takes over the questions of the other server. */
void udp_take_over(struct server *s);
/** Forgets the questions that the other server has taken over while this one was stopped. */
void udp_forget_taken(struct server *s);

/* ---- names/tcp.c -----------------------------------------------------------------------------*/

int tcp_start(struct server *s, const struct name_sockets *sockets);
int64_t tcp_clock(struct server *s); /**< when to call it again */
void tcp_reap(struct server *s);

/* ---- names/forward.c -------------------------------------------------------------------------
 * A question that another server answers. */

/** @answer has the client's id; NULL: no answer in time. The forward is freed by then. */
typedef void (*forward_done)(struct server *s, void *arg, const uint8_t *answer, size_t size);
/** Forwards the question in @data to the servers in @f, at least one. Never calls @done before it
 *  returns. */
struct forward *forward_start(struct server *s, const uint8_t *data, size_t size, bool tcp,
                              const struct lookup_result *f, forward_done done, void *arg);
void forward_cancel(struct server *s, struct forward *f); /**< accepts NULL */
/** Is it the same question with the same id? */
bool forward_is_of(const struct forward *f, const uint8_t *data, size_t size);
int64_t forward_clock(struct server *s);
void forward_reap(struct server *s);
