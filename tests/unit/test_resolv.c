/* /etc/hosts and /etc/resolv.conf of a container, from hosts of every kind. In a mount namespace of
 * our own, where /etc and /run are ours.
 */
#include "check.h"

#include "cli/resolv.h"

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
    {"a stub that forwards to nobody", "nameserver 127.0.0.53\n", "search b\n", NONE},
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
        _cleanup_free_ char *got = make_resolv_conf(false, NULL);
        check(streq(got, rows[i].result), rows[i].name, got);
    }
    static const char stub[] = "nameserver 127.0.0.53\n\noptions edns0\n";
    set("/etc/resolv.conf", stub);
    _cleanup_free_ char *same = make_resolv_conf(true, NULL);
    check(streq(same, stub), "in the host's network the file is as it is", same);
    set("/run/systemd/resolve/resolv.conf", NULL);
    char big[70000];
    memset(big, '\n', sizeof(big));
    put_file(AT_FDCWD, "/etc/resolv.conf", big, sizeof(big));
    _cleanup_free_ char *none = make_resolv_conf(false, NULL);
    check(streq(none, NONE), "a file that is too big is none", "it is used");
}

static void test_hosts(void)
{
    struct ip four, six, nothing = {0};
    if (ip_parse("10.88.0.2", &four) < 0 || ip_parse("fd00::2", &six) < 0)
        check(false, "addresses", "are none");
    const struct ip *const addresses[] = {&four, &nothing, &six};
    _cleanup_free_ char *text = make_hosts("web", addresses, ARRAY_LEN(addresses));
    check(skip_prefix(text, "127.0.0.1 localhost\n::1 localhost") &&
              strstr(text, "\n10.88.0.2 web\nfd00::2 web\n") && text[strlen(text) - 1] == '\n',
          "hosts", text);
    _cleanup_free_ char *alone = make_hosts("web", NULL, 0);
    check(!strstr(alone, "web"), "no address, no name", alone);
}

int main(void)
{
    test_hosts();
    if (!own_etc()) {
        printf("skip - resolv.conf: no mount namespace of our own: not root?\n");
        return failures != 0;
    }
    test_resolv();
    return failures != 0;
}
