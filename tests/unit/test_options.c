/* Flags, in all the ways that users type them. */
#include "check.h"

#include "cli/options.h"
#include "cli/table.h"

/* What was parsed, as one line: "d=1 i=0 name=x p=a,b | WORDS", "help" or the error. */
static char *parse(const char *line, bool intermixed)
{
    bool d = false, i = false, force = false, help = false;
    char *name = NULL;
    _cleanup_strv_ strv publish = NULL, words = strv_split(line, ' ');
    const struct option options[] = {
        {"detach", 'd', OPTION_FLAG, NULL, "in the background", &d},
        {"interactive", 'i', OPTION_FLAG, NULL, "keep stdin open", &i},
        {"name", 0, OPTION_TEXT, "NAME", "the name", &name},
        {"publish", 'p', OPTION_LIST, "PORT", "a port", &publish},
        {"force", 'f', OPTION_FLAG, NULL, "without mercy", &force},
        {0},
    };
    const struct absent absent[] = {{"tty", 't', "use `-i`"}, {"nane", 0, "use `-n`"}, {0}};
    _cleanup_err_ struct err e = ERR_INIT;
    int argc = (int)strv_len(words);
    _cleanup_free_ char **argv = xcalloc((size_t)argc + 1, sizeof(char *)); /* it is sorted */
    memcpy(argv, words, (size_t)argc * sizeof(char *));
    int first = options_parse(options, absent, intermixed, argc, argv, &help, &e);
    if (first < 0)
        return xasprintf("%s%s%s", first == e.code ? text_of(&e) : "another code",
                         e.hint ? "; " : "", e.hint ? e.hint : "");
    char *out = xasprintf("%sd=%d i=%d name=%s p=", help ? "help " : "", d, i, name ? name : "-");
    strv_each (p, publish) {
        _cleanup_free_ char *before = out;
        out = xasprintf("%s%s%s", before, p,
                        publish[1] && p != publish[strv_len(publish) - 1] ? "," : "");
    }
    for (int n = first; n < argc; n++) {
        _cleanup_free_ char *before = out;
        out = xasprintf("%s%s%s", before, n == first ? " | " : " ", argv[n]);
    }
    return out;
}

struct row {
    const char *line, *result;
};

