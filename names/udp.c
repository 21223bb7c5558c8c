/* Questions over UDP: from the socket into slots, then one of each client in turn. Receiving comes
 * before answering, because a full kernel queue delays and loses the questions of others.
 *
 * The sockets are watched for reading and writing, edge-triggered. So epoll_wait() returns at every
 * question, even if the other server has taken it by then, and this server knows that it has to
 * watch the other one for a moment. This needs a socket that is always writable: its send buffer is
 * large and never half full.
 */
#include "names/server.h"

#include <errno.h>
#include <linux/sock_diag.h>
#include <string.h>

#define DRAIN_MAX 2048      /* received per round */
#define ANSWERS_MAX 16      /* answered per round, … */
#define ANSWERS_US 1000     /* … and none is started after this time (µs) */
#define BACKLOG (512 << 10) /* bytes in the kernel's queue that are no reason to hurry */

struct ip asker_ip(const union asker_address *a)
{
    struct ip out = {.family = a->any.sa_family};
    if (out.family == AF_INET)
        out.v4 = a->v4.sin_addr;
    else if (out.family == AF_INET6)
        out.v6 = a->v6.sin6_addr;
    else
        out.family = 0;
    return out;
}

/* Bytes waiting in the kernel's queue. */
static unsigned backlog(const struct server *s, int which)
{
    uint32_t info[SK_MEMINFO_VARS] = {0};
    socklen_t size = sizeof(info);
    return getsockopt(s->udp[which].fd, SOL_SOCKET, SO_MEMINFO, info, &size) < 0
               ? 0
               : info[SK_MEMINFO_RMEM_ALLOC];
}

/* ---- slots -----------------------------------------------------------------------------------*/

static uint64_t state(const struct shared_server *s, unsigned slot)
{
    return atomic_load_explicit(&s->states[slot], memory_order_acquire);
}

static void set_state(struct server *s, uint16_t slot, uint64_t word)
{
    atomic_store_explicit(&s->own->states[slot], word, memory_order_release);
}

/* In any state: the slot may be free already, if the other server has taken its question. */
static void put_back(struct server *s, uint16_t slot)
{
    set_state(s, slot, STATE_WORD(state(s->own, slot), SLOT_FREE));
    s->free[s->free_count++] = slot;
}

static void release(struct server *s, uint16_t slot)
{
    forward_cancel(s, take_ptr(s->of_slot[slot]));
    queue_release(&s->queue, slot);
    put_back(s, slot);
}

static void answer_at_once(struct server *s, uint16_t slot);

/* Claims the question in the slot. False: the other server has taken it. */
static bool claim(struct server *s, uint16_t slot)
{
    uint64_t word = state(s->own, slot);
    return STATE_OF(word) == SLOT_RECEIVED ||
           (STATE_OF(word) == SLOT_RECEIVING && slot_change(s->own, slot, word, SLOT_RECEIVED));
}

/* Queues the question, drops it, or drops another one that has less right to its place. */
static void admit(struct server *s, uint16_t slot)
{
    const struct ip asker = asker_ip(&s->own->slots[slot].asker);
    uint16_t instead;
    if (!asker.family || !queue_admits(&s->queue, &asker, &instead) || !claim(s, slot)) {
        if (asker.family && queue_held(&s->queue, &asker) < QUEUE_SHARE)
            answer_at_once(s, slot);
        put_back(s, slot);
        return;
    }
    if (instead != QUEUE_NONE)
        release(s, instead);
    queue_add(&s->queue, slot, &asker);
}

/* ---- receiving -------------------------------------------------------------------------------*/

