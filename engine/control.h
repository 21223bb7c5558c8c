/* A door to a running container's monitor: RUN/containers/NAME/control, a SOCK_SEQPACKET socket that
 * only root can reach. Whoever wants to change the network of a running container asks its monitor,
 * which holds the ports and the endpoints: so there is one writer, and what it was doing when somebody
 * is killed is finished or undone by the one who knows.
 *
 * One request a connection: a JSON object {"do": WHAT, "words": [WORD, …]}; one answer.
 */
#pragma once

#include <netctr/engine.h>

/** Serves one request. *@answer (may stay NULL) is what the asker prints; -errno with @e. */
typedef int (*control_handler)(void *arg, const char *what, char *const *words, char **answer,
                               struct err *e);

/** Listens in @run_dir. Returns the socket. */
int control_listen(int run_dir, struct err *e);
/** Takes one request from @socket and answers it. */
void control_serve(int socket, control_handler handler, void *arg);

/** `network connect` and `disconnect`, `publish` and `unpublish`: asks the monitor of a container that lives, and
 *  changes the definition of one that does not, for its next start (networks only; redefine.c). The answer is
 *  printed. */
int engine_change_network(struct engine *engine, const char *name, const char *what,
                          char *const *words, struct err *e);
/** Asks the monitor of a running container and prints its answer. */
int control_ask(struct engine *engine, const struct record *r, const char *what, char *const *words,
                struct err *e);
/** -ETIMEDOUT with the text that says so. */
int monitor_is_stopped(const struct record *r, struct err *e);
