/* Compares the firewall with what a reload would create: each table, chain, rule and set. */
#include "compare.h"

#include "firewall.h"
#include "schema.h"
#include <netctr/nft.h>

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnftnl/set.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

/* ---- elements -----------------------------------------------------------------------------*/

/* Unused bytes are zero. */
struct item {
    enum ruleset_set set;
    uint8_t key[KEY_MAX], key_end[KEY_MAX], data[KEY_MAX];
    bool end, expires;
    const char
        *what; /* describes the message that would add it; NULL if it was read from the kernel */
};

struct items {
    enum ruleset_set set; /* the set that is being read */
    const char *what;
    struct item *all;
    size_t count;
};

static void items_clear(struct items *items)
{
    free(items->all);
}
#define _cleanup_items_ __attribute__((cleanup(items_clear)))

static void copy_attribute(const struct nftnl_set_elem *x, uint16_t type, uint8_t out[KEY_MAX])
{
    uint32_t size = 0;
    const void *value = nftnl_set_elem_is_set(x, type)
                            ? nftnl_set_elem_get((struct nftnl_set_elem *)(uintptr_t)x, type, &size)
                            : NULL;
    if (value)
        memcpy(out, value, size < KEY_MAX ? size : KEY_MAX);
}

static int take_item(struct nftnl_set_elem *x, void *arg)
{
    struct items *items = arg;
    struct item item = {.set = items->set, .what = items->what};
    copy_attribute(x, NFTNL_SET_ELEM_KEY, item.key);
    copy_attribute(x, NFTNL_SET_ELEM_KEY_END, item.key_end);
    copy_attribute(x, NFTNL_SET_ELEM_DATA, item.data);
    item.end = nftnl_set_elem_is_set(x, NFTNL_SET_ELEM_FLAGS) &&
               nftnl_set_elem_get_u32(x, NFTNL_SET_ELEM_FLAGS) & NFT_SET_ELEM_INTERVAL_END;
    item.expires = nftnl_set_elem_is_set(x, NFTNL_SET_ELEM_EXPIRATION);
    items->all = xrealloc(items->all, items->count + 1, sizeof(item));
    items->all[items->count++] = item;
    return 0;
}

static int read_items(const struct nlmsghdr *message, void *items)
{
    struct nftnl_set *s = nft_must(nftnl_set_alloc());
    if (nftnl_set_elems_nlmsg_parse(message, s) == 0)
        nftnl_set_elem_foreach(s, take_item, items);
    nftnl_set_free(s);
    return MNL_CB_OK;
}

/* SET_NAMED_COUNT for the anonymous sets of rules. */
static enum ruleset_set set_of_message(const struct nlmsghdr *message)
{
    const struct nlattr *a;
    const char *name = NULL, *table = NULL;
    mnl_attr_for_each(a, message, sizeof(struct nfgenmsg))
    {
        if (mnl_attr_get_type(a) == NFTA_SET_ELEM_LIST_SET)
            name = mnl_attr_get_str(a);
        else if (mnl_attr_get_type(a) == NFTA_SET_ELEM_LIST_TABLE)
            table = mnl_attr_get_str(a);
    }
    for (int i = 0; i < SET_NAMED_COUNT; i++)
        if (streq(name, SETS[i].name) && streq(table, SETS[i].table->name))
            return (enum ruleset_set)i;
    return SET_NAMED_COUNT;
}

static void take_wanted(const struct nlmsghdr *message, const char *what, void *arg)
{
    struct items *items = arg;
    if ((message->nlmsg_type & 0xff) != NFT_MSG_NEWSETELEM)
        return;
    items->set = set_of_message(message);
    items->what = what;
    if (items->set != SET_NAMED_COUNT)
        (void)read_items(message, items);
}

static int read_kernel(struct nft *nft, struct items *items)
{
    items->what = NULL;
    for (int i = 0; i < SET_NAMED_COUNT; i++) {
        items->set = (enum ruleset_set)i;
        int r = ruleset_each_element(nft, items->set, read_items, items);
        if (r < 0 && r != -ENOENT)
            return r;
    }
    return 0;
}

static int by_key(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    int r = (int)x->set - (int)y->set;
    if (r == 0)
        r = memcmp(x->key, y->key, KEY_MAX);
    if (r == 0)
        r = memcmp(x->key_end, y->key_end, KEY_MAX);
    return r == 0 ? (int)x->end - (int)y->end : r;
}

static const struct item *find(const struct items *items, const struct item *key)
{
    return items->count ? bsearch(key, items->all, items->count, sizeof(*key), by_key) : NULL;
}

static void sort(struct items *items)
{
    if (items->count)
        qsort(items->all, items->count, sizeof(*items->all), by_key);
}

/* ---- as text ------------------------------------------------------------------------------*/

static char *field_text(enum field f, const uint8_t *value)
{
    char address[INET6_ADDRSTRLEN] = "";
    uint16_t port;
    switch (f) {
    case IFNAME: return xstrndup((const char *)value, FIELDS[IFNAME].size);
    case IP4: inet_ntop(AF_INET, value, address, sizeof(address)); return xstrdup(address);
    case IP6:
    case TARGET6: inet_ntop(AF_INET6, value, address, sizeof(address)); return xstrdup(address);
    case ETHER:
        return xasprintf("%02x:%02x:%02x:%02x:%02x:%02x", value[0], value[1], value[2], value[3],
                         value[4], value[5]);
    case PORT: memcpy(&port, value, sizeof(port)); return xasprintf("%u", ntohs(port));
    case PROTO:
        return value[0] == IPPROTO_TCP    ? xstrdup("tcp")
               : value[0] == IPPROTO_UDP  ? xstrdup("udp")
               : value[0] == IPPROTO_SCTP ? xstrdup("sctp")
                                          : xasprintf("%u", value[0]);
    case FAMILY: return xstrdup(value[0] == NFPROTO_IPV4 ? "ip" : "ip6");
    default: return xasprintf("%u", value[0]);
    }
}

