/* Notifications of nf_tables: the input is a datagram of messages. */
#include "fuzz.h"

#include "bridge/firewall/watch.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct firewall_watch l = {.name = "netctr"};
    /* As long as the message, and the padding that libmnl expects. */
    if (size > BUFFER_SIZE)
        return 0;
    _cleanup_free_ char *buffer = xcalloc(NLMSG_ALIGN(size), 1);
    if (size)
        memcpy(buffer, data, size);
    hear_all(&l, buffer, size);
    return 0;
}
