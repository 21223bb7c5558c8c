/* Checks the running containers: their monitors, and what is in their network namespaces. */
#include "doctor/doctor.h"

#include <errno.h>
#include <string.h>
#include <time.h>

/* ---- gather ----------------------------------------------------------------------------------*/

static int take_container(const struct record *r, void *arg)
{
    struct doctor *d = arg;
    _cleanup_close_ int dir = store_live_dir(d->store, r->spec.name);
    if (r->status == STATUS_EXITED || r->status == STATUS_DEAD || dir < 0)
        return 0;
    d->containers = xrealloc(d->containers, d->container_count + 1, sizeof(*d->containers));
    struct doctor_container *c = &d->containers[d->container_count++];
    *c = (struct doctor_container){.name = xstrdup(r->spec.name),
                                   .network = xstrdup(r->spec.network),
                                   .userns_why = xstrdup(r->spec.userns_why),
                                   .dns = strv_copy(r->spec.dns),
                                   .status = r->status,
                                   .pid = r->pid,
                                   .pid_start = r->pid_start,
                                   .monitor = r->monitor,
                                   .monitor_start = r->monitor_start};
    /* skipped: gc reports damaged records */
    if (r->status == STATUS_RUNNING)
        engine_endpoints(&d->engine, r, &c->endpoints);
    return 0;
}

int doctor_gather_containers(struct doctor *d, struct err *e)
{
    return store_each(d->store, take_container, d, e);
}

int doctor_netns(const struct doctor_container *c)
{
    return c->status == STATUS_RUNNING ? netns_of_process(c->pid, c->pid_start) : -ESRCH;
}

int64_t doctor_age_ms(const struct doctor_container *c)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000 -
           (int64_t)c->pid_start * 1000 / sysconf(_SC_CLK_TCK);
}

/* ---- user namespaces -------------------------------------------------------------------------*/

/* In docker's way root inside is root outside, so this is no problem, but not what the default promises. */
int check_user_namespaces(struct doctor *d, struct err *e)
{
    _cleanup_err_ struct err why = ERR_INIT;
    int r = userns_possible(d->store ? d->store->root : NULL, &why);
    (void)e;
    if (r < 0)
        doctor_say(
            d, NOTE,
            xstrdup(strstr(why.text, "max_user_namespaces")
                        ? "sysctl -w user.max_user_namespaces=65536"
                        : "use Linux 5.19 or later, and root directories on ext4, xfs or btrfs"),
            "containers run in the host's user namespace: %s", why.text);
    for (size_t i = 0; i < d->container_count; i++) {
        const struct doctor_container *c = &d->containers[i];
        if (c->userns_why)
            doctor_say(d, NOTE,
                       xasprintf("netctr rm -f %s, and run it again once that is solved", c->name),
                       "container `%s` is in the host's user namespace: %s", c->name,
                       c->userns_why);
    }
    return 0;
}

/* ---- monitors --------------------------------------------------------------------------------*/

int check_monitors(struct doctor *d, struct err *e)
{
    (void)e;
    for (size_t i = 0; i < d->container_count; i++) {
        const struct doctor_container *c = &d->containers[i];
        _cleanup_close_ int monitor =
            c->monitor > 0 ? pidfd_of(c->monitor, c->monitor_start) : -ESRCH;
        if (monitor >= 0 && proc_state(c->monitor) == 'T')
            doctor_say(
                d, WARNING, xasprintf("kill -CONT %d", c->monitor),
                "the monitor of container `%s` (process %d) has been stopped (SIGSTOP): its log "
                "does not grow, its restart policy does nothing, and commands that change the "
                "container fail",
                c->name, c->monitor);
    }
    return 0;
}

/* ---- interfaces ------------------------------------------------------------------------------*/

struct visit {
    struct doctor *d;
    const struct doctor_container *container;
    const struct endpoint *ep;
    struct link link; /* index 0: not found */
};

static int match_link(const struct link *link, void *arg)
{
    struct visit *v = arg;
    bool named = streq(link->name, v->ep->interface);
    /* The container may have renamed the interface, so it is found by index. */
    if (named || (!v->link.index && memcmp(link->mac, v->ep->mac, 6) == 0))
        v->link = *link;
    return 0;
}

static const char *neighbour_with(const struct visit *v, const struct ip *ip)
{
    for (size_t i = 0; i < v->d->container_count; i++) {
        const struct endpoint_list *l = &v->d->containers[i].endpoints;
        for (size_t k = 0; k < l->count; k++) {
            const struct endpoint *other = &l->items[k];
            if (!streq(other->id, v->ep->id) && streq(other->network, v->ep->network) &&
                (ip_equal(&other->address4, ip) || ip_equal(&other->address6, ip)))
                return v->d->containers[i].name;
        }
    }
    return NULL;
}

static bool is_gateway(const struct visit *v, const struct ip *ip)
{
    const struct network *n = doctor_network(v->d, v->ep->network);
    return n && (ip_equal(&n->gateway4, ip) || ip_equal(&n->gateway6, ip));
}

static void say_stranger(const struct visit *v, const struct address *a)
{
    const struct doctor_container *c = v->container;
    const char *owner = neighbour_with(v, &a->ip);
    _cleanup_free_ char *ip = ip_text(&a->ip), *whose = NULL;
    char *cure = xasprintf("nsenter --target %d --net ip address del %s/%u dev %s", c->pid, ip,
                           a->prefix, v->link.name);
    if (owner)
        whose = xasprintf("container `%s`", owner);
    else if (is_gateway(v, &a->ip))
        whose = xstrdup("the network's gateway");
    if (whose && !v->ep->guard)
        doctor_say(v->d, PROBLEM, cure,
                   "container `%s` has given itself %s, the address of %s on network `%s`, which "
                   "has no guard: packets for it reach one of the two",
                   c->name, ip, whose, v->ep->network);
    else if (whose || v->ep->guard)
        doctor_say(v->d, NOTE, cure,
                   "container `%s` has given itself the address %s on network `%s`: the guard "
                   "drops what it sends from there (a network made with --no-guard lets it pass)",
                   c->name, ip, v->ep->network);
    else
        free(cure);
}

static int judge_address(const struct address *a, void *arg)
{
    struct visit *v = arg;
    if (a->index != v->link.index || (a->ip.family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&a->ip.v6)))
        return 0;
    if (!ip_equal(&a->ip, &v->ep->address4) && !ip_equal(&a->ip, &v->ep->address6))
        say_stranger(v, a);
    return 0;
}

static int look_inside(struct visit *v, struct rt *inside, struct err *e)
{
    int r = rt_each_link(inside, match_link, v, e);
    return r == 0 && v->link.index ? rt_each_address(inside, judge_address, v, e) : r;
}

/* Addresses that containers have given themselves. Addresses that they lack are reported by check_differences. */
int check_interfaces(struct doctor *d, struct err *e)
{
    int first = 0;
    for (size_t i = 0; i < d->container_count; i++) {
        const struct doctor_container *c = &d->containers[i];
        _cleanup_close_ int netns = c->endpoints.count ? doctor_netns(c) : -1;
        _cleanup_rt_ struct rt *inside = NULL;
        _cleanup_err_ struct err why = ERR_INIT;
        int r = netns < 0 ? 0 : netns_open_rt(netns, &inside, &why);
        for (size_t k = 0; r == 0 && inside && k < c->endpoints.count; k++) {
            struct visit v = {.d = d, .container = c, .ep = &c->endpoints.items[k]};
            r = look_inside(&v, inside, &why);
        }
        err_note(&first, r, e, &why);
    }
    return first;
}
