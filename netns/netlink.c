/* Shared by all netlink families: the kernel's text behind an error, and how to clean up a socket
 * after an exchange that was not read to its end. rtnetlink is parsed with libnl and nfnetlink with
 * libmnl; this needs neither. */
#include <netctr/netns.h>

#include <errno.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>

/* The attributes follow the struct nlmsgerr. Without NETLINK_CAP_ACK, the rest of the refused
 * message stands in between. */
const char *netlink_error_text(const struct nlmsghdr *answer)
{
    const struct nlmsgerr *error = NLMSG_DATA(answer);
    size_t skip = NLMSG_HDRLEN + sizeof(*error);
    if (!(answer->nlmsg_flags & NLM_F_ACK_TLVS) || answer->nlmsg_len < skip)
        return NULL;
    if (!(answer->nlmsg_flags & NLM_F_CAPPED))
        skip += NLMSG_ALIGN((size_t)error->msg.nlmsg_len) - sizeof(error->msg);
    while (skip + NLA_HDRLEN <= answer->nlmsg_len) {
        const struct nlattr *a = (const void *)((const char *)answer + skip);
        if (a->nla_len < NLA_HDRLEN || a->nla_len > answer->nlmsg_len - skip)
            return NULL;
        const char *text = (const char *)a + NLA_HDRLEN;
        if ((a->nla_type & NLA_TYPE_MASK) == NLMSGERR_ATTR_MSG)
            return memchr(text, '\0', a->nla_len - (size_t)NLA_HDRLEN) ? text : NULL;
        skip += NLA_ALIGN((size_t)a->nla_len);
    }
    return NULL;
}

void netlink_drain(int fd)
{
    char byte;
    while (recv(fd, &byte, sizeof(byte), MSG_DONTWAIT | MSG_TRUNC) > 0 || errno == EINTR)
        continue;
}
