/* Text in columns of a terminal. "…", for example, has three bytes and one column. */
#pragma once

#include <netctr/base.h>

#include <stdio.h>

/** The number of columns of @text; a byte that is not UTF-8 counts as one. */
size_t text_columns(const char *text);
/** A copy of at most @columns columns, "…" at its end if it was longer; caller frees. */
char *text_cut(const char *text, size_t columns);
void print_padded(FILE *out, const char *text, size_t columns);
/** Wraps the words of @text in lines of at most @columns. The cursor is at column @indent, where all lines begin. */
void print_wrapped(FILE *out, const char *text, size_t indent, size_t columns);
/** Rows of @columns cells. Each column is as wide as its widest cell; the last one is not padded. Control characters are
 *  escaped. */
void print_table(strv cells, size_t columns);
