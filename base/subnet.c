/* Arithmetic on prefixes. */
#include <netctr/base.h>

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

static void mask_host_bits(struct ip *a, unsigned prefix)
{
    for (unsigned i = 0; i < ip_size(a); i++) {
        unsigned keep = prefix > i * 8 ? prefix - i * 8 : 0;
        if (keep < 8)
            a->bytes[i] &= (uint8_t)(0xff00 >> keep);
    }
}

int subnet_parse(const char *s, struct subnet *out, struct err *e)
{
    *out = (struct subnet){0};
    const char *slash = strchr(s, '/');
    _cleanup_free_ char *address = xstrndup(s, slash ? (size_t)(slash - s) : 0);
    if (!slash || ip_parse(address, &out->address) < 0)
        return err_say(e, -EINVAL, "subnet `%s` is not ADDRESS/PREFIX, as in 10.89.0.0/24", s);
    uint64_t bits = ip_size(&out->address) * 8, prefix;
    if (parse_u64(slash + 1, 1, bits, &prefix) < 0)
        return err_say(e, -EINVAL, "subnet `%s`: the prefix must be between 1 and %d", s,
                       (int)bits);
    struct ip given = out->address;
    out->prefix = (uint8_t)prefix;
    mask_host_bits(&out->address, out->prefix);
    if (!ip_equal(&given, &out->address)) {
        _cleanup_free_ char *text = ip_text(&out->address);
        return err_say(e, -EINVAL, "subnet `%s` has host bits set: the network is %s/%d", s, text,
                       out->prefix);
    }
    return 0;
}

char *subnet_text(const struct subnet *s)
{
    if (!s->address.family)
        return xstrdup("");
    _cleanup_free_ char *address = ip_text(&s->address);
    return xasprintf("%s/%d", address, s->prefix);
}

bool subnet_contains(const struct subnet *s, const struct ip *a)
{
    if (!s->address.family || s->address.family != a->family)
        return false;
    struct ip masked = *a;
    mask_host_bits(&masked, s->prefix);
    return ip_equal(&masked, &s->address);
}

bool subnet_overlaps(const struct subnet *a, const struct subnet *b)
{
    return a->prefix <= b->prefix ? subnet_contains(a, &b->address)
                                  : subnet_contains(b, &a->address);
}

struct ip subnet_base(const struct ip *a, uint8_t prefix)
{
    struct ip base = *a;
    mask_host_bits(&base, prefix);
    return base;
}

struct ip subnet_host(const struct subnet *s, uint32_t n)
{
    struct ip a = s->address;
    for (size_t i = ip_size(&a); n > 0 && i-- > 0; n >>= 8)
        a.bytes[i] |= (uint8_t)n;
    return a;
}

unsigned subnet_host_bits(const struct subnet *s)
{
    return (unsigned)ip_size(&s->address) * 8 - s->prefix;
}

bool subnet_reserves(const struct subnet *s, const struct ip *a)
{
    unsigned bits = subnet_host_bits(s);
    if (bits < 2)
        return false;
    if (ip_equal(a, &s->address))
        return true;
    return a->family == AF_INET && subnet_host_number(s, a) == UINT32_MAX >> s->prefix;
}

uint32_t subnet_host_number(const struct subnet *s, const struct ip *a)
{
    uint32_t n = 0;
    size_t size = ip_size(a);
    for (size_t i = size > 4 ? size - 4 : 0; i < size; i++)
        n = n << 8 | (uint8_t)(a->bytes[i] ^ s->address.bytes[i]);
    return n;
}