static size_t width(enum field f)
{
    return (FIELDS[f].size + 3u) / 4 * 4;
}

/* "tcp . 8080" */
static char *fields_text(const enum field *f, size_t max, const uint8_t *bytes)
{
    char *text = xstrdup("");
    for (size_t i = 0; i < max && f[i]; bytes += width(f[i++])) {
        _cleanup_free_ char *before = text, *one = field_text(f[i], bytes);
        text = xasprintf("%s%s%s", before, i ? " . " : "", one);
    }
    return text;
}

/* The interfaces and addresses of an element, which say to which network it belongs. The end of a
 * range is the first address behind it. */
static void note_subjects(const enum field *f, size_t max, const uint8_t *bytes,
                          struct fw_difference *d)
{
    for (size_t i = 0; i < max && f[i]; bytes += width(f[i++])) {
        struct fw_subject *s = &d->subjects[d->subject_count];
        if (d->subject_count == ARRAY_LEN(d->subjects))
            return;
        *s = (struct fw_subject){0};
        if (f[i] == IFNAME)
            memcpy(s->interface, bytes, FIELDS[IFNAME].size - 1);
        else if (f[i] == IP4 || f[i] == IP6 || f[i] == TARGET6)
            memcpy(s->address, bytes, FIELDS[f[i]].size);
        else
            continue;
        s->family = f[i] == IFNAME ? 0 : f[i] == IP4 ? AF_INET : AF_INET6;
        d->subject_count++;
    }
}

static void note_all_subjects(const struct item *x, struct fw_difference *d)
{
    const struct set *s = &SETS[x->set];
    struct item before = *x;
    for (size_t i = FIELDS[s->key[0]].size; x->end && i > 0 && before.key[i - 1]-- == 0; i--)
        continue;
    note_subjects(s->key, ARRAY_LEN(s->key), before.key, d);
    note_subjects(s->data, ARRAY_LEN(s->data), x->data, d);
}

/* ---- report -------------------------------------------------------------------------------*/

struct comparison {
    void (*found)(const struct fw_difference *d, void *arg);
    void *arg;
};

static void tell(const struct comparison *c, const struct item *x, char *text)
{
    struct fw_difference d = {.text = text};
    if (x)
        note_all_subjects(x, &d);
    c->found(&d, c->arg);
    free(text);
}

static void judge_wanted(const struct comparison *c, const struct item *wanted,
                         const struct item *is)
{
    const struct set *s = &SETS[wanted->set];
    const char *what = skip_prefix(wanted->what, "add ");
    if (is && !is->expires && memcmp(is->data, wanted->data, KEY_MAX) == 0)
        return;
    if (!is) {
        tell(c, wanted, xasprintf("%s is not in set `%s`", what, s->name));
        return;
    }
    _cleanup_free_ char *to = fields_text(s->data, ARRAY_LEN(s->data), is->data);
    tell(c, wanted,
         is->expires ? xasprintf("%s is expiring in set `%s`", what, s->name)
                     : xasprintf("%s leads to %s in set `%s`", what, to, s->name));
}

static void judge_kernels(const struct comparison *c, const struct item *is)
{
    const struct set *s = &SETS[is->set];
    _cleanup_free_ char *key = fields_text(s->key, ARRAY_LEN(s->key), is->key);
    tell(c, is, xasprintf("set `%s` has the unexpected element `%s`", s->name, key));
}

static void tell_rule(char *text, void *comparison)
{
    tell(comparison, NULL, text);
}

/* If the content of a set is not known, no element is unexpected. */
static bool is_unknown(const struct fw_wanted *wanted, enum ruleset_set set)
{
    switch (set) {
    case SET_CLOSED_FROM:
    case SET_CLOSED_TO:
    case SET_HOST_BRIDGES: return wanted->unknown_closed;
    case SET_DNS_REDIRECT4:
    case SET_DNS_REDIRECT6:
    case SET_DNS_LISTEN: return wanted->unknown_dns;
    default: return false;
    }
}

static int compare_elements(struct nft *nft, const struct fw_wanted *wanted,
                            const struct comparison *c)
{
    _cleanup_items_ struct items must = {0}, may = {0}, is = {0};
    nft_batch_each(wanted->must->nft, take_wanted, &must);
    nft_batch_each(wanted->may->nft, take_wanted, &may);
    int r = read_kernel(nft, &is);
    if (r < 0)
        return r;
    sort(&must);
    sort(&may);
    sort(&is);
    for (size_t i = 0; i < must.count; i++)
        if (i == 0 || by_key(&must.all[i - 1], &must.all[i]) != 0)
            judge_wanted(c, &must.all[i], find(&is, &must.all[i]));
    for (size_t i = 0; i < is.count; i++)
        if (!is.all[i].expires && !is_unknown(wanted, is.all[i].set) && !find(&must, &is.all[i]) &&
            !find(&may, &is.all[i]))
            judge_kernels(c, &is.all[i]);
    return 0;
}

int fw_compare(struct fw *fw, const struct fw_wanted *wanted,
               void (*found)(const struct fw_difference *d, void *arg), void *arg, struct err *e)
{
    struct comparison c = {found, arg};
    int r = compare_rules(fw->nft, wanted->must->nft, tell_rule, &c);
    if (r == 0)
        r = compare_elements(fw->nft, wanted, &c);
    return r < 0 ? err_set(e, r, "read the firewall") : 0;
}
