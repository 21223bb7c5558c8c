/* State files: JSON objects, written in one step. Errors name the file that is damaged. */
#include <netctr/base.h>

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static int read_text(int dirfd, const char *path, char **text, size_t *size, struct err *e)
{
    int r = read_state_at(dirfd, path, 16 << 20, text, size);
    if (r == -EBADMSG)
        return err_say(e, r, "state file `%s` is damaged: not a regular file, or too large", path);
    return r < 0 ? err_set(e, r, "read `%s`", path) : 0;
}

static int parse(const char *text, size_t size, const char *path, json_t **out, struct err *e)
{
    json_error_t reason;
    json_t *j = json_parse_plain(text, size);
    if (!j)
        j = json_loadb(text, size, JSON_REJECT_DUPLICATES, &reason);
    if (!j)
        return err_say(e, -EBADMSG, "state file `%s` is damaged: line %d: %s", path, reason.line,
                       reason.text);
    if (!json_is_object(j)) {
        json_decref(j);
        return err_say(e, -EBADMSG, "state file `%s` is damaged: not an object", path);
    }
    *out = j;
    return 0;
}

int json_read_at(int dirfd, const char *path, json_t **out, struct err *e)
{
    _cleanup_free_ char *text = NULL;
    size_t size = 0;
    int r = read_text(dirfd, path, &text, &size, e);
    return r == 0 ? parse(text, size, path, out, e) : r;
}

/* The first text in @value that cannot be written, or NULL. */
static const char *bad_text(json_t *value)
{
    size_t i;
    json_t *item;
    const char *key, *bad = NULL, *text = json_string_value(value);
    if (text)
        return valid_utf8(text) ? NULL : text;
    json_array_foreach (value, i, item)
        if (!bad)
            bad = bad_text(item);
    json_object_foreach (value, key, item)
        if (!bad)
            bad = valid_utf8(key) ? bad_text(item) : key;
    return bad;
}

/* The text of an object, which the caller frees. -EILSEQ: a string in it is not UTF-8. */
static int dump(const json_t *j, size_t flags, const char *path, char **text, struct err *e)
{
    *text = json_dumps(j, JSON_INDENT(2) | flags);
    if (*text)
        return 0;
    _cleanup_json_ json_t *copy = json_deep_copy(j);
    const char *bad = bad_text(copy);
    _cleanup_free_ char *shown = text_printable(bad ? bad : "");
    return err_say(e, -EILSEQ, "write `%s`: `%s` is not UTF-8", path, shown);
}

static int write_text(int dirfd, const char *path, const char *text, struct err *e)
{
    int r = write_file_atomic(dirfd, path, text, strlen(text), 0600);
    return r < 0 ? err_set(e, r, "write `%s`", path) : 0;
}

int json_write_at(int dirfd, const char *path, const json_t *j, struct err *e)
{
    _cleanup_free_ char *text = NULL;
    int r = dump(j, JSON_PRESERVE_ORDER, path, &text, e);
    return r == 0 ? write_text(dirfd, path, text, e) : r;
}

/* ---- sealed files ----------------------------------------------------------------------------
 * The member "sum" is a hash of the object without it, with sorted members and without spaces. So members are written
 * sorted, and the sum behind them: then it is the hash of the bytes before it, and a reader does not have to write the
 * object again to know it. Up to netctr 0.1 members were not sorted. Both read the files of the other.
 */

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

/* Without the spaces between the strings. */
static uint64_t hash_text(const char *text, size_t size)
{
    uint64_t sum = hash64("");
    size_t begin = 0;
    bool in_string = false;
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '"')
            in_string = !in_string;
        else if (in_string && text[i] == '\\')
            i++;
        else if (!in_string && is_space(text[i])) {
            sum = hash64_add(sum, text + begin, i - begin);
            begin = i + 1;
        }
    }
    return begin < size ? hash64_add(sum, text + begin, size - begin) : sum;
}

static char *seal(uint64_t sum)
{
    return xasprintf("\"sum\": \"%016" PRIx64 "\"\n}", sum);
}

