/* Reports of lab tests. The formats are those that CI systems read. */
#include "lab_report.h"
#include "cli.h"
#include "table.h"

#include <errno.h>
#include <string.h>

int report_format_parse(const char *word, FILE *out, enum report_format *format, struct err *e)
{
    static const struct {
        const char *word;
        enum report_format format;
    } known[] = {{"tap", REPORT_TAP}, {"junit", REPORT_JUNIT}, {"json", REPORT_JSON}};
    *format = isatty(fileno(out)) ? REPORT_TABLE : REPORT_LINES;
    if (!word || streq(word, "text"))
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (streq(word, known[i].word)) {
            *format = known[i].format;
            return 0;
        }
    }
    return err_say(e, -EINVAL, "--format `%s` is not text, json, junit or tap", word);
}

static size_t count_failed(const struct topology *t, const struct lab_test_result *results)
{
    size_t failed = 0;
    for (size_t i = 0; i < t->test_count; i++)
        failed += !results[i].passed;
    return failed;
}

/* ---- for people ------------------------------------------------------------------------------*/

static void print_columns(const struct topology *t, const struct lab_test_result *results)
{
    static const char *const titles[] = {"RESULT", "TEST", "TIME", "DETAIL"};
    _cleanup_strings_ struct strings l = {0};
    for (size_t i = 0; i < ARRAY_LEN(titles); i++)
        strings_add(&l, titles[i]);
    for (size_t i = 0; i < t->test_count; i++) {
        strings_add(&l, results[i].passed ? "ok" : "FAILED");
        strings_add(&l, t->tests[i].text);
        strings_add_take(&l, xasprintf("%.1f s", (double)results[i].elapsed_ms / 1000));
        strings_add(&l, results[i].detail);
    }
    print_table(l.items, ARRAY_LEN(titles));
}

static void print_lines(FILE *out, const struct topology *t, const struct lab_test_result *results)
{
    for (size_t i = 0; i < t->test_count; i++) {
        _cleanup_free_ char *text = text_printable(t->tests[i].text),
                            *detail = text_printable(results[i].detail);
        if (results[i].passed)
            fprintf(out, "ok - %s\n", text);
        else
            fprintf(out, "FAILED - %s: %s\n", text, detail);
    }
}

/* ---- TAP -------------------------------------------------------------------------------------*/

/* `#` begins a directive in a description: "# TODO" would turn a failure into a success. */
static void print_tap_text(FILE *out, const char *text)
{
    _cleanup_free_ char *printable = text_printable(text);
    for (const char *p = printable; *p; p++) {
        if (*p == '#' || *p == '\\')
            fputc('\\', out);
        fputc(*p, out);
    }
}

static void print_tap(FILE *out, const struct topology *t, const struct lab_test_result *results)
{
    fprintf(out, "TAP version 13\n1..%zu\n", t->test_count);
    for (size_t i = 0; i < t->test_count; i++) {
        fprintf(out, "%s %zu - ", results[i].passed ? "ok" : "not ok", i + 1);
        print_tap_text(out, t->tests[i].text);
        fputc('\n', out);
        if (results[i].passed)
            continue;
        /* A string of JSON is one of YAML. */
        _cleanup_free_ char *detail = text_printable(results[i].detail);
        _cleanup_json_ json_t *j = json_string(detail);
        _cleanup_free_ char *quoted = json_dumps(j, JSON_ENCODE_ANY);
        fprintf(out, "  ---\n  message: %s\n  duration_ms: %lld\n  ...\n", quoted,
                (long long)results[i].elapsed_ms);
    }
}

/* ---- JUnit -----------------------------------------------------------------------------------*/

/* Text of an element or attribute. XML has no way to write control characters, nor U+FFFE and U+FFFF. */
static void print_xml(FILE *out, const char *text)
{
    _cleanup_free_ char *printable = text_printable(text);
    for (const char *p = printable; *p;) {
        const char *begin = p;
        int64_t c = utf8_next(&p);
        if (c == '&')
            fputs("&amp;", out);
        else if (c == '<')
            fputs("&lt;", out);
        else if (c == '>')
            fputs("&gt;", out);
        else if (c == '"')
            fputs("&quot;", out);
        else if (c < 0x20 || c == 0xfffe || c == 0xffff)
            fputc('?', out);
        else
            fwrite(begin, 1, (size_t)(p - begin), out);
    }
}

