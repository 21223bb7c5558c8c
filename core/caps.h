/* Capabilities: from docker's words (--cap-add, --cap-drop, --privileged) to the five kernel sets. The part that other
 * folders use is in include/netctr/core.h.
 *
 * Functions that change something act on the calling thread; the child, which calls them, is single-threaded.
 * Private to core/.
 */
#pragma once

#include <netctr/core.h>

/** "CAP_CHOWN" for 0; "CAP_63" for one without a name here. The caller frees. */
char *caps_name(int cap);
/** "NET_ADMIN", "cap_net_admin" → its bit; "ALL" → every bit. Unknown: -EINVAL with the nearest
 *  name as a hint. */
int caps_parse(const char *name, uint64_t *mask, struct err *e);
/** What this thread can pass on: what its bounding set (PR_CAPBSET_READ) and its permitted set (capget) have
 *  in common, so at most the last capability that the running kernel knows. */
uint64_t caps_held(void);

/** Step 1, still uid 0 with CAP_SETPCAP: takes all but @mask from the bounding set (and with it
 *  from everything that a later execve could give) and empties the ambient set.
 *
 *  The order around it: seccomp (without no_new_privs: it needs CAP_SYS_ADMIN), caps_drop_bounding,
 *  caps_keep_over_uid, setgroups, setresgid, setresuid, caps_set_after_uid, seccomp (with no_new_privs), execve. */
int caps_drop_bounding(uint64_t mask, struct err *e);

/** Step 2, before setresuid to @uid: lets a user other than root keep the permitted set if @ambient is to be taken
 *  from it. */
int caps_keep_over_uid(uint64_t ambient, uid_t uid, struct err *e);

/** Step 3, after setresuid to @uid: for uid 0, permitted and effective become @mask and inheritable is empty
 *  (CVE-2022-24769: otherwise a program with inheritable file capabilities gains them). Any other user has @ambient,
 *  a part of @mask, in all sets, and keeps it over execve: podman's rule. That is what was added by name, so usually
 *  nothing: such a user has no capabilities until it executes a program with set-user-ID or file capabilities,
 *  for which the bounding set stays. */
int caps_set_after_uid(uint64_t mask, uint64_t ambient, uid_t uid, struct err *e);
