/* A child in a user namespace of its own can open neither the host's directories nor a device, cannot map ids, and cannot
 * make nodes. So a process with the host's privileges does all of it first: it has a mount namespace of its own, because
 * only what is attached in the own namespace can be cloned, or be a layer of an overlay (Linux 6.1). What it has made is
 * detached, and the child attaches it as if it had made it itself.
 */
#include "prepare.h"

#include "mounts.h"
#include "root_mount.h"
#include "source.h"

#include <errno.h>
#include <sched.h>
#include <sys/mount.h>

static int apart(struct err *e)
{
    if (unshare(CLONE_NEWNS) < 0)
        return err_set(e, errno, "make a mount namespace");
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return err_set(e, errno, "make the mounts private");
    return 0;
}

/* The kernel lets a user namespace mount a procfs or sysfs only beside one that is fully visible
 * (mount_too_revealing()). The host's may have mounts on them, as in many a container. So the child finds one of each. */
static int show_whole(int scratch, struct err *e)
{
    static const char *const types[] = {"proc", "sysfs"};
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        _cleanup_close_ int fd = mount_new(types[i], NULL, 0, e);
        if (fd < 0)
            return fd;
        if (mkdirat(scratch, types[i], 0700) < 0)
            return err_set(e, errno, "make a directory for a %s file system", types[i]);
        _cleanup_close_ int place = openat(scratch, types[i], O_PATH | O_DIRECTORY | O_CLOEXEC);
        int r = place < 0 ? err_set(e, errno, "open the directory for a %s file system", types[i])
                          : mount_attach(fd, place, types[i], e);
        if (r < 0)
            return r;
    }
    return 0;
}

static bool has_devices(const struct plan *s)
{
    for (size_t i = 0; i < s->mount_count; i++)
        if (s->mounts[i].what == SOURCE_DEVICES)
            return true;
    return false;
}

static int prepare_kernels(const struct plan *s, int place, struct prepared *out, struct err *e)
{
    const struct mount_option small[] = {{"size", "4k"}, {"nr_inodes", "16"}, {NULL, NULL}};
    _cleanup_close_ int scratch =
        mount_new("tmpfs", small, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, e);
    int r = scratch < 0 ? scratch : mount_attach(scratch, place, s->mount_point, e);
    if (r == 0)
        r = show_whole(scratch, e);
    if (r == 0 && has_devices(s))
        r = dev_nodes(scratch, id_map_root_uid(&s->ids), id_map_root_gid(&s->ids), out->nodes, e);
    return r;
}

static int prepare_files(const struct plan *s, int place, int files, struct prepared *out,
                         struct err *e)
{
    int r = s->file_count ? mount_attach(files, place, s->mount_point, e) : 0;
    for (size_t i = 0; r >= 0 && i < s->file_count; i++)
        r = out->files[i] = source_file(files, s->files[i].name, e);
    return r < 0 ? r : 0;
}

int prepare_mounts(const struct plan *s, int files, struct prepared *out, struct err *e)
{
    *out = (struct prepared){.root = -1, .mounts = xcalloc(s->mount_count + 1, sizeof(int))};
    for (size_t i = 0; i < s->mount_count; i++)
        out->mounts[i] = -1;
    for (size_t i = 0; i < DEV_NODES; i++)
        out->nodes[i] = -1;
    int r = apart(e);
    _cleanup_close_ int place =
        r < 0 ? -1 : source_open("directory", s->mount_point, O_DIRECTORY, e);
    if (place < 0)
        return r < 0 ? r : place;
    r = prepare_kernels(s, place, out, e);
    if (r == 0)
        r = prepare_files(s, place, files, out, e);
    if (r == 0)
        r = out->root = root_mount(s, place, e);
    for (size_t i = 0; r >= 0 && i < s->mount_count; i++)
        if (s->mounts[i].what == SOURCE_PATH)
            r = out->mounts[i] = source_mount(&s->mounts[i], s->namespaces[PLAN_USER].fd, e);
    return r < 0 ? r : 0;
}
