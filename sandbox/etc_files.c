/* Writes /etc/hosts, /etc/resolv.conf and /etc/hostname of a container at its start and whenever its networks
 * change. The program may write to them as well; what it wrote is kept.
 */
#include "sandbox.h"

#include "etc_text.h"
#include <errno.h>
#include <netctr/names.h>
#include <string.h>

static int write_file(struct sandbox *sb, const char *file, const char *text, struct err *e)
{
    return sb->request.files->write(file, text, sb->request.files->arg, e);
}

static int read_file(struct sandbox *sb, const char *file, char **text, struct err *e)
{
    return sb->request.files->read(file, text, sb->request.files->arg, e);
}

/* ---- the container's networks ---------------------------------------------------------------*/

struct place {
    struct network network;
    struct endpoint endpoint;
    bool served;
};

/* The container's networks. If it shares another container's network, these are the other's, with its
 * addresses. */
struct view {
    struct sandbox *sb;
    struct place shared[16];
    size_t count;
};

static void view_clear(struct view *v)
{
    for (size_t i = 0; i < v->count; i++) {
        network_clear(&v->shared[i].network);
        endpoint_clear(&v->shared[i].endpoint);
    }
}

/* Takes over @endpoint. */
static int add_place(struct view *v, struct net *net, struct endpoint *endpoint, struct err *e)
{
    struct place *p = &v->shared[v->count];
    int r = network_load(net, endpoint->network, &p->network, e);
    if (r < 0)
        return r;
    p->served = network_is_served(&p->network);
    p->endpoint = *endpoint;
    *endpoint = (struct endpoint){0};
    v->count++;
    return 0;
}

static int view_open(struct sandbox *sb, struct view *v, struct err *e)
{
    _cleanup_endpoints_ struct endpoint_list all = {0};
    struct net *net = NULL;
    int records = sb->guest ? sb->dir : sb->shared_records;
    *v = (struct view){.sb = sb};
    if (records < 0)
        return 0;
    int r = endpoint_load_all(records, ".", &all, e);
    if (r == 0)
        r = sandboxes_net(sb->all, &net, e);
    for (size_t i = 0; r == 0 && i < all.count && v->count < ARRAY_LEN(v->shared); i++)
        r = add_place(v, net, &all.items[i], e);
    return r;
}

/* The network whose gateway is the host's address and DNS server for the container: the default route's if
 * possible. With @served only networks with a name server. */
static const struct network *gateway_of(struct view *v, bool served)
{
    struct attachment *best = attachments_gateway(v->sb);
    if (best && (best->served || !served))
        return &best->network;
    for (size_t i = 0; served && i < v->sb->attachment_count; i++)
        if (v->sb->attachments[i].served)
            return &v->sb->attachments[i].network;
    for (size_t i = 0; i < v->count; i++)
        if (served ? v->shared[i].served : network_has_gateway(&v->shared[i].network))
            return &v->shared[i].network;
    return NULL;
}

/* The host's address as the container sees it; NULL: it has none. */
static const struct ip *host_of(struct view *v)
{
    static const struct ip loopback = {.family = AF_INET, .bytes = {127, 0, 0, 1}};
    if (v->sb->request.files->of_host)
        return &loopback;
    const struct network *gateway = gateway_of(v, false);
    if (!gateway)
        return NULL;
    return gateway->gateway4.family ? &gateway->gateway4 : &gateway->gateway6;
}

/* ---- hosts -----------------------------------------------------------------------------------*/

static void put_hosts_line(FILE *f, const struct ip *address, const char *first, const char *second)
{
    _cleanup_free_ char *text = ip_text(address);
    if (!*text)
        return;
    fprintf(f, "%s %s", text, first);
    if (second && !streq(first, second))
        fprintf(f, " %s", second);
    fputc('\n', f);
}

struct others {
    FILE *f;
    const char *own_id;
};

static int put_other(const struct name_entry *n, void *arg)
{
    const struct others *o = arg;
    const struct ip *const addresses[] = {&n->address4, &n->address6};
    for (size_t i = 0; i < ARRAY_LEN(addresses) && !streq(n->id, o->own_id); i++) {
        _cleanup_free_ char *text = ip_text(addresses[i]);
        if (!*text || !n->names)
            continue;
        fputs(text, o->f);
        strv_each (name, n->names)
            fprintf(o->f, " %s", name);
        fputc('\n', o->f);
    }
    return 0;
}

static void put_own(FILE *f, const struct endpoint *ep, const struct sandbox_files *s)
{
    put_hosts_line(f, &ep->address4, s->hostname, s->name);
    put_hosts_line(f, &ep->address6, s->hostname, s->name);
}

/* A container without addresses resolves its own name to loopback. The host's entry for that name, if any,
 * comes first. */
static void put_loopback(FILE *f, const struct view *v)
{
    static const struct ip loopback = {.family = AF_INET, .bytes = {127, 0, 0, 1}};
    const struct sandbox_files *s = v->sb->request.files;
    bool has_address = false;
    for (size_t i = 0; i < v->sb->attachment_count; i++)
        has_address = has_address || !v->sb->attachments[i].network.no_addresses;
    for (size_t i = 0; i < v->count; i++)
        has_address = has_address || !v->shared[i].network.no_addresses;
    if (!has_address)
        put_hosts_line(f, &loopback, s->hostname, s->name);
}

/* netctr's block: the container's addresses, the host's, and the neighbours on networks without a name
 * server. */
