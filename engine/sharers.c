/* Containers that share the sandbox of another one (`--network container:NAME`), and the order in which they start: an
 * owner that has ended starts first.
 */
#include "internal.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

enum network_word network_word(const char *text, const char **rest)
{
    const char *after = NULL;
    enum network_word word = NETWORK_NAME;
    if (streq(text, "host"))
        word = NETWORK_WORD_HOST;
    else if (streq(text, "none"))
        word = NETWORK_WORD_NONE;
    else if ((after = skip_prefix(text, NETWORK_OF)))
        word = NETWORK_WORD_CONTAINER;
    else if ((after = skip_prefix(text, "ns:")))
        word = NETWORK_WORD_NS;
    else if ((after = skip_prefix(text, NETWORK_OF_SANDBOX)))
        word = NETWORK_WORD_SANDBOX;
    if (rest)
        *rest = after;
    return word;
}

const char *network_owner(const struct spec *s)
{
    const char *rest;
    return network_word(s->network, &rest) == NETWORK_WORD_CONTAINER ? rest : NULL;
}

/* ---- in order --------------------------------------------------------------------------------*/

/* Matches as store_find() does. */
static bool is_meant(const struct record *r, const char *name_or_id)
{
    return r->spec.name && (streq(r->spec.name, name_or_id) ||
                            (strlen(name_or_id) >= 4 && skip_prefix(r->spec.id, name_or_id)));
}

/* Its index, or @count. */
static size_t find_meant(const struct record *all, size_t count, const char *name_or_id)
{
    size_t i = 0;
    while (i < count && !is_meant(&all[i], name_or_id))
        i++;
    return i;
}

size_t *owners_first(const struct record *all, size_t count)
{
    size_t *order = xcalloc(count + 1, sizeof(*order)), placed_count = 0;
    _cleanup_free_ bool *placed = xcalloc(count + 1, sizeof(*placed));
    /* From a container to its owner, to the owner's owner …: each goes before the one that led there. In a circle, the
     * first one given comes last. */
    for (size_t i = 0; i < count; i++) {
        size_t first = placed_count, k = i;
        while (k < count && !placed[k]) {
            placed[k] = true;
            memmove(order + first + 1, order + first, (placed_count - first) * sizeof(*order));
            order[first] = k;
            placed_count++;
            const char *owner = all[k].spec.name ? network_owner(&all[k].spec) : NULL;
            k = owner ? find_meant(all, count, owner) : count;
        }
    }
    return order;
}
