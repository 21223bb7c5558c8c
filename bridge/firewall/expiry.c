#include "expiry.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#define FILE_NAME ".expiry"

/* The answer is stored with the boot's id: the file may outlive the boot, and the next kernel may
 * differ. */
enum fw_expiry expiry_known(struct fw *fw)
{
    if (fw->expiry != FW_EXPIRY_NOT_ASKED || fw->directory < 0)
        return fw->expiry;
    _cleanup_free_ char *boot = NULL;
    if (boot_id(&boot, NULL) < 0)
        return fw->expiry;
    _cleanup_free_ char *known = NULL, *yes = xasprintf("yes %s\n", boot),
                        *no = xasprintf("no %s\n", boot);
    (void)read_state_at(fw->directory, FILE_NAME, 64, &known, NULL);
    fw->expiry = streq(known, yes) ? FW_EXPIRY_YES : streq(known, no) ? FW_EXPIRY_NO : fw->expiry;
    return fw->expiry;
}

static void remember(struct fw *fw, bool works)
{
    fw->expiry = works ? FW_EXPIRY_YES : FW_EXPIRY_NO;
    if (fw->directory < 0)
        return;
    _cleanup_free_ char *boot = NULL;
    if (boot_id(&boot, NULL) < 0)
        return;
    _cleanup_free_ char *answer = xasprintf("%s %s\n", works ? "yes" : "no", boot);
    (void)write_file_atomic(fw->directory, FILE_NAME, answer, strlen(answer), 0600);
}

bool expiry_works(struct fw *fw)
{
    bool works = expiry_known(fw) == FW_EXPIRY_YES;
    if (fw->expiry != FW_EXPIRY_NOT_ASKED)
        return works;
    if (expiry_probe(fw, &works, NULL) < 0)
        return false;
    remember(fw, works);
    return works;
}

int expiry_probe(struct fw *fw, bool *works, struct err *e)
{
    /* The MAC of a veth that does not exist, under a name that no other probe uses: if two shared one, the delete of
     * one would let the update of the other add a new element, and that one does expire. The lifetime is much longer
     * than the probe takes. */
    enum { LIFETIME_MS = 500 };
    uint64_t chance = 0;
    if (getrandom(&chance, sizeof(chance), 0) != sizeof(chance))
        return err_set(e, errno, "read random bytes");
    _cleanup_free_ char *name = xasprintf(".%014llx", (unsigned long long)chance >> 8);
    static const uint8_t mac[6];
    struct element probe = {.set = SET_MACS, .key = {name, mac}};
    _cleanup_nft_batch_ struct nft_batch *b = nft_batch_new();
    ruleset_change(b, CHANGE_CREATE, &probe, xstrdup("probe for expiry: add"));
    int r = nft_batch_commit(fw->nft, b, e);
    if (r < 0)
        return r;
    ruleset_expire(b, &probe, LIFETIME_MS, xstrdup("probe for expiry: update"));
    r = nft_batch_commit(fw->nft, b, e);
    if (r == 0 && (r = ruleset_find(fw->nft, &probe, works)) < 0)
        err_set(e, r, "probe for expiry: read back");
    if (r < 0 || !*works) {
        ruleset_change(b, CHANGE_DELETE, &probe, xstrdup("probe for expiry: delete"));
        (void)nft_batch_commit(fw->nft, b, NULL);
    }
    return r;
}
