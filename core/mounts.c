#include "mounts.h"

#include <errno.h>
#include <string.h>

#ifndef MOVE_MOUNT_T_EMPTY_PATH
#define MOVE_MOUNT_T_EMPTY_PATH 0x00000040
#endif

/* A file system context holds the file system's own messages about a failure. */
static int explain(int context, int code, const char *type, struct err *e)
{
    char words[512];
    err_set(e, code, "mount a %s file system", type);
    ssize_t n = read(context, words, sizeof(words) - 1);
    if (n > 2) {
        words[n] = '\0';
        words[strcspn(words, "\n")] = '\0';
        err_kernel_says(e, words + 2); /* after "e " */
    }
    return code;
}

int mount_new(const char *type, const struct mount_option *options, unsigned attributes,
              struct err *e)
{
    _cleanup_close_ int context = fsopen(type, FSOPEN_CLOEXEC);
    if (context < 0)
        return err_set(e, errno, "mount a %s file system", type);
    /* The name that /proc/mounts shows. */
    if (fsconfig(context, FSCONFIG_SET_STRING, "source", type, 0) < 0)
        return explain(context, -errno, type, e);
    for (; options && options->key; options++) {
        unsigned how = options->value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG;
        if (fsconfig(context, how, options->key, options->value, 0) < 0)
            return explain(context, -errno, type, e);
    }
    if (fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return explain(context, -errno, type, e);
    int fd = fsmount(context, FSMOUNT_CLOEXEC, attributes);
    return fd < 0 ? explain(context, -errno, type, e) : fd;
}

int mount_clone(int fd, bool recursive, struct err *e)
{
    unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH;
    int clone = open_tree(fd, "", flags | (recursive ? AT_RECURSIVE : 0));
    return clone < 0 ? err_set(e, errno, "clone a mount") : clone;
}

int mount_set(int mount, uint64_t attributes, bool recursive, struct err *e)
{
    struct mount_attr a = {.attr_set = attributes};
    if (mount_setattr(mount, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &a, sizeof(a)) < 0)
        return err_set(e, errno, "set mount attributes");
    return 0;
}

int mount_clear(int mount, uint64_t attributes, struct err *e)
{
    struct mount_attr a = {.attr_clr = attributes};
    if (mount_setattr(mount, "", AT_EMPTY_PATH, &a, sizeof(a)) < 0)
        return err_set(e, errno, "clear mount attributes");
    return 0;
}

int mount_map_ids(int mount, int userns, bool recursive, const char *name, struct err *e)
{
    struct mount_attr a = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)userns};
    if (mount_setattr(mount, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &a, sizeof(a)) ==
        0)
        return 0;
    int r = err_set(e, errno, "map the ids of `%s` to the container's", name);
    if (r == -EINVAL || r == -EPERM) {
        err_say(e, r, "`%s` is on a file system that cannot map ids", name);
        err_hint(e, "--userns=host does without");
    }
    return r;
}

int mount_attach(int mount, int place, const char *name, struct err *e)
{
    if (move_mount(mount, "", place, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
        return err_set(e, errno, "mount on `%s`", name);
    return 0;
}
