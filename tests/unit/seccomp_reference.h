/* The same filter from another source: libseccomp's compilation of the table (its binary tree), after a head
 * that decides calls that it does not know. It takes a hundred times as long to compile and has five times
 * the instructions; test_seccomp_equal.c compares the two.
 */
#pragma once

#include "core/seccomp.h"
#include "core/seccomp_default.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <string.h>
#include <sys/mman.h>

enum {
    HEAD_MAX = 64,
    FILTER_MAX = BPF_MAXINSNS,   /* 4096, the kernel's limit */
    X32_BIT = 0x40000000,        /* __X32_SYSCALL_BIT */
    X32_PRIVATE_CALLS = 512,     /* x32 has its own variants from here on */
    X86_64_URETPROBE = 335,      /* not callable: the kernel inserts it into traced programs */
    ARM_PRIVATE_CALLS = 0xf0000, /* cacheflush, set_tls, … beyond all other numbers */
    FIRST_NEW = 451,             /* cachestat: the first that a libseccomp 2.5.4 may lack */
};

static bool rule_applies(const struct syscall_rule *rule, uint64_t caps)
{
    return !(rule->unless & caps) && (!rule->needs || (rule->needs & caps));
}

/* One system call of a rule. */
struct word {
    const char *next; /* where to continue */
    char name[32];
    uint32_t number; /* 0: ask libseccomp */
};

static bool next_word(struct word *w)
{
    size_t length = strcspn(w->next, " =");
    if (!length || length >= sizeof(w->name))
        return false;
    memcpy(w->name, w->next, length);
    w->name[length] = '\0';
    w->next += length;
    w->number = 0;
    if (*w->next == '=')
        w->number = (uint32_t)strtoul(w->next + 1, (char **)&w->next, 10);
    w->next += *w->next == ' ';
    return true;
}

/* ---- the head ------------------------------------------------------------------------------*/

/* Jump targets. Their positions are known only when all is written: until then the jump fields contain these. */
enum label { NEXT, SECOND_ARCH, COMPARE, ALLOW, REFUSE, NOSYS, BODY, LABELS };

struct head {
    struct sock_filter insn[HEAD_MAX];
    size_t len;
    size_t place[LABELS];
};

static void emit(struct head *h, uint16_t code, uint32_t k, enum label yes, enum label no)
{
    h->insn[h->len++] = (struct sock_filter){code, (uint8_t)yes, (uint8_t)no, k};
}

static void put_label(struct head *h, enum label label)
{
    h->place[label] = h->len;
}

static void jump_if(struct head *h, uint16_t test, uint32_t k, enum label yes, enum label no)
{
    emit(h, BPF_JMP | test | BPF_K, k, yes, no);
}

static void load(struct head *h, size_t offset)
{
    emit(h, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, NEXT, NEXT);
}

static void load_number_x86(struct head *h)
{
    jump_if(h, BPF_JEQ, AUDIT_ARCH_X86_64, NEXT, SECOND_ARCH);
    load(h, offsetof(struct seccomp_data, nr));
    /* uretprobe: refusing it would kill programs with a uprobe of the host */
    jump_if(h, BPF_JEQ, X86_64_URETPROBE, ALLOW, NEXT);
    jump_if(h, BPF_JGE, X32_BIT, NEXT, COMPARE);
    jump_if(h, BPF_JGE, X32_BIT + X32_PRIVATE_CALLS, BODY, NEXT);
    emit(h, BPF_ALU | BPF_AND | BPF_K, ~(uint32_t)X32_BIT, NEXT, NEXT);
    jump_if(h, BPF_JGE, 0, COMPARE, COMPARE);
    put_label(h, SECOND_ARCH);
    jump_if(h, BPF_JEQ, AUDIT_ARCH_I386, NEXT, BODY);
    load(h, offsetof(struct seccomp_data, nr));
}

static void load_number_arm(struct head *h)
{
    jump_if(h, BPF_JEQ, AUDIT_ARCH_AARCH64, NEXT, SECOND_ARCH);
    load(h, offsetof(struct seccomp_data, nr));
    jump_if(h, BPF_JGE, 0, COMPARE, COMPARE);
    put_label(h, SECOND_ARCH);
    jump_if(h, BPF_JEQ, AUDIT_ARCH_ARM, NEXT, BODY);
    load(h, offsetof(struct seccomp_data, nr));
    jump_if(h, BPF_JGE, ARM_PRIVATE_CALLS, BODY, NEXT);
}

