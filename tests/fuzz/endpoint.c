/* The record of an endpoint. What is accepted is written with the same meaning. */
#include "fuzz.h"

#include "bridge/record.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_json_ json_t *j = input_object(data, size);
    _cleanup_endpoint_ struct endpoint ep = {0}, again = {0};
    if (!j || parse_record(j, &ep) < 0)
        return 0;
    size_t count;
    _cleanup_free_ struct fw_publish *elements = endpoint_elements(&ep, &count);
    struct fw_guard guard = endpoint_guard(&ep);
    must(count <= 2 * ep.port_mappings.count && guard.host_veth);
    must(endpoint_save(&ep, scratch_dir(), NULL) == 0);
    must(endpoint_load(scratch_dir(), ep.network, &again, NULL) == 0);
    must(streq(ep.container, again.container) && ep.rate == again.rate &&
         ip_equal(&ep.address4, &again.address4) && ip_equal(&ep.address6, &again.address6) &&
         ep.port_mappings.count == again.port_mappings.count);
    _cleanup_free_ char *file = endpoint_record_name(ep.network);
    must(unlinkat(scratch_dir(), file, 0) == 0);
    return 0;
}
