/* A packet from the peer: a container's process, or a monitor's client. */
#include "fuzz.h"

#include "core/packet.h"

#include <netctr/store.h>

#include <sys/socket.h>

static void receive(const uint8_t *data, size_t size, bool text)
{
    static int ends[2] = {-1, -1};
    if (ends[0] < 0)
        must(channel_open(ends, NULL) == 0);
    must(send(ends[0], data, size, 0) == (ssize_t)size);
    _cleanup_err_ struct err e = ERR_INIT;
    enum message kind = MESSAGE_END;
    _cleanup_free_ char *said = NULL;
    int value = -1;
    int r = text ? channel_receive_text(ends[1], &kind, &said, &e)
                 : channel_receive(ends[1], &kind, &value, &e);
    must(r <= 0 && (r < 0) == (e.code < 0) && (r < 0 || !text || said));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > 8192)
        return 0;
    receive(data, size, false);
    receive(data, size, true);
    return 0;
}
