/* Reads the tables of ip_tables and ip6_tables. nf_tables does not list them, but they drop
 * packets, too. Asking for a table creates it, so only tables that /proc lists are read. */
#include "eval.h"

#include <errno.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <string.h>
#include <sys/socket.h>

/* The structures of both families have the same shape; this is the common part. */
struct entry {
    enum tri match;
    size_t next, target;
    bool is_goto; /* its jump does not come back */
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

/* @at: of the address in the network header. */
static enum tri match_address(const struct nft_packet *p, size_t at, const void *wanted,
                              const void *mask, size_t size, bool inverted)
{
    bool same = true, known = true;
    for (size_t i = 0; i < size; i++) {
        uint8_t m = ((const uint8_t *)mask)[i], k = p->network.known[at + i];
        same = same && ((p->network.value[at + i] ^ ((const uint8_t *)wanted)[i]) & m & k) == 0;
        known = known && (m & ~k) == 0;
    }
    return same && !known ? MAYBE : same != inverted ? YES : NO;
}

static enum tri both(enum tri a, enum tri b)
{
    return a < b ? a : b;
}

static enum tri match_protocol(const struct nft_packet *p, uint16_t wanted, bool inverted)
{
    return !wanted ? YES : !p->protocol ? MAYBE : (p->protocol == wanted) != inverted ? YES : NO;
}

/* The matches between an entry and its target. */
static enum tri match_extensions(const unsigned char *at, size_t left, const struct nft_packet *p,
                                 bool ct_unknown)
{
    enum tri t = YES;
    while (left >= sizeof(struct xt_entry_match)) {
        const struct xt_entry_match *m = (const void *)at;
        size_t size = m->u.match_size;
        if (size < sizeof(*m) || size > left)
            return MAYBE;
        t = both(t, xt_match(m->u.user.name, m->u.user.revision, m->data, size - sizeof(*m), p,
                             ct_unknown));
        at += size;
        left -= size;
    }
    return t;
}

static struct entry read4(const struct ipt_entry *x, const struct nft_packet *p, bool ct_unknown)
{
    const struct ipt_ip *i = &x->ip;
    enum tri t =
        both(match_name(p->in.name, i->iniface, i->iniface_mask, i->invflags & IPT_INV_VIA_IN),
             match_name(p->out.name, i->outiface, i->outiface_mask, i->invflags & IPT_INV_VIA_OUT));
    t = both(t, match_address(p, 12, &i->src, &i->smsk, 4, i->invflags & IPT_INV_SRCIP));
    t = both(t, match_address(p, 16, &i->dst, &i->dmsk, 4, i->invflags & IPT_INV_DSTIP));
    t = both(t, match_protocol(p, i->proto, i->invflags & IPT_INV_PROTO));
    t = both(t, match_extensions(x->elems, x->target_offset - sizeof(*x), p, ct_unknown));
    return (struct entry){t, x->next_offset, x->target_offset, i->flags & IPT_F_GOTO};
}

static struct entry read6(const struct ip6t_entry *x, const struct nft_packet *p, bool ct_unknown)
{
    const struct ip6t_ip6 *i = &x->ipv6;
    enum tri t = both(
        match_name(p->in.name, i->iniface, i->iniface_mask, i->invflags & IP6T_INV_VIA_IN),
        match_name(p->out.name, i->outiface, i->outiface_mask, i->invflags & IP6T_INV_VIA_OUT));
    t = both(t, match_address(p, 8, &i->src, &i->smsk, 16, i->invflags & IP6T_INV_SRCIP));
    t = both(t, match_address(p, 24, &i->dst, &i->dmsk, 16, i->invflags & IP6T_INV_DSTIP));
    if (i->flags & IP6T_F_PROTO)
        t = both(t, match_protocol(p, i->proto, i->invflags & IP6T_INV_PROTO));
    t = both(t, match_extensions(x->elems, x->target_offset - sizeof(*x), p, ct_unknown));
    return (struct entry){t, x->next_offset, x->target_offset, i->flags & IP6T_F_GOTO};
}

static bool entry_at(const struct xt_table *t, size_t at, const struct nft_packet *p,
                     bool ct_unknown, struct entry *out)
{
    size_t least = t->six ? sizeof(struct ip6t_entry) : sizeof(struct ipt_entry);
    if (at > t->size || t->size - at < least + sizeof(struct xt_entry_target))
        return false;
    size_t target = t->six ? ((struct ip6t_entry *)(void *)(t->entries + at))->target_offset
                           : ((struct ipt_entry *)(void *)(t->entries + at))->target_offset;
    if (target < least || target > t->size - at - sizeof(struct xt_entry_target))
        return false;
    *out = t->six ? read6((void *)(t->entries + at), p, ct_unknown)
                  : read4((void *)(t->entries + at), p, ct_unknown);
    return out->next >= least;
}

struct xt_walk {
    const struct xt_table *table;
    struct nft_packet *packet;
    unsigned hook;
    bool ct_unknown;
    unsigned may; /* outcomes of the rules that were passed */
    bool policy;
    int left; /* limit of entries to look at, as the data is not trusted */
};

enum { ENTRIES_MAX = 100000, DEPTH_MAX = 16 };

static unsigned walk(struct xt_walk *w, size_t at, int depth);

/* The outcome of an entry that matches. */
static unsigned target_of(struct xt_walk *w, size_t at, const struct entry *x, int depth)
{
    const struct xt_standard_target *t = (void *)(w->table->entries + at + x->target);
    const char *name = t->target.u.user.name;
    if (*name) /* "" is the standard target: a verdict or a jump */
        return xt_target(name, w->packet);
    if (t->verdict < 0)
        return t->verdict == XT_RETURN        ? MAY_RETURN
               : -t->verdict - 1 == NF_ACCEPT ? MAY_ACCEPT
               : -t->verdict - 1 == NF_DROP   ? MAY_DROP
               : -t->verdict - 1 == NF_QUEUE  ? MAY_ELSE
                                              : MAY_ANYTHING;
    if ((size_t)t->verdict == at + x->next)
        return MAY_CONTINUE;
    unsigned end = walk(w, (size_t)t->verdict, depth + 1);
    return end == MAY_RETURN && !x->is_goto ? MAY_CONTINUE : end;
}

/* The outcome if no rule matches that cannot be evaluated. Other outcomes are added to @w->may. */
static unsigned walk(struct xt_walk *w, size_t at, int depth)
{
    struct entry x;
    for (; entry_at(w->table, at, w->packet, w->ct_unknown, &x); at += x.next) {
        if (depth >= DEPTH_MAX || w->left-- <= 0)
            break;
        unsigned v = x.match == NO ? MAY_CONTINUE : target_of(w, at, &x, depth);
        if (depth == 0 && at == w->table->underflow[w->hook]) {
            w->policy = true;
            return v;
        }
        if (x.match == YES && v == MAY_ANYTHING) {
            w->may |= v;
            return MAY_ELSE;
        }
        if (x.match == YES && v == MAY_RETURN && depth == 0) {
            at = w->table->underflow[w->hook] - x.next; /* to the policy */
            continue;
        }
        if (x.match == YES && v != MAY_CONTINUE)
            return v;
        /* Behind a return, the rules of the chain that jumped here may decide otherwise, up to the policy. */
        if (v != MAY_CONTINUE)
            w->may |= v == MAY_RETURN ? MAY_ACCEPT | MAY_DROP : v;
    }
    if (depth < DEPTH_MAX && w->left > 0)
        return MAY_RETURN;
    w->may |= MAY_ANYTHING;
    return MAY_RETURN;
}

struct chain_end xt_table_walk(const struct xt_table *t, unsigned hook, struct nft_packet *p,
                               bool ct_unknown)
{
    struct xt_walk w = {
        .table = t, .packet = p, .hook = hook, .ct_unknown = ct_unknown, .left = ENTRIES_MAX};
    unsigned end = walk(&w, t->hook_entry[hook], 0);
    if (end & (MAY_RETURN | MAY_CONTINUE)) /* not in a table that the kernel has checked */
        end = MAY_ELSE;
    return (struct chain_end){
        .may = (w.may | end) & (MAY_ACCEPT | MAY_DROP | MAY_ELSE), .main = end, .policy = w.policy};
}

/* ---- read ------------------------------------------------------------------------------------*/

/* The requests' numbers are the same in both families. -EAGAIN: the table was replaced meanwhile. */
static int try_table(struct xt_table *t)
{
    struct ipt_getinfo info = {0};
    strncpy(info.name, t->name, sizeof(info.name) - 1);
    socklen_t size = sizeof(info);
    int level = t->six ? IPPROTO_IPV6 : IPPROTO_IP;
    _cleanup_close_ int fd =
        socket(t->six ? AF_INET6 : AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
    if (fd < 0 || getsockopt(fd, level, IPT_SO_GET_INFO, &info, &size) < 0)
        return -errno;
    size_t head = t->six ? offsetof(struct ip6t_get_entries, entrytable)
                         : offsetof(struct ipt_get_entries, entrytable);
    _cleanup_free_ uint8_t *buffer = xcalloc(1, head + info.size);
    struct ipt_get_entries *request = (void *)buffer;
    memcpy(request->name, info.name, sizeof(info.name));
    request->size = info.size;
    size = (socklen_t)(head + info.size);
    if (getsockopt(fd, level, IPT_SO_GET_ENTRIES, buffer, &size) < 0)
        return -errno;
    t->entries = xcalloc(1, info.size);
    memcpy(t->entries, buffer + head, info.size);
    t->size = info.size;
    t->valid_hooks = info.valid_hooks;
    memcpy(t->hook_entry, info.hook_entry, sizeof(t->hook_entry));
    memcpy(t->underflow, info.underflow, sizeof(t->underflow));
    return 0;
}

static int read_table(struct xt_table *t)
{
    enum { TRIES = 20 };
    int r = -EAGAIN;
    for (int i = 0; i < TRIES && r == -EAGAIN; i++)
        r = try_table(t);
    return r;
}

static int read_family(struct nft_snapshot *s, bool six, struct err *e)
{
    /* Tables of type nat see only the first packet of a connection, and rarely drop it. */
    static const struct {
        const char *name;
        int priority;
    } tables[] = {{"raw", NF_IP_PRI_RAW},
                  {"mangle", NF_IP_PRI_MANGLE},
                  {"filter", NF_IP_PRI_FILTER},
                  {"security", NF_IP_PRI_SECURITY}};
    _cleanup_free_ char *text = NULL;
    if (read_file_at(AT_FDCWD,
                     six ? "/proc/thread-self/net/ip6_tables_names"
                         : "/proc/thread-self/net/ip_tables_names",
                     4096, &text, NULL) < 0)
        return 0;
    _cleanup_strv_ strv there = strv_split(text, '\n');
    for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
        if (!strv_has(there, tables[i].name))
            continue;
        struct xt_table *t = &s->xt_tables[s->xt_table_count];
        *t = (struct xt_table){.six = six, .priority = tables[i].priority};
        strncpy(t->name, tables[i].name, sizeof(t->name) - 1);
        int r = read_table(t);
        if (r < 0)
            return err_set(e, r, "read the table `%s` of %s", t->name,
                           six ? "ip6_tables" : "ip_tables");
        s->xt_table_count++;
    }
    return 0;
}

int xt_tables_read(struct nft_snapshot *s, struct err *e)
{
    int r = read_family(s, false, e);
    return r == 0 ? read_family(s, true, e) : r;
}

void xt_tables_free(struct nft_snapshot *s)
{
    for (size_t i = 0; i < s->xt_table_count; i++)
        free(s->xt_tables[i].entries);
}
