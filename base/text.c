/* UTF-8, and which characters must not reach a terminal. */
#include <netctr/base.h>

#include <stdio.h>
#include <string.h>

size_t utf8_size(const unsigned char *p, size_t left)
{
    size_t size = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (p[0] > 0xf4 || size > left)
        return 0;
    for (size_t i = 1; i < size; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    /* overlong, a surrogate, or beyond U+10FFFF */
    bool bad = (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
               (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f);
    return bad ? 0 : size;
}

int64_t utf8_next(const char **p)
{
    const unsigned char *at = (const unsigned char *)*p;
    size_t size = utf8_size(at, strnlen(*p, 4));
    *p += size ? size : 1;
    if (size <= 1)
        return size ? at[0] : -1;
    uint32_t c = at[0] & (0xffU >> (size + 1));
    for (size_t i = 1; i < size; i++)
        c = c << 6 | (at[i] & 0x3f);
    return c;
}

bool char_in_ranges(const struct char_range *ranges, size_t count, uint32_t c)
{
    for (size_t i = 0; i < count; i++)
        if (c >= ranges[i].first && c <= ranges[i].last)
            return true;
    return false;
}

/* Control characters, and characters that change the direction of the rest of the line. */
static bool is_hostile(uint32_t c)
{
    static const struct char_range hostile[] = {{0, 0x1f},        {0x7f, 0x9f},
                                                {0x200e, 0x200f}, {0x2028, 0x202e},
                                                {0x2066, 0x2069}, {0xfeff, 0xfeff}};
    return char_in_ranges(hostile, ARRAY_LEN(hostile), c);
}

char *text_printable(const char *text)
{
    char *out = NULL;
    size_t size = 0, plain = 0;
    while (text[plain] >= ' ' && text[plain] <= '~')
        plain++;
    FILE *f = text[plain] ? open_memstream(&out, &size) : NULL;
    if (!f)
        return xstrdup(text);
    while (*text) {
        const char *from = text;
        int64_t c = utf8_next(&text);
        if (c < 0 || (c < 0x80 && is_hostile((uint32_t)c)))
            fprintf(f, "\\x%02x", (unsigned char)*from);
        else if (is_hostile((uint32_t)c))
            fprintf(f, "\\u%04x", (unsigned)c);
        else
            fwrite(from, 1, (size_t)(text - from), f);
    }
    fclose(f);
    return out;
}
