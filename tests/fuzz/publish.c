/* `--publish`: what is accepted can be written again and means the same. */
#include "fuzz.h"

#include <netctr/sandbox.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_free_ char *text = input_text(data, size);
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_port_mappings_ struct port_mappings list = {0};
    int r = port_mapping_parse(text, &list, &e);
    must((r == 0) == (list.count > 0) && (r == 0) == !e.text);
    for (size_t i = 0; i < list.count && i < 16; i++) {
        const struct port_mapping *p = &list.items[i];
        _cleanup_port_mappings_ struct port_mappings again = {0};
        _cleanup_free_ char *word = port_mapping_word(p);
        const struct port_mapping_reach reach = {.ipv4 = true, .ipv6 = true};
        _cleanup_strv_ strv shown = NULL;
        port_mapping_texts(p, &reach, &shown);
        must(p->port && strv_len(shown) == (p->host.family ? 1 : 2));
        must(port_mapping_parse(word, &again, NULL) == 0 && again.count == 1);
        must(port_mapping_equal(p, &again.items[0]) && again.items[0].port == p->port);
    }
    return 0;
}
