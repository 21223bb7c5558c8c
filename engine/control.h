/* The control socket of a monitor: RUN/containers/NAME/control, SOCK_SEQPACKET, for root only. The network of a running
 * container is changed by its monitor, which holds the ports and the endpoints; so are its limits and its name. So there is
 * one writer, and a change is completed or undone even if the command that asked for it is killed.
 *
 * One request a connection, a JSON object {"do": WHAT, "words": [WORD, …], "answer": "json"}, and one answer, a JSON object
 * as well: {"ports": ["0.0.0.0:8080->80/tcp", …]} for "publish", {} for the others. In version 0.1.0, requests have no
 * "answer", and answers are the lines of "ports" as text. Both sides accept both.
 *
 * "attach" is another matter: the connection stays open, and the packets are those between a monitor and a client
 * (core/viewers.c).
 */
#pragma once

#include "internal.h"

/** Serves one request. *@answer (may stay NULL) is a JSON object, which the caller owns; -errno with @e. */
typedef int (*control_handler)(void *arg, const char *what, char *const *words, json_t **answer,
                               struct err *e);

/** "attach": takes a client in, whose connection becomes the channel of core's supervise_attach(). Takes @client over. */
typedef int (*control_taker)(void *arg, int client, struct err *e);

/** Listens in @run_dir. Returns the socket. */
int control_listen(int run_dir, struct err *e);
/** Takes one request from @socket and answers it. */
void control_serve(int socket, control_handler handler, control_taker take, void *arg);

/** Asks the monitor of a running container. *@answer is a JSON object, which the caller owns. */
int control_ask(struct engine *engine, const struct record *r, const char *what, char *const *words,
                json_t **answer, struct err *e);
/** Asks it to take this process in. Returns the channel; the answer is its first message. */
int control_attach(struct engine *engine, const struct record *r, struct err *e);
/** "connect", "disconnect", "publish", "unpublish" and "update": asks the monitor of a running container, or changes the
 *  definition of one that does not run (networks and limits only). (redefine.c) */
int engine_change(struct engine *engine, const char *name, const char *what, char *const *words,
                  json_t **answer, struct err *e);
/** -ETIMEDOUT with a text: the monitor of @r has been stopped (SIGSTOP). */
int monitor_is_stopped(const struct record *r, struct err *e);
