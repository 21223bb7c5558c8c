/* The frames that a relay holds back, and what becomes of each. No descriptors here. */
#include "relay.h"

/* ---- the queue: a heap -----------------------------------------------------------------------*/

static bool is_earlier(const struct frame *a, const struct frame *b)
{
    return a->due < b->due || (a->due == b->due && a->order < b->order);
}

static void sift_up(struct relay_queue *q, size_t at, struct frame *f)
{
    for (size_t parent; at && is_earlier(f, q->heap[parent = (at - 1) / 2]); at = parent)
        q->heap[at] = q->heap[parent];
    q->heap[at] = f;
}

static void sift_down(struct relay_queue *q, size_t at, struct frame *f)
{
    for (size_t child; (child = 2 * at + 1) < q->count; at = child) {
        if (child + 1 < q->count && is_earlier(q->heap[child + 1], q->heap[child]))
            child++;
        if (is_earlier(f, q->heap[child]))
            break;
        q->heap[at] = q->heap[child];
    }
    q->heap[at] = f;
}

void relay_queue_add(struct relay_queue *q, struct frame *f)
{
    if (q->count == q->room) {
        q->room = q->room ? q->room * 2 : 256;
        q->heap = xrealloc(q->heap, q->room, sizeof(struct frame *));
    }
    f->order = q->order++;
    sift_up(q, q->count++, f);
}

struct frame *relay_queue_first(const struct relay_queue *q)
{
    return q->count ? q->heap[0] : NULL;
}

struct frame *relay_queue_take(struct relay_queue *q)
{
    struct frame *first = q->heap[0], *last = q->heap[--q->count];
    if (q->count)
        sift_down(q, 0, last);
    return first;
}

void relay_queue_forget(struct relay_queue *q, const void *owner)
{
    size_t kept = 0;
    for (size_t i = 0; i < q->count; i++) {
        if (!owner || q->heap[i]->owner == owner)
            free(q->heap[i]);
        else
            q->heap[kept++] = q->heap[i];
    }
    q->count = kept;
    for (size_t i = kept / 2; i-- > 0;)
        sift_down(q, i, q->heap[i]);
}

/* ---- chance ----------------------------------------------------------------------------------*/

/* xorshift64*: fast, and good enough for lost packets. */
static uint64_t draw(uint64_t *seed)
{
    *seed ^= *seed >> 12;
    *seed ^= *seed << 25;
    *seed ^= *seed >> 27;
    return *seed * UINT64_C(2685821657736338717);
}

uint64_t relay_random(uint64_t *seed, uint64_t end)
{
    return (draw(seed) >> 16) % end; /* @end is far below 2^48 */
}

static bool happens(uint64_t *seed, double percent)
{
    return percent > 0 && (double)(draw(seed) >> 11) / (double)(UINT64_C(1) << 53) * 100 < percent;
}

struct relay_fate relay_draw(const struct lab_impairment *m, uint64_t *seed)
{
    struct relay_fate f = {.copies = 1};
    f.copies += happens(seed, m->duplicate);
    f.copies -= happens(seed, m->loss);
    for (unsigned i = 0; i < f.copies; i++) {
        const uint64_t spread = m->jitter_us * UINT64_C(1000);
        f.of[i].corrupt = happens(seed, m->corrupt);
        if (happens(seed, m->reorder)) /* it is sent at once, ahead of those that wait */
            continue;
        f.of[i].wait_ns = m->delay_us * UINT64_C(1000);
        if (spread)
            f.of[i].wait_ns += relay_random(seed, 2 * spread + 1) - spread;
    }
    return f;
}
