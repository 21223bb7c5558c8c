/* How code that cleans up reports what it finds. */
#include <netctr/base.h>

#include <stdarg.h>

const struct gc gc_quietly = {0};

void gc_tell(const struct gc *gc, enum gc_deed deed, const char *format, ...)
{
    _cleanup_free_ char *what = NULL, *shown = NULL;
    va_list args;
    va_start(args, format);
    if (gc->tell && vasprintf(&what, format, args) >= 0) {
        shown = text_printable(what); /* names of files are among it */
        gc->tell(deed, shown, gc->arg);
    }
    va_end(args);
}
