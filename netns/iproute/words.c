/* Words, numbers and addresses as ip(8) reads them. */
#include "line.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>

void line_hand_over(struct line *l)
{
    if (line_reading(l))
        l->state = LINE_HANDED_OVER;
}

static void print(struct line *l, const char *format, va_list args)
{
    _cleanup_free_ char *before = take_ptr(l->output), *more = NULL;
    if (vasprintf(&more, format, args) < 0)
        abort();
    l->output = xasprintf("%s%s", before ? before : "", more);
}

void line_print(struct line *l, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    print(l, format, args);
    va_end(args);
}

void line_finish(struct line *l, int status, const char *format, ...)
{
    if (!line_reading(l))
        return;
    va_list args;
    va_start(args, format);
    print(l, format, args);
    va_end(args);
    l->state = LINE_DONE;
    l->status = status;
}

const char *line_next(struct line *l)
{
    return line_reading(l) && *l->words ? *l->words++ : NULL;
}

const char *line_value(struct line *l)
{
    const char *word = line_next(l);
    if (!word)
        line_finish(l, IP_EXIT, "Command line is not complete. Try option \"help\"\n");
    return word;
}

bool abbreviates(const char *word, const char *keyword)
{
    return *word && strncmp(word, keyword, strlen(word)) == 0;
}

bool abbreviates_any(const char *word, const char *const *keywords)
{
    for (; *keywords; keywords++)
        if (abbreviates(word, *keywords))
            return true;
    return false;
}

bool looks_like_address(const char *word)
{
    return isdigit((unsigned char)*word) || strchr(word, ':');
}

bool number_read(const char *text, uint32_t *out)
{
    char *end;
    errno = 0;
    unsigned long value = strtoul(text, &end, 0);
    if (end == text || *end || errno == ERANGE || value > UINT32_MAX)
        return false;
    *out = (uint32_t)value;
    return true;
}

/* Up to four numbers in any base; those that are missing are 0. */
static bool read_ipv4(const char *text, uint8_t bytes[4])
{
    memset(bytes, 0, 4);
    for (int i = 0; i < 4; i++) {
        char *end;
        unsigned long value = strtoul(text, &end, 0);
        if (end == text || value > 255)
            return false;
        bytes[i] = (uint8_t)value;
        if (!*end)
            return true;
        if (*end != '.')
            return false;
        text = end + 1;
    }
    return false;
}

static bool read_ip(const char *text, int family, struct ip *out)
{
    out->family = strchr(text, ':') ? AF_INET6 : AF_INET;
    if (family && family != out->family)
        return false;
    return out->family == AF_INET6 ? inet_pton(AF_INET6, text, &out->v6) == 1
                                   : read_ipv4(text, out->bytes);
}

/* A number, or a mask: 255.255.255.0. */
static bool read_length(const char *text, unsigned *out)
{
    uint8_t mask[4];
    if (number_read(text, out))
        return true;
    if (strchr(text, ':') || !read_ipv4(text, mask))
        return false;
    uint32_t host = ~((uint32_t)mask[0] << 24 | (uint32_t)mask[1] << 16 | (uint32_t)mask[2] << 8 |
                      (uint32_t)mask[3]);
    if (host & (host + 1))
        return false;
    *out = 32 - (unsigned)__builtin_popcount(host);
    return true;
}

static bool read_prefix(const char *text, int family, struct prefix *out)
{
    const char *slash = strchr(text, '/');
    _cleanup_free_ char *address = slash ? xstrndup(text, (size_t)(slash - text)) : xstrdup(text);
    *out = (struct prefix){.length_given = slash};
    if (!read_ip(address, family, &out->ip))
        return false;
    unsigned most = (unsigned)ip_size(&out->ip) * 8;
    out->length = most;
    return !slash || (read_length(slash + 1, &out->length) && out->length <= most);
}

static void expected(struct line *l, const char *what, int family, const char *text)
{
    line_finish(l, IP_MISTAKE, "Error: %s %s is expected rather than \"%s\".\n",
                family == AF_INET    ? "inet"
                : family == AF_INET6 ? "inet6"
                                     : "any valid",
                what, text);
}

bool line_address(struct line *l, const char *text, int family, struct ip *out)
{
    bool good = read_ip(text, family, out);
    if (!good)
        expected(l, "address", family, text);
    return good;
}

bool line_prefix(struct line *l, const char *text, int family, struct prefix *out)
{
    bool good = read_prefix(text, family, out);
    if (!good)
        expected(l, "prefix", family, text);
    return good;
}

const char *line_device(struct line *l)
{
    const char *name = line_value(l);
    /* ip takes "if7" for the link with index 7, and looks for a longer name among the alternative ones. */
    if (name && (!interface_name_valid(name) || (skip_prefix(name, "if") && isdigit(name[2])))) {
        line_hand_over(l);
        return NULL;
    }
    return name;
}
