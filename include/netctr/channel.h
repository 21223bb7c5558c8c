/* The one protocol between a parent and the child that it prepares: packets over a SOCK_SEQPACKET
 * pair. A packet is a kind, an errno, an exit status and a text; one kind carries an fd. End of file
 * means that the other side is gone, or has become another program. A command and its detached monitor speak it too.
 */
#pragma once

#include <netctr/base.h>

enum message {
    MESSAGE_END,      /**< end of file */
    MESSAGE_NETNS,    /**< to the child: your network namespace; carries an fd */
    MESSAGE_PREPARED, /**< from the child: the root filesystem stands */
    MESSAGE_START,    /**< to the child: become the program */
    MESSAGE_PROCESS,  /**< from the child: the number of the process that it has made */
    MESSAGE_STARTED,  /**< from a detached monitor: the container runs */
    MESSAGE_ERROR,    /**< from the child: the error object */
};

/** Both ends are O_CLOEXEC. */
int channel_open(int ends[2], struct err *e);
/** Sends a message without more. A receiver that is gone is -EPIPE. */
int channel_send(int channel, enum message kind);
int channel_send_fd(int channel, enum message kind, int fd);
int channel_send_number(int channel, enum message kind, int number);
int channel_send_error(int channel, const struct err *error);
/** Waits for one message. MESSAGE_ERROR is turned into a failure: its error moves into @e and its
 *  code is returned. *@value (may be NULL) becomes the fd or the number that came along, else -1; an
 *  fd is the caller's. */
int channel_receive(int channel, enum message *kind, int *value, struct err *e);
