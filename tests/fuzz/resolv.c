/* The host's resolv.conf: of what a container can reach, all is left when it is asked again. */
#include "fuzz.h"

#include "engine/etc_text.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_free_ char *text = input_text(data, size);
    _cleanup_free_ char *kept = reachable_part(text);
    _cleanup_free_ char *again = kept ? reachable_part(kept) : NULL;
    must(streq(kept, again));
    return 0;
}
