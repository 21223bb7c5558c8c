/* The registers of the rule that is being evaluated, and its outcomes. */
#include "eval.h"

#include <linux/netfilter/nf_tables.h>
#include <string.h>

/* Registers 1 to 4 are the old, wide names of the same memory. */
size_t regs_at(uint32_t reg)
{
    size_t at = reg <= NFT_REG_4 ? (size_t)(reg - 1) * 16 : (size_t)(reg - NFT_REG32_00) * 4;
    return at < REGISTERS ? at : 0;
}

/* The kernel fills whole registers: it zeroes the rest of the last one. */
void regs_put(struct regs *m, uint32_t reg, const void *value, const void *known, size_t size)
{
    size_t at = regs_at(reg), padded = (size + 3) / 4 * 4;
    if (padded > REGISTERS - at)
        padded = REGISTERS - at;
    if (size > padded)
        size = padded;
    memset(m->known + at, 0xff, padded);
    memset(m->value + at, 0, padded);
    if (value)
        memcpy(m->value + at, value, size);
    if (!value)
        memset(m->known + at, 0, size);
    else if (known)
        memcpy(m->known + at, known, size);
}

void regs_require(struct regs *m, enum tri t)
{
    if (t < m->match)
        m->match = t;
    m->done = m->done || m->match == NO;
}

void regs_end(struct regs *m, unsigned outcomes)
{
    m->outcomes |= outcomes;
    m->done = true;
}

void regs_write(const struct regs *m, struct nft_bits *to, struct nft_bits value)
{
    bool certain = m->match == YES && !m->uncertain;
    *to = certain ? value : (struct nft_bits){0};
    to->value &= to->known;
}
