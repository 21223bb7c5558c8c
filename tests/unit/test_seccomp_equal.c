/* netctr's seccomp filters give the same verdicts as libseccomp's for the same table: for every number, and
 * every value of the argument that is checked.
 *
 * "Every" is meant literally. A filter only compares loaded values with constants; so its verdict can change
 * at its constants alone, and two filters that agree at all constants of both, one below and one above, agree
 * everywhere. The numbers up to 1100 are also tried one by one.
 */
#include "core/caps.h"
#include "core/seccomp_bpf.h"
#include "tests/unit/check.h"
#include "tests/unit/seccomp_reference.h"
#include "tests/unit/seccomp_run.h"

/* ---- what is tried ---------------------------------------------------------------------------*/

struct samples {
    uint32_t *list;
    size_t count, room;
};

static void add_sample(struct samples *s, uint32_t value)
{
    if (s->count == s->room) {
        s->room = s->room ? s->room * 2 : 4096;
        s->list = xrealloc(s->list, s->room, sizeof(*s->list));
    }
    s->list[s->count++] = value;
}

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static void sort_samples(struct samples *s)
{
    qsort(s->list, s->count, sizeof(*s->list), by_value);
    size_t kept = 0;
    for (size_t i = 0; i < s->count; i++)
        if (!kept || s->list[i] != s->list[kept - 1])
            s->list[kept++] = s->list[i];
    s->count = kept;
}

static void clear_samples(struct samples *s)
{
    free(s->list);
}
#define _cleanup_samples_ __attribute__((cleanup(clear_samples)))

/* The constants of the comparisons, and their neighbours, with the x32 bit and without: the reference
 * compares some numbers after masking it. */
static void add_constants(struct samples *s, const struct seccomp_filter *f)
{
    for (size_t i = 0; i < f->len; i++) {
        uint32_t k = f->insns[i].k;
        if (BPF_CLASS(f->insns[i].code) != BPF_JMP || f->insns[i].code == (BPF_JMP | BPF_JA))
            continue;
        const uint32_t values[] = {k - 1, k, k + 1};
        for (size_t v = 0; v < ARRAY_LEN(values); v++) {
            add_sample(s, values[v]);
            add_sample(s, values[v] ^ X32_BIT);
        }
    }
}

static void add_numbers(struct samples *s)
{
    const uint32_t bases[] = {0, X32_BIT, ARM_PRIVATE_CALLS, 0x80000000, UINT32_MAX - 1100};
    for (size_t b = 0; b < ARRAY_LEN(bases); b++)
        for (uint32_t i = 0; i <= 1100; i++)
            add_sample(s, bases[b] + i);
}

/* For conditions on bits: each bit, and mixtures (the same ones every time). */
static void add_bits(struct samples *s)
{
    for (int bit = 0; bit < 32; bit++)
        add_sample(s, UINT32_C(1) << bit);
    uint32_t x = 1;
    for (int i = 0; i < 2000; i++) {
        x = x * 1664525 + 1013904223;
        add_sample(s, x);
    }
}

/* ---- the comparison --------------------------------------------------------------------------*/

struct pair {
    struct seccomp_filter ours, theirs;
    uint64_t caps;
    size_t compared, different;
};

/* libseccomp allows some of i386's socketcall through the calls that it multiplexes; ours never does
 * (test_seccomp.c). */
static bool is_socketcall(uint32_t arch, uint32_t number)
{
    return arch == AUDIT_ARCH_I386 && number == 102;
}

static void compare(struct pair *p, uint32_t arch, uint32_t number, uint64_t arg0)
{
    if (is_socketcall(arch, number))
        return;
    struct seccomp_data data = {.arch = arch, .nr = (int)number, .args = {arg0}};
    uint32_t ours = run_filter(&p->ours, &data), theirs = run_filter(&p->theirs, &data);
    p->compared++;
    if (ours == theirs && ours != BAD_FILTER)
        return;
    if (!p->different++)
        printf("# arch %#x caps %#llx: %#x(%#llx) is %#x, not %#x\n", arch,
               (unsigned long long)p->caps, number, (unsigned long long)arg0, ours, theirs);
}