/* Which of the numbers from FIRST_NEW on are allowed, as bits; the newest of our list. */
static uint64_t new_calls(uint64_t caps, uint32_t *newest)
{
    uint64_t allowed = 0;
    *newest = FIRST_NEW;
    for (size_t i = 0; i < ARRAY_LEN(seccomp_rules); i++) {
        struct word w = {.next = seccomp_rules[i].names};
        while (next_word(&w)) {
            if (!w.number)
                continue;
            *newest = w.number > *newest ? w.number : *newest;
            if (rule_applies(&seccomp_rules[i], caps))
                allowed |= UINT64_C(1) << (w.number - FIRST_NEW);
        }
    }
    return allowed;
}

static void resolve_labels(struct head *h)
{
    for (size_t i = 0; i < h->len; i++) {
        struct sock_filter *insn = &h->insn[i];
        if (BPF_CLASS(insn->code) != BPF_JMP)
            continue;
        insn->jt = insn->jt == NEXT ? 0 : (uint8_t)(h->place[insn->jt] - i - 1);
        insn->jf = insn->jf == NEXT ? 0 : (uint8_t)(h->place[insn->jf] - i - 1);
    }
}

static void build_head(uint32_t arch, uint64_t caps, struct head *h)
{
    uint32_t newest;
    uint64_t allowed = new_calls(caps, &newest);
    load(h, offsetof(struct seccomp_data, arch));
    if (arch == SCMP_ARCH_X86_64)
        load_number_x86(h);
    else
        load_number_arm(h);
    put_label(h, COMPARE);
    jump_if(h, BPF_JGE, FIRST_NEW, NEXT, BODY);
    jump_if(h, BPF_JGT, newest, NOSYS, NEXT);
    for (uint32_t number = FIRST_NEW; number <= newest; number++)
        if (!(allowed >> (number - FIRST_NEW) & 1))
            jump_if(h, BPF_JEQ, number, REFUSE, NEXT);
    put_label(h, ALLOW);
    emit(h, BPF_RET | BPF_K, SECCOMP_RET_ALLOW, NEXT, NEXT);
    put_label(h, REFUSE);
    emit(h, BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM, NEXT, NEXT);
    put_label(h, NOSYS);
    emit(h, BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS, NEXT, NEXT);
    put_label(h, BODY);
    resolve_labels(h);
}

/* ---- the body ------------------------------------------------------------------------------*/

static void release(scmp_filter_ctx *ctx)
{
    if (*ctx)
        seccomp_release(*ctx);
}

static int add_for_values(scmp_filter_ctx ctx, int number, const struct syscall_rule *rule)
{
    int r = 0;
    if (rule->when == SOCKET_FAMILY)
        for (size_t i = 0; r == 0 && i < ARRAY_LEN(seccomp_socket_families); i++)
            r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, number, 1,
                                 SCMP_A0(SCMP_CMP_EQ, seccomp_socket_families[i]));
    if (rule->when == PERSONALITY)
        for (size_t i = 0; r == 0 && i < ARRAY_LEN(seccomp_personalities); i++)
            r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, number, 1,
                                 SCMP_A0(SCMP_CMP_EQ, seccomp_personalities[i]));
    return r;
}

static int add_call(scmp_filter_ctx ctx, const char *name, const struct syscall_rule *rule,
                    struct err *e)
{
    /* A negative number exists only on another architecture of the filter. */
    int r, number = seccomp_syscall_resolve_name(name);
    if (number == __NR_SCMP_ERROR) {
        r = err_say(e, -EOPNOTSUPP, "libseccomp does not know the system call `%s`", name);
        err_hint(e, "libseccomp 2.5.4 or later is needed");
        return r;
    }
    switch (rule->when) {
    case SOCKET_OPTION: /* checked by test_seccomp.c: libseccomp compares whole arguments */
    case ALWAYS: r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, number, 0); break;
    case NOT_IMPLEMENTED: r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), number, 0); break;
    case NO_NAMESPACE_FLAGS:
        r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, number, 1,
                             SCMP_A0(SCMP_CMP_MASKED_EQ, SECCOMP_NAMESPACE_FLAGS, 0));
        break;
    default: r = add_for_values(ctx, number, rule); break;
    }
    return r < 0 ? err_set(e, r, "add a seccomp rule for `%s`", name) : 0;
}

