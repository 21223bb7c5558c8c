/* From the table (seccomp_default.h) to the filter, in three steps:
 *
 *   calls    for each of the two architectures whose system calls a process can make, the answer to each
 *            number. libseccomp knows the numbers of names up to its own release; the table has newer
 *            calls by number.
 *   runs     neighbours with the same answer as one: about fifty runs for five hundred numbers.
 *   program  a binary search through the runs of each architecture (seccomp_bpf.c).
 *
 * libseccomp could make the program too, in 24 ms and with five times the instructions. Each instruction costs at
 * every start: the kernel checks and compiles the filter, and runs it once for every number to find the calls that
 * never need it. The test compares the two.
 *
 * Numbers beyond the whole list fail with ENOSYS: then a newer C library falls back to an older call. With EPERM
 * it would take the refusal for an answer.
 */
#include "core/seccomp.h"

#include "core/caps.h"
#include "core/seccomp_bpf.h"
#include "core/seccomp_default.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

enum {
    WINDOW = 1024, /* size of one table of calls */
    RUNS_MAX = 2 * WINDOW + 4,
    X32_BASE = 0x40000000,      /* __X32_SYSCALL_BIT */
    X32_PRIVATE_CALLS = 512,    /* x32 has variants of its own from here on */
    X86_64_URETPROBE = 335,     /* not callable: the kernel puts it into traced programs */
    ARM_PRIVATE_BASE = 0xf0000, /* cacheflush, set_tls, … beyond all other numbers */
};

/* The answer to a call. A conditional one has a second entry for ABIs with 32-bit arguments, where the upper half
 * means nothing and is not compared. */
enum answer {
    REFUSE,
    ALLOW,
    NOSYS,
    CLONE,
    SOCKET,
    SOCKET_WORD,
    OPTION,
    PERSONA,
    PERSONA_WORD,
    ANSWERS
};

uint64_t seccomp_relevant_caps(void)
{
    uint64_t caps = 0;
    for (size_t i = 0; i < ARRAY_LEN(seccomp_rules); i++)
        caps |= seccomp_rules[i].needs | seccomp_rules[i].unless;
    return caps;
}

/* ---- calls ---------------------------------------------------------------------------------*/

/* All system calls of an architecture: numbers from 0, and those from @far_base on (x32, ARM). */
struct calls {
    uint8_t low[WINDOW], far[WINDOW];
    uint32_t far_base; /* 0: none */
};

static uint8_t *entry_of(struct calls *c, uint32_t number)
{
    if (number < WINDOW)
        return &c->low[number];
    return c->far_base && number - c->far_base < WINDOW ? &c->far[number - c->far_base] : NULL;
}

