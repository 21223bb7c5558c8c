/* Subnets and leases: no address is allocated twice, whatever happens to the file. */
#include "check.h"

#include <netctr/ipam.h>

#include <inttypes.h>
#include <sys/mman.h>
#include <time.h>

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
        {"10.88.0.0", "is not ADDRESS/PREFIX"},
        {"/16", "is not ADDRESS/PREFIX"},
        {"", "is not ADDRESS/PREFIX"},
        {"10.88/16", "is not ADDRESS/PREFIX"},
        {"010.88.0.0/16", "is not ADDRESS/PREFIX"},
        {"fd00:1::1::/64", "is not ADDRESS/PREFIX"},
        {"10.88.0.0/", "between 1 and 30"},
        {"10.88.0.0/0", "between 1 and 30"},
        {"10.88.0.0/31", "between 1 and 30"},
        {"10.88.0.0/16/16", "between 1 and 30"},
        {"10.88.0.0/-1", "between 1 and 30"},
        {"10.88.0.0/255.255.0.0", "between 1 and 30"},
        {"fd00::/127", "between 1 and 126"},
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
        {"fd00::/64", 1, "fd00::1"},
        {"fd00::/64", 65536, "fd00::1:0"},
        {"fd00::/64", 0xfffffffe, "fd00::ffff:fffe"},
        {"fd00::4/126", 2, "fd00::6"},
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

/* ---- leases -----------------------------------------------------------------------------------*/

struct fixture {
    int dir;
    struct subnet subnet, range;
    struct ip gateway;
};

static struct fixture fixture(int dir, const char *prefix)
{
    struct fixture f = {.dir = dir, .subnet = subnet(prefix)};
    f.gateway = subnet_host(&f.subnet, 1);
    (void)unlinkat(dir, "net", 0);
    (void)lease_restore(dir, "net", NULL, 0, NULL);
    return f;
}

/* If @l is NULL, nothing is allocated. */
static int take(const struct fixture *f, const char *owner, const struct ip *wanted,
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
             : lease_examine(f->dir, &pool, &request, e);
}

static const struct ip *address_of(const struct lease *l)
{
    return l->address4.family ? &l->address4 : &l->address6;
}

/* The address that @owner gets, or the error. */
static char *acquire(const struct fixture *f, const char *owner, const char *wanted)
{
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_lease_ struct lease l = {0};
    struct ip want = ip(wanted);
    int r = take(f, owner, *wanted ? &want : NULL, &l, &e);
    if (r < 0)
        return xasprintf("%d: %s", r, text_of(&e));
    return ip_text(address_of(&l));
}

static void gets(const struct fixture *f, const char *name, const char *owner, const char *wanted,
                 const char *expected)
{
    _cleanup_free_ char *got = acquire(f, owner, wanted);
    check(streq(got, expected), name, got);
}

static void release(const struct fixture *f, const char *owner)
{
    _cleanup_err_ struct err e = ERR_INIT;
    int r = lease_release(f->dir, "net", owner, &e);
    if (r < 0)
        check(false, "release", text_of(&e));
}

static void examined(const struct fixture *f, const char *name, const char *wanted,
                     const char *expected)
{
    _cleanup_err_ struct err e = ERR_INIT;
    struct ip want = ip(wanted);
    int r = take(f, "x", &want, NULL, &e);
    check(streq(r < 0 ? text_of(&e) : "", expected), name, r < 0 ? text_of(&e) : "it is granted");
}

static int count_one(const struct lease *l, void *arg)
{
    (void)l;
    return ++*(int *)arg;
}

static int leases(const struct fixture *f)
{
    int count = 0, r = lease_each(f->dir, "net", count_one, &count, NULL);
    return r < 0 ? r : count;
}

