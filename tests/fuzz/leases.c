/* Leases: one file of a directory, and the file of netctr 0.1. An input that starts with "#" is the
 * whole old file. Any other input is a lease, and the lines of an old file that gets a header with a
 * correct checksum. */
#include "fuzz.h"

#include "ipam/lease_dir.h"
#include "ipam/lease_old.c"

static char *with_header(const char *lines)
{
    _cleanup_free_ char *boot = NULL;
    must(boot_id(&boot, NULL) == 0);
    _cleanup_free_ char *sum = sum_of(boot, "10.88.0.3", lines);
    return xasprintf("# netctr leases 1 boot=%s last=10.88.0.3 sum=%s\n%s", boot, sum, lines);
}

/* What is read is written so that the same is read again. */
static void fuzz_lease(const char *text)
{
    _cleanup_lease_dir_ struct lease_dir d = {-1, "green"};
    _cleanup_lease_ struct lease l = {0}, given = {0}, again = {0};
    const char *newline = strchr(text, '\n');
    _cleanup_free_ char *line = xstrndup(text, newline ? (size_t)(newline - text) : strlen(text));
    if (lease_parse(line, &given) < 0)
        return;
    must(remove_tree_at(scratch_dir(), "green") == 0);
    must(lease_dir_make(scratch_dir(), "green", &d, NULL) == 0);
    _cleanup_free_ char *name = lease_name(&given);
    put(d.fd, name, text, strlen(text));
    int r = lease_entry(&d, name, &l);
    must(r == 1 || r == -EBADMSG);
    must(lease_put(&d, &given, true) == 0);
    must(lease_verify(&d, name, &again) == 1);
    must(streq(again.owner, given.owner) && streq(again.container, given.container));
    must(ip_equal(&again.address4, &given.address4) && ip_equal(&again.address6, &given.address6));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_old_leases_ struct old_leases old = {0}, again = {0};
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_free_ char *lines = input_text(data, size);
    if (size && *data == '#') {
        put(scratch_dir(), "blue", data, size);
    } else {
        fuzz_lease(lines);
        _cleanup_free_ char *text = with_header(lines);
        put(scratch_dir(), "blue", text, strlen(text));
    }
    if (old_leases_read(scratch_dir(), "blue", &old, &e) < 0)
        return 0;
    must(old_leases_release(scratch_dir(), "blue", "no-such-owner", NULL) == 1);
    must(old_leases_read(scratch_dir(), "blue", &again, NULL) == 1);
    must(old.count == again.count);
    return 0;
}
