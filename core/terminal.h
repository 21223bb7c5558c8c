/* A terminal of the container's own. Private to core/. */
#pragma once

#include <netctr/core.h>

#include <sys/ioctl.h>

/** Makes a terminal of @size in the container's devpts. Returns its peer, the program's side; @master is the other. @root is
 *  the container's root. */
int terminal_new(int root, const struct winsize *size, int *master, struct err *e);
/** Mounts the peer on /dev/console. */
int terminal_be_console(int root, int peer, struct err *e);
/** The peer becomes the controlling terminal of this process, which leads a session. */
int terminal_control(int peer, struct err *e);
/** Gives a terminal a new size; one without rows or columns is unknown, and changes nothing. */
void terminal_set_size(int terminal, const struct winsize *size);
/** Another descriptor of the peer of @master, for its holder. While it is open, reading @master waits even if no process of
 *  the container has the terminal open: without it, the master reports its end (EIO) again and again. -errno. */
int terminal_peer(int master);