static void test_order(int dir)
{
    struct fixture f = fixture(dir, "10.9.0.0/29");
    gets(&f, "first: the one after the gateway", "a", "", "10.9.0.2");
    gets(&f, "the next", "b", "", "10.9.0.3");
    release(&f, "a");
    gets(&f, "a released address is not the next", "c", "", "10.9.0.4");
    gets(&f, "the same owner has the same lease", "c", "", "10.9.0.4");
    gets(&f, "even if it wants another", "c", "10.9.0.6", "10.9.0.4");
    gets(&f, "one that is wanted", "d", "10.9.0.6", "10.9.0.6");
    gets(&f, "which does not move the next", "e", "", "10.9.0.5");
    gets(&f, "around to the released one", "g", "", "10.9.0.2");
    gets(&f, "full", "h", "", "-28: network `net` has no free address left in 10.9.0.0/29");
    release(&f, "b");
    gets(&f, "the only free one", "h", "", "10.9.0.3");
    check(leases(&f) == 5, "five leases", "another number");
    release(&f, "b");
    release(&f, "none");
    check(leases(&f) == 5, "release of nothing", "changes something");
    for (const char *owner = "cdegh"; *owner; owner++)
        release(&f, (char[]){*owner, 0});
    check(leases(&f) == 0, "all released", "some are left");
    gets(&f, "the order goes on when all is free", "i", "", "10.9.0.4");
}

static void test_examine(int dir)
{
    struct fixture f = fixture(dir, "10.9.0.0/29");
    gets(&f, "one that is held", "a", "10.9.0.2", "10.9.0.2");
    examined(&f, "examine: free", "10.9.0.3", "");
    examined(&f, "examine: held", "10.9.0.2", "address 10.9.0.2 is in use by container `a`");
    examined(&f, "examine: the gateway", "10.9.0.1",
             "address 10.9.0.1 is the gateway of network `net`");
    examined(&f, "examine: elsewhere", "10.8.0.3",
             "address 10.8.0.3 is not in 10.9.0.0/29, the subnet of network `net`");
    check(leases(&f) == 1, "examine takes nothing", "it does");
    release(&f, "a");
    examined(&f, "examine: a pausing address may be requested", "10.9.0.2", "");
    (void)unlinkat(dir, "net", 0);
    examined(&f, "examine: without a file no address is in use", "10.9.0.2", "");
}

static void test_wanted(int dir)
{
    struct fixture f = fixture(dir, "10.9.0.0/24");
    gets(&f, "wanted", "a", "10.9.0.77", "10.9.0.77");
    gets(&f, "wanted and taken", "b", "10.9.0.77",
         "-98: address 10.9.0.77 is in use by container `a`");
    gets(&f, "wanted outside", "b", "10.9.1.1",
         "-22: address 10.9.1.1 is not in 10.9.0.0/24, the subnet of network `net`");
    gets(&f, "wanted of the other family", "b", "fd00::1",
         "-22: address fd00::1: network `net` has no IPv6");
    gets(&f, "the gateway", "b", "10.9.0.1",
         "-98: address 10.9.0.1 is the gateway of network `net`");
    gets(&f, "the network address", "b", "10.9.0.0",
         "-22: address 10.9.0.0 is the network address of 10.9.0.0/24, not a host's");
    gets(&f, "the broadcast address", "b", "10.9.0.255",
         "-22: address 10.9.0.255 is the broadcast address of 10.9.0.0/24, not a host's");
    check(leases(&f) == 1, "refusals lease nothing", "they do");
    f = fixture(dir, "10.8.0.0/15");
    gets(&f, "x.x.x.0 in a wide subnet", "a", "10.9.0.0", "10.9.0.0");
    gets(&f, "x.x.x.255 in a wide subnet", "b", "10.8.0.255", "10.8.0.255");
    gets(&f, "the broadcast address of a wide subnet", "c", "10.9.255.255",
         "-22: address 10.9.255.255 is the broadcast address of 10.8.0.0/15, not a host's");
    f = fixture(dir, "fd00::/64");
    gets(&f, "IPv6", "a", "", "fd00::2");
    gets(&f, "IPv6 with high host bits", "b", "fd00::1:0:0:2", "fd00::1:0:0:2");
    gets(&f, "IPv6 goes on", "c", "", "fd00::3");
    gets(&f, "IPv6 has no broadcast", "d", "fd00::ffff:ffff:ffff:ffff",
         "fd00::ffff:ffff:ffff:ffff");
    gets(&f, "every router's address", "e",
         "fd00::", "-22: address fd00:: is the network address of fd00::/64, not a host's");
    f = fixture(dir, "10.9.0.4/30");
    gets(&f, "the smallest subnet", "a", "", "10.9.0.6");
    gets(&f, "is soon full", "b", "", "-28: network `net` has no free address left in 10.9.0.4/30");
    f.gateway = ip("10.9.0.6"); /* not the first address */
    release(&f, "a");
    gets(&f, "another gateway is left out", "a", "", "10.9.0.5");
}

