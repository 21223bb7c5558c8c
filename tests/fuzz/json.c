/* The reader of plain JSON agrees with jansson, or leaves the text to it. And files with a checksum: what is written comes
 * back, and netctr 0.1 accepts it.
 */
#include "fuzz.h"

#include <inttypes.h>

static void compare(const uint8_t *data, size_t size)
{
    _cleanup_json_ json_t *plain = json_parse_plain((const char *)data, size);
    _cleanup_json_ json_t *right =
        json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
    if (!plain)
        return;
    _cleanup_free_ char *a = json_dumps(plain, JSON_PRESERVE_ORDER),
                        *b = json_dumps(right, JSON_PRESERVE_ORDER);
    must(right && json_equal(plain, right) && streq(a, b));
}

static int add(const char *text, size_t size, void *sum)
{
    *(uint64_t *)sum = hash64_add(*(uint64_t *)sum, text, size);
    return 0;
}

/* How netctr 0.1 reads it. */
static void check_as_before(void)
{
    _cleanup_json_ json_t *j = NULL;
    uint64_t sum = hash64("");
    must(json_read_at(scratch_dir(), "sealed.json", &j, NULL) == 0);
    _cleanup_free_ char *sealed = xstrdup(json_str(j, "sum"));
    (void)json_object_del(j, "sum");
    must(json_dump_callback(j, add, &sum, JSON_COMPACT | JSON_SORT_KEYS) == 0);
    _cleanup_free_ char *right = xasprintf("%016" PRIx64, sum);
    must(streq(sealed, right));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_json_ json_t *j = input_object(data, size), *back = NULL;
    compare(data, size);
    if (!j)
        return 0;
    must(json_write_sealed_at(scratch_dir(), "sealed.json", j, NULL) == 0);
    must(json_read_sealed_at(scratch_dir(), "sealed.json", &back, NULL) == 0);
    must(json_equal(j, back));
    check_as_before();
    return 0;
}
