/* Transactions in the way of nftables' mnl_batch_talk(): one sendmsg(), then all answers, matched to their messages by
 * sequence number.
 *
 * The kernel does not stop at the first refused message: it reports each of them and then rolls the transaction back.
 * That is why a message holds a single object: the report names it, and when only messages were refused that may be
 * left out (deleting what is already gone), a second sendmsg() is enough, however many they are.
 */
#include <netctr/nft.h>

#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnftnl/common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

/* Maximum number of attempts for a transaction that lost a race against another one, or a dump that
 * changed while it was read. */
enum { RETRIES = 64, ANSWER_MAX = 16 * 1024, CONTROL_MAX = 64 };

struct nft {
    struct mnl_socket *socket;
    uint32_t sequence; /* the next unused one */
    int send_room, answer_room;
};

struct message {
    size_t offset;
    char *what;
    enum nft_tolerate tolerate;
    int error; /* the kernel's answer to the latest attempt, a negative errno */
};

struct nft_batch {
    char *buffer; /* BEGIN and the messages */
    size_t used, room;
    struct message *messages; /* [0] is BEGIN, whose answer is about the whole transaction */
    size_t count, message_room;
    struct err refused;
};

struct failure {
    int code;
    bool fatal; /* the refused message is needed */
    size_t index;
    char *words; /* extended ack, owned */
    bool heard;  /* the last message was answered: the kernel has read the whole batch */
};

/* ---- connection ---------------------------------------------------------------------------*/

int nft_open(struct nft **out, struct err *e)
{
    /* Non-blocking: the kernel answers inside sendmsg(), so an answer that is not there then never comes. */
    struct mnl_socket *socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (!socket)
        return err_set(e, errno, "open a netlink socket for nf_tables");
    if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0) {
        int r = err_set(e, errno, "bind the netlink socket for nf_tables");
        mnl_socket_close(socket);
        return r;
    }
    /* The kernel's texts for errors, without a copy of the refused message. Older kernels lack both. */
    int on = 1;
    (void)mnl_socket_setsockopt(socket, NETLINK_EXT_ACK, &on, sizeof(on));
    (void)mnl_socket_setsockopt(socket, NETLINK_CAP_ACK, &on, sizeof(on));
    struct nft *n = xcalloc(1, sizeof(*n));
    n->socket = socket;
    n->sequence = 1;
    *out = n;
    return 0;
}

void nft_close(struct nft *n)
{
    if (!n)
        return;
    mnl_socket_close(n->socket);
    free(n);
}

int nft_socket(const struct nft *n)
{
    int fd = fcntl(mnl_socket_get_fd(n->socket), F_DUPFD_CLOEXEC, 0);
    return fd < 0 ? -errno : fd;
}

/* Makes a socket buffer at least @bytes large, beyond the host's limit where that is permitted. */
static void make_room(const struct nft *n, int *have, size_t bytes, int force, int modest)
{
    int fd = mnl_socket_get_fd(n->socket);
    int want = bytes > INT32_MAX / 2 ? INT32_MAX / 2 : (int)bytes;
    if (want <= *have)
        return;
    if (setsockopt(fd, SOL_SOCKET, force, &want, sizeof(want)) < 0)
        (void)setsockopt(fd, SOL_SOCKET, modest, &want, sizeof(want)); /* else sendmsg() fails */
    *have = want;
}

/* ---- building -----------------------------------------------------------------------------*/

static struct nlmsghdr *header_of(const struct nft_batch *b, size_t index)
{
    return (struct nlmsghdr *)(void *)(b->buffer + b->messages[index].offset);
}

/* Adds the length of the message that was being written. Its inputs are bounded; one that outgrew its room all the same
 * has already damaged memory. */
static void settle(struct nft_batch *b)
{
    size_t length = header_of(b, b->count - 1)->nlmsg_len;
    if (length > NFT_MESSAGE_MAX)
        abort();
    b->used = b->messages[b->count - 1].offset + NLMSG_ALIGN(length);
}

