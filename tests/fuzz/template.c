/* Templates of --format: any text is parsed, and carried out over JSON, or refused. */
#include "fuzz.h"

#include "cli/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char values[] =
        "{\"A\": {\"B\": [1, \"x\", {\"C\": true}]}, \"Labels\": {}, \"D\": null}";
    _cleanup_free_ char *text = input_text(data, size), *out = NULL;
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_template_ struct template *t = NULL;
    _cleanup_json_ json_t *j = json_loads(values, 0, NULL);
    int r = template_parse(text, &t, &e);
    must((r == 0) == (t != NULL));
    if (r == 0)
        r = template_text(t, j, &out, &e);
    must(r == 0 ? out != NULL : e.text != NULL);
    if (t) {
        _cleanup_free_ char *titles = template_titles(t, "ID");
        must(titles);
    }
    return 0;
}
