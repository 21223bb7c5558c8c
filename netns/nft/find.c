/* Finds chains and sets of a snapshot by name. */
#include "snapshot.h"

#include <string.h>

int compare_names(uint32_t family, const char *table, const char *name, uint32_t family2,
                  const char *table2, const char *name2)
{
    int order = family < family2 ? -1 : family > family2;
    order = order ? order : strcmp(table, table2);
    return order ? order : strcmp(name, name2);
}

int compare_chains(const void *a, const void *b)
{
    const struct nft_chain *x = a, *y = b;
    return compare_names(x->family, x->table, x->name, y->family, y->table, y->name);
}

const struct nft_chain *snapshot_chain(const struct nft_snapshot *s, uint32_t family,
                                       const char *table, const char *name)
{
    const struct nft_chain key = {.family = family, .table = table, .name = name};
    return name && s->chain_count
               ? bsearch(&key, s->chains, s->chain_count, sizeof(*s->chains), compare_chains)
               : NULL;
}

int compare_sets(const void *a, const void *b)
{
    const struct nft_set *x = a, *y = b;
    return compare_names(x->family, x->table, x->name, y->family, y->table, y->name);
}

const struct nft_set *snapshot_set(const struct nft_snapshot *s, uint32_t family, const char *table,
                                   const char *name)
{
    const struct nft_set key = {.family = family, .table = table, .name = name};
    return name && s->set_count
               ? bsearch(&key, s->sets, s->set_count, sizeof(*s->sets), compare_sets)
               : NULL;
}
