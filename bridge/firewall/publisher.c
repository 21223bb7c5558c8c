/* The container that has a published port, as its element says. */
#include "ruleset.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnftnl/set.h>
#include <libnftnl/udata.h>

static int take_note(const struct nftnl_udata *u, void *publisher)
{
    struct publisher *p = publisher;
    const char *text = nftnl_udata_get(u);
    uint8_t size = nftnl_udata_len(u);
    if (nftnl_udata_type(u) == UDATA_ELEMENT_UNHELD)
        p->unheld = true;
    else if (nftnl_udata_type(u) == NFTNL_UDATA_SET_ELEM_COMMENT && size && !text[size - 1] &&
             !p->name)
        p->name = xstrdup(text);
    return 0;
}

static int take_element(struct nftnl_set_elem *x, void *publisher)
{
    struct publisher *p = publisher;
    uint32_t size = 0;
    const void *userdata = nftnl_set_elem_get(x, NFTNL_SET_ELEM_USERDATA, &size);
    p->expires = nftnl_set_elem_is_set(x, NFTNL_SET_ELEM_EXPIRATION);
    if (userdata)
        (void)nftnl_udata_parse(userdata, size, take_note, p);
    return 0;
}

static int read_answer(const struct nlmsghdr *answer, void *publisher)
{
    struct nftnl_set *s = nft_must(nftnl_set_alloc());
    if (nftnl_set_elems_nlmsg_parse(answer, s) == 0)
        nftnl_set_elem_foreach(s, take_element, publisher);
    nftnl_set_free(s);
    return MNL_CB_OK;
}

int publisher_find(struct nft *nft, const struct fw_publish *p, struct publisher *out)
{
    *out = (struct publisher){0};
    return elements_ask_publish(nft, p, read_answer, out);
}