/* One system call of a rule. */
struct word {
    const char *next; /* where to go on */
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

static bool rule_applies(const struct syscall_rule *rule, uint64_t caps)
{
    return !(rule->unless & caps) && (!rule->needs || (rule->needs & caps));
}

static enum answer answer_of(const struct syscall_rule *rule, uint32_t abi)
{
    bool words = abi != SCMP_ARCH_X86_64 && abi != SCMP_ARCH_AARCH64;
    switch (rule->when) {
    case ALWAYS: return ALLOW;
    case NOT_IMPLEMENTED: return NOSYS;
    case NO_NAMESPACE_FLAGS: return CLONE;
    case SOCKET_FAMILY: return words ? SOCKET_WORD : SOCKET;
    case SOCKET_OPTION: return OPTION;
    case PERSONALITY: return words ? PERSONA_WORD : PERSONA;
    }
    return REFUSE;
}

/* The number of a system call of i386; @fallback if it has none. */
static int direct_number(const char *name, int fallback)
{
    struct word w = {.next = seccomp_i386_direct};
    while (next_word(&w))
        if (streq(w.name, name))
            return (int)w.number;
    return fallback;
}

/* The number of a call; negative when @abi has none of that name. */
static int number_of(uint32_t abi, const struct word *w, struct err *e)
{
    if (w->number)
        return (int)(w->number + (abi == SCMP_ARCH_X32 ? X32_BASE : 0));
    int number = seccomp_syscall_resolve_name_arch(abi, w->name);
    if (number == __NR_SCMP_ERROR) {
        err_say(e, -EOPNOTSUPP, "libseccomp does not know the system call `%s`", w->name);
        err_hint(e, "libseccomp 2.5.4 or later is needed");
        return number;
    }
    return number < 0 && abi == SCMP_ARCH_X86 ? direct_number(w->name, number) : number;
}

/* Enters the rules for the names and numbers of one ABI (SCMP_ARCH_…). */
static int add_rules(struct calls *c, uint32_t abi, uint64_t caps, struct err *e)
{
    for (size_t i = 0; i < ARRAY_LEN(seccomp_rules); i++) {
        if (!rule_applies(&seccomp_rules[i], caps))
            continue;
        uint8_t answer = (uint8_t)answer_of(&seccomp_rules[i], abi);
        struct word w = {.next = seccomp_rules[i].names};
        while (next_word(&w)) {
            int number = number_of(abi, &w, e);
            if (number == __NR_SCMP_ERROR)
                return -EOPNOTSUPP;
            uint8_t *entry = number < 0 ? NULL : entry_of(c, (uint32_t)number);
            if (number >= 0 && !entry)
                return err_say(e, -ERANGE, "the system call `%s` has the number %d", w.name,
                               number);
            if (entry && *entry != ALLOW) /* several rules: one that allows wins */
                *entry = answer;
        }
    }
    return 0;
}

/* The highest number of the whole list, for any capabilities. From about 424 on all architectures share numbers. */
static uint32_t newest_call(void)
{
    uint32_t newest = 0;
    for (size_t i = 0; i < ARRAY_LEN(seccomp_rules); i++) {
        struct word w = {.next = seccomp_rules[i].names};
        while (next_word(&w))
            newest = w.number > newest ? w.number : newest;
    }
    return newest;
}

/* The architecture itself (x86-64, arm64) in @native, its 32-bit one in @compat. x32 is no third one: it is a
 * range of numbers of x86-64. */
static int decide_calls(uint32_t arch, uint64_t caps, struct calls *native, struct calls *compat,
                        struct err *e)
{
    bool x86 = arch == SCMP_ARCH_X86_64;
    size_t unknown = newest_call() + 1;
    memset(native->low + unknown, NOSYS, WINDOW - unknown);
    memset(compat->low + unknown, NOSYS, WINDOW - unknown);
    if (x86) {
        native->far_base = X32_BASE;
        memset(native->far + unknown, NOSYS, X32_PRIVATE_CALLS - unknown);
        native->low[X86_64_URETPROBE] =
            ALLOW; /* otherwise a uprobe of the host's kills the program */
    } else {
        compat->far_base = ARM_PRIVATE_BASE;
    }
    int r = add_rules(native, arch, caps, e);
    if (r == 0)
        r = add_rules(compat, x86 ? SCMP_ARCH_X86 : SCMP_ARCH_ARM, caps, e);
    if (r == 0 && x86)
        r = add_rules(native, SCMP_ARCH_X32, caps, e);
    return r;
}

/* ---- runs ----------------------------------------------------------------------------------*/

struct runs {
    struct bpf_run run[RUNS_MAX];
    size_t count;
};

static void add_run(struct runs *r, uint32_t first, enum answer answer)
{
    if (r->count && r->run[r->count - 1].answer == answer)
        return;
    r->run[r->count++] = (struct bpf_run){.first = first, .answer = answer};
}

static void runs_of_calls(const struct calls *c, struct runs *r)
{
    for (uint32_t i = 0; i < WINDOW; i++)
        add_run(r, i, c->low[i]);
    add_run(r, WINDOW, NOSYS);
    for (uint32_t i = 0; c->far_base && i < WINDOW; i++)
        add_run(r, c->far_base + i, c->far[i]);
    if (c->far_base)
        add_run(r, c->far_base + WINDOW, REFUSE);
}

/* Allows @values (ascending), refuses everything else. */
static void runs_of_values(const uint32_t *values, size_t count, struct runs *r)
{
    uint32_t next = 0;
    for (size_t i = 0; i < count; i++) {
        if (values[i] != next)
            add_run(r, next, REFUSE);
        add_run(r, values[i], ALLOW);
        next = values[i] + 1;
    }
    if (next) /* otherwise the last one was the highest possible */
        add_run(r, next, REFUSE);
}

/* ---- program -------------------------------------------------------------------------------*/

enum {
    ARG_WORD = offsetof(struct seccomp_data, args),
    ARG_UPPER = ARG_WORD + 4, /* little-endian */
    ARG_SECOND = ARG_WORD + 8,
    ARG_THIRD = ARG_WORD + 16,
};

/* "The first argument is one of @values." The upper half is compared too where there is one. */
static void write_values(struct bpf_program *p, const uint32_t *values, size_t count,
                         bpf_place *answers, enum answer whole, enum answer word)
{
    struct runs r = {.count = 0};
    runs_of_values(values, count, &r);
    answers[word] = bpf_load(p, ARG_WORD, bpf_search(p, r.run, r.count, answers));
    bpf_place check = bpf_branch(p, BPF_JEQ, 0, &answers[word], &answers[REFUSE]);
    answers[whole] = bpf_load(p, ARG_UPPER, check);
}

/* The kernel takes level and option as ints: it does not look at the upper halves. */
static void write_option(struct bpf_program *p, bpf_place *answers)
{
    bpf_place size =
        bpf_branch(p, BPF_JEQ, SECCOMP_PACKET_VNET_HDR_SZ, &answers[REFUSE], &answers[ALLOW]);
    bpf_place header = bpf_branch(p, BPF_JEQ, SECCOMP_PACKET_VNET_HDR, &answers[REFUSE], &size);
    bpf_place option = bpf_load(p, ARG_THIRD, header);
    bpf_place level = bpf_branch(p, BPF_JEQ, SECCOMP_SOL_PACKET, &option, &answers[ALLOW]);
    answers[OPTION] = bpf_load(p, ARG_SECOND, level);
}

static void write_answers(struct bpf_program *p, bpf_place *answers)
{
    answers[REFUSE] = bpf_return(p, SECCOMP_RET_ERRNO | EPERM);
    answers[NOSYS] = bpf_return(p, SECCOMP_RET_ERRNO | ENOSYS);
    answers[ALLOW] = bpf_return(p, SECCOMP_RET_ALLOW);
    write_values(p, seccomp_socket_families, ARRAY_LEN(seccomp_socket_families), answers, SOCKET,
                 SOCKET_WORD);
    write_option(p, answers);
    write_values(p, seccomp_personalities, ARRAY_LEN(seccomp_personalities), answers, PERSONA,
                 PERSONA_WORD);
    /* all flags are in the lower half */
    bpf_place check =
        bpf_branch(p, BPF_JSET, SECCOMP_NAMESPACE_FLAGS, &answers[REFUSE], &answers[ALLOW]);
    answers[CLONE] = bpf_load(p, ARG_WORD, check);
}

static bpf_place write_calls(struct bpf_program *p, const struct calls *c, bpf_place *answers)
{
    struct runs r = {.count = 0};
    runs_of_calls(c, &r);
    bpf_place search = bpf_search(p, r.run, r.count, answers);
    return bpf_load(p, offsetof(struct seccomp_data, nr), search);
}

static void write_program(struct bpf_program *p, bool x86, const struct calls *native,
                          const struct calls *compat)
{
    bpf_place answers[ANSWERS];
    write_answers(p, answers);
    bpf_place in_compat = write_calls(p, compat, answers);
    bpf_place in_native = write_calls(p, native, answers);
    bpf_place kill = bpf_return(p, SECCOMP_RET_KILL_THREAD);
    bpf_place other =
        bpf_branch(p, BPF_JEQ, x86 ? AUDIT_ARCH_I386 : AUDIT_ARCH_ARM, &in_compat, &kill);
    bpf_place which =
        bpf_branch(p, BPF_JEQ, x86 ? AUDIT_ARCH_X86_64 : AUDIT_ARCH_AARCH64, &in_native, &other);
    bpf_load(p, offsetof(struct seccomp_data, arch), which);
}

int seccomp_compile(uint32_t arch, uint64_t caps, struct seccomp_filter *out, struct err *e)
{
    arch = arch ? arch : seccomp_arch_native();
    if (arch != SCMP_ARCH_X86_64 && arch != SCMP_ARCH_AARCH64)
        return err_say(e, -EOPNOTSUPP, "there is no seccomp profile for this architecture");
    struct calls native = {.far_base = 0}, compat = {.far_base = 0};
    int r = decide_calls(arch, caps, &native, &compat, e);
    if (r < 0)
        return r;
    struct bpf_program p = {.len = 0};
    write_program(&p, arch == SCMP_ARCH_X86_64, &native, &compat);
    if (p.full)
        return err_say(e, -E2BIG, "the seccomp filter has more than %d instructions", BPF_ROOM);
    out->owned = xcalloc(p.len, sizeof(*out->owned));
    memcpy(out->owned, bpf_code(&p), p.len * sizeof(*out->owned));
    out->insns = out->owned;
    out->len = p.len;
    return 0;
}

int seccomp_filter_for(uint64_t caps, struct seccomp_filter *out, struct err *e)
{
    uint64_t relevant = seccomp_relevant_caps();
    if (seccomp_default_len && (caps & relevant) == (CAPS_DEFAULT & relevant)) {
        *out = (struct seccomp_filter){.insns = seccomp_default, .len = seccomp_default_len};
        return 0;
    }
    return seccomp_compile(0, caps, out, e);
}

int seccomp_install(const struct seccomp_filter *filter, struct err *e)
{
    struct sock_fprog program = {
        .len = (unsigned short)filter->len,
        .filter = (struct sock_filter *)filter->insns,
    };
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0)
        return 0;
    int r = err_set(e, errno, "load the seccomp filter (%zu instructions)", filter->len);
    if (r == -EACCES)
        err_hint(e, "it needs CAP_SYS_ADMIN or no-new-privileges");
    return r;
}

void seccomp_filter_clear(struct seccomp_filter *filter)
{
    free(filter->owned);
    *filter = (struct seccomp_filter){0};
}
