/* Reports packets that netctr's own firewall has dropped. Its counters are shared by all
 * containers, so they do not say which container sent a packet. */
#include "doctor/doctor.h"

#include <inttypes.h>

static void say_drop(const struct firewall_drop *drop, void *arg)
{
    struct doctor *d = arg;
    if (drop->guard)
        doctor_say(d, NOTE,
                   xstrdup("nothing, unless one of them is a router or has several addresses: then "
                           "use a network made with --no-guard"),
                   "the guard has dropped %" PRIu64
                   " packet%s of containers (%s) since the firewall "
                   "was last loaded",
                   drop->packets, drop->packets == 1 ? "" : "s", drop->why);
    else
        doctor_say(d, NOTE,
                   xasprintf("nothing, unless they were expected: `%s` shows the rule", drop->show),
                   "netctr has dropped %" PRIu64 " packet%s with an address that cannot come from "
                   "there (%s) since the firewall was last loaded",
                   drop->packets, drop->packets == 1 ? "" : "s", drop->why);
}

int check_drops(struct doctor *d, struct err *e)
{
    return d->store && net_check(d->bridge, NULL) == 0
               ? firewall_each_drop(d->bridge, say_drop, d, e)
               : 0;
}
