/* Which sysctls a container may set: those that belong to its own namespaces. All others are the host's. */
#include "internal.h"

#include <errno.h>
#include <string.h>

static bool is_of_ipc(const char *path)
{
    static const char *const names[] = {"kernel/msgmax", "kernel/msgmnb",         "kernel/msgmni",
                                        "kernel/sem",    "kernel/shmall",         "kernel/shmmax",
                                        "kernel/shmmni", "kernel/shm_rmid_forced"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (streq(path, names[i]))
            return true;
    return skip_prefix(path, "fs/mqueue/") != NULL;
}

static int check_path(const struct spec *s, const char *name, const char *path, struct err *e)
{
    const bool net = skip_prefix(path, "net/") != NULL;
    enum network_word word = network_word(s->network, NULL);
    if (net && word != NETWORK_NAME && word != NETWORK_WORD_NONE)
        return err_say(
            e, -EINVAL,
            "sysctl `%s` cannot be set with `--network %s`: that network namespace is not "
            "the container's own",
            name, s->network);
    if (net || is_of_ipc(path) || streq(path, "kernel/domainname"))
        return 0;
    err_say(e, -EINVAL, "sysctl `%s` is not a container's own: it would change the whole host",
            name);
    if (streq(path, "kernel/hostname"))
        err_hint(e, "`--hostname` sets it");
    else
        err_hint(e,
                 "net.*, fs.mqueue.*, kernel.msg*, kernel.sem, kernel.shm* and kernel.domainname "
                 "can be set here, others with `sysctl -w` on the host");
    return -EINVAL;
}

int sysctls_check(const struct spec *s, struct err *e)
{
    int r = 0;
    strv_each (text, s->sysctls) {
        const char *equals = strchrnul(text, '=');
        _cleanup_free_ char *name = xstrndup(text, (size_t)(equals - text)),
                            *path = sysctl_path(name);
        /* To write nothing would change nothing. */
        if (!*equals || !equals[1] || !path || strchr(text, '\n') || !valid_utf8(text))
            return err_say(e, -EINVAL, "sysctl `%s` is not NAME=VALUE", text);
        if ((r = check_path(s, name, path, e)) < 0)
            return r;
    }
    return 0;
}
