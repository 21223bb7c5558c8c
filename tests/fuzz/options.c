/* Flags: each line of the input is a word of a command line. */
#include "fuzz.h"

#include "cli/options.h"

static void parse(const char *text, bool intermixed)
{
    bool detach = false, interactive = false, help = false;
    char *name = NULL;
    _cleanup_strv_ strv words = NULL, all = strv_split(text, '\n');
    _cleanup_strv_ strv publish = NULL;
    const struct option options[] = {
        {"detach", 'd', OPTION_FLAG, NULL, "in the background", &detach},
        {"interactive", 'i', OPTION_FLAG, NULL, "keep stdin open", &interactive},
        {"name", 0, OPTION_TEXT, "NAME", "the name", &name},
        {"publish", 'p', OPTION_LIST, "PORT", "a port", &publish},
        {0},
    };
    _cleanup_err_ struct err e = ERR_INIT;
    strv_add(&words, "command");
    strv_each (word, all)
        if (strv_len(words) < 64)
            strv_add(&words, word);
    int argc = (int)strv_len(words);
    _cleanup_free_ char **argv = xcalloc((size_t)argc + 1, sizeof(char *));
    memcpy(argv, words, (size_t)argc * sizeof(char *));
    int first = options_parse(options, NULL, intermixed, argc, argv, &help, &e);
    must(first == e.code || (first >= 1 && first <= argc));
    for (int i = 0; i < argc; i++)
        must(argv[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_free_ char *text = input_text(data, size);
    parse(text, true);
    parse(text, false);
    return 0;
}
