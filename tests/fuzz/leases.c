/* The lease file. An input that starts with "#" is the whole file. Any other input is taken as
 * lines and gets a header with a correct checksum, which lets it reach the parsers of lines. */
#include "fuzz.h"

#include "ipam/lease_file.c"

static char *with_header(const char *lines)
{
    _cleanup_free_ char *boot = NULL;
    must(boot_id(&boot, NULL) == 0);
    _cleanup_free_ char *sum = sum_of(boot, "10.88.0.3", lines);
    return xasprintf("# netctr leases 1 boot=%s last=10.88.0.3 sum=%s\n%s", boot, sum, lines);
}

static size_t held(const struct lease_file *b)
{
    size_t count = 0;
    for (size_t i = 0; i < b->count; i++)
        count += !lease_is_cooling(&b->leases[i]);
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_lease_file_ struct lease_file b = {0}, again = {0};
    _cleanup_err_ struct err e = ERR_INIT;
    if (size && *data == '#') {
        put(scratch_dir(), "blue", data, size);
    } else {
        _cleanup_free_ char *lines = input_text(data, size), *text = with_header(lines);
        put(scratch_dir(), "blue", text, strlen(text));
    }
    if (lease_file_read(scratch_dir(), "blue", &b, &e) < 0)
        return 0;
    must(lease_file_write(scratch_dir(), "blue", &b, NULL) == 0);
    must(lease_file_read(scratch_dir(), "blue", &again, NULL) == 1);
    must(held(&b) == held(&again)); /* a cooling lease may have become free in between */
    return 0;
}
