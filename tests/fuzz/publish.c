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
        const struct publish_reach reach = {.ipv4 = true, .ipv6 = true};
        _cleanup_strv_ strv shown = NULL;
        publish_texts(p, &reach, &shown);
        must(p->port && strv_len(shown) == (p->host.family ? 1 : 2));
        must(publish_parse(word, &again, NULL) == 0 && again.count == 1);
        must(publish_equal(p, &again.items[0]) && again.items[0].port == p->port);
    }
    return 0;
}
