/* The tables of keys as a JSON Schema, for editors. */
#include "file.h"

static json_t *type_of(const char *first, const char *second)
{
    return json_pack("{s:[s,s,s]}", "type", first, second, "null");
}

/* A text; YAML reads some of them as numbers or flags. */
static json_t *scalar(const struct key *key)
{
    if (!key->words)
        return json_pack("{s:[s,s,s,s]}", "type", "string", "number", "boolean", "null");
    json_t *words = json_array();
    for (size_t i = 0; key->words[i]; i++)
        json_array_append_new(words, json_string(key->words[i]));
    return json_pack("{s:o}", "enum", words);
}

/* A map with the table's keys; it may be empty. */
static json_t *reference(const struct table *table)
{
    _cleanup_free_ char *path = xasprintf("#/$defs/%s", table->id);
    return json_pack("{s:s}", "$ref", path);
}

static json_t *list_of(json_t *items)
{
    return json_pack("{s:[s,s],s:o}", "type", "array", "null", "items", items);
}

static json_t *either(json_t *a, json_t *b)
{
    return json_pack("{s:[o,o]}", "anyOf", a, b);
}

static json_t *map_of(json_t *values)
{
    return json_pack("{s:[s,s],s:o}", "type", "object", "null", "additionalProperties", values);
}

static json_t *shape(const struct key *key)
{
    switch (key->shape) {
    case SHAPE_TEXT: return scalar(key);
    case SHAPE_FLAG: return type_of("boolean", "string");
    case SHAPE_NUMBER: return type_of("number", "string");
    case SHAPE_TEXTS: return list_of(scalar(key));
    case SHAPE_TEXT_OR_TEXTS: return either(scalar(key), list_of(scalar(key)));
    case SHAPE_TEXT_MAP: return map_of(scalar(key));
    case SHAPE_TABLE: return reference(key->table);
    case SHAPE_TABLE_MAP: return map_of(reference(key->table));
    case SHAPE_TABLES: return list_of(reference(key->table));
    case SHAPE_TEXT_OR_TABLES:
        return list_of(either(json_pack("{s:s}", "type", "string"), reference(key->table)));
    case SHAPE_FLAG_OR_TABLE: return either(type_of("boolean", "string"), reference(key->table));
    case SHAPE_LINES:
        return either(list_of(either(json_pack("{s:s}", "type", "string"), reference(key->table))),
                      json_pack("{s:s}", "type", "object"));
    case SHAPE_ANY: break;
    }
    return json_object();
}

static void add_table(json_t *definitions, const struct table *table);

static json_t *properties(json_t *definitions, const struct table *table)
{
    json_t *all = json_object();
    for (size_t i = 0; i < table->count; i++) {
        const struct key *key = &table->keys[i];
        if (key->policy == KEY_REFUSE)
            continue;
        json_t *one = shape(key);
        json_object_set_new(one, "description", json_string(key->help));
        if (key->policy == KEY_NOTE)
            json_object_set_new(one, "deprecated", json_true());
        json_object_set_new(all, key->name, one);
        if (key->table)
            add_table(definitions, key->table);
    }
    return all;
}

static void add_table(json_t *definitions, const struct table *table)
{
    if (json_object_get(definitions, table->id))
        return;
    json_object_set_new(definitions, table->id, json_null()); /* it is being made */
    json_object_set_new(definitions, table->id,
                        json_pack("{s:[s,s],s:o,s:b,s:{s:{}}}", "type", "object", "null",
                                  "properties", properties(definitions, table),
                                  "additionalProperties", false, "patternProperties", "^x-"));
}

json_t *topology_schema(void)
{
    json_t *definitions = json_object();
    add_table(definitions, &table_file);
    json_t *file = json_object_get(definitions, table_file.id);
    json_t *schema =
        json_pack("{s:s,s:s,s:s,s:O,s:O,s:b,s:[s,s]}", "$schema",
                  "https://json-schema.org/draft/2020-12/schema", "title", "A lab of netctr",
                  "type", "object", "properties", json_object_get(file, "properties"),
                  "patternProperties", json_object_get(file, "patternProperties"),
                  "additionalProperties", false, "required", "name", "topology");
    json_object_del(definitions, table_file.id);
    json_object_set_new(schema, "$defs", definitions);
    return schema;
}
