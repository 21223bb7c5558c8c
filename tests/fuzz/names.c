/* An entry in RUN/dns. What is accepted is written with the same meaning. */
#include "fuzz.h"

#include "names/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_free_ char *text = input_text(data, size);
    _cleanup_record_ struct name_entry n = {0}, again = {0};
    (void)name_is_dns(text);
    if (record_parse(text, &n) < 0)
        return 0;
    _cleanup_free_ char *first = record_text(&n);
    must(record_parse(first, &again) == 0);
    _cleanup_free_ char *second = record_text(&again);
    must(streq(first, second) && ip_equal(&n.address4, &again.address4) &&
         ip_equal(&n.address6, &again.address6) && n.internal == again.internal &&
         strv_len(n.names) == strv_len(again.names));
    return 0;
}
