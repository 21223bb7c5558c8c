/* netctr network rm, prune, link, unlink: what is decided while no container can come or go.
 *
 * All of it is done under the store's lock: a container that is about to start on a network either has
 * its name already and is seen, or finds the network gone.
 */
#include "life/control.h"
#include "network.h"

#include <errno.h>
#include <string.h>
#include <time.h>

/* ---- who is on it ----------------------------------------------------------------------------*/

struct users {
    struct world *world;
    const char *network;
    bool ended_too;
    strv names;
};

static bool names_network(const struct record *r, const char *network)
{
    strv_each (text, r->spec.networks) {
        const char *rest = skip_prefix(text, network);
        if (rest && (!*rest || *rest == ':'))
            return true;
    }
    return false;
}

static int find_user(const struct record *r, void *arg)
{
    struct users *u = arg;
    bool alive = r->status != STATUS_EXITED;
    _cleanup_endpoint_ struct endpoint ep = {0};
    _cleanup_close_ int dir = alive ? store_live_dir(&u->world->store, r->spec.name) : -1;
    bool on_it = dir >= 0 && endpoint_load(dir, u->network, &ep, NULL) != -ENOENT;
    if (on_it || ((alive || u->ended_too) && names_network(r, u->network)))
        strv_add(&u->names, r->spec.name);
    return 0;
}

static char *join(char *const *names)
{
    char *text = xstrdup("");
    strv_each (name, names) {
        char *before = text;
        text = xasprintf("%s%s`%s`", before, *before ? ", " : "", name);
        free(before);
    }
    return text;
}

/* ---- rm --------------------------------------------------------------------------------------*/

/* Published ports go with the endpoint that they lead to. */
static int withdraw_ports(struct world *w, const struct record *r, const char *network,
                          struct err *e)
{
    static char *const everything[] = {"--all", NULL};
    _cleanup_endpoint_ struct endpoint ep = {0};
    _cleanup_close_ int dir = store_live_dir(&w->store, r->spec.name);
    if (dir < 0 || endpoint_load(dir, network, &ep, NULL) < 0 || !ep.publishes.count)
        return 0;
    return control_ask(w, r, "unpublish", everything, e);
}

static int disconnect(struct world *w, const char *name, const char *network, struct err *e)
{
    const struct timespec pause = {.tv_nsec = 5000000};
    _cleanup_record_ struct record r = {0};
    _cleanup_free_ char *word = xstrdup(network);
    char *const words[] = {word, NULL};
    int code = world_find(w, name, &r, e);
    if (code == 0 && (r.status == STATUS_CREATING || r.status == STATUS_DEAD)) {
        nanosleep(&pause, NULL); /* it runs soon or is gone soon */
        return 0;
    }
    if (code == 0)
        code = withdraw_ports(w, &r, network, e);
    if (code == 0)
        code = control_ask(w, &r, "disconnect", words, e);
    if (code != -ESRCH && code != -ENOENT) /* it has ended, or is not on it any more */
        return code;
    err_clear(e);
    return 0;
}

/* One that nobody is on, under the store's lock. */
static int remove_unused(struct world *w, struct bridge *bridge, const char *name, struct err *e)
{
    int r = world_forget_network(w, name, e);
    if (r == 0)
        r = network_remove(bridge, name, e);
    if (r == 0)
        world_defined_event(w, "remove", name);
    return r;
}

/* Removes it if nobody is on it; else *users says who. */
static int try_remove(struct world *w, struct bridge *bridge, const char *name, strv *users,
                      struct err *e)
{
    struct users u = {.world = w, .network = name};
    _cleanup_close_ int lock = store_lock(&w->store, e);
    int r = lock < 0 ? lock : store_each(&w->store, find_user, &u, e);
    if (r == 0 && !u.names)
        r = remove_unused(w, bridge, name, e);
    *users = u.names;
    return r;
}

static int remove_one(struct world *w, struct bridge *bridge, const char *name, bool force,
                      struct err *e)
{
    if (!valid_name(name))
        return err_say(e, -EINVAL, "invalid network name `%s`", name);
    if (streq(name, DEFAULT_NETWORK))
        return err_say(e, -EINVAL, "the default network cannot be removed");
    for (int tries = 0; tries < 200; tries++) {
        _cleanup_strv_ strv users = NULL;
        int r = try_remove(w, bridge, name, &users, e);
        if (r < 0 || !users)
            return r;
        if (!force || tries == 199) {
            _cleanup_free_ char *text = join(users);
            err_say(e, -EBUSY, "network `%s` is in use by container%s %s", name,
                    users[1] ? "s" : "", text);
            return err_hint(e, "`network rm -f` disconnects %s", users[1] ? "them" : "it");
        }
        strv_each (user, users)
            if (r == 0)
                r = disconnect(w, user, name, e);
        if (r < 0)
            return r;
    }
    return -EBUSY;
}

