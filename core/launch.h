/* From our process to the container's program, by way of the stub. Private to core/. */
#pragma once

#include <netctr/core.h>

/** Which process becomes the program. */
enum stub_kind {
    STUB_PROGRAM, /**< the one that executes the stub */
    STUB_FORKS,   /**< for exec: a sibling of it */
    STUB_INIT,    /**< for --init: a child of it */
};
/** The stub (stub.c) in a sealed memfd, O_CLOEXEC. -errno where the kernel does not execute memfds (vm.memfd_noexec=2). */
int stub_open(enum stub_kind kind, struct err *e);
/** Executes the stub with @channel as its fd 3: it sends MESSAGE_PREPARED, waits for MESSAGE_START and becomes
 *  @argv, with @ulimits. Returns only on failure. */
int stub_execute(int stub, int channel, char *const *argv, char *const *env,
                 const struct ulimits *ulimits, struct err *e);
/** Turns the stub's MESSAGE_NOT_RUN, MESSAGE_NO_LOADER or MESSAGE_NO_PROCESS with the errno @code into an error
 *  with exit status 126 or 127, and a hint if the root directory is the reason. */
int stub_failure(const struct plan *s, const char *user, const char *command, enum message kind,
                 int code, struct err *e);