static bool is_conditional(uint32_t number)
{
    static const char *const names[] = {"clone", "socket", "socketpair", "personality"};
    static const uint32_t abis[] = {SCMP_ARCH_X86_64, SCMP_ARCH_X86, SCMP_ARCH_X32,
                                    SCMP_ARCH_AARCH64, SCMP_ARCH_ARM};
    for (size_t n = 0; n < ARRAY_LEN(names); n++)
        for (size_t a = 0; a < ARRAY_LEN(abis); a++)
            if ((uint32_t)seccomp_syscall_resolve_name_arch(abis[a], names[n]) == number)
                return true;
    return number == 359 || number == 360; /* socket and socketpair of i386 */
}

static void compare_arch(struct pair *p, uint32_t arch, const struct samples *numbers,
                         const struct samples *values)
{
    static const uint64_t few[] = {0, 1, 40, 46, 0x7e020000, 0xffffffff, UINT64_C(1) << 32};
    static const uint64_t upper[] = {0, 1, 0x80000000, 0xffffffff};
    for (size_t n = 0; n < numbers->count; n++) {
        uint32_t number = numbers->list[n];
        for (size_t i = 0; i < ARRAY_LEN(few); i++)
            compare(p, arch, number, few[i]);
        bool all = is_conditional(number);
        for (size_t v = 0; all && v < values->count; v++)
            for (size_t u = 0; u < ARRAY_LEN(upper); u++)
                compare(p, arch, number, upper[u] << 32 | values->list[v]);
    }
}

static void compare_all(struct pair *p, uint32_t scmp)
{
    static const uint32_t x86[] = {AUDIT_ARCH_X86_64, AUDIT_ARCH_I386, AUDIT_ARCH_AARCH64, 0},
                          arm[] = {AUDIT_ARCH_AARCH64, AUDIT_ARCH_ARM, AUDIT_ARCH_X86_64, 0};
    _cleanup_samples_ struct samples values = {0}, numbers = {0};
    add_constants(&values, &p->ours);
    add_constants(&values, &p->theirs);
    for (size_t i = 0; i < values.count; i++)
        add_sample(&numbers, values.list[i]);
    add_bits(&values);
    add_numbers(&numbers);
    sort_samples(&values);
    sort_samples(&numbers);
    for (size_t i = 0; i < ARRAY_LEN(x86); i++)
        compare_arch(p, scmp == SCMP_ARCH_X86_64 ? x86[i] : arm[i], &numbers, &values);
}

static void test_set(uint32_t scmp, uint64_t caps, size_t *longest)
{
    struct pair p = {.caps = caps};
    _cleanup_err_ struct err e = ERR_INIT;
    bool built = seccomp_compile(scmp, caps, &p.ours, &e) == 0 &&
                 reference_compile(scmp, caps, &p.theirs, &e) == 0;
    if (built)
        compare_all(&p, scmp);
    _cleanup_free_ char *name =
        xasprintf("%s, capabilities %#llx: the same", scmp == SCMP_ARCH_X86_64 ? "x86" : "ARM",
                  (unsigned long long)caps);
    expect(built && p.compared && !p.different, name, "%zu of %zu differ; %s", p.different,
           p.compared, text_of(&e));
    *longest = p.ours.len > *longest ? p.ours.len : *longest;
    seccomp_filter_clear(&p.ours);
    seccomp_filter_clear(&p.theirs);
}

static void test_all_sets(void)
{
    const uint32_t archs[] = {SCMP_ARCH_X86_64, SCMP_ARCH_AARCH64};
    uint64_t relevant = seccomp_relevant_caps();
    size_t longest = 0;
    for (size_t a = 0; a < ARRAY_LEN(archs); a++) {
        test_set(archs[a], 0, &longest);
        test_set(archs[a], CAPS_DEFAULT, &longest);
        test_set(archs[a], UINT64_MAX, &longest);
        for (int cap = 0; cap < 64; cap++)
            if (relevant & CAPS_BIT(cap))
                test_set(archs[a], CAPS_DEFAULT ^ CAPS_BIT(cap), &longest);
    }
    expect(longest <= 300, "no filter is long", "%zu instructions", longest);
}

