/* The record of an endpoint: it is read as it was written, and damage is an error, never a
 * crash. */
#include "check.h"

#include "bridge/bridge.h"
#include <netctr/sandbox.h>

#define RECORD "endpoint.blue.json"

static int dir;

static struct ip ip(const char *text)
{
    struct ip a = {0};
    if (*text && ip_parse(text, &a) < 0)
        check(false, text, "is no address");
    return a;
}

static struct endpoint example(bool ipv6)
{
    struct endpoint ep = {
        .network = xstrdup("blue"),
        .bridge = xstrdup("nc-blue"),
        .container = xstrdup("web.1"),
        .id = xstrdup("4f1c09d2a7b3"),
        .host_veth = xstrdup("vc-4f1c09d2a7"),
        .interface = xstrdup("eth0"),
        .guard = true,
        .address4 = ip("10.88.0.2"),
        .address6 = ip(ipv6 ? "fd00::2" : ""),
        .mac = {0x02, 0x42, 10, 88, 0, 0xfe},
        .rate = ipv6 ? RATE_MAX : 0,
    };
    strv_add(&ep.aliases, "www");
    static const char *const ports[] = {"8080:80", "127.0.0.1:53:53/udp", "[::1]:65535:65535/sctp",
                                        "0.0.0.0:8081:80", "[::]:8081:80"};
    for (size_t i = 0; i < ARRAY_LEN(ports); i++)
        (void)port_mapping_parse(ports[i], &ep.port_mappings, NULL);
    return ep;
}

static bool same(const struct endpoint *a, const struct endpoint *b)
{
    bool equal = streq(a->network, b->network) && streq(a->bridge, b->bridge) &&
                 streq(a->container, b->container) && streq(a->id, b->id) &&
                 streq(a->host_veth, b->host_veth) && streq(a->interface, b->interface) &&
                 a->guard == b->guard && a->rate == b->rate && a->routed == b->routed &&
                 strv_len(a->aliases) == strv_len(b->aliases) &&
                 ip_equal(&a->address4, &b->address4) && ip_equal(&a->address6, &b->address6) &&
                 memcmp(a->mac, b->mac, 6) == 0 && a->port_mappings.count == b->port_mappings.count;
    for (size_t i = 0; equal && i < a->port_mappings.count; i++) {
        const struct port_mapping *p = &a->port_mappings.items[i], *q = &b->port_mappings.items[i];
        equal = ip_equal(&p->host, &q->host) && p->host_port == q->host_port &&
                p->port == q->port && p->protocol == q->protocol;
    }
    return equal;
}

static void test_round_trip(void)
{
    for (int i = 0; i < 3; i++) {
        _cleanup_err_ struct err e = ERR_INIT;
        _cleanup_endpoint_ struct endpoint ep = example(i != 1), back = {0};
        if (i == 2)
            port_mappings_clear(&ep.port_mappings);
        int r = endpoint_save(&ep, dir, &e);
        r = r < 0 ? r : endpoint_load(dir, "blue", &back, &e);
        static const char *const names[] = {"with IPv6", "without IPv6", "without ports"};
        check(r == 0 && same(&ep, &back), names[i], r < 0 ? text_of(&e) : "differs");
    }
    (void)unlinkat(dir, RECORD, 0);
    _cleanup_endpoint_ struct endpoint none = {0};
    check(endpoint_load(dir, "blue", &none, NULL) == -ENOENT, "no record", "one");
}

/* Changes one value of the record; NULL removes it. */
static int load_with(const char *key, json_t *value, bool in_port, struct err *e)
{
    _cleanup_endpoint_ struct endpoint ep = example(true), back = {0};
    _cleanup_json_ json_t *j = NULL;
    int r = endpoint_save(&ep, dir, e);
    r = r < 0 ? r : json_read_at(dir, RECORD, &j, e);
    if (r < 0)
        return r;
    json_t *where = in_port ? json_array_get(json_object_get(j, "publish"), 1) : j;
    if (value)
        json_object_set_new(where, key, value);
    else
        json_object_del(where, key);
    /* so that the value is checked, not only the checksum */
    r = json_write_sealed_at(dir, RECORD, j, e);
    r = r < 0 ? r : endpoint_load(dir, "blue", &back, e);
    if (r < 0 && (back.network || back.port_mappings.items))
        check(false, "a refused record leaves nothing", "it does");
    return r;
}

