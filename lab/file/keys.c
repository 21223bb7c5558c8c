/* Reads maps by tables of keys: unknown keys, wrong shapes, and what is accepted without effect. */
#include "file.h"

#include <string.h>

static const char *shape_text(enum key_shape shape)
{
    switch (shape) {
    case SHAPE_TEXT: return "one text";
    case SHAPE_FLAG: return "true or false";
    case SHAPE_NUMBER: return "a number";
    case SHAPE_TEXTS:
    case SHAPE_TEXT_OR_TEXTS: return "a list of texts";
    case SHAPE_TEXT_MAP: return "a map of texts (NAME: VALUE)";
    case SHAPE_TABLE: return "a map";
    case SHAPE_TABLE_MAP: return "a map of maps";
    case SHAPE_TABLES: return "a list of maps";
    case SHAPE_TEXT_OR_TABLES: return "a list of texts or maps";
    case SHAPE_FLAG_OR_TABLE: return "a map, or false";
    case SHAPE_LINES: return "a list of lines, or a map with on-enter and on-exit";
    case SHAPE_ANY: break;
    }
    return "anything";
}

static bool all_texts(const struct tree *t)
{
    for (size_t i = 0; i < t->count; i++)
        if (t->items[i].value->kind != TREE_TEXT)
            return false;
    return true;
}

static bool has_shape(enum key_shape shape, const struct tree *v)
{
    bool flag;
    switch (shape) {
    case SHAPE_TEXT:
    case SHAPE_NUMBER: return v->kind == TREE_TEXT;
    case SHAPE_FLAG: return v->kind == TREE_TEXT && flag_parse(v->text, &flag) == 0;
    case SHAPE_TEXTS: return v->kind == TREE_LIST && all_texts(v);
    case SHAPE_TEXT_OR_TEXTS: return v->kind == TREE_TEXT || (v->kind == TREE_LIST && all_texts(v));
    case SHAPE_TEXT_MAP: return v->kind == TREE_MAP && all_texts(v);
    case SHAPE_TABLE:
    case SHAPE_TABLE_MAP: return v->kind == TREE_MAP;
    case SHAPE_TABLES:
    case SHAPE_TEXT_OR_TABLES: return v->kind == TREE_LIST;
    case SHAPE_FLAG_OR_TABLE:
        return v->kind == TREE_MAP || (v->kind == TREE_TEXT && flag_parse(v->text, &flag) == 0);
    case SHAPE_LINES: return v->kind != TREE_TEXT;
    case SHAPE_ANY: return true;
    }
    return false;
}

static bool of_texts(enum key_shape shape)
{
    return shape == SHAPE_TEXTS || shape == SHAPE_TEXT_OR_TEXTS || shape == SHAPE_TEXT_MAP;
}

static bool check_word(struct reader *r, const struct key *key, const struct tree *v)
{
    if (!key->words || v->kind != TREE_TEXT)
        return true;
    size_t count = 0;
    for (; key->words[count]; count++)
        if (streq(key->words[count], v->text))
            return true;
    _cleanup_free_ char *all = strv_join((char *const *)key->words, ", "),
                        *list = xasprintf("write one of: %s", all),
                        *hint = nearest_hint(r, v->text, key->words, list);
    fault(r, v->place, "`%s` is not a value of `%s`; %s", v->text, key->name, hint);
    return false;
}

static void said_once(struct reader *r, const struct key *key, struct place at)
{
    if (strv_has(r->said, key->name))
        return;
    strv_add(&r->said, key->name);
    note(r, at, "`%s`: %s", key->name, key->help);
}

static void read_key(struct reader *r, const struct key *key, const struct tree_item *item,
                     void *to)
{
    const struct tree *v = item->value;
    if (key->policy == KEY_REFUSE) {
        fault(r, item->key->place, "`%s` %s", key->name, key->help);
    } else if (key->policy == KEY_NOTE && !(v->kind == TREE_TEXT && tree_is_null(v))) {
        said_once(r, key, item->key->place);
    }
    if (key->policy == KEY_REFUSE || key->policy == KEY_SILENT || !key->read || tree_is_null(v))
        return;
    if (!has_shape(key->shape, v))
        fault(r, v->place, "`%s` takes %s; correct it", key->name, shape_text(key->shape));
    else if (of_texts(key->shape) && v->kind != TREE_TEXT && v->count > LIST_MAX)
        fault(r, v->place, "`%s` has more than %d entries; put them into a file", key->name,
              LIST_MAX);
    else if (check_word(r, key, v) && spend(r, v->place, v->weight))
        key->read(r, key, v, to);
}

static void unknown_key(struct reader *r, const struct table *table, const struct tree *key)
{
    _cleanup_free_ const char **words = xcalloc(table->count + 1, sizeof(char *));
    size_t count = 0;
    for (size_t i = 0; i < table->count; i++)
        if (table->keys[i].policy != KEY_REFUSE)
            words[count++] = table->keys[i].name;
    _cleanup_free_ char *hint = nearest_hint(r, key->text, words, "remove it");
    fault(r, key->place, "unknown key `%s` of %s; %s", key->text, table->what, hint);
}

void keys_read(struct reader *r, const struct table *table, const struct tree *map, void *to)
{
    for (size_t i = 0; i < map->count; i++) {
        const struct tree *name = map->items[i].key;
        size_t k = 0;
        while (k < table->count && !streq(table->keys[k].name, name->text))
            k++;
        if (k < table->count)
            read_key(r, &table->keys[k], &map->items[i], to);
        else if (!skip_prefix(name->text, "x-"))
            unknown_key(r, table, name);
    }
}

bool want_map(struct reader *r, const char *what, const struct tree *value)
{
    if (tree_is_null(value))
        return false;
    if (value->kind != TREE_MAP)
        fault(r, value->place, "%s must be a map; write KEY: VALUE", what);
    return value->kind == TREE_MAP;
}

void read_text(struct reader *r, const struct key *key, const struct tree *value, void *to)
{
    (void)r;
    char **text = (char **)((char *)to + key->offset);
    free(*text);
    *text = xstrdup(value->text);
}

void read_flag(struct reader *r, const struct key *key, const struct tree *value, void *to)
{
    (void)r;
    (void)flag_parse(value->text, (bool *)((char *)to + key->offset));
}
