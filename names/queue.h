/* Whose question is next, and who may have how many: slots are counted by asker, and each asker has a turn
 * before any has a second one. Numbers only; knows nothing of what is in the slots.
 */
#pragma once

#include "names/shared.h"

#define QUEUE_SHARE 32             /* slots of one asker, when more than half are taken */
#define QUEUE_ROOM (SLOTS - BATCH) /* the others are for receiving into */

#define NOBODY UINT16_MAX

struct queue_asker {
    struct ip address;
    uint16_t held;        /* slots; 0: the entry is free */
    uint16_t first, last; /* of those that wait */
    uint16_t next;        /* in its bucket, or in the list of the free */
    uint16_t turn;        /* who is next, if any wait */
};
struct queue {
    struct queue_asker askers[SLOTS];
    uint16_t buckets[SLOTS];
    uint16_t free;         /* first of the free askers */
    uint16_t turn, behind; /* first and last of those whose questions wait */
    uint16_t asker[SLOTS]; /* of each slot; NOBODY: not taken */
    uint16_t next[SLOTS];  /* slot of the same asker that waits */
    bool waits[SLOTS];
    unsigned taken;
    uint32_t seed;
};

void queue_init(struct queue *q);
/** May @address have another slot? Then *@instead is NOBODY, or a slot whose owner has the most, to be given
 *  up for it. */
bool queue_admits(const struct queue *q, const struct ip *address, uint16_t *instead);
/** How many slots he has. */
unsigned queue_held(const struct queue *q, const struct ip *address);
/** The question in @slot waits for its turn. */
void queue_add(struct queue *q, uint16_t slot, const struct ip *address);
/** The slot whose turn it is: it waits no longer, but still counts. NOBODY: none waits. */
uint16_t queue_take(struct queue *q);
/** The slot is free again. */
void queue_release(struct queue *q, uint16_t slot);
