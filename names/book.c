/* RUN/names/NETWORK. For example:
 *
 *     4f1c09d2a7b3 10.88.0.2 fd4c::2 web,4f1c09d2a7b3,www -
 *     81be66a0c410 10.88.0.3 - db,81be66a0c410 9.9.9.9,1.1.1.1
 *
 * Replaced in one step under a lock; in place where there is no room to take a container out. Names are no
 * promise that others build on, as addresses are: a line that cannot be read is passed over. A network's
 * file stays until the network goes.
 */
#include <netctr/names.h>

#include <errno.h>
#include <string.h>
#include <sys/file.h>

#define FILE_MAX (16 << 20)

int names_open(int run_fd, struct err *e)
{
    if (mkdirat(run_fd, "names", 0700) < 0 && errno != EEXIST)
        return err_set(e, errno, "make the directory of names");
    int fd = openat(run_fd, "names", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    return fd < 0 ? err_set(e, errno, "open the directory of names") : fd;
}

int names_exist(int run_fd)
{
    return file_exists_at(run_fd, "names");
}

/* The directory itself is the lock: a file might find no room when a container has to be taken out. */
static int lock_names(int dir, struct err *e)
{
    _cleanup_close_ int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = fd < 0 ? -errno : lock_fd(fd, LOCK_EX);
    return r < 0 ? lock_failed(r, dir, ".", "the names", e) : take_fd(fd);
}

/* ---- lines -----------------------------------------------------------------------------------*/

static char *join(char *const *words)
{
    char *text = xstrdup("");
    strv_each (word, words) {
        _cleanup_free_ char *before = text;
        text = xasprintf("%s%s%s", before, *before ? "," : "", word);
    }
    return text;
}

static const char *or_none(const char *text)
{
    return *text ? text : "-";
}

static char *line_of(const struct name_entry *n)
{
    _cleanup_free_ char *four = ip_text(&n->address4), *six = ip_text(&n->address6),
                        *names = join(n->names), *servers = join(n->servers);
    return xasprintf("%s %s %s %s %s", n->id, or_none(four), or_none(six), or_none(names),
                     or_none(servers));
}

static void entry_clear(struct name_entry *n)
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

static bool parse_line(const char *line, struct name_entry *out)
{
    *out = (struct name_entry){0};
    _cleanup_strv_ strv words = strv_split(line, ' ');
    if (strv_len(words) != 5 || !valid_name(words[0]) ||
        !parse_address(words[1], AF_INET, &out->address4) ||
        !parse_address(words[2], AF_INET6, &out->address6))
        return false;
    out->id = xstrdup(words[0]);
    out->names = streq(words[3], "-") ? NULL : strv_split(words[3], ',');
    out->servers = streq(words[4], "-") ? NULL : strv_split(words[4], ',');
    return true;
}

/* "ID " and nothing longer. */
static bool is_of(const char *line, const char *id)
{
    const char *rest = skip_prefix(line, id);
    return rest && *rest == ' ';
}

/* ---- files -----------------------------------------------------------------------------------*/

static int read_lines(int dir, const char *network, strv *out, struct err *e)
{
    _cleanup_free_ char *text = NULL;
    int r = read_file_at(dir, network, FILE_MAX, &text, NULL);
    if (r == 0)
        *out = strv_split(text, '\n');
    return r < 0 && r != -ENOENT ? err_set(e, r, "read the names of network `%s`", network) : r;
}

/* Less than there was has room on a full disk. Who reads meanwhile may see the rest of a line, which he
 * passes over; that the mode is set, as it was, tells all who watch to read once more. */
static int write_over(int dir, const char *network, const char *text, size_t size)
{
    _cleanup_close_ int fd = openat(dir, network, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    int r = fd < 0 ? -errno : write_all(fd, text, size);
    if (r == 0 && (ftruncate(fd, (off_t)size) < 0 || fchmod(fd, 0600) < 0))
        r = -errno;
    return r;
}

static int write_text(int dir, const char *network, const char *text, size_t size, bool less,
                      struct err *e)
{
    int r = write_file_atomic(dir, network, text, size, 0600);
    if (less && (r == -ENOSPC || r == -EDQUOT))
        r = write_over(dir, network, text, size);
    return r < 0 ? err_set(e, r, "write the names of network `%s`", network) : 0;
}

/* Without the lines of @id, and with @line if it is not NULL. */
static int replace(int dir, const char *network, const char *id, const char *line, struct err *e)
{
    _cleanup_strv_ strv lines = NULL;
    _cleanup_free_ char *text = NULL;
    size_t size = 0;
    bool changed = line != NULL;
    int r = read_lines(dir, network, &lines, e);
    if (r < 0 && r != -ENOENT)
        return r;
    FILE *f = open_memstream(&text, &size);
    if (!f)
        return err_set(e, errno, "write the names of network `%s`", network);
    strv_each (old, lines) {
        if (is_of(old, id))
            changed = true;
        else if (*old)
            fprintf(f, "%s\n", old);
    }
    if (line)
        fprintf(f, "%s\n", line);
    fclose(f);
    return changed ? write_text(dir, network, text, size, !line, e) : 0;
}

int names_join(int dir, const char *network, const struct name_entry *n, bool first, struct err *e)
{
    _cleanup_free_ char *line = line_of(n);
    _cleanup_close_ int lock = lock_names(dir, e);
    if (lock < 0)
        return lock;
    int known = first ? 1 : file_exists_at(dir, network);
    if (known < 0)
        return err_set(e, known, "look for the names of network `%s`", network);
    return known ? replace(dir, network, n->id, line, e) : -ENOENT;
}

/* Until @each returns something else than 0. Networks that cannot be listed are not none: a resolver could
 * be ended that has names to tell. */
static int each_network(int dir, int (*each)(const char *network, void *arg), void *arg,
                        struct err *e)
{
    _cleanup_dir_ DIR *d = open_listing(dir, ".");
    int r = 0, read = 0;
    if (!d)
        return err_set(e, errno, "list the networks with names");
    for (struct dirent *entry; r == 0 && (entry = next_entry(d, &read));)
        if (valid_name(entry->d_name))
            r = each(entry->d_name, arg);
    return read < 0 ? err_set(e, read, "list the networks with names") : r;
}

struct leaving {
    int dir;
    const char *id;
    struct err *e;
};

static int leave_one(const char *network, void *arg)
{
    const struct leaving *l = arg;
    return replace(l->dir, network, l->id, NULL, l->e);
}

int names_leave(int dir, const char *network, const char *id, struct err *e)
{
    struct leaving l = {dir, id, e};
    _cleanup_close_ int lock = lock_names(dir, e);
    if (lock < 0)
        return lock;
    return network ? leave_one(network, &l) : each_network(dir, leave_one, &l, e);
}

struct pruning {
    int dir;
    bool (*there)(const char *network, void *arg);
    void *arg;
};

static int prune_one(const char *network, void *arg)
{
    const struct pruning *p = arg;
    if (p->there(network, p->arg))
        return 0;
    return unlinkat(p->dir, network, 0) < 0 && errno != ENOENT ? -errno : 0;
}

int names_prune(int dir, bool (*there)(const char *network, void *arg), void *arg, struct err *e)
{
    struct pruning p = {dir, there, arg};
    _cleanup_close_ int lock = lock_names(dir, e);
    int r = lock < 0 ? lock : each_network(dir, prune_one, &p, e);
    return r < 0 && lock >= 0 ? err_set(e, r, "remove the names of a network") : r;
}

int names_each(int dir, const char *network, int (*each)(const struct name_entry *n, void *arg),
               void *arg, struct err *e)
{
    _cleanup_strv_ strv lines = NULL;
    int r = read_lines(dir, network, &lines, e);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    strv_each (line, lines) {
        struct name_entry n = {0};
        if (r >= 0 && parse_line(line, &n))
            r = each(&n, arg);
        entry_clear(&n);
    }
    return r < 0 ? r : 0;
}

/* ---- all of them -----------------------------------------------------------------------------*/

static int has_any(const char *network, void *arg)
{
    struct stat st;
    if (fstatat(*(int *)arg, network, &st, 0) < 0)
        return errno == ENOENT ? 0 : -errno;
    return st.st_size > 0;
}

bool names_any(int dir)
{
    return each_network(dir, has_any, &dir, NULL) != 0;
}

struct sweeping {
    int dir;
    char *const *ids;
    const struct gc *gc;
    struct err *e;
};

static bool lives(const struct sweeping *s, const char *line)
{
    strv_each (id, s->ids)
        if (is_of(line, id))
            return true;
    return false;
}

static int sweep_network(const char *network, void *arg)
{
    struct sweeping *s = arg;
    _cleanup_strv_ strv lines = NULL;
    int r = read_lines(s->dir, network, &lines, s->e);
    strv_each (line, lines) {
        if (!*line || lives(s, line))
            continue;
        *strchrnul(line, ' ') = '\0';
        if (r == 0 && !s->gc->dry_run)
            r = replace(s->dir, network, line, NULL, s->e);
        if (r == 0)
            gc_tell(s->gc, GC_REMOVE, "names of %s", line);
    }
    return r;
}

/* What somebody had begun to write when he was killed: whoever holds the lock knows that nobody writes. */
static void tidy(int dir)
{
    _cleanup_dir_ DIR *d = open_listing(dir, ".");
    for (struct dirent *entry; d && (entry = readdir(d));) {
        size_t length = strlen(entry->d_name);
        _cleanup_free_ char *network = xstrndup(entry->d_name, length - 1);
        if (entry->d_name[length - 1] == '~' && valid_name(network))
            (void)tidy_file_at(dir, network);
    }
}

int names_sweep(int dir, char *const *ids, const struct gc *gc, struct err *e)
{
    struct sweeping s = {dir, ids, gc, e};
    _cleanup_close_ int lock = lock_names(dir, e);
    if (lock >= 0 && !gc->dry_run)
        tidy(dir);
    return lock < 0 ? lock : each_network(dir, sweep_network, &s, e);
}
