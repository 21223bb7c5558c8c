/* USER[:GROUP]. The files are written by the container's author, so the parser trusts nothing: a line that does
 * not parse does not exist, a number is only digits, and a missing entry is an error, never uid 0. */
#include "core/user.h"

#include <errno.h>
#include <limits.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>

enum {
    FILE_MAX_SIZE = 1 << 20,
    ID_MAX = INT32_MAX, /* the limit of docker and the OCI tools; keeps clear of (uid_t)-1 */
    GROUPS_MAX = 65536, /* NGROUPS_MAX: setgroups() takes no more */
    FIELDS_MAX = 7,
};

void user_clear(struct container_user *u)
{
    free(u->groups);
    free(u->name);
    free(u->home);
    *u = (struct container_user){0};
}

/* Files of the kernel pretend to be regular ones: reading /proc/kmsg takes the host's messages away. */
static int check_kind(int fd, const char *path, struct err *e)
{
    struct stat st;
    struct statfs fs;
    if (fstat(fd, &st) < 0 || fstatfs(fd, &fs) < 0)
        return err_set(e, errno, "look at the container's `/%s`", path);
    if (!S_ISREG(st.st_mode) || fs.f_type == PROC_SUPER_MAGIC || fs.f_type == SYSFS_MAGIC)
        return err_say(e, -EBADMSG, "the container's `/%s` is not a regular file", path);
    return 0;
}

/* A regular file beneath @rootfd; a missing one reads as empty. */
static int read_in_root(int rootfd, const char *path, char **out, size_t *size, struct err *e)
{
    /* O_PATH first, because opening a device can have effects (a tape rewinds, a watchdog starts); then again with
     * O_NONBLOCK, so that a FIFO put there in between does not block. */
    _cleanup_close_ int looked = open_in_root(rootfd, path, O_PATH, 0, 0);
    if (looked == -ENOENT || looked == -ENOTDIR) {
        *out = xstrdup("");
        *size = 0;
        return 0;
    }
    if (looked < 0)
        return err_set(e, looked, "open the container's `/%s`", path);
    int r = check_kind(looked, path, e);
    if (r < 0)
        return r;
    _cleanup_close_ int fd = open_in_root(rootfd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, 0);
    if (fd < 0)
        return err_set(e, fd, "open the container's `/%s`", path);
    if ((r = check_kind(fd, path, e)) < 0)
        return r;
    r = read_fd(fd, FILE_MAX_SIZE, out, size);
    return r < 0 ? err_set(e, r, "read the container's `/%s`", path) : 0;
}

/* The next line of *@at as NUL-terminated text, or NULL at the end. A line with a NUL inside is returned as "":
 * cut short it could pass for another one. */
static char *next_line(char **at, const char *end)
{
    if (*at >= end)
        return NULL;
    char *line = *at;
    char *newline = memchr(line, '\n', (size_t)(end - line));
    char *stop = newline ? newline : (char *)end;
    *at = stop + 1;
    *stop = '\0';
    if (memchr(line, '\0', (size_t)(stop - line)))
        *line = '\0';
    return line;
}

/* Splits @line at its colons. Missing fields are "". */
static void split_fields(char *line, char *fields[FIELDS_MAX])
{
    char *const none = line + strlen(line);
    for (int i = 0; i < FIELDS_MAX; i++) {
        char *field = strsep(&line, ":");
        fields[i] = field ? field : none;
    }
}

static int parse_id(const char *s, uint32_t *id)
{
    uint64_t value;
    int r = parse_u64(s, 0, ID_MAX, &value);
    if (r == 0)
        *id = (uint32_t)value;
    return r;
}

/* A part of the spec: an id or a name. */
struct wanted {
    const char *text;
    bool numeric;
    uint32_t id;
};

static int parse_wanted(const char *what, const char *text, struct wanted *w, struct err *e)
{
    *w = (struct wanted){.text = text};
    if (!*text)
        return err_say(e, -EINVAL, "the %s is empty", what);
    int r = parse_id(text, &w->id);
    if (r == -ERANGE)
        return err_say(e, r, "%s id `%s` is out of range: the largest is %d", what, text, ID_MAX);
    w->numeric = r == 0;
    return 0;
}

/* The first entry of /etc/passwd that matches @w. Returns 1 found, 0 not there, or an error. */
static int find_user(int rootfd, const struct wanted *w, struct container_user *u, struct err *e)
{
    _cleanup_free_ char *text = NULL;
    size_t size = 0;
    int r = read_in_root(rootfd, "etc/passwd", &text, &size, e);
    if (r < 0)
        return r;
    char *at = text;
    for (char *line; (line = next_line(&at, text + size));) {
        char *field[FIELDS_MAX];
        uint32_t uid = 0, gid = 0;
        split_fields(line, field);
        bool valid = *field[0] && parse_id(field[2], &uid) == 0 && parse_id(field[3], &gid) == 0;
        if (!valid && !w->numeric && streq(field[0], w->text))
            return err_say(e, -EBADMSG,
                           "user `%s` has no valid uid and gid in the container's `/etc/passwd`",
                           w->text);
        if (!valid || !(w->numeric ? uid == w->id : streq(field[0], w->text)))
            continue;
        u->uid = uid;
        u->gid = gid;
        u->name = xstrdup(field[0]);
        u->home = xstrdup(*field[5] == '/' ? field[5] : "/");
        return 1;
    }
    return 0;
}

