/* The lease file of netctr 0.1, RUN/leases/NETWORK, with a line for each lease:
 *
 *     # netctr leases 1 boot=5e0b… last=10.88.0.3 sum=0f31…
 *     10.88.0.2,fd4c::2  web  02:42:0a:58:00:02  2026-11-23T14:05:00Z  4f1c09d2a7b3
 *
 * As long as a monitor of that version lives, it reads and writes this file. So it stays as it is:
 * its leases are listed, and released by removing their line. No address is allocated until
 * lease_repair() replaces it by a directory.
 */
#include "lease_dir.h"

#include "lease_old.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

void old_leases_clear(struct old_leases *o)
{
    for (size_t i = 0; i < o->count; i++)
        lease_clear(&o->leases[i]);
    free(o->leases);
    *o = (struct old_leases){0};
}

static int damaged(const char *network, struct err *e)
{
    err_say(e, -EBADMSG, "the lease file of network `%s` is damaged", network);
    err_hint(e, "`netctr network reload` rebuilds the leases from the running containers");
    return -EBADMSG;
}

/* An address with one digit changed is still an address: only a checksum detects it. */
static char *sum_of(const char *boot, const char *last, const char *lines)
{
    _cleanup_free_ char *all = xasprintf("%s %s\n%s", boot, last, lines);
    return xasprintf("%016" PRIx64, hash64(all));
}

struct old_file {
    char *text, *boot, *last;
    char *lines; /* within text: after the first line */
};

static void old_file_clear(struct old_file *f)
{
    free(f->text);
    free(f->boot);
    free(f->last);
}
#define _cleanup_old_file_ __attribute__((cleanup(old_file_clear)))

static int parse_header(struct old_file *f, size_t size)
{
    int used = 0;
    char *newline = strchr(f->text, '\n');
    /* A NUL byte or a missing final newline would hide what follows. */
    if (!newline || strlen(f->text) != size || f->text[size - 1] != '\n')
        return -EBADMSG;
    f->lines = newline + 1;
    /* sscanf cannot read an empty value for last= */
    if (sscanf(f->text, "# netctr leases 1 boot=%ms last=%n", &f->boot, &used) < 1 || !used)
        return -EBADMSG;
    const char *last = f->text + used, *end = last + strcspn(last, " \n");
    f->last = xstrndup(last, (size_t)(end - last));
    _cleanup_free_ char *sum = sum_of(f->boot, f->last, f->lines),
                        *rest = xstrndup(end, (size_t)(newline - end));
    return streq(skip_prefix(rest, " sum="), sum) ? 0 : -EBADMSG;
}

/* 1, 0: no regular file, or -errno. */
static int read_old(int dirfd, const char *network, struct old_file *f, struct err *e)
{
    struct stat st;
    size_t size;
    if (fstatat(dirfd, network, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
        return 0;
    int r = read_state_at(dirfd, network, 64 << 20, &f->text, &size);
    if (r == 0)
        r = parse_header(f, size);
    if (r == -EBADMSG)
        return damaged(network, e);
    return r < 0 ? err_set(e, r, "read the leases of network `%s`", network) : 1;
}

int old_leases_read(int dirfd, const char *network, struct old_leases *out, struct err *e)
{
    _cleanup_old_file_ struct old_file f = {0};
    _cleanup_free_ char *now = NULL;
    int r = read_old(dirfd, network, &f, e);
    if (r <= 0)
        return r;
    if ((r = boot_id(&now, e)) < 0)
        return r;
    if (!streq(f.boot, now))
        return 1;
    _cleanup_strv_ strv lines = strv_split(f.lines, '\n');
    out->leases = xcalloc(strv_len(lines) + 1, sizeof(*out->leases));
    strv_each (line, lines) {
        struct lease *l = &out->leases[out->count];
        if (!*line)
            continue;
        if (lease_parse(line, l) < 0)
            return damaged(network, e);
        if (valid_name(l->owner))
            out->count++;
        else
            lease_clear(l);
    }
    return 1;
}

int old_leases_release(int dirfd, const char *network, const char *owner, struct err *e)
{
    _cleanup_old_file_ struct old_file f = {0};
    int r = read_old(dirfd, network, &f, e);
    if (r <= 0)
        return r;
    _cleanup_strv_ strv lines = strv_split(f.lines, '\n');
    _cleanup_strings_ struct strings kept = {0};
    strv_each (line, lines) {
        const char *last = strrchr(line, ' ');
        if (!last || !streq(last + 1, owner))
            strings_add(&kept, line);
    }
    _cleanup_free_ char *left = strv_join(kept.items, "\n"), *sum = sum_of(f.boot, f.last, left),
                        *text = xasprintf("# netctr leases 1 boot=%s last=%s sum=%s\n%s", f.boot,
                                          f.last, sum, left);
    r = write_file_atomic(dirfd, network, text, strlen(text), 0600);
    return r < 0 ? err_set(e, r, "write the leases of network `%s`", network) : 1;
}
