/* The older ip_tables: rules in tables of their own, which nf_tables does not show and which drop all the
 * same. Asking for a table would make it, so only those are read that /proc says are there.
 */
#include "snapshot.h"

#include <errno.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <string.h>
#include <sys/socket.h>

/* Both families have the same shape; what differs is brought into one here. */
struct entry {
    enum tri match;
    size_t next, target;
};

struct table {
    bool six;
    uint8_t *entries;
    size_t size;
    unsigned hook_entry, underflow;
};

static enum tri match_name(const char *name, const char *wanted, const unsigned char *mask,
                           bool inverted)
{
    char own[IFNAMSIZ] = "";
    bool same = true, asked = false;
    if (name)
        strncpy(own, name, sizeof(own) - 1);
    for (size_t i = 0; i < IFNAMSIZ; i++) {
        asked = asked || mask[i];
        same = same && ((own[i] ^ wanted[i]) & mask[i]) == 0;
    }
    return !asked ? YES : !name ? MAYBE : same != inverted ? YES : NO;
}

static enum tri match_address(const struct ip *a, const void *wanted, const void *mask, size_t size,
                              bool inverted)
{
    bool same = true, asked = false;
    for (size_t i = 0; i < size; i++) {
        uint8_t m = ((const uint8_t *)mask)[i];
        asked = asked || m;
        same = same && ((a->bytes[i] ^ ((const uint8_t *)wanted)[i]) & m) == 0;
    }
    return !asked ? YES : !a->family ? MAYBE : same != inverted ? YES : NO;
}

static enum tri both(enum tri a, enum tri b)
{
    return a < b ? a : b;
}

static enum tri match_protocol(const struct foreign_packet *p, uint16_t wanted, bool inverted)
{
    return !wanted ? YES : !p->protocol ? MAYBE : (p->protocol == wanted) != inverted ? YES : NO;
}

/* What stands between an entry and its target. */
static enum tri match_extensions(const unsigned char *at, size_t left,
                                 const struct foreign_packet *p)
{
    enum tri t = YES;
    while (left >= sizeof(struct xt_entry_match)) {
        const struct xt_entry_match *m = (const void *)at;
        size_t size = m->u.match_size;
        if (size < sizeof(*m) || size > left)
            return MAYBE;
        t = both(t, xt_match(m->u.user.name, m->u.user.revision, m->data, size - sizeof(*m), p));
        at += size;
        left -= size;
    }
    return t;
}

static struct entry read4(const struct ipt_entry *x, const struct foreign_packet *p)
{
    const struct ipt_ip *i = &x->ip;
    enum tri t =
        both(match_name(p->in, i->iniface, i->iniface_mask, i->invflags & IPT_INV_VIA_IN),
             match_name(p->out, i->outiface, i->outiface_mask, i->invflags & IPT_INV_VIA_OUT));
    t = both(t, match_address(&p->source, &i->src, &i->smsk, 4, i->invflags & IPT_INV_SRCIP));
    t = both(t, match_address(&p->destination, &i->dst, &i->dmsk, 4, i->invflags & IPT_INV_DSTIP));
    t = both(t, match_protocol(p, i->proto, i->invflags & IPT_INV_PROTO));
    t = both(t, match_extensions(x->elems, x->target_offset - sizeof(*x), p));
    return (struct entry){t, x->next_offset, x->target_offset};
}

static struct entry read6(const struct ip6t_entry *x, const struct foreign_packet *p)
{
    const struct ip6t_ip6 *i = &x->ipv6;
    enum tri t =
        both(match_name(p->in, i->iniface, i->iniface_mask, i->invflags & IP6T_INV_VIA_IN),
             match_name(p->out, i->outiface, i->outiface_mask, i->invflags & IP6T_INV_VIA_OUT));
    t = both(t, match_address(&p->source, &i->src, &i->smsk, 16, i->invflags & IP6T_INV_SRCIP));
    t = both(t,
             match_address(&p->destination, &i->dst, &i->dmsk, 16, i->invflags & IP6T_INV_DSTIP));
    if (i->flags & IP6T_F_PROTO)
        t = both(t, match_protocol(p, i->proto, i->invflags & IP6T_INV_PROTO));
    t = both(t, match_extensions(x->elems, x->target_offset - sizeof(*x), p));
    return (struct entry){t, x->next_offset, x->target_offset};
}

static bool entry_at(const struct table *t, size_t at, const struct foreign_packet *p,
                     struct entry *out)
{
    size_t least = t->six ? sizeof(struct ip6t_entry) : sizeof(struct ipt_entry);
    if (at > t->size || t->size - at < least + sizeof(struct xt_entry_target))
        return false;
    size_t target = t->six ? ((struct ip6t_entry *)(void *)(t->entries + at))->target_offset
                           : ((struct ipt_entry *)(void *)(t->entries + at))->target_offset;
    if (target < least || target > t->size - at - sizeof(struct xt_entry_target))
        return false;
    *out = t->six ? read6((void *)(t->entries + at), p) : read4((void *)(t->entries + at), p);
    return out->next >= least;
}

struct legacy_walk {
    const struct table *table;
    const struct foreign_packet *packet;
    bool may_accept, may_drop, policy;
    int left; /* entries to look at: what is read is not trusted */
};

static enum verdict walk(struct legacy_walk *w, size_t at, int depth);

