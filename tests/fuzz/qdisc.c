/* The kernel's messages about queues. The input is one message; its length is corrected, because libnl has checked that
 * before. */
#include "fuzz.h"

#include "netns/qdisc.c"

static volatile unsigned used; /* keeps the compiler from removing reads */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < sizeof(struct nlmsghdr) || size > 32768)
        return 0;
    _cleanup_free_ struct nlmsghdr *h = xcalloc(size, 1);
    memcpy(h, data, size);
    h->nlmsg_len = (uint32_t)size;
    struct nl_msg *m = nlmsg_convert(h);
    must(m);
    struct search s = {.index = 2};
    (void)on_qdisc(m, &s);
    used = s.rate;
    nlmsg_free(m);
    return 0;
}
