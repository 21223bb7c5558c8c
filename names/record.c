/* One entry, and the index that leads to it. The index consists of symbolic links that are never
 * followed: they are created and replaced in one step and read with one system call. */
#include "names/record.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

#define ENTRY_MAX (1 << 20)

bool name_is_dns(const char *name)
{
    size_t label = 0, length = strlen(name);
    if (length == 0 || length > 253 || streq(name, "-")) /* "-" stands for no name in an entry */
        return false;
    for (const char *c = name; *c; c++) {
        if (!isascii(*c) || !(isalnum((unsigned char)*c) || strchr("_.-", *c)))
            return false;
        label = *c == '.' ? 0 : label + 1;
        if (label > 63 || (label == 0 && (c == name || c[-1] == '.')))
            return false;
    }
    return label > 0;
}

char *name_lower(const char *name)
{
    char *lower = xstrdup(name);
    for (char *c = lower; *c; c++)
        if (*c >= 'A' && *c <= 'Z') /* independent of the locale */
            *c = (char)(*c - 'A' + 'a');
    return lower;
}

/* ---- text ------------------------------------------------------------------------------------*/

static const char *or_none(const char *text)
{
    return *text ? text : "-";
}

/* A name with other characters could be misread in the line. */
static bool fits(const char *name)
{
    return *name &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                        "0123456789_.-") == strlen(name) &&
           !streq(name, "-");
}

char *record_text(const struct name_entry *n)
{
    _cleanup_free_ char *four = ip_text(&n->address4), *six = ip_text(&n->address6), *names = NULL;
    _cleanup_strings_ struct strings fitting = {0};
    strv_each (name, n->names)
        if (fits(name))
            strings_add(&fitting, name);
    names = strv_join(fitting.items, ",");
    return xasprintf("%s %s %s %s\n", or_none(four), or_none(six), or_none(names),
                     n->internal ? "internal" : "open");
}

void name_record_clear(struct name_entry *n)
{
    free(n->id);
    strv_free(n->names);
    strv_free(n->servers);
    *n = (struct name_entry){0};
}

static bool parse_address(const char *text, int family, struct ip *out)
{
    return streq(text, "-") || (ip_parse(text, out) == 0 && out->family == family);
}

static bool parse_words(char *const *words, struct name_entry *out)
{
    if (strv_len(words) != 4 || !parse_address(words[0], AF_INET, &out->address4) ||
        !parse_address(words[1], AF_INET6, &out->address6))
        return false;
    out->names = streq(words[2], "-") ? NULL : strv_split(words[2], ',');
    out->internal = streq(words[3], "internal");
    strv_each (name, out->names)
        if (!fits(name))
            return false;
    return out->internal || streq(words[3], "open");
}

int record_parse(const char *text, struct name_entry *out)
{
    const char *end = strchr(text, '\n');
    *out = (struct name_entry){0};
    if (!end)
        return -EBADMSG;
    _cleanup_free_ char *line = xstrndup(text, (size_t)(end - text));
    _cleanup_strv_ strv words = strv_split(line, ' ');
    if (parse_words(words, out))
        return 0;
    name_record_clear(out);
    return -EBADMSG;
}

int record_lines(int dir, const char *network, const char *id, strv *out)
{
    _cleanup_free_ char *path = xasprintf("container/%s/%s", id, network), *text = NULL;
    int r = read_state_at(dir, path, ENTRY_MAX, &text, NULL);
    if (r < 0)
        return r;
    for (char *line = text, *end; *line; line = end + 1) {
        end = strchr(line, '\n');
        if (!end)
            return -EBADMSG;
        strv_add_take(out, xstrndup(line, (size_t)(end - line) + 1));
    }
    return *out ? 0 : -EBADMSG;
}

/* ---- the index -------------------------------------------------------------------------------*/

char *record_link(int dir, const char *path)
{
    char target[PATH_MAX];
    ssize_t n = readlinkat(dir, path, target, sizeof(target));
    if (n == sizeof(target))
        errno = ENAMETOOLONG;
    return n <= 0 || n == sizeof(target) ? NULL : xstrndup(target, (size_t)n);
}

bool record_link_unknown(int error)
{
    return error != ENOENT && error != ENOTDIR && error != EINVAL && error != ENAMETOOLONG;
}

int record_list(int dir, const char *path, int (*each)(const char *name, void *arg), void *arg)
{
    _cleanup_dir_ DIR *d = open_listing(dir, path);
    int r = 0, read = 0;
    if (!d)
        return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
    for (struct dirent *entry; r == 0 && (entry = next_entry(d, &read));)
        if (!streq(entry->d_name, ".") && !streq(entry->d_name, ".."))
            r = each(entry->d_name, arg);
    return read < 0 ? read : r;
}

