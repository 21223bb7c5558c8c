/* CVE-2019-5736: a container that gets hold of our running binary through /proc/PID/exe must not be
 * able to write to it.
 */
#pragma once

#include <netctr/base.h>

/** Makes sure that this process runs from a file that nobody can write through /proc/self/exe. Call
 *  it first thing in main(), before threads and before any fd is open that exec would close.
 *
 *  If the binary is on a read-only mount, or is a sealed memfd, it returns 0 at once (two system
 *  calls). Else it executes the same binary again (same @argv, same environment, same fds but for
 *  the close-on-exec ones) from a detached read-only clone of its mount (open_tree, mount_setattr:
 *  Linux 5.12, CAP_SYS_ADMIN), or from a sealed copy in memory (memfd), and does not return.
 *  -errno: it could do neither; no container may be entered then. Needs /proc. */
int seal_self(char **argv, struct err *e);