static void test_range(int dir)
{
    struct fixture f = fixture(dir, "10.9.0.0/24");
    f.range = subnet("10.9.0.4/30");
    gets(&f, "a range begins with its first address", "a", "", "10.9.0.4");
    gets(&f, "one that is asked for may lie outside", "b", "10.9.0.99", "10.9.0.99");
    gets(&f, "a range goes on", "c", "", "10.9.0.5");
    gets(&f, "and on", "d", "", "10.9.0.6");
    gets(&f, "to its last", "e", "", "10.9.0.7");
    gets(&f, "and is full", "f", "", "-28: network `net` has no free address left in 10.9.0.4/30");
    release(&f, "c");
    gets(&f, "until one is free", "f", "", "10.9.0.5");
    f = fixture(dir, "10.9.0.0/24");
    f.range = subnet("10.9.0.252/30");
    gets(&f, "a range at the end", "a", "", "10.9.0.252");
    gets(&f, "has", "b", "", "10.9.0.253");
    gets(&f, "no broadcast", "c", "", "10.9.0.254");
    gets(&f, "address", "d", "", "-28: network `net` has no free address left in 10.9.0.252/30");
    f = fixture(dir, "fd00::/64");
    f.range = subnet("fd00::8000:0/97");
    gets(&f, "a wide range", "a", "", "fd00::8000:0");
    gets(&f, "goes on", "b", "", "fd00::8000:1");
}

/* IPv4 and IPv6 in one lease: "ADDRESS4 ADDRESS6", or the error. */
static char *both(int dir, const struct pool *p, const char *owner, const char *wanted4,
                  const char *wanted6, const char *mac)
{
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_lease_ struct lease l = {0};
    struct lease_request q = {ip(wanted4), ip(wanted6), {0}, owner, owner};
    if (mac)
        (void)mac_parse(mac, q.mac);
    int r = lease_acquire(dir, p, &q, &l, &e);
    if (r < 0)
        return xasprintf("%d: %s", r, text_of(&e));
    _cleanup_free_ char *a4 = ip_text(&l.address4), *a6 = ip_text(&l.address6),
                        *m = mac_text(l.mac);
    return mac ? xstrdup(m) : xasprintf("%s %s", a4, a6);
}

