/* Build-time generator: compiles the seccomp filters of the usual capability sets and prints them as
 * a C source, which `make` compiles into netctr. Linked with seccomp.c and no blobs.
 *
 *   seccomp_gen [x86_64|aarch64] > build/seccomp_blob.c       (default: the machine it runs on)
 */
#include "core/caps.h"
#include "core/seccomp.h"

#include <seccomp.h>

/* seccomp.c looks here first; nothing is compiled yet */
const struct seccomp_blob seccomp_blobs[] = {{0}};
const size_t seccomp_blob_count = 0;

enum { SETS_MAX = 64 };

/* The sets worth the space (10 KB each): the default, none at all, the default and any one that
 * matters more, and all that matter. Other combinations are compiled at run time, which takes 25 ms. */
static size_t choose_sets(uint64_t sets[SETS_MAX])
{
    uint64_t relevant = seccomp_relevant_caps(), usual = CAPS_DEFAULT & relevant;
    size_t count = 0;
    sets[count++] = usual;
    sets[count++] = 0;
    sets[count++] = relevant;
    for (int cap = 0; cap < 64 && count < SETS_MAX; cap++)
        if (relevant & ~usual & CAPS_BIT(cap))
            sets[count++] = usual | CAPS_BIT(cap);
    return count;
}

static int print_filter(uint32_t arch, uint64_t caps, size_t which, struct err *e)
{
    _cleanup_seccomp_ struct seccomp_filter f = {0};
    int r = seccomp_compile(arch, caps, &f, e);
    if (r < 0)
        return r;
    printf("static const struct sock_filter filter_%zu[] = {", which);
    for (size_t i = 0; i < f.len; i++)
        printf("%s{0x%02x, %u, %u, 0x%08x},", i % 4 ? " " : "\n    ", f.insns[i].code,
               f.insns[i].jt, f.insns[i].jf, f.insns[i].k);
    printf("\n};\n\n");
    return 0;
}

int main(int argc, char **argv)
{
    uint32_t arch = argc > 1 ? seccomp_arch_resolve_name(argv[1]) : seccomp_arch_native();
    _cleanup_err_ struct err e = ERR_INIT;
    uint64_t sets[SETS_MAX];
    size_t count = choose_sets(sets);
    printf("/* Made by seccomp_gen; do not edit. */\n#include \"core/seccomp.h\"\n\n");
    for (size_t i = 0; i < count; i++) {
        if (print_filter(arch, sets[i], i, &e) < 0) {
            fprintf(stderr, "seccomp_gen: %s\n", e.text);
            return EXIT_FAILURE;
        }
    }
    printf("const struct seccomp_blob seccomp_blobs[] = {\n");
    for (size_t i = 0; i < count; i++)
        printf("    {0x%llx, filter_%zu, ARRAY_LEN(filter_%zu)},\n", (unsigned long long)sets[i], i,
               i);
    printf("};\nconst size_t seccomp_blob_count = ARRAY_LEN(seccomp_blobs);\n");
    return fflush(stdout) || ferror(stdout) ? EXIT_FAILURE : EXIT_SUCCESS;
}
