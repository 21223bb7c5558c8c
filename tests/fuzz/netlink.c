/* The kernel's answer to a refused netlink message, and the words in it. */
#include "fuzz.h"

#include <netctr/netns.h>

#include <linux/netlink.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < sizeof(struct nlmsghdr) || size > 4096)
        return 0;
    /* Of exactly this size, so that a sanitizer sees a byte too far. */
    _cleanup_free_ struct nlmsghdr *answer = xcalloc(1, size);
    memcpy(answer, data, size);
    answer->nlmsg_len = (uint32_t)size;
    const char *text = netlink_error_text(answer);
    must(!text ||
         ((const char *)answer < text && text + strlen(text) < (const char *)answer + size));
    return 0;
}
