/* Reads plain JSON fast: what netctr writes itself, in ASCII and without escapes.
 *
 * A list of containers reads three files for each of them, and jansson's scanner, which takes one character at a time,
 * was a third of its time. This one knows less than jansson on purpose: whatever it does not know (an escape, a real
 * number, a syntax error) is left to jansson, which says what is wrong and where. tests/fuzz/json.c compares the two.
 */
#include <netctr/base.h>

#include <string.h>

enum { DEPTH_MAX = 16, KEY_SIZE = 64, DIGITS_MAX = 18 }; /* 18 digits always fit */

struct scan {
    const char *at, *end;
    int depth;
};

static json_t *scan_value(struct scan *s);

/* The next character that is not a space; 0 at the end. */
static char next(struct scan *s)
{
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\n' || *s->at == '\t' || *s->at == '\r'))
        s->at++;
    return s->at < s->end ? *s->at : '\0';
}

static bool take(struct scan *s, char c)
{
    if (next(s) != c)
        return false;
    s->at++;
    return true;
}

/* What is between the quotes, which is part of the text. NULL: not plain. */
static const char *scan_text(struct scan *s, size_t *size)
{
    if (!take(s, '"'))
        return NULL;
    const char *begin = s->at;
    for (; s->at < s->end; s->at++) {
        unsigned char c = (unsigned char)*s->at;
        if (c == '"') {
            *size = (size_t)(s->at++ - begin);
            return begin;
        }
        if (c < ' ' || c == '\\' || c > '~')
            break;
    }
    return NULL;
}

static json_t *scan_string(struct scan *s)
{
    size_t size;
    const char *text = scan_text(s, &size);
    return text ? json_stringn_nocheck(text, size) : NULL;
}

static json_t *scan_number(struct scan *s)
{
    const bool negative = *s->at == '-';
    const char *digits = s->at + negative;
    json_int_t n = 0;
    for (s->at = digits; s->at < s->end && *s->at >= '0' && *s->at <= '9'; s->at++) {
        if (s->at - digits == DIGITS_MAX)
            return NULL;
        n = n * 10 + (*s->at - '0');
    }
    if (s->at == digits || (*digits == '0' && (negative || s->at - digits > 1)))
        return NULL;
    return json_integer(negative ? -n : n);
}

static json_t *scan_word(struct scan *s)
{
    const size_t left = (size_t)(s->end - s->at);
    if (left >= 4 && memcmp(s->at, "true", 4) == 0) {
        s->at += 4;
        return json_true();
    }
    if (left >= 5 && memcmp(s->at, "false", 5) == 0) {
        s->at += 5;
        return json_false();
    }
    return NULL;
}

static json_t *scan_array(struct scan *s)
{
    _cleanup_json_ json_t *array = json_array();
    if (take(s, '[') && take(s, ']'))
        return take_ptr(array);
    do {
        if (json_array_append_new(array, scan_value(s)) < 0) /* takes NULL for a failure */
            return NULL;
    } while (take(s, ','));
    return take(s, ']') ? take_ptr(array) : NULL;
}

static json_t *scan_object(struct scan *s)
{
    _cleanup_json_ json_t *object = json_object();
    size_t members = 0;
    if (take(s, '{') && take(s, '}'))
        return take_ptr(object);
    do {
        char key[KEY_SIZE];
        size_t size;
        const char *text = scan_text(s, &size);
        if (!text || size >= sizeof(key) || !take(s, ':'))
            return NULL;
        memcpy(key, text, size);
        key[size] = '\0';
        /* A duplicate does not add a member. */
        if (json_object_set_new_nocheck(object, key, scan_value(s)) < 0 ||
            json_object_size(object) != ++members)
            return NULL;
    } while (take(s, ','));
    return take(s, '}') ? take_ptr(object) : NULL;
}

static json_t *scan_value(struct scan *s)
{
    const char c = next(s);
    json_t *value = NULL;
    if (s->depth == DEPTH_MAX)
        return NULL;
    s->depth++;
    if (c == '"')
        value = scan_string(s);
    else if (c == '{')
        value = scan_object(s);
    else if (c == '[')
        value = scan_array(s);
    else if (c == '-' || (c >= '0' && c <= '9'))
        value = scan_number(s);
    else
        value = scan_word(s);
    s->depth--;
    return value;
}

json_t *json_parse_plain(const char *text, size_t size)
{
    struct scan s = {.at = text, .end = text + size};
    _cleanup_json_ json_t *value = next(&s) == '{' ? scan_object(&s) : NULL;
    (void)next(&s);
    return s.at == s.end ? take_ptr(value) : NULL;
}
