/* Memory that is always there: the program ends when it cannot be had (netctr/base.h says why). */
#include <netctr/base.h>

#include <stdarg.h>
#include <string.h>

static void *checked(void *p)
{
    if (p)
        return p;
    static const char message[] = "netctr: out of memory\n";
    (void)!write(STDERR_FILENO, message, sizeof(message) - 1);
    _exit(EXIT_NETCTR);
}

void *xcalloc(size_t count, size_t size)
{
    return checked(calloc(count ? count : 1, size ? size : 1));
}

void *xrealloc(void *p, size_t count, size_t size)
{
    return checked(reallocarray(p, count ? count : 1, size));
}

char *xstrdup(const char *s)
{
    return s ? checked(strdup(s)) : NULL;
}

char *xstrndup(const char *s, size_t n)
{
    return checked(strndup(s, n));
}

char *xasprintf(const char *format, ...)
{
    char *s = NULL;
    va_list args;
    va_start(args, format);
    int n = vasprintf(&s, format, args);
    va_end(args);
    return checked(n < 0 ? NULL : s);
}
