/* A terminal of the container's own. Private to core/. */
#pragma once

#include <netctr/core.h>

/** Makes a terminal in the container's devpts and mounts it on /dev/console. Returns its peer, the program's side;
 *  @master is the other. @root is the container's root. */
int terminal_new(int root, int *master, struct err *e);
/** The peer becomes the controlling terminal of this process, which leads a session. */
int terminal_control(int peer, struct err *e);
/** Gives @to the size of @from. If @from is not a terminal, nothing happens. */
void terminal_copy_size(int from, int to);
