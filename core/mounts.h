/* Mounts as file descriptors: created detached, given their flags, and only then attached, to the fd of a place
 * that was resolved beneath the container's root. No path is resolved twice, so there is no race (CVE-2021-30465),
 * and no mount is visible before it is complete. Linux 5.12 (mount_setattr). Private to core/. */
#pragma once

#include <netctr/base.h>

#include <stdint.h>
#include <sys/mount.h>

struct mount_option {
    const char *key;
    const char *value; /**< NULL: a flag */
};

/** A new file system of @type. @options ends with a NULL key; @attributes are MOUNT_ATTR_…. Returns the detached
 *  mount, or -errno with the file system's own message. */
int mount_new(const char *type, const struct mount_option *options, unsigned attributes,
              struct err *e);
/** A detached copy of the mount at @fd (@recursive: with the mounts below it). */
int mount_clone(int fd, bool recursive, struct err *e);
/** Sets MOUNT_ATTR_… on a mount (@recursive: also on all below it). */
int mount_set(int mount, uint64_t attributes, bool recursive, struct err *e);
/** Takes MOUNT_ATTR_… away. */
int mount_clear(int mount, uint64_t attributes, struct err *e);
/** Maps the ids of a detached mount's files to those of the user namespace @userns (and below it, @recursive): id 1000
 *  on the disk is what 1000 is inside. Linux 5.12, and the file system's support. @name is for messages. */
int mount_map_ids(int mount, int userns, bool recursive, const char *name, struct err *e);
/** Attaches a detached mount to the file or directory @place; @name is for messages. */
int mount_attach(int mount, int place, const char *name, struct err *e);
