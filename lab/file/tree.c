/* YAML as a tree, from libyaml's events: every value has its line and column, and texts stay texts (`on`, `22:22`).
 *
 * An alias shares the value of its anchor. What it costs to read is counted all the same (weight), so that a small text
 * cannot become a large tree.
 */
#include "file.h"

#include <string.h>
#include <yaml.h>

struct anchor {
    char *name;
    const struct tree *tree;
};
struct builder {
    struct reader *r;
    struct forest *forest;
    yaml_parser_t parser;
    const char *text; /* terminated by NUL */
    struct anchor *anchors;
    size_t anchor_count, weight;
};

void forest_clear(struct forest *f)
{
    for (size_t i = 0; i < f->count; i++) {
        free(f->all[i]->text);
        free(f->all[i]->items);
        free(f->all[i]);
    }
    free(f->all);
    *f = (struct forest){0};
}

static struct place place_of(const struct builder *b, yaml_mark_t m)
{
    const struct kathara_text *from = b->r->from;
    if (from)
        return (struct place){from->lines[m.line < from->line_count ? m.line : 0], 0};
    return (struct place){(unsigned)m.line + 1, (unsigned)m.column + 1};
}

static struct tree *tree_new(struct builder *b, enum tree_kind kind, struct place place)
{
    struct forest *f = b->forest;
    if (f->count == f->room) {
        f->room = f->room ? 2 * f->room : 256;
        f->all = xrealloc(f->all, f->room, sizeof(struct tree *));
    }
    struct tree *t = f->all[f->count++] = xcalloc(1, sizeof(struct tree));
    *t = (struct tree){.kind = kind, .place = place, .weight = 1};
    return t;
}

/* ---- faults ----------------------------------------------------------------------------------*/

static void template_fault(struct builder *b, struct place at)
{
    b->r->broken = true;
    fault(b->r, at, "`{{` is a Go template, which netctr does not render; render it first");
}

/* A template often breaks the YAML somewhere else; the template is the reason. */
static void syntax_fault(struct builder *b)
{
    const yaml_parser_t *p = &b->parser;
    struct place at = place_of(b, p->problem_mark);
    const char *template = strstr(b->text, "{{"), *from = template;
    if (template) {
        struct place there = {1, 1};
        for (const char *s = b->text; s < template; s++)
            there.line += *s == '\n';
        while (from > b->text && from[-1] != '\n')
            from--;
        there.column = (unsigned)(template - from) + 1;
        template_fault(b, there);
    } else if (p->error == YAML_READER_ERROR) {
        at = (struct place){1, 1};
        size_t size = strlen(b->text);
        for (size_t i = 0; i < p->problem_offset && i < size; i++)
            at.line += b->text[i] == '\n';
        fault(b->r, at, "this is not YAML: %s; the file must be UTF-8 text", p->problem);
    } else {
        fault(b->r, at, "this is not YAML: %s%s%s; check indentation, quotes and brackets",
              p->context ? p->context : "", p->context ? ", " : "",
              p->problem ? p->problem : "it cannot be read");
    }
}

static bool next_event(struct builder *b, yaml_event_t *event)
{
    if (yaml_parser_parse(&b->parser, event))
        return true;
    syntax_fault(b);
    return false;
}

/* False after a fault: the tree below @at would be too large or too deep. */
static bool fits(struct builder *b, struct place at, size_t weight, unsigned depth)
{
    b->weight += weight;
    if (depth > DEPTH_MAX)
        fault(b->r, at, "more than %d levels are nested here; a lab needs fewer than ten",
              DEPTH_MAX);
    else if (b->weight > TREE_MAX)
        fault(b->r, at, "the file has more than %d values, with aliases expanded; split the lab",
              TREE_MAX);
    return depth <= DEPTH_MAX && b->weight <= TREE_MAX;
}

/* ---- values ----------------------------------------------------------------------------------*/

static bool keep_anchor(struct builder *b, const yaml_char_t *name, const struct tree *t)
{
    if (!name)
        return true;
    for (size_t i = 0; i < b->anchor_count; i++)
        if (streq(b->anchors[i].name, (const char *)name)) {
            b->anchors[i].tree = t;
            return true;
        }
    if (b->anchor_count == 1000) {
        fault(b->r, t->place, "the file has more than 1000 anchors; write some of them out");
        return false;
    }
    b->anchors = xrealloc(b->anchors, b->anchor_count + 1, sizeof(struct anchor));
    b->anchors[b->anchor_count++] = (struct anchor){xstrdup((const char *)name), t};
    return true;
}

static const struct tree *read_alias(struct builder *b, const yaml_event_t *event, unsigned depth)
{
    const char *name = (const char *)event->data.alias.anchor;
    struct place at = place_of(b, event->start_mark);
    for (size_t i = 0; i < b->anchor_count; i++)
        if (streq(b->anchors[i].name, name)) {
            const struct tree *t = b->anchors[i].tree;
            return fits(b, at, t->weight, depth + t->height) ? t : NULL;
        }
    fault(b->r, at, "alias `*%s` has no anchor; write `&%s` before it in the file", name, name);
    return NULL;
}

