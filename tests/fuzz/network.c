/* A network definition, which people may edit. What is accepted is written with the same
 * meaning. */
#include "fuzz.h"

#include "bridge/network_file.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_json_ json_t *j = input_object(data, size), *first = NULL, *second = NULL;
    _cleanup_network_ struct network n = {0}, again = {0};
    _cleanup_err_ struct err e = ERR_INIT;
    if (!j || parse_definition(j, "blue", &n, &e) < 0)
        return 0;
    must(interface_name_valid(n.bridge));
    first = network_to_json(&n);
    must(parse_definition(first, "blue", &again, NULL) == 0);
    second = network_to_json(&again);
    must(json_equal(first, second));
    (void)network_elements(&n);
    (void)network_pool(&n);
    (void)network_has_gateway(&n);
    return 0;
}