static int gone(int r)
{
    return r < 0 && errno != ENOENT && errno != ENOTDIR ? -errno : 0;
}

/* 1, 0, or a negative error if the link cannot be read. */
static int is_of(int dir, const char *path, const char *owner)
{
    _cleanup_free_ char *target = record_link(dir, path);
    if (!target && record_link_unknown(errno))
        return -errno;
    return target && skip_prefix(target, owner);
}

/* Between a check and the removal, another container that got the address could write its own link.
 * So the link is first renamed, which needs no free space, then checked, and put back unless
 * it belongs to the container. */
int record_remove_address(int dir, const char *address, const char *network, const char *id)
{
    _cleanup_free_ char *path = xasprintf("address/%s", address),
                        *aside = xasprintf("address/~%s", id),
                        *owner = xasprintf("%s %s ", network, id);
    int r = gone(unlinkat(dir, aside, 0)); /* of a join that was killed */
    if (r == 0)
        r = is_of(dir, path, owner);
    if (r <= 0)
        return r;
    if (renameat(dir, path, dir, aside) < 0)
        return errno == ENOENT ? 0 : -errno;
    r = is_of(dir, aside, owner);
    if (r <= 0 && renameat2(dir, aside, dir, path, RENAME_NOREPLACE) == 0)
        return r;
    return gone(unlinkat(dir, aside, 0));
}

int record_remove_name(int dir, const char *network, const char *name, const char *id)
{
    _cleanup_free_ char *path = xasprintf("network/%s/%s", network, name),
                        *link = xasprintf("%s/%s", path, id),
                        *unfinished = xasprintf("%s/~%s", path, id);
    int r = gone(unlinkat(dir, link, 0));
    if (r == 0)
        r = gone(unlinkat(dir, unfinished, 0));
    if (r == 0 && unlinkat(dir, path, AT_REMOVEDIR) < 0 && errno != ENOTEMPTY && errno != EEXIST)
        r = gone(-1);
    return r;
}

struct removal {
    int dir;
    const char *network, *id;
};

static int remove_address(const char *address, void *arg)
{
    const struct removal *m = arg;
    return *address == '~' ? 0 : record_remove_address(m->dir, address, m->network, m->id);
}

static int remove_name(const char *name, void *arg)
{
    const struct removal *m = arg;
    return record_remove_name(m->dir, m->network, name, m->id);
}

static int remove_line(struct removal *m, const struct name_entry *n)
{
    _cleanup_free_ char *four = ip_text(&n->address4), *six = ip_text(&n->address6);
    int r = *four ? remove_address(four, m) : 0;
    if (r == 0 && *six)
        r = remove_address(six, m);
    strv_each (name, n->names) {
        _cleanup_free_ char *lower = name_lower(name);
        if (r == 0 && name_is_dns(name))
            r = remove_name(lower, m);
    }
    return r;
}

/* A damaged entry does not tell what else there is, so the whole index is searched. */
static int remove_index(struct removal *m)
{
    _cleanup_strv_ strv lines = NULL;
    _cleanup_free_ char *names = xasprintf("network/%s", m->network);
    int r = record_lines(m->dir, m->network, m->id, &lines);
    bool damaged = r == -EBADMSG;
    if (r < 0 && !damaged)
        return r == -ENOENT || r == -ENOTDIR ? 0 : r;
    r = 0;
    strv_each (line, lines) {
        _cleanup_record_ struct name_entry n = {0};
        if (record_parse(line, &n) < 0)
            damaged = true;
        else if (r == 0)
            r = remove_line(m, &n);
    }
    if (damaged && r == 0)
        r = record_list(m->dir, "address", remove_address, m);
    if (damaged && r == 0)
        r = record_list(m->dir, names, remove_name, m);
    return r;
}

int record_remove(int dir, const char *network, const char *id)
{
    struct removal m = {dir, network, id};
    _cleanup_free_ char *entry = xasprintf("container/%s/%s", id, network),
                        *names = xasprintf("network/%s", network);
    int r = remove_index(&m);
    (void)unlinkat(dir, names, AT_REMOVEDIR); /* succeeds only for the last one to leave */
    if (r == 0)
        r = gone(unlinkat(dir, entry, 0));
    return r == 0 ? tidy_file_at(dir, entry) : r;
}
