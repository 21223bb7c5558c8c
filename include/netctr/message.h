/* The kinds of packets that a channel carries (netctr/channel.h). A header of its own, because the stub (core/stub.c), which sends
 * some of them, is built without a C library.
 */
#pragma once

#define PACKET_TEXT 2048 /**< bytes of a packet's text, with its NUL */

enum message {
    MESSAGE_END,      /**< end of file */
    MESSAGE_NETNS,    /**< to the child: its network namespace; carries an fd */
    MESSAGE_PREPARED, /**< from the child: ready to become the program */
    MESSAGE_START,    /**< to the child: become the program */
    MESSAGE_PROCESS,  /**< from the child: the pid of the process that it has made */
    MESSAGE_STARTED,  /**< from a monitor: the container runs */
    MESSAGE_ERROR,    /**< from the child: the error object */
    MESSAGE_NOT_RUN,  /**< from the child: execve failed; carries the errno */
    MESSAGE_REQUEST,  /**< to a monitor: a change, as JSON (engine/control.h) */
    MESSAGE_DONE,     /**< from a monitor: the change is made; the text is for stdout */
    MESSAGE_PART,     /**< from a monitor: a part of a text for stdout that needs several packets */
    MESSAGE_NO_PROCESS, /**< from the child: fork failed; carries the errno */
    MESSAGE_PIDFD,      /**< from the keeper of a command (core/enter.c): it runs; carries an fd */
    MESSAGE_EXITED, /**< from the keeper of a command, or a monitor to its client: carries the exit status */
    MESSAGE_NO_LOADER, /**< from the child: the program exists, its interpreter does not */
    MESSAGE_WAITS,     /**< from a detached monitor: it will try again later; the text says why */
    MESSAGE_STREAMS,   /**< from a client: carries its stdout, stderr and perhaps stdin */
    MESSAGE_SIGNAL, /**< from a client: it got a signal; the text is "SIGNAL PID", with the sender's pid */
    MESSAGE_OOM_KILLED, /**< to a client, before MESSAGE_EXITED: the program was killed for want of memory */
    MESSAGE_TERMINAL, /**< from the child: the master of its terminal; carries an fd */
    MESSAGE_SIZE,     /**< from a client: the size of its terminal; the text is "ROWS COLUMNS" */
    MESSAGE_OUTPUT, /**< to a client of `attach`: what the program has written to stdout, or its terminal … */
    MESSAGE_ERRORS, /**< … and to stderr */
    MESSAGE_SKIPPED, /**< to such a client, which is slow: a uint64_t, the bytes that it has not been sent */
    MESSAGE_DETACHED, /**< to the keeper of a command: its client leaves, and the command goes on */
};
