/* The memory that both servers see, which outlives either. A question lies there from the moment that the
 * kernel has taken it out of the socket: it is received right into its slot, and so is its length.
 *
 * Only the owner of a table gives out its slots and writes what is in them. The other server may take a
 * question away: it copies it, and then sets the slot free in one step, which fails if the owner has done
 * anything with it since. So a question may be answered twice, but not be lost, and nobody works on bytes
 * that change.
 */
#pragma once

#include "names/dns.h"

#include <netctr/names.h>

#include <stdatomic.h>
#include <sys/socket.h>

#define SLOTS 512
#define BATCH 32 /* received by one call */

enum slot_state {
    SLOT_FREE,
    SLOT_RECEIVING, /* by the call that the owner is in, or was in when it was killed */
    SLOT_RECEIVED,
    SLOT_PENDING, /* passed on to another server, whose answer is waited for */
};
/* With a number that tells each use of the slot from the one before. */
#define STATE_OF(word) ((enum slot_state)((word)&7))
#define STATE_WORD(word, state) (((word) & ~(uint64_t)7) | (state))
#define NEXT_USE(word, state) ((((word) | 7) + 1) | (state))

union asker_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

struct slot {
    uint32_t header; /* the one of the batch that it is received by */
    uint32_t size;   /* from SLOT_RECEIVED on; more than DNS_QUESTION: it was longer */
    uint32_t control_size;
    union asker_address asker;
    uint8_t control[64] __attribute__((aligned(8))); /* which address it was sent to */
    uint8_t data[DNS_QUESTION];
};

struct shared_server {
    _Atomic uint64_t progress;
    _Atomic uint32_t connections; /* TCP */
    _Atomic uint64_t states[SLOTS];
    struct mmsghdr headers[BATCH];
    struct iovec vectors[BATCH];
    struct slot slots[SLOTS];
};

struct names_shared {
    uint64_t magic;
    struct shared_server servers[NAME_SERVERS];
};

/** Is there a question in the slot, whose state is @word? */
bool slot_holds(const struct shared_server *s, unsigned slot, uint64_t word);
/** Puts right what the headers say of a slot that was SLOT_RECEIVING. */
void slot_settle(const struct shared_server *s, struct slot *slot);
/** From the state @from to another, unless somebody has changed it since. */
bool slot_change(struct shared_server *s, unsigned slot, uint64_t from, enum slot_state to);
