/* Shared by the tests of leases: a network, and who gets which of its addresses. */
#pragma once

#include "check.h"

#include <netctr/ipam.h>

static inline struct subnet subnet(const char *text)
{
    struct subnet s = {0};
    if (*text && subnet_parse(text, &s, NULL) < 0)
        check(false, text, "is no subnet");
    return s;
}

static inline struct ip ip(const char *text)
{
    struct ip a = {0};
    if (*text && ip_parse(text, &a) < 0)
        check(false, text, "is no address");
    return a;
}

/* An empty directory of leases. */
static inline void fresh(int dir, const char *network)
{
    const struct lease_repair empty = {.complete = true, .create = true};
    _cleanup_err_ struct err e = ERR_INIT;
    (void)remove_tree_at(dir, network);
    if (lease_repair(dir, network, &empty, &e) != 1)
        check(false, network, text_of(&e));
}

struct fixture {
    int dir;
    struct subnet subnet, range;
    struct ip gateway;
};

static inline struct fixture fixture(int dir, const char *prefix)
{
    struct fixture f = {.dir = dir, .subnet = subnet(prefix)};
    f.gateway = subnet_host(&f.subnet, 1);
    fresh(dir, "net");
    return f;
}

/* If @l is NULL, nothing is allocated. */
static inline int take(const struct fixture *f, const char *owner, const struct ip *wanted,
                       struct lease *l, struct err *e)
{
    bool four = f->subnet.address.family == AF_INET;
    struct pool pool = {.network = "net"};
    struct lease_request request = {.container = owner, .owner = owner};
    *(four ? &pool.subnet4 : &pool.subnet6) = f->subnet;
    *(four ? &pool.gateway4 : &pool.gateway6) = f->gateway;
    *(four ? &pool.range4 : &pool.range6) = f->range;
    if (wanted)
        *(wanted->family == AF_INET ? &request.address4 : &request.address6) = *wanted;
    return l ? lease_acquire(f->dir, &pool, &request, l, e)
             : lease_examine(f->dir, &pool, &request, NULL, e);
}

static inline const struct ip *address_of(const struct lease *l)
{
    return l->address4.family ? &l->address4 : &l->address6;
}

/* The address that @owner gets, or the error. */
static inline char *acquire(const struct fixture *f, const char *owner, const char *wanted)
{
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_lease_ struct lease l = {0};
    struct ip want = ip(wanted);
    int r = take(f, owner, *wanted ? &want : NULL, &l, &e);
    if (r < 0)
        return xasprintf("%d: %s", r, text_of(&e));
    return ip_text(address_of(&l));
}

static inline void gets(const struct fixture *f, const char *name, const char *owner,
                        const char *wanted, const char *expected)
{
    _cleanup_free_ char *got = acquire(f, owner, wanted);
    check(streq(got, expected), name, got);
}

static inline void release(const struct fixture *f, const char *owner)
{
    _cleanup_err_ struct err e = ERR_INIT;
    int r = lease_release(f->dir, "net", owner, &e);
    if (r < 0)
        check(false, "release", text_of(&e));
}

static inline void examined(const struct fixture *f, const char *name, const char *wanted,
                            const char *expected)
{
    _cleanup_err_ struct err e = ERR_INIT;
    struct ip want = ip(wanted);
    int r = take(f, "x", &want, NULL, &e);
    check(streq(r < 0 ? text_of(&e) : "", expected), name, r < 0 ? text_of(&e) : "it is granted");
}

static inline int count_one(const struct lease *l, void *arg)
{
    (void)l;
    return ++*(int *)arg;
}

static inline int leases(const struct fixture *f)
{
    int count = 0, r = lease_each(f->dir, "net", count_one, &count, NULL);
    return r < 0 ? r : count;
}
