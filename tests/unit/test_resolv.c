/* /etc/hosts and /etc/resolv.conf of a container, on hosts of every kind. In a mount namespace of its own,
 * with its own /etc and /run.
 */
#include "check.h"

#include "sandbox/etc_text.h"

#include <netctr/sandbox.h>

#include <sys/mount.h>

#define NONE "# the host has no resolver that a container can reach\n"

static const struct {
    const char *name, *etc, *run, *result; /* NULL: no such file */
} rows[] = {
    {"plain", "nameserver 192.0.2.1\n", NULL, "nameserver 192.0.2.1\n"},
    {"search and options are kept", "search a b\nnameserver 192.0.2.1\noptions ndots:2\n", NULL,
     "search a b\nnameserver 192.0.2.1\noptions ndots:2\n"},
    {"no newline at the end", "nameserver 192.0.2.1", NULL, "nameserver 192.0.2.1\n"},
    {"a stub, and what it forwards to", "nameserver 127.0.0.53\nsearch a\n",
     "nameserver 192.0.2.2\nsearch b\n", "nameserver 192.0.2.2\nsearch b\n"},
    {"a stub without servers", "nameserver 127.0.0.53\n", "search b\n", NONE},
    {"a stub without its file", "nameserver 127.0.0.53\n", NULL, NONE},
    {"loopback beside another", "nameserver 127.0.0.1\nnameserver 192.0.2.1\n",
     "nameserver 192.0.2.2\n", "nameserver 192.0.2.1\n"},
    {"tabs and more behind", "nameserver\t127.1.2.3 # local\nnameserver \t192.0.2.1 # far\n", NULL,
     "nameserver \t192.0.2.1 # far\n"},
    {"IPv6 loopback", "nameserver ::1\n", NULL, NONE},
    {"IPv6", "nameserver 2001:db8::1\n", NULL, "nameserver 2001:db8::1\n"},
    {"link-local is of the host's link", "nameserver fe80::1%eth0\nnameserver fe80::2\n", NULL,
     NONE},
    {"any address is the host itself", "nameserver 0.0.0.0\nnameserver ::\n", NULL, NONE},
    {"a line without a server", "nameserver\nnameserver \n", NULL, NONE},
    {"a longer word", "nameservers 192.0.2.1\n", NULL, NONE},
    {"a comment", "#nameserver 192.0.2.1\n", NULL, NONE},
    {"an empty file", "", NULL, NONE},
    {"no file", NULL, NULL, NONE},
    {"no file but resolved's", NULL, "nameserver 192.0.2.2\n", "nameserver 192.0.2.2\n"},
};

static const struct resolv_plan usual, as_is = {.as_is = true};

static bool own_etc(void)
{
    return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("none", "/etc", "tmpfs", 0, NULL) == 0 &&
           mount("none", "/run", "tmpfs", 0, NULL) == 0 && mkdir("/run/systemd", 0755) == 0 &&
           mkdir("/run/systemd/resolve", 0755) == 0;
}

static void set(const char *path, const char *text)
{
    (void)unlink(path);
    if (text)
        put_file(AT_FDCWD, path, text, strlen(text));
}

static void test_resolv(void)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        set("/etc/resolv.conf", rows[i].etc);
        set("/run/systemd/resolve/resolv.conf", rows[i].run);
        _cleanup_free_ char *got = make_resolv_conf(&usual, NULL);
        check(streq(got, rows[i].result), rows[i].name, got);
    }
    static const char stub[] = "nameserver 127.0.0.53\n\noptions edns0\n";
    set("/etc/resolv.conf", stub);
    _cleanup_free_ char *same = make_resolv_conf(&as_is, NULL);
    check(streq(same, stub), "in the host's network the file is as it is", same);
    set("/run/systemd/resolve/resolv.conf", NULL);
    char big[70000];
    memset(big, '\n', sizeof(big));
    put_file(AT_FDCWD, "/etc/resolv.conf", big, sizeof(big));
    _cleanup_free_ char *none = make_resolv_conf(&usual, NULL);
    check(streq(none, NONE), "a file that is too big is none", "it is used");
}

/* The request, and the host's file. */
static void test_plans(void)
{
    char *gateways[] = {"10.88.0.1", "fd00::1", NULL}, *servers[] = {"192.0.2.7", NULL},
         *search[] = {"x.org", "y.org", NULL}, *no_search[] = {".", NULL},
         *options[] = {"ndots:2", "rotate", NULL};
    const struct {
        const char *name, *result;
        struct resolv_plan plan;
    } plans[] = {
        {"gateways",
         "search a\nnameserver 10.88.0.1\nnameserver fd00::1\noptions edns0\n"
         "options ndots:0\n",
         {.ours = gateways}},
        {"gateways forward to what is asked for",
         "search a\nnameserver 10.88.0.1\nnameserver fd00::1\noptions edns0\noptions ndots:0\n",
         {.ours = gateways, .servers = servers}},
        {"options in the place of the host's",
         "search a\nnameserver 10.88.0.1\nnameserver fd00::1\noptions ndots:2 rotate\n",
         {.ours = gateways, .options = options}},
        {"servers", "search b\nnameserver 192.0.2.7\n", {.servers = servers}},
        {"search domains", "search x.org y.org\nnameserver 192.0.2.2\n", {.search = search}},
        {"no search domain", "nameserver 192.0.2.2\n", {.search = no_search}},
        {"unreachable", "search a\noptions edns0\n", {.unreachable = true}},
        {"only the requested servers",
         "search a\nnameserver 192.0.2.7\noptions edns0\n",
         {.unreachable = true, .servers = servers}},
    };
    set("/etc/resolv.conf", "nameserver 127.0.0.53\nsearch a\noptions edns0\n");
    set("/run/systemd/resolve/resolv.conf", "nameserver 192.0.2.2\nsearch b\n");
    for (size_t i = 0; i < ARRAY_LEN(plans); i++) {
        _cleanup_free_ char *got = make_resolv_conf(&plans[i].plan, NULL);
        check(streq(got, plans[i].result), plans[i].name, got);
    }
    _cleanup_strv_ strv all = host_resolvers(false, NULL), reachable = host_resolvers(true, NULL);
    check(strv_len(all) == 1 && streq(all[0], "127.0.0.53"), "the host's own", "others");
    check(strv_len(reachable) == 1 && streq(reachable[0], "192.0.2.2"), "reachable", "others");
}

static void test_hosts(void)
{
    char *lines[] = {"192.0.2.1 extra", NULL};
    _cleanup_free_ char *empty = make_hosts(false, lines),
                        *text = hosts_with(empty, "10.88.0.2 web\n");
    check(skip_prefix(text, "127.0.0.1 localhost\n::1 localhost") &&
              strstr(text, "\n192.0.2.1 extra\n") && strstr(text, "\n10.88.0.2 web\n"),
          "hosts", text);
    _cleanup_free_ char *own = xasprintf("%s1.2.3.4 mine\n", text), *now = hosts_with(own, "");
    check(!strstr(now, "web") && strstr(now, "\n1.2.3.4 mine\n") && strstr(now, "extra"),
          "what the program added stays", now);
    _cleanup_free_ char *none = hosts_with("1.2.3.4 mine\n", "10.88.0.2 web\n");
    check(!none, "a file without our lines is the program's", none);
}

int main(void)
{
    test_hosts();
    if (!own_etc()) {
        printf("skip - resolv.conf: no mount namespace of our own: not root?\n");
        return failures != 0;
    }
    test_resolv();
    test_plans();
    return failures != 0;
}
