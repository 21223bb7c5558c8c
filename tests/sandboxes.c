/* sandboxes - makes and changes sandboxes that have no program, as a lab or a network plugin would, by the public header
 * alone.
 *
 *     sandboxes ROOT RUN pinned ID NAME [NETWORK…]        made, pinned, connected
 *     sandboxes ROOT RUN foreign ID NAME PATH [NETWORK…]  a namespace that exists
 *     sandboxes ROOT RUN connect|disconnect ID NETWORK
 *     sandboxes ROOT RUN publish|unpublish ID PORT…
 *     sandboxes ROOT RUN destroy ID
 *     sandboxes ROOT RUN list                             "ID NAME LIFE alive|dead"
 *     sandboxes ROOT RUN ids ID                           its record's map of ids: "UIDS GIDS", or "host"
 *     sandboxes ROOT RUN in ID COMMAND…                   a program of the host in its namespace
 *
 * With SANDBOX_IDS=FIRST in the environment, those that are made have 65,536 ids of their own, from FIRST on.
 */
#include <netctr/sandbox.h>

#include <errno.h>
#include <sched.h>

static int report(struct err *e)
{
    _cleanup_free_ char *line = err_line(e);
    fprintf(stderr, "sandboxes: %s\n", line);
    err_clear(e);
    return 1;
}

static int connect_one(struct sandbox *sb, const char *network, struct err *e)
{
    _cleanup_connect_request_ struct connect_request request = {0};
    int r = connect_request_parse(network, &request, e);
    return r == 0 ? sandbox_connect(sb, &request, e) : r;
}

static int make(struct sandboxes *all, const struct sandbox_making *what, char *const *networks,
                struct err *e)
{
    struct sandbox *sb = NULL;
    int r = sandbox_make(all, what, &sb, e);
    for (; r == 0 && *networks; networks++)
        r = connect_one(sb, *networks, e);
    sandbox_free(sb);
    return r;
}

static int publish(struct sandbox *sb, bool add, char *const *words, struct err *e)
{
    _cleanup_port_mappings_ struct port_mappings list = {0};
    _cleanup_strv_ strv texts = NULL;
    bool changed;
    int r = 0;
    for (char *const *word = words; r == 0 && *word; word++)
        r = port_mapping_parse(*word, &list, e);
    if (r == 0 && !add)
        return sandbox_unpublish(sb, &list, words[0], &changed, e);
    if (r == 0)
        r = sandbox_publish(sb, &list, e);
    if (r >= 0)
        sandbox_describe(sb, &list, &texts);
    strv_each (text, texts)
        printf("%s\n", text);
    return r < 0 ? r : 0;
}

static int run_in(struct sandbox *sb, char *const *command, struct err *e)
{
    if (setns(sandbox_netns(sb), CLONE_NEWNET) < 0)
        return err_set(e, errno, "enter");
    execvp(command[0], command);
    return err_set(e, errno, "run %s", command[0]);
}

static int change(struct sandboxes *all, const char *what, char *const *argv, struct err *e)
{
    struct sandbox *sb = NULL;
    int r = sandbox_open(all, argv[0], &sb, e);
    if (r < 0)
        return r;
    if (streq(what, "connect"))
        r = connect_one(sb, argv[1], e);
    else if (streq(what, "disconnect"))
        r = sandbox_disconnect(sb, argv[1], false, e);
    else if (streq(what, "publish") || streq(what, "unpublish"))
        r = publish(sb, what[0] == 'p', argv + 1, e);
    else if (streq(what, "in"))
        r = run_in(sb, argv + 1, e);
    else
        r = err_say(e, -EINVAL, "what is `%s`?", what);
    sandbox_free(sb);
    return r;
}

static int show(struct sandbox_record *r, void *arg)
{
    static const char *const lives[] = {"monitored", "pinned", "foreign"};
    (void)arg;
    printf("%s %s %s %s\n", r->id, r->name, lives[r->life],
           r->state == SANDBOX_LIVES ? "alive" : "dead");
    return 0;
}

static int show_ids(struct sandboxes *all, const char *id, struct err *e)
{
    _cleanup_sandbox_record_ struct sandbox_record r = {.dir = -1};
    int code = sandbox_find(all, id, &r, e);
    if (code < 0)
        return code;
    _cleanup_free_ char *uids = id_ranges_text(r.owner.uids, r.owner.uid_count),
                        *gids = id_ranges_text(r.owner.gids, r.owner.gid_count);
    if (id_map_is_host(&r.owner))
        printf("host\n");
    else
        printf("%s %s\n", uids, gids);
    return 0;
}

static int make_pinned(struct sandboxes *all, char *const *argv, struct err *e)
{
    const char *ids = getenv("SANDBOX_IDS");
    uint64_t first = 0;
    if (ids && parse_u64(ids, 1, UINT32_MAX - ID_RANGE_SIZE, &first) < 0)
        return err_say(e, -EINVAL, "`%s` is not an id", ids);
    const struct id_map owner = id_map_of_range((uint32_t)first);
    const struct sandbox_making making = {.life = SANDBOX_PINNED,
                                          .id = argv[1],
                                          .name = argv[2],
                                          .netns = -1,
                                          .owner = ids ? &owner : NULL};
    return make(all, &making, argv + 3, e);
}

static int run(struct sandboxes *all, int argc, char **argv, struct err *e)
{
    const char *what = argv[0];
    if (streq(what, "pinned") && argc >= 3)
        return make_pinned(all, argv, e);
    if (streq(what, "foreign") && argc >= 4)
        return make(all,
                    &(struct sandbox_making){.life = SANDBOX_FOREIGN,
                                             .id = argv[1],
                                             .name = argv[2],
                                             .path = argv[3],
                                             .netns = -1},
                    argv + 4, e);
    if (streq(what, "list"))
        return sandbox_each(all, show, NULL, e);
    if (streq(what, "ids") && argc == 2)
        return show_ids(all, argv[1], e);
    if (streq(what, "destroy") && argc == 2)
        return sandbox_destroy(all, argv[1], e);
    return argc >= 2 ? change(all, what, argv + 1, e) : err_say(e, -EINVAL, "too few words");
}

int main(int argc, char **argv)
{
    _cleanup_err_ struct err e = ERR_INIT;
    struct sandboxes *all = NULL;
    if (argc < 4)
        return 2;
    int r = sandboxes_open(argv[1], argv[2], &all, &e);
    if (r == 0)
        r = run(all, argc - 3, argv + 3, &e);
    sandboxes_free(all);
    return r < 0 ? report(&e) : 0;
}
