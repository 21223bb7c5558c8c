/* `-u` against a hostile root: SPEC, a line "%%", /etc/passwd, a line "%%", /etc/group. */
#include "fuzz.h"

#include "core/user.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char mark[] = "\n%%\n";
    size_t passwd_size = 0, group_size = 0;
    const uint8_t *passwd = input_part(data, &size, mark, &passwd_size);
    const uint8_t *group = passwd ? input_part(passwd, &passwd_size, mark, &group_size) : NULL;
    _cleanup_free_ char *spec = input_text(data, size);
    int root = scratch_dir();
    must(mkdirat(root, "etc", 0700) == 0 || errno == EEXIST);
    put(root, "etc/passwd", passwd ? passwd : data, passwd ? passwd_size : 0);
    put(root, "etc/group", group ? group : data, group ? group_size : 0);
    _cleanup_user_ struct container_user u = {0};
    _cleanup_err_ struct err e = ERR_INIT;
    int r = user_resolve(root, spec, &u, &e);
    must((r < 0) == (e.text != NULL));
    if (r == 0)
        must(u.uid <= INT32_MAX && u.gid <= INT32_MAX && u.home && u.home[0] == '/');
    return 0;
}