static char *make_block(struct view *v)
{
    struct sandbox *sb = v->sb;
    const struct sandbox_files *s = sb->request.files;
    char *text = NULL;
    size_t size = 0;
    int names;
    FILE *f = open_memstream(&text, &size);
    if (!f)
        return xstrdup("");
    for (size_t i = 0; i < sb->attachment_count; i++)
        put_own(f, &sb->attachments[i].endpoint, s);
    for (size_t i = 0; i < v->count; i++)
        put_own(f, &v->shared[i].endpoint, s);
    put_loopback(f, v);
    const struct ip *host = host_of(v);
    if (host)
        put_hosts_line(f, host, "host.containers.internal", "host.docker.internal");
    struct others others = {f, s->id};
    for (size_t i = 0; i < sb->attachment_count; i++)
        if (!sb->attachments[i].served && sandboxes_names(sb->all, &names, NULL) == 0)
            (void)names_each(names, sb->attachments[i].network.name, put_other, &others, NULL);
    fclose(f);
    return text;
}

/* "NAME:ADDRESS", "NAME:host-gateway" */
static strv added_hosts(struct view *v)
{
    const struct ip *host = host_of(v);
    strv lines = NULL;
    strv_each (entry, v->sb->request.files->added) {
        const char *address = strpbrk(entry, ":=");
        bool is_host = address && streq(address + 1, "host-gateway");
        if (!address || (is_host && !host))
            continue;
        _cleanup_free_ char *text = is_host ? ip_text(host) : xstrdup(address + 1);
        strv_add_take(&lines, xasprintf("%s %.*s", text, (int)(address - entry), entry));
    }
    return lines;
}

static int write_hosts(struct view *v, struct err *e)
{
    _cleanup_strv_ strv added = added_hosts(v);
    bool host = v->sb->request.files->of_host;
    _cleanup_free_ char *empty = make_hosts(host, added), *block = make_block(v);
    _cleanup_free_ char *text = hosts_with(empty, block);
    return write_file(v->sb, "hosts", text, e);
}

static int refresh(struct view *v, struct err *e)
{
    _cleanup_free_ char *old = NULL, *text = NULL, *block = make_block(v);
    int r = read_file(v->sb, "hosts", &old, e);
    if (r < 0)
        return r;
    text = hosts_with(old, block);
    if (!text || streq(text, old)) /* the program has replaced the file, or nothing is new */
        return 0;
    return write_file(v->sb, "hosts", text, e);
}

int refresh_hosts(struct sandbox *sb, struct err *e)
{
    __attribute__((cleanup(view_clear))) struct view v;
    int r = view_open(sb, &v, e);
    return r < 0 ? r : refresh(&v, e);
}

/* ---- resolv.conf -----------------------------------------------------------------------------*/

/* A container without a way out gets no name server, lest queries leave the host (CVE-2024-29018). */
static bool has_no_way_out(struct view *v)
{
    return (v->sb->attachment_count || v->count) && !gateway_of(v, false);
}

static char *make_resolv(struct view *v, struct err *e)
{
    const struct sandbox_files *s = v->sb->request.files;
    const struct network *gateway = gateway_of(v, true);
    _cleanup_strv_ strv ours = NULL;
    const struct ip *const addresses[] = {gateway ? &gateway->gateway4 : NULL,
                                          gateway ? &gateway->gateway6 : NULL};
    for (size_t i = 0; gateway && i < ARRAY_LEN(addresses); i++)
        if (addresses[i]->family)
            strv_add_take(&ours, ip_text(addresses[i]));
    const struct resolv_plan plan = {
        .as_is = s->of_host,
        .unreachable = !ours && has_no_way_out(v),
        .ours = ours,
        .servers = s->servers,
        .search = s->search,
        .options = s->options,
    };
    return make_resolv_conf(&plan, e);
}

static int write_resolv(struct view *v, struct err *e)
{
    char *text = make_resolv(v, e);
    if (!text)
        return e->code;
    free(v->sb->resolv);
    v->sb->resolv = text;
    return write_file(v->sb, "resolv.conf", v->sb->resolv, e);
}

/* ---- all three files ------------------------------------------------------------------------*/

int sandbox_write_files(struct sandbox *sb, struct err *e)
{
    __attribute__((cleanup(view_clear))) struct view v;
    _cleanup_free_ char *hostname = xasprintf("%s\n", sb->request.files->hostname);
    int r = view_open(sb, &v, e);
    if (r == 0)
        r = write_hosts(&v, e);
    if (r == 0)
        r = write_file(sb, "hostname", hostname, e);
    return r == 0 ? write_resolv(&v, e) : r;
}

/* Only the program in the container can make one of these files full, too large, leased, read-only or
 * executing; that must not prevent a network from being connected or removed. */
static int spare(int code, struct err *e)
{
    static const int its_own[] = {ENOSPC, EFBIG, ETXTBSY, EPERM, EAGAIN, EROFS};
    for (size_t i = 0; i < ARRAY_LEN(its_own); i++)
        if (code == -its_own[i]) {
            err_clear(e);
            return 0;
        }
    return code;
}

int sandbox_rewrite_files(struct sandbox *sb, struct err *e)
{
    if (!sb->request.files)
        return 0;
    __attribute__((cleanup(view_clear))) struct view v;
    _cleanup_free_ char *now = NULL;
    int r = view_open(sb, &v, e);
    if (r == 0 && (r = refresh(&v, e)) == -ENODATA) { /* the next start writes new ones */
        err_clear(e);
        return 0;
    }
    r = spare(r, e);
    if (r == 0)
        r = spare(read_file(sb, "resolv.conf", &now, e), e);
    return r == 0 && now && streq(now, sb->resolv) ? spare(write_resolv(&v, e), e) : r;
}
