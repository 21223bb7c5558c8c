/* The wire format of the packets of netctr/core.h. It has a header of its own because the stub (core/stub.c) has no C
 * library. Private to core/. */
#pragma once

#include <netctr/message.h>

#include <stdint.h>

struct packet {
    uint32_t kind;        /* enum message */
    int32_t code;         /* of an error, or a number */
    int32_t status;       /* exit status of an error */
    uint32_t text_length; /* text, then hint, both NUL-terminated, follow */
    char text[PACKET_TEXT];
};
#define PACKET_HEADER 16
