/* What netns/ reads without a socket: interface names, nameserver lines, the kernel's extended ack. */
#include "check.h"

#include <linux/netlink.h>

static void test_interface_names(void)
{
    static const struct {
        const char *name;
        bool valid;
    } rows[] = {
        {"eth0", true},
        {"nc-default", true},
        {"a", true},
        {"123456789012345", true},
        {"eth0.100", true},
        {"...", true},
        {"a=b", true},
        {"", false},
        {"1234567890123456", false},
        {".", false},
        {"..", false},
        {"a/b", false},
        {"a:b", false},
        {"a b", false},
        {"a\tb", false},
        {"a\n", false},
        {"a\v", false},
        {"eth%d", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_free_ char *name = xasprintf("interface name \"%s\"", rows[i].name);
        check(interface_name_valid(rows[i].name) == rows[i].valid, name,
              rows[i].valid ? "refused" : "accepted");
    }
    check(!interface_name_valid(NULL), "no interface name", "accepted");
}

static void test_nameservers(void)
{
    static const struct {
        const char *line, *text, *address; /* NULL: another line */
    } rows[] = {
        {"nameserver 127.0.0.53", "127.0.0.53", "127.0.0.53"},
        {"nameserver\t 10.0.0.1", "10.0.0.1", "10.0.0.1"},
        {"nameserver 10.0.0.1 # theirs", "10.0.0.1", "10.0.0.1"},
        {"nameserver 10.0.0.1;x", "10.0.0.1", "10.0.0.1"},
        {"nameserver 10.0.0.1\r", "10.0.0.1", "10.0.0.1"},
        {"nameserver fe80::1%eth0", "fe80::1%eth0", "fe80::1"},
        {"nameserver 2001:DB8::1", "2001:DB8::1", "2001:db8::1"},
        {"nameserver ns.example", "ns.example", ""},
        {"nameserver 1.2", "1.2", ""},
        {"nameserver", NULL, NULL},
        {"nameserver ", NULL, NULL},
        {"nameserver #", NULL, NULL},
        {" nameserver 10.0.0.1", NULL, NULL},
        {"nameserver10.0.0.1", NULL, NULL},
        {"nameservers 10.0.0.1", NULL, NULL},
        {"# nameserver 10.0.0.1", NULL, NULL},
        {"search example", NULL, NULL},
        {"", NULL, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct ip ip;
        _cleanup_free_ char *text = nameserver_parse(rows[i].line, &ip), *address = ip_text(&ip),
                            *name = xasprintf("line \"%s\"", rows[i].line);
        expect(streq(text, rows[i].text) && streq(address, rows[i].text ? rows[i].address : ""),
               name, "\"%s\", \"%s\"", text ? text : "another line", address);
    }
}

/* ---- extended ack -----------------------------------------------------------------------------*/

union answer {
    struct nlmsghdr header;
    char bytes[256];
};

/* An error with @middle bytes of the refused message and one attribute that claims @claimed bytes. */
static void make(union answer *a, uint16_t flags, size_t middle, uint16_t type, const char *text,
                 size_t size, uint16_t claimed)
{
    *a = (union answer){0};
    struct nlmsgerr error = {.error = -22, .msg.nlmsg_len = (uint32_t)(NLMSG_HDRLEN + middle)};
    size_t at = NLMSG_HDRLEN;
    memcpy(a->bytes + at, &error, sizeof(error));
    at += sizeof(error) + NLMSG_ALIGN(middle);
    struct nlattr attribute = {.nla_len = claimed, .nla_type = type};
    memcpy(a->bytes + at, &attribute, sizeof(attribute));
    memcpy(a->bytes + at + NLA_HDRLEN, text, size);
    a->header = (struct nlmsghdr){.nlmsg_len = (uint32_t)(at + NLA_HDRLEN + size),
                                  .nlmsg_type = NLMSG_ERROR,
                                  .nlmsg_flags = flags};
}

static void test_error_text(void)
{
    const uint16_t capped = NLM_F_ACK_TLVS | NLM_F_CAPPED;
    static const struct {
        const char *name;
        uint16_t flags;
        size_t middle;
        uint16_t type;
        const char *text;
        size_t size;
        uint16_t claimed;
        const char *expected;
    } rows[] = {
        {"capped", capped, 0, NLMSGERR_ATTR_MSG, "no", 3, 7, "no"},
        {"not capped", NLM_F_ACK_TLVS, 20, NLMSGERR_ATTR_MSG, "no", 3, 7, "no"},
        {"no attributes", NLM_F_CAPPED, 0, NLMSGERR_ATTR_MSG, "no", 3, 7, NULL},
        {"another attribute", capped, 0, NLMSGERR_ATTR_OFFS, "no", 3, 7, NULL},
        {"without an end", capped, 0, NLMSGERR_ATTR_MSG, "no", 2, 6, NULL},
        {"longer than the message", capped, 0, NLMSGERR_ATTR_MSG, "no", 3, 8, NULL},
        {"shorter than its header", capped, 0, NLMSGERR_ATTR_MSG, "no", 3, 3, NULL},
        {"empty", capped, 0, NLMSGERR_ATTR_MSG, "", 0, 4, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        union answer a;
        make(&a, rows[i].flags, rows[i].middle, rows[i].type, rows[i].text, rows[i].size,
             rows[i].claimed);
        _cleanup_free_ char *name = xasprintf("extended ack: %s", rows[i].name);
        const char *text = netlink_error_text(&a.header);
        check(streq(text, rows[i].expected), name, text ? text : "none");
    }
    union answer cut = {.header = {.nlmsg_len = NLMSG_HDRLEN, .nlmsg_flags = capped}};
    check(!netlink_error_text(&cut.header), "extended ack: a header alone", "has a text");
    union answer wild;
    make(&wild, NLM_F_ACK_TLVS, 0, NLMSGERR_ATTR_MSG, "no", 3, 7);
    ((struct nlmsgerr *)NLMSG_DATA(&wild.header))->msg.nlmsg_len = UINT32_MAX;
    check(!netlink_error_text(&wild.header), "extended ack: the refused message leads out of it",
          "has a text");
}

int main(void)
{
    test_interface_names();
    test_nameservers();
    test_error_text();
    return failures != 0;
}