static char *next_message(struct nft_batch *b, char *what)
{
    if (b->room - b->used < NFT_MESSAGE_MAX) {
        b->room = b->room * 2 + NFT_MESSAGE_MAX;
        b->buffer = xrealloc(b->buffer, b->room, 1);
    }
    if (b->count == b->message_room) {
        b->message_room = b->message_room * 2 + 16;
        b->messages = xrealloc(b->messages, b->message_room, sizeof(*b->messages));
    }
    b->messages[b->count++] = (struct message){.offset = b->used, .what = what};
    return b->buffer + b->used;
}

static void begin(struct nft_batch *b)
{
    nftnl_batch_begin(next_message(b, NULL), 0);
}

struct nft_batch *nft_batch_new(void)
{
    struct nft_batch *b = xcalloc(1, sizeof(*b));
    begin(b);
    return b;
}

static void clear(struct nft_batch *b)
{
    for (size_t i = 0; i < b->count; i++)
        free(b->messages[i].what);
    b->count = b->used = 0;
    err_clear(&b->refused);
}

void nft_batch_empty(struct nft_batch *b)
{
    clear(b);
    begin(b);
}

void nft_batch_free(struct nft_batch *b)
{
    if (!b)
        return;
    clear(b);
    free(b->messages);
    free(b->buffer);
    free(b);
}

struct nft_batch *nft_batch_copy(const struct nft_batch *b)
{
    struct nft_batch *copy = xcalloc(1, sizeof(*copy));
    copy->room = b->used + NFT_MESSAGE_MAX; /* the last message may not be counted yet */
    copy->buffer = xrealloc(NULL, copy->room, 1);
    copy->message_room = b->count;
    copy->messages = xrealloc(NULL, b->count, sizeof(*copy->messages));
    copy->used = b->used;
    size_t last =
        b->messages[b->count - 1].offset + NLMSG_ALIGN(header_of(b, b->count - 1)->nlmsg_len);
    memcpy(copy->buffer, b->buffer, last > b->used ? last : b->used);
    for (copy->count = 0; copy->count < b->count; copy->count++) {
        copy->messages[copy->count] = b->messages[copy->count];
        copy->messages[copy->count].what = xstrdup(b->messages[copy->count].what);
    }
    return copy;
}

void nft_batch_cleanup(struct nft_batch **b)
{
    nft_batch_free(*b);
}

struct nlmsghdr *nft_batch_message(struct nft_batch *b, uint16_t type, uint16_t flags,
                                   uint8_t family, char *what)
{
    settle(b);
    return nftnl_nlmsg_build_hdr(next_message(b, what), type, family, flags, 0);
}

void nft_batch_tolerate(struct nft_batch *b, enum nft_tolerate refusals)
{
    b->messages[b->count - 1].tolerate = refusals;
}

void nft_batch_each(struct nft_batch *b,
                    void (*each)(const struct nlmsghdr *message, const char *what, void *arg),
                    void *arg)
{
    for (size_t i = 1; i < b->count; i++) /* behind BEGIN */
        each(header_of(b, i), b->messages[i].what, arg);
}

void nft_batch_refuse(struct nft_batch *b, int code, const char *format, ...)
{
    if (b->refused.code)
        return;
    va_list args;
    va_start(args, format);
    _cleanup_free_ char *text = NULL;
    int n = vasprintf(&text, format, args);
    va_end(args);
    err_say(&b->refused, code, "%s", n < 0 ? format : text);
}

/* ---- answers ------------------------------------------------------------------------------*/

static bool tolerated(const struct message *m)
{
    return (m->error == -ENOENT && (m->tolerate & NFT_TOLERATE_ABSENT)) ||
           (m->error == -EEXIST && (m->tolerate & NFT_TOLERATE_TAKEN));
}

/* The failure to report is the first message that cannot be left out; else the first of those that can. */
static void take_answer(struct nft_batch *b, const struct nlmsghdr *answer, uint32_t first,
                        struct failure *f)
{
    size_t index = answer->nlmsg_seq - first;
    if (answer->nlmsg_type != NLMSG_ERROR || index >= b->count ||
        mnl_nlmsg_get_payload_len(answer) < sizeof(struct nlmsgerr))
        return;
    const struct nlmsgerr *error = mnl_nlmsg_get_payload(answer);
    if (index == b->count - 1)
        f->heard = true;
    if (error->error == 0)
        return;
    b->messages[index].error = error->error;
    bool fatal = index == 0 || !tolerated(&b->messages[index]);
    if (f->code && (f->fatal != fatal ? f->fatal : f->index <= index))
        return;
    f->code = error->error;
    f->fatal = fatal;
    f->index = index;
    free(f->words);
    f->words = xstrdup(netlink_error_text(answer));
}

