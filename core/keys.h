/* The keys by which a client leaves. Private to core/. */
#pragma once

#include <netctr/core.h>

struct key_filter {
    const struct detach_keys *keys;
    size_t matched; /**< how many of the keys have been typed; they are held back */
    bool left;      /**< all of them: what follows is not for the program */
};
/** Takes the keys out of @size bytes of input. Returns the number of bytes that @data has then, which may be greater by
 *  DETACH_KEYS_MAX. */
size_t keys_filter(struct key_filter *f, char *data, size_t size);
