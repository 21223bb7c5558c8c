/* Files of `env-files`, in the form of godotenv, which containerlab uses: KEY=VALUE, perhaps after `export`, with a value in
 * quotes or without. Variables in values are not replaced, and a value in quotes ends in its line.
 */
#include "file.h"

#include <errno.h>
#include <string.h>

enum { ENV_FILE_MAX = 1 << 20 };

static int bad(const char *path, int line, const char *why, struct err *e)
{
    return err_say(e, -EINVAL, "`%s`, line %d: %s", path, line, why);
}

/* What follows a value: nothing, or a comment. */
static bool is_rest(const char *s)
{
    s += strspn(s, " \t");
    return !*s || *s == '#';
}

/* Takes "…" or '…' at @s apart, in place. NULL: it is not closed, or something follows. */
static char *unquote(char *s)
{
    const char quote = *s++;
    char *out = s, *begin = s;
    for (; *s && *s != quote; s++) {
        if (quote == '"' && *s == '\\' && s[1]) {
            s++;
            *out++ = *s == 'n' ? '\n' : *s == 'r' ? '\r' : *s == 't' ? '\t' : *s;
        } else {
            *out++ = *s;
        }
    }
    if (*s != quote || !is_rest(s + 1))
        return NULL;
    *out = '\0';
    return begin;
}

/* Without quotes: to the comment, or the end. */
static char *plain(char *s)
{
    size_t length = strlen(s);
    for (size_t i = 0; i < length; i++)
        if (s[i] == '#' && (i == 0 || s[i - 1] == ' ' || s[i - 1] == '\t'))
            length = i;
    while (length && strchr(" \t\r", s[length - 1]))
        length--;
    s[length] = '\0';
    return s;
}

static int take_line(const char *path, int number, char *line, strv *env, struct err *e)
{
    line += strspn(line, " \t\r");
    if (!*line || *line == '#')
        return 0;
    if (skip_prefix(line, "export "))
        line += strlen("export ") + strspn(line + strlen("export "), " \t");
    size_t length = strcspn(line, "= \t");
    char *value = line + length + strspn(line + length, " \t");
    if (!length || *value != '=')
        return bad(path, number, "this is not KEY=VALUE", e);
    value++;
    value += strspn(value, " \t");
    if (*value == '"' || *value == '\'') {
        value[strcspn(value, "\r")] = '\0';
        value = unquote(value);
    } else {
        value = plain(value);
    }
    if (!value)
        return bad(path, number, "the quotes are not closed, or text follows them", e);
    line[length] = '\0';
    strv_add_take(env, xasprintf("%s=%s", line, value));
    return 0;
}

int env_file_read(const char *path, strv *env, struct err *e)
{
    _cleanup_free_ char *text = NULL;
    size_t size = 0;
    int r = read_file_at(AT_FDCWD, path, ENV_FILE_MAX, &text, &size);
    if (r == -EINVAL)
        return err_say(e, r, "`%s` is not a file", path);
    if (r < 0)
        return err_set(e, r, "read the file of variables `%s`", path);
    if (strlen(text) != size)
        return err_say(e, -EINVAL, "`%s` is not text", path);
    const char *marked = skip_prefix(text, "\xef\xbb\xbf"); /* as some editors mark UTF-8 */
    char *rest = marked ? text + (marked - text) : text;
    for (int number = 1; rest && r == 0; number++)
        r = take_line(path, number, strsep(&rest, "\n"), env, e);
    return r;
}
