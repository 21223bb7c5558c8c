/* How a check reports what it finds. */
#include "doctor/doctor.h"

#include <stdarg.h>
#include <string.h>

void doctor_say(struct doctor *d, enum severity severity, char *cure, const char *format, ...)
{
    static const char *const words[] = {"note", "warning", "problem"};
    _cleanup_free_ char *own = cure, *text = NULL;
    va_list args;
    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        text = NULL;
    va_end(args);
    /* Names of other programs' tables and links need not be UTF-8, which JSON requires. */
    _cleanup_json_ json_t *valid = text ? json_string(text) : NULL;
    for (char *p = valid ? NULL : text; p && *p; p++)
        if (*p & 0x80)
            *p = '?';
    size_t i;
    json_t *other;
    json_array_foreach (d->findings, i, other) {
        if (streq(json_str(other, "text"), text)) /* two checks found the same */
            return;
    }
    json_t *j = json_object();
    json_put_str(j, "severity", words[severity]);
    json_put_str(j, "text", text ? text : format);
    json_put_str(j, "cure", own);
    json_array_append_new(d->findings, j);
}

void doctor_say_damaged(struct doctor *d, struct err *e)
{
    doctor_say(d, PROBLEM, xasprintf("repair or remove that file below %s or %s", d->root, d->run),
               "%s", e->text);
    err_clear(e);
}
