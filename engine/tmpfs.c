/* --tmpfs DST[:OPTION,…]. The options have docker's names. */
#include "internal.h"

#include <errno.h>
#include <string.h>

enum { MODE_MAX = 07777, ID_MAX = INT32_MAX };

static int parse_mode(const char *text, unsigned *mode)
{
    char *end;
    unsigned long value = strtoul(text, &end, 8);
    bool digits = *text && strspn(text, "01234567") == strlen(text);
    if (!digits || *end || value == 0 || value > MODE_MAX)
        return -EINVAL;
    *mode = (unsigned)value;
    return 0;
}

/* "64m", or "10%" of the host's memory, as the kernel accepts it. */
static int parse_tmpfs_size(const char *text, uint64_t *size)
{
    uint64_t percent;
    size_t digits = strspn(text, "0123456789");
    if (streq(text + digits, "%")) {
        _cleanup_free_ char *number = xstrndup(text, digits);
        if (parse_u64(number, 1, 100, &percent) < 0)
            return -EINVAL;
        *size = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE) / 100 * percent;
    } else if (parse_size(text, size) < 0) {
        return -EINVAL;
    }
    return *size < 4096 || *size > INT64_MAX ? -EINVAL : 0;
}

static int parse_inodes(const char *text, uint64_t *inodes)
{
    return parse_size(text, inodes) < 0 || *inodes < 2 || *inodes > INT32_MAX ? -EINVAL : 0;
}

static int parse_id(const char *text, uint32_t *id)
{
    uint64_t value;
    int r = parse_u64(text, 0, ID_MAX, &value);
    if (r == 0)
        *id = (uint32_t)value;
    return r;
}

/* Options with a value. 1: unknown. */
static int take_value(const char *option, struct volume *v)
{
    const char *value;
    if ((value = skip_prefix(option, "size=")))
        return parse_tmpfs_size(value, &v->size);
    if ((value = skip_prefix(option, "nr_inodes=")))
        return parse_inodes(value, &v->inodes);
    if ((value = skip_prefix(option, "uid=")))
        return parse_id(value, &v->uid);
    if ((value = skip_prefix(option, "gid=")))
        return parse_id(value, &v->gid);
    if ((value = skip_prefix(option, "mode=")))
        return parse_mode(value, &v->mode);
    return 1;
}

/* There is no "dev": with CAP_MKNOD, which is a default, a container could create nodes for the host's disks and open
 * them. */
static int take_option(const char *option, struct volume *v)
{
    const struct {
        const char *name;
        bool *flag;
        bool value;
    } flags[] = {
        {"ro", &v->read_only, true}, {"rw", &v->read_only, false}, {"exec", &v->exec, true},
        {"noexec", &v->exec, false}, {"suid", &v->suid, true},     {"nosuid", &v->suid, false},
        {"nodev", NULL, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        if (!streq(option, flags[i].name))
            continue;
        if (flags[i].flag)
            *flags[i].flag = flags[i].value;
        return 0;
    }
    int r = take_value(option, v);
    return r > 0 ? -EINVAL : r;
}

int tmpfs_parse(const char *text, struct volume *out, struct err *e)
{
    size_t length = strcspn(text, ":");
    struct volume v = {0};
    _cleanup_strv_ strv options = text[length] ? strv_split(text + length + 1, ',') : NULL;
    strv_each (option, options)
        if (take_option(option, &v) < 0) {
            err_say(e, -EINVAL, "tmpfs `%s`: unknown option `%s`", text, option);
            err_hint(e, "size=64m, mode=1777, uid=N, gid=N, nr_inodes=N, ro, rw, exec, noexec, "
                        "suid, nosuid");
            return -EINVAL;
        }
    v.target = xstrndup(text, length);
    *out = v;
    return 0;
}
