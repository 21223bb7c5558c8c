/* Which cgroup file systems the host has mounted, and with which controllers.
 *
 * Nearly every command needs this, so the usual layout costs one statfs() for each place and nothing else.
 */
#include "core/cgroup_internal.h"

#include <errno.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>

static const char *const names[CGROUP_CONTROLLERS] = {"memory", "cpu", "pids"};

const char *cgroup_controller_name(enum cgroup_controller controller)
{
    return names[controller];
}

void cgroup_host_clear(struct cgroup_host *host)
{
    for (size_t i = 0; i < host->count; i++) {
        free(host->hierarchies[i].mount);
        if (host->hierarchies[i].detached)
            close_fd(host->hierarchies[i].fd);
    }
    *host = (struct cgroup_host){0};
}

unsigned cgroup_controllers_in(const char *words, const char *separators)
{
    unsigned found = 0;
    while (*words) {
        size_t length = strcspn(words, separators);
        for (int c = 0; c < CGROUP_CONTROLLERS; c++)
            if (strlen(names[c]) == length && strncmp(words, names[c], length) == 0)
                found |= 1u << c;
        words += length;
        words += strspn(words, separators);
    }
    return found;
}

int cgroup_read_file(const char *file, char *text, size_t size)
{
    _cleanup_close_ int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return -errno;
    ssize_t n;
    do {
        n = read(fd, text, size);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    if ((size_t)n == size)
        return -EFBIG;
    text[n] = '\0';
    return 0;
}

int cgroup_read_controllers(const char *file, unsigned *out)
{
    char text[1024];
    int r = cgroup_read_file(file, text, sizeof(text));
    *out = r < 0 ? 0 : cgroup_controllers_in(text, " \n");
    return r;
}

/* ---- probing -------------------------------------------------------------------------------*/

static int use_v2(const char *mount, struct cgroup_host *host, struct err *e)
{
    _cleanup_free_ char *file = xasprintf("%s/cgroup.controllers", mount);
    unsigned controllers;
    int r = cgroup_read_controllers(file, &controllers);
    if (r < 0)
        return err_set(e, r, "read `%s`", file);
    host->kind = CGROUP_V2;
    host->count = 1;
    host->hierarchies[0].mount = xstrdup(mount);
    host->hierarchies[0].controllers = controllers;
    host->hierarchies[0].v2 = true;
    return 0;
}

/* Tells two v1 hierarchies apart. Newer kernels return it with statfs(); with others it is 0, and the device
 * number costs a stat(). */
static bool identify(const char *mount, const struct statfs *fs, uint64_t *id)
{
    struct stat st;
    memcpy(id, &fs->f_fsid, sizeof(*id));
    if (!*id && stat(mount, &st) == 0)
        *id = st.st_dev;
    return *id;
}

/* The hierarchies found so far. */
struct finder {
    struct cgroup_host host;
    uint64_t ids[CGROUP_CONTROLLERS];
};

static void clear_finder(struct finder *f)
{
    cgroup_host_clear(&f->host);
}

/* Two controllers may be one hierarchy (mounted as "cpu,memory" with a link for each). */
static void use_v1(struct finder *f, const char *mount, const struct statfs *fs,
                   enum cgroup_controller controller)
{
    struct cgroup_host *host = &f->host;
    uint64_t id;
    if (!identify(mount, fs, &id))
        return;
    host->kind = CGROUP_V1;
    for (size_t i = 0; i < host->count; i++) {
        if (f->ids[i] == id) {
            host->hierarchies[i].controllers |= 1u << controller;
            return;
        }
    }
    f->ids[host->count] = id;
    host->hierarchies[host->count].mount = xstrdup(mount);
    host->hierarchies[host->count++].controllers = 1u << controller;
}

/* "\040" and the like, as mountinfo writes spaces. */
static void unescape(char *s)
{
    char *to = s;
    for (; *s; s++, to++) {
        if (s[0] == '\\' && strspn(s + 1, "01234567") >= 3) {
            *to = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
            s += 3;
        } else {
            *to = *s;
        }
    }
    *to = '\0';
}

/* One line: ID PARENT DEV ROOT MOUNT OPTIONS [TAGS…] - TYPE SOURCE SUPEROPTIONS */
static void scan_mount(char *line, struct finder *f, char **v2)
{
    struct statfs fs;
    char *dash = strstr(line, " - "), *mount = line, *end = dash;
    if (!dash)
        return;
    for (int field = 0; mount && field < 4; field++)
        mount = (mount = strchr(mount, ' ')) ? mount + 1 : NULL;
    if (!mount || mount > end)
        return;
    char *options = strrchr(dash, ' ') + 1;
    mount[strcspn(mount, " ")] = '\0';
    unescape(mount);
    if (skip_prefix(dash, " - cgroup2 ") && !*v2)
        *v2 = xstrdup(mount);
    if (!skip_prefix(dash, " - cgroup "))
        return;
    unsigned found = cgroup_controllers_in(options, ",");
    for (size_t i = 0; i < f->host.count; i++)
        found &= ~f->host.hierarchies[i].controllers; /* mounted twice: the first will do */
    for (int c = 0; c < CGROUP_CONTROLLERS; c++)
        if (found & (1u << c) && statfs(mount, &fs) == 0)
            use_v1(f, mount, &fs, c);
}

static int scan_mountinfo(struct finder *f, struct err *e)
{
    _cleanup_free_ char *text = NULL, *v2 = NULL;
    int r = read_file_at(AT_FDCWD, "/proc/self/mountinfo", 16 << 20, &text, NULL);
    if (r < 0)
        return err_set(e, r, "read `/proc/self/mountinfo`");
    char *rest = text;
    for (char *line; (line = strsep(&rest, "\n"));)
        scan_mount(line, f, &v2);
    return f->host.count == 0 && v2 ? use_v2(v2, &f->host, e) : 0;
}

/* A place that does not exist has no type. Errors count: an overlooked hierarchy would keep a cgroup of netctr. */
static int look_at(const char *path, struct statfs *fs, struct err *e)
{
    *fs = (struct statfs){0};
    return statfs(path, fs) < 0 && errno != ENOENT && errno != ENOTDIR
               ? err_set(e, errno, "look at `%s`", path)
               : 0;
}

int cgroup_probe(const char *root, struct cgroup_host *out, struct err *e)
{
    __attribute__((cleanup(clear_finder))) struct finder f = {.host = {0}};
    struct statfs fs;
    int r = 0;
    root = root ? root : "/sys/fs/cgroup";
    if ((r = look_at(root, &fs, e)) < 0)
        return r;
    if (fs.f_type == CGROUP2_SUPER_MAGIC) {
        r = use_v2(root, &f.host, e);
    } else {
        for (int c = 0; r == 0 && c < CGROUP_CONTROLLERS; c++) {
            _cleanup_free_ char *mount = xasprintf("%s/%s", root, names[c]);
            r = look_at(mount, &fs, e);
            if (r == 0 && fs.f_type == CGROUP_SUPER_MAGIC)
                use_v1(&f, mount, &fs, c);
        }
        if (r == 0 && f.host.count == 0)
            r = scan_mountinfo(&f, e);
    }
    if (r < 0)
        return r;
    *out = f.host;
    out->usual = out->count;
    f.host = (struct cgroup_host){0};
    return 0;
}

char *cgroup_join_path(const struct cgroup_hierarchy *h, const char *path)
{
    return xasprintf("%s/%s", h->mount, path);
}

const struct cgroup_hierarchy *cgroup_members_of(const struct cgroup_host *host)
{
    const unsigned telling = 1u << CGROUP_PIDS | 1u << CGROUP_MEMORY;
    for (size_t i = 0; i < host->usual; i++)
        if (host->hierarchies[i].controllers & telling)
            return &host->hierarchies[i];
    return host->usual ? &host->hierarchies[0] : NULL;
}
