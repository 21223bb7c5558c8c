/* -v, --tmpfs and --mount. */
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

/* The keys of --mount. */
struct mount_words {
    const char *type, *source, *target, *size, *mode;
    bool read_only;
};

static int take_mount_word(const char *text, const char *word, struct mount_words *w, struct err *e)
{
    const struct {
        const char *key;
        const char **value; /* NULL: accepted and ignored */
    } keys[] = {{"type=", &w->type},
                {"source=", &w->source},
                {"src=", &w->source},
                {"target=", &w->target},
                {"destination=", &w->target},
                {"dst=", &w->target},
                {"tmpfs-size=", &w->size},
                {"tmpfs-mode=", &w->mode},
                {"consistency=", NULL},
                {"relabel=", NULL},
                {"bind-propagation=rprivate", NULL}};
    static const char *const on[] = {"ro", "readonly", "ro=true", "readonly=true", "readonly=1"};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        const char *value = skip_prefix(word, keys[i].key);
        if (value && keys[i].value)
            *keys[i].value = value;
        if (value)
            return 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(on); i++)
        if (streq(word, on[i])) {
            w->read_only = true;
            return 0;
        }
    if (streq(word, "ro=false") || streq(word, "readonly=false") || streq(word, "rw")) {
        w->read_only = false; /* the last word counts */
        return 0;
    }
    err_say(e, -EINVAL, "mount `%s`: unknown key `%s`", text, word);
    err_hint(e, "type=, src=, dst=, ro, tmpfs-size= and tmpfs-mode= are known");
    return -EINVAL;
}

static int take_bind(const char *text, const struct mount_words *w, struct volume *v, struct err *e)
{
    if (w->size || w->mode)
        return err_say(e, -EINVAL, "mount `%s`: tmpfs-size and tmpfs-mode are for type=tmpfs",
                       text);
    v->read_only = w->read_only;
    v->target = xstrdup(w->target);
    int r = take_target("mount", text, &v->target, e);
    return r == 0 ? take_source(text, w->source ? w->source : "", v, e) : r;
}

static int take_tmpfs(const char *text, const struct mount_words *w, struct volume *v,
                      struct err *e)
{
    _cleanup_free_ char *options =
        xasprintf("%s:%s%s%s%s%s", w->target, w->read_only ? "ro" : "rw", w->size ? ",size=" : "",
                  w->size ? w->size : "", w->mode ? ",mode=" : "", w->mode ? w->mode : "");
    if (w->source || strchr(w->target, ':'))
        return err_say(e, -EINVAL, "mount `%s`: a tmpfs has no source, and no colon in its target",
                       text);
    int r = tmpfs_parse(options, v, e);
    return r == 0 ? take_target("mount", text, &v->target, e) : r;
}

static int take_mount(const char *text, struct volume *v, struct err *e)
{
    struct mount_words w = {0};
    _cleanup_strv_ strv words = strv_split(text, ',');
    int r = 0;
    strv_each (word, words)
        if (r == 0)
            r = take_mount_word(text, word, &w, e);
    if (r == 0 && !w.target)
        r = err_say(e, -EINVAL, "mount `%s` has no dst=", text);
    if (r < 0)
        return r;
    if (streq(w.type, "bind"))
        return take_bind(text, &w, v, e);
    if (streq(w.type, "tmpfs"))
        return take_tmpfs(text, &w, v, e);
    err_say(e, -EINVAL, "mount `%s`: its type is not bind or tmpfs", text);
    err_hint(e, "netctr has no named volumes: type=bind,src=/DIR mounts a directory");
    return -EINVAL;
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

int volumes_parse(char *const *volumes, char *const *tmpfs, char *const *mounts, struct spec *s,
                  struct err *e)
{
    int r = 0;
    s->volumes =
        xcalloc(strv_len(volumes) + strv_len(tmpfs) + strv_len(mounts), sizeof(*s->volumes));
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
    strv_each (text, mounts)
        if (r == 0)
            r = take_mount(text, &s->volumes[s->volume_count++], e);
    return r == 0 ? check_twice(s, e) : r;
}
