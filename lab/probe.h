/* One probe in flight. Private to lab/. */
#pragma once

#include <netctr/probe.h>

struct probe {
    int netns; /**< the sender's */
    enum lab_protocol protocol;
    struct ip to;
    uint16_t port;
    unsigned patience_ms;
};
enum probe_outcome {
    PROBE_FLIES,
    PROBE_REACHED,
    PROBE_REFUSED,     /**< the host is there, and the port is closed or rejected */
    PROBE_UNREACHABLE, /**< the sender has no route, or a router said so */
    PROBE_TIMEOUT,     /**< nothing was heard */
};
struct flight {
    struct probe probe;
    enum probe_outcome outcome;
    int error;  /**< errno behind @outcome */
    int64_t us; /**< how long it took */
    int fd;
    int64_t began, send_again; /**< µs */
    uint16_t id;
};
/** Sends the probe. It may be over at once. */
void flight_start(struct flight *f, const struct probe *p);
/** Ends a flight that is not over. */
void flight_cancel(struct flight *f);
/** Waits until one of the flights is over, or for @timeout_us; those that are over already are skipped. */
void flights_turn(struct flight *const *flights, size_t count, int64_t timeout_us);
/** What happened, in words; caller frees. */
char *flight_text(const struct flight *f);
