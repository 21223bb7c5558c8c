/* Strings, vectors of strings, and the parsers of small values. */
#include <netctr/base.h>

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

bool streq(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

const char *skip_prefix(const char *s, const char *prefix)
{
    size_t n = strlen(prefix);
    return strncmp(s, prefix, n) == 0 ? s + n : NULL;
}

size_t strv_len(char *const *v)
{
    size_t n = 0;
    while (v && v[n])
        n++;
    return n;
}

bool strv_equal(char *const *a, char *const *b)
{
    size_t count = strv_len(a);
    if (count != strv_len(b))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!streq(a[i], b[i]))
            return false;
    return true;
}

bool strv_has(char *const *v, const char *s)
{
    strv_each (word, v)
        if (streq(word, s))
            return true;
    return false;
}

/* gcc's analyzer does not follow the ownership into the vector. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpragmas"
#pragma GCC diagnostic ignored "-Wunknown-warning-option"
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
void strv_add_take(strv *v, char *s)
{
    size_t n = strv_len(*v);
    *v = xrealloc(*v, n + 2, sizeof(char *));
    (*v)[n] = s;
    (*v)[n + 1] = NULL;
}

void strings_add_take(struct strings *l, char *s)
{
    if (l->count + 2 > l->room) {
        l->room = l->room ? l->room * 2 : 8;
        l->items = xrealloc(l->items, l->room, sizeof(char *));
    }
    l->items[l->count++] = s;
    l->items[l->count] = NULL;
}
#pragma GCC diagnostic pop

void strv_add(strv *v, const char *s)
{
    strv_add_take(v, xstrdup(s));
}

void strings_add(struct strings *l, const char *s)
{
    strings_add_take(l, xstrdup(s));
}

strv strings_take(struct strings *l)
{
    strv v = l->items;
    *l = (struct strings){0};
    return v;
}

void strings_clear(struct strings *l)
{
    strv_free(strings_take(l));
}

strv strv_copy(char *const *v)
{
    struct strings copy = {0};
    strv_each (s, v)
        strings_add(&copy, s);
    return strings_take(&copy);
}

char *strv_join(char *const *v, const char *between)
{
    size_t size = 1;
    strv_each (s, v)
        size += strlen(s) + strlen(between);
    char *text = xcalloc(size, 1), *end = text;
    strv_each (s, v)
        end = stpcpy(stpcpy(end, s == v[0] ? "" : between), s);
    return text;
}

strv strv_split(const char *s, char separator)
{
    struct strings parts = {0};
    for (;;) {
        const char *end = strchrnul(s, separator);
        strings_add_take(&parts, xstrndup(s, (size_t)(end - s)));
        if (!*end)
            return strings_take(&parts);
        s = end + 1;
    }
}

void strv_free(strv v)
{
    for (size_t i = 0; v && v[i]; i++)
        free(v[i]);
    free(v);
}

void strv_cleanup(strv *v)
{
    strv_free(*v);
}

int parse_u64(const char *s, uint64_t min, uint64_t max, uint64_t *out)
{
    if (!s || !*s || strspn(s, "0123456789") != strlen(s))
        return -EINVAL;
    errno = 0;
    unsigned long long value = strtoull(s, NULL, 10);
    if (errno)
        return -errno;
    if (value < min || value > max)
        return -ERANGE;
    *out = value;
    return 0;
}

/* A number like 1.25: whole + fraction / scale. */
struct decimal {
    uint64_t whole, fraction, scale; /* scale 1: no decimal point */
};

/* Parses the number at the beginning of @s; *@unit is what follows it, also after a failure. At most nine
 * decimal places. -EINVAL; -ERANGE. */
