/* Words that no container can have. Its definition is JSON, which holds UTF-8 only: what cannot be kept is
 * refused by name, before anything is made. */
#include "cli.h"

#include <errno.h>
#include <string.h>

int check_command(const char *command, const char *before, struct err *e)
{
    if (!*command)
        return err_say(e, -EINVAL, "COMMAND is empty");
    if (*command != '-')
        return 0;
    err_say(e, -EINVAL, "COMMAND `%s` is a flag", command);
    return err_hint(e, "flags go before %s", before);
}

static int check(const char *what, const char *text, struct err *e)
{
    if (!text || valid_utf8(text))
        return 0;
    _cleanup_free_ char *shown = text_printable(text);
    return err_say(e, -EILSEQ, "%s `%s` is not UTF-8", what, shown);
}

static int check_each(const char *what, char *const *texts, struct err *e)
{
    int r = 0;
    strv_each (text, texts)
        if (r == 0)
            r = check(what, text, e);
    return r;
}

/* No error shows a value. */
static int check_variable(const char *entry, struct err *e)
{
    if (valid_utf8(entry))
        return 0;
    _cleanup_free_ char *name = xstrndup(entry, strcspn(entry, "=")), *shown = text_printable(name);
    return err_say(e, -EILSEQ, "variable `%s` of the environment is not UTF-8", shown);
}

int spec_check_text(const struct spec *s, struct err *e)
{
    int r = check("root directory", s->rootfs, e);
    if (r == 0)
        r = check_each("argument", s->argv, e);
    if (r == 0)
        r = check("working directory", s->workdir, e);
    if (r == 0)
        r = check("user", s->user, e);
    if (r == 0)
        r = check("network", s->network, e);
    if (r == 0)
        r = check_each("search domain", s->dns_search, e);
    if (r == 0)
        r = check_each("option of resolv.conf", s->dns_options, e);
    for (size_t i = 0; r == 0 && i < s->volume_count; i++)
        if ((r = check("volume", s->volumes[i].source, e)) == 0)
            r = check("target of a volume", s->volumes[i].target, e);
    strv_each (entry, s->env)
        if (r == 0)
            r = check_variable(entry, e);
    return r;
}
