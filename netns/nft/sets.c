/* Sets and maps: the elements, sorted, and what they say about a value of which some bits may be unknown.
 *
 * Such a value stands for all values between a smallest (unknown bits 0) and a greatest (1). There are three kinds of
 * sets: of single values, of intervals (kept as borders: where one starts, and the first value behind it), and of
 * concatenated ranges (each element has a smallest and a greatest value, compared field by field).
 */
#include "snapshot.h"

#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

enum { KEY_MAX = 64 };

/* ---- read ------------------------------------------------------------------------------------*/

void sets_note(struct nft_snapshot *s, uint32_t family, const char *table, const char *name,
               bool changed)
{
    s->sets = xrealloc(s->sets, s->set_count + 1, sizeof(*s->sets));
    s->sets[s->set_count++] = (struct nft_set){
        .family = family, .table = xstrdup(table), .name = xstrdup(name), .changed = changed};
}

static int on_elements(const struct nlmsghdr *answer, void *data)
{
    struct nft_set *set = data;
    struct nftnl_set *part = nft_must(nftnl_set_alloc());
    if (nftnl_set_elems_nlmsg_parse(answer, part) < 0) {
        nftnl_set_free(part);
        set->unreadable = true;
        return MNL_CB_OK;
    }
    set->parts = xrealloc(set->parts, set->part_count + 1, sizeof(*set->parts));
    set->parts[set->part_count++] = part;
    return MNL_CB_OK;
}

static int on_set(const struct nlmsghdr *answer, void *data)
{
    struct nft_set *set = data;
    struct nftnl_set *s = nft_must(nftnl_set_alloc());
    if (nftnl_set_nlmsg_parse(answer, s) == 0) {
        set->flags = nftnl_set_get_u32(s, NFTNL_SET_FLAGS);
        set->key_size = nftnl_set_get_u32(s, NFTNL_SET_KEY_LEN);
        uint32_t size = 0;
        const uint8_t *fields = nftnl_set_get_data(s, NFTNL_SET_DESC_CONCAT, &size);
        for (uint32_t i = 0; fields && i < size && i < FIELDS_MAX && fields[i]; i++)
            set->fields[set->field_count++] = fields[i];
    }
    nftnl_set_free(s);
    return MNL_CB_OK;
}

static int check_condition(struct nftnl_expr *x, void *data)
{
    struct nft_element *element = data;
    const char *name = nftnl_expr_get_str(x, NFTNL_EXPR_NAME);
    element->doubtful = element->doubtful || !(streq(name, "counter") || streq(name, "last"));
    return 0;
}

struct take {
    struct nft_snapshot *s;
    struct nft_set *set;
};

static int take_element(struct nftnl_set_elem *x, void *data)
{
    const struct take *t = data;
    struct nft_set *set = t->set;
    uint32_t size = 0, flags = 0;
    if (nftnl_set_elem_is_set(x, NFTNL_SET_ELEM_FLAGS))
        flags = nftnl_set_elem_get_u32(x, NFTNL_SET_ELEM_FLAGS);
    struct nft_element element = {.x = x, .end = flags & NFT_SET_ELEM_INTERVAL_END};
    element.key = nftnl_set_elem_get(x, NFTNL_SET_ELEM_KEY, &size);
    bool is_catchall = flags & NFT_SET_ELEM_CATCHALL;
    if (!is_catchall && (!element.key || size != set->key_size)) {
        set->unreadable = true;
        return 0;
    }
    element.key_end = nftnl_set_elem_is_set(x, NFTNL_SET_ELEM_KEY_END)
                          ? nftnl_set_elem_get(x, NFTNL_SET_ELEM_KEY_END, &size)
                          : element.key;
    element.has_verdict = nftnl_set_elem_is_set(x, NFTNL_SET_ELEM_VERDICT);
    if (element.has_verdict)
        element.verdict = (int)nftnl_set_elem_get_u32(x, NFTNL_SET_ELEM_VERDICT);
    if (nftnl_set_elem_is_set(x, NFTNL_SET_ELEM_CHAIN))
        element.chain = snapshot_chain(t->s, set->family, set->table,
                                       nftnl_set_elem_get_str(x, NFTNL_SET_ELEM_CHAIN));
    (void)nftnl_set_elem_expr_foreach(x, check_condition, &element);
    if (is_catchall) {
        set->catchall = set->catchall ?: xcalloc(1, sizeof(element));
        *set->catchall = element;
        return 0;
    }
    if ((set->element_count & (set->element_count - 1)) == 0) /* grows by powers of two */
        set->elements = xrealloc(set->elements, set->element_count ? set->element_count * 2 : 1,
                                 sizeof(element));
    set->elements[set->element_count++] = element;
    return 0;
}