static int parse_decimal(const char *s, struct decimal *out, const char **unit)
{
    size_t digits = strspn(s, "0123456789"), places = 0;
    bool point = s[digits] == '.';
    const char *behind = s + digits + point;
    if (point)
        places = strspn(behind, "0123456789");
    *unit = behind + places;
    *out = (struct decimal){.scale = 1};
    if (point && (places == 0 || places > 9))
        return -EINVAL;
    _cleanup_free_ char *whole = xstrndup(s, digits), *fraction = xstrndup(behind, places);
    for (size_t i = 0; i < places; i++)
        out->scale *= 10;
    int r = parse_u64(whole, 0, UINT64_MAX, &out->whole);
    return r == 0 && point ? parse_u64(fraction, 0, UINT64_MAX, &out->fraction) : r;
}

/* The unit's power of 1024. "m", "mb" and "MiB" are all in use. -EINVAL: not a unit. */
static int size_steps(const char *unit)
{
    static const char letters[] = "bkmgt";
    if (!*unit)
        return 0;
    const char *letter = strchr(letters, tolower((unsigned char)*unit));
    if (!letter)
        return -EINVAL;
    bool whole = !unit[1] || strcasecmp(unit + 1, "b") == 0 || strcasecmp(unit + 1, "ib") == 0;
    return whole && (letter > letters || !unit[1]) ? (int)(letter - letters) : -EINVAL;
}

int parse_size(const char *s, uint64_t *out)
{
    struct decimal d;
    const char *unit;
    int r = parse_decimal(s, &d, &unit), steps = size_steps(unit);
    if (steps < 0 || (d.scale > 1 && steps == 0)) /* no fraction of a byte */
        return -EINVAL;
    if (r < 0)
        return r;
    /* In steps of 1024, because the fraction times a large unit would overflow. */
    for (; steps > 0; steps--) {
        if (d.whole > UINT64_MAX >> 10)
            return -ERANGE;
        d.fraction *= 1024;
        d.whole = (d.whole << 10) + d.fraction / d.scale;
        d.fraction %= d.scale;
    }
    *out = d.whole;
    return 0;
}

static const struct {
    const char *name;
    uint64_t bits;
} rate_units[] = {{"gbit", 1000000000}, {"mbit", 1000000}, {"kbit", 1000}, {"bit", 1}, {"", 1}};

int parse_rate(const char *s, uint64_t *out)
{
    struct decimal d;
    const char *unit;
    uint64_t bits = 0;
    int r = parse_decimal(s, &d, &unit);
    for (size_t i = 0; !bits && i < ARRAY_LEN(rate_units); i++)
        if (strcasecmp(unit, rate_units[i].name) == 0)
            bits = rate_units[i].bits;
    if (!bits)
        return -EINVAL;
    if (r < 0)
        return r;
    if (d.fraction * bits % d.scale) /* no fraction of a bit */
        return -EINVAL;
    if (d.whole > UINT64_MAX / bits - 1)
        return -ERANGE;
    *out = d.whole * bits + d.fraction * bits / d.scale;
    return 0;
}

char *rate_text(uint64_t bits)
{
    size_t i = 0;
    while (bits % rate_units[i].bits)
        i++;
    return xasprintf("%" PRIu64 "%s", bits / rate_units[i].bits, rate_units[i].name);
}

bool valid_name(const char *s)
{
    static const char others[] = "_.-";
    if (!s || !isalnum((unsigned char)*s) || strlen(s) > NAME_LENGTH_MAX)
        return false;
    for (const char *p = s; *p; p++) {
        if (!isascii(*p) || !(isalnum((unsigned char)*p) || strchr(others, *p)))
            return false;
        if (*p == '.' && (!p[1] || p[1] == '.')) /* an empty label */
            return false;
    }
    return true;
}

bool valid_host_name(const char *s, size_t max)
{
    enum { LABEL_MAX = 63 };
    if (!*s || strlen(s) > max)
        return false;
    _cleanup_strv_ strv labels = strv_split(s, '.');
    strv_each (label, labels) {
        size_t n = strlen(label);
        bool fits = n > 0 && n <= LABEL_MAX && label[0] != '-' && label[n - 1] != '-';
        for (size_t i = 0; fits && i < n; i++)
            fits =
                isascii(label[i]) && (isalnum((unsigned char)label[i]) || strchr("_-", label[i]));
        if (!fits)
            return false;
    }
    return true;
}

