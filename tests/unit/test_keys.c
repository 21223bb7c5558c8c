/* The keys to detach: docker's syntax, and what of the typed keys reaches the program. */
#include "check.h"

#include "core/keys.h"

#include <errno.h>
#include <string.h>

static void test_syntax(void)
{
    static const struct {
        const char *text, *keys;
    } good[] = {
        {NULL, "\x10\x11"}, {"ctrl-p,ctrl-q", "\x10\x11"}, {"ctrl-P", "\x10"}, {"a,b", "ab"},
        {"ctrl-[", "\x1b"}, {"ctrl-^,x", "\x1ex"},         {"", ""},
    };
    static const char *const bad[] = {"ab",      "ctrl-",     "ctrl-pq",
                                      "ctrl-1",  "ctrl-p,,a", "ctrl-,",
                                      "ctrl-p,", "^p",        "a,a,a,a,a,a,a,a,a"};
    struct detach_keys k;
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        expect(detach_keys_parse(good[i].text, &k, NULL) == 0 && k.count == strlen(good[i].keys) &&
                   memcmp(k.keys, good[i].keys, k.count) == 0,
               "keys", "%s", good[i].text ? good[i].text : "the default");
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        expect(detach_keys_parse(bad[i], &k, NULL) == -EINVAL, "no keys", "%s", bad[i]);
}

/* In one piece, and key by key. */
static void filter(const char *keys, const char *typed, const char *passed, bool left)
{
    struct detach_keys k;
    (void)detach_keys_parse(keys, &k, NULL);
    for (size_t step = strlen(typed); step; step = step == 1 ? 0 : 1) {
        struct key_filter f = {.keys = &k};
        char out[256] = "";
        size_t used = 0;
        for (size_t i = 0; i < strlen(typed) && !f.left; i += step) {
            char data[256];
            memcpy(data, typed + i, step);
            size_t n = keys_filter(&f, data, step);
            memcpy(out + used, data, n);
            used += n;
        }
        out[used] = '\0';
        expect(streq(out, passed) && f.left == left, "what is passed on",
               "%s typed in steps of %zu: %s", typed, step, out);
    }
}

static void test_filter(void)
{
    filter(NULL, "ls\n", "ls\n", false);
    filter(NULL, "ls\n\x10\x11more", "ls\n", true);
    filter(NULL, "\x10x", "\x10x", false);
    filter(NULL, "\x10\x10\x11", "\x10", true);
    filter(NULL, "a\x10", "a", false);
    filter("a,b,a,c", "ababac", "ab", true);
    filter("a,a,b", "aaaab", "aa", true);
    filter("a,b,a,c", "abab", "ab", false);
    filter("", "\x10\x11", "\x10\x11", false);
}

int main(void)
{
    test_syntax();
    test_filter();
    return failures != 0;
}
