/* The expressions of a rule, one short function each: what `nft --debug=netlink` prints as one
 * line in brackets. @reg is a 32-bit register (NFT_REG32_00 …); the kernel takes wide values from there
 * on, and reports them in the old 128-bit names where those fit.
 */
#pragma once

#include <netctr/base.h>

#include <stdint.h>

struct nftnl_rule;

void expr_meta(struct nftnl_rule *r, uint32_t key, uint32_t reg);
void expr_ct(struct nftnl_rule *r, uint32_t key, uint32_t reg);
void expr_payload(struct nftnl_rule *r, uint32_t base, uint32_t offset, uint32_t size,
                  uint32_t reg);
/** A field of IPv6's extension header @type, wherever in the chain of headers it is. */
void expr_exthdr(struct nftnl_rule *r, uint32_t type, uint32_t offset, uint32_t size, uint32_t reg);
/** One byte: 1 if there is such a header, else 0. */
void expr_has_exthdr(struct nftnl_rule *r, uint32_t type, uint32_t reg);
/** fib daddr type */
void expr_fib_daddr_type(struct nftnl_rule *r, uint32_t reg);

/** @op is NFT_CMP_EQ, NFT_CMP_NEQ or NFT_CMP_GTE. */
void expr_cmp(struct nftnl_rule *r, uint32_t op, uint32_t reg, const void *data, uint32_t size);
/** reg = reg & mask */
void expr_and(struct nftnl_rule *r, uint32_t reg, const void *mask, uint32_t size);

/** @set_id names a set of the same transaction; an anonymous one has no other name yet. */
void expr_in_set(struct nftnl_rule *r, const char *set, uint32_t set_id, uint32_t reg, bool not_in);
/** Looks up a map: the value goes to @to, a verdict to NFT_REG_VERDICT. */
void expr_map(struct nftnl_rule *r, const char *set, uint32_t set_id, uint32_t reg, uint32_t to);

/** @family is NFPROTO_IPV4 or NFPROTO_IPV6. */
void expr_dnat(struct nftnl_rule *r, uint32_t family, uint32_t address_reg, uint32_t port_reg);
void expr_masquerade(struct nftnl_rule *r);
void expr_counter(struct nftnl_rule *r);
/** @chain for NFT_GOTO, otherwise NULL. */
void expr_verdict(struct nftnl_rule *r, uint32_t verdict, const char *chain);

/** For libnftnl's allocators, which fail like xcalloc() only for want of a few bytes: same end. */
void *nft_must(void *allocated);