/* Reads all answers that are waiting. -ENOBUFS if the kernel dropped some. */
static int collect(struct nft *n, struct nft_batch *b, uint32_t first, struct failure *f)
{
    _cleanup_free_ char *buffer = xcalloc(1, ANSWER_MAX);
    int lost = 0;
    for (;;) {
        ssize_t got = mnl_socket_recvfrom(n->socket, buffer, ANSWER_MAX);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == ENOBUFS) {
            lost = -ENOBUFS;
            continue;
        }
        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return lost;
        if (got < 0)
            return -errno;
        int left = (int)got;
        for (struct nlmsghdr *h = (void *)buffer; mnl_nlmsg_ok(h, left);
             h = mnl_nlmsg_next(h, &left))
            take_answer(b, h, first, f);
    }
}

/* ---- sending ------------------------------------------------------------------------------*/

static int send_batch(struct nft *n, struct nft_batch *b, uint32_t first)
{
    char control[CONTROL_MAX];
    struct nlmsghdr *end = nftnl_batch_end(control, first + (uint32_t)b->count);
    struct iovec parts[] = {
        {.iov_base = b->buffer, .iov_len = b->used},
        {.iov_base = end, .iov_len = end->nlmsg_len},
    };
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    struct msghdr m = {
        .msg_name = &kernel,
        .msg_namelen = sizeof(kernel),
        .msg_iov = parts,
        .msg_iovlen = ARRAY_LEN(parts),
    };
    /* The send buffer must hold the whole batch, and the receive buffer an answer (about 1 KiB of kernel memory) for
     * each message, in case all of them are refused. */
    make_room(n, &n->send_room, b->used + 4096, SO_SNDBUFFORCE, SO_SNDBUF);
    make_room(n, &n->answer_room, b->count * 1024, SO_RCVBUFFORCE, SO_RCVBUF);
    while (sendmsg(mnl_socket_get_fd(n->socket), &m, 0) < 0)
        if (errno != EINTR)
            return -errno;
    return 0;
}

/* One attempt at the whole batch. Only the last message requests an answer: errors are always reported. */
static int attempt(struct nft *n, struct nft_batch *b, struct failure *f)
{
    uint32_t first = n->sequence;
    n->sequence += (uint32_t)b->count + 1;
    free(f->words);
    *f = (struct failure){0};
    for (size_t i = 0; i < b->count; i++) {
        struct nlmsghdr *h = header_of(b, i);
        h->nlmsg_seq = first + (uint32_t)i;
        h->nlmsg_flags &= (uint16_t)~NLM_F_ACK;
        if (i == b->count - 1)
            h->nlmsg_flags |= NLM_F_ACK;
        b->messages[i].error = 0;
    }
    int r = send_batch(n, b, first);
    if (r == 0)
        r = collect(n, b, first, f);
    if (f->code)
        return f->code;
    if (r < 0)
        f->code = r;
    else if (!f->heard)
        f->code = -EIO;
    return f->code;
}

/* Removes the refused messages from the batch. False if there was none, or one that is needed. */
static bool leave_out_refused(struct nft_batch *b)
{
    for (size_t i = 0; i < b->count; i++)
        if (b->messages[i].error && (i == 0 || !tolerated(&b->messages[i])))
            return false;
    size_t kept = 0, used = 0;
    for (size_t i = 0; i < b->count; i++) {
        struct message m = b->messages[i];
        size_t length = NLMSG_ALIGN(header_of(b, i)->nlmsg_len);
        if (m.error) {
            free(m.what);
            continue;
        }
        memmove(b->buffer + used, b->buffer + m.offset, length);
        m.offset = used;
        used += length;
        b->messages[kept++] = m;
    }
    bool some = kept < b->count;
    b->count = kept;
    b->used = used;
    return some;
}