static void prepare(struct server *s, unsigned header, uint16_t slot)
{
    struct slot *to = &s->own->slots[slot];
    s->own->vectors[header] = (struct iovec){to->data, sizeof(to->data)};
    s->own->headers[header] = (struct mmsghdr){.msg_hdr = {.msg_name = &to->asker,
                                                           .msg_namelen = sizeof(to->asker),
                                                           .msg_iov = &s->own->vectors[header],
                                                           .msg_iovlen = 1,
                                                           .msg_control = to->control,
                                                           .msg_controllen = sizeof(to->control)}};
    to->header = header;
    to->asker.any.sa_family = 0;
    /* touches the page, so that the kernel need not fault it in */
    to->data[sizeof(to->data) - 1] = 0;
    set_state(s, slot, NEXT_USE(state(s->own, slot), SLOT_RECEIVING));
}

/* Returns the number received. */
static unsigned receive_batch(struct server *s, int which)
{
    uint16_t slots[BATCH];
    unsigned wanted = s->batch < s->free_count ? s->batch : s->free_count;
    for (unsigned i = 0; i < wanted; i++) {
        slots[i] = s->free[--s->free_count];
        prepare(s, i, slots[i]);
    }
    int got = recvmmsg(s->udp[which].fd, s->own->headers, wanted, MSG_DONTWAIT, NULL);
    unsigned count = got < 0 ? 0 : (unsigned)got;
    for (unsigned i = wanted; i > count; i--)
        put_back(s, slots[i - 1]);
    for (unsigned i = 0; i < count; i++) {
        slot_settle(s->own, &s->own->slots[slots[i]]);
        admit(s, slots[i]);
    }
    if (wanted && count < wanted && !(got < 0 && errno == EINTR))
        s->readable[which] = false;
    if (count == wanted)
        s->batch = s->batch * 2 < BATCH ? s->batch * 2 : BATCH;
    else
        s->batch = count < 4 ? 4 : count;
    return count;
}

/* With many questions in hand, those are answered first, while the next ones wait in the kernel's
 * queue. Unless so many come that they, and those of other clients, would be lost there. */
static bool has_enough(const struct server *s, int which)
{
    return s->queue.taken > SLOTS / 2 && s->queue.turn != QUEUE_NONE && backlog(s, which) < BACKLOG;
}

void udp_receive(struct server *s)
{
    for (int which = 0; which < 2; which++)
        for (unsigned count = 0; s->readable[which] && s->free_count && count < DRAIN_MAX;) {
            if (has_enough(s, which))
                break;
            count += receive_batch(s, which);
        }
}

bool udp_pending(const struct server *s)
{
    return s->queue.turn != QUEUE_NONE || ((s->readable[0] || s->readable[1]) && s->free_count);
}

/* ---- answering -------------------------------------------------------------------------------*/

/* Ancillary data that sends the answer from the address that was asked. */
static size_t reply_control(const struct slot *slot, uint8_t *out, size_t room)
{
    uint8_t copy[sizeof(slot->control)] __attribute__((aligned(8)));
    memcpy(copy, slot->control, sizeof(copy));
    struct msghdr from = {.msg_control = copy, .msg_controllen = slot->control_size},
                  to = {.msg_control = out, .msg_controllen = room};
    struct cmsghdr *c = CMSG_FIRSTHDR(&from), *made = CMSG_FIRSTHDR(&to);
    if (!c || !made)
        return 0;
    if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO &&
        c->cmsg_len == CMSG_LEN(sizeof(struct in_pktinfo))) {
        struct in_pktinfo info;
        memcpy(&info, CMSG_DATA(c), sizeof(info));
        info.ipi_ifindex = 0;
        memcpy(CMSG_DATA(made), &info, sizeof(info));
    } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO &&
               c->cmsg_len == CMSG_LEN(sizeof(struct in6_pktinfo))) {
        struct in6_pktinfo info;
        memcpy(&info, CMSG_DATA(c), sizeof(info));
        if (!IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr))
            info.ipi6_ifindex = 0;
        memcpy(CMSG_DATA(made), &info, sizeof(info));
    } else {
        return 0;
    }
    made->cmsg_level = c->cmsg_level;
    made->cmsg_type = c->cmsg_type;
    made->cmsg_len = c->cmsg_len;
    return CMSG_SPACE(c->cmsg_len - CMSG_LEN(0));
}

