/* Runs a seccomp filter outside of the kernel: its verdict on a call. */
#pragma once

#include "core/seccomp.h"

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <string.h>

enum { BAD_FILTER = 0xdead };

/* Supports only the instructions that the kernel can predict (seccomp_is_const_allow): for others, or for a
 * call whose argument is loaded, the kernel runs the filter every time. */
static inline uint32_t run_filter(const struct seccomp_filter *f, const struct seccomp_data *data)
{
    uint32_t a = 0;
    for (size_t pc = 0; pc < f->len; pc++) {
        const struct sock_filter *i = &f->insns[pc];
        bool yes = false;
        switch (i->code) {
        case BPF_LD | BPF_W | BPF_ABS: memcpy(&a, (const char *)data + i->k, 4); continue;
        case BPF_ALU | BPF_AND | BPF_K: a &= i->k; continue;
        case BPF_JMP | BPF_JA: pc += i->k; continue;
        case BPF_RET | BPF_K: return i->k;
        case BPF_JMP | BPF_JEQ | BPF_K: yes = a == i->k; break;
        case BPF_JMP | BPF_JGT | BPF_K: yes = a > i->k; break;
        case BPF_JMP | BPF_JGE | BPF_K: yes = a >= i->k; break;
        case BPF_JMP | BPF_JSET | BPF_K: yes = a & i->k; break;
        default: return BAD_FILTER;
        }
        pc += yes ? i->jt : i->jf;
    }
    return BAD_FILTER;
}
