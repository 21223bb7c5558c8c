/* The format of an entry and of its index, for writers and for cleaning up. Names that start with
 * "~" are temporary; no valid_name() does. */
#pragma once

#include <netctr/names.h>

/** Can DNS carry the name? Labels of 1 to 63 characters, 253 in all, with the characters of
 *  valid_name(). */
bool name_is_dns(const char *name);
char *name_lower(const char *name); /**< in lower case; caller frees */

/** The text of an entry, one line. Caller frees. */
char *record_text(const struct name_entry *n);
/** Parses the first line of @text; @out->id stays NULL. -EBADMSG: @out is empty. */
int record_parse(const char *text, struct name_entry *out);
void name_record_clear(struct name_entry *n);
#define _cleanup_record_ __attribute__((cleanup(name_record_clear), unused))

/** The lines of an entry: its own, and those that it was replacing. Caller frees. 0, -ENOENT or
 *  -EBADMSG. */
int record_lines(int dir, const char *network, const char *id, strv *out);

/** The target of a symbolic link in RUN/dns. Caller frees. NULL with errno: it is missing, not a
 *  link or too long, or it is unknown. */
char *record_link(int dir, const char *path);
/** Does @error, from record_link(), leave open what the link says? Such a link is not damaged, and
 *  must not be removed. */
bool record_link_unknown(int error);
/** Removes the entry of @id on @network and its index, even if the entry is damaged. */
int record_remove(int dir, const char *network, const char *id);
/** Removes the address if it belongs to @id on @network. */
int record_remove_address(int dir, const char *address, const char *network, const char *id);
/** Removes @id from @name (in lower case), and the name if no other container has it. */
int record_remove_name(int dir, const char *network, const char *name, const char *id);
/** Calls @each for the entries of the directory @path, except "." and "..", until it returns
 *  non-zero. A missing directory has none. */
int record_list(int dir, const char *path, int (*each)(const char *name, void *arg), void *arg);
