/* aardvark-dns 1.4: its files and its command line.
 *
 *     RUN/names/.aardvark/NETWORK     10.88.0.1,fd4c::1 192.0.2.53         gateways, forwarders
 *                                     4f1c09d2a7b3 10.88.0.2 fd4c::2 web,4f1c09d2a7b3 9.9.9.9
 *
 * What one has to know of it: every file in the directory is a network to it, so what is unfinished
 * stays outside; it exits when a file vanishes while it reads; who asks at a gateway and is on no
 * network that it knows is told the names of that gateway's, so that the firewall has to keep out whoever
 * is not on it; it forwards questions to the servers of the asker, or of its network, or of the host.
 */
#include <netctr/names.h>

#include <errno.h>
#include <string.h>

#define DIRECTORY ".aardvark"
#define UNFINISHED ".unfinished"
#define LOG ".aardvark.log"
#define UNTOLD ".untold"
#define OWN_FILE "aardvark.pid"

int aardvark_find(char **out, struct err *e)
{
    static const char *const places[] = {
        "/usr/libexec/podman",   "/usr/lib/podman", "/usr/local/libexec/podman",
        "/usr/local/lib/podman", "/usr/bin",        "/usr/local/bin"};
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        _cleanup_free_ char *path = xasprintf("%s/aardvark-dns", places[i]);
        if (access(path, X_OK) == 0) {
            *out = take_ptr(path);
            return 1;
        }
        if (errno != ENOENT && errno != ENOTDIR && errno != EACCES)
            return err_set(e, errno, "look for `%s`", path);
    }
    return 0;
}

bool aardvark_can(const char *network)
{
    return !streq(network, OWN_FILE);
}

/* ---- files -----------------------------------------------------------------------------------*/

static void put_list(FILE *f, const char *before, char *const *words)
{
    strv_each (word, words) {
        fprintf(f, "%s%s", before, word);
        before = ",";
    }
}

static int put_entry(const struct name_entry *n, void *arg)
{
    _cleanup_free_ char *four = ip_text(&n->address4), *six = ip_text(&n->address6);
    FILE *f = arg;
    fprintf(f, "%s %s %s", n->id, four, six);
    put_list(f, " ", n->names);
    put_list(f, " ", n->servers);
    fputc('\n', f);
    return 0;
}

static int compose(int dir, const struct aardvark_network *n, char **text, size_t *size,
                   struct err *e)
{
    _cleanup_free_ char *four = ip_text(&n->gateway4), *six = ip_text(&n->gateway6);
    FILE *f = open_memstream(text, size);
    if (!f)
        return err_set(e, errno, "write the names of network `%s`", n->name);
    fprintf(f, "%s%s%s", four, *four && *six ? "," : "", six);
    put_list(f, " ", n->servers);
    fputc('\n', f);
    int r = names_each(dir, n->name, put_entry, f, e);
    fclose(f);
    return r;
}

int aardvark_write(int dir, const struct aardvark_network *n, struct err *e)
{
    _cleanup_free_ char *file = xasprintf(DIRECTORY "/%s", n->name), *text = NULL, *old = NULL;
    size_t size = 0;
    int r = compose(dir, n, &text, &size, e);
    if (r < 0)
        return r;
    bool known = read_file_at(dir, file, 64 << 20, &old, NULL) == 0;
    if (known && streq(old, text))
        return AARDVARK_SAME;
    if (mkdirat(dir, DIRECTORY, 0700) < 0 && errno != EEXIST)
        return err_set(e, errno, "make the resolver's directory");
    r = write_file_atomic(dir, UNFINISHED, text, size, 0600);
    if (r == 0 && renameat(dir, UNFINISHED, dir, file) < 0)
        r = -errno;
    if (r < 0)
        return err_set(e, r, "write the resolver's file of network `%s`", n->name);
    return known ? AARDVARK_CHANGED : AARDVARK_NEW;
}

bool aardvark_has(int dir, const char *network)
{
    _cleanup_free_ char *file = xasprintf(DIRECTORY "/%s", network);
    return faccessat(dir, file, F_OK, 0) == 0;
}

int aardvark_untold(int dir, struct err *e)
{
    int fd = openat(dir, UNTOLD, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_set(e, errno, "note that a network is new");
    close(fd);
    return 0;
}

bool aardvark_take_untold(int dir)
{
    return unlinkat(dir, UNTOLD, 0) == 0;
}

int aardvark_remove(int dir, struct err *e)
{
    int r = remove_tree_at(dir, DIRECTORY);
    if (r == 0)
        r = remove_tree_at(dir, LOG);
    if (r == 0)
        r = remove_tree_at(dir, UNTOLD);
    if (r == 0) /* a keeper was killed while it wrote */
        r = remove_tree_at(dir, UNFINISHED);
    if (r == 0)
        r = tidy_file_at(dir, UNFINISHED);
    return r < 0 ? err_set(e, r, "remove the resolver's files") : 0;
}

bool aardvark_there(int dir)
{
    return faccessat(dir, DIRECTORY, F_OK, 0) == 0;
}

/* ---- the program -----------------------------------------------------------------------------*/

int aardvark_log(int dir, struct err *e)
{
    int fd = openat(dir, LOG, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    return fd < 0 ? err_set(e, errno, "open the resolver's log") : fd;
}

strv aardvark_command(const char *program, const char *run, uint16_t port)
{
    strv v = NULL;
    strv_add(&v, program);
    strv_add(&v, "--config");
    strv_add_take(&v, xasprintf("%s/names/" DIRECTORY, run));
    strv_add(&v, "--port");
    strv_add_take(&v, xasprintf("%u", port));
    strv_add(&v, "run");
    return v;
}
