/* The search: one comparison for each border between two runs, in a balanced tree. A run of a single number
 * between two with the same answer has two borders but needs one comparison ("is it this one?"); call tables have
 * many of those. */
#include "core/seccomp_bpf.h"

#include <string.h>

enum {
    REACH = 254,   /* 255, less one that the jump's other target may still move it */
    CHAIN_MAX = 4, /* single numbers compared one after the other */
};

static bpf_place write_insn(struct bpf_program *p, struct sock_filter insn)
{
    if (p->len == BPF_ROOM)
        p->full = true;
    else
        p->insns[BPF_ROOM - ++p->len] = insn;
    return p->len;
}

static bpf_place long_jump(struct bpf_program *p, bpf_place to)
{
    return write_insn(p, (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, (uint32_t)(p->len - to)));
}

static void bring_near(struct bpf_program *p, bpf_place *place)
{
    if (p->len - *place <= REACH)
        return;
    struct sock_filter there = p->insns[BPF_ROOM - *place];
    *place = BPF_CLASS(there.code) == BPF_RET ? write_insn(p, there) : long_jump(p, *place);
}

bpf_place bpf_return(struct bpf_program *p, uint32_t value)
{
    return write_insn(p, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, value));
}

bpf_place bpf_load(struct bpf_program *p, size_t offset, bpf_place next)
{
    if (next != p->len)
        long_jump(p, next);
    return write_insn(p, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset));
}

bpf_place bpf_branch(struct bpf_program *p, uint16_t test, uint32_t k, bpf_place *yes,
                     bpf_place *no)
{
    bring_near(p, yes);
    bring_near(p, no);
    return write_insn(p, (struct sock_filter)BPF_JUMP(BPF_JMP | test | BPF_K, k,
                                                      (uint8_t)(p->len - *yes),
                                                      (uint8_t)(p->len - *no)));
}

/* ---- the search ----------------------------------------------------------------------------*/

struct search {
    struct bpf_program *program;
    const struct bpf_run *runs;
    const bool *border; /* of each run: whether its first number must be compared */
    bpf_place *answers;
};

/* A run of one number between two of the same answer is no border, and neither is the run after it. */
static void find_borders(const struct bpf_run *runs, size_t count, bool *border)
{
    for (size_t i = 0; i < count; i++)
        border[i] = true;
    for (size_t i = 1; i + 1 < count; i++) {
        if (border[i] && runs[i + 1].first - runs[i].first == 1 &&
            runs[i + 1].answer == runs[i - 1].answer)
            border[i] = border[i + 1] = false;
    }
}

/* Where to divide the runs from @begin to @end: at the border nearest to the middle. Without one they
 * are single numbers among others that have all the same answer; of those few are not divided: 0. */
static size_t choose_split(const struct search *s, size_t begin, size_t end)
{
    if (end - begin == 1)
        return 0;
    size_t middle = begin + (end - begin) / 2;
    for (size_t away = 0; away < end - begin; away++) {
        if (middle + away < end && s->border[middle + away])
            return middle + away;
        if (middle > begin + away && s->border[middle - away])
            return middle - away;
    }
    /* the runs that are not single have an even distance from the first */
    return end - begin > 2 * CHAIN_MAX + 1 ? middle - (middle - begin) % 2 : 0;
}

/* One comparison after the other; @begin has the answer of all others. */
static bpf_place *write_chain(const struct search *s, size_t begin, size_t end, bpf_place *own)
{
    bpf_place *next = &s->answers[s->runs[begin].answer];
    for (size_t i = begin + 1; i < end; i += 2) {
        *own =
            bpf_branch(s->program, BPF_JEQ, s->runs[i].first, &s->answers[s->runs[i].answer], next);
        next = own;
    }
    return next;
}

/* Returns where the search through @begin … @end begins: *@own, or the place of an answer if there is
 * nothing to search. */
static bpf_place *write_search(const struct search *s, size_t begin, size_t end, bpf_place *own)
{
    size_t split = choose_split(s, begin, end);
    if (!split)
        return write_chain(s, begin, end, own);
    bpf_place low = 0, high = 0;
    bpf_place *above = write_search(s, split, end, &high);
    bpf_place *below = write_search(s, begin, split, &low);
    *own = bpf_branch(s->program, BPF_JGE, s->runs[split].first, above, below);
    return own;
}

bpf_place bpf_search(struct bpf_program *p, const struct bpf_run *runs, size_t count,
                     bpf_place *answers)
{
    _cleanup_free_ bool *border = xcalloc(count, sizeof(*border));
    find_borders(runs, count, border);
    struct search s = {.program = p, .runs = runs, .border = border, .answers = answers};
    bpf_place own = 0;
    return *write_search(&s, 0, count, &own);
}
