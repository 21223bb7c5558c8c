/* Trees of files as tar archives. Private to core/.
 *
 * Either side may be a container's: what is packed is opened without following links and without opening anything but files
 * and directories, and what is unpacked stays below its target, whatever the archive says.
 */
#pragma once

#include <netctr/core.h>

/** A file system whose files are the kernel's: they have no size, and writing to them changes the host or the container. */
bool tar_is_kernels(int fd);

/** @fd has ended: -ESRCH. -1: is not asked. */
int tar_check_life(int watch, struct err *e);

struct archive_entry;
/** Adds the extended attributes of the file at @fd, which may be an O_PATH one. Returns how many are too long. */
uint64_t tar_read_attributes(int fd, struct archive_entry *entry);
/** Gives those of @entry to @fd; with @privileges also a program's capabilities. Returns how many the file cannot have. */
uint64_t tar_set_attributes(int fd, struct archive_entry *entry, bool privileges);

/** Writes what @top (O_PATH) is to @out, as an archive in which it is called @as. */
int tar_pack(int top, const char *as, int watch, int out, struct err *e);

struct tar_target {
    int root;         /**< @path is resolved beneath it; -1: it is a path of the host */
    const char *path; /**< as the user wrote it */
    const char *
        name; /**< of what is in the archive, if @path is a directory; NULL: its contents go there */
    bool parents; /**< make the directory of @path, if it is not there */
    bool stream;  /**< the archive is the user's: @path is a directory, and everything goes there */
    bool
        owners; /**< take owners and privileges of programs over; else the owner is root, or the caller */
    int watch; /**< as in tar_pack() */
};
/** Reads an archive from @in and makes its files. What is left out is warned about. */
int tar_unpack(const struct tar_target *t, int in, struct err *e);
