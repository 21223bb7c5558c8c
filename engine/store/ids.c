/* Finds a container by its whole id without reading all definitions: ROOT/containers/.ids/ID is a symbolic link whose
 * text is the container's name. It is made before the definition and removed after it. A container without one, of an
 * older netctr for example, is found in the list, and gc adds the link.
 */
#include "files.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

bool id_may_begin(const char *word)
{
    size_t length = strlen(word);
    return length >= ID_GIVEN_MIN && length <= ID_LENGTH &&
           strspn(word, "0123456789abcdef") == length;
}

bool id_is_whole(const char *word)
{
    return strlen(word) == ID_LENGTH && id_may_begin(word);
}

static char *link_path(const char *id)
{
    return xasprintf(IDS "/%s", id);
}

static int make_link(struct store *s, const char *id, const char *name)
{
    _cleanup_free_ char *path = link_path(id);
    if (symlinkat(name, s->defined_fd, path) == 0)
        return 0;
    /* Ids are never used again: it is one that a killed command has left. */
    if (errno == EEXIST && unlinkat(s->defined_fd, path, 0) == 0 &&
        symlinkat(name, s->defined_fd, path) == 0)
        return 0;
    return -errno;
}

int make_hidden_directory(struct store *s, const char *name)
{
    struct stat st;
    if (fstatat(s->defined_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISDIR(st.st_mode))
        (void)unlinkat(s->defined_fd, name, 0);
    return mkdirat(s->defined_fd, name, 0700) < 0 ? -errno : 0;
}

int ids_add(struct store *s, const char *id, const char *name, struct err *e)
{
    int r = make_link(s, id, name);
    if (r == -ENOENT || r == -ENOTDIR || r == -ELOOP) {
        /* the first container: `rm` on a full disk must not have to make TRASH */
        (void)make_hidden_directory(s, TRASH);
        (void)make_hidden_directory(s, IDS);
        r = make_link(s, id, name);
    }
    return r < 0 ? err_set(e, r, "write `%s/containers/" IDS "/%s`", s->root, id) : 0;
}

void ids_remove(struct store *s, const char *id)
{
    _cleanup_free_ char *path = id && id_is_whole(id) ? link_path(id) : NULL;
    if (path)
        (void)unlinkat(s->defined_fd, path, 0);
}

char *ids_name(struct store *s, const char *id)
{
    char name[NAME_MAX + 1];
    _cleanup_free_ char *path = link_path(id);
    ssize_t n = readlinkat(s->defined_fd, path, name, sizeof(name) - 1);
    name[n < 0 ? 0 : n] = '\0';
    return valid_name(name) ? xstrdup(name) : NULL;
}

char *store_name_now(struct store *s, const struct spec *spec)
{
    char *name = id_is_whole(spec->id) ? ids_name(s, spec->id) : NULL;
    /* An older netctr that was killed while it renamed left the former name. */
    if (name && !streq(name, spec->name) && file_exists_at(s->defined_fd, name) != 1) {
        free(name);
        name = NULL;
    }
    return name ? name : xstrdup(spec->name);
}

/* ---- gc --------------------------------------------------------------------------------------*/

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Adds missing links, and collects the ids of all readable definitions. */
static int add_missing(struct store *s, struct strings *ids,
                       void (*each)(struct store *s, const json_t *config))
{
    int r = 0;
    _cleanup_dir_ DIR *d = open_listing(s->defined_fd, ".");
    if (!d)
        return -errno;
    for (struct dirent *entry; (entry = next_entry(d, &r));) {
        _cleanup_json_ json_t *j = NULL;
        _cleanup_free_ char *config = xasprintf("%s/config.json", entry->d_name), *known = NULL;
        if (!valid_name(entry->d_name) || json_read_at(s->defined_fd, config, &j, NULL) < 0)
            continue;
        const char *id = json_str(j, "id");
        if (!id || !id_is_whole(id))
            continue;
        each(s, j);
        strings_add(ids, id);
        known = ids_name(s, id);
        if (!streq(known, entry->d_name))
            (void)ids_add(s, id, entry->d_name, NULL);
    }
    return r;
}

void ids_mend(struct store *s, void (*each)(struct store *s, const json_t *config))
{
    int r;
    struct strings found = {0};
    int listed = add_missing(s, &found, each);
    _cleanup_strv_ strv ids = strings_take(&found);
    size_t count = strv_len(ids);
    _cleanup_dir_ DIR *d = listed < 0 ? NULL : open_listing(s->defined_fd, IDS);
    if (count)
        qsort(ids, count, sizeof(*ids), by_text);
    for (struct dirent *entry; d && (entry = next_entry(d, &r));) {
        char *name = entry->d_name;
        if (!streq(name, ".") && !streq(name, "..") &&
            !(count && bsearch(&name, ids, count, sizeof(*ids), by_text)))
            (void)unlinkat(dirfd(d), name, 0);
    }
}
