/* Sends a program's output to the clients of `attach`. A client has the buffer of its socket, and no more: if that is full,
 * output is skipped for this client; as soon as there is room, a packet says how much. So a client that does not read neither
 * stops the program nor takes memory.
 */
#include "audience.h"

#include <errno.h>
#include <sys/socket.h>

#define BUFFER (1 << 20)

int audience_add(struct audience *a, int channel)
{
    const int size = BUFFER;
    if (a->count == AUDIENCE_MAX)
        return -EUSERS;
    if (setsockopt(channel, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) <
        0) /* as in a container */
        (void)setsockopt(channel, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    a->skipped[a->count] = 0;
    a->channels[a->count++] = channel;
    return 0;
}

void audience_remove(struct audience *a, int channel)
{
    for (size_t i = 0; i < a->count; i++)
        if (a->channels[i] == channel) {
            a->channels[i] = a->channels[--a->count];
            a->skipped[i] = a->skipped[a->count];
            return;
        }
}

/* Returns how much has been sent. A client that is gone is removed when the loop reports the end of its channel. */
static size_t send_to(int channel, enum message kind, const char *data, size_t size)
{
    size_t sent = 0;
    while (sent < size) {
        size_t n = size - sent < PACKET_TEXT ? size - sent : PACKET_TEXT;
        if (channel_send_data(channel, kind, data + sent, n) < 0)
            break;
        sent += n;
    }
    return sent;
}

void audience_show(struct audience *a, bool errors, const char *data, size_t size)
{
    for (size_t i = 0; i < a->count; i++) {
        const char *bytes = (const char *)&a->skipped[i];
        if (a->skipped[i] && send_to(a->channels[i], MESSAGE_SKIPPED, bytes, sizeof(a->skipped[i])))
            a->skipped[i] = 0;
        size_t sent = a->skipped[i] ? 0
                                    : send_to(a->channels[i],
                                              errors ? MESSAGE_ERRORS : MESSAGE_OUTPUT, data, size);
        a->skipped[i] += size - sent;
    }
}
