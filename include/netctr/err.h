/* One error object: which step failed, on which object, the kernel's reason, and the cure.
 *
 * Every fallible function of netctr returns 0 (or something positive) for success and a negative
 * errno for failure, and takes a `struct err *` as its last argument. The function that meets the
 * failure fills it with err_set(); those above it may add what they know with err_wrap(). Nobody
 * but cli/ prints it.
 */
#pragma once

#include <stdbool.h>

/** Exit codes of docker and podman. */
enum {
    EXIT_NETCTR = 125,        /**< netctr itself failed */
    EXIT_NOT_INVOKABLE = 126, /**< the command exists but cannot be executed */
    EXIT_NOT_FOUND = 127,     /**< the command does not exist */
};

struct err {
    int code;   /**< negative errno of the failure; 0: no failure */
    int status; /**< exit status that netctr should end with; 0 means EXIT_NETCTR */
    char *text; /**< "create bridge `nc-default`: File exists (Device already there)"; owned */
    char *hint; /**< what to do about it, or NULL; owned */
};

#define ERR_INIT \
    {            \
    }

/** Frees what @e holds and makes it empty again. Accepts NULL. */
void err_clear(struct err *e);

/** Records a failure whose reason is the errno @code (negative or positive): the text becomes
 *  "FORMAT: strerror". An earlier failure in @e is replaced. Returns the negative errno, so that
 *  `return err_set(e, errno, "open `%s`", path);` is the whole error path. @e may be NULL. */
int err_set(struct err *e, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/** The same without strerror: for failures that netctr itself finds (bad input, a conflict).
 *  @code still is what the caller gets back. */
int err_say(struct err *e, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/** Adds the kernel's own words (netlink extended ack) in parentheses. NULL or "" adds nothing. */
void err_kernel_says(struct err *e, const char *words);

/* These three return e->code, or -EIO when nobody asked for an error object: `return err_hint(…)`
 * is a failure either way. */

/** Puts "FORMAT: " before the text, unless that begins with the same words. */
int err_wrap(struct err *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** Says what the person can do; printed after the text. */
int err_hint(struct err *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** Sets the exit status (EXIT_NOT_FOUND, …). */
int err_status(struct err *e, int status);

/** "TEXT; HINT", as netctr prints it; caller frees. */
char *err_line(const struct err *e);

/** Moves the failure of @from into @to and empties @from. */
void err_move(struct err *to, struct err *from);

/** After a step of something that goes on when one fails: the first failure is kept in @first and @e, and @step
 *  is emptied. */
void err_note(int *first, int r, struct err *e, struct err *step);

#define _cleanup_err_ __attribute__((cleanup(err_clear)))

