/* Leases: who gets which address. test_lease_dir.c tests what a kill or damage leaves. */
#include "leases.h"

#include <inttypes.h>
#include <sys/mman.h>
#include <time.h>

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

/* RFC 3021, RFC 6164: both addresses are those of hosts. */
static void test_point_to_point(int dir)
{
    struct fixture f = fixture(dir, "10.9.0.4/31");
    f.gateway = subnet_host(&f.subnet, 0);
    gets(&f, "/31 with a gateway: one container", "a", "", "10.9.0.5");
    gets(&f, "/31: no second one", "b", "",
         "-28: network `net` has no free address left in 10.9.0.4/31");
    f = fixture(dir, "10.9.0.4/31");
    f.gateway = (struct ip){0};
    gets(&f, "/31 without a gateway", "a", "10.9.0.4", "10.9.0.4");
    gets(&f, "/31: the other one", "b", "", "10.9.0.5");
    f = fixture(dir, "fd00::4/127");
    f.gateway = subnet_host(&f.subnet, 1);
    gets(&f, "/127: the first one", "a", "", "fd00::4");
    f = fixture(dir, "10.9.0.0/24");
    f.range = subnet("10.9.0.9/32");
    gets(&f, "a range of one", "a", "", "10.9.0.9");
    gets(&f, "a range of one, full", "b", "",
         "-28: network `net` has no free address left in 10.9.0.9/32");
    f.range = subnet("10.9.0.0/32");
    gets(&f, "a range that is the network's address", "c", "",
         "-28: network `net` has no free address left in 10.9.0.0/32");
    f.range = subnet("10.9.0.254/31");
    gets(&f, "a range with the broadcast address", "d", "", "10.9.0.254");
    f = fixture(dir, "fd00::/64");
    f.range = subnet("fd00::9/128");
    gets(&f, "an IPv6 range of one", "a", "", "fd00::9");
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
    (void)remove_tree_at(dir, "net");
    examined(&f, "examine: without a directory no address is in use", "10.9.0.2", "");
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
        fresh(dir, files[i]);
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
        (void)remove_tree_at(dir, files[i]);
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
          "a lease names its owner", text_of(&e));
    r = take(&f, "web", NULL, &again, &e);
    check(r == 0 && again.since == l.since && memcmp(again.mac, l.mac, 6) == 0 &&
              ip_equal(&again.address4, &l.address4) && streq(again.container, "web"),
          "and says it again, from the file", text_of(&e));
    struct stat st;
    check(fstatat(dir, "net/10.88.3.4", &st, 0) == 0 && (st.st_mode & 0777) == 0600,
          "the file is root's", "");
    int files = 0;
    _cleanup_dir_ DIR *d = fdopendir(openat(dir, ".", O_RDONLY | O_CLOEXEC));
    for (struct dirent *entry; (entry = readdir(d));)
        files += valid_name(entry->d_name);
    check(files == 1, "no other file's name could be a network's", "one could");
}

/* ---- holders -----------------------------------------------------------------------------------*/

static void test_holder(int dir)
{
    struct fixture f = fixture(dir, "10.9.0.0/29");
    _cleanup_lease_ struct lease l = {0}, gateway = {0}, seen = {0};
    struct ip want = ip("10.9.0.3"), first = ip("10.9.0.1");
    gets(&f, "held", "a", "10.9.0.3", "10.9.0.3");
    check(take(&f, "b", &want, &l, NULL) == -EADDRINUSE && streq(l.owner, "a") &&
              streq(l.container, "a"),
          "a refusal names the holder", "it does not");
    check(take(&f, "b", &first, &gateway, NULL) == -EADDRINUSE && !gateway.owner,
          "the gateway has none", "it has");
    struct pool p = {.network = "net", .subnet4 = f.subnet, .gateway4 = f.gateway};
    struct lease_request q = {.address4 = want, .container = "b", .owner = "b"};
    check(lease_examine(dir, &p, &q, &seen, NULL) == -EADDRINUSE && streq(seen.owner, "a"),
          "so does examine", "it does not");
    _cleanup_lease_ struct lease found = {0}, none = {0};
    check(lease_find(dir, "net", "a", &found, NULL) == 1 && ip_equal(&found.address4, &want),
          "found by its owner", "it is not");
    check(lease_find(dir, "net", "b", &none, NULL) == 0, "none is found", "one is");
    _cleanup_lease_ struct lease renamed = {0};
    check(lease_rename(dir, "net", "a", "another", NULL) == 0 &&
              lease_find(dir, "net", "a", &renamed, NULL) == 1 &&
              streq(renamed.container, "another") && ip_equal(&renamed.address4, &want) &&
              lease_rename(dir, "net", "b", "another", NULL) == 0 &&
              lease_rename(dir, "net", "a", "two words", NULL) == -EINVAL,
          "its container has another name", "it has not");
}

/* ---- many at once -----------------------------------------------------------------------------*/

enum { PROCESSES = 50, EACH = 20 };

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
    expect(failed == 0, "50 processes take 20 leases each", "%d failed", failed);
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

/* Far more than a bridge has ports. */
static void test_many(int dir)
{
    enum { COUNT = 10000 };
    _cleanup_free_ struct lease *living = xcalloc(COUNT, sizeof(*living));
    _cleanup_free_ char(*owners)[16] = xcalloc(COUNT, sizeof(*owners));
    struct fixture f = fixture(dir, "10.8.0.0/16");
    (void)remove_tree_at(dir, "net");
    for (uint32_t i = 0; i < COUNT; i++) {
        snprintf(owners[i], sizeof(owners[i]), "o%u", i);
        living[i] = (struct lease){
            .address4 = subnet_host(&f.subnet, i + 2), .container = owners[i], .owner = owners[i]};
        memcpy(living[i].mac + 2, living[i].address4.bytes, 4);
    }
    const struct lease_repair how = {.living = living, .count = COUNT, .complete = true};
    check(lease_repair(dir, "net", &how, NULL) == 1, "10,000 leases are written", "they are not");
    size_t count = 0;
    expect(lease_each(dir, "net", count_lease, &count, NULL) == 0 && count == COUNT,
           "10,000 leases are read", "%zu", count);
    gets(&f, "the next one", "b", "", "10.8.39.18");
}

int main(void)
{
    _cleanup_scratch_ struct scratch s = scratch_open();
    test_point_to_point(s.fd);
    test_order(s.fd);
    test_examine(s.fd);
    test_wanted(s.fd);
    test_range(s.fd);
    test_both_families(s.fd);
    test_lease_itself(s.fd);
    test_holder(s.fd);
    test_many(s.fd);
    test_parallel(s.fd);
    return failures != 0;
}
