/* State files cut off at every length, and with bytes changed at random: reading gives what was written, or an
 * error; never a crash, and never anything else. SEED=N repeats a run. */
#include "check.h"

#include "bridge/bridge.h"
#include "engine/store/files.h"

#include <netctr/ipam.h>
#include <netctr/sandbox.h>

enum { FLIPS = 2000 };

static int dir;

/* Reads the file. 1: as it was written; 0: an error; -1: something else. */
struct subject {
    const char *name, *file;
    int (*read)(void);
};

/* ---- the subjects ----------------------------------------------------------------------------*/

static int read_endpoint(void)
{
    _cleanup_endpoint_ struct endpoint ep = {0};
    int r = endpoint_load(dir, "blue", &ep, NULL);
    if (r < 0)
        return 0;
    return streq(ep.id, "4f1c09d2a7b3") && streq(ep.container, "web") &&
                   streq(ep.host_veth, "vc-4f1c") && ep.address4.bytes[3] == 2 &&
                   ep.port_mappings.count == 1 && ep.port_mappings.items[0].host_port == 8080
               ? 1
               : -1;
}

static void write_endpoint(void)
{
    _cleanup_endpoint_ struct endpoint ep = {
        .network = xstrdup("blue"),
        .bridge = xstrdup("nc-blue"),
        .container = xstrdup("web"),
        .id = xstrdup("4f1c09d2a7b3"),
        .host_veth = xstrdup("vc-4f1c"),
        .interface = xstrdup("eth0"),
        .mac = {2, 0x42, 10, 88, 0, 2},
    };
    (void)ip_parse("10.88.0.2", &ep.address4);
    (void)port_mapping_parse("8080:80", &ep.port_mappings, NULL);
    check(endpoint_save(&ep, dir, NULL) == 0, "an endpoint's record", "is not written");
}

static int read_state(void)
{
    _cleanup_json_ json_t *j = NULL;
    if (container_read_state(dir, "web", &j, NULL) < 0)
        return 0;
    return streq(json_str(j, "id"), "4f1c09d2a7b3") && json_int(j, "monitor", 0) == getpid() &&
                   json_int(j, "pid", 0) == getpid() &&
                   streq(json_str(j, "instance"), "0123456789abcdef")
               ? 1
               : -1;
}

static void write_state(void)
{
    struct store s = {.instance = (char *)"0123456789abcdef", .netns = 17};
    struct container c = CONTAINER_INIT;
    c.store = &s;
    c.spec.id = (char *)"4f1c09d2a7b3";
    c.spec.name = (char *)"web";
    c.run_fd = dir;
    c.process.pid = getpid();
    c.started = 1795455624;
    check(container_save_state(&c, NULL) == 0, "state.json", "is not written");
}

static struct subnet subnet;
static struct ip gateway;

static int look_at_lease(const struct lease *l, void *arg)
{
    int *seen = arg;
    bool right = (streq(l->owner, "aaaa") && l->address4.bytes[3] == 2) ||
                 (streq(l->owner, "bbbb") && l->address4.bytes[3] == 3);
    *seen = right && *seen >= 0 ? *seen + 1 : -1;
    return 0;
}

static int read_leases(void)
{
    int seen = 0;
    if (lease_each(dir, "net", look_at_lease, &seen, NULL) < 0)
        return 0;
    return seen == 1 ? 0 : seen == 2 ? 1 : -1; /* the damaged one is left out */
}

static void write_leases(void)
{
    static const char *const owners[] = {"aaaa", "bbbb"};
    (void)subnet_parse("10.9.0.0/24", &subnet, NULL);
    (void)ip_parse("10.9.0.1", &gateway);
    const struct lease_repair empty = {.complete = true, .create = true};
    (void)lease_repair(dir, "net", &empty, NULL);
    for (size_t i = 0; i < ARRAY_LEN(owners); i++) {
        _cleanup_lease_ struct lease l = {0};
        struct pool pool = {.network = "net", .subnet4 = subnet, .gateway4 = gateway};
        struct lease_request request = {.container = owners[i], .owner = owners[i]};
        check(lease_acquire(dir, &pool, &request, &l, NULL) == 0, "a lease", "is not written");
    }
}

/* Users may edit a definition, so any that parses is right. */
static int read_definition(void)
{
    _cleanup_json_ json_t *j = NULL;
    _cleanup_spec_ struct spec s = {0};
    if (json_read_at(dir, "config.json", &j, NULL) < 0 || spec_from_json(j, &s, NULL) < 0)
        return 0;
    return valid_name(s.name) && valid_name(s.id) && s.rootfs && s.argv && s.network ? 1 : -1;
}

static void write_definition(void)
{
    _cleanup_spec_ struct spec s = {
        .name = xstrdup("web"),
        .id = xstrdup("4f1c09d2a7b3"),
        .rootfs = xstrdup("/srv/root"),
        .hostname = xstrdup("web"),
        .network = xstrdup("default"),
        .volumes = xcalloc(1, sizeof(struct volume)),
        .volume_count = 1,
        .log = LOG_OPTIONS_DEFAULT,
        .created = 1795455624,
    };
    s.volumes[0] =
        (struct volume){.source = xstrdup("/a"), .target = xstrdup("/b"), .read_only = true};
    strv_add(&s.argv, "sleep");
    strv_add(&s.env, "A=b");
    _cleanup_json_ json_t *j = spec_to_json(&s);
    check(json_write_at(dir, "config.json", j, NULL) == 0, "a definition", "is not written");
}

/* ---- the damage ------------------------------------------------------------------------------*/

static void torture(const struct subject *s)
{
    _cleanup_free_ char *text = NULL;
    size_t size, wrong = 0, refused = 0;
    if (read_file_at(dir, s->file, 1 << 20, &text, &size) < 0 || s->read() != 1) {
        check(false, s->name, "does not come back undamaged");
        return;
    }
    for (size_t length = 0; length < size; length++) {
        put_file(dir, s->file, text, length);
        int r = s->read();
        refused += r == 0;
        /* a JSON object is complete without its last newline */
        wrong += r < 0 || (r == 1 && length + 1 < size);
    }
    expect(wrong == 0, s->name, "cut off: %zu times believed", wrong);
    _cleanup_free_ char *changed = xcalloc(size, 1);
    for (int i = 0; i < FLIPS; i++) {
        memcpy(changed, text, size);
        for (long n = 1 + random() % 3; n > 0; n--)
            changed[(size_t)random() % size] = (char)random();
        put_file(dir, s->file, changed, size);
        int r = s->read();
        refused += r == 0;
        wrong += r < 0;
    }
    expect(wrong == 0, s->name, "changed: %zu times something else was read", wrong);
    expect(refused > size, s->name, "only %zu damaged files were refused", refused);
    put_file(dir, s->file, text, size);
    check(s->read() == 1, s->name, "is not itself again");
}

int main(void)
{
    const char *given = getenv("SEED");
    unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : 20261123;
    printf("# SEED=%u\n", seed);
    srandom(seed);
    _cleanup_scratch_ struct scratch scratch = scratch_open();
    dir = scratch.fd;
    write_endpoint();
    write_state();
    write_leases();
    write_definition();
    const struct subject subjects[] = {
        {"the endpoint's record", "endpoint.blue.json", read_endpoint},
        {"state.json", "state.json", read_state},
        {"a lease", "net/10.9.0.2", read_leases},
        {"config.json", "config.json", read_definition},
    };
    for (size_t i = 0; i < ARRAY_LEN(subjects); i++)
        torture(&subjects[i]);
    return failures != 0;
}
