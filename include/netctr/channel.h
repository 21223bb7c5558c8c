/* The one protocol between a parent and the child that it prepares: packets over a SOCK_SEQPACKET
 * pair. A packet is a kind, an errno, an exit status and a text; one kind carries an fd. End of file
 * means that the other side is gone, or has become another program. A command and its detached monitor speak it too.
 */
#pragma once

#include "base/packet.h"

#include <netctr/base.h>

/** Both ends are O_CLOEXEC. */
int channel_open(int ends[2], struct err *e);
/** Sends a message without more. A receiver that is gone is -EPIPE. */
int channel_send(int channel, enum message kind);
int channel_send_fd(int channel, enum message kind, int fd);
int channel_send_number(int channel, enum message kind, int number);
/** A text of at most PACKET_TEXT - 1 bytes; -EMSGSIZE. */
int channel_send_text(int channel, enum message kind, const char *text);
/** Waits for one message that may carry a text; *@text is the caller's, never NULL on success. */
int channel_receive_text(int channel, enum message *kind, char **text, struct err *e);
int channel_send_error(int channel, const struct err *error);
/** Waits for one message. MESSAGE_ERROR is turned into a failure: its error moves into @e and its
 *  code is returned. *@value (may be NULL) becomes the fd or the number that came along, else -1; an
 *  fd is the caller's. */
int channel_receive(int channel, enum message *kind, int *value, struct err *e);

