/* Capabilities: from docker's words (--cap-add, --cap-drop, --privileged) to the five kernel sets.
 *
 * A set is a uint64_t with bit n for capability n (linux/capability.h). Functions that touch the
 * kernel act on the calling thread; they are meant for the child, which is single-threaded.
 */
#pragma once

#include <netctr/base.h>

#include <linux/capability.h>

#define CAPS_BIT(cap) (UINT64_C(1) << (cap))

/** The fourteen that docker leaves to a container's root. */
#define CAPS_DEFAULT                                                                             \
    (CAPS_BIT(CAP_CHOWN) | CAPS_BIT(CAP_DAC_OVERRIDE) | CAPS_BIT(CAP_FSETID) |                   \
     CAPS_BIT(CAP_FOWNER) | CAPS_BIT(CAP_MKNOD) | CAPS_BIT(CAP_NET_RAW) | CAPS_BIT(CAP_SETGID) | \
     CAPS_BIT(CAP_SETUID) | CAPS_BIT(CAP_SETFCAP) | CAPS_BIT(CAP_SETPCAP) |                      \
     CAPS_BIT(CAP_NET_BIND_SERVICE) | CAPS_BIT(CAP_SYS_CHROOT) | CAPS_BIT(CAP_KILL) |            \
     CAPS_BIT(CAP_AUDIT_WRITE))

/** "CAP_CHOWN" for 0; "CAP_63" for one that has no name here. Caller frees. */
char *caps_name(int cap);
/** The names of all in @mask, in the kernel's order; caller frees; NULL when empty. */
strv caps_names(uint64_t mask);

/** "NET_ADMIN", "cap_net_admin" → its bit; "ALL" → every bit. Unknown: -EINVAL with the nearest
 *  name as a hint. */
int caps_parse(const char *name, uint64_t *mask, struct err *e);

/** What this thread can give on: its bounding set (PR_CAPBSET_READ) and its permitted set (capget)
 *  in common. Thereby also bounded by the last capability that the running kernel knows. */
uint64_t caps_held(void);
/** Those of @asked among them: the bounding set costs a system call for each. */
uint64_t caps_held_of(uint64_t asked);
/** Those that @add names; "ALL" is every bit. Unknown names add nothing. */
uint64_t caps_added(char *const *add);
/** All that caps_resolve() will look at in its @held, for these arguments. */
uint64_t caps_asked(char *const *add, bool privileged);

/** The set of a container. @add and @drop are vectors of names (may be NULL), @held is caps_held(), or
 *  caps_held_of() what is asked. Docker's rules: add ALL gives everything but the dropped ones; drop ALL
 *  leaves what is added; else the default less the dropped plus the added (adding wins). What comes with
 *  the default, ALL or @privileged and is not held is left out; what was added by name and is not held
 *  is -EPERM. Touches nothing. */
int caps_resolve(char *const *add, char *const *drop, bool privileged, uint64_t held,
                 uint64_t *mask, struct err *e);

/** Step 1, still uid 0 with CAP_SETPCAP: takes all but @mask from the bounding set (and with it
 *  from everything that a later execve could give) and empties the ambient set.
 *
 *  The order around it: seccomp (when there is no no_new_privs: it needs CAP_SYS_ADMIN),
 *  caps_drop_bounding, caps_keep_over_uid, setgroups, setresgid, setresuid, caps_set_after_uid, seccomp (when
 *  there is no_new_privs), execve. */
int caps_drop_bounding(uint64_t mask, struct err *e);

/** Step 2, before setresuid to @uid: lets another user than root keep the permitted set, when there is something
 *  @ambient to be taken from it. */
int caps_keep_over_uid(uint64_t ambient, uid_t uid, struct err *e);

/** Step 3, after setresuid to @uid: for uid 0, permitted and effective become @mask and inheritable is empty
 *  (CVE-2022-24769: otherwise a program with inheritable file capabilities gains them). Any other user has what is
 *  @ambient, a part of @mask, in all sets, and keeps it over execve: podman's rule. That is what was added by
 *  name, so usually nothing: then a user has no capabilities until it executes a setuid or file-capability
 *  program, for which the bounding set stays. */
int caps_set_after_uid(uint64_t mask, uint64_t ambient, uid_t uid, struct err *e);
