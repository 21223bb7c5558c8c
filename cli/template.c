/* The language: text and, in {{ }},
 *
 *     .A.B   $   $name.A   "text"   index .A "key"   (index .A "key").B   .Label "key"
 *     json X   println X   range X   range $k, $v := X   if X   else   end
 *
 * All of X is a way through JSON: where it begins, and a name or number for each step. A template is a list of parts; those
 * that enclose others know where they end.
 */
#include "template.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

enum kind { PART_TEXT, PART_VALUE, PART_LINE, PART_JSON, PART_RANGE, PART_IF, PART_ELSE, PART_END };
enum { DEPTH_MAX = 8, LENGTH_MAX = 16384 };

struct part {
    enum kind kind;
    char *text;     /* PART_TEXT */
    char *variable; /* where the way begins; NULL: "." */
    strv way;
    char *key, *value;     /* of a range: names of its variables */
    size_t otherwise, end; /* of a range or condition: indexes of its other parts */
};

struct template
{
    struct part *parts;
    size_t count;
    bool table;
};

/* ---- parse: one action -----------------------------------------------------------------------*/

struct reader {
    const char *at, *end;
};

static void skip_blanks(struct reader *r)
{
    while (r->at < r->end && isspace((unsigned char)*r->at))
        r->at++;
}

static bool take_char(struct reader *r, char c)
{
    skip_blanks(r);
    bool found = r->at < r->end && *r->at == c;
    r->at += found;
    return found;
}

static bool is_name_char(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '-';
}

static char *take_name(struct reader *r)
{
    const char *begin = r->at;
    while (r->at < r->end && is_name_char(*r->at))
        r->at++;
    return xstrndup(begin, (size_t)(r->at - begin));
}

static bool take_word(struct reader *r, const char *word)
{
    struct reader ahead = *r;
    skip_blanks(&ahead);
    _cleanup_free_ char *name = take_name(&ahead);
    if (!streq(name, word))
        return false;
    *r = ahead;
    return true;
}

/* "…" with \n, \t, \" and \\, or `…`. NULL: it is none. */
static char *take_string(struct reader *r)
{
    skip_blanks(r);
    const char quote = r->at < r->end ? *r->at : '\0';
    if (quote != '"' && quote != '`')
        return NULL;
    char *out = xcalloc((size_t)(r->end - r->at) + 1, 1);
    size_t n = 0;
    for (r->at++; r->at < r->end && *r->at != quote; r->at++) {
        char c = *r->at;
        if (c == '\\' && quote == '"' && r->at + 1 < r->end) {
            c = *++r->at;
            c = c == 'n' ? '\n' : c == 't' ? '\t' : c;
        }
        out[n++] = c;
    }
    if (r->at == r->end) {
        free(out);
        return NULL;
    }
    r->at++;
    return out;
}

/* ".A.B": the steps. False: a name is missing. */
static bool take_steps(struct reader *r, strv *way)
{
    while (r->at < r->end && *r->at == '.') {
        r->at++;
        if (r->at == r->end || !is_name_char(*r->at))
            return !*way && (r->at == r->end || *r->at != '.');
        strv_add_take(way, take_name(r));
    }
    return true;
}

static bool take_way(struct reader *r, struct part *p);

/* index WAY "key" 0 … */
static bool take_index(struct reader *r, struct part *p)
{
    if (!take_way(r, p))
        return false;
    for (;;) {
        skip_blanks(r);
        char *key = take_string(r);
        if (!key && r->at < r->end && isdigit((unsigned char)*r->at))
            key = take_name(r);
        if (!key)
            return true;
        strv_add_take(&p->way, key);
    }
}

static bool take_way(struct reader *r, struct part *p)
{
    if (take_char(r, '(')) {
        bool is = take_word(r, "index") ? take_index(r, p) : take_way(r, p);
        return is && take_char(r, ')') && take_steps(r, &p->way);
    }
    skip_blanks(r);
    if (r->at < r->end && *r->at == '$') {
        r->at++;
        p->variable = take_name(r);
        return take_steps(r, &p->way);
    }
    return r->at < r->end && *r->at == '.' && take_steps(r, &p->way);
}