static void test_bad_values(void)
{
    const struct {
        const char *key;
        json_t *value;
        bool in_port;
    } rows[] = {
        {"network", NULL, false},
        {"network", json_string("../x"), false},
        {"network", json_integer(1), false},
        {"bridge", NULL, false},
        {"bridge", json_string("nc a"), false},
        {"bridge", json_string("nc:a"), false},
        {"container", json_null(), false},
        {"id", NULL, false},
        {"port", NULL, false},
        {"port", json_string("a-name-of-16-chars"), false},
        {"network", json_string("red"), false},
        {"interface", NULL, false},
        {"interface", json_string(""), false},
        {"interface", json_string(".."), false},
        {"interface", json_string("a/b"), false},
        {"interface", json_string("a%d"), false},
        {"interface", json_string("a-name-of-16-chars"), false},
        {"rate", json_integer(1), false},
        {"rate", json_integer(-8000), false},
        {"rate", json_integer((json_int_t)RATE_MAX + 1), false},
        {"mac", NULL, false},
        {"mac", json_string("02:42:0a:58:00"), false},
        {"mac", json_string("02:42:0a:58:00:02:03"), false},
        {"mac", json_string("02:42:0a:58:00:0g"), false},
        {"mac", json_string("024:2:0a:58:00:02"), false},
        {"address", json_string("10.88.0.256"), false},
        {"address6", json_string("fd00::2::3"), false},
        {"host", json_string("nowhere"), true},
        {"host_port", NULL, true},
        {"host_port", json_integer(0), true},
        {"host_port", json_integer(65536 + 80), true},
        {"host_port", json_integer(-1), true},
        {"port", json_integer(65536), true},
        {"port", json_string("80"), true},
        {"protocol", json_integer(256 + 6), true},
        {"protocol", NULL, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_err_ struct err e = ERR_INIT;
        _cleanup_free_ char *is = rows[i].value ? json_dumps(rows[i].value, JSON_ENCODE_ANY) : NULL;
        _cleanup_free_ char *name =
            xasprintf("%s of a%s: %s", rows[i].key, rows[i].in_port ? " port" : "n endpoint",
                      is ? is : "missing");
        int r = load_with(rows[i].key, rows[i].value, rows[i].in_port, &e);
        check(r == -EBADMSG && streq(text_of(&e), "the endpoint's record `" RECORD "` is damaged"),
              name, text_of(&e));
    }
}

/* Flips bits, and removes, doubles and truncates bytes: the result is an error or a record that can
 * be written again. The random numbers are the same in every run. */
static uint32_t chance(uint32_t *state)
{
    *state = *state * 1664525 + 1013904223;
    return *state >> 8;
}

static size_t spoil(char *text, size_t size, uint32_t *state)
{
    uint32_t hits = 1 + chance(state) % 3;
    for (uint32_t i = 0; i < hits; i++) {
        size_t at = chance(state) % size;
        switch (chance(state) % 5) {
        case 0:
        case 1: text[at] ^= (char)(1 << chance(state) % 8); break;
        case 2: text[at] = "0\"{}[]:,-\xff"[chance(state) % 10]; break;
        case 3: memmove(text + at, text + at + 1, size - at - 1); break;
        default: size = chance(state) % 8 ? size : at + 1; break;
        }
    }
    return size;
}

static void test_damage(void)
{
    _cleanup_endpoint_ struct endpoint ep = example(true);
    _cleanup_free_ char *whole = NULL;
    size_t size = 0;
    if (endpoint_save(&ep, dir, NULL) < 0 || read_file_at(dir, RECORD, 65536, &whole, &size) < 0) {
        check(false, "a record to damage", "is not written");
        return;
    }
    int refused = 0, wrong = 0;
    uint32_t state = 4711;
    for (int i = 0; i < 5000; i++) {
        _cleanup_free_ char *text = xcalloc(size + 1, 1);
        memcpy(text, whole, size);
        put_file(dir, RECORD, text, spoil(text, size, &state));
        _cleanup_err_ struct err e = ERR_INIT;
        _cleanup_endpoint_ struct endpoint back = {0}, again = {0};
        int r = endpoint_load(dir, "blue", &back, &e);
        refused += r < 0;
        if (r < 0)
            wrong += r != -EBADMSG || !e.text || back.network;
        else
            wrong += endpoint_save(&back, dir, &e) < 0 ||
                     endpoint_load(dir, "blue", &again, &e) < 0 || !same(&back, &again);
    }
    expect(wrong == 0, "5,000 damaged records are refused or usable", "%d are neither", wrong);
    expect(refused > 3000, "most damage is seen", "%d of 5,000", refused);
}

/* Every proper prefix of a record is damaged. */
static void test_truncated(void)
{
    _cleanup_endpoint_ struct endpoint ep = example(true);
    _cleanup_free_ char *whole = NULL;
    size_t size = 0;
    (void)endpoint_save(&ep, dir, NULL);
    (void)read_file_at(dir, RECORD, 65536, &whole, &size);
    int read = 0;
    for (size_t n = 0; n < size; n++) {
        _cleanup_endpoint_ struct endpoint back = {0};
        put_file(dir, RECORD, whole, n);
        read += endpoint_load(dir, "blue", &back, NULL) != -EBADMSG;
    }
    expect(size > 100 && read == 0, "every truncated record is refused", "%d of %zu are not", read,
           size);
}

int main(void)
{
    _cleanup_scratch_ struct scratch s = scratch_open();
    dir = s.fd;
    test_round_trip();
    test_bad_values();
    test_damage();
    test_truncated();
    return failures != 0;
}
