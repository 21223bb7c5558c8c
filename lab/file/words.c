/* Lines as words, by the rules of Python's shlex (POSIX mode, without comments). */
#include <netctr/topology.h>

#include <errno.h>
#include <string.h>

struct splitter {
    const char *at;
    struct strings words;
    char *word; /* with room for the whole line */
    size_t size;
    bool open; /* a word has begun; it may be empty: '' */
};

static void add(struct splitter *s, char c)
{
    s->word[s->size++] = c;
    s->open = true;
}

static void end_word(struct splitter *s)
{
    if (s->open)
        strings_add_take(&s->words, xstrndup(s->word, s->size));
    s->size = 0;
    s->open = false;
}

/* In double quotes a backslash protects only itself and the quote. */
static int take_quoted(struct splitter *s, char quote, struct err *e)
{
    s->open = true;
    for (s->at++; *s->at != quote; s->at++) {
        if (quote == '"' && *s->at == '\\' && (s->at[1] == '"' || s->at[1] == '\\'))
            s->at++;
        if (!*s->at)
            return err_say(e, -EINVAL, "the quote %c is not closed", quote);
        add(s, *s->at);
    }
    s->at++;
    return 0;
}

static int take_one(struct splitter *s, struct err *e)
{
    char c = *s->at;
    if (c == '\'' || c == '"')
        return take_quoted(s, c, e);
    if (c == '\\' && !s->at[1])
        return err_say(e, -EINVAL, "nothing follows the last backslash");
    if (strchr(" \t\r\n", c))
        end_word(s);
    else
        add(s, c == '\\' ? *++s->at : c);
    s->at++;
    return 0;
}

int words_split(const char *line, strv *out, struct err *e)
{
    _cleanup_free_ char *word = xcalloc(strlen(line) + 1, 1);
    struct splitter s = {.at = line, .word = word};
    int r = 0;
    while (r == 0 && *s.at)
        r = take_one(&s, e);
    if (r == 0)
        end_word(&s);
    *out = r == 0 ? strings_take(&s.words) : NULL;
    strings_clear(&s.words);
    return r;
}