/* If one interval ends and another starts at the same value, the start counts. */
static int by_key(const void *a, const void *b, void *size)
{
    const struct nft_element *x = a, *y = b;
    int order = memcmp(x->key, y->key, *(const uint32_t *)size);
    return order ? order : y->end - x->end;
}

static void read_set(struct nft_snapshot *s, struct nft *nft, struct nft_set *set)
{
    _Alignas(struct nlmsghdr) char buffer[1024];
    struct nlmsghdr *h = nftnl_nlmsg_build_hdr(buffer, NFT_MSG_GETSET, (uint16_t)set->family, 0, 0);
    mnl_attr_put_strz(h, NFTA_SET_TABLE, set->table);
    mnl_attr_put_strz(h, NFTA_SET_NAME, set->name);
    int r = nft_request(nft, h, on_set, set);
    if (r == 0) {
        h = nftnl_nlmsg_build_hdr(buffer, NFT_MSG_GETSETELEM, (uint16_t)set->family, NLM_F_DUMP, 0);
        mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_TABLE, set->table);
        mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_SET, set->name);
        r = nft_request(nft, h, on_elements, set);
    }
    if (r < 0 || set->key_size == 0 || set->key_size > KEY_MAX) {
        set->unreadable = true;
        return;
    }
    struct take t = {s, set};
    for (size_t i = 0; i < set->part_count; i++)
        (void)nftnl_set_elem_foreach(set->parts[i], take_element, &t);
    if (set->element_count)
        qsort_r(set->elements, set->element_count, sizeof(*set->elements), by_key, &set->key_size);
}

static void free_set(struct nft_set *set)
{
    for (size_t i = 0; i < set->part_count; i++)
        nftnl_set_free(set->parts[i]);
    free(set->parts);
    free(set->elements);
    free(set->catchall);
    free((char *)set->table);
    free((char *)set->name);
}

void sets_read(struct nft_snapshot *s, struct nft *nft)
{
    size_t kept = 0;
    if (s->set_count)
        qsort(s->sets, s->set_count, sizeof(*s->sets), compare_sets);
    for (size_t i = 0; i < s->set_count; i++)
        if (kept && compare_sets(&s->sets[kept - 1], &s->sets[i]) == 0) {
            s->sets[kept - 1].changed = s->sets[kept - 1].changed || s->sets[i].changed;
            free_set(&s->sets[i]);
        } else {
            s->sets[kept++] = s->sets[i];
        }
    s->set_count = kept;
    for (size_t i = 0; i < s->set_count; i++)
        read_set(s, nft, &s->sets[i]);
}

void sets_free(struct nft_snapshot *s)
{
    for (size_t i = 0; i < s->set_count; i++)
        free_set(&s->sets[i]);
    free(s->sets);
}

/* ---- look up ---------------------------------------------------------------------------------*/

struct lookup {
    const struct nft_set *set;
    uint8_t low[KEY_MAX], high[KEY_MAX]; /* of the possible values */
    const uint8_t *value, *known;
    bool exact;    /* all bits are known */
    bool doubtful; /* an element that may match has a condition of its own */
    void (*each)(const struct nft_element *x, void *arg);
    void *arg;
    enum tri found;
};