static bool lists_member(char *members, const char *name)
{
    for (char *member; (member = strsep(&members, ","));)
        if (streq(member, name))
            return true;
    return false;
}

/* With @w: the gid of that group. Without: every group that lists u->name. */
static int find_groups(int rootfd, const struct wanted *w, struct container_user *u, struct err *e)
{
    _cleanup_free_ char *text = NULL;
    size_t size = 0;
    int r = read_in_root(rootfd, "etc/group", &text, &size, e);
    if (r < 0)
        return r;
    size_t room = 0;
    char *at = text;
    for (char *line; (line = next_line(&at, text + size));) {
        char *field[FIELDS_MAX];
        uint32_t gid = 0;
        split_fields(line, field);
        if (!*field[0] || parse_id(field[2], &gid) < 0)
            continue;
        if (w && streq(field[0], w->text)) {
            u->gid = gid;
            return 0;
        }
        if (w || !lists_member(field[3], u->name))
            continue;
        if (u->group_count == GROUPS_MAX)
            return err_say(e, -E2BIG, "user `%s` is in more than %d groups", u->name, GROUPS_MAX);
        if (u->group_count == room) {
            room = room ? room * 2 : 16;
            u->groups = xrealloc(u->groups, room, sizeof(gid_t));
        }
        u->groups[u->group_count++] = gid;
    }
    if (!w)
        return 0;
    return err_say(e, -ENOENT, "no group `%s` in the container's `/etc/group`", w->text);
}

/* The file cannot be used; the machine is not short of anything. */
static bool is_unusable(int code)
{
    static const int codes[] = {EFBIG, EBADMSG, ELOOP, EXDEV, ENAMETOOLONG, EAGAIN, EACCES, E2BIG};
    for (size_t i = 0; i < ARRAY_LEN(codes); i++)
        if (code == -codes[i])
            return true;
    return false;
}

/* A user by number needs only its home directory and its groups from the files: with a broken or hostile root
 * directory it does without, so that one can get in and repair it. */
static int resolve(int rootfd, const struct wanted *user, const struct wanted *group,
                   struct container_user *u, struct err *e)
{
    int found = find_user(rootfd, user, u, e);
    bool unusable = user->numeric && is_unusable(found);
    if (found < 0 && !unusable)
        return found;
    if (unusable) {
        err_clear(e);
        found = 0;
    }
    if (!found && !user->numeric)
        return err_say(e, -ENOENT, "no user `%s` in the container's `/etc/passwd`", user->text);
    if (!found) {
        u->uid = user->id;
        u->home = xstrdup(unusable && u->uid == 0 ? "/root" : "/");
    }
    if (group && group->numeric) {
        u->gid = group->id;
        return 0;
    }
    int r = group || u->name ? find_groups(rootfd, group, u, e) : 0;
    if (group || !user->numeric || !is_unusable(r))
        return r;
    err_clear(e);
    u->group_count = 0;
    return 0;
}

int user_resolve(int rootfd, const char *spec, struct container_user *out, struct err *e)
{
    _cleanup_user_ struct container_user u = {0};
    struct wanted user, group;
    _cleanup_free_ char *copy = xstrdup(spec ? spec : "0");
    char *colon = strchr(copy, ':');
    if (colon)
        *colon = '\0';
    int r = 0;
    if (colon && strchr(colon + 1, ':'))
        r = err_say(e, -EINVAL, "it is not USER or USER:GROUP");
    if (r == 0)
        r = parse_wanted("user", copy, &user, e);
    if (r == 0 && colon)
        r = parse_wanted("group", colon + 1, &group, e);
    if (r == 0)
        r = resolve(rootfd, &user, colon ? &group : NULL, &u, e);
    if (r < 0) {
        err_wrap(e, "user `%s`", spec ? spec : "0");
        return r;
    }
    *out = u;
    u = (struct container_user){0};
    return 0;
}

static bool has_group(const struct container_user *u, gid_t gid)
{
    for (size_t i = 0; i < u->group_count; i++)
        if (u->groups[i] == gid)
            return true;
    return false;
}

static int add_group(int rootfd, const char *text, struct container_user *u, struct err *e)
{
    struct wanted w;
    struct container_user found = {0};
    int r = parse_wanted("group", text, &w, e);
    if (r == 0 && !w.numeric)
        r = find_groups(rootfd, &w, &found, e);
    const gid_t gid = w.numeric ? w.id : found.gid;
    if (r < 0 || has_group(u, gid))
        return r;
    if (u->group_count == GROUPS_MAX)
        return err_say(e, -E2BIG, "the user is in more than %d groups", GROUPS_MAX);
    u->groups = xrealloc(u->groups, u->group_count + 1, sizeof(gid_t));
    u->groups[u->group_count++] = gid;
    return 0;
}

int user_add_groups(int rootfd, char *const *groups, struct container_user *u, struct err *e)
{
    strv_each (text, groups) {
        int r = add_group(rootfd, text, u, e);
        if (r < 0) {
            err_wrap(e, "--group-add `%s`", text);
            return r;
        }
    }
    return 0;
}
