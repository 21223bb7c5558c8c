/* The mount namespace of pins: made, entered for a moment, kept by one mount. Private to netns/. */
#pragma once

#include <netctr/netns.h>

/** Where the mount that keeps the pins' namespace is, or would be. */
struct pins_place {
    int ns;  /**< a mount namespace */
    int dir; /**< RUN as it is seen there */
};

/** Runs @work in the mount namespace @ns with that namespace's root as root and working directory, and returns the
 *  result of @work to the caller's own namespace, root and working directory. @work must not use absolute paths of the
 *  caller. */
int mount_ns_run(int ns, int (*work)(void *arg, struct err *e), void *arg, struct err *e);

/** Finds it. The caller owns both fds of @out. */
int pins_find_place(int run_fd, struct pins_place *out, struct err *e);
/** The namespace, an fd; -ENOENT without a text: there is none; or -errno with a text. */
int pins_find_namespace(const struct pins_place *place, struct err *e);
/** Makes the namespace and keeps it at @place. An fd. RUN/pins must be locked. */
int pins_make_namespace(const struct pins_place *place, struct err *e);
/** Removes what keeps it, and RUN/pins. Accepts "already gone". RUN/pins must be locked. */
int pins_remove_namespace(const struct pins_place *place, struct err *e);
/** Takes the lock of RUN/pins, an fd that holds it. Without @make: -ENOENT without a text when there is no RUN/pins. No
 *  other lock may be taken while it is held. */
int pins_lock(const struct pins_place *place, bool make, struct err *e);
