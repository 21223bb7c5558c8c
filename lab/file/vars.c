/* Variables of the environment, and paths.
 *
 * containerlab replaces variables in the text of the file, before it is YAML. Here they are replaced in each key and value
 * after that, so that lines and columns stay those of the file. The one difference: what a variable holds cannot become
 * YAML (a list, another key).
 */
#include "file.h"

#include <ctype.h>
#include <string.h>

enum { NESTED_MAX = 8 };

const char *vars_find(struct reader *r, const char *name, size_t length)
{
    strv_each (entry, r->options->environ)
        if (strncmp(entry, name, length) == 0 && entry[length] == '=') {
            if (!strv_has(r->t->variables, entry))
                strv_add(&r->t->variables, entry);
            return entry + length + 1;
        }
    return NULL;
}

/* The length of a name at @s. */
static size_t name_length(const char *s)
{
    size_t n = 0;
    while (isalnum((unsigned char)s[n]) || s[n] == '_')
        n++;
    return n && !isdigit((unsigned char)s[0]) ? n : 0;
}

/* The brace that closes what is open before @s, or NULL. */
static const char *closing_brace(const char *s, const char *end)
{
    unsigned open = 1;
    for (; s < end; s++) {
        if (s[0] == '$' && s + 1 < end && s[1] == '{') {
            open++;
            s++;
        } else if (*s == '}' && --open == 0)
            return s;
    }
    return NULL;
}

struct output {
    FILE *file;
    size_t size;
    struct reader *reader;
};

static void put(struct output *o, const char *s, size_t size)
{
    o->size += size;
    if (o->size <= SCALAR_MAX)
        (void)fwrite(s, 1, size, o->file);
}

static void expand(struct output *o, const char *s, const char *end, unsigned depth);

/* ${…} at @s: returns what is behind it. Without a value and a default it stays as text. */
static const char *expand_one(struct output *o, const char *s, const char *end, unsigned depth)
{
    const char *name = s + 2, *close = closing_brace(name, end);
    size_t length = close ? name_length(name) : 0;
    const char *rest = name + length, *value = length ? vars_find(o->reader, name, length) : NULL;
    bool colon = length && rest[0] == ':';
    bool fallback = length && (rest[colon] == '-' || rest[colon] == '=');
    if (!length || (rest != close && !fallback) || depth == NESTED_MAX) {
        put(o, s, 2);
        return name;
    }
    if (value && (*value || (fallback && !colon)))
        put(o, value, strlen(value));
    else if (fallback)
        expand(o, rest + colon + 1, close, depth + 1);
    else
        put(o, s, (size_t)(close + 1 - s));
    return close + 1;
}

static void expand(struct output *o, const char *s, const char *end, unsigned depth)
{
    while (s < end) {
        if (s[0] == '$' && s + 1 < end && s[1] == '$') {
            put(o, "$", 1);
            s += 2;
        } else if (s[0] == '$' && s + 1 < end && s[1] == '{') {
            s = expand_one(o, s, end, depth);
        } else {
            put(o, s++, 1);
        }
    }
}

char *vars_expand(struct reader *r, const char *text)
{
    if (!strchr(text, '$'))
        return strlen(text) > SCALAR_MAX ? NULL : xstrdup(text);
    char *result = NULL;
    size_t size = 0;
    struct output o = {.file = open_memstream(&result, &size), .reader = r};
    if (!o.file)
        abort();
    expand(&o, text, text + strlen(text), 0);
    if (fclose(o.file) != 0)
        abort();
    if (o.size <= SCALAR_MAX)
        return result;
    free(result);
    return NULL;
}

char *path_resolve(const char *dir, const char *path)
{
    _cleanup_free_ char *whole = path[0] == '/' ? xstrdup(path) : xasprintf("%s/%s", dir, path);
    _cleanup_strv_ strv parts = strv_split(whole, '/');
    char *clean = xcalloc(strlen(whole) + 2, 1);
    size_t size = 0;
    strv_each (part, parts) {
        if (!*part || streq(part, "."))
            continue;
        if (streq(part, "..")) {
            while (size && clean[--size] != '/')
                ;
            clean[size] = 0;
            continue;
        }
        clean[size] = '/';
        memcpy(clean + size + 1, part, strlen(part) + 1); /* what `..` left behind it goes */
        size += strlen(part) + 1;
    }
    if (!size)
        clean[0] = '/';
    return clean;
}