/* Is the sum at the end of @text that of the bytes before it? */
static bool is_sealed(const char *text, size_t size)
{
    static const size_t length = sizeof("\"sum\": \"0123456789abcdef\"\n}") - 1;
    size_t before = size < length ? 0 : size - length;
    while (before > 0 && is_space(text[before - 1]))
        before--;
    if (before == 0 || text[before - 1] != ',')
        return false;
    uint64_t sum = hash64_add(hash_text(text, before - 1), "}", 1);
    _cleanup_free_ char *right = seal(sum);
    return streq(text + size - length, right);
}

static int add_to_sum(const char *text, size_t size, void *sum)
{
    *(uint64_t *)sum = hash64_add(*(uint64_t *)sum, text, size);
    return 0;
}

/* As is_sealed(), in any order. Removes the sum. */
static bool unseal(json_t *j)
{
    uint64_t sum = hash64("");
    _cleanup_json_ json_t *sealed = json_incref(json_object_get(j, "sum"));
    (void)json_object_del(j, "sum");
    if (json_dump_callback(j, add_to_sum, &sum, JSON_COMPACT | JSON_SORT_KEYS) < 0)
        return false;
    _cleanup_free_ char *right = xasprintf("%016" PRIx64, sum);
    return streq(json_string_value(sealed), right);
}

int json_read_sealed_at(int dirfd, const char *path, json_t **out, struct err *e)
{
    _cleanup_free_ char *text = NULL;
    _cleanup_json_ json_t *j = NULL;
    size_t size = 0;
    int r = read_text(dirfd, path, &text, &size, e);
    if (r == 0)
        r = parse(text, size, path, &j, e);
    if (r < 0)
        return r;
    if (is_sealed(text, size))
        (void)json_object_del(j, "sum");
    else if (!unseal(j))
        return err_say(e, -EBADMSG, "state file `%s` is damaged: its checksum is wrong", path);
    *out = take_ptr(j);
    return 0;
}

int json_write_sealed_at(int dirfd, const char *path, json_t *j, struct err *e)
{
    _cleanup_free_ char *text = NULL;
    (void)json_object_del(j, "sum");
    int r = dump(j, JSON_SORT_KEYS, path, &text, e);
    if (r < 0)
        return r;
    const size_t size = strlen(text);
    const bool empty = json_object_size(j) == 0;
    _cleanup_free_ char *sum = seal(hash_text(text, size));
    _cleanup_free_ char *whole =
        xasprintf("%.*s%s\n  %s", (int)(size - (empty ? 1 : 2)), text, empty ? "" : ",", sum);
    return write_text(dirfd, path, whole, e);
}

/* ---- members ---------------------------------------------------------------------------------*/

const char *json_str(const json_t *j, const char *key)
{
    return json_string_value(json_object_get(j, key));
}

int64_t json_int(const json_t *j, const char *key, int64_t fallback)
{
    json_t *value = json_object_get(j, key);
    return json_is_integer(value) ? json_integer_value(value) : fallback;
}

bool json_flag(const json_t *j, const char *key)
{
    return json_is_true(json_object_get(j, key));
}

strv json_strv(const json_t *j, const char *key)
{
    struct strings v = {0};
    size_t i;
    json_t *item;
    json_array_foreach (json_object_get(j, key), i, item) {
        if (json_is_string(item))
            strings_add(&v, json_string_value(item));
    }
    return strings_take(&v);
}

/* Invalid UTF-8 is added unchecked, so that json_write_at() refuses the object. A checked string
 * would be left out silently. */
void json_put_str(json_t *j, const char *key, const char *s)
{
    if (s)
        json_object_set_new(j, key, json_string_nocheck(s));
}

void json_put_strv(json_t *j, const char *key, char *const *v)
{
    json_t *array = json_array();
    strv_each (s, v)
        json_array_append_new(array, json_string_nocheck(s));
    json_object_set_new(j, key, array);
}
