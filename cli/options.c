#include "options.h"
#include "table.h"

#include <errno.h>
#include <string.h>

static const struct option *by_letter(const struct option *o, char letter)
{
    for (; o->name; o++)
        if (o->letter == letter)
            return o;
    return NULL;
}

static const struct option *by_name(const struct option *o, const char *name, size_t size)
{
    for (; o->name; o++)
        if (strncmp(o->name, name, size) == 0 && o->name[size] == '\0')
            return o;
    return NULL;
}

/* Never suggested for a typing error: these remove, overwrite or open something. */
static bool is_risky(const char *name)
{
    static const char *const risky[] = {"force", "all", "in-place", "open", "privileged", NULL};
    for (const char *const *word = risky; *word; word++)
        if (streq(*word, name))
            return true;
    return false;
}

static const char *nearest_flag(const struct option *options, const char *bare)
{
    size_t count = 0;
    while (options[count].name)
        count++;
    _cleanup_free_ const char **names = xcalloc(count + 2, sizeof(char *));
    for (size_t i = 0; i < count; i++)
        names[i] = options[i].name;
    names[count] = "help";
    const char *near = nearest_word(bare, names);
    return near && !is_risky(near) ? near : NULL;
}

static int say_absent(const struct absent *absent, struct err *e)
{
    err_hint(e, "netctr does not have it yet: %s", absent->instead);
    return -EINVAL;
}

static int store_value(const struct option *o, char *value, struct err *e)
{
    switch (o->kind) {
    case OPTION_TEXT: *(char **)o->target = value; break;
    case OPTION_LIST: strv_add(o->target, value); break;
    case OPTION_FLAG:
        if (!streq(value, "true") && !streq(value, "false"))
            return err_say(e, -EINVAL, "flag `--%s` takes no value but true or false", o->name);
        *(bool *)o->target = streq(value, "true");
        break;
    }
    return 0;
}

struct parser {
    const struct option *options;
    const struct absent *absent;
    int argc, at;
    char **argv;
    bool *help;
};

static int unknown(const struct parser *p, const char *word, struct err *e)
{
    _cleanup_free_ char *bare = xstrndup(word + 2, strcspn(word + 2, "="));
    const char *near = nearest_flag(p->options, bare);
    err_say(e, -EINVAL, "unknown flag `--%s`", bare);
    for (const struct absent *a = p->absent; a && a->name; a++)
        if (streq(a->name, bare))
            return say_absent(a, e);
    if (near)
        err_hint(e, "did you mean `--%s`?", near);
    return -EINVAL;
}

static int unknown_letter(const struct parser *p, const char *letter, struct err *e)
{
    const char *word = p->argv[p->at];
    size_t size = utf8_size((const unsigned char *)letter, strnlen(letter, 4));
    _cleanup_free_ char *shown = xstrndup(letter, size ? size : 1);
    if (word[1 + strlen(shown)])
        err_say(e, -EINVAL, "unknown flag `-%s` in `%s`", shown, word);
    else
        err_say(e, -EINVAL, "unknown flag `-%s`", shown);
    for (const struct absent *a = p->absent; a && a->name; a++)
        if (a->letter == *letter)
            return say_absent(a, e);
    const char *near = word[2] ? nearest_flag(p->options, word + 1) : NULL;
    if (near)
        err_hint(e, "did you mean `--%s`?", near);
    return -EINVAL;
}

/* The value is the next word. */
static int take_next(struct parser *p, const struct option *o, struct err *e)
{
    if (p->at + 1 >= p->argc)
        return err_say(e, -EINVAL, "flag `--%s` needs a value (%s)", o->name, o->value);
    return store_value(o, p->argv[++p->at], e);
}

static int parse_long(struct parser *p, struct err *e)
{
    char *word = p->argv[p->at], *equals = strchr(word, '=');
    size_t size = (equals ? (size_t)(equals - word) : strlen(word)) - 2;
    const struct option *o = by_name(p->options, word + 2, size);
    if (!o && skip_prefix(word, "--help") && size == strlen("help")) {
        *p->help = true;
        return equals ? err_say(e, -EINVAL, "`--help` takes no value") : 0;
    }
    if (!o)
        return unknown(p, word, e);
    if (equals)
        return store_value(o, equals + 1, e);
    if (o->kind == OPTION_FLAG) {
        *(bool *)o->target = true;
        return 0;
    }
    return take_next(p, o, e);
}

/* "-di" is two flags; in "-p8080:80" the rest of the word is the value. */
static int parse_letters(struct parser *p, struct err *e)
{
    for (char *letter = p->argv[p->at] + 1; *letter; letter++) {
        const struct option *o = by_letter(p->options, *letter);
        if (!o && *letter == 'h') {
            *p->help = true;
            continue;
        }
        if (!o)
            return unknown_letter(p, letter, e);
        if (o->kind != OPTION_FLAG)
            return letter[1] ? store_value(o, letter + 1 + (letter[1] == '='), e)
                             : take_next(p, o, e);
        *(bool *)o->target = true;
    }
    return 0;
}

int options_parse(const struct option *options, const struct absent *absent, bool intermixed,
                  int argc, char **argv, bool *help, struct err *e)
{
    struct parser p = {options, absent, argc, 1, argv, help};
    if (argc == 2 && streq(argv[1], "-h")) { /* without a value, it cannot be docker's --hostname */
        *help = true;
        return 2;
    }
    int words = 0;
    _cleanup_free_ char **kept = xcalloc((size_t)argc + 1, sizeof(char *));
    for (; p.at < argc; p.at++) {
        char *word = argv[p.at];
        if (streq(word, "--")) {
            p.at++;
            break;
        }
        if (word[0] != '-' || word[1] == '\0') {
            if (!intermixed)
                break;
            kept[words++] = word;
            continue;
        }
        int r = word[1] == '-' ? parse_long(&p, e) : parse_letters(&p, e);
        if (r < 0)
            return r;
    }
    int first = p.at - words;
    for (int i = 0; i < words; i++)
        argv[first + i] = kept[i];
    return first;
}

static char *left_column(const struct option *o)
{
    return xasprintf("%c%c%s--%s %s", o->letter ? '-' : ' ', o->letter ? o->letter : ' ',
                     o->letter ? ", " : "  ", o->name, o->value ? o->value : "");
}

static bool is_shown(const struct option *o, const char *const *only)
{
    for (const char *const *name = only; name && *name; name++)
        if (streq(*name, o->name))
            return true;
    return !only;
}

/* As wide as most of the flags; those that are longer have a line of their own. */
static size_t left_width(const struct option *options, const char *const *only)
{
    enum { MOST = 26 };
    size_t width = 0;
    for (const struct option *o = options; o->name; o++) {
        _cleanup_free_ char *left = left_column(o);
        size_t columns = text_columns(left);
        if (is_shown(o, only) && columns <= MOST && columns > width)
            width = columns;
    }
    return width;
}

void options_print(FILE *out, const struct option *options, const char *const *only)
{
    size_t width = left_width(options, only), indent = width + 4;
    for (const struct option *o = options; o->name; o++) {
        if (!is_shown(o, only))
            continue;
        _cleanup_free_ char *left = left_column(o);
        fputs("  ", out);
        print_padded(out, left, width);
        if (text_columns(left) > width)
            fprintf(out, "\n%*s", (int)indent - 2, "");
        fputs("  ", out);
        print_wrapped(out, o->help, indent, OPTIONS_COLUMNS);
    }
}
