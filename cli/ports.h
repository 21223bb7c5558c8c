/* Published ports in the output of `ps`. */
#pragma once

#include "cli.h"

/** All of them in one line, consecutive ports joined as in docker: "0.0.0.0:9000-9010->9000-9010/tcp"; caller frees. */
char *ports_text(strv published);
/** Is it PORT or PORT/PROTOCOL? */
bool port_filter_valid(const char *text);
/** Is this port among them, on the host or inside? TCP if @wanted has no protocol. */
bool ports_have(strv published, const char *wanted);
