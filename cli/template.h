/* The part of Go's templates that users of docker write: fields, ranges and conditions, over JSON. */
#pragma once

#include <netctr/base.h>

struct template;

/** Parses "{{.ID}}\t{{json .Ports}}"; a text before it "table " makes a table. -EINVAL with a text. */
int template_parse(const char *text, struct template **out, struct err *e);
void template_free(struct template *t);
static inline void template_cleanup(struct template **t)
{
    template_free(*t);
}
#define _cleanup_template_ __attribute__((cleanup(template_cleanup)))
bool template_is_table(const struct template *t);
/** What it makes of @value. -ENOENT with a text: there is no such field. The caller frees *@out. */
int template_text(const struct template *t, const json_t *value, char **out, struct err *e);
/** The titles of a table's columns, separated by tabs. The caller frees. */
char *template_titles(const struct template *t, const char *id_title);
