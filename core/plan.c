/* The list of mounts of a plan, and whether a plan can be carried out. Nothing here touches the system. */
#include "plan.h"

#include <errno.h>
#include <string.h>

/* ---- the list of mounts ----------------------------------------------------------------------*/

struct plan_mount *plan_mounts_add(struct plan_mounts *m, enum plan_source what, const char *source,
                                   const char *target, unsigned flags)
{
    if ((m->count & (m->count - 1)) == 0) /* 0, 1, 2, 4 …: full */
        m->list = xrealloc(m->list, m->count ? m->count * 2 : 1, sizeof(*m->list));
    struct plan_mount *mount = &m->list[m->count++];
    *mount = (struct plan_mount){.what = what,
                                 .source = source ? xstrdup(source) : NULL,
                                 .fd = -1,
                                 .target = xstrdup(target),
                                 .flags = flags};
    return mount;
}

void plan_mounts_clear(struct plan_mounts *m)
{
    for (size_t i = 0; i < m->count; i++) {
        free(m->list[i].source);
        free(m->list[i].target);
        strv_free(m->list[i].options);
    }
    free(m->list);
    *m = (struct plan_mounts){0};
}

/* ---- the default -----------------------------------------------------------------------------*/

/* docker's defaults: files that tell a container about the host, or let it change the host. */
static const char *const masked_proc[] = {"/proc/acpi",
                                          "/proc/asound",
                                          "/proc/interrupts",
                                          "/proc/kcore",
                                          "/proc/keys",
                                          "/proc/latency_stats",
                                          "/proc/timer_list",
                                          "/proc/timer_stats",
                                          "/proc/sched_debug",
                                          "/proc/scsi",
                                          NULL};
static const char *const masked_sys[] = {"/sys/firmware", "/sys/devices/virtual/powercap", NULL};
static const char *const read_only_proc[] = {
    "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger", NULL};

static void add_new(struct plan_mounts *m, const char *type, const char *target, unsigned flags,
                    const char *const *options)
{
    struct plan_mount *mount = plan_mounts_add(m, SOURCE_TYPE, type, target, flags | MOUNT_REAL);
    for (; options && *options; options++)
        strv_add(&mount->options, *options);
}

static void add_all(struct plan_mounts *m, enum plan_source what, const char *const *targets,
                    unsigned flags)
{
    for (; *targets; targets++)
        plan_mounts_add(m, what, NULL, *targets, flags | MOUNT_REAL);
}

void plan_default_mounts(struct plan_mounts *m)
{
    static const char *const shm[] = {"mode=1777", "size=65536k", "nr_inodes=16384", NULL};
    static const char *const pts[] = {"newinstance", "ptmxmode=0666", "mode=0620", "gid=5", NULL};
    const unsigned quiet = MOUNT_NOSUID | MOUNT_NOEXEC;
    plan_mounts_add(m, SOURCE_DEVICES, NULL, "/dev", MOUNT_REAL);
    add_new(m, "devpts", "/dev/pts", quiet, pts);
    add_new(m, "tmpfs", "/dev/shm", quiet, shm);
    add_new(m, "mqueue", "/dev/mqueue", quiet, NULL);
    add_new(m, "proc", "/proc", quiet, NULL);
    add_all(m, SOURCE_TARGET, read_only_proc, MOUNT_RDONLY);
    add_all(m, SOURCE_MASK, masked_proc, 0);
    add_new(m, "sysfs", "/sys", quiet | MOUNT_RDONLY | MOUNT_LATE, NULL);
    add_all(m, SOURCE_MASK, masked_sys, MOUNT_LATE);
    /* Read-only: CVE-2023-25809. Programs look there for their limits; a missing one harms nothing. */
    add_new(m, "cgroup", "/sys/fs/cgroup", quiet | MOUNT_RDONLY | MOUNT_LATE | MOUNT_OPTIONAL,
            NULL);
}

/* ---- is it a plan? ---------------------------------------------------------------------------*/

/* An absolute path below the root; without "." and ".." if it is compared with others. */
static bool is_target(const char *path, bool compared)
{
    if (!path || path[0] != '/' || !path[1])
        return false;
    if (!compared)
        return true;
    for (const char *part = path; *part;) {
        size_t n = strcspn(++part, "/");
        if (n == 0 || (n == 1 && part[0] == '.') || (n == 2 && strncmp(part, "..", 2) == 0))
            return false;
        part += n;
    }
    return true;
}

static int check_mount(const struct plan_mount *m, struct err *e)
{
    bool named = m->what == SOURCE_TYPE || m->what == SOURCE_PATH;
    bool from_host = m->what == SOURCE_PATH || m->what == SOURCE_FD;
    bool covers = m->what == SOURCE_TARGET || m->what == SOURCE_MASK;
    if (!is_target(m->target, (m->flags & (MOUNT_REAL | MOUNT_LATE)) || covers))
        return err_say(e, -EINVAL, "mount target `%s` is not an absolute path below /",
                       m->target ? m->target : "");
    if (named && !m->source)
        return err_say(e, -EINVAL, "the mount on `%s` has no source", m->target);
    if (m->what == SOURCE_FD && m->fd < 0)
        return err_say(e, -EINVAL, "the mount on `%s` has no fd", m->target);
    if (from_host && (m->flags & MOUNT_LATE))
        return err_say(e, -EINVAL, "the mount on `%s` comes from the host and cannot be late",
                       m->target);
    return 0;
}

static int check_file(const struct plan_file *f, struct err *e)
{
    if (!f->name || !*f->name || strchr(f->name, '/') || streq(f->name, ".") ||
        streq(f->name, ".."))
        return err_say(e, -EINVAL, "`%s` is not the name of a file", f->name ? f->name : "");
    return is_target(f->target, false)
               ? 0
               : err_say(e, -EINVAL, "the target of file `%s` is not an absolute path below /",
                         f->name);
}

int plan_check(const struct plan *p, struct err *e)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < p->mount_count; i++)
        r = check_mount(&p->mounts[i], e);
    for (size_t i = 0; r == 0 && i < p->file_count; i++)
        r = check_file(&p->files[i], e);
    if (r == 0 && p->file_count > PLAN_FILES_MAX)
        return err_say(e, -EINVAL, "more than %d files are to be made", PLAN_FILES_MAX);
    return r;
}