/* What is wrong with the text @text of @size bytes, of which @t->text is the expansion. */
static void check_scalar(struct builder *b, const struct tree *t, const char *text, size_t size)
{
    if (strlen(text) != size)
        fault(b->r, t->place, "this text has a NUL character; remove it");
    else if (!t->text)
        fault(b->r, t->place, "this text has more than %d characters; put it into a file",
              SCALAR_MAX);
    else if (!valid_utf8(t->text))
        fault(b->r, t->place, "a variable in this text is not UTF-8; change the variable");
    else if (t->plain && strstr(text, "{{"))
        template_fault(b, t->place);
    else
        return;
    b->r->broken = true;
}

static const struct tree *read_scalar(struct builder *b, const yaml_event_t *event, unsigned depth)
{
    const char *text = (const char *)event->data.scalar.value;
    size_t size = event->data.scalar.length;
    struct tree *t = tree_new(b, TREE_TEXT, place_of(b, event->start_mark));
    t->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    t->text = vars_expand(b->r, text);
    check_scalar(b, t, text, size);
    if (!t->text)
        t->text = xstrdup("");
    t->weight = 1 + strlen(t->text) / 64;
    return fits(b, t->place, t->weight, depth) && keep_anchor(b, event->data.scalar.anchor, t)
               ? t
               : NULL;
}

static void add_item(struct tree *t, const struct tree *key, const struct tree *value)
{
    if ((t->count & (t->count - 1)) == 0)
        t->items = xrealloc(t->items, t->count ? 2 * t->count : 1, sizeof(*t->items));
    t->items[t->count++] = (struct tree_item){key, value};
    t->weight += value->weight + (key ? key->weight : 0);
    t->height = value->height + 1 > t->height ? value->height + 1 : t->height;
}

/* ---- maps: merge keys, keys that come twice --------------------------------------------------- */

struct slot {
    const char *text;
    size_t index;
};
static int by_text(const void *a, const void *b)
{
    const struct slot *x = a, *y = b;
    int order = strcmp(x->text, y->text);
    return order ? order : x->index < y->index ? -1 : 1;
}

/* The first @own items are written in the map itself, the others come from merge keys and are weaker. */
static void drop_duplicates(struct builder *b, struct tree *t, size_t own)
{
    if (t->count < 2)
        return;
    _cleanup_free_ struct slot *slots = xcalloc(t->count, sizeof(*slots));
    for (size_t i = 0; i < t->count; i++)
        slots[i] = (struct slot){t->items[i].key->text, i};
    qsort(slots, t->count, sizeof(*slots), by_text);
    for (size_t i = 1, first = 0; i < t->count; i++) {
        if (!streq(slots[i].text, slots[first].text)) {
            first = i;
            continue;
        }
        const struct tree *key = t->items[slots[i].index].key;
        if (slots[i].index < own)
            fault(b->r, key->place, "key `%s` is given twice, first in line %u; remove one",
                  key->text, t->items[slots[first].index].key->place.line);
        t->items[slots[i].index].value = NULL;
    }
    size_t kept = 0;
    for (size_t i = 0; i < t->count; i++)
        if (t->items[i].value)
            t->items[kept++] = t->items[i];
    t->count = kept;
}

static bool merge_one(struct builder *b, struct tree *t, struct place at, const struct tree *from)
{
    if (from->kind != TREE_MAP) {
        fault(b->r, at, "`<<` takes a map or a list of maps; give it an alias of one");
        return true;
    }
    for (size_t i = 0; i < from->count; i++)
        add_item(t, from->items[i].key, from->items[i].value);
    return fits(b, at, from->weight, 0);
}

static bool merge(struct builder *b, struct tree *t, const struct tree_item *merges, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct tree *from = merges[i].value;
        struct place at = merges[i].key->place;
        if (from->kind != TREE_LIST && !merge_one(b, t, at, from))
            return false;
        for (size_t k = 0; from->kind == TREE_LIST && k < from->count; k++)
            if (!merge_one(b, t, at, from->items[k].value))
                return false;
    }
    return true;
}

static const struct tree *read_value(struct builder *b, yaml_event_t *event, unsigned depth);

static const struct tree *read_next(struct builder *b, yaml_event_type_t end, bool *ended,
                                    unsigned depth)
{
    yaml_event_t event;
    if (!next_event(b, &event))
        return NULL;
    *ended = event.type == end;
    const struct tree *t = *ended ? NULL : read_value(b, &event, depth);
    yaml_event_delete(&event);
    return t;
}

static bool read_list(struct builder *b, struct tree *t, unsigned depth)
{
    for (;;) {
        bool ended = false;
        const struct tree *value = read_next(b, YAML_SEQUENCE_END_EVENT, &ended, depth + 1);
        if (!value)
            return ended;
        add_item(t, NULL, value);
    }
}

