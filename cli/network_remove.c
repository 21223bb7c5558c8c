/* netctr network rm, prune, link, unlink: what is decided while no container can come or go.
 *
 * All of it is done under the store's lock: a container that is about to start on a network either has
 * its name already and is seen, or finds the network gone.
 */
#include "engine/control.h"
#include "network.h"

#include <errno.h>
#include <string.h>

/* ---- who is on it ----------------------------------------------------------------------------*/

struct users {
    struct engine *engine;
    const char *network;
    strv names;
    strv texts; /* the same, as the error tells them */
};

bool record_names_network(const struct record *r, const char *network)
{
    strv_each (text, r->spec.networks) {
        const char *rest = skip_prefix(text, network);
        if (rest && (!*rest || *rest == ':'))
            return true;
    }
    return false;
}

/* One that does not run is a user as well: without the network it could not start any more. */
static int find_user(const struct record *r, void *arg)
{
    struct users *u = arg;
    bool alive = r->status != STATUS_EXITED;
    _cleanup_endpoint_ struct endpoint ep = {0};
    _cleanup_close_ int dir = alive ? store_live_dir(&u->engine->store, r->spec.name) : -1;
    bool on_it = dir >= 0 && endpoint_load(dir, u->network, &ep, NULL) != -ENOENT;
    if (!on_it && !record_names_network(r, u->network))
        return 0;
    strv_add(&u->names, r->spec.name);
    strv_add_take(&u->texts, xasprintf("`%s`%s", r->spec.name, alive ? "" : " (stopped)"));
    return 0;
}

static void users_clear(struct users *u)
{
    strv_free(u->names);
    strv_free(u->texts);
}
#define _cleanup_users_ __attribute__((cleanup(users_clear)))

/* ---- rm --------------------------------------------------------------------------------------*/

static int disconnect(struct engine *engine, const char *name, const char *network, struct err *e)
{
    int r = disconnect_container(engine, name, network, e);
    if (r != -ENOENT) /* it is gone, or not on it any more */
        return r;
    err_clear(e);
    return 0;
}

/* One that nobody is on, under the store's lock. */
static int remove_unused(struct engine *engine, struct net *net, const char *name, struct err *e)
{
    int r = engine_forget_network(engine, name, e);
    if (r == 0)
        r = network_remove(net, name, e);
    if (r == 0)
        engine_defined_event(engine, "remove", name);
    return r;
}

static int require_network(struct net *net, const char *name, struct err *e)
{
    _cleanup_network_ struct network n = {0};
    int r = network_load(net, name, &n, e);
    if (r != -ENOENT && r < 0) { /* a damaged definition can be removed */
        err_clear(e);
        r = 0;
    }
    return r;
}

/* Removes it if no container uses it; else *@users tells which do. */
static int try_remove(struct net *net, bool force, struct users *users, struct err *e)
{
    struct engine *engine = users->engine;
    _cleanup_close_ int lock = store_lock(&engine->store, e);
    int r = lock < 0 ? lock : force ? 0 : require_network(net, users->network, e);
    if (r == 0)
        r = store_each(&engine->store, find_user, users, e);
    if (r == 0 && !users->names)
        r = remove_unused(engine, net, users->network, e);
    return r;
}

static int refuse_used(const struct users *u, struct err *e)
{
    bool many = u->names[1] != NULL;
    _cleanup_free_ char *text = strv_join(u->texts, ", ");
    err_say(e, -EBUSY, "network `%s` is used by container%s %s", u->network, many ? "s" : "", text);
    return err_hint(e, "`netctr network rm -f %s` disconnects %s first", u->network,
                    many ? "them" : "it");
}

static int remove_one(struct engine *engine, struct net *net, const char *name, bool force,
                      struct err *e)
{
    if (!valid_name(name))
        return err_say(e, -EINVAL, "invalid network name `%s`", name);
    if (streq(name, DEFAULT_NETWORK))
        return err_say(e, -EINVAL, "the default network cannot be removed");
    for (int tries = 0; tries < 200; tries++) {
        _cleanup_users_ struct users users = {.engine = engine, .network = name};
        int r = try_remove(net, force, &users, e);
        if (r < 0 || !users.names)
            return r;
        if (!force || tries == 199)
            return refuse_used(&users, e);
        strv_each (user, users.names)
            if (r == 0)
                r = disconnect(engine, user, name, e);
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
        {"force", 'f', OPTION_FLAG, NULL,
         "first disconnect its containers, also running ones; no error for one that is not there",
         &force},
        {0},
    };
    int first = command_options(command, options, true, &argc, argv, e);
    if (first <= 0)
        return first;
    if (first == argc)
        return err_say(e, -EINVAL, "usage: netctr %s %s", command->name, command->usage);
    _cleanup_engine_ struct engine engine = {0};
    struct net *net = NULL;
    int result = cli_bridge(cli, &engine, &net, e);
    if (result == 0)
        result = engine_upgrade_tables(&engine, e);
    if (result < 0)
        return result;
    for (int i = first; i < argc; i++) {
        _cleanup_err_ struct err why = ERR_INIT;
        int r = remove_one(&engine, net, argv[i], force, &why);
        if (r == 0)
            printf("%s\n", argv[i]);
        else if (r == -ENOENT && force)
            continue;
        else if (result == 0)
            err_move(e, &why), result = r;
        else
            warn_err(&why);
    }
    return result;
}

/* ---- prune -----------------------------------------------------------------------------------*/

static bool confirmed(void)
{
    char answer[16] = "";
    fprintf(stderr, "Remove all networks that no container uses? [y/N] ");
    return fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

static int prune_one(struct engine *engine, struct net *net, const char *name, char *const *filters,
                     struct err *e)
{
    _cleanup_network_ struct network n = {0};
    _cleanup_users_ struct users u = {.engine = engine, .network = name};
    if (streq(name, DEFAULT_NETWORK))
        return 0;
    int r = network_load(net, name, &n, e);
    if (r < 0 || !network_filters_match(filters, &n))
        return r;
    r = store_each(&engine->store, find_user, &u, e);
    if (r < 0 || u.names)
        return r;
    r = remove_unused(engine, net, name, e);
    if (r == 0)
        printf("%s\n", name);
    return r;
}

static int prune(const struct cli *cli, char *const *filters, struct err *e)
{
    _cleanup_engine_ struct engine engine = {0};
    struct net *net = NULL;
    _cleanup_strv_ strv names = NULL;
    int r = cli_bridge(cli, &engine, &net, e);
    if (r == 0)
        r = engine_upgrade_tables(&engine, e);
    _cleanup_close_ int lock = r < 0 ? r : store_lock(&engine.store, e);
    if (lock < 0)
        return lock;
    r = network_names(net, &names, e);
    strv_each (name, names)
        if (r == 0)
            r = prune_one(&engine, net, name, filters, e);
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
    _cleanup_engine_ struct engine engine = {0};
    struct net *net = NULL;
    int r = cli_bridge(cli, &engine, &net, e);
    if (r == 0)
        r = engine_upgrade_tables(&engine, e);
    _cleanup_close_ int lock = r < 0 ? r : store_lock(&engine.store, e);
    return lock < 0 ? lock : network_link(net, argv[first], argv[first + 1], allow, e);
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