/* "$k, $v :=", "$v :=" or nothing. */
static bool take_variables(struct reader *r, struct part *p)
{
    struct reader ahead = *r;
    char *names[2] = {NULL, NULL};
    size_t count = 0;
    do {
        if (!take_char(&ahead, '$') || count == 2)
            break;
        names[count++] = take_name(&ahead);
    } while (take_char(&ahead, ','));
    if (count && take_char(&ahead, ':') && ahead.at < ahead.end && *ahead.at == '=') {
        ahead.at++;
        *r = ahead;
        p->value = names[count - 1];
        p->key = count == 2 ? names[0] : NULL;
        return true;
    }
    free(names[0]);
    free(names[1]);
    return true;
}

/* The last step but one is a method of docker's, `.Label "key"`. */
static bool is_label(const struct part *p)
{
    const size_t count = strv_len(p->way);
    return count > 1 && streq(p->way[count - 2], "Label");
}

/* A way, and the key if it ends in `.Label`. */
static bool take_value(struct reader *r, struct part *p)
{
    if (!take_way(r, p))
        return false;
    const size_t count = strv_len(p->way);
    char *key = count && streq(p->way[count - 1], "Label") ? take_string(r) : NULL;
    if (key)
        strv_add_take(&p->way, key);
    return true;
}

static bool parse_action(struct reader *r, struct part *p)
{
    if ((p->text = take_string(r))) {
        p->kind = PART_TEXT;
        return true;
    }
    if (take_word(r, "end") || take_word(r, "else")) {
        p->kind = r->at[-1] == 'd' ? PART_END : PART_ELSE;
        return true;
    }
    if (take_word(r, "range")) {
        p->kind = PART_RANGE;
        return take_variables(r, p) && take_way(r, p);
    }
    p->kind = take_word(r, "if")        ? PART_IF
              : take_word(r, "json")    ? PART_JSON
              : take_word(r, "println") ? PART_LINE
                                        : PART_VALUE;
    return take_word(r, "index") ? take_index(r, p) : take_value(r, p);
}

/* ---- parse: the whole ------------------------------------------------------------------------*/

static struct part *add_part(struct template *t)
{
    t->parts = xrealloc(t->parts, t->count + 1, sizeof(*t->parts));
    t->parts[t->count] = (struct part){0};
    return &t->parts[t->count++];
}

/* In docker, a backslash before t or n means the character. */
static void add_text(struct template *t, const char *text, size_t size)
{
    if (size == 0)
        return;
    char *out = xcalloc(size + 1, 1);
    size_t n = 0;
    for (size_t i = 0; i < size; i++) {
        const char next = i + 1 < size ? text[i + 1] : '\0';
        const bool escape = text[i] == '\\' && (next == 't' || next == 'n');
        out[n++] = escape ? (next == 't' ? '\t' : '\n') : text[i];
        i += escape;
    }
    *add_part(t) = (struct part){.kind = PART_TEXT, .text = out};
}

/* Which part ends which. */
static int pair(struct template *t, struct err *e)
{
    size_t open[DEPTH_MAX], depth = 0;
    for (size_t i = 0; i < t->count; i++) {
        struct part *p = &t->parts[i];
        if (p->kind == PART_RANGE || p->kind == PART_IF) {
            if (depth == DEPTH_MAX)
                return err_say(e, -EINVAL, "more than %d levels of range and if", DEPTH_MAX);
            open[depth++] = i;
        } else if (p->kind == PART_ELSE || p->kind == PART_END) {
            if (depth == 0 || (p->kind == PART_ELSE && t->parts[open[depth - 1]].otherwise))
                return err_say(e, -EINVAL, "`%s` without range or if",
                               p->kind == PART_END ? "end" : "else");
            *(p->kind == PART_END ? &t->parts[open[depth - 1]].end
                                  : &t->parts[open[depth - 1]].otherwise) = i;
            depth -= p->kind == PART_END;
        }
    }
    return depth ? err_say(e, -EINVAL, "range or if without `end`") : 0;
}

