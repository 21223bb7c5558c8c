/* Opening the host's side: directories and sockets, all in the caller's network namespace. */
#include "bridge.h"

#include <errno.h>
#include <string.h>

static int open_directory(int at, const char *name, struct err *e)
{
    if (mkdirat(at, name, 0700) < 0 && errno != EEXIST)
        return err_set(e, errno, "make state directory `%s`", name);
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    return fd < 0 ? err_set(e, errno, "open state directory `%s`", name) : fd;
}

int bridge_open(int root_fd, int run_fd, const char *instance, struct bridge **out, struct err *e)
{
    _cleanup_bridge_ struct bridge *b = xcalloc(1, sizeof(*b));
    b->run_fd = run_fd;
    b->leases_fd = -1;
    b->instance = xstrdup(instance);
    b->networks_fd = open_directory(root_fd, "networks", e);
    if (b->networks_fd < 0)
        return b->networks_fd;
    b->leases_fd = open_directory(run_fd, "leases", e);
    if (b->leases_fd < 0)
        return b->leases_fd;
    int r = rt_open(&b->rt, e);
    if (r == 0)
        r = fw_open(instance, &b->fw, e);
    if (r == 0)
        *out = take_ptr(b);
    return r;
}

int bridge_look(int root_fd, int run_fd, const char *instance, struct bridge **out, struct err *e)
{
    _cleanup_bridge_ struct bridge *b = xcalloc(1, sizeof(*b));
    const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW;
    b->run_fd = run_fd;
    b->leases_fd = run_fd < 0 ? -1 : openat(run_fd, "leases", flags);
    b->instance = xstrdup(instance);
    b->networks_fd = root_fd < 0 ? -1 : openat(root_fd, "networks", flags);
    int r = rt_open(&b->rt, e);
    if (r == 0)
        r = fw_open(instance, &b->fw, e);
    if (r == 0)
        *out = take_ptr(b);
    return r;
}

#define EXPIRY_FILE ".expiry"

/* The answer stands beside the leases with the boot's id: where they outlive the boot, the next kernel
 * may be another one. */
enum expiry bridge_expiry(struct bridge *b)
{
    _cleanup_free_ char *known = NULL, *boot = NULL;
    if (boot_id(&boot, NULL) < 0)
        return EXPIRY_NOT_ASKED;
    _cleanup_free_ char *yes = xasprintf("yes %s\n", boot), *no = xasprintf("no %s\n", boot);
    (void)read_state_at(b->leases_fd, EXPIRY_FILE, 64, &known, NULL);
    return streq(known, yes) ? EXPIRY_YES : streq(known, no) ? EXPIRY_NO : EXPIRY_NOT_ASKED;
}

/* The kernel is asked by effect. Where it cannot be found out, elements are deleted: slower, and right
 * everywhere. */
void bridge_learn_expiry(struct bridge *b)
{
    enum expiry known = bridge_expiry(b);
    bool works = known == EXPIRY_YES;
    _cleanup_free_ char *boot = NULL;
    if (known == EXPIRY_NOT_ASKED && fw_probe_expiry(b->fw, &works, NULL) == 0 &&
        boot_id(&boot, NULL) == 0) {
        _cleanup_free_ char *answer = xasprintf("%s %s\n", works ? "yes" : "no", boot);
        (void)write_file_atomic(b->leases_fd, EXPIRY_FILE, answer, strlen(answer), 0600);
    }
    fw_set_expiry(b->fw, works);
}

void bridge_close(struct bridge *b)
{
    if (!b)
        return;
    close_fd(b->networks_fd);
    close_fd(b->leases_fd);
    rt_close(b->rt);
    fw_close(b->fw);
    free(b->instance);
    free(b);
}

void bridge_cleanup(struct bridge **b)
{
    bridge_close(*b);
}
