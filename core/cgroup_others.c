/* The hierarchies in which netctr sets no limits: freezer, devices, blkio, cpuset, named ones, and the empty v2
 * beside those of v1.
 *
 * A process that was not moved in them is in the cgroup where netctr was started, usually the host's root, and a
 * cgroup namespace shows that one. With CAP_SYS_ADMIN a container can mount it and write to the host's
 * /release_agent, which the kernel executes on the host (CVE-2022-0492), to its devices.allow, or to the
 * freezer.state of the whole host. So a container with CAP_SYS_ADMIN, and only such a one, has a cgroup of its own
 * in every hierarchy. It cannot mount a new hierarchy: the kernel refuses that outside of the initial cgroup
 * namespace.
 *
 * /proc/self/cgroup lists them, mounted or not. One that is not in its usual place is mounted detached.
 */
#include "core/cgroup_internal.h"
#include "core/mounts.h"

#include <errno.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>

enum { WORDS_MAX = 24 }; /* controllers of one hierarchy; Linux has 16 */

static bool is_mounted(const char *place, long type)
{
    struct statfs fs;
    return statfs(place, &fs) == 0 && fs.f_type == type;
}

/* Its usual place; NULL: it is not mounted there. */
static char *usual_place(const char *words, bool v2)
{
    size_t length = strcspn(words, ",");
    _cleanup_free_ char *place = NULL;
    if (v2)
        place = xstrdup("/sys/fs/cgroup/unified");
    else if (streq(words, "name=systemd"))
        place = xstrdup("/sys/fs/cgroup/systemd");
    else if (!skip_prefix(words, "name="))
        place = xasprintf("/sys/fs/cgroup/%.*s", (int)length, words);
    bool there = place && is_mounted(place, v2 ? CGROUP2_SUPER_MAGIC : CGROUP_SUPER_MAGIC);
    return there ? take_ptr(place) : NULL;
}

/* The controllers of "cpu,cpuacct" or "name=systemd", as mount options. */
static int mount_detached(const char *words, bool v2, struct err *e)
{
    struct mount_option options[WORDS_MAX + 2] = {0};
    size_t count = 0;
    bool controllers = false;
    _cleanup_strv_ strv all = strv_split(words, ',');
    if (strv_len(all) > WORDS_MAX)
        return err_say(e, -E2BIG, "it has more than %d controllers", WORDS_MAX);
    strv_each (word, all) {
        const char *name = skip_prefix(word, "name=");
        controllers = controllers || !name;
        options[count++] =
            name ? (struct mount_option){"name", name} : (struct mount_option){word, NULL};
    }
    if (!controllers)
        options[count] = (struct mount_option){"none", NULL};
    return mount_new(v2 ? "cgroup2" : "cgroup", v2 ? NULL : options,
                     MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, e);
}

static int add(struct cgroup_host *host, const char *words, struct err *e)
{
    struct cgroup_hierarchy h = {.v2 = !*words};
    if (host->count == ARRAY_LEN(host->hierarchies))
        return err_say(e, -E2BIG, "the host has more than %zu cgroup hierarchies",
                       ARRAY_LEN(host->hierarchies));
    h.mount = usual_place(words, h.v2);
    if (!h.mount) {
        h.fd = mount_detached(words, h.v2, e);
        if (h.fd < 0) {
            err_wrap(e, "cgroup hierarchy `%s`", *words ? words : "cgroup2");
            return h.fd;
        }
        h.detached = true;
        h.mount = fd_path(h.fd);
    }
    _cleanup_strv_ strv all = strv_split(words, ',');
    h.cpuset = strv_has(all, "cpuset");
    h.freezer = strv_has(all, "freezer");
    host->hierarchies[host->count++] = h;
    return 0;
}

static bool is_known(const struct cgroup_host *host, const char *words)
{
    unsigned controllers = cgroup_controllers_in(words, ",");
    for (size_t i = 0; i < host->usual; i++)
        if (*words ? (controllers & host->hierarchies[i].controllers) : host->hierarchies[i].v2)
            return true;
    return false;
}

/* A hierarchy that cannot be mounted has no cgroup of netctr: no container could be started then. */
int cgroup_add_others(struct cgroup_host *host, bool all, struct err *e)
{
    _cleanup_free_ char *text = NULL;
    int r = read_file_at(AT_FDCWD, "/proc/self/cgroup", 1 << 20, &text, NULL);
    if (r < 0)
        return err_set(e, r, "read `/proc/self/cgroup`");
    char *rest = text;
    bool v2 = false;
    for (char *line; r == 0 && (line = strsep(&rest, "\n"));) { /* ID:CONTROLLERS:PATH */
        char *words = strchr(line, ':'), *end = words ? strchr(words + 1, ':') : NULL;
        if (!end)
            continue;
        *end = '\0';
        v2 = v2 || !words[1];
        if (!is_known(host, words + 1))
            r = add(host, words + 1, all ? e : NULL);
        r = all ? r : 0;
    }
    /* v2 is listed only once it has been mounted, which the container could do. */
    if (r == 0 && all && !v2 && add(host, "", NULL) < 0)
        return 0;
    return r;
}

int cgroup_fill_cpuset(const struct cgroup_hierarchy *h, const char *path)
{
    static const char *const files[] = {"cpuset.cpus", "cpuset.mems"};
    _cleanup_free_ char *at = cgroup_join_path(h, path);
    _cleanup_free_ char *above = xstrdup(h->mount);
    for (char *slash = at + strlen(h->mount); slash;) {
        slash = strchr(slash + 1, '/');
        if (slash)
            *slash = '\0';
        for (size_t i = 0; i < ARRAY_LEN(files); i++) {
            _cleanup_free_ char *own = xasprintf("%s/%s", at, files[i]);
            _cleanup_free_ char *from = xasprintf("%s/%s", above, files[i]);
            char now[4096], value[4096];
            int r = cgroup_read_file(own, now, sizeof(now));
            if (r == 0 && *now && *now != '\n')
                continue;
            if (r == 0)
                r = cgroup_read_file(from, value, sizeof(value));
            if (r == 0)
                r = write_existing_at(AT_FDCWD, own, value);
            if (r < 0)
                return r;
        }
        free(above);
        above = xstrdup(at);
        if (slash)
            *slash = '/';
    }
    return 0;
}

int cgroup_check_joined(const char *path, struct err *e)
{
    char text[16384];
    int r = cgroup_read_file("/proc/self/cgroup", text, sizeof(text));
    if (r < 0)
        return err_set(e, r, "read `/proc/self/cgroup`");
    size_t length = strlen(path);
    char *rest = text;
    for (char *line; (line = strsep(&rest, "\n"));) {
        size_t size = strlen(line);
        if (size && (size <= length || line[size - length - 1] != '/' ||
                     !streq(line + size - length, path)))
            return err_say(e, -EPERM,
                           "the container has no cgroup of its own in `%s`, which with "
                           "CAP_SYS_ADMIN it could mount",
                           line);
    }
    return 0;
}
