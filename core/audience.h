/* The clients of `attach`, as the process that copies a program's output sees them. Private to core/. */
#pragma once

#include <netctr/core.h>

#define AUDIENCE_MAX 16

/** Plain data: the relay has a copy. */
struct audience {
    int channels[AUDIENCE_MAX]; /**< of those who watch; the first @count */
    uint64_t
        skipped[AUDIENCE_MAX]; /**< bytes that have not been sent, because the client is slow */
    size_t count;
};

/** -EUSERS: there is no room. */
int audience_add(struct audience *a, int channel);
/** The caller closes it. */
void audience_remove(struct audience *a, int channel);
/** Sends output to all, without waiting for any of them. @errors: it is stderr. */
void audience_show(struct audience *a, bool errors, const char *data, size_t size);
