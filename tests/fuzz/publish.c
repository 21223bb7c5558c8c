/* `--publish`: what is understood can be written again, and is understood as the same. */
#include "fuzz.h"

#include <netctr/bridge.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_free_ char *text = input_text(data, size);
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_publish_ struct publish_list list = {0};
    int r = publish_parse(text, &list, &e);
    must((r == 0) == (list.count > 0) && (r == 0) == !e.text);
    for (size_t i = 0; i < list.count && i < 16; i++) {
        const struct publish *p = &list.items[i];
        _cleanup_publish_ struct publish_list again = {0};
        _cleanup_free_ char *word = publish_word(p);
        _cleanup_free_ char *shown = publish_text(p);
        must(p->port && *shown);
        must(publish_parse(word, &again, NULL) == 0 && again.count == 1);
        must(publish_equal(p, &again.items[0]) && again.items[0].port == p->port);
    }
    return 0;
}
