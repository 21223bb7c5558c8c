/* Lists of KEY=VALUE: environment variables from `--env-file`, then `-e`, and labels from `--label-file`, then `--label`. The
 * last value of a key wins. */
#include "internal.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#define ENV_FILE_MAX (1024 * 1024)

static void set(strv *env, const char *entry)
{
    size_t key = strcspn(entry, "=") + 1;
    for (size_t i = 0; *env && (*env)[i]; i++)
        if (strncmp((*env)[i], entry, key) == 0) {
            free((*env)[i]);
            (*env)[i] = xstrdup(entry);
            return;
        }
    strv_add(env, entry);
}

/* Takes an entry of a list. */
typedef int (*entry_taker)(strv *list, const char *entry, struct err *e);

/* "NAME" passes the caller's value through; an unset variable is skipped. */
static int take_variable(strv *env, const char *entry, struct err *e)
{
    if (*entry == '=' || !*entry)
        return err_say(e, -EINVAL, "a variable of the environment has no name");
    if (strchr(entry, '=')) {
        set(env, entry);
        return 0;
    }
    const char *value = getenv(entry);
    if (value) {
        _cleanup_free_ char *whole = xasprintf("%s=%s", entry, value);
        set(env, whole);
    }
    return 0;
}

int label_check(const char *label, struct err *e)
{
    _cleanup_free_ char *shown = text_printable(label);
    if (*label == '=' || !*label)
        return err_say(e, -EINVAL, "label `%s` has no key", shown);
    return valid_utf8(label) ? 0 : err_say(e, -EILSEQ, "label `%s` is not UTF-8", shown);
}

/* "KEY" is a label without a value. */
static int take_label(strv *labels, const char *entry, struct err *e)
{
    int r = label_check(entry, e);
    if (r < 0)
        return r;
    _cleanup_free_ char *whole = xasprintf("%s%s", entry, strchr(entry, '=') ? "" : "=");
    set(labels, whole);
    return 0;
}

/* Not only regular files: also a pipe (`<(…)`), /dev/null, /dev/stdin. */
static int read_list(const char *path, char **out, size_t *size)
{
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    _cleanup_free_ char *text = xcalloc(ENV_FILE_MAX + 2, 1);
    if (fd < 0)
        return -errno;
    *size = 0;
    while (*size <= ENV_FILE_MAX) {
        ssize_t n = read(fd, text + *size, ENV_FILE_MAX + 1 - *size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0) {
            *out = take_ptr(text);
            return 0;
        }
        *size += (size_t)n;
    }
    return -EFBIG;
}

/* As in docker: a line is KEY=VALUE or KEY, quotes are part of the value, and '#' begins a comment line. Errors never show a
 * value. */
static int take_file(strv *list, const char *what, const char *path, entry_taker take,
                     struct err *e)
{
    _cleanup_free_ char *text = NULL;
    size_t size = 0;
    int r = read_list(path, &text, &size);
    if (!text)
        return err_set(e, r, "read %s file `%s`", what, path);
    if (strlen(text) != size)
        return err_say(e, -EINVAL, "%s file `%s` is not text", what, path);
    const char *marked = skip_prefix(text, "\xef\xbb\xbf"); /* as some editors mark UTF-8 */
    char *rest = marked ? text + (marked - text) : text;
    for (int number = 1; rest; number++) {
        char *line = strsep(&rest, "\n");
        line += strspn(line, " \t");
        size_t length = strlen(line);
        if (length && line[length - 1] == '\r')
            line[length - 1] = '\0';
        if (!*line || *line == '#')
            continue;
        if (*line == '=' || strcspn(line, " \t") < strcspn(line, "="))
            return err_say(e, -EINVAL, "%s file `%s`, line %d: %s", what, path, number,
                           *line == '=' ? "there is no name before `=`"
                                        : "the name has a space in it");
        if ((r = take(list, line, e)) < 0)
            return r;
    }
    return 0;
}

static int compose(const char *what, char *const *files, char *const *entries, entry_taker take,
                   strv *out, struct err *e)
{
    int r = 0;
    strv_each (path, files)
        if (r == 0)
            r = take_file(out, what, path, take, e);
    strv_each (entry, entries)
        if (r == 0)
            r = take(out, entry, e);
    return r;
}

char *terminal_type(bool attached)
{
    const char *term = attached ? getenv("TERM") : NULL;
    bool valid = term && *term && strlen(term) <= 64;
    for (const char *c = term; valid && *c; c++)
        valid = isalnum((unsigned char)*c) || strchr("+-._", *c);
    return xasprintf("TERM=%s", valid ? term : "xterm");
}

int env_compose(char *const *files, char *const *entries, strv *out, struct err *e)
{
    return compose("environment", files, entries, take_variable, out, e);
}

int labels_compose(char *const *files, char *const *entries, strv *out, struct err *e)
{
    return compose("label", files, entries, take_label, out, e);
}