int network_rm(const struct cli *cli, const struct command *command, int argc, char **argv,
               struct err *e)
{
    bool force = false;
    const struct option options[] = {
        {"force", 'f', OPTION_FLAG, NULL, "disconnect running containers first", &force},
        {0},
    };
    int first = command_options(command, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
    if (first == argc)
        return err_say(e, -EINVAL, "usage: netctr %s %s", command->name, command->usage);
    _cleanup_world_ struct world w = {0};
    struct bridge *bridge = NULL;
    int result = cli_bridge(cli, &w, &bridge, e);
    if (result < 0)
        return result;
    for (int i = first; i < argc; i++) {
        _cleanup_err_ struct err why = ERR_INIT;
        int r = remove_one(&w, bridge, argv[i], force, &why);
        if (r == 0)
            printf("%s\n", argv[i]);
        else if (result == 0)
            err_move(e, &why), result = r;
        else
            warn("%s", why.text);
    }
    return result;
}

/* ---- prune -----------------------------------------------------------------------------------*/

static bool confirmed(void)
{
    char answer[16] = "";
    fprintf(stderr, "All networks that no container uses will be removed. Go on? [y/N] ");
    return fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

/* Also one that a container names which has ended stays: it could not start any more. */
static int prune_one(struct world *w, struct bridge *bridge, const char *name, char *const *filters,
                     struct err *e)
{
    _cleanup_network_ struct network n = {0};
    struct users u = {.world = w, .network = name, .ended_too = true};
    if (streq(name, DEFAULT_NETWORK))
        return 0;
    int r = network_load(bridge, name, &n, e);
    if (r < 0 || !network_filters_match(filters, &n))
        return r;
    r = store_each(&w->store, find_user, &u, e);
    bool used = u.names != NULL;
    strv_free(u.names);
    if (r < 0 || used)
        return r;
    r = remove_unused(w, bridge, name, e);
    if (r == 0)
        printf("%s\n", name);
    return r;
}

static int prune(const struct cli *cli, char *const *filters, struct err *e)
{
    _cleanup_world_ struct world w = {0};
    struct bridge *bridge = NULL;
    _cleanup_strv_ strv names = NULL;
    int r = cli_bridge(cli, &w, &bridge, e);
    _cleanup_close_ int lock = r < 0 ? r : store_lock(&w.store, e);
    if (lock < 0)
        return lock;
    r = network_names(bridge, &names, e);
    strv_each (name, names)
        if (r == 0)
            r = prune_one(&w, bridge, name, filters, e);
    return r;
}

int network_prune(const struct cli *cli, const struct command *command, int argc, char **argv,
                  struct err *e)
{
    bool force = false;
    _cleanup_strv_ strv filters = NULL;
    const struct option options[] = {
        {"force", 'f', OPTION_FLAG, NULL, "do not ask", &force},
        {"filter", 0, OPTION_LIST, "K=V", "label=K[=V], label!=K[=V], name=PART", &filters},
        {0},
    };
    int first = command_options(command, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
    if (first < argc)
        return err_say(e, -EINVAL, "`network prune` takes no names");
    int r = network_filters_check(filters, e);
    if (r < 0)
        return r;
    return force || confirmed() ? prune(cli, filters, e) : 0;
}

/* ---- link, unlink ----------------------------------------------------------------------------*/

static int change_link(const struct cli *cli, const struct command *command, int argc, char **argv,
                       bool allow, struct err *e)
{
    const struct option options[] = {{0}};
    int first = command_options(command, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
    if (argc - first != 2)
        return err_say(e, -EINVAL, "usage: netctr %s %s", command->name, command->usage);
    for (int i = first; i < argc; i++)
        if (!valid_name(argv[i]))
            return err_say(e, -EINVAL, "invalid network name `%s`", argv[i]);
    _cleanup_world_ struct world w = {0};
    struct bridge *bridge = NULL;
    int r = cli_bridge(cli, &w, &bridge, e);
    if (r == 0)
        r = world_upgrade_tables(&w, e);
    _cleanup_close_ int lock = r < 0 ? r : store_lock(&w.store, e);
    return lock < 0 ? lock : network_link(bridge, argv[first], argv[first + 1], allow, e);
}

int network_link_command(const struct cli *cli, const struct command *command, int argc,
                         char **argv, struct err *e)
{
    return change_link(cli, command, argc, argv, true, e);
}

int network_unlink_command(const struct cli *cli, const struct command *command, int argc,
                           char **argv, struct err *e)
{
    return change_link(cli, command, argc, argv, false, e);
}
