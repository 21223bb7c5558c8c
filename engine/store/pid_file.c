/* --pid-file: the pid of a container's program in a file of the host, for programs that watch one. It is there while the
 * program runs.
 *
 * The file may be in a directory that a container can change. So no part of its path may be a link, and only a file that
 * says what was written is removed: another program may have its own there by now.
 */
#include "files.h"

#include <errno.h>
#include <string.h>

enum { PID_FILE_MAX = 64 };

/* Returns its directory. *@name points into @path. */
static int open_directory(const char *path, const char **name)
{
    const char *slash = strrchr(path, '/');
    _cleanup_free_ char *dir = xstrndup(path, slash == path ? 1 : (size_t)(slash - path));
    *name = slash + 1;
    return open_canonical(dir, O_RDONLY | O_DIRECTORY);
}

/* A device, a FIFO or a link would be replaced, and be gone in the end. */
static bool is_free(int dir, const char *name)
{
    struct stat st;
    return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || S_ISREG(st.st_mode);
}

int pid_file_write(struct container *c, struct err *e)
{
    const char *name, *path = c->spec.pid_file;
    if (!path)
        return 0;
    c->pid_told = c->process.pid;
    _cleanup_free_ char *text = xasprintf("%d\n", c->pid_told);
    _cleanup_close_ int dir = open_directory(path, &name);
    if (dir >= 0 && !is_free(dir, name))
        return err_say(e, -EEXIST, "pid file `%s` exists, and is not a regular file", path);
    int r = dir < 0 ? dir : write_file_atomic(dir, name, text, strlen(text), 0644);
    return r < 0 ? err_set(e, r, "write pid file `%s`", path) : 0;
}

void pid_file_remove(struct container *c)
{
    const char *name;
    if (!c->spec.pid_file || !c->pid_told)
        return;
    _cleanup_free_ char *text = NULL, *ours = xasprintf("%d\n", c->pid_told);
    _cleanup_close_ int dir = open_directory(c->spec.pid_file, &name);
    if (dir >= 0 && read_state_at(dir, name, PID_FILE_MAX, &text, NULL) == 0 && streq(text, ours))
        (void)unlinkat(dir, name, 0);
    if (dir >= 0)
        (void)tidy_file_at(dir, name);
    c->pid_told = 0;
}