/* The samples above vary these alone; so a filter may check nothing else, except level and option of
 * setsockopt (test_seccomp.c). */
static void test_loads(void)
{
    _cleanup_seccomp_ struct seccomp_filter f = {0};
    bool good = seccomp_compile(0, CAPS_DEFAULT, &f, NULL) == 0;
    for (size_t i = 0; i < f.len; i++) {
        uint32_t k = f.insns[i].k, argument = offsetof(struct seccomp_data, args);
        if (f.insns[i].code == (BPF_LD | BPF_W | BPF_ABS))
            good = good && (k == offsetof(struct seccomp_data, nr) ||
                            k == offsetof(struct seccomp_data, arch) || k == argument ||
                            k == argument + 4 || k == argument + 8 || k == argument + 16);
    }
    check(good, "only architecture, number and three arguments are looked at", "more is");
}

/* ---- the search, on runs that no table has -----------------------------------------------------*/

static uint32_t next_random(uint32_t *x)
{
    *x = *x * 1664525 + 1013904223;
    return *x >> 16;
}

/* Runs of 1 to @widest numbers with verdicts out of @kinds; returns the first number after them. */
static uint32_t make_runs(struct bpf_run *runs, size_t count, uint32_t widest, unsigned kinds,
                          uint32_t *x)
{
    uint32_t first = 0;
    unsigned last = kinds;
    for (size_t i = 0; i < count; i++) {
        unsigned answer = next_random(x) % kinds;
        if (answer == last)
            answer = (answer + 1) % kinds;
        runs[i] = (struct bpf_run){.first = first, .answer = answer};
        first += 1 + next_random(x) % widest;
        last = answer;
    }
    return first;
}

static bool search_finds(const struct bpf_run *runs, size_t count, uint32_t end)
{
    struct bpf_program p = {.len = 0};
    bpf_place answers[4];
    for (uint32_t i = 0; i < ARRAY_LEN(answers); i++)
        answers[i] = bpf_return(&p, i);
    bpf_load(&p, offsetof(struct seccomp_data, nr), bpf_search(&p, runs, count, answers));
    if (p.full)
        return false;
    struct seccomp_filter f = {.insns = bpf_code(&p), .len = p.len};
    size_t run = 0;
    for (uint32_t number = 0; number < end + 3; number++) {
        while (run + 1 < count && runs[run + 1].first <= number)
            run++;
        struct seccomp_data data = {.nr = (int)number};
        if (run_filter(&f, &data) != runs[run].answer)
            return false;
    }
    struct seccomp_data last = {.nr = -1};
    return run_filter(&f, &last) == runs[count - 1].answer;
}

static void test_search(void)
{
    static struct bpf_run runs[900]; /* beyond the reach of a jump */
    uint32_t x = 7;
    for (size_t count = 1; count < ARRAY_LEN(runs); count += count < 40 ? 1 : 61)
        for (uint32_t widest = 1; widest < 8; widest += 3)
            for (unsigned kinds = 2; kinds <= 4; kinds++) {
                uint32_t end = make_runs(runs, count, widest, kinds, &x);
                if (search_finds(runs, count, end))
                    continue;
                expect(false, "a search", "%zu runs of up to %u numbers, %u answers", count, widest,
                       kinds);
                return;
            }
    check(true, "searches find every run, near and far", "");
}

static void test_full(void)
{
    static struct bpf_run runs[2 * BPF_ROOM];
    for (uint32_t i = 0; i < ARRAY_LEN(runs); i++)
        runs[i] = (struct bpf_run){.first = i * 2, .answer = i % 3};
    struct bpf_program p = {.len = 0};
    bpf_place answers[3] = {bpf_return(&p, 0), bpf_return(&p, 1), bpf_return(&p, 2)};
    bpf_search(&p, runs, ARRAY_LEN(runs), answers);
    check(p.full && p.len == BPF_ROOM, "a program that does not fit is known", "it is not");
}

int main(void)
{
    test_search();
    test_full();
    test_loads();
    test_all_sets();
    return failures != 0;
}
