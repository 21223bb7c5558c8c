/* Where ports are published, as `ps`, `port` and `inspect` tell it. */
#pragma once

#include "cli.h"

/** What is published now, one text for each port and family; nothing of a container that has ended, or waits for
 *  its start. Stays @r's. */
strv ports_of(const struct record *r);

/** One of these texts in its parts, which point into it. */
struct published_port {
    const char *host; /**< "0.0.0.0" */
    size_t host_size;
    unsigned host_port; /**< 0: the container's own port is open, there is none of the host */
    unsigned port;
    const char *protocol;
};
bool port_parse(const char *text, struct published_port *out);

/** All of them in one line, ports that follow each other joined as docker does: "0.0.0.0:9000-9010->9000-9010/tcp";
 *  caller frees. */
char *ports_text(strv published);
