/* The host's resolv.conf: the part that a container can reach is unchanged by a second pass. */
#include "fuzz.h"

#include "sandbox/etc_text.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_free_ char *text = input_text(data, size);
    _cleanup_free_ char *kept = reachable_part(text);
    _cleanup_free_ char *again = kept ? reachable_part(kept) : NULL;
    must(streq(kept, again));
    return 0;
}
