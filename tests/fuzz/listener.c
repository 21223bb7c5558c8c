/* Notifications of nf_tables: the input is a datagram of messages. */
#include "fuzz.h"

#include "netns/nft/notify.c"

#include <string.h>

static void read_strings(const struct nft_notification *n, void *length)
{
    if (n->table)
        *(size_t *)length += strlen(n->table);
    if (n->process)
        *(size_t *)length += strlen(n->process);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t length = 0;
    /* As long as the message, and the padding that libmnl expects. */
    if (size > BUFFER_SIZE)
        return 0;
    _cleanup_free_ char *buffer = xcalloc(NLMSG_ALIGN(size), 1);
    if (size)
        memcpy(buffer, data, size);
    handle_all(buffer, size, read_strings, &length);
    return 0;
}
