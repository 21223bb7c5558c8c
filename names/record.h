/* How an entry and the index that leads to it are written, for those who write them and those who tidy up.
 * A name that begins with "~" is one that is being put in place; no valid_name() does.
 */
#pragma once

#include <netctr/names.h>

/** Can somebody ask for it? Labels of 1 to 63 characters, 253 in all, of those that valid_name() allows. */
bool name_is_dns(const char *name);
char *name_lower(const char *name); /**< small letters; caller frees */

/** The text of an entry, a line; caller frees. */
char *record_text(const struct name_entry *n);
/** What is in the first line of @text; only @id stays NULL. -EBADMSG; then @out is empty. */
int record_parse(const char *text, struct name_entry *out);
void name_record_clear(struct name_entry *n);
#define _cleanup_record_ __attribute__((cleanup(name_record_clear), unused))

/** What an entry and those that it was to replace say, a line each; caller frees. 0; -ENOENT; -EBADMSG. */
int record_lines(int dir, const char *network, const char *id, strv *out);

/** The target of a symbolic link of ours; NULL if there is none. Caller frees. */
char *record_link(int dir, const char *path);
/** Takes @id's entry on @network out, with all that it leads to, whether it can be read or not. */
int record_remove(int dir, const char *network, const char *id);
/** Takes the address out if it is @id's on @network. */
int record_remove_address(int dir, const char *address, const char *network, const char *id);
/** Takes @id out from under @name, which is in small letters, and the name if nobody else has it. */
int record_remove_name(int dir, const char *network, const char *name, const char *id);
/** Calls @each for what is in @path, but for "." and ".."; until it returns something else than 0. No such
 *  directory: nothing. */
int record_list(int dir, const char *path, int (*each)(const char *name, void *arg), void *arg);
