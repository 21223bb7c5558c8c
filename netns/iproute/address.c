/* ip addr add|replace|del [local] ADDRESS[/PREFIX] dev DEVICE [brd +|-|ADDRESS] [nodad] */
#include "line.h"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <string.h>

enum broadcast { NO_BROADCAST, BROADCAST_GIVEN, BROADCAST_ONES, BROADCAST_ZEROS };

struct address_order {
    const char *text; /* the address, as written */
    struct prefix local;
    const char *device;
    enum broadcast how;
    struct ip broadcast;
    bool no_dad;
};

/* Options of ip that only the node's own program does. */
static const char *const OTHERS[] = {
    "peer",       "remote",        "anycast",   "scope",         "label",     "metric",
    "priority",   "preference",    "valid_lft", "preferred_lft", "help",      "home",
    "mngtmpaddr", "noprefixroute", "autojoin",  "optimistic",    "secondary", "temporary",
    "dadfailed",  "deprecated",    "tentative", "permanent",     NULL,
};

static void read_broadcast(struct line *l, struct address_order *o)
{
    const char *value = line_value(l);
    if (!value || o->how) {
        line_hand_over(l);
        return;
    }
    if (streq(value, "+") || streq(value, "-")) {
        o->how = *value == '+' ? BROADCAST_ONES : BROADCAST_ZEROS;
    } else if (!looks_like_address(value)) {
        line_hand_over(l);
    } else if (line_address(l, value, l->family, &o->broadcast)) {
        o->how = BROADCAST_GIVEN;
        l->family = o->broadcast.family;
    }
}

static void read_local(struct line *l, struct address_order *o, const char *word)
{
    if (streq(word, "local") && !(word = line_value(l)))
        return;
    if (o->text || !looks_like_address(word)) {
        line_hand_over(l);
        return;
    }
    o->text = word;
    if (line_prefix(l, word, l->family, &o->local))
        l->family = o->local.ip.family;
}

static void read_order(struct line *l, struct address_order *o)
{
    const char *word;
    while ((word = line_next(l))) {
        if (streq(word, "dev"))
            o->device = line_device(l);
        else if (abbreviates(word, "broadcast") || streq(word, "brd"))
            read_broadcast(l, o);
        else if (streq(word, "nodad") && l->family == AF_INET6)
            o->no_dad = true; /* before it knows the family, ip ignores the word and warns */
        else if (abbreviates_any(word, OTHERS))
            line_hand_over(l);
        else
            read_local(l, o, word);
    }
}

/* The last address of the prefix, or its first. A prefix of one or two addresses has none. */
static void put_broadcast(struct request *r, const struct address_order *o)
{
    if (o->how == BROADCAST_GIVEN) {
        request_put_ip(r, IFA_BROADCAST, &o->broadcast);
    } else if (o->how && o->local.length <= 30) {
        struct ip broadcast = o->local.ip;
        uint32_t host = htonl((uint32_t)(UINT32_MAX >> o->local.length));
        if (o->how == BROADCAST_ONES)
            broadcast.v4.s_addr |= host;
        else
            broadcast.v4.s_addr &= ~host;
        request_put_ip(r, IFA_BROADCAST, &broadcast);
    }
}

static void send_order(struct line *l, uint16_t type, uint16_t flags, const struct address_order *o)
{
    struct request r;
    struct ifaddrmsg *m = request_start(&r, type, flags, sizeof(*m));
    bool deletes = type == RTM_DELADDR, wildcard = false;
    m->ifa_family = (uint8_t)l->family;
    m->ifa_prefixlen = (uint8_t)o->local.length;
    m->ifa_flags = o->no_dad ? IFA_F_NODAD : 0;
    request_put_ip(&r, IFA_LOCAL, &o->local.ip);
    if (deletes && l->family == AF_INET && !o->local.length_given) {
        wildcard = true;
        line_print(l,
                   "Warning: Executing wildcard deletion to stay compatible with old scripts.\n"
                   "         Explicitly specify the prefix length (%s/32) to avoid this warning.\n"
                   "         This special behaviour is likely to disappear in further releases,\n"
                   "         fix your scripts!\n",
                   o->text);
    }
    if (!wildcard)
        request_put_ip(&r, IFA_ADDRESS, &o->local.ip);
    if (!deletes || o->how == BROADCAST_GIVEN)
        put_broadcast(&r, o);
    if (!deletes && l->family == AF_INET && o->local.ip.bytes[0] == 127)
        m->ifa_scope = RT_SCOPE_HOST;
    m->ifa_index = (uint32_t)line_need_link(l, o->device);
    line_send(l, &r);
}

void address_line(struct line *l)
{
    const char *verb = line_next(l);
    struct address_order o = {0};
    uint16_t type = RTM_NEWADDR, flags = NLM_F_CREATE;
    if (verb && abbreviates(verb, "add"))
        flags |= NLM_F_EXCL;
    else if (verb && abbreviates(verb, "replace"))
        flags |= NLM_F_REPLACE;
    else if (verb && abbreviates(verb, "delete"))
        type = RTM_DELADDR, flags = 0;
    else
        line_hand_over(l);
    read_order(l, &o);
    if (line_reading(l) && !o.device)
        line_finish(l, IP_MISTAKE, "Not enough information: \"dev\" argument is required.\n");
    if (line_reading(l) && !o.text)
        line_hand_over(l);
    if (line_reading(l) && o.how > BROADCAST_GIVEN && type != RTM_DELADDR && l->family != AF_INET)
        line_finish(l, IP_MISTAKE, "Broadcast can be set only for IPv4 addresses\n");
    if (line_reading(l))
        send_order(l, type, flags, &o);
}
