/* Who answers for the names of this instance, as it is written down in RUN/names/.server: "PORT tcp", while
 * aardvark-dns listens on that port of every gateway. The firewall follows: the two change together, under
 * the store's lock, under which a reload reads the one to make the other.
 */
#include "resolver.h"

#include "resolv.h"

#include <errno.h>
#include <netctr/names.h>
#include <string.h>

#define SERVER_FILE ".server"

int resolver_possible(struct err *e)
{
    _cleanup_free_ char *program = NULL;
    int r = aardvark_find(&program, e);
    return r > 0 ? helper_possible(e) : r;
}

/* Whom containers can ask themselves while nobody answers for us. A file of the host's that cannot be read
 * is no reason to be without a firewall. */
static void find_upstream(struct resolver *r)
{
    _cleanup_err_ struct err why = ERR_INIT;
    _cleanup_strv_ strv servers = host_resolvers(true, &why);
    if (why.code)
        warn("cannot tell who answers the host: %s", why.text);
    strv_each (server, servers) {
        struct ip ip;
        if (ip_parse(server, &ip) < 0)
            continue;
        struct ip *to = ip.family == AF_INET ? &r->upstream4 : &r->upstream6;
        if (!to->family)
            *to = ip;
    }
}

/* 0 when nobody is written down, or in a way that nobody of us has written. */
static int written_port(int names, uint16_t *out, bool *tcp, struct err *e)
{
    _cleanup_free_ char *text = NULL;
    unsigned port = 0;
    char protocol[8] = "";
    int r = read_state_at(names, SERVER_FILE, 64, &text, NULL);
    if (r < 0 && r != -ENOENT && r != -EBADMSG)
        return err_set(e, r, "read `" SERVER_FILE "`");
    if (r == 0)
        (void)sscanf(text, "%u %7s", &port, protocol);
    *tcp = streq(protocol, "tcp");
    *out = port <= UINT16_MAX ? (uint16_t)port : 0;
    return 0;
}

int resolver_now(struct world *w, struct resolver *out, struct err *e)
{
    int names;
    *out = (struct resolver){0};
    int r = world_names(w, &names, e);
    if (r == 0)
        r = written_port(names, &out->port, &out->tcp, e);
    if (r == 0)
        r = out->port ? 1 : resolver_possible(e);
    if (r > 0)
        find_upstream(out);
    return r;
}

int resolver_set(struct world *w, const struct resolver *now, struct err *e)
{
    int names;
    bool tcp;
    uint16_t old;
    struct bridge *bridge;
    int r = world_names(w, &names, e);
    if (r == 0)
        r = world_bridge(w, &bridge, e);
    if (r == 0)
        r = written_port(names, &old, &tcp, e);
    if (r < 0)
        return r;
    _cleanup_free_ char *text = xasprintf("%u %s\n", now->port, now->tcp ? "tcp" : "udp");
    r = now->port ? write_file_atomic(names, SERVER_FILE, text, strlen(text), 0600)
                  : unlinkat(names, SERVER_FILE, 0);
    if (!now->port)
        (void)tidy_file_at(names, SERVER_FILE);
    if (r < 0 && now->port)
        return err_set(e, r, "write `" SERVER_FILE "`");
    struct resolver whole = *now;
    find_upstream(&whole);
    r = bridge_set_resolver(bridge, NULL, old, &whole, e);
    if (r == -ENOENT) { /* flushed: who makes it anew reads what we have written */
        err_clear(e);
        r = 0;
    }
    return r;
}

int resolver_release(struct world *w, struct err *e)
{
    static const struct resolver nobody = {0};
    int names, r = names_exist(w->store.run_fd);
    if (r < 0)
        return err_set(e, r, "look for the directory of names");
    /* Every command comes by here: who only looks makes nothing, and needs no room for it. */
    if (r == 0 || (r = world_names(w, &names, e)) < 0 || names_any(names))
        return r;
    if (!aardvark_there(names)) {
        (void)aardvark_take_untold(names); /* of one that came and went before anybody was told */
        return 0;
    }
    r = resolver_set(w, &nobody, e);
    if (r == 0)
        r = helper_end(&w->store, RESOLVER, e);
    return r == 0 ? aardvark_remove(names, e) : r;
}

/* ---- networks that go --------------------------------------------------------------------------*/

static bool is_not(const char *network, void *gone)
{
    return !streq(network, gone);
}

int resolver_forget(struct world *w, const char *network, struct err *e)
{
    static const struct resolver nobody = {0};
    int names;
    bool tcp;
    uint16_t port;
    struct bridge *bridge;
    _cleanup_network_ struct network n = {0};
    _cleanup_free_ char *gone = xstrdup(network);
    int r = world_names(w, &names, e);
    /* First: killed after this, the next container is its first, who makes good what is taken away below. */
    if (r == 0)
        r = names_prune(names, is_not, gone, e);
    if (r == 0)
        r = world_bridge(w, &bridge, e);
    if (r == 0)
        r = network_load(bridge, network, &n, e);
    if (r == 0)
        r = written_port(names, &port, &tcp, e);
    if (r == 0)
        r = bridge_set_resolver(bridge, &n, port, &nobody, e);
    if (r == -ENOENT || r == -EBADMSG) { /* flushed; or whoever removes it will say what is wrong */
        err_clear(e);
        r = 0;
    }
    return r;
}

static int note_name(const struct network *n, void *names)
{
    strv_add(names, n->name);
    return 0;
}

static bool is_listed(const char *network, void *names)
{
    return strv_has(*(strv *)names, network);
}

int resolver_prune(struct world *w, struct err *e)
{
    int names;
    struct bridge *bridge;
    _cleanup_strv_ strv there = NULL;
    int r = world_names(w, &names, e);
    if (r == 0)
        r = world_bridge(w, &bridge, e);
    if (r == 0)
        r = network_each(bridge, note_name, &there, e);
    return r == 0 ? names_prune(names, is_listed, &there, e) : r;
}
