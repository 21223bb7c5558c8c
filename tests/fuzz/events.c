/* Filters, one per line, then a line "%%", then events, some of them torn. */
#include "fuzz.h"

#include "cli/events.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t rest = 0;
    const uint8_t *lines = input_part(data, &size, "\n%%\n", &rest);
    _cleanup_free_ char *text = input_text(data, size);
    _cleanup_strv_ strv filters = strv_split(text, '\n');
    __attribute__((cleanup(choice_clear))) struct choice choice = {.until = INT64_MAX};
    _cleanup_err_ struct err e = ERR_INIT;
    (void)take_filters(filters, &choice, &e);
    while (lines && rest) {
        const uint8_t *newline = memchr(lines, '\n', rest);
        size_t n = newline ? (size_t)(newline - lines) : rest;
        _cleanup_json_ json_t *j = event_parse((const char *)lines, n);
        if (j)
            (void)is_wanted(&choice, j);
        lines += n + !!newline;
        rest -= n + !!newline;
    }
    return 0;
}
