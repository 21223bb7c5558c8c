/* Fds of others that one fd stands for: the monitor watches this one, however many there are. */
#pragma once

#include <netctr/base.h>

struct hub;
int hub_new(struct hub **out, struct err *e);
void hub_free(struct hub *h); /**< accepts NULL */
int hub_fd(const struct hub *h);
/** Calls @ready whenever @fd can be read. */
int hub_add(struct hub *h, int fd, void (*ready)(void *arg), void *arg, struct err *e);
/** Before @fd is closed. Also from within a @ready. */
void hub_remove(struct hub *h, int fd);
void hub_run(void *hub);
