/* From the name of an image to a root directory. Images themselves come later: a name leads to the host's own tree or to a
 * directory, by --image, by --images DIR, or because it is a path.
 */
#include "lab.h"

#include <errno.h>
#include <fnmatch.h>
#include <string.h>

void lab_image_clear(struct lab_image *i)
{
    free(i->root);
    strv_free(i->volumes);
    strv_free(i->cmd);
    *i = (struct lab_image){0};
}

/* What @table says of @name; NULL: nothing. */
static const char *look_up(char *const *table, const char *name)
{
    strv_each (entry, table) {
        const char *equals = strrchr(entry, '=');
        _cleanup_free_ char *pattern = equals ? xstrndup(entry, (size_t)(equals - entry)) : NULL;
        if (pattern && fnmatch(pattern, name, 0) == 0)
            return equals + 1;
    }
    return NULL;
}

/* The last part of a name without its tag: "quay.io/frrouting/frr:8.4" is "frr". The caller frees. */
static char *short_name(const char *image)
{
    const char *slash = strrchr(image, '/');
    const char *last = slash ? slash + 1 : image;
    return xstrndup(last, strcspn(last, ":@"));
}

static char *directory_of(const char *dir, const char *name)
{
    struct stat st;
    char *path = xasprintf("%s/%s", dir, name);
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return path;
    free(path);
    return NULL;
}

/* The directory of an image below --images DIR, by its name or the last part of it. The caller frees. */
static char *in_image_dir(const struct lab_options *o, const char *image)
{
    if (!o->image_dir)
        return NULL;
    _cleanup_free_ char *name = short_name(image);
    char *dir = directory_of(o->image_dir, image);
    return dir ? dir : directory_of(o->image_dir, name);
}

/* --image and --images come before `images:` of the file. */
static const char *mapped(const struct topology *t, const struct lab_options *o, const char *name)
{
    const char *to = look_up(o->images, name);
    _cleanup_free_ char *dir = to ? NULL : in_image_dir(o, name);
    return to ? to : dir ? NULL : look_up(t->images, name);
}

static bool is_host(const struct topology *t, const char *image, const struct lab_options *o)
{
    const char *to = image ? mapped(t, o, image) : NULL;
    return !image || streq(to ? to : image, "host");
}

bool lab_uses_host(const struct topology *t, const struct lab_options *o)
{
    for (size_t i = 0; i < t->node_count; i++)
        if (t->nodes[i].kind == LAB_LINUX && is_host(t, t->nodes[i].image, o))
            return true;
    return false;
}

static int refuse(const struct topology *t, const struct lab_node *n, struct err *e)
{
    _cleanup_free_ char *name = short_name(n->image);
    _cleanup_free_ char *column =
        n->place.column ? xasprintf("%u:", n->place.column) : xstrdup(""); /* none in a lab.conf */
    err_say(e, -ENOENT, "%s:%u:%s there is no root directory for image `%s`", t->file,
            n->place.line, column, n->image);
    err_hint(e,
             "`--image '*%s*=host'` uses this host's programs, `--image '*%s*=DIR'` a root "
             "directory",
             name, name);
    return -ENOENT;
}

/* A path in the file is relative to the file. */
static char *path_of(const struct topology *t, const char *word)
{
    struct stat st;
    if (word[0] != '/' && word[0] != '.')
        return NULL;
    _cleanup_free_ char *path = word[0] == '/' ? xstrdup(word) : xasprintf("%s/%s", t->dir, word);
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode) ? take_ptr(path) : NULL;
}

int lab_images_check(const struct lab_options *o, struct err *e)
{
    struct stat st;
    strv_each (entry, o->images) {
        const char *equals = strrchr(entry, '=');
        if (!equals || equals == entry || !equals[1])
            return err_say(e, -EINVAL, "--image `%s` is not IMAGE=DIR or IMAGE=host", entry);
    }
    if (o->image_dir && stat(o->image_dir, &st) < 0)
        return err_set(e, errno, "--images `%s`", o->image_dir);
    return o->image_dir && !S_ISDIR(st.st_mode)
               ? err_say(e, -ENOTDIR, "--images `%s` is not a directory", o->image_dir)
               : 0;
}

static void add_words(strv *v, const char *const *words)
{
    for (; *words; words++)
        strv_add(v, *words);
}

/* What the images that labs use most run by default. A directory does not say it. */
static void known_program(const char *image, struct lab_image *out)
{
    static const struct {
        const char *part; /* of the image's name */
        const char *argv[4];
    } known[] = {
        {"frr", {"/bin/sh", "-c", "/usr/lib/frr/frrinit.sh start; exec sleep infinity"}},
        {"multitool", {"/bin/sh", "-c", "nginx; exec sleep infinity"}},
        {"openbgpd",
         {"/bin/sh", "-c",
          "mkdir -p /run/openbgpd; bgpd -f /etc/bgpd/bgpd.conf; exec sleep infinity"}},
        {"bird",
         {"/bin/sh", "-c", "mkdir -p /run/bird; bird -c /etc/bird.conf; exec sleep infinity"}},
    };
    static const char *const shell[] = {"/bin/sh", NULL};
    static const char *const idle[] = {"sleep", "infinity", NULL};
    _cleanup_free_ char *name = image ? short_name(image) : NULL;
    for (size_t i = 0; name && i < ARRAY_LEN(known); i++)
        if (strcasestr(name, known[i].part)) {
            add_words(&out->cmd, known[i].argv);
            return;
        }
    add_words(&out->cmd, out->host ? idle : shell);
}

int lab_image_find(const struct topology *t, const struct lab_node *n, const struct lab_options *o,
                   const char *host_tree, struct lab_image *out, struct err *e)
{
    const char *to = n->image ? mapped(t, o, n->image) : NULL;
    *out = (struct lab_image){.host = is_host(t, n->image, o)};
    known_program(n->image, out);
    if (out->host) {
        out->root = xstrdup(host_tree);
        host_tree_volumes(&out->volumes);
        return 0;
    }
    if (to) {
        out->root = realpath(to, NULL);
        if (!out->root)
            return err_set(e, errno, "root directory `%s` of image `%s`", to, n->image);
        return 0;
    }
    out->root = path_of(t, n->image);
    if (!out->root)
        out->root = in_image_dir(o, n->image);
    return out->root ? 0 : refuse(t, n, e);
}