static void test_both_families(int dir)
{
    static const struct {
        const char *name, *owner, *wanted4, *wanted6, *mac, *expected;
    } rows[] = {
        {"both families", "a", "", "", NULL, "10.9.0.2 fd00::2"},
        {"an IPv6 address of one's own", "b", "", "fd00::4", NULL, "10.9.0.3 fd00::4"},
        {"is not given to its IPv4 twin", "c", "", "", NULL, "10.9.0.5 fd00::5"},
        {"nor when the twin is asked for", "d", "10.9.0.4", "", NULL,
         "-98: address fd00::4 is in use by container `b`"},
        {"both asked for", "e", "10.9.0.77", "fd00::1:2", NULL, "10.9.0.77 fd00::1:2"},
        {"taken IPv6", "f", "10.9.0.78", "fd00::1:2", NULL,
         "-98: address fd00::1:2 is in use by container `e`"},
        {"the IPv6 gateway", "f", "", "fd00::1", NULL,
         "-98: address fd00::1 is the gateway of network `both`"},
        {"a MAC of one's own", "m", "", "", "02:00:00:00:00:aa", "02:00:00:00:00:aa"},
        {"a taken MAC", "n", "", "", "02:00:00:00:00:aa",
         "-98: MAC address 02:00:00:00:00:aa is in use by container `m` on network `both`"},
        {"the same owner has both again", "b", "", "", NULL, "10.9.0.3 fd00::4"},
    };
    struct pool p = {.network = "both",
                     .subnet4 = subnet("10.9.0.0/24"),
                     .subnet6 = subnet("fd00::/64"),
                     .gateway4 = ip("10.9.0.1"),
                     .gateway6 = ip("fd00::1")};
    static const char *const files[] = {"both", "narrow", "six"};
    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        (void)lease_restore(dir, files[i], NULL, 0, NULL);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_free_ char *got =
            both(dir, &p, rows[i].owner, rows[i].wanted4, rows[i].wanted6, rows[i].mac);
        check(streq(got, rows[i].expected), rows[i].name, got);
    }
    struct pool narrow = p;
    narrow.network = "narrow";
    narrow.subnet6 = subnet("fd00::/125");
    _cleanup_free_ char *first = both(dir, &narrow, "a", "10.9.0.200", "", NULL);
    check(streq(first, "10.9.0.200 fd00::2"), "a narrow IPv6 subnet counts for itself", first);
    struct pool six = {.network = "six", .subnet6 = p.subnet6, .gateway6 = p.gateway6};
    _cleanup_free_ char *low = both(dir, &six, "a", "", "", NULL),
                        *high = both(dir, &six, "b", "", "fd00::1:0:0:2", NULL),
                        *no = both(dir, &six, "c", "10.9.0.2", "", NULL);
    check(streq(low, " fd00::2"), "IPv6 alone", low);
    check(streq(high, " fd00::1:0:0:2"), "IPv6 alone, and the same last bytes", high);
    check(streq(no, "-22: address 10.9.0.2: network `six` has no IPv4"), "IPv4 where there is none",
          no);
    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        (void)unlinkat(dir, files[i], 0);
}

static void test_lease_itself(int dir)
{
    struct fixture f = fixture(dir, "10.88.0.0/16");
    _cleanup_lease_ struct lease l = {0}, again = {0};
    _cleanup_err_ struct err e = ERR_INIT;
    struct ip want = ip("10.88.3.4");
    int64_t now = time(NULL);
    int r = take(&f, "web", &want, &l, &e);
    _cleanup_free_ char *mac = mac_text(l.mac);
    check(r == 0 && streq(mac, "02:42:0a:58:03:04") && streq(l.container, "web") &&
              streq(l.owner, "web") && l.since >= now && l.since <= now + 5,
          "a lease says whose it is", text_of(&e));
    r = take(&f, "web", NULL, &again, &e);
    check(r == 0 && again.since == l.since && memcmp(again.mac, l.mac, 6) == 0 &&
              ip_equal(&again.address4, &l.address4) && streq(again.container, "web"),
          "and says it again, from the file", text_of(&e));
    struct stat st;
    check(fstatat(dir, "net", &st, 0) == 0 && (st.st_mode & 0777) == 0600, "the file is root's",
          "");
    int files = 0;
    _cleanup_dir_ DIR *d = fdopendir(openat(dir, ".", O_RDONLY | O_CLOEXEC));
    for (struct dirent *entry; (entry = readdir(d));)
        files += valid_name(entry->d_name);
    check(files == 1, "no other file's name could be a network's", "one could");
}

/* ---- damage -----------------------------------------------------------------------------------*/

#define LINE(address) address "  web  02:42:0a:09:00:02  2026-11-23T14:05:00Z  4f1c09d2a7b3\n"

static void put_leases(int dir, const char *boot, const char *rest, size_t size)
{
    char text[1024];
    /* With a correct checksum, so that the lines themselves are checked. */
    _cleanup_free_ char *summed = xasprintf("%s 10.9.0.2\n%s", boot, rest);
    int n =
        snprintf(text, sizeof(text), "# netctr leases 1 boot=%s last=10.9.0.2 sum=%016" PRIx64 "\n",
                 boot, hash64(summed));
    memcpy(text + n, rest, size);
    put_file(dir, "net", text, (size_t)n + size);
}

