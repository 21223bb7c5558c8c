/* What supervise.c needs of a client. Private to core/. */
#pragma once

#include "relay.h"

#include <netctr/core.h>

#include <signal.h>

struct client_word {
    int sig; /**< the client got this signal from @sender; 0: its terminal has this @size, 0 if not known */
    pid_t sender;
    struct winsize size;
};
/** Reads a message without waiting. 1: there is one; 0: nothing; -EPIPE: the client has left. */
int client_hear(int channel, struct client_word *out);
/** Has the client left? Takes no message. */
bool client_has_left(const struct client *c);
/** The client's half: MESSAGE_SIGNAL with the sender's pid, or MESSAGE_SIZE. A monitor that has been stopped does not read, and
 *  the client must not wait for it. */
void client_say(int channel, enum message kind, int first, int second);
/** Notes the delivery of a signal. True if it has come the other way already: systemd, for one, sends a signal to every
 *  process of a service, that is to the client and to the monitor. */
bool client_repeats(struct client *c, int sig, pid_t sender, bool by_client);