/* One {{…}}; *@at moves behind it. "{{-" and "-}}" are taken for their plain forms. */
static int add_action(struct template *t, const char **at, struct err *e)
{
    const char *begin = *at + 2, *end = strstr(begin, "}}");
    if (!end)
        return err_say(e, -EINVAL, "`{{` without `}}`");
    struct reader r = {begin, end};
    if (r.at + 1 < r.end && *r.at == '-' && r.at[1] == ' ')
        r.at++;
    if (r.end - r.at > 1 && r.end[-1] == '-' && r.end[-2] == ' ')
        r.end--;
    *at = end + 2;
    bool is = parse_action(&r, add_part(t));
    skip_blanks(&r);
    return is && r.at == r.end
               ? 0
               : err_say(e, -EINVAL, "`{{%.*s}}` is not understood", (int)(end - begin), begin);
}

int template_parse(const char *text, struct template **out, struct err *e)
{
    _cleanup_template_ struct template *t = xcalloc(1, sizeof(*t));
    const char *rest = skip_prefix(text, "table "), *at = rest ? rest : text;
    t->table = rest;
    if (strlen(text) > LENGTH_MAX)
        return err_say(e, -EINVAL, "it is longer than %d bytes", LENGTH_MAX);
    int r = 0;
    while (r == 0 && *at) {
        const char *action = strstr(at, "{{");
        add_text(t, at, action ? (size_t)(action - at) : strlen(at));
        at = action ? action : at + strlen(at);
        if (action)
            r = add_action(t, &at, e);
    }
    if (r == 0)
        r = pair(t, e);
    if (r == 0)
        *out = take_ptr(t);
    return r;
}

void template_free(struct template *t)
{
    for (size_t i = 0; t && i < t->count; i++) {
        struct part *p = &t->parts[i];
        free(p->text);
        free(p->variable);
        strv_free(p->way);
        free(p->key);
        free(p->value);
    }
    if (t)
        free(t->parts);
    free(t);
}

bool template_is_table(const struct template *t)
{
    return t->table;
}

/* ---- values ----------------------------------------------------------------------------------*/

/* What names mean at one place; outer ones follow. */
struct scope {
    const struct scope *outer;
    const char *name;
    const json_t *value;
    const json_t *dot;
};

static const json_t *begin_of(const struct part *p, const struct scope *s, struct err *e)
{
    if (!p->variable)
        return s->dot;
    for (; s->outer; s = s->outer)
        if (s->name && *p->variable && streq(s->name, p->variable))
            return s->value;
    if (!*p->variable)
        return s->dot;
    (void)err_say(e, -ENOENT, "there is no variable `$%s`", p->variable);
    return NULL;
}

/* Objects whose members have names of the user's: a missing one is no mistake. */
static bool is_map(const char *name)
{
    return name && (streq(name, "Networks") || streq(name, "Labels") || streq(name, "labels") ||
                    streq(name, "Ports") || streq(name, "Containers") || streq(name, "Options") ||
                    streq(name, "Attributes") || streq(name, "Label"));
}

/* *@out is NULL for a missing member of such an object. */
static int follow(const struct part *p, const struct scope *s, const json_t **out, struct err *e)
{
    const json_t *at = begin_of(p, s, e);
    bool in_map = false;
    const char *before = NULL;
    *out = NULL;
    if (!at)
        return -ENOENT;
    strv_each (name, p->way) {
        uint64_t i;
        const json_t *next = json_is_array(at) && parse_u64(name, 0, SIZE_MAX, &i) == 0
                                 ? json_array_get(at, i)
                                 : json_object_get(at, name);
        in_map = in_map || is_map(before) || json_is_array(at);
        if (!next && in_map)
            return 0;
        if (!next) {
            _cleanup_free_ char *way = strv_join(p->way, ".");
            return err_say(e, -ENOENT, "there is no field `.%s`", way);
        }
        at = next;
        before = name;
    }
    *out = at;
    return 0;
}

static void print_value(const json_t *j, FILE *out)
{
    if (!j || json_is_null(j))
        fputs("<no value>", out);
    else if (json_is_string(j))
        fwrite(json_string_value(j), 1, json_string_length(j), out);
    else
        json_dumpf(j, out, JSON_COMPACT | JSON_ENCODE_ANY | JSON_PRESERVE_ORDER);
}

static bool is_true(const json_t *j)
{
    if (json_is_string(j))
        return json_string_length(j) > 0;
    if (json_is_number(j))
        return json_number_value(j) != 0;
    if (json_is_array(j))
        return json_array_size(j) > 0;
    return json_is_object(j) ? json_object_size(j) > 0 : json_is_true(j);
}