static int add_rule(scmp_filter_ctx ctx, const struct syscall_rule *rule, struct err *e)
{
    struct word w = {.next = rule->names};
    int r = 0;
    while (r == 0 && next_word(&w))
        if (!w.number)
            r = add_call(ctx, w.name, rule, e);
    return r;
}

static int set_architectures(scmp_filter_ctx ctx, uint32_t arch, struct err *e)
{
    static const uint32_t x86[] = {SCMP_ARCH_X86_64, SCMP_ARCH_X86, SCMP_ARCH_X32};
    static const uint32_t arm[] = {SCMP_ARCH_AARCH64, SCMP_ARCH_ARM};
    const uint32_t *list = arch == SCMP_ARCH_X86_64 ? x86 : arm;
    size_t count = arch == SCMP_ARCH_X86_64 ? ARRAY_LEN(x86) : ARRAY_LEN(arm);
    int r = 0;
    for (size_t i = 0; r == 0 && i < count; i++)
        if (seccomp_arch_exist(ctx, list[i]) < 0)
            r = seccomp_arch_add(ctx, list[i]);
    if (r == 0 && seccomp_arch_native() != arch)
        r = seccomp_arch_remove(ctx, seccomp_arch_native());
    return r < 0 ? err_set(e, r, "prepare the seccomp filter's architectures") : 0;
}

/* The caller releases *@ctx, also after a failure. */
static int build_body(uint32_t arch, uint64_t caps, scmp_filter_ctx *ctx, struct err *e)
{
    *ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (!*ctx)
        return err_set(e, ENOMEM, "begin a seccomp filter");
    int r = set_architectures(*ctx, arch, e);
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(seccomp_rules); i++)
        if (rule_applies(&seccomp_rules[i], caps))
            r = add_rule(*ctx, &seccomp_rules[i], e);
    if (r < 0)
        return r;
    r = seccomp_attr_set(*ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* binary tree, not a list */
    return r < 0 ? err_set(e, r, "optimise the seccomp filter") : 0;
}

/* Head and body as one program. libseccomp exports to a file only. */
static int join(const struct head *h, scmp_filter_ctx ctx, struct seccomp_filter *out,
                struct err *e)
{
    _cleanup_close_ int fd = memfd_create("seccomp", MFD_CLOEXEC);
    if (fd < 0)
        return err_set(e, errno, "make a file in memory for the seccomp filter");
    int r = seccomp_export_bpf(ctx, fd);
    if (r < 0)
        return err_set(e, r, "compile the seccomp filter");
    off_t size = lseek(fd, 0, SEEK_END);
    size_t body = size > 0 ? (size_t)size / sizeof(struct sock_filter) : 0;
    if (!body || h->len + body > FILTER_MAX)
        return err_say(e, -E2BIG, "the seccomp filter has %zu instructions; the limit is %d",
                       h->len + body, FILTER_MAX);
    _cleanup_free_ struct sock_filter *insns = xcalloc(h->len + body, sizeof(*insns));
    memcpy(insns, h->insn, h->len * sizeof(*insns));
    if (pread(fd, insns + h->len, body * sizeof(*insns), 0) != size)
        return err_set(e, EIO, "read the compiled seccomp filter");
    out->len = h->len + body;
    out->insns = out->owned = take_ptr(insns);
    return 0;
}

static int reference_compile(uint32_t arch, uint64_t caps, struct seccomp_filter *out,
                             struct err *e)
{
    arch = arch ? arch : seccomp_arch_native();
    if (arch != SCMP_ARCH_X86_64 && arch != SCMP_ARCH_AARCH64)
        return err_say(e, -EOPNOTSUPP, "there is no seccomp profile for this architecture");
    __attribute__((cleanup(release))) scmp_filter_ctx ctx = NULL;
    int r = build_body(arch, caps, &ctx, e);
    if (r < 0)
        return r;
    struct head h = {.len = 0};
    build_head(arch, caps, &h);
    return join(&h, ctx, out, e);
}
