/* Another name for a container, which may run.
 *
 * Its name is that of two directories, which cannot be renamed in one step: of its definition, which decides, and of its run
 * directory, which follows. Both files in them get the new name first, beside the old one; each is valid as long as its
 * directory has it. Meanwhile RUN/renaming, a symbolic link, says "OLD NEW". Everything happens under the store's lock, and
 * the next process that gets this lock after a kill ends the work before it does anything else. So under the lock no process
 * ever sees half of it. After a reboot there is no run directory, and the definition alone is valid at any time.
 */
#include "files.h"

#include <errno.h>
#include <sys/file.h>

struct renaming {
    struct store *store;
    const char *id, *from, *to;
    int defined, live; /* its directories; live -1: it has none */
};

static void put_names(json_t *j, const char *name, const char *former)
{
    json_put_str(j, "name", name);
    if (former)
        json_put_str(j, FORMER_NAME, former);
    else
        json_object_del(j, FORMER_NAME);
}

/* As they were, but for the name. */
static int write_names(const struct renaming *x, const char *name, const char *former,
                       struct err *e)
{
    _cleanup_json_ json_t *state = NULL, *config = NULL;
    int r = x->live < 0 ? 0 : json_read_sealed_at(x->live, STATE_FILE, &state, e);
    if (r == 0 && x->live >= 0) {
        put_names(state, name, former);
        r = json_write_sealed_at(x->live, STATE_FILE, state, e);
    }
    if (r == 0)
        r = json_read_at(x->defined, CONFIG_FILE, &config, e);
    if (r < 0)
        return r;
    put_names(config, name, former);
    return json_write_at(x->defined, CONFIG_FILE, config, e);
}

static int move(int directory, const char *from, const char *to, struct err *e)
{
    return renameat(directory, from, directory, to) < 0 ? err_set(e, errno, "rename its directory")
                                                        : 0;
}

static int rename_all(const struct renaming *x, struct err *e)
{
    struct store *s = x->store;
    int r = write_names(x, x->to, x->from, e);
    if (r == 0)
        r = ids_add(s, x->id, x->to, e);
    if (r == 0)
        r = move(s->defined_fd, x->from, x->to, e);
    if (r < 0 || x->live < 0)
        return r;
    r = move(s->live_fd, x->from, x->to, e);
    if (r < 0)
        (void)move(s->defined_fd, x->to, x->from, NULL);
    return r;
}

static int begin(const struct renaming *x, struct err *e)
{
    _cleanup_free_ char *names = xasprintf("%s %s", x->from, x->to);
    if (symlinkat(names, x->store->run_fd, RENAMING) < 0)
        return err_set(e, errno, "write `%s/" RENAMING "`", x->store->run);
    return 0;
}

int container_rename(struct store *store, const struct spec *spec, const char *name, struct err *e)
{
    _cleanup_close_ int defined = store_defined_dir(store, spec->name),
                        live = store_live_dir(store, spec->name);
    const struct renaming x = {store, spec->id, spec->name, name, defined, live};
    int r = store_require_free(store, name, e);
    if (r == 0 && (defined < 0 || (live < 0 && live != -ENOENT)))
        r = err_set(e, defined < 0 ? defined : live, "open container `%s`", spec->name);
    if (r == 0 && flock(defined, LOCK_SH | LOCK_NB) < 0) /* cp mounts its files by path (hold.c) */
        r = errno == EWOULDBLOCK ? err_say(e, -EBUSY, "its files are being copied")
                                 : err_set(e, errno, "lock its files");
    if (r == 0)
        r = begin(&x, e);
    if (r < 0)
        return r;
    r = rename_all(&x, e);
    store_settle_rename(store);
    /* What could not be moved back was moved forward. */
    const bool moved = file_exists_at(store->defined_fd, name) == 1;
    (void)write_names(&x, moved ? name : spec->name, NULL, NULL);
    if (r < 0 && moved && file_exists_at(store->live_fd, spec->name) != 1) {
        err_clear(e);
        r = 0;
    }
    return r;
}
