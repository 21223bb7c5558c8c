/* Runs a target with each file of its corpus, without libFuzzer. Each input is in a block of exactly its
 * size, so that a sanitizer detects reads beyond it.
 */
#include "fuzz.h"

static int is_input(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static bool run_file(const char *directory, const char *name)
{
    _cleanup_free_ char *path = xasprintf("%s/%s", directory, name), *data = NULL;
    size_t size = 0;
    printf("# %s\n", path); /* the last one is the one that failed */
    fflush(stdout);
    if (read_file_at(AT_FDCWD, path, 1 << 20, &data, &size) < 0)
        return false;
    _cleanup_free_ uint8_t *exact = size ? xcalloc(size, 1) : NULL;
    if (size)
        memcpy(exact, data, size);
    (void)LLVMFuzzerTestOneInput(exact, size);
    return true;
}

int main(int argc, char **argv)
{
    const char *slash = strrchr(argv[0], '/'), *own = slash ? slash + 1 : argv[0];
    const char *name = skip_prefix(own, "fuzz_");
    _cleanup_free_ char *directory =
        argc > 1 ? xstrdup(argv[1]) : xasprintf("tests/fuzz/corpus/%s", name ? name : own);
    struct dirent **entries = NULL;
    int count = scandir(directory, &entries, is_input, alphasort), read = 0;
    for (int i = 0; i < count; i++) {
        read += run_file(directory, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    if (count <= 0 || read < count) {
        printf("not ok - %s: no inputs in %s, or not readable\n", own, directory);
        return 1;
    }
    printf("ok - %s: %d inputs\n", own, count);
    return 0;
}
