/* Text in columns of a terminal. A column is not a byte: "…" has three bytes and one column. */
#pragma once

#include <netctr/base.h>

#include <stdio.h>

/** How many columns @text takes, which should be UTF-8; a byte that is not takes one. */
size_t text_columns(const char *text);
/** A copy of at most @columns columns, "…" at its end if it was longer; caller frees. */
char *text_cut(const char *text, size_t columns);
void print_padded(FILE *out, const char *text, size_t columns);
/** Words of @text in lines of at most @columns. The first line begins where the cursor is, at @indent. */
void print_wrapped(FILE *out, const char *text, size_t indent, size_t columns);
/** Rows of @columns cells, each column as wide as its widest cell; the last one is not padded. What cells hold
 *  is made printable. */
void print_table(strv cells, size_t columns);