static void test_damage(int dir)
{
    static const struct {
        const char *name, *text;
    } rows[] = {
        {"half a line", LINE("10.9.0.2") "10.9.0.3  db\n"},
        {"no address", LINE("10.9.0.256")},
        {"a bad MAC", "10.9.0.2  web  02:42:0a:09:00  2026-11-23T14:05:00Z  4f1c09d2a7b3\n"},
        {"a bad time", "10.9.0.2  web  02:42:0a:09:00:02  yesterday  4f1c09d2a7b3\n"},
        {"a bad owner", "10.9.0.2  web  02:42:0a:09:00:02  2026-11-23T14:05:00Z  ../x\n"},
        {"a sixth word", "10.9.0.2  web  02:42:0a:09:00:02  2026-11-23T14:05:00Z  4f1c  more\n"},
        {"garbage", "\x7f"
                    "ELF\n"},
        {"the end is missing", "10.9.0.2  web  02:42:0a:09:00:02  2026-11-23T14:05:00Z  4f1c09"},
    };
    _cleanup_free_ char *boot = NULL;
    (void)boot_id(&boot, NULL);
    struct fixture f = fixture(dir, "10.9.0.0/24");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        put_leases(dir, boot, rows[i].text, strlen(rows[i].text));
        _cleanup_free_ char *got = acquire(&f, "new", "");
        _cleanup_free_ char *name = xasprintf("damaged: %s", rows[i].name);
        check(skip_prefix(got, "-74: the lease file of network `net` is damaged at line "), name,
              got);
        check(lease_release(dir, "net", "x", NULL) == -EBADMSG && leases(&f) == -EBADMSG,
              "neither released nor listed", "it is");
    }
    put_leases(dir, boot, LINE("10.9.0.2") "\0\n" LINE("10.9.0.3"),
               2 * strlen(LINE("10.9.0.2")) + 2);
    gets(&f, "damaged: a NUL byte", "new", "",
         "-74: the lease file of network `net` is damaged at line 3");
    put_leases(dir, boot, LINE("10.9.0.2") "\n" LINE("10.9.0.3"), 2 * strlen(LINE("10.9.0.2")) + 1);
    gets(&f, "an empty line is none", "new", "", "10.9.0.4");
}

/* A missing file tells nothing, least of all that every address is free. */
static void test_missing(int dir)
{
    struct fixture f = fixture(dir, "10.9.0.0/24");
    gets(&f, "the first", "a", "", "10.9.0.2");
    (void)unlinkat(dir, "net", 0);
    gets(&f, "no file, no address", "b", "", "-2: the lease file of network `net` is missing");
    struct lease living = {.address4 = ip("10.9.0.2"), .container = "a", .owner = "a"};
    check(lease_restore(dir, "net", &living, 1, NULL) == 1, "rebuilt", "it is not");
    check(lease_restore(dir, "net", NULL, 0, NULL) == 0, "an existing one is left", "it is not");
    gets(&f, "a running container has its address", "b", "10.9.0.2",
         "-98: address 10.9.0.2 is in use by container `a`");
    put_file(dir, "net", "x", 1);
    check(lease_check(dir, "net", NULL) == -EBADMSG, "damaged", "it is not");
    (void)unlinkat(dir, "net", 0);
    (void)mkdirat(dir, "net", 0700);
    (void)mkdirat(dir, "net/below", 0700);
    check(lease_restore(dir, "net", &living, 1, NULL) == 1, "a directory in its place", "stays");
    gets(&f, "and then", "a", "", "10.9.0.2");
}

static void test_header(int dir)
{
    static const char *const bad[] = {
        "",
        "\n",
        LINE("10.9.0.2"),
        "# netctr leases 1\n",
        "# netctr leases 1 boot= last=10.9.0.2\n",
        "# netctr leases 2 boot=5e0b0000-0000-0000-0000-000000000000 last=\n",
        "# netctr leases 1 boot=5e0b last=10.9.0.2\n",
    };
    struct fixture f = fixture(dir, "10.9.0.0/24");
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        put_file(dir, "net", bad[i], strlen(bad[i]));
        gets(&f, "a damaged header is no other boot", "new", "",
             "-74: the lease file of network `net` is damaged at line 1");
    }
    put_leases(dir, "5e0b0000-0000-0000-0000-000000000000", LINE("10.9.0.2"),
               strlen(LINE("10.9.0.2")));
    check(leases(&f) == 0, "another boot's leases do not count", "they do");
    gets(&f, "after another boot all is free", "new", "", "10.9.0.2");
}

