/* Sandboxes without a monitor claim their host ports by files, so that one port is looked up without reading the records
 * of all:
 *
 *     RUN/sandboxes/.ports/PROTOCOL.PORT/ID   sandbox ID may publish it: its records say whether it does
 *                   ID/port.PROTOCOL.PORT     the same, for the end of the sandbox; written first and removed last
 *
 * A claim is written while the port's sockets are bound, and these are closed after the record is written. So a process
 * that has bound a port, and reads the claims then, misses none.
 */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#define OWN "port."

char *claims_word(const struct port_mapping *p)
{
    return xasprintf("%u.%u", p->protocol, p->host_port);
}

static int touch(int dir, const char *file)
{
    _cleanup_close_ int fd = openat(dir, file, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    return fd < 0 ? -errno : 0;
}

static int make_claim(int all, const char *word, const char *id)
{
    _cleanup_free_ char *port = xasprintf(PORT_CLAIMS "/%s", word),
                        *file = xasprintf("%s/%s", port, id);
    int r = -ENOENT;
    /* Another process may remove an empty directory in between. */
    for (int tries = 0; r == -ENOENT && tries < 100; tries++) {
        if ((mkdirat(all, PORT_CLAIMS, 0700) < 0 && errno != EEXIST) ||
            (mkdirat(all, port, 0700) < 0 && errno != EEXIST && errno != ENOENT))
            return -errno;
        r = touch(all, file);
    }
    return r;
}

int claims_add(struct sandbox *sb, const struct port_mapping *p, struct err *e)
{
    _cleanup_free_ char *word = claims_word(p), *own = xasprintf(OWN "%s", word);
    int all = sandboxes_dir(sb->all, true, e);
    if (all < 0)
        return all;
    int r = touch(sb->dir, own);
    if (r == 0)
        r = make_claim(all, word, sb->id);
    return r < 0 ? err_set(e, r, "claim port %u", p->host_port) : 0;
}

static int remove_claim(int all, int dir, const char *id, const char *own)
{
    const char *word = skip_prefix(own, OWN);
    _cleanup_free_ char *port = xasprintf(PORT_CLAIMS "/%s", word),
                        *file = xasprintf("%s/%s", port, id);
    if (unlinkat(all, file, 0) < 0 && errno != ENOENT)
        return -errno;
    /* Not empty: others have claims. Gone: killed here, an earlier try may have left the directory above. */
    if (unlinkat(all, port, AT_REMOVEDIR) == 0 || errno == ENOENT)
        (void)unlinkat(all, PORT_CLAIMS, AT_REMOVEDIR);
    return unlinkat(dir, own, 0) < 0 && errno != ENOENT ? -errno : 0;
}

int claims_remove_all(struct sandboxes *s, int dir, const char *id, struct err *e)
{
    int all = sandboxes_dir(s, false, e), r = 0;
    _cleanup_dir_ DIR *d = all < 0 ? NULL : open_listing(dir, ".");
    if (!d)
        return all < 0 ? all : err_set(e, errno, "list the directory of sandbox %s", id);
    for (struct dirent *entry; r == 0 && (entry = next_entry(d, &r));)
        if (skip_prefix(entry->d_name, OWN))
            r = remove_claim(all, dir, id, entry->d_name);
    return r < 0 ? err_set(e, r, "remove the claims of sandbox %s", id) : 0;
}
