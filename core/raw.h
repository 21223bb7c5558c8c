/* The caller's terminal while a program has a terminal of its own. Private to core/. */
#pragma once

#include <netctr/core.h>

#include <termios.h>

struct raw {
    bool on;     /**< each key is passed on */
    int fd;      /**< the terminal, borrowed */
    int signals; /**< a signalfd for SIGWINCH, SIGTSTP and SIGCONT; -1: there is no terminal */
    struct termios cooked;  /**< what it was before */
    struct termios passing; /**< what it is while it is on */
    pid_t guard;            /**< restores it if this process is killed; 0: none */
    int told;               /**< a pipe to the guard; -1: none */
};
#define RAW_INIT                            \
    {                                       \
        .fd = -1, .signals = -1, .told = -1 \
    }
/** Listens for the signals that concern a terminal. From here on SIGTSTP waits for raw_hear(). */
int raw_listen(struct raw *r, struct err *e);
/** The terminal @fd passes each key on. If it is no terminal, or the kernel refuses it, nothing happens. */
void raw_begin(struct raw *r, int fd);
/** Restores the terminal, and closes what raw_listen() has opened. Idempotent. */
void raw_end(struct raw *r);
/** Handles one of the signals. True if the terminal may have another size now. */
bool raw_hear(struct raw *r);
/** Prints text of netctr's own to stderr, with the line ends that the terminal needs now. */
void raw_print(const struct raw *r, const char *text, size_t size);
