/* Restart policies: words, decisions, delays. */
#include "check.h"

#include <netctr/store.h>

#include <errno.h>

static void test_words(void)
{
    static const char *const good[] = {"no", "on-failure", "on-failure:3", "always",
                                       "unless-stopped"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        struct restart r;
        int code = restart_parse(good[i], &r, NULL);
        _cleanup_free_ char *text = restart_text(&r);
        expect(code == 0 && streq(text, good[i]), "a policy's word and back", "`%s`: %d, `%s`",
               good[i], code, text);
    }
    static const char *const bad[] = {
        "",    "never",    "Always",        "on-failure:", "on-failure:0",
        "no:", "always:3", "on-failure:-1", "on-failure:x"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct restart r;
        _cleanup_err_ struct err e = ERR_INIT;
        int code = restart_parse(bad[i], &r, &e);
        check(restart_parse(bad[i], &r, NULL) == code, bad[i],
              "another code without an error object");
        expect(code == -EINVAL && e.text, "a word that is no policy", "`%s`: %d, %s", bad[i], code,
               text_of(&e));
    }
}

static void test_decisions(void)
{
    const struct restart no = {RESTART_NO, 0}, failure = {RESTART_ON_FAILURE, 0},
                         twice = {RESTART_ON_FAILURE, 2}, always = {RESTART_ALWAYS, 0};
    check(!restart_wanted(&no, 1, 0), "no: never", "it restarted");
    check(restart_wanted(&failure, 1, 1000), "on-failure: after a failure", "it ended");
    check(!restart_wanted(&failure, 0, 0), "on-failure: not after success", "it restarted");
    check(restart_wanted(&twice, 137, 1), "on-failure:2: a second time", "it ended");
    check(!restart_wanted(&twice, 137, 2), "on-failure:2: not a third time", "it restarted");
    check(restart_wanted(&always, 0, 1000), "always: always", "it ended");
}

static void test_delays(void)
{
    expect(restart_delay_ms(0) == 100, "the first delay", "%d ms", restart_delay_ms(0));
    expect(restart_delay_ms(1) == 200, "the second delay", "%d ms", restart_delay_ms(1));
    bool grows = true;
    for (unsigned i = 0; i < 100; i++)
        grows = grows && restart_delay_ms(i) <= restart_delay_ms(i + 1);
    check(grows, "delays never shrink", "one did");
    expect(restart_delay_ms(4000000000U) == 60000, "the longest delay", "%d ms",
           restart_delay_ms(4000000000U));
}

int main(void)
{
    test_words();
    test_decisions();
    test_delays();
    return failures != 0;
}
