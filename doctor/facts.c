/* Facts that several checks look up, among those that were gathered once. */
#include "doctor/doctor.h"

#include <stdarg.h>

const struct link *doctor_link(const struct doctor *d, const char *name)
{
    for (size_t i = 0; i < d->link_count; i++)
        if (streq(d->links[i].name, name))
            return &d->links[i];
    return NULL;
}

const struct link *doctor_link_at(const struct doctor *d, int index)
{
    for (size_t i = 0; i < d->link_count; i++)
        if (d->links[i].index == index)
            return &d->links[i];
    return NULL;
}

const struct network *doctor_network(const struct doctor *d, const char *name)
{
    for (size_t i = 0; i < d->network_count; i++)
        if (streq(d->networks[i].name, name))
            return &d->networks[i];
    return NULL;
}

bool doctor_is_uplink(const struct doctor *d, const struct link *l)
{
    for (size_t i = 0; i < d->route_count; i++)
        if (d->routes[i].prefix == 0 && d->routes[i].oif == l->index)
            return true;
    return false;
}

const char *doctor_uplink(const struct doctor *d)
{
    for (size_t i = 0; i < d->link_count; i++)
        if (doctor_is_uplink(d, &d->links[i]))
            return d->links[i].name;
    return NULL;
}

int64_t doctor_sysctl(int64_t fallback, const char *format, ...)
{
    _cleanup_free_ char *key = NULL;
    va_list args;
    va_start(args, format);
    int n = vasprintf(&key, format, args);
    va_end(args);
    _cleanup_free_ char *value = n < 0 ? NULL : sysctl_read(key);
    return value && *value ? strtoll(value, NULL, 10) : fallback;
}
