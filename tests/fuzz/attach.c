/* `--network NAME:ip=…`: what is understood can be written again, and comes back as the same text. */
#include "fuzz.h"

#include "life/attach.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_free_ char *text = input_text(data, size);
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_attachment_ struct attachment a = {0}, b = {0};
    (void)network_word(text, NULL);
    if (attachment_parse(text, &a, &e) < 0)
        return 0;
    _cleanup_free_ char *first = attachment_text(&a);
    must(attachment_parse(first, &b, NULL) == 0);
    _cleanup_free_ char *second = attachment_text(&b);
    must(streq(first, second) && a.priority == b.priority && a.rate == b.rate);
    return 0;
}
