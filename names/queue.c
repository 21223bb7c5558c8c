/* Askers are in a hash table with a secret seed. Those with waiting questions form a ring, in which
 * each goes to the end after its turn. */
#include "names/queue.h"

#include <string.h>
#include <sys/random.h>

void queue_init(struct queue *q)
{
    *q = (struct queue){.turn = QUEUE_NONE, .behind = QUEUE_NONE};
    (void)getrandom(&q->seed, sizeof(q->seed), GRND_NONBLOCK);
    for (uint16_t i = 0; i < SLOTS; i++) {
        q->buckets[i] = q->asker[i] = QUEUE_NONE;
        q->askers[i].next = i + 1 < SLOTS ? (uint16_t)(i + 1) : QUEUE_NONE;
    }
}

static unsigned bucket_of(const struct queue *q, const struct ip *address)
{
    uint32_t hash = q->seed;
    for (size_t i = 0; i < ip_size(address); i++)
        hash = (hash ^ address->bytes[i]) * 0x01000193;
    return (hash ^ hash >> 15) % SLOTS;
}

static uint16_t find(const struct queue *q, const struct ip *address)
{
    uint16_t a = q->buckets[bucket_of(q, address)];
    while (a != QUEUE_NONE && !ip_equal(&q->askers[a].address, address))
        a = q->askers[a].next;
    return a;
}

static uint16_t largest_holder(const struct queue *q)
{
    uint16_t most = 0;
    for (uint16_t i = 1; i < SLOTS; i++)
        if (q->askers[i].held > q->askers[most].held)
            most = i;
    return most;
}

/* Prefers a waiting question: to lose that costs less than one whose answer is on its way. */
static uint16_t slot_of(const struct queue *q, uint16_t asker)
{
    if (q->askers[asker].first != QUEUE_NONE)
        return q->askers[asker].last;
    for (uint16_t i = 0; i < SLOTS; i++)
        if (q->asker[i] == asker)
            return i;
    return QUEUE_NONE;
}

unsigned queue_held(const struct queue *q, const struct ip *address)
{
    uint16_t a = find(q, address);
    return a == QUEUE_NONE ? 0 : q->askers[a].held;
}

bool queue_admits(const struct queue *q, const struct ip *address, uint16_t *instead)
{
    *instead = QUEUE_NONE;
    if (q->taken <= SLOTS / 2)
        return true;
    unsigned held = queue_held(q, address);
    if (held >= QUEUE_SHARE)
        return false;
    if (q->taken < QUEUE_ROOM)
        return true;
    uint16_t most = largest_holder(q);
    if (held + 1 >= q->askers[most].held)
        return false;
    *instead = slot_of(q, most);
    return *instead != QUEUE_NONE;
}

static uint16_t enter(struct queue *q, const struct ip *address)
{
    uint16_t a = find(q, address);
    if (a != QUEUE_NONE)
        return a;
    uint16_t *bucket = &q->buckets[bucket_of(q, address)];
    a = q->free;
    struct queue_asker *asker = &q->askers[a];
    q->free = asker->next;
    *asker = (struct queue_asker){
        .address = *address, .first = QUEUE_NONE, .last = QUEUE_NONE, .next = *bucket};
    *bucket = a;
    return a;
}

static void leave(struct queue *q, uint16_t a)
{
    uint16_t *at = &q->buckets[bucket_of(q, &q->askers[a].address)];
    while (*at != a)
        at = &q->askers[*at].next;
    *at = q->askers[a].next;
    q->askers[a] = (struct queue_asker){.next = q->free};
    q->free = a;
}

static void ring_append(struct queue *q, uint16_t a)
{
    q->askers[a].turn = QUEUE_NONE;
    if (q->turn == QUEUE_NONE)
        q->turn = a;
    else
        q->askers[q->behind].turn = a;
    q->behind = a;
}

static void ring_remove(struct queue *q, uint16_t a)
{
    uint16_t before = QUEUE_NONE;
    uint16_t *at = &q->turn;
    while (*at != a) {
        before = *at;
        at = &q->askers[*at].turn;
    }
    *at = q->askers[a].turn;
    if (q->behind == a)
        q->behind = before;
}

void queue_add(struct queue *q, uint16_t slot, const struct ip *address)
{
    uint16_t a = enter(q, address);
    struct queue_asker *asker = &q->askers[a];
    asker->held++;
    q->taken++;
    q->asker[slot] = a;
    q->waits[slot] = true;
    q->next[slot] = QUEUE_NONE;
    if (asker->first == QUEUE_NONE) {
        asker->first = slot;
        ring_append(q, a);
    } else {
        q->next[asker->last] = slot;
    }
    asker->last = slot;
}

uint16_t queue_take(struct queue *q)
{
    uint16_t a = q->turn;
    if (a == QUEUE_NONE)
        return QUEUE_NONE;
    struct queue_asker *asker = &q->askers[a];
    uint16_t slot = asker->first;
    ring_remove(q, a);
    asker->first = q->next[slot];
    if (asker->first == QUEUE_NONE)
        asker->last = QUEUE_NONE;
    else
        ring_append(q, a);
    q->waits[slot] = false;
    return slot;
}

/* Takes a waiting question out of its asker's list. */
static void withdraw(struct queue *q, uint16_t slot)
{
    uint16_t a = q->asker[slot], before = QUEUE_NONE;
    struct queue_asker *asker = &q->askers[a];
    for (uint16_t i = asker->first; i != slot; i = q->next[i])
        before = i;
    if (before == QUEUE_NONE)
        asker->first = q->next[slot];
    else
        q->next[before] = q->next[slot];
    if (asker->last == slot)
        asker->last = before;
    if (asker->first == QUEUE_NONE)
        ring_remove(q, a);
    q->waits[slot] = false;
}

void queue_release(struct queue *q, uint16_t slot)
{
    uint16_t a = q->asker[slot];
    if (q->waits[slot])
        withdraw(q, slot);
    q->asker[slot] = QUEUE_NONE;
    q->taken--;
    if (--q->askers[a].held == 0)
        leave(q, a);
}