static enum verdict target_of(struct legacy_walk *w, size_t at, const struct entry *x, int depth)
{
    const struct xt_standard_target *t = (void *)(w->table->entries + at + x->target);
    const char *name = t->target.u.user.name;
    if (streq(name, "REJECT"))
        return V_DROP;
    if (*name) /* "" is the standard one */
        return V_NONE;
    if (t->verdict < 0)
        return t->verdict == XT_RETURN        ? V_RETURN
               : -t->verdict - 1 == NF_ACCEPT ? V_ACCEPT
               : -t->verdict - 1 == NF_DROP   ? V_DROP
                                              : V_NONE;
    if ((size_t)t->verdict == at + x->next)
        return V_NONE;
    enum verdict v = walk(w, (size_t)t->verdict, depth + 1);
    return v == V_RETURN ? V_NONE : v;
}

static enum verdict walk(struct legacy_walk *w, size_t at, int depth)
{
    struct entry x;
    for (; depth < 16 && w->left-- > 0 && entry_at(w->table, at, w->packet, &x); at += x.next) {
        enum verdict v = x.match == NO ? V_NONE : target_of(w, at, &x, depth);
        if (depth == 0 && at == w->table->underflow) {
            w->policy = true;
            return v;
        }
        if (x.match == YES && v != V_NONE)
            return v;
        w->may_accept = w->may_accept || (x.match == MAYBE && (v == V_ACCEPT || v == V_RETURN));
        w->may_drop = w->may_drop || (x.match == MAYBE && v == V_DROP);
    }
    return V_RETURN;
}

/* 0 when the table has no chain at the hook. */
static int read_table(struct table *t, const char *name, unsigned hook)
{
    /* The requests' numbers are the same in both families. */
    struct ipt_getinfo info = {0};
    strncpy(info.name, name, sizeof(info.name) - 1);
    socklen_t size = sizeof(info);
    int level = t->six ? IPPROTO_IPV6 : IPPROTO_IP;
    _cleanup_close_ int fd =
        socket(t->six ? AF_INET6 : AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
    if (fd < 0 || getsockopt(fd, level, IPT_SO_GET_INFO, &info, &size) < 0)
        return -errno;
    if (!(info.valid_hooks & 1u << hook))
        return 0;
    size_t head = t->six ? offsetof(struct ip6t_get_entries, entrytable)
                         : offsetof(struct ipt_get_entries, entrytable);
    uint8_t *buffer = xcalloc(1, head + info.size);
    struct ipt_get_entries *request = (void *)buffer;
    memcpy(request->name, info.name, sizeof(info.name));
    request->size = info.size;
    size = (socklen_t)(head + info.size);
    if (getsockopt(fd, level, IPT_SO_GET_ENTRIES, buffer, &size) < 0) {
        free(buffer);
        return -errno;
    }
    memmove(buffer, buffer + head, info.size);
    t->entries = buffer;
    t->size = info.size;
    t->hook_entry = info.hook_entry[hook];
    t->underflow = info.underflow[hook];
    return 1;
}

static int judge_table(const char *name, int priority, const struct foreign_packet *packet,
                       void (*each)(const struct foreign_drop *d, void *arg), void *arg,
                       struct err *e)
{
    static const char *const chains[] = {[NF_INET_PRE_ROUTING] = "PREROUTING",
                                         [NF_INET_LOCAL_IN] = "INPUT",
                                         [NF_INET_FORWARD] = "FORWARD",
                                         [NF_INET_LOCAL_OUT] = "OUTPUT",
                                         [NF_INET_POST_ROUTING] = "POSTROUTING"};
    struct table t = {.six = packet->family == AF_INET6};
    int r = read_table(&t, name, packet->hook);
    if (r < 0)
        return err_set(e, r, "read the table `%s` of %s", name, t.six ? "ip6_tables" : "ip_tables");
    if (r == 0)
        return 0;
    struct foreign_packet p = foreign_seen_by(packet, priority);
    struct legacy_walk w = {.table = &t, .packet = &p, .left = 100000};
    enum verdict v = walk(&w, t.hook_entry, 0);
    struct foreign_drop d = {
        .end = v != V_DROP    ? FOREIGN_DROPS_PERHAPS
               : w.may_accept ? FOREIGN_DROPS_UNLESS
                              : FOREIGN_DROPS,
        .family = t.six ? "ip6" : "ip",
        .table = name,
        .chain = chains[packet->hook],
        .policy = v == V_DROP && w.policy,
        .legacy = true,
    };
    if (v == V_DROP || w.may_drop)
        each(&d, arg);
    free(t.entries);
    return 0;
}

int legacy_judge(const struct foreign_packet *packet,
                 void (*each)(const struct foreign_drop *d, void *arg), void *arg, struct err *e)
{
    static const struct {
        const char *name;
        int priority;
    } tables[] = {{"raw", NF_IP_PRI_RAW},
                  {"mangle", NF_IP_PRI_MANGLE},
                  {"filter", NF_IP_PRI_FILTER},
                  {"security", NF_IP_PRI_SECURITY}};
    _cleanup_free_ char *text = NULL;
    if (read_file_at(AT_FDCWD,
                     packet->family == AF_INET6 ? "/proc/net/ip6_tables_names"
                                                : "/proc/net/ip_tables_names",
                     4096, &text, NULL) < 0)
        return 0;
    _cleanup_strv_ strv there = strv_split(text, '\n');
    int r = 0;
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(tables); i++)
        if (strv_has(there, tables[i].name))
            r = judge_table(tables[i].name, tables[i].priority, packet, each, arg, e);
    return r;
}
