/* The step from our process to the container's program, by way of the stub. Private to core/. */
#pragma once

#include <netctr/core.h>

/** The stub (stub.c) in a sealed memfd, O_CLOEXEC; @forks: the one for exec, which first makes the
 *  process that becomes the program, as a child of its own parent. -errno when this kernel does not execute from
 *  memory (vm.memfd_noexec=2). */
int stub_open(bool forks, struct err *e);
/** Executes the stub with @channel as its fd 3: it will say MESSAGE_PREPARED, wait for MESSAGE_START
 *  and become @argv, with @ulimits. Only returns on failure. */
int stub_execute(int stub, int channel, char *const *argv, char *const *env,
                 const struct ulimits *ulimits, struct err *e);
/** What the stub's MESSAGE_NOT_RUN, MESSAGE_NO_LOADER or MESSAGE_NO_PROCESS with the errno @code means for @command
 *  of @user in a container: an error with exit status 126 or 127, and a hint where the root directory is why. */
int stub_failure(const struct plan *s, const char *user, const char *command, enum message kind,
                 int code, struct err *e);
