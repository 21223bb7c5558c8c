/* The files of a container that has ended belong to one command at a time: two overlays with the same upper layer would
 * damage it. A command that copies locks the directory of the definition; the monitor of a container that was started again
 * shares that lock as long as it lives.
 */
#include "files.h"

#include <errno.h>
#include <sys/file.h>

int container_share_files(int dir, const char *name, struct err *e)
{
    if (flock(dir, LOCK_SH | LOCK_NB) == 0)
        return 0;
    if (errno != EWOULDBLOCK)
        return err_set(e, errno, "lock the files of container `%s`", name);
    return err_say(e, -EBUSY, "files of container `%s` are being copied: start it after that",
                   name);
}

int container_hold_files(struct store *s, const struct record *r, struct err *e)
{
    _cleanup_close_ int dir = store_defined_dir(s, r->spec.name);
    _cleanup_record_ struct record now = {0};
    if (dir < 0)
        return err_set(e, dir, "open container `%s`", r->spec.name);
    if (flock(dir, LOCK_EX | LOCK_NB) < 0)
        return errno != EWOULDBLOCK
                   ? err_set(e, errno, "lock the files of container `%s`", r->spec.name)
                   : err_say(e, -EBUSY,
                             "container `%s` is being started, or another command copies its files",
                             r->spec.name);
    /* It may have been started, and perhaps ended, since @r was read. */
    int code = store_find_named(s, r->spec.name, &now, e);
    if (code == 0 && (now.status != STATUS_EXITED || !streq(now.spec.id, r->spec.id)))
        code = err_say(e, -EBUSY, "container `%s` was started a moment ago", r->spec.name);
    return code < 0 ? code : take_fd(dir);
}
