/* Shared by the fuzz targets. A target is one file with the function that libFuzzer calls (`make fuzz`);
 * linked with replay.c instead, it runs its corpus once (`make check`). It must depend on nothing but its
 * input, and change nothing but a directory and a network namespace of its own.
 *
 * If a parser is static, its target includes the file that contains it.
 */
#pragma once

#include <netctr/base.h>

#include <errno.h>
#include <sched.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/** Must hold for every input. */
#define must(condition)                                                             \
    do {                                                                            \
        if (!(condition)) {                                                         \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                                \
        }                                                                           \
    } while (0)

/** The input as text, up to its first NUL; caller frees. */
static inline char *input_text(const uint8_t *data, size_t size)
{
    return xstrndup((const char *)data, size);
}

/** The input as JSON if it is an object, as json_read_at() accepts it. */
static inline json_t *input_object(const uint8_t *data, size_t size)
{
    json_t *j = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
    if (json_is_object(j))
        return j;
    json_decref(j);
    return NULL;
}

/** The input after the first line @mark, which ends the part before it; NULL if there is none. */
static inline const uint8_t *input_part(const uint8_t *data, size_t *size, const char *mark,
                                        size_t *rest)
{
    const uint8_t *at = memmem(data, *size, mark, strlen(mark));
    if (!at)
        return NULL;
    *rest = *size - (size_t)(at - data) - strlen(mark);
    *size = (size_t)(at - data);
    return at + strlen(mark);
}

static char scratch_path[] = "/tmp/netctr-fuzz.XXXXXX";
static inline void scratch_remove(void)
{
    (void)remove_tree_at(AT_FDCWD, scratch_path);
}
/** A directory that exists as long as the process. */
static inline int scratch_dir(void)
{
    static int fd = -1;
    if (fd >= 0)
        return fd;
    must(mkdtemp(scratch_path));
    (void)atexit(scratch_remove);
    fd = open(scratch_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    must(fd >= 0);
    return fd;
}

static inline void put(int dirfd, const char *path, const void *data, size_t size)
{
    _cleanup_close_ int fd = openat(dirfd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    must(fd >= 0 && write_all(fd, data, size) == 0);
}
