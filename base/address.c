/* Addresses and names as text. */
#include <netctr/base.h>

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <net/if.h>
#include <string.h>

int ip_parse(const char *s, struct ip *out)
{
    *out = (struct ip){0};
    int family = strchr(s, ':') ? AF_INET6 : AF_INET;
    if (inet_pton(family, s, out->bytes) != 1)
        return -EINVAL;
    out->family = family;
    return 0;
}

char *ip_text(const struct ip *a)
{
    char text[INET6_ADDRSTRLEN] = "";
    if (a->family)
        (void)inet_ntop(a->family, a->bytes, text, sizeof(text));
    return xstrdup(text);
}

bool ip_is_any(const struct ip *a)
{
    static const uint8_t zero[16];
    return memcmp(a->bytes, zero, ip_size(a)) == 0;
}

bool ip_equal(const struct ip *a, const struct ip *b)
{
    return a->family == b->family && memcmp(a->bytes, b->bytes, ip_size(a)) == 0;
}

char *mac_text(const uint8_t m[6])
{
    return xasprintf("%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
}

int mac_parse(const char *s, uint8_t mac[6])
{
    if (strlen(s) != 17)
        return -EINVAL;
    for (int i = 0; i < 6; i++, s += 3) {
        if (!isxdigit((unsigned char)s[0]) || !isxdigit((unsigned char)s[1]) ||
            s[2] != (i < 5 ? ':' : '\0'))
            return -EINVAL;
        mac[i] = (uint8_t)strtoul(s, NULL, 16);
    }
    return 0;
}

bool interface_name_valid(const char *name)
{
    if (!name || !*name || strlen(name) >= IFNAMSIZ || streq(name, ".") || streq(name, ".."))
        return false;
    for (const char *p = name; *p; p++)
        if (isspace((unsigned char)*p) || strchr("/:%", *p))
            return false;
    return true;
}

char *nameserver_parse(const char *line, struct ip *out)
{
    const char *rest = skip_prefix(line, "nameserver");
    size_t blanks = rest ? strspn(rest, " \t") : 0;
    *out = (struct ip){0};
    if (!blanks)
        return NULL;
    rest += blanks;
    char *text = xstrndup(rest, strcspn(rest, " \t\r\n#;"));
    _cleanup_free_ char *address = xstrndup(text, strcspn(text, "%"));
    if (*text) {
        if (ip_parse(address, out) < 0)
            *out = (struct ip){0};
        return text;
    }
    free(text);
    return NULL;
}
