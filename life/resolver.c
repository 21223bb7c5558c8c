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

/* Whom containers can ask themselves while nobody answers for us. */
static void find_upstream(struct resolver *r)
{
    _cleanup_strv_ strv servers = host_resolvers(true);
    strv_each (server, servers) {
        struct ip ip;
        if (ip_parse(server, &ip) < 0)
            continue;
        struct ip *to = ip.family == AF_INET ? &r->upstream4 : &r->upstream6;
        if (!to->family)
            *to = ip;
    }
}

static uint16_t written_port(int names, bool *tcp)
{
    _cleanup_free_ char *text = NULL;
    unsigned port = 0;
    char protocol[8] = "";
    if (read_file_at(names, SERVER_FILE, 64, &text, NULL) == 0)
        (void)sscanf(text, "%u %7s", &port, protocol);
    *tcp = streq(protocol, "tcp");
    return port <= UINT16_MAX ? (uint16_t)port : 0;
}

bool resolver_now(struct world *w, struct resolver *out)
{
    int names;
    *out = (struct resolver){0};
    if (world_names(w, &names, NULL) < 0)
        return false;
    out->port = written_port(names, &out->tcp);
    /* Where it only could not be looked for, questions still go to the host's. */
    if (!out->port && resolver_possible(NULL) == 0)
        return false;
    find_upstream(out);
    return true;
}

int resolver_set(struct world *w, const struct resolver *now, struct err *e)
{
    int names;
    bool tcp;
    struct bridge *bridge;
    int r = world_names(w, &names, e);
    if (r == 0)
        r = world_bridge(w, &bridge, e);
    if (r < 0)
        return r;
    uint16_t old = written_port(names, &tcp);
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
    int names;
    int r = world_names(w, &names, e);
    if (r < 0 || !aardvark_there(names) || names_any(names))
        return r;
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
    struct bridge *bridge;
    _cleanup_network_ struct network n = {0};
    _cleanup_free_ char *gone = xstrdup(network);
    int r = world_names(w, &names, e);
    if (r == 0)
        r = world_bridge(w, &bridge, e);
    if (r == 0)
        r = network_load(bridge, network, &n, e);
    if (r == 0)
        r = bridge_set_resolver(bridge, &n, written_port(names, &tcp), &nobody, e);
    if (r == -ENOENT || r == -EBADMSG) { /* flushed; or whoever removes it will say what is wrong */
        err_clear(e);
        r = 0;
    }
    return r == 0 ? names_prune(names, is_not, gone, e) : r;
}

static int note_name(const struct network *n, void *names)
{
    strv_add(names, n->name);
    return 0;
}

static bool is_listed(const char *network, void *names)
{
    strv_each (name, *(strv *)names)
        if (streq(name, network))
            return true;
    return false;
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
