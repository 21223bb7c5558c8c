/* The error object. Texts are built once, on the way out of a failure; nothing here can fail. */
#include <netctr/base.h>

#include <errno.h>
#include <stdarg.h>
#include <string.h>

static char *format_text(const char *format, va_list args)
{
    char *text = NULL;
    if (vasprintf(&text, format, args) < 0)
        text = xstrdup(format);
    return text;
}

static void replace(char **slot, char *text)
{
    free(*slot);
    *slot = text;
}

void err_clear(struct err *e)
{
    if (!e)
        return;
    free(e->text);
    free(e->hint);
    *e = (struct err)ERR_INIT;
}

int err_set(struct err *e, int code, const char *format, ...)
{
    code = code > 0 ? -code : code;
    if (!e)
        return code;
    va_list args;
    va_start(args, format);
    _cleanup_free_ char *step = format_text(format, args);
    va_end(args);
    err_clear(e);
    e->code = code;
    e->text = xasprintf("%s: %s", step, strerror(-code));
    return code;
}

int err_say(struct err *e, int code, const char *format, ...)
{
    code = code > 0 ? -code : code;
    if (!e)
        return code;
    va_list args;
    va_start(args, format);
    char *text = format_text(format, args);
    va_end(args);
    err_clear(e);
    e->code = code;
    e->text = text;
    return code;
}

void err_kernel_says(struct err *e, const char *words)
{
    if (e && e->text && words && *words)
        replace(&e->text, xasprintf("%s (%s)", e->text, words));
}

void err_wrap(struct err *e, const char *format, ...)
{
    if (!e || !e->code)
        return;
    va_list args;
    va_start(args, format);
    _cleanup_free_ char *context = format_text(format, args);
    va_end(args);
    if (!skip_prefix(e->text, context)) /* avoids "network `x`: network `x` has …" */
        replace(&e->text, xasprintf("%s: %s", context, e->text));
}

void err_hint(struct err *e, const char *format, ...)
{
    if (!e)
        return;
    va_list args;
    va_start(args, format);
    replace(&e->hint, format_text(format, args));
    va_end(args);
}

void err_status(struct err *e, int status)
{
    if (e)
        e->status = status;
}

char *err_line(const struct err *e)
{
    const char *text = e->text ? e->text : strerror(-e->code);
    return e->hint ? xasprintf("%s; %s", text, e->hint) : xstrdup(text);
}

void err_move(struct err *to, struct err *from)
{
    if (!to) {
        err_clear(from);
        return;
    }
    err_clear(to);
    *to = *from;
    *from = (struct err)ERR_INIT;
}

void err_note(int *first, int r, struct err *e, struct err *step)
{
    if (r < 0 && *first == 0) {
        *first = r;
        err_move(e, step);
    }
    err_clear(step);
}