static bool read_pairs(struct builder *b, struct tree *t, struct tree *merges, unsigned depth)
{
    for (;;) {
        bool ended = false;
        const struct tree *key = read_next(b, YAML_MAPPING_END_EVENT, &ended, depth + 1);
        if (!key)
            return ended;
        const struct tree *value = read_next(b, YAML_NO_EVENT, &ended, depth + 1);
        if (!value)
            return false;
        if (key->kind == TREE_TEXT)
            add_item(key->plain && streq(key->text, "<<") ? merges : t, key, value);
        else if (key->kind == TREE_MAP && key->place.column == t->place.column + 1)
            template_fault(b, t->place);
        else if (!b->r->broken)
            fault(b->r, key->place, "a key must be a text; quote it");
    }
}

static bool read_map(struct builder *b, struct tree *t, unsigned depth)
{
    struct tree merges = {.kind = TREE_MAP};
    bool ok = read_pairs(b, t, &merges, depth);
    size_t own = t->count;
    ok = ok && merge(b, t, merges.items, merges.count);
    free(merges.items);
    if (ok)
        drop_duplicates(b, t, own);
    return ok;
}

/* NULL after a fault that ends the reading. */
static const struct tree *read_value(struct builder *b, yaml_event_t *event, unsigned depth)
{
    struct place at = place_of(b, event->start_mark);
    bool list = event->type == YAML_SEQUENCE_START_EVENT;
    if (event->type == YAML_ALIAS_EVENT)
        return read_alias(b, event, depth);
    if (event->type == YAML_SCALAR_EVENT)
        return read_scalar(b, event, depth);
    if (!fits(b, at, 1, depth))
        return NULL;
    struct tree *t = tree_new(b, list ? TREE_LIST : TREE_MAP, at);
    bool ok = list ? read_list(b, t, depth) : read_map(b, t, depth);
    const yaml_char_t *anchor =
        list ? event->data.sequence_start.anchor : event->data.mapping_start.anchor;
    return ok && keep_anchor(b, anchor, t) ? t : NULL;
}

/* ---- the whole -------------------------------------------------------------------------------*/

/* Waits for an event of @type; false after a fault, or if the stream ends before. */
static bool expect_event(struct builder *b, yaml_event_type_t type, yaml_event_t *event)
{
    if (!next_event(b, event))
        return false;
    bool ok = event->type == type;
    if (!ok)
        yaml_event_delete(event);
    return ok;
}

static const struct tree *read_document(struct builder *b)
{
    yaml_event_t event;
    if (!expect_event(b, YAML_STREAM_START_EVENT, &event))
        return NULL;
    yaml_event_delete(&event);
    if (!expect_event(b, YAML_DOCUMENT_START_EVENT, &event)) {
        if (!b->r->faults.count)
            fault(b->r, (struct place){1, 1}, "the file is empty; a lab has `name` and `topology`");
        return NULL;
    }
    yaml_event_delete(&event);
    if (!next_event(b, &event))
        return NULL;
    const struct tree *root = read_value(b, &event, 0);
    yaml_event_delete(&event);
    if (!root || !next_event(b, &event)) /* the end of the document */
        return NULL;
    yaml_event_delete(&event);
    if (!next_event(b, &event))
        return NULL;
    bool last = event.type == YAML_STREAM_END_EVENT;
    if (!last)
        fault(b->r, place_of(b, event.start_mark),
              "the file has a second document; put each lab into a file of its own");
    yaml_event_delete(&event);
    return last ? root : NULL;
}

const struct tree *tree_parse(struct reader *r, struct forest *f, const char *text, size_t size)
{
    _cleanup_free_ char *copy = xstrndup(text, size);
    struct builder b = {.r = r, .forest = f, .text = copy};
    if (size > TEXT_MAX) {
        fault(r, (struct place){1, 1}, "the file has more than 4 MiB; split the lab");
        return NULL;
    }
    if (!yaml_parser_initialize(&b.parser))
        abort();
    yaml_parser_set_encoding(&b.parser, YAML_UTF8_ENCODING); /* a copy is kept as text */
    yaml_parser_set_input_string(&b.parser, (const unsigned char *)text, size);
    const struct tree *root = read_document(&b);
    yaml_parser_delete(&b.parser);
    for (size_t i = 0; i < b.anchor_count; i++)
        free(b.anchors[i].name);
    free(b.anchors);
    return root;
}

const struct tree *tree_get(const struct tree *map, const char *key)
{
    if (map && map->kind == TREE_MAP)
        for (size_t i = 0; i < map->count; i++)
            if (streq(map->items[i].key->text, key))
                return map->items[i].value;
    return NULL;
}

bool tree_is_null(const struct tree *t)
{
    static const char *const words[] = {"", "~", "null", "Null", "NULL"};
    for (size_t i = 0; t && t->kind == TREE_TEXT && t->plain && i < ARRAY_LEN(words); i++)
        if (streq(t->text, words[i]))
            return true;
    return !t;
}
