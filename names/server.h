/* What the parts of one server process share: the loop, and what each part does in a round of it. One round
 * takes what epoll has, receives what has come by UDP, answers some of it, and looks at the clocks.
 */
#pragma once

#include "names/lookup.h"
#include "names/queue.h"
#include "names/shared.h"

#include <sys/epoll.h>

#define ANSWER_MAX UINT16_MAX

struct server;

/* Something that epoll tells of. What is closed in the middle of a round stays until its end, as an event may
 * be on its way: it has no fd then. */
struct watch {
    void (*ready)(struct server *s, struct watch *w, uint32_t events);
    int fd;
};

struct forward;
struct connection;

struct server {
    int names, epoll;
    int64_t now; /* ms, at the beginning of the round */
    struct shared_server *own, *other;

    struct watch udp[2], listeners[2];
    bool readable[2]; /* there may be more in udp[i] than has been received */
    unsigned batch;   /* how many to receive at once: more when more come */
    unsigned free_count;
    uint16_t free[SLOTS]; /* the one used last is used next: few are ever touched */
    struct queue queue;
    struct forward *of_slot[SLOTS];

    struct forward *forwards, *ended_forwards;
    struct connection *connections, *ended_connections;
    unsigned connection_count;

    int64_t look_at; /* at the other server, when */
    bool watches;    /* it had questions then, and since that moment its progress is: */
    int64_t since;
    uint64_t progress;

    uint8_t buffer[2 + ANSWER_MAX]; /* of whoever is at work */
};

/** Puts @w into the loop; 0 or -errno. */
int server_watch(struct server *s, struct watch *w, uint32_t events);
int server_rewatch(struct server *s, struct watch *w, uint32_t events);
void server_unwatch(struct watch *w); /**< closes its fd, which takes it out of the loop */

enum verdict { VERDICT_DROP, VERDICT_ANSWER, VERDICT_FORWARD };
/** What is to be done with a question. VERDICT_ANSWER: the answer is in @out, which has room for
 *  max(DNS_PLAIN, dns_limit()), and its size in @out_size. VERDICT_FORWARD: @q and @f say how. */
enum verdict server_judge(struct server *s, const struct ip *asker, const uint8_t *data,
                          size_t size, bool tcp, struct dns_question *q, struct finding *f,
                          uint8_t *out, size_t *out_size);
struct ip asker_ip(const union asker_address *a);

/* ---- names/udp.c -----------------------------------------------------------------------------*/

int udp_start(struct server *s, const struct name_sockets *sockets);
void udp_receive(struct server *s);
void udp_answer(struct server *s);
/** Something is left to do at once. */
bool udp_pending(const struct server *s);
/** Takes the questions of the other server. */
void udp_take_over(struct server *s);
/** Lets go of what the other server has taken from us while we stood still. */
void udp_let_go(struct server *s);

/* ---- names/tcp.c -----------------------------------------------------------------------------*/

int tcp_start(struct server *s, const struct name_sockets *sockets);
int64_t tcp_clock(struct server *s); /**< when it is to be called again */
void tcp_reap(struct server *s);

/* ---- names/forward.c -------------------------------------------------------------------------
 * A question that others are to answer. */

/** @answer has the asker's id; NULL: nobody has answered in time. The forward is gone by then. */
typedef void (*forward_done)(struct server *s, void *arg, const uint8_t *answer, size_t size);
/** Passes on the question in @data to the servers in @f, which has at least one. Never calls @done itself. */
struct forward *forward_start(struct server *s, const uint8_t *data, size_t size, bool tcp,
                              const struct finding *f, forward_done done, void *arg);
void forward_cancel(struct server *s, struct forward *f); /**< accepts NULL */
/** Is it the same question, with the same id? */
bool forward_is_of(const struct forward *f, const uint8_t *data, size_t size);
int64_t forward_clock(struct server *s);
void forward_reap(struct server *s);
