/* What supervise.c needs of a client. Private to core/. */
#pragma once

#include "relay.h"

#include <netctr/core.h>

#include <signal.h>

/** Reads a message without waiting. 1: the client got a signal; 0: nothing; -EPIPE: it has left. */
int client_hear(struct client *c, int *sig, pid_t *sender);
/** Has the client left? Takes no message. */
bool client_has_left(const struct client *c);
/** Notes the delivery of a signal. True if it has come the other way already: systemd, for one, sends a signal to every
 *  process of a service, that is to the client and to the monitor. */
bool client_repeats(struct client *c, int sig, pid_t sender, bool by_client);
