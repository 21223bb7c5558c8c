/* The one protocol between a parent and the child that it prepares, and between a command and a monitor: packets
 * over a SOCK_SEQPACKET pair. A packet is a kind, an errno, an exit status and a text; some kinds carry fds. End of
 * file means that the other side is gone, or has become another program.
 */
#pragma once

#include <netctr/base.h>
#include <netctr/message.h>

/** Both ends are O_CLOEXEC. */
int channel_open(int ends[2], struct err *e);
/** Sends a message without more. -EPIPE: the receiver is gone. */
int channel_send(int channel, enum message kind);
int channel_send_fd(int channel, enum message kind, int fd);
int channel_send_number(int channel, enum message kind, int number);
#define CHANNEL_FDS 3
/** Sends up to CHANNEL_FDS descriptors, which stay the caller's. */
int channel_send_fds(int channel, enum message kind, const int *fds, size_t count);
/** Waits for such a message. Returns the number of descriptors in @fds; the caller owns them. */
int channel_receive_fds(int channel, enum message *kind, int fds[CHANNEL_FDS], struct err *e);
/** A text of at most PACKET_TEXT - 1 bytes; -EMSGSIZE. */
int channel_send_text(int channel, enum message kind, const char *text);
/** Sends at most PACKET_TEXT bytes, and does not wait for room: -EAGAIN. */
int channel_send_data(int channel, enum message kind, const char *data, size_t size);
/** Waits for such a message; @data has PACKET_TEXT bytes. Other messages have no data. */
int channel_receive_data(int channel, enum message *kind, char *data, size_t *size, struct err *e);
/** Waits for one message that may carry a text. The caller frees *@text, which is never NULL on success. */
int channel_receive_text(int channel, enum message *kind, char **text, struct err *e);
int channel_send_error(int channel, const struct err *error);
/** Closes the fd of a message that was not expected, if that kind carries one. */
void channel_drop(enum message kind, int value);
/** Waits for one message. MESSAGE_ERROR becomes a failure: its error moves into @e and its code is returned.
 *  *@value (may be NULL) becomes the fd or the number that came along, else -1; the caller owns an fd. */
int channel_receive(int channel, enum message *kind, int *value, struct err *e);
