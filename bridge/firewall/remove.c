/* Deletes netctr's tables, for `netctr reset`. */
#include "firewall.h"
#include "schema.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnftnl/common.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

/* The helper owns NAT_HOLD and takes it along. One that was restored from a file has no owner. */
static const struct table *removed_table(size_t i)
{
    return i < TABLE_COUNT ? TABLES[i] : i == TABLE_COUNT ? &NAT_HOLD : NULL;
}

static int ignore_answer(const struct nlmsghdr *answer, void *data)
{
    (void)answer;
    (void)data;
    return MNL_CB_OK;
}

/* 1, 0 or -errno. */
static int table_exists(struct nft *n, const struct table *t)
{
    _Alignas(struct nlmsghdr) char buffer[256];
    struct nlmsghdr *request = nftnl_nlmsg_build_hdr(buffer, NFT_MSG_GETTABLE, t->family, 0, 0);
    mnl_attr_put_strz(request, NFTA_TABLE_NAME, t->name);
    int r = nft_request(n, request, ignore_answer, NULL);
    return r == -ENOENT ? 0 : r < 0 ? r : 1;
}

static int delete_table(struct nft *n, const struct table *t, struct err *e)
{
    _cleanup_nft_batch_ struct nft_batch *b = nft_batch_new();
    mnl_attr_put_strz(nft_batch_message(b, NFT_MSG_DELTABLE, 0, t->family,
                                        xasprintf("delete table %s %s", t->family_name, t->name)),
                      NFTA_TABLE_NAME, t->name);
    int r = nft_batch_commit(n, b, e);
    if (r != -ENOENT)
        return r;
    err_clear(e);
    return 0;
}

static int remove_table(struct fw *fw, const struct table *t, bool foreign, const struct gc *gc,
                        struct err *e)
{
    int r = table_exists(fw->nft, t);
    if (r < 0)
        return err_set(e, r, "look for table `%s %s`", t->family_name, t->name);
    if (r == 0)
        return 0;
    if (!foreign && !gc->dry_run && (r = delete_table(fw->nft, t, e)) < 0)
        return r;
    gc_tell(gc, foreign ? GC_LEAVE : GC_REMOVE, "table %s %s%s", t->family_name, t->name,
            foreign ? ", which belongs to another netctr" : "");
    return 0;
}

int fw_remove(struct fw *fw, bool foreign, const struct gc *gc, struct err *e)
{
    int first = 0;
    _cleanup_err_ struct err step = ERR_INIT;
    const struct table *t;
    for (size_t i = 0; (t = removed_table(i)); i++)
        err_note(&first, remove_table(fw, t, foreign, gc, &step), e, &step);
    return first;
}
