/* Ends a rename (rename.c) whose process was killed. A file of its own, because it runs whenever the store is locked. */
#include "files.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

static bool exists(int directory, const char *name)
{
    return file_exists_at(directory, name) == 1;
}

/* The definition decides. What fails is tried again under the next lock. */
static int settle(struct store *s, const char *from, const char *to)
{
    _cleanup_json_ json_t *j = NULL;
    bool renamed = exists(s->defined_fd, to) && !exists(s->defined_fd, from);
    const char *name = renamed ? to : from;
    if (renamed && exists(s->live_fd, from) && !exists(s->live_fd, to) &&
        renameat(s->live_fd, from, s->live_fd, to) < 0)
        return -errno;
    _cleanup_free_ char *config = xasprintf("%s/" CONFIG_FILE, name);
    const char *id = json_read_at(s->defined_fd, config, &j, NULL) < 0 ? NULL : json_str(j, "id");
    if (id && id_is_whole(id))
        (void)ids_add(s, id, name, NULL);
    return 0;
}

void store_settle_rename(struct store *s)
{
    char text[PATH_MAX];
    ssize_t n = readlinkat(s->run_fd, RENAMING, text, sizeof(text) - 1);
    if (n < 0)
        return;
    text[n] = '\0';
    char *space = strchr(text, ' ');
    if (space)
        *space = '\0';
    if (!space || !valid_name(text) || !valid_name(space + 1) || settle(s, text, space + 1) == 0)
        (void)unlinkat(s->run_fd, RENAMING, 0);
}