/* ---- many at once -----------------------------------------------------------------------------*/

enum { PROCESSES = 8, EACH = 100 };

static int lease_many(const struct fixture *f, int process, uint32_t *given)
{
    int failed = 0;
    for (int i = 0; i < EACH; i++) {
        _cleanup_free_ char *owner = xasprintf("p%d-%d", process, i);
        _cleanup_lease_ struct lease l = {0};
        if (take(f, owner, NULL, &l, NULL) < 0) {
            failed = 1;
            continue;
        }
        given[i] = subnet_host_number(&f->subnet, &l.address4);
        if (i % 10 == 9 && lease_release(f->dir, "net", owner, NULL) < 0)
            failed = 1;
    }
    return failed;
}

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static void test_parallel(int dir)
{
    struct fixture f = fixture(dir, "10.9.0.0/16");
    size_t size = PROCESSES * EACH * sizeof(uint32_t);
    uint32_t *given = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pids[PROCESSES];
    fflush(stdout);
    for (int i = 0; i < PROCESSES; i++) {
        pids[i] = fork();
        if (pids[i] == 0)
            _exit(lease_many(&f, i, given + i * EACH));
    }
    int failed = 0, twice = 0;
    for (int i = 0; i < PROCESSES; i++) {
        int status;
        failed += waitpid(pids[i], &status, 0) != pids[i] || status != 0;
    }
    qsort(given, PROCESSES * EACH, sizeof(*given), by_value);
    for (int i = 1; i < PROCESSES * EACH; i++)
        twice += given[i] == given[i - 1];
    expect(failed == 0, "8 processes take 100 leases each", "%d failed", failed);
    expect(twice == 0 && given[0] == 2 && given[PROCESSES * EACH - 1] == PROCESSES * EACH + 1,
           "all are distinct and in a row", "%d twice, %u to %u", twice, given[0],
           given[PROCESSES * EACH - 1]);
    expect(leases(&f) == PROCESSES * EACH * 9 / 10, "and all are in the file", "%d", leases(&f));
    munmap(given, size);
}

static int count_lease(const struct lease *l, void *arg)
{
    *(size_t *)arg += l->owner != NULL;
    return 0;
}

/* Far more than a bridge has ports. test_base.c counts the steps of splitting such a text. */
static void test_many(int dir)
{
    enum { COUNT = 10000 };
    _cleanup_free_ struct lease *leases = xcalloc(COUNT, sizeof(*leases));
    struct fixture f = fixture(dir, "10.8.0.0/16");
    (void)unlinkat(dir, "net", 0);
    for (uint32_t i = 0; i < COUNT; i++)
        leases[i] = (struct lease){
            .address4 = subnet_host(&f.subnet, i + 2), .container = "web", .owner = "a"};
    check(lease_restore(dir, "net", leases, COUNT, NULL) == 1, "10,000 leases are written",
          "they are not");
    size_t count = 0;
    expect(lease_each(dir, "net", count_lease, &count, NULL) == 0 && count == COUNT,
           "10,000 leases are read", "%zu", count);
    gets(&f, "the next one", "b", "", "10.8.39.18");
}

int main(void)
{
    _cleanup_scratch_ struct scratch s = scratch_open();
    test_parse();
    test_overlaps();
    test_hosts();
    test_order(s.fd);
    test_examine(s.fd);
    test_wanted(s.fd);
    test_range(s.fd);
    test_both_families(s.fd);
    test_lease_itself(s.fd);
    test_damage(s.fd);
    test_missing(s.fd);
    test_header(s.fd);
    test_many(s.fd);
    test_parallel(s.fd);
    return failures != 0;
}
