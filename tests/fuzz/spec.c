/* A container's definition. An accepted definition is written as it was read. */
#include "fuzz.h"

#include <netctr/store.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_json_ json_t *j = input_object(data, size), *first = NULL, *second = NULL;
    _cleanup_spec_ struct spec s = {0}, again = {0};
    _cleanup_err_ struct err e = ERR_INIT;
    if (!j || spec_from_json(j, &s, &e) < 0)
        return 0;
    first = spec_to_json(&s);
    must(spec_from_json(first, &again, NULL) == 0);
    second = spec_to_json(&again);
    must(json_equal(first, second));
    return 0;
}
