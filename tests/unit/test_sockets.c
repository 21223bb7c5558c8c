/* Lines of /proc/PID/net/tcp and similar files, and which packets a socket accepts. */
#include "check.h"

#include "doctor/sockets.h"

struct row {
    const char *line;
    int family;
    uint8_t protocol;
    const char *expected; /* NULL: not a listening socket */
};

#define TCP_LINE(address, state)             \
    "   0: " address " 00000000:0000 " state \
    " 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0\n"

static const struct row rows[] = {
    {TCP_LINE("0100007F:1F40", "0A"), AF_INET, IPPROTO_TCP, "127.0.0.1 8000 4711"},
    {TCP_LINE("00000000:0050", "0A"), AF_INET, IPPROTO_TCP, "0.0.0.0 80 4711"},
    {TCP_LINE("00000000:0050", "01"), AF_INET, IPPROTO_TCP, NULL},
    {TCP_LINE("00000000:0035", "07"), AF_INET, IPPROTO_UDP, "0.0.0.0 53 4711"},
    {TCP_LINE("00000000:0035", "01"), AF_INET, IPPROTO_UDP, NULL},
    {TCP_LINE("00000000000000000000000000000000:0050", "0A"), AF_INET6, IPPROTO_TCP, ":: 80 4711"},
    {TCP_LINE("00000000000000000000000001000000:FFFF", "0A"), AF_INET6, IPPROTO_TCP,
     "::1 65535 4711"},
    {TCP_LINE("0000000000000000FFFF00000100007F:0050", "0A"), AF_INET6, IPPROTO_TCP,
     "::ffff:127.0.0.1 80 4711"},
    {TCP_LINE("00000000:0000", "0A"), AF_INET, IPPROTO_TCP, NULL},
    {TCP_LINE("00000000:0050", "0A"), AF_INET6, IPPROTO_TCP, NULL},
    {"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n", AF_INET,
     IPPROTO_TCP, NULL},
    {"", AF_INET, IPPROTO_TCP, NULL},
    {"   0: 0100007F", AF_INET, IPPROTO_TCP, NULL},
};

static void lines(void)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct socket s;
        bool waits = socket_parse(rows[i].line, rows[i].family, rows[i].protocol, &s);
        _cleanup_free_ char *ip = waits ? ip_text(&s.address) : NULL;
        _cleanup_free_ char *got =
            waits ? xasprintf("%s %u %llu", ip, s.port, (unsigned long long)s.inode) : NULL;
        expect(streq(got, rows[i].expected), "a line of /proc/PID/net", "`%.40s`: %s", rows[i].line,
               got ? got : "none");
    }
}

static void packets(void)
{
    static const struct {
        const char *address, *to;
        bool accepted;
    } cases[] = {
        {"0.0.0.0", "10.88.0.2", true},
        {"0.0.0.0", "fd00::2", false},
        {"::", "10.88.0.2", true},
        {"::", "fd00::2", true},
        {"127.0.0.1", "10.88.0.2", false},
        {"::1", "fd00::2", false},
        {"10.88.0.2", "10.88.0.2", true},
        {"10.88.0.3", "10.88.0.2", false},
        {"fd00::2", "fd00::2", true},
        {"fd00::3", "fd00::2", false},
        {"::ffff:10.88.0.2", "10.88.0.2", true},
        {"::ffff:127.0.0.1", "10.88.0.2", false},
        {"::ffff:0.0.0.0", "10.88.0.2", true},
        {"::ffff:10.88.0.2", "fd00::2", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct socket s = {0};
        struct ip to;
        bool parsed =
            ip_parse(cases[i].address, &s.address) == 0 && ip_parse(cases[i].to, &to) == 0;
        expect(parsed && socket_accepts(&s, &to) == cases[i].accepted, "a socket and a packet",
               "%s, %s", cases[i].address, cases[i].to);
    }
}

int main(void)
{
    lines();
    packets();
    return failures > 0;
}