/* ---- carrying out ----------------------------------------------------------------------------*/

struct run {
    const struct template *t;
    FILE *out;
    struct err *e;
};

static int run_parts(const struct run *run, size_t from, size_t to, const struct scope *s);

static int run_once(const struct run *run, size_t i, const json_t *key, const json_t *value,
                    const struct scope *s)
{
    const struct part *p = &run->t->parts[i];
    const struct scope outer = {s, p->key, key, s->dot};
    const struct scope inner = {&outer, p->value, value, value};
    return run_parts(run, i + 1, p->otherwise ? p->otherwise : p->end, &inner);
}

static int run_range(const struct run *run, size_t i, const json_t *over, const struct scope *s)
{
    int r = 0;
    size_t at;
    const char *name;
    json_t *value, *all = (json_t *)over; /* only read */
    json_array_foreach (all, at, value) {
        _cleanup_json_ json_t *key = json_integer((json_int_t)at);
        r = r == 0 ? run_once(run, i, key, value, s) : r;
    }
    json_object_foreach (all, name, value) {
        _cleanup_json_ json_t *key = json_string(name);
        r = r == 0 ? run_once(run, i, key, value, s) : r;
    }
    return r;
}

/* Returns the index of the part that follows. */
static int run_part(const struct run *run, size_t *i, const struct scope *s)
{
    const struct part *p = &run->t->parts[*i];
    const json_t *value = NULL;
    int r = p->kind == PART_TEXT ? 0 : follow(p, s, &value, run->e);
    if (r < 0)
        return r;
    const size_t begin = *i;
    *i = p->end ? p->end + 1 : begin + 1;
    switch (p->kind) {
    case PART_TEXT: fputs(p->text, run->out); return 0;
    case PART_JSON:
        return json_dumpf(value ? value : json_null(), run->out,
                          JSON_COMPACT | JSON_ENCODE_ANY | JSON_PRESERVE_ORDER);
    case PART_RANGE:
        if (is_true(value))
            return run_range(run, begin, value, s);
        break;
    case PART_IF:
        if (is_true(value))
            return run_parts(run, begin + 1, p->otherwise ? p->otherwise : p->end, s);
        break;
    default:
        if (value || !is_label(p))
            print_value(value, run->out);
        if (p->kind == PART_LINE)
            fputc('\n', run->out);
        return 0;
    }
    return p->otherwise ? run_parts(run, p->otherwise + 1, p->end, s) : 0;
}

static int run_parts(const struct run *run, size_t from, size_t to, const struct scope *s)
{
    int r = 0;
    for (size_t i = from; i < to && r == 0;)
        r = run_part(run, &i, s);
    return r;
}

int template_text(const struct template *t, const json_t *value, char **out, struct err *e)
{
    char *text = NULL;
    size_t size = 0;
    const struct scope top = {.dot = value};
    struct run run = {t, open_memstream(&text, &size), e};
    if (!run.out)
        return err_set(e, errno, "get memory");
    int r = run_parts(&run, 0, t->count, &top);
    if (fclose(run.out) < 0 && r == 0)
        r = err_set(e, errno, "get memory");
    if (r < 0)
        free(text);
    else
        *out = text;
    return r;
}

/* "CreatedAt" becomes CREATED AT. */
static void print_title(const char *name, const char *id_title, FILE *out)
{
    if (streq(name, "ID")) {
        fputs(id_title, out);
        return;
    }
    if (streq(name, "RunningFor"))
        name = "Created";
    for (const char *c = name; *c; c++) {
        if (c > name && isupper((unsigned char)*c) && islower((unsigned char)c[-1]))
            fputc(' ', out);
        fputc(toupper((unsigned char)*c), out);
    }
}

char *template_titles(const struct template *t, const char *id_title)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return xstrdup("");
    for (size_t i = 0; i < t->count; i++) {
        const struct part *p = &t->parts[i];
        if (p->kind == PART_TEXT)
            fputs(p->text, out);
        else if (p->way)
            print_title(p->way[strv_len(p->way) - 1], id_title, out);
    }
    fclose(out);
    return text;
}
