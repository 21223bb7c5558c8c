/* Another name for a container that does not run. Its definition gets the new name first, beside the old one, and the old one
 * is valid until the directory is renamed: a kill in between leaves nothing to repair. The link of its id comes last. Without
 * it the list is searched, and gc makes it.
 */
#include "files.h"

#include <errno.h>

/* As it was, but for its name. */
static int write_name(int dir, const char *name, const char *former, struct err *e)
{
    _cleanup_json_ json_t *j = NULL;
    int r = json_read_at(dir, "config.json", &j, e);
    if (r < 0)
        return r;
    json_put_str(j, "name", name);
    json_put_str(j, FORMER_NAME, former);
    return json_write_at(dir, "config.json", j, e);
}

int container_rename(struct store *store, const struct spec *spec, const char *name, struct err *e)
{
    int r = store_require_free(store, name, e);
    _cleanup_close_ int dir = r < 0 ? r : store_defined_dir(store, spec->name);
    if (r < 0 || dir < 0)
        return r < 0 ? r : err_set(e, dir, "open container `%s`", spec->name);
    r = write_name(dir, name, spec->name, e);
    if (r < 0)
        return r;
    if (renameat(store->defined_fd, spec->name, store->defined_fd, name) < 0) {
        r = err_set(e, errno, "rename its directory");
        (void)write_name(dir, spec->name, name, NULL);
        return r;
    }
    (void)ids_add(store, spec->id, name, NULL);
    return 0;
}
