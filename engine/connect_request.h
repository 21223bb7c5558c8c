/* A request to connect a container to a network, from `--network` or `network connect`. */
#pragma once

#include <netctr/bridge.h>

struct connect_request {
    char *network;
    char *interface; /* NULL: the next free ethN */
    struct ip address4, address6;
    uint8_t mac[6];
    strv aliases;
    uint64_t rate; /* bits a second; 0: no limit */
    int priority;  /* the network with the highest gets the default route */
};
void connect_request_clear(struct connect_request *a);
#define _cleanup_connect_request_ __attribute__((cleanup(connect_request_clear)))

/** Translates "bridge", docker's name of the default network; returns other words unchanged. */
const char *connect_request_network(const char *word);
/** Parses NAME[:ip=…,ip6=…,mac=…,name=…,alias=…,rate=…,gw-priority=…] into *@out, which the caller clears.
 *  -EINVAL with a text. */
int connect_request_parse(const char *text, struct connect_request *out, struct err *e);
/** The inverse of connect_request_parse(), for the definition; caller frees. */
char *connect_request_text(const struct connect_request *a);
/** The network names of such texts, as in "a,b", or "none"; caller frees. */
char *connect_request_names(char *const *texts);
/** Appends an option to such a text; does nothing if @value is NULL or empty. */
void connect_request_add_option(char **text, const char *key, const char *value);

/** The special words of `--network`. */
enum network_word {
    NETWORK_NAME,
    NETWORK_WORD_HOST,      /* "host" */
    NETWORK_WORD_NONE,      /* "none" */
    NETWORK_WORD_CONTAINER, /* "container:NAME" */
    NETWORK_WORD_NS,        /* "ns:PATH" */
};
/** @rest (may be NULL) points behind the colon of the last two. */
enum network_word network_word(const char *text, const char **rest);
