/* State files: JSON objects, written in one step. Errors name the file that is damaged. */
#include <netctr/base.h>

#include <errno.h>
#include <inttypes.h>
#include <string.h>

int json_read_at(int dirfd, const char *path, json_t **out, struct err *e)
{
    _cleanup_free_ char *text = NULL;
    size_t size = 0;
    int r = read_state_at(dirfd, path, 16 << 20, &text, &size);
    if (r == -EBADMSG)
        return err_say(e, r, "state file `%s` is damaged: not a regular file, or too large", path);
    if (r < 0)
        return err_set(e, r, "read `%s`", path);
    json_error_t reason;
    json_t *j = json_loadb(text, size, JSON_REJECT_DUPLICATES, &reason);
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

int json_write_at(int dirfd, const char *path, const json_t *j, struct err *e)
{
    _cleanup_free_ char *text = json_dumps(j, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    if (!text) {
        _cleanup_json_ json_t *copy = json_deep_copy(j);
        const char *bad = bad_text(copy);
        _cleanup_free_ char *shown = text_printable(bad ? bad : "");
        return err_say(e, -EILSEQ, "write `%s`: `%s` is not UTF-8", path, shown);
    }
    int r = write_file_atomic(dirfd, path, text, strlen(text), 0600);
    return r < 0 ? err_set(e, r, "write `%s`", path) : 0;
}

static int add_to_sum(const char *text, size_t size, void *sum)
{
    *(uint64_t *)sum = hash64_add(*(uint64_t *)sum, text, size);
    return 0;
}

static char *sum_of(json_t *j)
{
    uint64_t sum = hash64("");
    int r = json_dump_callback(j, add_to_sum, &sum, JSON_COMPACT | JSON_SORT_KEYS);
    return r == 0 ? xasprintf("%016" PRIx64, sum) : NULL;
}

void json_add_checksum(json_t *j)
{
    (void)json_object_del(j, "sum");
    _cleanup_free_ char *sum = sum_of(j);
    json_put_str(j, "sum", sum);
}

int json_verify_checksum(json_t *j, const char *path, struct err *e)
{
    _cleanup_json_ json_t *sealed = json_incref(json_object_get(j, "sum"));
    (void)json_object_del(j, "sum");
    _cleanup_free_ char *sum = sum_of(j);
    return sealed && streq(sum, json_string_value(sealed))
               ? 0
               : err_say(e, -EBADMSG, "state file `%s` is damaged: its checksum is wrong", path);
}

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
