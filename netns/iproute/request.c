/* Requests to rtnetlink, and the kernel's refusals in ip's words. */
#include "line.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

void *request_start(struct request *r, uint16_t type, uint16_t flags, size_t size)
{
    r->full = false;
    r->header = mnl_nlmsg_put_header(r->buffer);
    r->header->nlmsg_type = type;
    r->header->nlmsg_flags = NLM_F_REQUEST | flags;
    return mnl_nlmsg_put_extra_header(r->header, size);
}

void request_put(struct request *r, uint16_t type, const void *data, size_t size)
{
    if (!mnl_attr_put_check(r->header, sizeof(r->buffer), type, size, data))
        r->full = true;
}

void request_put_u32(struct request *r, uint16_t type, uint32_t value)
{
    request_put(r, type, &value, sizeof(value));
}

void request_put_ip(struct request *r, uint16_t type, const struct ip *ip)
{
    request_put(r, type, ip->bytes, ip_size(ip));
}

static int fail(struct line *l, int code)
{
    if (line_reading(l)) {
        l->error = err_set(l->e, code, "talk to rtnetlink of the node");
        l->state = LINE_FAILED;
    }
    return -1;
}

/* Sends @r and reads one answer into @buffer, which mnl_nlmsg_ok() has checked. -1: the line has failed. */
static int exchange(struct line *l, struct request *r, char *buffer, size_t size)
{
    r->header->nlmsg_seq = ++l->ip->sequence;
    ssize_t n;
    do {
        n = send(l->ip->socket, r->buffer, r->header->nlmsg_len, 0);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return fail(l, errno);
    do {
        n = recv(l->ip->socket, buffer, size, 0);
        if (n < 0 && errno != EINTR) {
            int why = errno;
            netlink_drain(l->ip->socket);
            return fail(l, why);
        }
    } while (n < 0 || ((struct nlmsghdr *)buffer)->nlmsg_seq != r->header->nlmsg_seq);
    return mnl_nlmsg_ok((struct nlmsghdr *)buffer, (int)n) ? 0 : fail(l, EBADMSG);
}

static const char *full_stop(const char *text)
{
    size_t length = strlen(text);
    return length && text[length - 1] == '.' ? "" : ".";
}

void line_send(struct line *l, struct request *r)
{
    char buffer[8192] __attribute__((aligned(NLMSG_ALIGNTO)));
    if (r->full)
        line_hand_over(l);
    if (!line_reading(l))
        return;
    r->header->nlmsg_flags |= NLM_F_ACK;
    if (exchange(l, r, buffer, sizeof(buffer)) < 0)
        return;
    const struct nlmsghdr *answer = (void *)buffer;
    if (answer->nlmsg_type != NLMSG_ERROR) {
        fail(l, EBADMSG);
        return;
    }
    int code = -((const struct nlmsgerr *)mnl_nlmsg_get_payload(answer))->error;
    const char *words = netlink_error_text(answer);
    int status = code ? IP_REFUSED : 0;
    if (words && *words)
        line_finish(l, status, "%s: %s%s\n", code ? "Error" : "Warning", words, full_stop(words));
    else if (code)
        line_finish(l, status, "RTNETLINK answers: %s\n", strerror(code));
    else
        line_finish(l, status, "%s", "");
}

/* By netlink: an ioctl would let the kernel look for a module of that name on the host. */
int line_find_link(struct line *l, const char *name, size_t *mac_size)
{
    /* An answer has statistics of several families, and on other hardware those of virtual functions. */
    _cleanup_free_ char *buffer = xcalloc(1, 65536);
    struct request r;
    (void)request_start(&r, RTM_GETLINK, 0, sizeof(struct ifinfomsg));
    request_put_u32(&r, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    request_put(&r, IFLA_IFNAME, name, strlen(name) + 1);
    if (!line_reading(l) || exchange(l, &r, buffer, 65536) < 0)
        return 0;
    const struct nlmsghdr *answer = (void *)buffer;
    if (answer->nlmsg_type != RTM_NEWLINK)
        return 0;
    const struct ifinfomsg *info = mnl_nlmsg_get_payload(answer);
    const struct nlattr *a;
    if (mac_size)
        *mac_size = 0;
    mnl_attr_for_each(a, answer, sizeof(*info)) if (mac_size && mnl_attr_get_type(a) ==
                                                                    IFLA_ADDRESS) *mac_size =
        mnl_attr_get_payload_len(a);
    return info->ifi_index;
}

int line_need_link(struct line *l, const char *name)
{
    int index = line_find_link(l, name, NULL);
    if (!index)
        line_finish(l, IP_MISTAKE, "Cannot find device \"%s\"\n", name);
    return index;
}
