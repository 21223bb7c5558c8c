/* Finds what keeps containers from working, on this host or in netctr's own state, each with its cure. doctor only
 * reads: it creates and changes nothing, even where netctr has never run.
 */
#pragma once

#include <netctr/base.h>

#include <jansson.h>

/** Gathers the facts and runs every check; waits about a second at most for any of them. @root and @run_root need not
 *  exist. *@findings is an array of {"severity": "problem" | "warning" | "note", "text", "cure"}, to be freed by the
 *  caller also after a failure. A check that fails does not keep the others from running; the first failure is
 *  returned. */
int doctor_examine(const char *root, const char *run_root, json_t **findings, struct err *e);
