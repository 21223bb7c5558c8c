/* Finds problems of this host and of netctr's own state that keep containers from working, each
 * with its cure. doctor only reads: it creates and changes nothing, even where netctr has never
 * run. */
#pragma once

#include <netctr/base.h>

#include <jansson.h>

/** Gathers the facts and runs every check; no check waits longer than about a second. @root and
 *  @run_root need not exist. *@findings is an array of {"severity": "problem" | "warning" | "note",
 *  "text", "cure"}, which the caller frees, also after a failure. A failed check does not keep the
 *  others from running; the first error is returned. */
int doctor_examine(const char *root, const char *run_root, json_t **findings, struct err *e);
