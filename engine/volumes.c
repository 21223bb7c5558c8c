/* -v and --tmpfs. */
#include "internal.h"

#include <errno.h>
#include <string.h>

/* "/etc//hosts", "/etc/./hosts" and "/srv/../etc/hosts" are "/etc/hosts", as with docker. */
static char *clean(const char *target)
{
    _cleanup_strv_ strv parts = strv_split(target, '/');
    _cleanup_free_ const char **kept = xcalloc(strv_len(parts) + 2, sizeof(*kept));
    size_t count = 1;
    kept[0] = ""; /* so that the path begins with a slash */
    strv_each (part, parts)
        if (streq(part, ".."))
            count -= count > 1;
        else if (*part && !streq(part, "."))
            kept[count++] = part;
    kept[count] = NULL;
    return strv_join((char *const *)kept, "/");
}

/* A volume over /proc or /sys would hide or fake kernel files (CVE-2019-19921); one over /dev would hide the devices that
 * netctr creates. Symbolic links in the root directory that lead there are refused when the volume is mounted. */
static int take_target(const char *kind, const char *text, char **target, struct err *e)
{
    char *path = clean(*target);
    if (**target != '/' || !*path) {
        free(path);
        return err_say(e, -EINVAL, "%s `%s`: the target `%s` is not an absolute path below /", kind,
                       text, *target);
    }
    free(*target);
    *target = path;
    size_t n = strcspn(path + 1, "/");
    if ((n == 4 && strncmp(path, "/proc", 5) == 0) || (n == 3 && strncmp(path, "/sys", 4) == 0))
        return err_say(e, -EPERM, "%s target `%s` is in /proc or /sys", kind, path);
    if (streq(path, "/dev"))
        return err_say(e, -EPERM, "%s target `/dev` would hide the container's devices", kind);
    return 0;
}

/* z and Z relabel for SELinux, which netctr does not do; they are accepted because many scripts use them. */
static int take_option(const char *text, const char *option, struct volume *v, struct err *e)
{
    if (streq(option, "ro") || streq(option, "rw"))
        v->read_only = streq(option, "ro");
    else if (!streq(option, "z") && !streq(option, "Z")) {
        err_say(e, -EINVAL, "volume `%s`: unknown option `%s`", text, option);
        err_hint(e, "ro or rw; z and Z are accepted and ignored");
        return -EINVAL;
    }
    return 0;
}

static int take_options(const char *text, const char *words, struct volume *v, struct err *e)
{
    _cleanup_strv_ strv options = strv_split(words, ',');
    int r = 0;
    strv_each (option, options)
        if (r == 0)
            r = take_option(text, option, v, e);
    if (r == 0 && strv_has(options, "ro") && strv_has(options, "rw"))
        return err_say(e, -EINVAL, "volume `%s`: it cannot be both ro and rw", text);
    return r;
}

static int take_source(const char *text, const char *source, struct volume *v, struct err *e)
{
    if (!*source)
        return err_say(e, -EINVAL, "volume `%s`: the source is empty", text);
    if (!strchr(source, '/') && !streq(source, ".") && !streq(source, "..")) {
        err_say(e, -EINVAL, "volume `%s`: `%s` is not a path", text, source);
        err_hint(e, "for a directory here write ./%s", source);
        return -EINVAL;
    }
    v->source = realpath(source, NULL);
    return v->source ? 0 : err_set(e, errno, "volume `%s`: `%s`", text, source);
}

/* SRC:DST[:OPTION,…] */
static int take_volume(const char *text, struct volume *v, struct err *e)
{
    _cleanup_strv_ strv parts = strv_split(text, ':');
    size_t n = strv_len(parts);
    if (n < 2 || n > 3)
        return err_say(e, -EINVAL, "volume `%s` is not SRC:DST[:ro]", text);
    v->target = xstrdup(parts[1]);
    int r = take_target("volume", text, &v->target, e);
    if (r == 0 && n == 3)
        r = take_options(text, parts[2], v, e);
    return r == 0 ? take_source(text, parts[0], v, e) : r;
}

static int check_twice(const struct spec *s, struct err *e)
{
    for (size_t i = 0; i < s->volume_count; i++)
        for (size_t k = 0; k < i; k++)
            if (streq(s->volumes[i].target, s->volumes[k].target))
                return err_say(e, -EINVAL, "two volumes have the target `%s`",
                               s->volumes[i].target);
    return 0;
}

int volumes_parse(char *const *volumes, char *const *tmpfs, struct spec *s, struct err *e)
{
    int r = 0;
    s->volumes = xcalloc(strv_len(volumes) + strv_len(tmpfs), sizeof(*s->volumes));
    /* Also after a failure, spec_clear() frees what is there. */
    strv_each (text, volumes)
        if (r == 0)
            r = take_volume(text, &s->volumes[s->volume_count++], e);
    strv_each (text, tmpfs) {
        struct volume *v = &s->volumes[s->volume_count];
        if (r == 0 && (r = tmpfs_parse(text, v, e)) == 0) {
            s->volume_count++;
            r = take_target("tmpfs", text, &v->target, e);
        }
    }
    return r == 0 ? check_twice(s, e) : r;
}
