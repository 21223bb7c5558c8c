/* How a command enters a running container. Private to core/. */
#pragma once

#include "cgroup.h"
#include "process.h"
#include "seccomp.h"

struct joining {
    const struct plan *plan; /**< of the container */
    const struct exec_request *request;
    const struct cgroup_entry *entry;
    const struct seccomp_filter *filter;
    strv env;
    int pidfd;           /**< of the container's init */
    struct winsize size; /**< of the command's terminal */
    int stub;
    int streams
        [3]; /**< the command's ends; the caller closes its copies when the command has them */
};

/** A command that has been started. */
struct entered {
    int command;  /**< its pidfd */
    int terminal; /**< the master of its terminal; -1: it has none */
    int channel;  /**< receives MESSAGE_EXITED with its exit status */
    pid_t keeper; /**< our child */
};
#define ENTERED_INIT                                 \
    {                                                \
        .command = -1, .terminal = -1, .channel = -1 \
    }

/** Starts the command, which survives the end of the caller. */
int enter_start(struct joining *j, struct entered *out, struct err *e);
/** Reaps the keeper, after MESSAGE_EXITED. */
void entered_reap(const struct entered *entered);
void entered_clear(struct entered *entered);
