/* Subnets: parsing, overlaps, host numbers. */
#include "check.h"

/* ---- subnets ----------------------------------------------------------------------------------*/

static void test_parse(void)
{
    static const struct {
        const char *text, *says; /* NULL: valid */
    } rows[] = {
        {"10.88.0.0/16", NULL},
        {"10.89.1.0/24", NULL},
        {"10.89.1.4/30", NULL},
        {"128.0.0.0/1", NULL},
        {"fd00:1::/64", NULL},
        {"fd00::4/126", NULL},
        {"10.89.1.4/31", NULL},
        {"10.89.1.5/32", NULL},
        {"fd00::4/127", NULL},
        {"fd00::5/128", NULL},
        {"10.88.0.0", "is not ADDRESS/PREFIX"},
        {"/16", "is not ADDRESS/PREFIX"},
        {"", "is not ADDRESS/PREFIX"},
        {"10.88/16", "is not ADDRESS/PREFIX"},
        {"010.88.0.0/16", "is not ADDRESS/PREFIX"},
        {"fd00:1::1::/64", "is not ADDRESS/PREFIX"},
        {"10.88.0.0/", "between 1 and 32"},
        {"10.88.0.0/0", "between 1 and 32"},
        {"10.88.0.0/33", "between 1 and 32"},
        {"10.88.0.0/16/16", "between 1 and 32"},
        {"10.88.0.0/-1", "between 1 and 32"},
        {"10.88.0.0/255.255.0.0", "between 1 and 32"},
        {"fd00::/129", "between 1 and 128"},
        {"10.88.0.1/16", "the network is 10.88.0.0/16"},
        {"10.89.1.2/30", "the network is 10.89.1.0/30"},
        {"10.88.255.0/17", "the network is 10.88.128.0/17"},
        {"fd00::1/64", "the network is fd00::/64"},
        {"fd00:0:0:1:8000::/64", "the network is fd00:0:0:1::/64"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_err_ struct err e = ERR_INIT;
        struct subnet s;
        int r = subnet_parse(rows[i].text, &s, &e);
        _cleanup_free_ char *name = xasprintf("subnet \"%s\"", rows[i].text);
        _cleanup_free_ char *back = r == 0 ? subnet_text(&s) : NULL;
        check(rows[i].says ? r == -EINVAL && strstr(text_of(&e), rows[i].says)
                           : r == 0 && streq(back, rows[i].text),
              name, r == 0 ? back : text_of(&e));
    }
    _cleanup_free_ char *none = subnet_text(&(struct subnet){0});
    check(streq(none, ""), "no subnet has no text", none);
}

static struct subnet subnet(const char *text)
{
    struct subnet s = {0};
    if (*text && subnet_parse(text, &s, NULL) < 0)
        check(false, text, "is no subnet");
    return s;
}

static struct ip ip(const char *text)
{
    struct ip a = {0};
    if (*text && ip_parse(text, &a) < 0)
        check(false, text, "is no address");
    return a;
}

static void test_overlaps(void)
{
    static const struct {
        const char *a, *b;
        bool overlap;
    } rows[] = {
        {"10.88.0.0/16", "10.88.0.0/16", true},
        {"10.88.0.0/16", "10.88.255.0/24", true},
        {"10.88.0.0/16", "10.89.0.0/16", false},
        {"10.88.0.0/15", "10.89.0.0/16", true},
        {"10.88.1.0/24", "10.88.2.0/24", false},
        {"128.0.0.0/1", "192.168.0.0/16", true},
        {"fd00::/64", "fd00:0:0:1::/64", false},
        {"fd00::/48", "fd00:0:0:1::/64", true},
        {"10.88.0.0/16", "fd00::/64", false},
        {"10.88.0.0/16", "", false},
        {"", "", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct subnet a = subnet(rows[i].a), b = subnet(rows[i].b);
        _cleanup_free_ char *name = xasprintf("overlap of \"%s\" and \"%s\"", rows[i].a, rows[i].b);
        check(subnet_overlaps(&a, &b) == rows[i].overlap &&
                  subnet_overlaps(&b, &a) == rows[i].overlap,
              name, rows[i].overlap ? "not seen" : "is none");
    }
}

static void test_hosts(void)
{
    static const struct {
        const char *subnet;
        uint32_t n;
        const char *host;
    } rows[] = {
        {"10.88.0.0/16", 1, "10.88.0.1"},
        {"10.88.0.0/16", 256, "10.88.1.0"},
        {"10.88.0.0/16", 65534, "10.88.255.254"},
        {"10.89.1.4/30", 2, "10.89.1.6"},
        {"10.89.1.4/31", 1, "10.89.1.5"},
        {"10.89.1.4/32", 0, "10.89.1.4"},
        {"fd00::/64", 1, "fd00::1"},
        {"fd00::/64", 65536, "fd00::1:0"},
        {"fd00::/64", 0xfffffffe, "fd00::ffff:fffe"},
        {"fd00::4/126", 2, "fd00::6"},
        {"fd00::4/127", 0, "fd00::4"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct subnet s = subnet(rows[i].subnet);
        struct ip a = subnet_host(&s, rows[i].n);
        _cleanup_free_ char *text = ip_text(&a);
        _cleanup_free_ char *name = xasprintf("host %u of %s", rows[i].n, rows[i].subnet);
        expect(streq(text, rows[i].host) && subnet_host_number(&s, &a) == rows[i].n &&
                   subnet_contains(&s, &a),
               name, "%s, %u", text, subnet_host_number(&s, &a));
    }
    struct subnet s = subnet("10.88.0.0/17");
    struct ip in = ip("10.88.127.255"), out = ip("10.88.128.0"), six = ip("::1"), none = ip("");
    check(subnet_contains(&s, &in) && !subnet_contains(&s, &out) && !subnet_contains(&s, &six) &&
              !subnet_contains(&s, &none),
          "contains", "wrong");
    struct subnet nothing = {0};
    check(!subnet_contains(&nothing, &in) && !subnet_contains(&nothing, &none),
          "none contains none", "it does");
}

static void test_reserved(void)
{
    static const struct {
        const char *subnet, *address;
        bool reserved;
    } rows[] = {
        {"10.89.1.4/30", "10.89.1.4", true},  {"10.89.1.4/30", "10.89.1.5", false},
        {"10.89.1.4/30", "10.89.1.7", true},  {"10.89.1.4/31", "10.89.1.4", false},
        {"10.89.1.4/31", "10.89.1.5", false}, {"fd00::4/126", "fd00::4", true},
        {"fd00::4/126", "fd00::7", false},    {"fd00::4/127", "fd00::4", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct subnet s = subnet(rows[i].subnet);
        struct ip a = ip(rows[i].address);
        _cleanup_free_ char *name = xasprintf("%s in %s", rows[i].address, rows[i].subnet);
        check(subnet_reserves(&s, &a) == rows[i].reserved, name,
              rows[i].reserved ? "a host's" : "reserved");
    }
}

int main(void)
{
    test_parse();
    test_overlaps();
    test_hosts();
    test_reserved();
    return failures != 0;
}
