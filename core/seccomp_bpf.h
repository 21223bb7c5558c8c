/* Classic BPF for seccomp: a program that maps numbers to answers, written backwards.
 *
 * BPF jumps forwards only. So the last instruction is written first, and every place that a jump may
 * name is there already when the jump is written: there is nothing to patch. A conditional jump reaches
 * 255 instructions far; where that is not enough, a copy of the answer, or a long jump, is put nearer.
 */
#pragma once

#include <netctr/base.h>

#include <linux/filter.h>

enum { BPF_ROOM = 1024 };

struct bpf_program {
    struct sock_filter insns[BPF_ROOM]; /**< the last @len of them are written */
    size_t len;
    bool full; /**< it did not fit; what is written is no program */
};

/** A place in a program, as its distance from the end: it does not change when more is written. */
typedef size_t bpf_place;

/** Numbers from @first up to the next run's first; the last run ends with UINT32_MAX. */
struct bpf_run {
    uint32_t first;
    unsigned answer; /**< index into the answers, below */
};

/** The instructions so far, in the order in which they run. */
static inline const struct sock_filter *bpf_code(const struct bpf_program *p)
{
    return p->insns + BPF_ROOM - p->len;
}

/** "Return @value"; the place of it. */
bpf_place bpf_return(struct bpf_program *p, uint32_t value);

/** Loads the word at @offset of struct seccomp_data and goes on at @next; the place of the load. */
bpf_place bpf_load(struct bpf_program *p, size_t offset, bpf_place next);

/** A conditional jump (BPF_JEQ, BPF_JGE, BPF_JGT or BPF_JSET) on what is loaded; the place of it. @yes
 *  and @no may be set to places that are nearer and do the same. */
bpf_place bpf_branch(struct bpf_program *p, uint16_t test, uint32_t k, bpf_place *yes,
                     bpf_place *no);

/** Finds the run of the number that is loaded, by binary search, and goes on at the place of its answer,
 *  @answers[run.answer]; the place where the search begins. @runs begins with number 0, is in order,
 *  and neighbours have different answers. The places in @answers may become nearer ones. */
bpf_place bpf_search(struct bpf_program *p, const struct bpf_run *runs, size_t count,
                     bpf_place *answers);
