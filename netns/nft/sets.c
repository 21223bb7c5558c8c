/* Sets and maps of others' firewalls. Each is read once, and what it says about a value is kept: many rules and many
 * packets ask the same. */
#include "snapshot.h"

#include <netctr/nft.h>

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <search.h>
#include <string.h>

struct answer {
    uint8_t value[REGISTERS];
    size_t room;
    struct foreign_found found; /* its chain belongs to an element */
};

struct foreign_set {
    uint32_t family;
    const char *table, *name;
    char *owned_table, *owned_name; /* the same; NULL in a key to search by */
    int flags;                      /* NFT_SET_… */
    int failure;                    /* to read it */
    struct nftnl_set **parts;       /* with all elements */
    size_t part_count;
    struct answer *answers;
    size_t answer_count;
};

/* ---- read ------------------------------------------------------------------------------------*/

static int on_elements(const struct nlmsghdr *answer, void *data)
{
    struct foreign_set *set = data;
    struct nftnl_set *s = nft_must(nftnl_set_alloc());
    if (nftnl_set_elems_nlmsg_parse(answer, s) < 0) {
        nftnl_set_free(s);
        return MNL_CB_OK;
    }
    set->parts = xrealloc(set->parts, set->part_count + 1, sizeof(struct nftnl_set *));
    set->parts[set->part_count++] = s;
    return MNL_CB_OK;
}

static int on_set(const struct nlmsghdr *answer, void *data)
{
    struct nftnl_set *s = nft_must(nftnl_set_alloc());
    if (nftnl_set_nlmsg_parse(answer, s) == 0)
        *(int *)data = (int)nftnl_set_get_u32(s, NFTNL_SET_FLAGS);
    nftnl_set_free(s);
    return MNL_CB_OK;
}

static int read_set(struct nft *nft, struct foreign_set *set)
{
    _Alignas(struct nlmsghdr) char buffer[1024];
    struct nlmsghdr *h = nftnl_nlmsg_build_hdr(buffer, NFT_MSG_GETSET, (uint16_t)set->family, 0, 0);
    mnl_attr_put_strz(h, NFTA_SET_TABLE, set->table);
    mnl_attr_put_strz(h, NFTA_SET_NAME, set->name);
    int r = nft_request(nft, h, on_set, &set->flags);
    if (r < 0)
        return r;
    h = nftnl_nlmsg_build_hdr(buffer, NFT_MSG_GETSETELEM, (uint16_t)set->family, NLM_F_DUMP, 0);
    mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_TABLE, set->table);
    mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_SET, set->name);
    return nft_request(nft, h, on_elements, set);
}

static int by_name(const void *a, const void *b)
{
    const struct foreign_set *x = a, *y = b;
    int r = x->family < y->family ? -1 : x->family > y->family;
    r = r ? r : strcmp(x->table, y->table);
    return r ? r : strcmp(x->name, y->name);
}

static struct foreign_set *find_set(struct foreign *f, uint32_t family, const char *table,
                                    const char *name)
{
    const struct foreign_set key = {.family = family, .table = table, .name = name};
    struct foreign_set **there = tfind(&key, &f->sets, by_name);
    if (there)
        return *there;
    struct foreign_set *set = xcalloc(1, sizeof(*set));
    set->family = family;
    set->table = set->owned_table = xstrdup(table);
    set->name = set->owned_name = xstrdup(name);
    set->failure = read_set(f->nft, set);
    nft_must(tsearch(set, &f->sets, by_name));
    return set;
}

static void free_set(void *item)
{
    struct foreign_set *set = item;
    for (size_t i = 0; i < set->part_count; i++)
        nftnl_set_free(set->parts[i]);
    free(set->parts);
    free(set->answers);
    free(set->owned_table);
    free(set->owned_name);
    free(set);
}

void foreign_free_sets(struct foreign *f)
{
    tdestroy(f->sets, free_set);
}

static int each_element(const struct foreign_set *set,
                        int (*each)(struct nftnl_set_elem *x, void *arg), void *arg)
{
    for (size_t i = 0; set->failure == 0 && i < set->part_count; i++)
        (void)nftnl_set_elem_foreach(set->parts[i], each, arg);
    return set->failure;
}

int foreign_each_element(struct foreign *f, uint32_t family, const char *table, const char *set,
                         int (*each)(struct nftnl_set_elem *x, void *arg), void *arg)
{
    return each_element(find_set(f, family, table, set), each, arg);
}

/* ---- look up ---------------------------------------------------------------------------------*/

struct lookup {
    const struct answer *asked;
    struct foreign_found *found;
    bool intervals;
    uint8_t nearest[REGISTERS]; /* the greatest border that is not beyond the value */
    bool any;
};

static void hit(struct lookup *l, struct nftnl_set_elem *x)
{
    l->found->found = true;
    if (nftnl_set_elem_is_set(x, NFTNL_SET_ELEM_VERDICT))
        l->found->verdict = (int)nftnl_set_elem_get_u32(x, NFTNL_SET_ELEM_VERDICT);
    l->found->chain = nftnl_set_elem_is_set(x, NFTNL_SET_ELEM_CHAIN)
                          ? nftnl_set_elem_get_str(x, NFTNL_SET_ELEM_CHAIN)
                          : NULL;
}

/* A range is two elements: where it begins and where it no longer is. */
static int try_element(struct nftnl_set_elem *x, void *data)
{
    struct lookup *l = data;
    uint32_t size = 0, flags = 0;
    const void *key = nftnl_set_elem_get(x, NFTNL_SET_ELEM_KEY, &size);
    if (nftnl_set_elem_is_set(x, NFTNL_SET_ELEM_FLAGS))
        flags = nftnl_set_elem_get_u32(x, NFTNL_SET_ELEM_FLAGS);
    if (!key || size > l->asked->room || nftnl_set_elem_is_set(x, NFTNL_SET_ELEM_KEY_END)) {
        l->found->strange = true;
        return 0;
    }
    int order = memcmp(key, l->asked->value, size);
    bool end = flags & NFT_SET_ELEM_INTERVAL_END;
    if (!l->intervals) {
        if (order == 0)
            hit(l, x);
        return 0;
    }
    int nearer = l->any ? memcmp(key, l->nearest, size) : 1;
    if (order > 0 || nearer < 0 || (nearer == 0 && end))
        return 0;
    l->any = true;
    memcpy(l->nearest, key, size);
    if (end)
        l->found->found = false;
    else
        hit(l, x);
    return 0;
}

int foreign_look_up(struct foreign *f, uint32_t family, const char *table, const char *name,
                    const uint8_t *value, size_t room, struct foreign_found *out)
{
    struct foreign_set *set = find_set(f, family, table, name);
    for (size_t i = 0; i < set->answer_count; i++)
        if (set->answers[i].room == room && memcmp(set->answers[i].value, value, room) == 0) {
            *out = set->answers[i].found;
            return 0;
        }
    struct answer answer = {.room = room, .found.verdict = NFT_CONTINUE};
    memcpy(answer.value, value, room);
    struct lookup l = {
        .asked = &answer, .found = &answer.found, .intervals = set->flags & NFT_SET_INTERVAL};
    int r = each_element(set, try_element, &l);
    if (r < 0)
        return r;
    set->answers = xrealloc(set->answers, set->answer_count + 1, sizeof(answer));
    set->answers[set->answer_count++] = answer;
    *out = answer.found;
    return 0;
}
