/* Templates: what is understood, what is refused, and what comes out. */
#include "check.h"

#include "cli/template.h"

static const char data[] =
    "{\"ID\": \"12ab\", \"Names\": \"web\", \"N\": 7, \"On\": true, \"Off\": false, \"Empty\": \"\","
    " \"Networks\": {\"a\": {\"IP\": \"1.1.1.1\"}, \"b-c\": {\"IP\": \"2.2.2.2\"}},"
    " \"List\": [\"x\", \"y\"], \"Labels\": {\"a.b\": \"v\"}, \"Label\": {\"a.b\": \"v\"}, \"None\": null}";

/* The text, or the error. */
static char *filled(const char *template)
{
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_template_ struct template *t = NULL;
    _cleanup_json_ json_t *j = json_loads(data, 0, NULL);
    char *out = NULL;
    int r = template_parse(template, &t, &e);
    if (r == 0)
        r = template_text(t, j, &out, &e);
    return r == 0 ? out : xasprintf("! %s", e.text);
}

int main(void)
{
    static const struct {
        const char *template, *out;
    } cases[] = {
        {"plain", "plain"},
        {"{{.ID}}", "12ab"},
        {"{{ .ID }}\\t{{.Names}}\\n", "12ab\tweb\n"},
        {"{{- .ID -}}", "12ab"},
        {"a{{.N}}b{{.On}}", "a7btrue"},
        {"{{json .N}} {{json .Names}} {{json .List}}", "7 \"web\" [\"x\",\"y\"]"},
        {"{{json .Networks.a}}", "{\"IP\":\"1.1.1.1\"}"},
        {"{{.Networks.a.IP}} {{.Networks.b-c.IP}}", "1.1.1.1 2.2.2.2"},
        {"{{.Networks.none.IP}}", "<no value>"},
        {"{{.None}}", "<no value>"},
        {"{{.Label \"a.b\"}},{{.Label \"no\"}}", "v,"},
        {"{{range .Networks}}{{.IP}} {{end}}", "1.1.1.1 2.2.2.2 "},
        {"{{range $k, $v := .Networks}}{{$k}}={{$v.IP}};{{end}}", "a=1.1.1.1;b-c=2.2.2.2;"},
        {"{{range $v := .List}}{{$v}}{{$.ID}} {{end}}", "x12ab y12ab "},
        {"{{range .List}}{{.}}{{\"\\n\"}}{{end}}", "x\ny\n"},
        {"{{range .List}}{{println .}}{{end}}", "x\ny\n"},
        {"{{range .Empty}}x{{else}}none{{end}}", "none"},
        {"{{if .On}}yes{{else}}no{{end}} {{if .Off}}yes{{else}}no{{end}} {{if .Empty}}yes{{end}}",
         "yes no "},
        {"{{range .Networks}}{{if .IP}}{{range $.List}}{{.}}{{end}}{{end}},{{end}}", "xy,xy,"},
        {"{{index .List 1}} {{index .Labels \"a.b\"}} {{(index .Networks \"b-c\").IP}}",
         "y v 2.2.2.2"},
        {"{{index .Labels `none`}}", "<no value>"},
        {"table {{.ID}}\\t{{.Names}}", "12ab\tweb"},
        {"{{.Nothing}}", "! there is no field `.Nothing`"},
        {"{{.ID.More}}", "! there is no field `.ID.More`"},
        {"{{$x}}", "! there is no variable `$x`"},
        {"{{.ID", "! `{{` without `}}`"},
        {"{{}}", "! `{{}}` is not understood"},
        {"{{ID}}", "! `{{ID}}` is not understood"},
        {"{{.ID | upper}}", "! `{{.ID | upper}}` is not understood"},
        {"{{.A..B}}", "! `{{.A..B}}` is not understood"},
        {"{{\"x}}", "! `{{\"x}}` is not understood"},
        {"{{range .List}}", "! range or if without `end`"},
        {"{{end}}", "! `end` without range or if"},
        {"{{if .On}}{{else}}{{else}}{{end}}", "! `else` without range or if"},
        {"{{if .On}}{{if .On}}{{if .On}}{{if .On}}{{if .On}}{{if .On}}{{if .On}}{{if .On}}{{if "
         ".On}}",
         "! more than 8 levels of range and if"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        _cleanup_free_ char *got = filled(cases[i].template);
        expect(streq(got, cases[i].out), cases[i].template, "got `%s`", got);
    }
    _cleanup_template_ struct template *t = NULL;
    (void)template_parse("table {{.ID}}\\t{{.CreatedAt}}\\t{{.RunningFor}}", &t, NULL);
    _cleanup_free_ char *titles = template_titles(t, "CONTAINER ID");
    expect(streq(titles, "CONTAINER ID\tCREATED AT\tCREATED"), "titles of a table", "got `%s`",
           titles);
    return failures != 0;
}