bool valid_utf8(const char *s)
{
    _cleanup_json_ json_t *j = json_string(s); /* fails on invalid UTF-8 */
    return j;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Damerau-Levenshtein distance: insertions, deletions, substitutions, swaps of neighbours. */
static size_t edit_distance(const char *a, const char *b)
{
    size_t na = strlen(a), width = strlen(b) + 1;
    _cleanup_free_ size_t *d = xcalloc((na + 1) * width, sizeof(size_t));
    for (size_t i = 0; i <= na; i++)
        for (size_t j = 0; j < width; j++) {
            size_t *at = &d[i * width + j];
            if (i == 0 || j == 0) {
                *at = i + j;
                continue;
            }
            *at = least(at[-1], *(at - width)) + 1;
            *at = least(*at, *(at - width - 1) + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                *at = least(*at, *(at - 2 * width - 2) + 1);
        }
    return d[na * width + width - 1];
}

/* In a short word every letter counts: "pid" is not "ip", "top" is not "stop". */
static bool is_typo(const char *typed, const char *word)
{
    size_t length = strlen(typed), meant = strlen(word), longest = 0;
    if (length >= 5 && meant >= 5)
        longest = 2;
    else if (length >= 4 && meant >= 3)
        longest = 1;
    else if (length == 3 && meant == 3) /* only a swap counts, so both have the same letters */
        longest = strspn(typed, word) == 3 && strspn(word, typed) == 3;
    return edit_distance(typed, word) <= longest;
}

/* The only word that begins with @s. */
static const char *begun_word(const char *s, const char *const *words)
{
    const char *only = NULL;
    for (; *words; words++) {
        if (!skip_prefix(*words, s))
            continue;
        if (only)
            return NULL;
        only = *words;
    }
    return only;
}

const char *nearest_word(const char *s, const char *const *words)
{
    enum { BEGINNING = 4 };
    const size_t length = strlen(s);
    const char *best = NULL, *begun;
    size_t best_distance = SIZE_MAX;
    if (length > 64)
        return NULL;
    begun = length + 1 >= BEGINNING ? begun_word(s, words) : NULL;
    if (begun && (length >= BEGINNING || begun[length] == '-')) /* "dry" is "dry-run" */
        return begun;
    for (; *words; words++) {
        size_t d = is_typo(s, *words) ? edit_distance(s, *words) : SIZE_MAX;
        if (d < best_distance) {
            best = *words;
            best_distance = d;
        }
    }
    return best;
}

uint64_t hash64(const char *s)
{
    return hash64_add(0xcbf29ce484222325, s, strlen(s));
}

uint64_t hash64_add(uint64_t hash, const char *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ (unsigned char)data[i]) * 0x100000001b3;
    return hash;
}

char *time_ago(int64_t when)
{
    static const struct {
        int64_t seconds;
        const char *one, *many;
    } units[] = {{86400, "day", "days"}, {3600, "hour", "hours"}, {60, "minute", "minutes"}};
    int64_t now = time(NULL);
    if (when <= 0)
        return xstrdup("");
    /* The clock may have been set back: no age is negative. */
    int64_t age = now > when ? now - when : 0;
    for (size_t i = 0; i < ARRAY_LEN(units); i++)
        if (age >= units[i].seconds) {
            long n = (long)(age / units[i].seconds);
            return xasprintf("%ld %s", n, n == 1 ? units[i].one : units[i].many);
        }
    return age < 1 ? xstrdup("less than a second")
                   : xasprintf("%ld second%s", (long)age, age == 1 ? "" : "s");
}

void warn(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = NULL;
    if (vasprintf(&text, format, args) >= 0) {
        _cleanup_free_ char *line = text_printable(text); /* it may quote anything */
        fprintf(stderr, "netctr: warning: %s\n", line);
    }
    va_end(args);
    free(text);
}
