/* State files with a checksum: those of netctr 0.1 are read, and no flipped bit is overlooked. Also what the reader of
 * plain JSON takes, and what it leaves to jansson (tests/fuzz/json.c compares the two).
 */
#include "check.h"

static const char sealed[] = "{\n  \"b\": \"x  y\",\n  \"name\": \"web\",\n  \"schema\": 1,\n"
                             "  \"sum\": \"323920ad5822b63f\"\n}";

static int read_sealed(int dir, const char *text, json_t **out, struct err *e)
{
    put_file(dir, "sealed", text, strlen(text));
    return json_read_sealed_at(dir, "sealed", out, e);
}

static void test_sealed_forms(int dir)
{
    static const struct {
        const char *name, *text;
        bool right;
    } rows[] = {
        {"as it is written", sealed, true},
        {"by netctr 0.1",
         "{\n  \"schema\": 1,\n  \"name\": \"web\",\n  \"b\": \"x  y\",\n"
         "  \"sum\": \"323920ad5822b63f\"\n}",
         true},
        {"the sum first",
         "{\"sum\":\"323920ad5822b63f\",\"b\":\"x  y\",\"name\":\"web\",\"schema\":1}", true},
        {"other spaces",
         "{\"b\": \"x  y\",\n\n\"name\" :\t\"web\", \"schema\": 1, \"sum\": \"323920ad5822b63f\"\n}\n",
         true},
        {"an escape",
         "{\"schema\": 1, \"name\": \"w\\u0065b\", \"b\": \"x  y\", \"sum\": \"323920ad5822b63f\"}",
         true},
        {"nothing but a sum", "{\"sum\": \"08f44b07b5901a25\"\n}", true},
        {"no sum", "{\n  \"b\": \"x  y\",\n  \"name\": \"web\",\n  \"schema\": 1\n}", false},
        {"the sum is a number", "{\"schema\": 1, \"sum\": 1}", false},
        {"fewer spaces in a string",
         "{\n  \"b\": \"x y\",\n  \"name\": \"web\",\n  \"schema\": 1,\n"
         "  \"sum\": \"323920ad5822b63f\"\n}",
         false},
        {"another member",
         "{\n  \"a\": 1,\n  \"b\": \"x  y\",\n  \"name\": \"web\",\n  \"schema\": 1,\n"
         "  \"sum\": \"323920ad5822b63f\"\n}",
         false},
        {"only the end", ",\n  \"sum\": \"323920ad5822b63f\"\n}", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_err_ struct err e = ERR_INIT;
        _cleanup_json_ json_t *j = NULL;
        _cleanup_free_ char *name = xasprintf("a sealed file: %s", rows[i].name);
        int r = read_sealed(dir, rows[i].text, &j, &e);
        check(rows[i].right ? r == 0 && !json_object_get(j, "sum")
                            : r == -EBADMSG && !j && strstr(text_of(&e), "`sealed`"),
              name, text_of(&e));
    }
}

/* No bit can be changed so that another object is read. */
static void test_sealed_bits(int dir)
{
    _cleanup_json_ json_t *right = NULL;
    _cleanup_free_ char *text = xstrdup(sealed);
    int wrong = read_sealed(dir, sealed, &right, NULL) < 0, refused = 0;
    for (size_t bit = 0; bit < 8 * strlen(sealed); bit++) {
        _cleanup_json_ json_t *j = NULL;
        text[bit / 8] ^= (char)(1 << bit % 8);
        if (text[bit / 8]) {
            int r = read_sealed(dir, text, &j, NULL);
            refused += r == -EBADMSG;
            wrong += r == 0 ? !json_equal(j, right) : r != -EBADMSG;
        }
        text[bit / 8] = sealed[bit / 8];
    }
    expect(wrong == 0, "a flipped bit is an error, or changes nothing", "%d are not", wrong);
    expect(refused > 600, "most flipped bits are an error", "%d", refused);
}

static void test_sealed(int dir)
{
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_json_ json_t *j = json_object(), *back = NULL;
    _cleanup_free_ char *text = NULL;
    json_object_set_new(j, "schema", json_integer(1));
    json_put_str(j, "sum", "an old one");
    json_put_str(j, "name", "web");
    json_put_str(j, "b", "x  y");
    check(json_write_sealed_at(dir, "sealed", j, &e) == 0 &&
              read_file_at(dir, "sealed", 4096, &text, NULL) == 0 && streq(text, sealed),
          "a sealed file is sorted, its sum last", text ? text : text_of(&e));
    check(json_read_sealed_at(dir, "sealed", &back, &e) == 0 && json_equal(j, back),
          "a sealed file comes back", text_of(&e));
    test_sealed_forms(dir);
    test_sealed_bits(dir);
}

/* ---- plain text --------------------------------------------------------------------------------*/

static void test_json_plain(void)
{
    static const struct {
        const char *text;
        bool plain;
    } rows[] = {
        {"{}", true},
        {" { \"a\" : [ 1 , -2, \"b c\", true,false, {}, [] ] }\n", true},
        {sealed, true},
        {"{\"a\": 999999999999999999}", true},
        {"{\"a\": 9223372036854775807}", false},
        {"{\"a\": 01}", false},
        {"{\"a\": 1.5}", false},
        {"{\"a\": \"\\n\"}", false},
        {"{\"a\": \"\xc3\xa4\"}", false},
        {"{\"a\": \"\n\"}", false},
        {"{\"a\": 1, \"a\": 1}", false},
        {"{\"a\": 1,}", false},
        {"{\"a\": 1} {}", false},
        {"{\"a\": \"b", false},
        {"[]", false},
        {"", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_json_ json_t *j = json_parse_plain(rows[i].text, strlen(rows[i].text)),
                              *right = json_loads(rows[i].text, 0, NULL);
        _cleanup_free_ char *shown = text_printable(rows[i].text),
                            *name =
                                xasprintf("%s: %s", rows[i].plain ? "plain" : "not plain", shown);
        check(rows[i].plain ? j && json_equal(j, right) : !j, name, j ? "read" : "not read");
    }
}

int main(void)
{
    _cleanup_scratch_ struct scratch s = scratch_open();
    test_sealed(s.fd);
    test_json_plain();
    return failures != 0;
}