static int explain(const struct nft_batch *b, const struct failure *f, struct err *e)
{
    const char *what = f->index > 0 ? b->messages[f->index].what : NULL;
    err_set(e, f->code, "%s", what ? what : "change the firewall");
    err_kernel_says(e, f->words);
    if (f->code == -EMSGSIZE)
        err_hint(e, "raise net.core.wmem_max: the change needs %zu bytes", b->used);
    return f->code;
}

int nft_batch_send(struct nft *n, struct nft_batch *b, struct err *e)
{
    struct failure f = {0};
    int r = b->refused.code;
    if (r)
        err_move(e, &b->refused);
    else
        settle(b);
    for (int retries = 0; r == 0 && b->count > 1;) {
        r = attempt(n, b, &f);
        if ((r == -EINTR || r == -ERESTART) && retries++ < RETRIES)
            r = 0;
        else if (r < 0 && leave_out_refused(b))
            r = 0;
        else if (r < 0)
            explain(b, &f, e);
        else
            break;
    }
    free(f.words);
    return r;
}

int nft_batch_commit(struct nft *n, struct nft_batch *b, struct err *e)
{
    int r = nft_batch_send(n, b, e);
    nft_batch_empty(b);
    return r;
}

/* Unread answers would be taken for answers to the next request. */
static void drain(struct nft *n)
{
    netlink_drain(mnl_socket_get_fd(n->socket));
}

/* The answers to a dump, kept until the last one has come. */
struct answers {
    char *bytes;
    size_t size;
};

static void answers_clear(struct answers *a)
{
    free(a->bytes);
}
#define _cleanup_answers_ __attribute__((cleanup(answers_clear)))

static int keep_answer(const struct nlmsghdr *answer, void *answers)
{
    struct answers *a = answers;
    const size_t size = MNL_ALIGN(answer->nlmsg_len);
    a->bytes = xrealloc(a->bytes, a->size + size, 1);
    memcpy(a->bytes + a->size, answer, answer->nlmsg_len);
    a->size += size;
    return MNL_CB_OK;
}

int nft_request_streamed(struct nft *n, struct nlmsghdr *request,
                         int (*each)(const struct nlmsghdr *answer, void *data), void *data)
{
    _cleanup_free_ char *buffer = xcalloc(1, ANSWER_MAX);
    request->nlmsg_seq = n->sequence++;
    request->nlmsg_flags |= NLM_F_ACK;
    while (mnl_socket_sendto(n->socket, request, request->nlmsg_len) < 0)
        if (errno != EINTR)
            return -errno;
    for (;;) {
        ssize_t got = mnl_socket_recvfrom(n->socket, buffer, ANSWER_MAX);
        if (got < 0 && errno == EINTR)
            continue;
        int r = got < 0 ? -1
                        : mnl_cb_run(buffer, (size_t)got, request->nlmsg_seq,
                                     mnl_socket_get_portid(n->socket), each, data);
        if (r < 0) {
            r = -errno;
            drain(n);
            return r;
        }
        if (r == MNL_CB_STOP)
            return 0;
    }
}

/* A dump that was changed while it was read (EINTR) is incomplete: it is read again before @each sees any of it. */
static int dump(struct nft *n, struct nlmsghdr *request,
                int (*each)(const struct nlmsghdr *answer, void *data), void *data)
{
    int r = -EINTR;
    for (int tries = 0; r == -EINTR && tries < RETRIES; tries++) {
        _cleanup_answers_ struct answers all = {0};
        r = nft_request_streamed(n, request, keep_answer, &all);
        int left = (int)all.size, go_on = MNL_CB_OK;
        for (struct nlmsghdr *h = (void *)all.bytes;
             r == 0 && go_on == MNL_CB_OK && left > 0 && mnl_nlmsg_ok(h, left);
             h = mnl_nlmsg_next(h, &left))
            go_on = each(h, data);
    }
    return r;
}

int nft_request(struct nft *n, struct nlmsghdr *request,
                int (*each)(const struct nlmsghdr *answer, void *data), void *data)
{
    return request->nlmsg_flags & NLM_F_DUMP ? dump(n, request, each, data)
                                             : nft_request_streamed(n, request, each, data);
}
