/* Flags, in every way that people type them. */
#include "check.h"

#include "cli/options.h"

/* What was parsed, as one line: "d=1 i=0 name=x p=a,b | WORDS", "help" or the error. */
static char *parse(const char *line, bool intermixed)
{
    bool d = false, i = false, help = false;
    char *name = NULL;
    _cleanup_strv_ strv publish = NULL, words = strv_split(line, ' ');
    const struct option options[] = {
        {"detach", 'd', OPTION_FLAG, NULL, "in the background", &d},
        {"interactive", 'i', OPTION_FLAG, NULL, "keep stdin open", &i},
        {"name", 0, OPTION_TEXT, "NAME", "the name", &name},
        {"publish", 'p', OPTION_LIST, "PORT", "a port", &publish},
        {0},
    };
    _cleanup_err_ struct err e = ERR_INIT;
    int argc = (int)strv_len(words);
    _cleanup_free_ char **argv = xcalloc((size_t)argc + 1, sizeof(char *)); /* it is sorted */
    memcpy(argv, words, (size_t)argc * sizeof(char *));
    int first = options_parse(options, intermixed, argc, argv, &help, &e);
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
    {"run --detach=yes img", "flag `--detach` takes no value but true or false"},
    {"run --detach= img", "flag `--detach` takes no value but true or false"},
    {"run --detatch img", "unknown flag `--detatch`; did you mean `--detach`?"},
    {"run --publsh=80 img", "unknown flag `--publsh`; did you mean `--publish`?"},
    {"run --hepl", "unknown flag `--hepl`; did you mean `--help`?"},
    {"run --det img", "unknown flag `--det`"},
    {"run --detachx img", "unknown flag `--detachx`; did you mean `--detach`?"},
    {"run --xyzzyx img", "unknown flag `--xyzzyx`"},
    {"run --=x img", "unknown flag `--`"},
    {"run -x img", "unknown flag `-x` in `-x`"},
    {"run -dx img", "unknown flag `-x` in `-dx`"},
};

/* Flags and words in any order: the words come last then, in theirs. */
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
    {"rm a -x", "unknown flag `-x` in `-x`"},
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
    check(options_parse(none, false, 3, argv, &help, NULL) == 1, "an empty word is a word",
          "a flag");
    check(options_parse(none, true, 3, argv, &help, NULL) == -EINVAL, "no flags are known",
          "one is");
    check(options_parse(none, false, 0, argv, &help, NULL) <= 1, "no words at all", "more");
    argv[1] = (char *)"--help";
    check(options_parse(none, false, 2, argv, &help, NULL) == 2 && help, "--help without a table",
          "no");
}

static void test_own_h(void)
{
    char *host = NULL;
    const struct option options[] = {{"hostname", 'h', OPTION_TEXT, "NAME", "the name", &host},
                                     {0}};
    char *argv[] = {(char *)"run", (char *)"-hweb", NULL};
    bool help = false;
    check(options_parse(options, false, 2, argv, &help, NULL) == 2 && streq(host, "web") && !help,
          "a table's own -h is no help", "it is");
    _cleanup_free_ char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    options_print(f, options);
    fclose(f);
    check(skip_prefix(text, "  -h, --hostname NAME ") && strstr(text, " the name\n"), "the help",
          text);
}

int main(void)
{
    test_table(command, ARRAY_LEN(command), false);
    test_table(mixed, ARRAY_LEN(mixed), true);
    test_empty_word();
    test_own_h();
    return failures != 0;
}
