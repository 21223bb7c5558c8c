/* The width of text in a terminal, and tables. */
#include "cli.h"

#include <string.h>

static const char ellipsis[] = "…";

static size_t columns_of(uint32_t c)
{
    static const struct char_range none[] = {{0x300, 0x36f},   {0x200b, 0x200d},
                                             {0x20d0, 0x20ff}, {0xfe00, 0xfe0f},
                                             {0xfe20, 0xfe2f}, {0xe0000, 0xe01ef}};
    static const struct char_range two[] = {
        {0x1100, 0x115f},   {0x2e80, 0x303e},   {0x3041, 0xa4cf},  {0xac00, 0xd7a3},
        {0xf900, 0xfaff},   {0xfe30, 0xfe6f},   {0xff00, 0xff60},  {0xffe0, 0xffe6},
        {0x1f300, 0x1f64f}, {0x1f680, 0x1faff}, {0x20000, 0x3fffd}};
    if (c < none[0].first)
        return 1;
    if (char_in_ranges(none, ARRAY_LEN(none), c))
        return 0;
    return char_in_ranges(two, ARRAY_LEN(two), c) ? 2 : 1;
}

size_t text_columns(const char *text)
{
    size_t columns = 0;
    while (*text) {
        int64_t c = utf8_next(&text);
        columns += c < 0 ? 1 : columns_of((uint32_t)c);
    }
    return columns;
}

char *text_cut(const char *text, size_t columns)
{
    if (text_columns(text) <= columns)
        return xstrdup(text);
    const char *end = text;
    for (size_t used = 1; *end;) { /* the ellipsis has one column */
        const char *next = end;
        int64_t c = utf8_next(&next);
        used += c < 0 ? 1 : columns_of((uint32_t)c);
        if (used > columns)
            break;
        end = next;
    }
    return xasprintf("%.*s%s", (int)(end - text), text, ellipsis);
}

void print_padded(FILE *out, const char *text, size_t columns)
{
    size_t used = text_columns(text);
    fprintf(out, "%s%*s", text, used < columns ? (int)(columns - used) : 0, "");
}

void print_wrapped(FILE *out, const char *text, size_t indent, size_t columns)
{
    size_t at = indent;
    for (const char *word = text; *word;) {
        size_t length = strcspn(word, " ");
        _cleanup_free_ char *copy = xstrndup(word, length);
        size_t width = text_columns(copy);
        if (at > indent && at + 1 + width > columns) {
            fprintf(out, "\n%*s", (int)indent, "");
            at = indent;
        }
        fprintf(out, "%s%s", at > indent ? " " : "", copy);
        at += width + (at > indent);
        word += length + strspn(word + length, " ");
    }
    fputc('\n', out);
}

void print_table(strv cells, size_t columns)
{
    _cleanup_strings_ struct strings shown = {0};
    _cleanup_free_ size_t *width = xcalloc(columns, sizeof(size_t));
    strv_each (cell, cells)
        strings_add_take(&shown, text_printable(cell));
    for (size_t i = 0; i < shown.count; i++) {
        size_t used = text_columns(shown.items[i]);
        if (used > width[i % columns])
            width[i % columns] = used;
    }
    for (size_t i = 0; i < shown.count; i++) {
        if (i % columns == columns - 1) {
            printf("%s\n", shown.items[i]);
            continue;
        }
        print_padded(stdout, shown.items[i], width[i % columns]);
        fputs("   ", stdout);
    }
}
