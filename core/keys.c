/* The keys by which a client leaves a program that goes on. A key that begins the sequence is held back until the next one
 * shows whether it was meant for the program.
 */
#include "keys.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

/* "a", or "ctrl-" with a letter or one of @[\]^_ */
static int parse_key(const char *word)
{
    const char *rest = skip_prefix(word, "ctrl-");
    if (!rest && word[0] && !word[1])
        return (unsigned char)word[0];
    if (!rest || !rest[0] || rest[1])
        return -EINVAL;
    if (isalpha((unsigned char)rest[0]))
        return tolower((unsigned char)rest[0]) - 'a' + 1;
    return strchr("@[\\]^_", rest[0]) ? rest[0] - '@' : -EINVAL;
}

int detach_keys_parse(const char *text, struct detach_keys *out, struct err *e)
{
    *out = (struct detach_keys){0};
    if (!text)
        text = DETACH_KEYS_DEFAULT;
    _cleanup_strv_ strv words = *text ? strv_split(text, ',') : NULL;
    strv_each (word, words) {
        int key = parse_key(word);
        if (key < 0 || out->count == DETACH_KEYS_MAX) {
            err_say(e, -EINVAL, "`%s` are no keys to detach", text);
            err_hint(e, "write `a` or `ctrl-a`, up to %d with commas between; none: `\"\"`",
                     DETACH_KEYS_MAX);
            return -EINVAL;
        }
        out->keys[out->count++] = (char)key;
    }
    return 0;
}

/* The length of the longest end of the first @n keys that is a beginning of them, too. */
static size_t border(const struct detach_keys *k, size_t n)
{
    size_t length = n - 1;
    while (length && memcmp(k->keys, k->keys + n - length, length) != 0)
        length--;
    return length;
}

size_t keys_filter(struct key_filter *f, char *data, size_t size)
{
    const struct detach_keys *k = f->keys;
    size_t used = 0;
    if (!k->count || !size)
        return size;
    _cleanup_free_ char *typed = xcalloc(size, 1);
    memcpy(typed, data, size);
    for (size_t i = 0; i < size && !f->left;) {
        if (typed[i] == k->keys[f->matched]) {
            i++;
            f->left = ++f->matched == k->count;
        } else if (f->matched) {
            size_t kept = border(k, f->matched);
            memcpy(data + used, k->keys, f->matched - kept);
            used += f->matched - kept;
            f->matched = kept;
        } else
            data[used++] = typed[i++];
    }
    return used;
}
