/* The memory that both servers share and that outlives each of them. A question is received by the
 * kernel right into its slot, and so is its length: no moment exists at which it is in no slot.
 *
 * Only the owner of a table allocates its slots and writes their contents. The other server may
 * take over a question: it copies it and then frees the slot in one atomic step, which fails if the
 * owner has touched the slot since. So a question may be answered twice, but is never lost, and
 * no server works on bytes that change.
 */
#pragma once

#include "names/dns.h"

#include <netctr/names.h>

#include <stdatomic.h>
#include <sys/socket.h>

#define SLOTS 512
#define BATCH 32 /* received with one call */

enum slot_state {
    SLOT_FREE,
    /* target of the owner's current recvmmsg(), or of the one in which it was killed */
    SLOT_RECEIVING,
    SLOT_RECEIVED,
    SLOT_PENDING, /* forwarded to another server */
};
/* With a counter that distinguishes each use of the slot. */
#define STATE_OF(word) ((enum slot_state)((word)&7))
#define STATE_WORD(word, state) (((word) & ~(uint64_t)7) | (state))
#define NEXT_USE(word, state) ((((word) | 7) + 1) | (state))

union asker_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

struct slot {
    uint32_t header; /* the message header of the batch that receives into it */
    uint32_t size;   /* valid from SLOT_RECEIVED on; above DNS_QUESTION: too long */
    uint32_t control_size;
    union asker_address asker;
    /* ancillary data: the address that it was sent to */
    uint8_t control[64] __attribute__((aligned(8)));
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

/** Does the slot, with state @word, hold a question? */
bool slot_holds(const struct shared_server *s, unsigned slot, uint64_t word);
/** Brings a slot that was SLOT_RECEIVING to the state that its headers imply. */
void slot_settle(const struct shared_server *s, struct slot *slot);
/** Changes the state from @from, unless it has changed since. False: it has. */
bool slot_change(struct shared_server *s, unsigned slot, uint64_t from, enum slot_state to);
