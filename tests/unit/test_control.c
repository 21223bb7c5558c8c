/* The answers of a monitor, of this version and of 0.1.0, and the order of containers that share a network. */
#include "check.h"

#include "engine/control.c"

static void answers(void)
{
    static const struct {
        const char *text, *ports; /* joined by a comma */
    } cases[] = {
        {"{}", ""},
        {"{\"ports\":[\"0.0.0.0:8080->80/tcp\"]}", "0.0.0.0:8080->80/tcp"},
        /* version 0.1.0 */
        {"", ""},
        {"0.0.0.0:8080->80/tcp\n", "0.0.0.0:8080->80/tcp"},
        {"0.0.0.0:8080->80/tcp\n[::]:8080->80/tcp\n", "0.0.0.0:8080->80/tcp,[::]:8080->80/tcp"},
        {"80/tcp\n", "80/tcp"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        _cleanup_json_ json_t *j = parse_answer(cases[i].text);
        _cleanup_strv_ strv ports = json_strv(j, "ports");
        _cleanup_free_ char *joined = strv_join(ports, ","),
                            *name = xasprintf("answer %zu of a monitor", i);
        expect(streq(joined, cases[i].ports), name, "ports are `%s`", joined);
    }
}

/* What a monitor of this version answers to requests of both versions. */
static void compatibility(void)
{
    _cleanup_json_ json_t *old = json_pack("{s:s}", "do", "publish"),
                          *now = json_pack("{s:s, s:s}", "do", "publish", "answer", "json"),
                          *answer = json_pack("{s:[s, s]}", "ports", "1->2/tcp", "80/tcp");
    _cleanup_free_ char *text = answer_text(old, answer), *json = answer_text(now, answer),
                        *no_text = answer_text(old, NULL), *no_json = answer_text(now, NULL);
    check(streq(text, "1->2/tcp\n80/tcp\n") && streq(no_text, ""),
          "an answer to a command of version 0.1.0", text);
    check(streq(json, "{\"ports\":[\"1->2/tcp\",\"80/tcp\"]}") && streq(no_json, "{}"),
          "an answer to a command of this version", json);
}

/* An answer that is longer than a packet, over a socket. */
static void long_answer(void)
{
    int ends[2];
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_free_ char *received = NULL, *sent = xcalloc(3 * PACKET_TEXT + 8, 1);
    memset(sent, 'x', 3 * PACKET_TEXT + 7);
    struct record r = {.spec = {.name = "c"}};
    struct asking asking = {.record = &r, .deadline = monotonic_ms() + 1000};
    bool ok = channel_open(ends, &e) == 0 && send_answer(ends[0], sent) == 0 &&
              receive_answer(ends[1], &asking, &received, &e) == 0;
    expect(ok && streq(received, sent), "an answer in parts", "%s", text_of(&e));
    close(ends[0]);
    free(take_ptr(received));
    ok = receive_answer(ends[1], &asking, &received, &e) == -ESRCH;
    check(ok && !received, "a monitor that ends without an answer", text_of(&e));
    close(ends[1]);
}

static struct record sharer(char *name, char *network)
{
    return (struct record){.spec = {.name = name, .id = "0123456789ab", .network = network}};
}

static void order(void)
{
    char def[] = "default", of_a[] = "container:a", of_b[] = "container:b", of_c[] = "container:c";
    struct record all[] = {sharer("c", of_b), sharer("b", of_a), {0}, sharer("a", def)};
    _cleanup_free_ size_t *sorted = owners_first(all, ARRAY_LEN(all));
    check(sorted[0] == 3 && sorted[1] == 1 && sorted[2] == 0 && sorted[3] == 2,
          "owners of a shared network come first", "they do not");
    struct record circle[] = {sharer("a", of_b), sharer("b", of_c), sharer("c", of_a)};
    _cleanup_free_ size_t *any = owners_first(circle, ARRAY_LEN(circle));
    check(any[0] + any[1] + any[2] == 3 && any[0] != any[1] && any[1] != any[2],
          "a circle of owners has an order", "one is missing");
}

static void requests(void)
{
    _cleanup_run_request_ struct run_request q = RUN_REQUEST_INIT;
    _cleanup_err_ struct err e = ERR_INIT;
    q.spec.rootfs = xstrdup("/usr/..//usr");
    strv_add(&q.spec.argv, "/bin/true");
    strv_add(&q.spec.networks, "bridge:ip=10.88.0.7");
    strv_add(&q.spec.publish, "8080:80");
    int r = run_request_complete(&q, &e);
    const struct spec *s = &q.spec;
    expect(r == 0 && s->id && skip_prefix(s->name, "true-") && streq(s->hostname, s->id) &&
               streq(s->rootfs, "/usr") && strv_len(s->env) == 2 && s->caps &&
               streq(s->network, "default") && streq(s->networks[0], "default:ip=10.88.0.7") &&
               q.port_mappings.count == 1,
           "a request is completed", "%s", text_of(&e));
    _cleanup_run_request_ struct run_request empty = RUN_REQUEST_INIT;
    err_clear(&e);
    check(run_request_complete(&empty, &e) == -EINVAL && streq(e.text, "ROOTFS is missing"),
          "a request without a root directory", text_of(&e));
}

int main(void)
{
    answers();
    compatibility();
    long_answer();
    order();
    requests();
    return failures > 0;
}