static void offer(struct lookup *l, const struct nft_element *x, enum tri match)
{
    l->each(x, l->arg);
    l->doubtful = l->doubtful || x->doubtful;
    if (match > l->found)
        l->found = match;
}

/* The number of elements whose key is not greater than @value. */
static size_t count_up_to(const struct nft_set *set, const uint8_t *value)
{
    size_t low = 0, high = set->element_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (memcmp(set->elements[middle].key, value, set->key_size) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void look_up_value(struct lookup *l)
{
    const struct nft_set *set = l->set;
    if (l->exact) {
        size_t i = count_up_to(set, l->value);
        if (i && memcmp(set->elements[i - 1].key, l->value, set->key_size) == 0)
            offer(l, &set->elements[i - 1], YES);
        return;
    }
    for (size_t i = 0; i < set->element_count; i++) {
        bool differs = false;
        for (uint32_t k = 0; k < set->key_size && !differs; k++)
            differs = (set->elements[i].key[k] ^ l->value[k]) & l->known[k];
        if (!differs)
            offer(l, &set->elements[i], MAYBE);
    }
}

/* The interval that holds the smallest possible value, and those that start up to the greatest. It matches for certain
 * if there is no gap in between. */
static void look_up_interval(struct lookup *l)
{
    const struct nft_set *set = l->set;
    size_t first = count_up_to(set, l->low), last = count_up_to(set, l->high);
    bool gap = first == 0 || set->elements[first - 1].end;
    for (size_t i = first; i < last; i++) {
        const struct nft_element *x = &set->elements[i];
        bool continues =
            i + 1 < last && memcmp(x[0].key, x[1].key, set->key_size) == 0 && !x[1].end;
        gap = gap || (x->end && !continues);
    }
    for (size_t i = first ? first - 1 : 0; i < last; i++)
        if (!set->elements[i].end)
            offer(l, &set->elements[i], gap ? MAYBE : YES);
}

static enum tri match_ranges(const struct lookup *l, const struct nft_element *x)
{
    enum tri match = YES;
    size_t at = 0;
    for (size_t f = 0; f < l->set->field_count; f++) {
        const size_t size = l->set->fields[f];
        if (at + size > l->set->key_size)
            return MAYBE;
        if (memcmp(l->high + at, x->key + at, size) < 0 ||
            memcmp(l->low + at, x->key_end + at, size) > 0)
            return NO;
        if (memcmp(l->low + at, x->key + at, size) < 0 ||
            memcmp(l->high + at, x->key_end + at, size) > 0)
            match = MAYBE;
        at += (size + 3) / 4 * 4;
    }
    return match;
}

static void look_up_ranges(struct lookup *l)
{
    for (size_t i = 0; i < l->set->element_count; i++) {
        enum tri match = match_ranges(l, &l->set->elements[i]);
        if (match != NO)
            offer(l, &l->set->elements[i], match);
    }
}

enum tri set_look_up(const struct nft_set *set, const uint8_t *value, const uint8_t *known,
                     void (*each)(const struct nft_element *x, void *arg), void *arg)
{
    if (!set || set->unreadable) {
        each(NULL, arg);
        return MAYBE;
    }
    struct lookup l = {
        .set = set, .value = value, .known = known, .exact = true, .each = each, .arg = arg};
    for (uint32_t i = 0; i < set->key_size; i++) {
        l.low[i] = value[i] & known[i];
        l.high[i] = value[i] | (uint8_t)~known[i];
        l.exact = l.exact && known[i] == 0xff;
    }
    if (!(set->flags & NFT_SET_INTERVAL))
        look_up_value(&l);
    else if (set->field_count > 1)
        look_up_ranges(&l);
    else
        look_up_interval(&l);
    if (l.found != YES && set->catchall)
        offer(&l, set->catchall, YES);
    return l.doubtful && l.found == YES ? MAYBE : l.found;
}
