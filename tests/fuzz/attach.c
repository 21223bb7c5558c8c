/* `--network NAME:ip=…`: accepted text can be printed again, and gives the same text. */
#include "fuzz.h"

#include "netctr/engine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_free_ char *text = input_text(data, size);
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_connect_request_ struct connect_request a = {0}, b = {0};
    (void)network_word(text, NULL);
    if (connect_request_parse(text, &a, &e) < 0)
        return 0;
    _cleanup_free_ char *first = connect_request_text(&a);
    must(connect_request_parse(first, &b, NULL) == 0);
    _cleanup_free_ char *second = connect_request_text(&b);
    must(streq(first, second) && a.priority == b.priority && a.rate == b.rate);
    return 0;
}