static void print_attribute(FILE *out, const char *name, const char *value)
{
    fprintf(out, " %s=\"", name);
    print_xml(out, value);
    fputc('"', out);
}

static void print_seconds(FILE *out, int64_t ms)
{
    fprintf(out, " time=\"%lld.%03lld\"", (long long)(ms / 1000), (long long)(ms % 1000));
}

static void print_case(FILE *out, const struct topology *t, const struct lab_test *test,
                       const struct lab_test_result *result)
{
    fputs("    <testcase", out);
    print_attribute(out, "name", test->text);
    print_attribute(out, "classname", t->name);
    print_seconds(out, result->elapsed_ms);
    if (t->file) {
        print_attribute(out, "file", t->file);
        fprintf(out, " line=\"%u\"", test->place.line);
    }
    if (result->passed) {
        fputs("/>\n", out);
        return;
    }
    fputs(">\n      <failure", out);
    print_attribute(out, "message", result->detail);
    print_attribute(out, "type", test->what == TEST_REACH ? "reachability" : "command");
    fputs("/>\n    </testcase>\n", out);
}

static void print_junit(FILE *out, const struct topology *t, const struct lab_test_result *results)
{
    int64_t ms = 0;
    size_t failed = count_failed(t, results);
    for (size_t i = 0; i < t->test_count; i++)
        ms += results[i].elapsed_ms;
    fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  <testsuite", out);
    print_attribute(out, "name", t->name);
    fprintf(out, " tests=\"%zu\" failures=\"%zu\" errors=\"0\" skipped=\"0\"", t->test_count,
            failed);
    print_seconds(out, ms);
    fputs(">\n", out);
    for (size_t i = 0; i < t->test_count; i++)
        print_case(out, t, &t->tests[i], &results[i]);
    fputs("  </testsuite>\n</testsuites>\n", out);
}

/* ---- JSON ------------------------------------------------------------------------------------*/

static void print_as_json(FILE *out, const struct topology *t,
                          const struct lab_test_result *results)
{
    size_t failed = count_failed(t, results);
    _cleanup_json_ json_t *all = json_object(), *list = json_array();
    for (size_t i = 0; i < t->test_count; i++) {
        _cleanup_free_ char *text = text_printable(t->tests[i].text),
                            *detail = text_printable(results[i].detail);
        json_t *j = json_object();
        json_put_str(j, "test", text);
        json_object_set_new(j, "passed", json_boolean(results[i].passed));
        json_put_str(j, "detail", detail);
        json_object_set_new(j, "ms", json_integer(results[i].elapsed_ms));
        json_object_set_new(j, "line", json_integer(t->tests[i].place.line));
        json_array_append_new(list, j);
    }
    json_put_str(all, "lab", t->name);
    json_object_set_new(all, "passed", json_integer((json_int_t)(t->test_count - failed)));
    json_object_set_new(all, "failed", json_integer((json_int_t)failed));
    json_object_set(all, "tests", list);
    (void)json_dumpf(all, out, JSON_INDENT(2));
    fputc('\n', out);
}

void report_print(FILE *out, enum report_format format, const struct topology *t,
                  const struct lab_test_result *results)
{
    switch (format) {
    case REPORT_TABLE: print_columns(t, results); break;
    case REPORT_LINES: print_lines(out, t, results); break;
    case REPORT_TAP: print_tap(out, t, results); break;
    case REPORT_JUNIT: print_junit(out, t, results); break;
    case REPORT_JSON: print_as_json(out, t, results); break;
    }
    size_t failed = count_failed(t, results);
    if (format <= REPORT_LINES)
        fprintf(out, "%zu of %zu tests passed\n", t->test_count - failed, t->test_count);
}
