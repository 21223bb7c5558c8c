/* Faults and notes of a file: recorded in any order, reported by place. */
#include "file.h"

#include <stdarg.h>
#include <string.h>

static bool has(const struct found_list *l, struct place at, const char *text)
{
    for (size_t i = 0; i < l->count; i++)
        if (l->items[i].place.line == at.line && l->items[i].place.column == at.column &&
            streq(l->items[i].text, text))
            return true;
    return false;
}

/* Takes @text. */
static void add(struct found_list *l, struct place at, char *text)
{
    if (l->count == FAULTS_KEPT || has(l, at, text)) {
        l->more += l->count == FAULTS_KEPT;
        free(text);
        return;
    }
    if (l->count == l->room) {
        l->room = l->room ? 2 * l->room : 16;
        l->items = xrealloc(l->items, l->room, sizeof(*l->items));
    }
    l->items[l->count++] = (struct found){at, text};
}

static char *format_text(const char *format, va_list args)
{
    char *text = NULL;
    if (vasprintf(&text, format, args) < 0)
        abort();
    return text;
}

void fault(struct reader *r, struct place at, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add(&r->faults, at, format_text(format, args));
    va_end(args);
}

void fault_err(struct reader *r, struct place at, struct err *e)
{
    add(&r->faults, at, err_line(e));
    err_clear(e);
}

void note(struct reader *r, struct place at, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add(&r->notes, at, format_text(format, args));
    va_end(args);
}

char *nearest_hint(struct reader *r, const char *word, const char *const *words,
                   const char *otherwise)
{
    /* A file with hundreds of faults is not worth minutes of comparing. */
    for (size_t i = 0; words[i]; i++)
        r->compared++;
    const char *near = r->compared < COMPARED_MAX ? nearest_word(word, words) : NULL;
    return near ? xasprintf("did you mean `%s`?", near) : xstrdup(otherwise);
}

bool spend(struct reader *r, struct place at, size_t n)
{
    bool before = r->entries <= ENTRIES_MAX;
    r->entries += n;
    if (r->entries <= ENTRIES_MAX)
        return true;
    if (before)
        fault(r, at, "the nodes have more than %d values, with inherited ones; split the lab",
              ENTRIES_MAX);
    return false;
}

static int by_place(const void *a, const void *b)
{
    const struct found *x = a, *y = b;
    if (x->place.line != y->place.line)
        return x->place.line < y->place.line ? -1 : 1;
    if (x->place.column != y->place.column)
        return x->place.column < y->place.column ? -1 : 1;
    return strcmp(x->text, y->text);
}

/* A value of the file may be long, and may hold what a terminal obeys. */
static char *one_line(const struct reader *r, const struct found *f)
{
    enum { LINE_MAX_BYTES = 1000 };
    size_t size = strlen(f->text), keep = LINE_MAX_BYTES;
    while (keep > LINE_MAX_BYTES - 4 && size > keep && (f->text[keep] & 0xc0) == 0x80)
        keep--;
    _cleanup_free_ char *text =
        size > keep ? xasprintf("%.*s…", (int)keep, f->text) : xstrdup(f->text);
    const unsigned at = f->place.line ? f->place.line : 1;
    _cleanup_free_ char *line = r->from ? xasprintf("%s:%u: %s", r->path, at, text)
                                        : xasprintf("%s:%u:%u: %s", r->path, at,
                                                    f->place.column ? f->place.column : 1, text);
    return text_printable(line);
}

static size_t sort_lines(const struct reader *r, struct found_list *l, size_t max, strv *out)
{
    struct strings lines = {0};
    if (l->count)
        qsort(l->items, l->count, sizeof(*l->items), by_place);
    for (size_t i = 0; i < l->count && i < max; i++)
        strings_add_take(&lines, one_line(r, &l->items[i]));
    strv_free(*out);
    *out = strings_take(&lines);
    return l->more + (l->count > max ? l->count - max : 0);
}

void findings_finish(struct reader *r, struct topology_faults *out)
{
    out->more = sort_lines(r, &r->faults, FAULTS_SHOWN, &out->lines);
    (void)sort_lines(r, &r->notes, NOTES_MAX, &r->t->notes);
}

static void list_clear(struct found_list *l)
{
    for (size_t i = 0; i < l->count; i++)
        free(l->items[i].text);
    free(l->items);
    *l = (struct found_list){0};
}

void findings_clear(struct reader *r)
{
    list_clear(&r->faults);
    list_clear(&r->notes);
    strv_free(r->said);
    r->said = NULL;
}

void topology_faults_clear(struct topology_faults *f)
{
    strv_free(f->lines);
    *f = (struct topology_faults){0};
}
