/* Fair queueing: slots are counted per asker, and every asker gets a turn before any gets a second
 * one. Handles numbers only and knows nothing of what the slots contain. */
#pragma once

#include "names/shared.h"

#define QUEUE_SHARE 32             /* slots per asker once more than half are taken */
#define QUEUE_ROOM (SLOTS - BATCH) /* the other slots are for receiving */

#define QUEUE_NONE UINT16_MAX

struct queue_asker {
    struct ip address;
    uint16_t held;        /* number of slots; 0: this entry is free */
    uint16_t first, last; /* of its waiting slots */
    uint16_t next;        /* next in its hash bucket, or in the free list */
    uint16_t turn;        /* next asker in the ring, if any of its slots wait */
};
struct queue {
    struct queue_asker askers[SLOTS];
    uint16_t buckets[SLOTS];
    uint16_t free;         /* head of the free list */
    uint16_t turn, behind; /* first and last of the ring */
    uint16_t asker[SLOTS]; /* owner of each slot; QUEUE_NONE: not taken */
    uint16_t next[SLOTS];  /* next waiting slot of the same asker */
    bool waits[SLOTS];
    unsigned taken;
    uint32_t seed;
};

void queue_init(struct queue *q);
/** May @address have another slot? If so, *@instead is QUEUE_NONE, or a slot of the asker with the
 *  most, which must be given up for it. */
bool queue_admits(const struct queue *q, const struct ip *address, uint16_t *instead);
/** Number of slots of this asker. */
unsigned queue_held(const struct queue *q, const struct ip *address);
/** Queues the question in @slot. */
void queue_add(struct queue *q, uint16_t slot, const struct ip *address);
/** Dequeues the slot whose turn it is; it still counts for its asker. QUEUE_NONE: none waits. */
uint16_t queue_take(struct queue *q);
/** Frees the slot. */
void queue_release(struct queue *q, uint16_t slot);