/* Flags end at the first word: what follows is the container's. */
static const struct row command[] = {
    {"run", "d=0 i=0 name=- p="},
    {"run img", "d=0 i=0 name=- p= | img"},
    {"run -d img -i", "d=1 i=0 name=- p= | img -i"},
    {"run -di img", "d=1 i=1 name=- p= | img"},
    {"run -dip 80 img", "d=1 i=1 name=- p=80 | img"},
    {"run -dip80 img", "d=1 i=1 name=- p=80 | img"},
    {"run -p 80:80 -p=81:81 -p82:82 img", "d=0 i=0 name=- p=80:80,81:81,82:82 | img"},
    {"run --publish 80 --publish=81 img", "d=0 i=0 name=- p=80,81 | img"},
    {"run --name a --name=b img", "d=0 i=0 name=b p= | img"},
    {"run --name=a=b img", "d=0 i=0 name=a=b p= | img"},
    {"run --name= img", "d=0 i=0 name= p= | img"},
    {"run --name -d img", "d=0 i=0 name=-d p= | img"},
    {"run --detach --interactive img", "d=1 i=1 name=- p= | img"},
    {"run --detach=true img", "d=1 i=0 name=- p= | img"},
    {"run -d --detach=false img", "d=0 i=0 name=- p= | img"},
    {"run -- -d", "d=0 i=0 name=- p= | -d"},
    {"run -d -- --", "d=1 i=0 name=- p= | --"},
    {"run img -- x", "d=0 i=0 name=- p= | img -- x"},
    {"run - x", "d=0 i=0 name=- p= | - x"},
    {"run --help", "help d=0 i=0 name=- p="},
    {"run -h", "help d=0 i=0 name=- p="},
    {"run -dh img", "help d=1 i=0 name=- p= | img"},
    {"run img --help", "d=0 i=0 name=- p= | img --help"},
    {"run --name", "flag `--name` needs a value (NAME)"},
    {"run -p", "flag `--publish` needs a value (PORT)"},
    {"run -dp", "flag `--publish` needs a value (PORT)"},
    {"run --help=x", "`--help` takes no value"},
    {"run --help= img", "`--help` takes no value"},
    {"run --helpx", "unknown flag `--helpx`; did you mean `--help`?"},
    {"run --detach=yes img", "flag `--detach` takes no value but true or false"},
    {"run --detach= img", "flag `--detach` takes no value but true or false"},
    {"run --detatch img", "unknown flag `--detatch`; did you mean `--detach`?"},
    {"run --publsh=80 img", "unknown flag `--publsh`; did you mean `--publish`?"},
    {"run --hepl", "unknown flag `--hepl`; did you mean `--help`?"},
    {"run --det img", "unknown flag `--det`"},
    {"run --detachx img", "unknown flag `--detachx`; did you mean `--detach`?"},
    {"run --xyzzyx img", "unknown flag `--xyzzyx`"},
    {"run --=x img", "unknown flag `--`"},
    {"run --forc img", "unknown flag `--forc`"}, /* its suggestion could remove something */
    {"run --nane x img",
     "unknown flag `--nane`; netctr does not have it yet: use `-n`"}, /* not --name */
    {"run --tty img", "unknown flag `--tty`; netctr does not have it yet: use `-i`"},
    {"run --tty=true img", "unknown flag `--tty`; netctr does not have it yet: use `-i`"},
    {"run -t img", "unknown flag `-t`; netctr does not have it yet: use `-i`"},
    {"run -it img", "unknown flag `-t` in `-it`; netctr does not have it yet: use `-i`"},
    {"run -tid img", "unknown flag `-t` in `-tid`; netctr does not have it yet: use `-i`"},
    {"run -name x img", "unknown flag `-n` in `-name`; did you mean `--name`?"},
    {"run -é img", "unknown flag `-é`"},
    {"run -dé img", "unknown flag `-é` in `-dé`"},
    {"run -x img", "unknown flag `-x`"},
    {"run -dx img", "unknown flag `-x` in `-dx`"},
};

/* Flags and words in any order: the words come last then, in their order. */
static const struct row mixed[] = {
    {"rm a -d b", "d=1 i=0 name=- p= | a b"},
    {"rm a b c", "d=0 i=0 name=- p= | a b c"},
    {"rm a --name x b -p 1 c", "d=0 i=0 name=x p=1 | a b c"},
    {"rm -d -i", "d=1 i=1 name=- p="},
    {"rm a -d -- -i b", "d=1 i=0 name=- p= | a -i b"},
    {"rm -- -i", "d=0 i=0 name=- p= | -i"},
    {"rm a --", "d=0 i=0 name=- p= | a"},
    {"rm a - -d", "d=1 i=0 name=- p= | a -"},
    {"rm a --help b", "help d=0 i=0 name=- p= | a b"},
    {"rm a -x", "unknown flag `-x`"},
};

static void test_table(const struct row *rows, size_t count, bool intermixed)
{
    for (size_t i = 0; i < count; i++) {
        _cleanup_free_ char *got = parse(rows[i].line, intermixed);
        check(streq(got, rows[i].result), rows[i].line, got);
    }
}

static void test_empty_word(void)
{
    char *argv[] = {(char *)"run", (char *)"", (char *)"-d", NULL};
    const struct option none[] = {{0}};
    bool help = false;
    check(options_parse(none, NULL, false, 3, argv, &help, NULL) == 1, "an empty word is a word",
          "a flag");
    check(options_parse(none, NULL, true, 3, argv, &help, NULL) == -EINVAL, "no flags are known",
          "one is");
    check(options_parse(none, NULL, false, 0, argv, &help, NULL) <= 1, "no words at all", "more");
    argv[1] = (char *)"--help";
    check(options_parse(none, NULL, false, 2, argv, &help, NULL) == 2 && help,
          "--help without a table", "no");
}

