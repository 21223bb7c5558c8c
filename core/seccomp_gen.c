/* Build-time generator: compiles the seccomp filter of the default capabilities and prints it as a C
 * source, which `make` compiles into netctr. Linked with seccomp.c, and without what it makes.
 *
 *   seccomp_gen [x86_64|aarch64] > build/seccomp_blob.c       (default: the machine it runs on)
 */
#include "core/caps.h"
#include "core/seccomp.h"

#include <seccomp.h>

/* seccomp.c refers to them; nothing is compiled yet */
const struct sock_filter seccomp_default[] = {{0}};
const size_t seccomp_default_len = 0;

int main(int argc, char **argv)
{
    uint32_t arch = argc > 1 ? seccomp_arch_resolve_name(argv[1]) : seccomp_arch_native();
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_seccomp_ struct seccomp_filter f = {0};
    if (seccomp_compile(arch, CAPS_DEFAULT, &f, &e) < 0) {
        fprintf(stderr, "seccomp_gen: %s\n", e.text);
        return EXIT_FAILURE;
    }
    printf("/* Made by seccomp_gen; do not edit. */\n#include \"core/seccomp.h\"\n\n"
           "const struct sock_filter seccomp_default[] = {");
    for (size_t i = 0; i < f.len; i++)
        printf("%s{0x%02x, %u, %u, 0x%08x},", i % 4 ? " " : "\n    ", f.insns[i].code,
               f.insns[i].jt, f.insns[i].jf, f.insns[i].k);
    printf("\n};\nconst size_t seccomp_default_len = ARRAY_LEN(seccomp_default);\n");
    return fflush(stdout) || ferror(stdout) ? EXIT_FAILURE : EXIT_SUCCESS;
}
