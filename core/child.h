/* What the child of process_create() and of process_exec() does until it is the program.
 * Private to core/. */
#pragma once

#include "cgroup.h"
#include "launch.h"
#include "rootfs.h"
#include "seccomp.h"

/** How a process becomes the container's program: the last part for both. */
struct become {
    char *const *argv;
    char *const *env; /**< without HOME unless the user set it */
    const char *user, *workdir, *umask;
    char *const *groups;
    uint64_t caps, ambient_caps;
    const struct seccomp_filter *filter; /**< empty: none */
    bool die_with_parent;                /**< the container must not outlive its monitor */
    bool makes_workdir;                  /**< as `run` does; else a missing one is an error */
    const struct ulimits *ulimits;
    const struct id_map *ids; /**< that the user namespace has; empty: all */
    int stub;                 /**< stub_open() */
    int channel;              /**< to the parent */
    bool terminal;            /**< the streams are one, made by terminal_new() */
    bool leads_session; /**< takes it as its controlling terminal; of exec, the stub does that */
    int streams[3];     /**< stdin (-1: /dev/null), stdout, stderr */
};
/** Sets streams, working directory, user, capabilities and seccomp, then executes the stub. Returns only on
 *  failure. @root is an fd of the container's root, which is already the root of the process. */
int become_program(const struct become *b, int root, struct err *e);

struct child {
    struct rootfs rootfs;
    struct become become;
    const struct cgroup_entry *cgroup; /**< NULL: born in its cgroup, the only one */
    struct winsize size;               /**< of its terminal */
};
/** Makes a terminal for the streams of @b, and sends its master over the channel. @console: it is /dev/console, too. */
int become_terminal(struct become *b, int root, const struct winsize *size, bool console,
                    struct err *e);
/** The container's init, from clone3() to execve(). */
_Noreturn void child_main(struct child *c);

/** Resets signal dispositions and mask, as a program expects them. Cannot fail. */
void reset_signals(void);