static void test_own_h(void)
{
    char *host = NULL;
    const struct option options[] = {{"hostname", 'h', OPTION_TEXT, "NAME", "the name", &host},
                                     {0}};
    char *argv[] = {(char *)"run", (char *)"-hweb", NULL};
    bool help = false;
    check(options_parse(options, NULL, false, 2, argv, &help, NULL) == 2 && streq(host, "web") &&
              !help,
          "a table's own -h is no help", "it is");
    host = NULL;
    char *alone[] = {(char *)"run", (char *)"-h", (char *)"img", NULL};
    check(options_parse(options, NULL, false, 2, alone, &help, NULL) == 2 && help && !host,
          "a -h alone is help", "it is not");
    help = false;
    check(options_parse(options, NULL, false, 3, alone, &help, NULL) == 3 && !help &&
              streq(host, "img"),
          "a -h with a word has its value", "it has not");
}

static char *printed(const struct option *options, const char *const *only)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    options_print(f, options, only);
    fclose(f);
    return text;
}

static void test_print(void)
{
    const struct option options[] = {
        {"hostname", 'h', OPTION_TEXT, "NAME", "the name", NULL},
        {"tmpfs", 0, OPTION_LIST, "DST…", "an ellipsis has one column", NULL},
        {"long", 0, OPTION_TEXT, "A-VALUE-WITH-A-VERY-LONG-NAME", "on a line of its own", NULL},
        {"words", 0, OPTION_FLAG, NULL,
         "one two three four five six seven eight nine ten eleven twelve thirteen", NULL},
        {0},
    };
    _cleanup_free_ char *text = printed(options, NULL);
    check(streq(text,
                "  -h, --hostname NAME  the name\n"
                "      --tmpfs DST…     an ellipsis has one column\n"
                "      --long A-VALUE-WITH-A-VERY-LONG-NAME\n"
                "                       on a line of its own\n"
                "      --words          one two three four five six seven eight nine ten eleven\n"
                "                       twelve thirteen\n"),
          "the help", text);
    const char *const few[] = {"words", "none", NULL};
    _cleanup_free_ char *part = printed(options, few);
    check(streq(part,
                "      --words   one two three four five six seven eight nine ten eleven twelve\n"
                "                thirteen\n"),
          "the help of some flags", part);
}

static void test_text(void)
{
    static const struct {
        const char *text, *printable;
        size_t columns; /* of what is printable */
    } rows[] = {
        {"", "", 0},
        {"abc", "abc", 3},
        {"…é", "…é", 2},
        {"日本", "日本", 4},
        {"e\xcc\x81", "e\xcc\x81", 1}, /* a combining accent */
        {"a\nb\tc", "a\\x0ab\\x09c", 11},
        {"\x1b[31m\x7f", "\\x1b[31m\\x7f", 12},
        {"\xc2\x9b", "\\u009b", 6},     /* CSI in one character */
        {"\xe2\x80\xae", "\\u202e", 6}, /* reverses the direction of the rest */
        {"\xff\xc3", "\\xff\\xc3", 8},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_free_ char *got = text_printable(rows[i].text);
        check(streq(got, rows[i].printable), rows[i].printable, got);
        expect(text_columns(got) == rows[i].columns, rows[i].printable, "%zu columns",
               text_columns(got));
    }
    _cleanup_free_ char *fits = text_cut("日本", 4), *cut = text_cut("日本", 3),
                        *plain = text_cut("abcdef", 4), *none = text_cut("abc", 1);
    check(streq(fits, "日本"), "what fits is not cut", fits);
    check(streq(cut, "日…"), "no half of a wide character", cut);
    check(streq(plain, "abc…"), "the ellipsis is counted", plain);
    check(streq(none, "…"), "one column", none);
}

int main(void)
{
    test_print();
    test_text();
    test_table(command, ARRAY_LEN(command), false);
    test_table(mixed, ARRAY_LEN(mixed), true);
    test_empty_word();
    test_own_h();
    return failures != 0;
}
