/* How the files of a survey report a difference. */
#include "survey.h"

#include <stdarg.h>

void survey_differs(struct survey *s, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = NULL;
    if (vasprintf(&text, format, args) >= 0)
        json_array_append_new(s->differences, json_string(text));
    va_end(args);
    free(text);
}

void survey_found(const char *what, void *survey)
{
    survey_differs(survey, "%s", what);
}
