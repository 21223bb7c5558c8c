/* Published ports in the output of `ps` and `inspect`. */
#pragma once

#include "cli.h"

/** The published ports of @r, a text for each port and address family; NULL if it holds none now. Owned by @r. */
strv ports_of(const struct record *r);
/** All of them in one line, consecutive ports joined as in docker: "0.0.0.0:9000-9010->9000-9010/tcp"; caller frees. */
char *ports_text(strv published);