static void reply(struct server *s, uint16_t slot, const uint8_t *answer, size_t size)
{
    struct slot *to = &s->own->slots[slot];
    uint8_t control[sizeof(to->control)] __attribute__((aligned(8))) = {0};
    union asker_address asker = to->asker;
    bool four = asker.any.sa_family == AF_INET;
    struct iovec vector = {(void *)(uintptr_t)answer, size};
    struct msghdr m = {.msg_name = &asker,
                       .msg_namelen = four ? sizeof(asker.v4) : sizeof(asker.v6),
                       .msg_iov = &vector,
                       .msg_iovlen = 1};
    m.msg_controllen = reply_control(to, control, sizeof(control));
    m.msg_control = m.msg_controllen ? control : NULL;
    (void)sendmsg(s->udp[four ? 0 : 1].fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void refuse(struct server *s, uint16_t slot, const struct dns_question *q, unsigned code)
{
    uint8_t answer[DNS_PLAIN];
    reply(s, slot, answer, dns_answer(q, code, NULL, 0, answer, sizeof(answer)));
}

static void on_answer(struct server *s, void *arg, const uint8_t *answer, size_t size)
{
    struct forward **of_slot = arg;
    uint16_t slot = (uint16_t)(of_slot - s->of_slot);
    *of_slot = NULL;
    if (STATE_OF(state(s->own, slot)) == SLOT_PENDING) {
        const struct slot *from = &s->own->slots[slot];
        struct dns_question q;
        if (answer)
            reply(s, slot, answer, size);
        else if (dns_parse(from->data, from->size, &q) == 0)
            refuse(s, slot, &q, DNS_SERVFAIL);
    }
    release(s, slot);
}

/* The client has repeated a question that is being forwarded: one answer is enough. */
static bool is_pending(const struct server *s, uint16_t slot)
{
    const struct slot *new = &s->own->slots[slot];
    for (uint16_t i = 0; i < SLOTS; i++)
        if (s->of_slot[i] && s->queue.asker[i] == s->queue.asker[slot] &&
            forward_is_of(s->of_slot[i], new->data, new->size) &&
            memcmp(&s->own->slots[i].asker, &new->asker,
                   new->asker.any.sa_family == AF_INET ? sizeof(new->asker.v4)
                                                       : sizeof(new->asker.v6)) == 0)
            return true;
    return false;
}

static void answer_one(struct server *s, uint16_t slot)
{
    struct slot *from = &s->own->slots[slot];
    const struct ip asker = asker_ip(&from->asker);
    uint64_t word = state(s->own, slot);
    uint8_t answer[DNS_SAFE];
    size_t size = 0;
    struct dns_question q;
    _cleanup_lookup_result_ struct lookup_result f = {0};
    enum verdict v =
        STATE_OF(word) == SLOT_RECEIVED
            ? server_decide(s, &asker, from->data, from->size, false, &q, &f, answer, &size)
            : VERDICT_DROP; /* the other server has taken it */
    if (v == VERDICT_FORWARD && !is_pending(s, slot) &&
        slot_change(s->own, slot, word, SLOT_PENDING)) {
        s->of_slot[slot] =
            forward_start(s, from->data, from->size, false, &f, on_answer, &s->of_slot[slot]);
        return;
    }
    if (v == VERDICT_ANSWER)
        reply(s, slot, answer, size);
    release(s, slot);
}

/* There is no slot to wait in for a forwarded answer, but a local answer is possible. */
static void answer_at_once(struct server *s, uint16_t slot)
{
    const struct slot *from = &s->own->slots[slot];
    const struct ip asker = asker_ip(&from->asker);
    uint8_t answer[DNS_SAFE];
    size_t size = 0;
    struct dns_question q;
    _cleanup_lookup_result_ struct lookup_result f = {0};
    if (claim(s, slot) && server_decide(s, &asker, from->data, from->size, false, &q, &f, answer,
                                        &size) == VERDICT_ANSWER)
        reply(s, slot, answer, size);
}

void udp_answer(struct server *s)
{
    int64_t end = monotonic_us() + ANSWERS_US;
    for (int i = 0; i < ANSWERS_MAX && monotonic_us() < end; i++) {
        uint16_t slot = queue_take(&s->queue);
        if (slot == QUEUE_NONE)
            break;
        answer_one(s, slot);
    }
}

/* ---- taking over ------------------------------------------------------------------------------*/

static void take_one(struct server *s, uint16_t theirs, uint64_t word)
{
    uint16_t slot = s->free[--s->free_count];
    struct slot *to = &s->own->slots[slot];
    memcpy(to, &s->other->slots[theirs], sizeof(*to));
    if (STATE_OF(word) == SLOT_RECEIVING)
        slot_settle(s->other, to);
    to->size = to->size < sizeof(to->data) ? to->size : sizeof(to->data) + 1;
    to->control_size =
        to->control_size < sizeof(to->control) ? to->control_size : sizeof(to->control);
    set_state(s, slot, NEXT_USE(state(s->own, slot), SLOT_RECEIVED));
    const struct ip asker = asker_ip(&to->asker);
    uint16_t instead;
    /* If killed between the two steps, the question is in both tables. Without room it stays where
     * it is. */
    if (queue_admits(&s->queue, &asker, &instead) && slot_change(s->other, theirs, word, SLOT_FREE))
        admit(s, slot);
    else
        put_back(s, slot);
}

void udp_take_over(struct server *s)
{
    for (uint16_t i = 0; i < SLOTS && s->free_count > BATCH; i++) {
        uint64_t word = state(s->other, i);
        if (slot_holds(s->other, i, word))
            take_one(s, i, word);
    }
}

void udp_forget_taken(struct server *s)
{
    for (uint16_t i = 0; i < SLOTS; i++)
        if (s->of_slot[i] && STATE_OF(state(s->own, i)) != SLOT_PENDING)
            release(s, i);
}

/* A question left by the predecessor. Its old place in the queue does not matter. */
static bool recover_one(struct server *s, uint16_t i, uint64_t word)
{
    struct slot *slot = &s->own->slots[i];
    const struct ip asker = asker_ip(&slot->asker);
    if (!asker.family)
        return false;
    if (STATE_OF(word) == SLOT_RECEIVING)
        slot_settle(s->own, slot);
    if (!slot_change(s->own, i, word, SLOT_RECEIVED))
        return false;
    queue_add(&s->queue, i, &asker);
    return true;
}

static void recover(struct server *s)
{
    for (uint16_t i = SLOTS; i-- > 0;) {
        uint64_t word = state(s->own, i);
        if (STATE_OF(word) == SLOT_FREE) /* reading further would allocate pages */
            s->free[s->free_count++] = i;
        else if (!slot_holds(s->own, i, word) || !recover_one(s, i, word))
            put_back(s, i);
    }
}

static void on_udp(struct server *s, struct watch *w, uint32_t events)
{
    (void)events;
    s->readable[w == &s->udp[1]] = true;
}

int udp_start(struct server *s, const struct name_sockets *sockets)
{
    const int fds[] = {sockets->udp4, sockets->udp6};
    int r = 0;
    queue_init(&s->queue);
    s->batch = 4;
    recover(s);
    for (int i = 0; i < 2; i++) {
        s->udp[i] = (struct watch){on_udp, fds[i]};
        if (fds[i] >= 0 && r == 0)
            r = server_watch(s, &s->udp[i], EPOLLIN | EPOLLOUT | EPOLLET);
    }
    return r;
}
