/* The transport below the firewall: a connection to nf_tables, transactions and small requests.
 *
 * A transaction is a buffer of netlink messages between BEGIN and END, sent by one sendmsg(). The
 * kernel works through all of it inside that call, so when it returns every answer is already
 * waiting: nothing here ever blocks on the kernel. Knows messages, not what they mean.
 */
#pragma once

#include <netctr/base.h>

#include <stdint.h>

struct nlmsghdr;
struct nft;
struct nft_batch;

/** Connects to nf_tables of the caller's network namespace. */
int nft_open(struct nft **out, struct err *e);
void nft_close(struct nft *n); /**< accepts NULL */

/** The longest message that may be written where nft_batch_message() points. */
#define NFT_MESSAGE_MAX (16 * 1024)

struct nft_batch *nft_batch_new(void);
void nft_batch_free(struct nft_batch *b); /**< accepts NULL */
void nft_batch_cleanup(struct nft_batch **b);
#define _cleanup_nft_batch_ __attribute__((cleanup(nft_batch_cleanup)))
void nft_batch_empty(struct nft_batch *b);

/** Starts a message of @type (NFT_MSG_…) and returns its header, to be extended by the caller
 *  until the next call. @what says what it does ("add published port tcp 8080"); it is freed here. */
struct nlmsghdr *nft_batch_message(struct nft_batch *b, uint16_t type, uint16_t flags,
                                   uint8_t family, char *what);

/** Hands every message that was begun to @each, with what was said about it. */
void nft_batch_each(struct nft_batch *b,
                    void (*each)(const struct nlmsghdr *message, const char *what, void *arg),
                    void *arg);

/** For input that cannot be sent at all: the next commit fails with this and sends nothing. */
void nft_batch_refuse(struct nft_batch *b, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** Refusals that a transaction may do without: they are left out and the rest is sent again. */
enum nft_tolerate {
    NFT_TOLERATE_NOTHING = 0,
    NFT_TOLERATE_ABSENT = 1, /**< ENOENT */
    NFT_TOLERATE_TAKEN = 2,  /**< EEXIST */
};

/** Sends the batch as one transaction and empties it. On failure the kernel has changed nothing,
 *  and @e names the first message that it refused. */
int nft_batch_commit(struct nft *n, struct nft_batch *b, enum nft_tolerate tolerate, struct err *e);

/** Sends one request outside any transaction and hands every answer to @each (which returns
 *  MNL_CB_OK). A dump is read as a whole first, again if something changes meanwhile. 0 or a negative errno. */
int nft_request(struct nft *n, struct nlmsghdr *request,
                int (*each)(const struct nlmsghdr *answer, void *data), void *data);

